"""Sentences and advice, on evaluations made up for each."""

from __future__ import annotations

import dataclasses

import pytest

from foveal.events import Stopped
from foveal.report.advice import advice
from foveal.report.calibration import against_truth, calibration
from foveal.report.confusion import confusion, mistakes
from foveal.report.thumbs import LEVELS, Album
from foveal.report.verdict import verdict, worst
from foveal.values import Evaluation, Issue, Score
from gathered import FINE, STEADY, epoch, judged, made, titles


def test_the_verdict_names_the_worst_class_and_its_twin() -> None:
    told = verdict(made(judged([[95, 3, 2], [30, 60, 10], [1, 1, 98]])))
    assert told.figure == "84.3%"
    assert str(told.says) == "<b>84.3%</b> of 300 test pictures are recognised; 95% interval 82.3% to 86.3%."
    assert str(told.fails) == (
        "The class that suffers most is <b>dog</b>: 60 of its 100 pictures are recognised (60%); "
        "of the other 40, 30 are taken for <b>cat</b> and 10 for <b>owl</b>."
    )
    assert told.chance == pytest.approx(1 / 3)
    assert told.baseline == "Always answering “cat”, one of the 3 commonest classes, would score 33.3%."
    assert verdict(made(judged([[40, 0, 0], [0, 20, 0], [0, 0, 20]]))).baseline == (
        "Always answering “cat”, the commonest class, would score 50%."
    )


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        ([[20, 0, 0], [0, 20, 0], [0, 0, 20]], "No picture of any class was mistaken."),
        (
            [[19, 1, 0], [0, 20, 0], [0, 0, 20]],
            "(95%); the other one is taken for <b>dog</b>. With so few mistakes",
        ),
        ([[10, 10, 0], [0, 20, 0], [0, 0, 20]], "all 10 others are taken for <b>dog</b>."),
        (
            [[0, 3, 17], [0, 20, 0], [0, 0, 20]],
            "none of its 20 pictures are recognised (0%); 17 are taken for <b>owl</b> and 3 for <b>dog</b>.",
        ),
        (
            [[0, 20, 0], [0, 20, 0], [0, 0, 20]],
            "none of its 20 pictures are recognised (0%); 20 are taken for <b>dog</b>.",
        ),
        ([[18, 2, 0], [0, 20, 0], [0, 0, 20]], "(90%); both others are taken for <b>dog</b>."),
        (
            [[18, 1, 1], [0, 20, 0], [0, 0, 20]],
            "(90%); of the other 2, 1 is taken for <b>dog</b> and 1 for <b>owl</b>.",
        ),
    ],
)
def test_the_grammar_of_what_fails(matrix: list[list[int]], says: str) -> None:
    assert says in str(verdict(made(judged(matrix))).fails)


def test_of_many_others_the_commonest_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gathered.LABELS", tuple("abcdef"))
    matrix = [[20 if a == b else 0 for b in range(6)] for a in range(6)]
    matrix[2] = [1, 5, 10, 2, 1, 1]
    assert (
        "of the other 10, 5 are taken for <b>b</b>, 2 for <b>d</b> and the others for 3 more classes."
        in str(verdict(made(judged(matrix))).fails)
    )


def test_a_class_of_two_pictures_is_not_the_worst() -> None:
    found = worst(judged([[0, 2, 0], [10, 90, 0], [0, 0, 100]]))
    assert found is not None
    assert found.label == "dog"


def test_names_are_escaped() -> None:
    evaluation = judged([[5, 15, 0], [0, 20, 0], [0, 0, 20]])
    evaluation.per_class[0]["label"] = "<b>&"
    assert "<b>&lt;b&gt;&amp;</b>" in str(verdict(made(evaluation)).fails)


def test_validation_steered_the_run() -> None:
    evaluation = judged(FINE)
    evaluation = dataclasses.replace(
        evaluation, headline=dataclasses.replace(evaluation.headline, split="val")
    )
    assert "expect a little less" in str(verdict(made(evaluation)).says)


@pytest.mark.parametrize("status", ["running", "interrupted", "diverged", "died", "created"])
def test_an_end_is_told(status: str) -> None:
    score = Score("accuracy", 0.5, 0.4, 0.6, True, "val")
    told = verdict(made(None, status=status, result={}, score=score))
    assert told.state
    assert "So far the best accuracy is <b>50%</b>" in str(told.says)
    assert verdict(made(None, (), status=status, result={}, score=None)).figure == "–"


