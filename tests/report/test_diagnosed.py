"""The page's section on what is wrong."""

from __future__ import annotations

from collections.abc import Callable

from foveal.doctor import Diagnosis, kept
from foveal.doctor.kept import Examined
from foveal.doctor.proof import Held, Pair, Proof
from foveal.doctor.told import Told
from foveal.finding import Cure, Evidence, Finding
from foveal.records.run import Run
from foveal.report import write
from foveal.report.diagnosed import curves


def test_what_is_wrong_stands_at_the_top(copy: Callable[[], Run]) -> None:
    run = copy()
    shown = tuple(item.id for item in run.dataset.part("train")[:3])
    evil = '<script>alert("ill")</script>'
    finding = Finding(
        "rate_too_high", "error", f"Ill {evil}.",
        (Evidence("It rose.", {"loss": [[1, 2.0], [2, 5.0], [3, 900.0]]}, (*shown, "gone.png"), ("conv1", "fc")),),
        "Why so.", Cure("Do less.", {"lr": 0.1}), 0.9,
        (Finding("loss_stuck", "error", "Stuck.", (), "So.", Cure("No.")),),
    )  # fmt: skip
    proof = Proof(
        "rate_too_high", "accuracy", True, 18, 3, tuple(Pair(n, 0.1, 0.6 + n / 50) for n in range(3)), (4, 4)
    )
    unsure = {"vanishing": "unwatched"}
    rules = ("loss_stuck", "rate_too_high", "vanishing")
    kept.write(
        run, Examined(run.folder, Diagnosis((finding,), unsure, rules), proofs={"rate_too_high": proof})
    )
    page = write(run).read_text(encoding="utf-8")
    assert evil not in page
    top, _, section = page.partition('<section id="diagnosis">')
    assert "Something is wrong:" in top
    assert top.index("Something is wrong:") < top.index('class="verdict"')
    section = section.partition("</section>")[0]
    for part in (
        "1. Rate too high",
        "It rose.",
        "conv1, fc",
        "Why so.",
        "Do less.",
        "--lr",
        "Stuck.",
        "vanishing: unwatched",
    ):
        assert part in section, part
    assert "Restores 52.0 points of accuracy" in section
    assert section.count("<img") == 3
    assert section.count('class="gone"') == 1, "a picture that is no longer there"
    assert section.count("<svg") == 1
    assert (
        section.index("1. Rate too high")
        < section.index("It rose.")
        < section.index("Why so.")
        < section.index("Do less.")
    )


def test_cures_that_were_held_against_each_other_are_shown(copy: Callable[[], Run]) -> None:
    run = copy()
    own, other = Cure("Do less: `lr < 1`.", {"lr": 0.1}), Cure("Do more.", {"lr": 0.3})
    finding = Finding("rate_too_high", "error", "Ill.", (), "Why so.", own)
    pairs = tuple(Pair(n, 0.1, 0.6 + n / 50) for n in range(3))
    held = (Held("Do less.", 0.512), Held("Do more.", 0.753), Held("Do it all.", None, "It has no norm."))
    proof = Proof(
        "rate_too_high", "accuracy", True, 18, 3, pairs, (4, 4), cure=other, held=held, before=0.125
    )
    kept.write(
        run,
        Examined(run.folder, Diagnosis((finding,), {}, ("rate_too_high",)), proofs={"rate_too_high": proof}),
    )
    page = write(run).read_text(encoding="utf-8")
    section = page.partition('<section id="diagnosis">')[2].partition("</section>")[0]
    order = (
        "<code>lr &lt; 1</code>",
        "This is the best of 3 cures by one training each: Do more.",
        "--lr",
        "<summary>What each cure gave",
    )
    places = [section.index(one) for one in order]
    assert places == sorted(places), "the command is that of the cure that helped, and stands behind it"
    assert "<span>0.3</span>" in section
    assert "<span>0.1</span>" not in section
    table = section.partition("<details>")[2]
    for cell in ("The run as it was.", "12.5%", "51.2%", "75.3%", "It has no norm."):
        assert cell in table, cell


def test_nothing_wrong_is_a_line(copy: Callable[[], Run]) -> None:
    run = copy()
    kept.write(run, Examined(run.folder, Diagnosis((), {}, ("loss_stuck",) * 3)))
    page = write(run).read_text(encoding="utf-8")
    assert "Nothing is wrong: 3 rules looked." in page
    assert 'id="diagnosis"' not in page
    assert "What its parts and pictures showed" not in page
    rows = [{"pictures": n, "score": n / 100, "low": n / 200, "high": n / 90} for n in (20, 40)]
    curve = Told("learning_curve", "Whether more would help", Evidence("They would.", {"curve": rows}))
    kept.write(run, Examined(run.folder, Diagnosis((), {}, ("loss_stuck",)), measured=(curve,)))
    page = write(run).read_text(encoding="utf-8")
    told = page.partition("What its parts and pictures showed")[2].partition("</details>")[0]
    assert "<b>Whether more would help.</b> They would." in told
    assert told.count("<svg") == 1
    (run.folder / "findings.json").write_text("no json")
    assert "What the doctor says" not in write(run).read_text(encoding="utf-8"), (
        "a damaged file costs the section"
    )


def test_numbers_by_step_or_epoch_are_drawn() -> None:
    drawn = curves(
        {"loss": [[1, 2.0], [2, None], [3, 1.0], [4, 500.0]], "n": 3, "name": "x", "two": [[1, 1], [2, 2]]}
    )
    assert [(one.title, one.x, one.log_y) for one in drawn] == [("Loss", "step", True)]
    assert drawn[0].curves[0].xs == (1.0, 3.0, 4.0)
    by_epoch = curves({"train_losses": [3.0, 2.0, 1.0], "other": [1.0, 2.0]}, epochs=3)
    assert [(one.title, one.x) for one in by_epoch] == [("Train losses", "epoch")]
