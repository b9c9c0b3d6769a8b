"""In what two runs differ, and which is better."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import foveal
from foveal.errors import RunError
from foveal.events import Epoch, Started
from foveal.intervals import bootstrap
from foveal.outcomes import mcnemar, outcomes, paired
from foveal.records.run import MACHINE, RESULT, Run
from foveal.records.trained import EVALUATION
from foveal.storage import write_json
from foveal.values import Choice, Dataset, Item, Score
from foveal.verbs.diff import said_of_data

COUNT = 40


def items(count: int = COUNT) -> tuple[Item, ...]:
    return tuple(
        Item(f"{n}.png", f"{n}.png", "ab"[n % 2], "test" if n < count // 2 else "train", None, f"sha{n}")
        for n in range(count)
    )


def a_run(home: Path, name: str, data: Sequence[Item] = items(), split: str = "test", **train: Any) -> Run:
    run = Run.create(home, "", home / name)
    options = {"lr": 0.1, "network": "resnet9", "momentum": 0.9, "out": str(home / name), **train}
    run.write_options({"train": options}, [Choice("lr", options["lr"], f"said for {name}")])
    run.write_dataset(Dataset("/d", "classify", "folder", "", ("a", "b"), tuple(data)))
    run.append(Started(at=1.0))
    score = dataclasses.asdict(Score("accuracy", 0.5, 0.4, 0.6, True, "val"))
    run.append(Epoch(epoch=1, step=1, headline=score, seconds=7.0, best=True))
    run.journal.close()
    write_json(run.folder / MACHINE, {"versions": {"torch": "2.10"}, "device": "cpu", "at": 1.0})
    return run


def judged(run: Run, right: Sequence[bool], split: str = "test") -> Run:
    """Give the run a result in which the test pictures are right as said."""
    test = [item for item in run.dataset.items if item.part == "test"]
    rows = [
        {"id": i.id, "truth": i.truth, "predicted": i.truth if r else "?", "probability": 0.9, "loss": 0.1}
        for i, r in zip(test, right, strict=True)
    ]
    values = np.array(right, dtype=np.float64)
    score = dataclasses.asdict(Score("accuracy", float(values.mean()), *bootstrap(values), True, split))
    write_json(run.folder / EVALUATION, {"headline": score, "examples": rows, "count": len(rows)})
    write_json(run.folder / RESULT, {"headline": score, "seconds": 12.5})
    return run


def test_a_run_and_itself(tmp_path: Path) -> None:
    run = judged(a_run(tmp_path, "a"), [True] * 15 + [False] * 5)
    found = foveal.diff(run.folder, "a", runs_dir=tmp_path)
    assert found.options == found.versions == ()
    assert found.data is not None
    assert found.data.same
    assert found.paired is not None
    assert (found.paired.difference, found.paired.only_a, found.paired.only_b) == (0, 0, 0)
    assert found.paired.low < 0 < found.paired.high, "20 pictures do not prove that two are alike"
    assert found.says.startswith("Neither is better on the 20 pictures")


def test_all_that_differs(tmp_path: Path) -> None:
    one = judged(a_run(tmp_path, "one"), [True] * 12 + [False] * 8)
    changed = [dataclasses.replace(items()[25], truth="a"), dataclasses.replace(items()[26], part="val")]
    changed += [dataclasses.replace(items()[27], sha256="other"), Item("new.png", "new.png", "a", "train")]
    two = a_run(tmp_path, "two", [*items()[:25], *changed, *items()[28:39]], lr=0.02, momentum=0.95)
    write_json(two.folder / MACHINE, {"versions": {"torch": "2.11"}, "device": "cuda", "at": 2.0})
    judged(two, [True] * 20)
    found = foveal.diff(one.folder, two.folder)
    assert [(o.what, o.a, o.b) for o in found.options] == [("lr", 0.1, 0.02), ("momentum", 0.9, 0.95)]
    assert found.options[0].reason_b == "said for two"
    assert [(v.what, v.a, v.b) for v in found.versions] == [
        ("torch", "2.10", "2.11"),
        ("device", "cpu", "cuda"),
    ]
    data = found.data
    assert data is not None
    assert not data.same
    assert (data.only_a, data.only_b) == (("39.png",), ("new.png",))
    assert (data.other_label, data.other_split) == (("25.png",), ("26.png",))
    assert data.other_picture == ("27.png",)
    assert [(c.what, c.a, c.b) for c in data.counts] == [("train", 20, 19), ("val", 0, 1), ("test", 20, 20)]
    assert "1 only in A" in said_of_data(data)
    both = found.paired
    assert both is not None
    assert (both.count, both.only_a, both.only_b, both.difference) == (20, 0, 8, 0.4)
    assert both.sure
    assert found.says.startswith(
        "two is better than one, and that is sure for these two models: +40.0 points"
    )
    assert (found.a.seconds, found.a.epochs, found.a.status) == (12.5, 1, "finished")
    assert json.loads(json.dumps(found.to_json()))["paired"]["sure"] is True
    assert "<script" not in found._repr_html_()
    assert "said for two" in found._repr_html_()
    back = foveal.diff(two.folder, one.folder)
    assert back.says.startswith("two is better than one, and that is sure for these two models: +40.0 points")


def test_a_small_difference_may_be_chance(tmp_path: Path) -> None:
    one = judged(a_run(tmp_path, "one"), [True] * 15 + [False] * 5)
    two = judged(a_run(tmp_path, "two"), [True] * 16 + [False] * 4)
    found = foveal.diff(one.folder, two.folder)
    assert found.paired is not None
    assert not found.paired.sure
    assert "two is better than one, but that may be chance" in found.says
    three = judged(a_run(tmp_path, "three"), [True] * 20)
    five = foveal.diff(one.folder, three.folder).paired
    assert five is not None
    assert five.low > 0
    assert five.p == 0.0625
    assert not five.sure, "the interval alone is too bold for five pictures"


@pytest.mark.parametrize(
    ("change", "count"),
    [({"sha256": "other"}, 19), ({"truth": "b"}, 19), ({"part": "train"}, 19), ({}, 20)],
)
def test_only_pictures_that_both_were_judged_on_count(
    tmp_path: Path, change: dict[str, Any], count: int
) -> None:
    one = judged(a_run(tmp_path, "one"), [True] * 20)
    other = [dataclasses.replace(items()[0], **change), *items()[1:]]
    two = a_run(tmp_path, "two", other)
    judged(two, [False] * len(two.dataset.part("test")))
    both = foveal.diff(one.folder, two.folder).paired
    assert both is not None
    assert (both.count, both.only_a) == (count, count)


@pytest.mark.parametrize("what", ["other pictures", "other split"])
def test_other_pictures_are_never_sure(tmp_path: Path, what: str) -> None:
    one = judged(a_run(tmp_path, "one"), [False] * 20)
    moved = [dataclasses.replace(i, part={"test": "train", "train": "test"}[i.part]) for i in items()]
    two = judged(
        a_run(tmp_path, "two", moved if what == "other pictures" else items()),
        [True] * 20,
        split="val" if what == "other split" else "test",
    )
    found = foveal.diff(one.folder, two.folder)
    assert found.paired is None
    assert found.says == (
        "two has the better accuracy (1.0000 against 0.0000), but that is not sure: "
        "the two were not judged on the same pictures."
    )


def test_as_far_as_known(tmp_path: Path) -> None:
    one = judged(a_run(tmp_path, "one"), [True] * 20)
    going = a_run(tmp_path, "going")
    assert "going is not finished" in foveal.diff(one.folder, going.folder).says
    bare = Run.create(tmp_path, "", tmp_path / "bare")
    found = foveal.diff(bare.folder, one.folder)
    assert found.says == "bare has not been judged yet (created), so neither can be called better."
    assert found.data is None
    assert {o.what: (o.a, o.b) for o in found.options}["lr"] == (None, 0.1)
    assert found.versions == ()
    json.dumps(found.to_json())
    with pytest.raises(RunError, match="no run at"):
        foveal.diff(one.folder, tmp_path / "twoo")
    (going.folder / "options.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        foveal.diff(one.folder, going.folder)


def test_mcnemar_equals_the_binomial_test() -> None:
    from scipy.stats import binomtest

    for only_a, only_b in ((0, 0), (1, 0), (5, 0), (8, 3), (7, 7), (4000, 4100)):
        count = only_a + only_b
        expected = binomtest(min(only_a, only_b), count).pvalue if count else 1.0
        assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-6)


def evaluation(name: str, value: float, rows: list[tuple[Any, Any]], higher: bool = True) -> dict[str, Any]:
    score = dataclasses.asdict(Score(name, value, 0.0, 1.0, higher, "test"))
    examples = [{"id": str(n), "truth": t, "predicted": p} for n, (t, p) in enumerate(rows)]
    return {"headline": score, "examples": examples}


def test_what_a_picture_contributes() -> None:
    numbers = [(1.0, 2.0), (4.0, 1.0)]
    mae = outcomes(evaluation("mae", 2.0, numbers, higher=False))
    assert mae is not None
    assert (mae.name, mae.higher_is_better, list(mae.values.values())) == ("mae", False, [1.0, 3.0])
    mse = outcomes(evaluation("mse", 5.0, numbers, higher=False))
    assert mse is not None
    assert list(mse.values.values()) == [1.0, 9.0]
    assert outcomes(evaluation("r2", 0.77, numbers)) is None, "no mean over pictures"
    assert outcomes(evaluation("mae", 2.0, [(1.0, None), (4.0, 1.0)], higher=False)) is None
    lists = outcomes(evaluation("mAP", 0.5, [(["a", "b"], ["b", "a"]), (["a"], [])]))
    assert lists is not None
    assert (lists.name, list(lists.values.values())) == ("exact match", [1.0, 0.0])
    assert outcomes(evaluation("accuracy", 1.0, [])) is None
    assert paired(mae, lists) is None
    both = paired(mae, dataclasses.replace(mae, values={"1": 1.0, "2": 0.0}))
    assert both is not None
    assert (both.count, both.difference, both.p) == (1, -2.0, None)
