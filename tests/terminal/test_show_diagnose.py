"""How a diagnosis is drawn."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from foveal.doctor import Diagnosis
from foveal.doctor.kept import Examined
from foveal.doctor.proof import Held, Pair, Proof
from foveal.doctor.told import Told
from foveal.finding import Cure, Evidence, Finding
from foveal.storage import to_json
from foveal.terminal.console import result_console
from foveal.terminal.show_diagnose import diagnosis
from foveal.verbs.diagnose import Applied, Diagnosed

EVIL = "\x1b[31m[red]花.jpg"
STUCK = Finding(
    "loss_stuck", "error", "Nothing was learned.", (Evidence("Flat."),), "None.", Cure("Find one.")
)
HIGH = Finding(
    "rate_too_high", "error", "The rate is 600 times the usual.",
    (Evidence("The loss rose.", {"loss": [[1, 2.0], [2, 9.0]]}, (EVIL, "b", "c", "d", "e", "f"), ("conv1",)),),
    "Each step lands higher than the one before.", Cure("Take a smaller one.", {"lr": 0.05, "flip": False}), 0.93,
    (STUCK,),
)  # fmt: skip
NOISY = Finding(
    "labels_noisy", "warning", "12 % are wrong.", (), "People err.", Cure("Leave out.", exclude=("a",))
)
HELPS = Proof(
    "rate_too_high",
    "accuracy",
    True,
    270,
    3,
    (Pair(0, 0.1, 0.6), Pair(1, 0.11, 0.62), Pair(2, 0.1, 0.64)),
    (8, 8),
)


def examined(*findings: Finding, **more: Any) -> Examined:
    unsure = {"vanishing": "Nothing was watched.", "exploding": "Nothing was watched."}
    rules = ("exploding", "labels_noisy", "loss_stuck", "rate_too_high", "vanishing")
    return Examined(Path("runs/two words"), Diagnosis(findings, unsure, rules), "finished", 9, **more)


def drawn(value: Diagnosed, width: int | None = None) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False) if width else result_console(file)
    diagnosis(console, json.loads(to_json(value.to_json())))
    assert "\x1b" not in file.getvalue()
    return file.getvalue()


def test_findings_with_their_symptoms_and_proofs() -> None:
    lines = drawn(
        Diagnosed(examined(HIGH, NOISY, proofs={"rate_too_high": HELPS}), Path("r.html"))
    ).splitlines()
    assert lines[1] == (
        "2 things are wrong, the most fundamental first, with 1 symptom that follows from them: 5 rules looked; 2 of "
        "the rules had not enough to go by."
    )
    assert lines[3] == "1. error: rate too high  (confidence 93 %)"
    assert lines[4:6] == ["   The rate is 600 times the usual.", "   - The loss rose."]
    assert "\\x1b[31m[red]花.jpg, b, c, d and 2 more" in lines[6]
    assert lines[7] == "   Why: Each step lands higher than the one before."
    assert lines[8] == "   Cure: Take a smaller one."
    assert lines[9] == "     foveal runs fork 'runs/two words' --lr 0.05 --no-flip"
    assert lines[10].startswith("   Proof: Restores 51.7 points of accuracy [46.5, 56.8]: ")
    assert lines[11:13] == ["   From this follows:", "   - loss stuck: Nothing was learned."]
    assert "     foveal diagnose 'runs/two words' --apply labels_noisy" in lines
    assert "- exploding, vanishing: Nothing was watched." in lines
    assert lines[-1] == 'Next: foveal diagnose "runs/two words" --apply rate_too_high makes the cure a run'
    assert "Next: foveal diagnose" in drawn(Diagnosed(examined(HIGH))).splitlines()[-1]
    assert drawn(Diagnosed(examined(HIGH))).splitlines()[-1].endswith("--prove tries the cure")


def test_what_helped_stands_behind_its_proof() -> None:
    held = (Held("Take a smaller one.", 0.2), Held("Norms.", 0.6), Held("Another.", None, "It has one."))
    other = dataclasses.replace(HELPS, cure=Cure("Norms.", {"lr": 0.3}), held=held, before=0.1)
    lines = drawn(Diagnosed(examined(HIGH, proofs={"rate_too_high": other}))).splitlines()[1:]
    assert lines[7] == "   Cure: Take a smaller one.", "its command would not be what was proved"
    assert lines[8].startswith("   Proof: Restores 51.7 points")
    assert lines[8].endswith("This is the best of 3 cures by one training each: Norms.")
    assert lines[9] == "     foveal runs fork 'runs/two words' --lr 0.3"
    assert lines[10:15] == [
        "   One training with each cure, on the run's own seed:",
        "   - 0.1  the run as it was",
        "   - 0.2  Take a smaller one.",
        "   - 0.6  Norms.",
        "   - –  Another. (could not be tried: It has one.)",
    ]


def test_a_symptom_whose_cure_helped_says_so() -> None:
    root = Finding("rate_too_high", "error", "High.", (), "So.", Cure("Lower.", {"lr": 0.1}), 0.9, (
        Finding("loss_stuck", "error", "Stuck.", (), "So.", Cure("Test.", {"find_lr": True})),
    ))  # fmt: skip
    no = Proof("rate_too_high", "accuracy", True, 270, 3, tuple(Pair(n, 0.1, 0.1) for n in range(3)), (8, 8))
    yes = Proof("loss_stuck", "accuracy", True, 270, 3, HELPS.pairs, (8, 8))
    said = drawn(Diagnosed(examined(root, proofs={"rate_too_high": no, "loss_stuck": yes})))
    assert "Proof: Did not help (+0.0 points" in said
    assert "foveal runs fork 'runs/two words' --find-lr" in said
    assert said.splitlines()[-1].startswith('Next: foveal diagnose "runs/two words" --apply loss_stuck')


def test_nothing_wrong_says_what_was_looked_at() -> None:
    lines = drawn(Diagnosed(examined(tests=("loss", "moves"), pictures=1797))).splitlines()
    assert lines[1] == (
        "Nothing is wrong: 5 rules looked, 2 tests of its parts were made and 1,797 pictures were gone through; 2 of "
        "the rules had not enough to go by."
    )
    assert lines[-1] == 'To look closer: foveal diagnose "runs/two words" --deep'


def test_what_parts_showed_is_told_where_it_was_asked_for() -> None:
    row = Told("blind", "Whether pictures matter", Evidence("They do.", {}, ("a", "b", "c", "d", "e")))
    assert "They do." not in drawn(Diagnosed(examined(measured=(row,))))
    lines = drawn(Diagnosed(examined(measured=(row,), deep=True))).splitlines()
    assert lines[3:6] == [
        "What its parts and pictures showed:", "- Whether pictures matter: They do.", "  a, b, c, d and 1 more"
    ]  # fmt: skip


def test_a_cure_that_became_a_run_and_a_narrow_screen() -> None:
    applied = Applied("rate_too_high", Path("runs/ill-2"), "ill-2 is better than ill-1, and that is sure.")
    found = Diagnosed(
        examined(
            HIGH, notes=("Not looked at for want of time: loss.",), failed={"modes": "no", "loss": "late"}
        ),
        None,
        applied,
    )
    said = drawn(found, 50)
    assert "The cure of rate too high is a run now" in " ".join(said.split())
    assert "ill-2 is better than ill-1" in said
    assert "The test modes could not be made: no" in said
    assert "late" not in said, "the note names it"
    assert max(map(len, drawn(Diagnosed(examined(NOISY)), 50).splitlines())) <= 120