def test_a_settled_run_is_left_in_peace() -> None:
    assert titles(made(judged(FINE))) == ["Nothing in this run asks to be mended"]


def test_no_advice_while_nothing_is_known() -> None:
    assert advice(made(None, (), status="created", result={})) == []


def test_still_improving() -> None:
    rising = tuple(epoch(n, 0.5 + 0.03 * n, 1 - n / 20, 1.1 - n / 20, n == 10) for n in range(1, 11))
    found = advice(made(judged(FINE), rising))
    assert [one.title for one in found] == ["Train longer"]
    assert found[0].command == "foveal runs fork runs/one --epochs 20"
    assert "6.0 points" in found[0].why
    early = (*rising, Stopped(why="early", step=10))
    assert "Train longer" not in titles(made(judged(FINE), early)), "patience had judged that"
    flat = tuple(epoch(n, 0.9 + 0.0001 * n, 0.5, 0.4, n == 10) for n in range(1, 11))
    assert "Train longer" not in titles(made(judged(FINE), flat))


def test_fine_tuning_that_lost() -> None:
    rows = (
        epoch(1, 0.9, 1.0, 0.4, True, "head"),
        epoch(2, 0.8, 1.0, 0.5, stage="all"),
        epoch(3, 0.85, 0.9, 0.45, stage="all"),
    )
    stages = [{"name": "head", "trainable": "head"}, {"name": "all", "trainable": "all"}]
    g = made(judged(FINE), rows, options={"fit": {"stages": stages}, "train": {"lr": 0.01}})
    assert titles(g)[0] == "Give fine-tuning more epochs, or a smaller rate"
    assert "reached 90% in validation; 2 epochs of training all layers ended at 85%" in advice(g)[0].why


def test_a_weak_class_and_a_confused_pair() -> None:
    g = made(judged([[950, 30, 20], [280, 700, 20], [15, 15, 970]]))
    assert titles(g)[:2] == ["Look at “dog”, and collect more of it", "Find out what tells “cat” from “dog”"]
    assert "310 of the 380 mistakes" in advice(g)[1].why
    few = tuple(i for i in made(None).dataset.items if i.truth != "dog" or int(i.id[3:]) < 10)  # type: ignore[union-attr]
    assert g.dataset is not None
    rare = advice(dataclasses.replace(g, dataset=dataclasses.replace(g.dataset, items=few)))[0]
    assert "It has 10 training pictures" in rare.why
    assert rare.command.endswith("--balance sampling")


def test_larger_pictures_are_there() -> None:
    g = made(
        judged([[950, 30, 20], [280, 700, 20], [15, 15, 970]]),
        options={"preprocessing": {"size": 64}, "train": {}},
    )
    assert [one.command for one in advice(g) if "tells" in one.title] == [
        "foveal runs fork runs/one --size 128"
    ]


def test_sure_and_wrong() -> None:
    found = advice(made(judged(FINE, probability=0.8, sure=0.95)))
    assert [one.title for one in found] == ["Look at the surest mistakes, and at their labels"]
    assert "at least 80% sure of these 90 mistakes" in found[0].why
    assert found[0].look == "mistakes"


def test_trouble_in_the_data_comes_first() -> None:
    g = made(judged(FINE, probability=0.8, sure=0.95))
    assert g.dataset is not None
    issue = Issue("duplicate-labels", "warning", "", ("a", "b"))
    found = titles(dataclasses.replace(g, dataset=dataclasses.replace(g.dataset, issues=(issue,))))
    assert found[0] == "Settle the pictures that stand under two labels"


def test_few_pictures() -> None:
    g = made(judged([[27, 3, 0], [0, 30, 0], [0, 0, 30]]))
    (found,) = [one for one in advice(g) if one.title.startswith("Judge on more")]
    assert found.command == "foveal train /data --folds 5"
    assert (
        "With 90 pictures the interval reaches from 94.7% to 98.7%; one of 4 points would take about 400."
        in found.why
    )


def test_no_better_than_the_commonest_class() -> None:
    assert titles(made(judged([[10, 10, 10], [10, 10, 10], [10, 10, 10]])))[0].startswith("Check the labels")


def test_the_range_test_disagrees() -> None:
    g = made(judged(FINE), find_lr={"suggestion": 0.001})
    assert titles(g) == ["Try the rate that the range test suggests"]
    assert titles(made(judged(FINE), find_lr={"suggestion": 0.05}))[0].startswith("Nothing")


def test_a_stopped_run_can_go_on() -> None:
    g = made(None, STEADY[:-1], status="died", result={})
    assert advice(g)[0].command == "foveal train --resume runs/one"
    assert titles(made(None, (), status="diverged", result={})) == [], "that is the doctor's to say"


def test_what_the_doctor_says_better_is_left_to_it() -> None:
    rising = tuple(epoch(n, 0.5 + 0.03 * n, 1 - n / 20, 1.1 - n / 20, n == 10) for n in range(1, 11))
    g = made(judged(FINE), rising)
    assert [one.title for one in advice(g)] == ["Train longer"]
    assert advice(g, frozenset({"stopped_too_early"})) == []
    assert advice(made(judged(FINE)), frozenset({"leak"})) == [], (
        "nothing asks to be mended but what was told"
    )


NUMBERS = Evaluation(
    Score("mae", 5.0, 4.0, 6.0, False, "test"), {"mae": 5.0, "rmse": 6.0}, 120,
    [{"label": "1 to 30", "count": 60, "mae": 2.0, "bias": 0.1},
     {"label": "31 to 80", "count": 60, "mae": 8.0, "bias": -7.9}],
    examples=[
        {"id": f"n{n}", "truth": float(n), "predicted": n + (5.0 if n % 2 else -5.0), "loss": 0.1} for n in range(120)
    ],
    quantity="age",
)  # fmt: skip
TAGS = Evaluation(
    Score("mAP", 0.8, 0.75, 0.85, True, "test"), {"mAP": 0.8}, 200,
    [{"label": "red", "count": 100, "recall": 0.9, "average_precision": 0.9},
     {"label": "blue", "count": 40, "recall": 0.8, "average_precision": 0.55},
     {"label": "none", "count": 0, "recall": 0.0, "average_precision": None}],
    examples=[{"id": "a", "truth": ["red"], "predicted": ["red", "blue"], "probability": 0.6, "loss": None},
              {"id": "b", "truth": ["red"], "predicted": ["red"], "probability": 0.9, "loss": 0.1}],
)  # fmt: skip


def test_numbers() -> None:
    g = made(NUMBERS, options={"task": {"baseline": 12.0}})
    told = verdict(g)
    assert g.kind == "numbers"
    assert told.figure == "5"
    assert (
        "Predictions of age are off by <b>5</b> on average, over 120 test pictures; 95% interval 4 to 6."
        in str(told.says)
    )
    assert "<b>31 to 80</b> suffer most: off by 8 on average, nearly always too low." in str(told.fails)
    assert "would be off by 12" in told.baseline
    assert told.ruler is None
    scatter = against_truth(g)
    assert scatter is not None
    assert len(scatter.curves[0].xs) == 120
    shown = mistakes(g, Album(None, {}), LEVELS[0])
    assert shown is not None
    assert shown.surest_title == "Told too high"
    assert confusion(g, Album(None, {}), LEVELS[0]) is None
    assert calibration(g) is None
    base = made(NUMBERS, options={"task": {"baseline": 5.5}})
    assert titles(base)[0] == "Check the numbers and the learning rate first"


def test_several_labels() -> None:
    g = made(TAGS)
    assert g.kind == "labels"
    told = verdict(g)
    assert told.figure == "0.800"
    assert "mean average precision is <b>0.800</b> on 200 test pictures" in str(told.says)
    assert "<b>blue</b>: average precision 0.550, over 40 pictures" in str(told.fails)
    shown = mistakes(g, Album(None, {}), LEVELS[0])
    assert shown is not None
    assert [(e.truth, e.predicted, e.loss) for e in shown.surest] == [("red", "red, blue", "∞")]


def test_reliability_counts_every_picture() -> None:
    found = calibration(made(judged(FINE, probability=0.95, sure=0.45)))
    assert found is not None
    diagram, bars = found.charts
    assert diagram.curves[0].xs == pytest.approx((0.45, 0.95))  # type: ignore[union-attr]
    assert diagram.curves[0].ys == (0.0, 1.0)  # type: ignore[union-attr]
    assert sum(bars.values) == 3000  # type: ignore[union-attr,arg-type]


def test_many_classes_are_drawn_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 40
    monkeypatch.setattr("gathered.LABELS", tuple(f"c{n}" for n in range(count)))
    matrix = [[5 if a == b else 2 if b == a + 1 else 0 for b in range(count)] for a in range(count)]
    g = made(judged(matrix))
    found = confusion(g, Album(None, {}), LEVELS[0])
    assert found is not None
    assert found.rows == ()
    assert found.heat is not None
    assert len(found.pairs) == 39
    assert {p.id for p in found.pairs} <= {p.id for p in found.panels}
