"""k-fold: every picture judged once, and what comes of it."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import foveal
from foveal import events
from foveal.data.splits import folds as split_folds
from foveal.errors import DataError, FovealError, RunError
from foveal.intervals import bootstrap, student
from foveal.records.run import FOLDS, Run, is_folds
from foveal.storage import read_json, write_json
from foveal.training.folds import Folds, gathered, go_on
from foveal.values import Dataset, Item, Score
from pictures import class_folder

QUICK = {"network": "resnet9", "pretrained": False, "size": 16, "batch": 8, "epochs": 1, "precision": "fp32"}


def made(rows: list[tuple[Any, str, str]], task: str = "classify") -> Dataset:
    """A data set of (truth, part, content)."""
    items = tuple(Item(f"{n:03}", f"{n:03}", t, part, None, sha) for n, (t, part, sha) in enumerate(rows))
    labels = tuple(sorted({t for t, _, _ in rows})) if task == "classify" else ()
    return Dataset("/d", task, "test", "", labels, items)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_picture_is_in_just_one_test_split(count: int) -> None:
    rows = [("abc"[n % 3 if n < 60 else 0], "", f"s{n}") for n in range(97)]
    dataset = made(rows)
    parts = split_folds(dataset, count, 0)
    tested = Counter(item.id for part, _ in parts for item in part.part("test"))
    assert tested == Counter(item.id for item in dataset.items)
    sizes = [len(part.part("test")) for part, _ in parts]
    assert max(sizes) - min(sizes) <= 1
    for label in "abc":
        often = [sum(item.truth == label for item in part.part("test")) for part, _ in parts]
        assert max(often) - min(often) <= 1, "stratified"
    for part, choices in parts:
        assert len(part.items) == 97
        assert part.part("val")
        assert len(part.part("train")) > len(part.part("val"))
        assert [choice.option for choice in choices] == ["test", "val"]
    again = split_folds(dataclasses.replace(dataset, items=dataset.items[::-1]), count, 0)
    assert [p for p, _ in again] == [p for p, _ in parts], "blind to the order of files"
    assert [p for p, _ in split_folds(dataset, count, 1)] != [p for p, _ in parts]


def test_copies_stay_together() -> None:
    dataset = made([("ab"[n % 2], "", f"s{n // 4 * 2 + n % 2}") for n in range(80)])
    for part, _ in split_folds(dataset, 4, 0):
        of = {}
        for item in part.items:
            assert of.setdefault(item.sha256, item.part) == item.part


def test_the_datas_own_test_split_stays_out() -> None:
    rows = [("ab"[n % 2], "test" if n < 10 else "val" if n < 20 else "train", f"s{n}") for n in range(60)]
    parts = split_folds(made(rows), 5, 0)
    judged = {item.id for part, _ in parts for item in part.part("test")}
    assert judged == {f"{n:03}" for n in range(10, 60)}
    assert not any(int(item.id) < 10 for part, _ in parts for item in part.items)
    assert "own test split (10 pictures)" in parts[0][1][0].reason


def test_numbers_are_stratified_by_value() -> None:
    parts = split_folds(made([(float(n), "", f"s{n}") for n in range(100)], "regress"), 5, 0)
    means = [np.mean([item.truth for item in part.part("test")]) for part, _ in parts]
    assert max(means) - min(means) < 15


def test_too_few_pictures() -> None:
    with pytest.raises(DataError, match="9 different pictures, too few for 5 folds"):
        split_folds(made([("ab"[n % 2], "", f"s{n % 9}") for n in range(18)]), 5, 0)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("folds") / "shapes", classes=2, each=12, size=16)


@pytest.fixture(scope="module")
def done(shapes: Path) -> Folds:
    found = foveal.train(shapes, folds=3, runs_dir=str(shapes.parent / "runs"), **QUICK)
    assert isinstance(found, Folds)
    return found


def test_three_runs_and_their_common_result(done: Folds, shapes: Path) -> None:
    assert done.run == shapes.parent / "runs" / "shapes-folds-1"
    assert [run.run.name for run in done.runs] == ["fold-1", "fold-2", "fold-3"]
    rights = []
    ids: list[str] = []
    for number, fold in enumerate(done.runs, 1):
        run = Run.open(fold.run)
        assert run.status == "finished"
        assert run.options["lineage"]["fold"] == number
        examples = read_json(fold.run / "evaluation.json")["examples"]
        ids += [row["id"] for row in examples]
        rights += [row["truth"] == row["predicted"] for row in examples]
        assert fold.headline.split == "test"
    assert sorted(ids) == sorted({item.id for item in Run.open(done.runs[0].run).dataset.items})
    assert done.pooled
    assert done.headline == Score(
        "accuracy", float(np.mean(rights)), *bootstrap(np.array(rights, dtype=np.float64)), True, "all folds"
    )
    values = np.array([fold.headline.value for fold in done.runs])
    assert (done.mean, done.sd) == pytest.approx((values.mean(), values.std(ddof=1)))
    assert (done.low, done.high) == pytest.approx(tuple(np.clip(student(values), 0, 1)))
    assert done.model in {fold.model for fold in done.runs}
    best = [[e for e in Run(f.run).events() if isinstance(e, events.Epoch) and e.best] for f in done.runs]
    scores = [rows[-1].headline["value"] for rows in best]
    assert scores[[fold.run for fold in done.runs].index(done.best.run)] == max(scores)


def test_folds_that_came_to_the_same_claim_no_certainty(done: Folds, tmp_path: Path) -> None:
    alike = [dataclasses.replace(fold, headline=done.runs[0].headline) for fold in done.runs]
    found = gathered(tmp_path, alike, 3)
    assert found.sd == 0
    assert math.isnan(found.low)
    assert "all folds came to the same" in found.says


def test_as_a_document(done: Folds) -> None:
    document = json.loads(json.dumps(done.to_json()))
    assert {"run", "model", "headline", "seconds", "first_model_seconds", "choices", "folds"} <= set(document)
    assert len(document["folds"]) == 3
    assert sum(fold["best"] for fold in document["folds"]) == 1
    assert document["choices"][0]["option"] == "folds"
    assert "24 pictures, each judged once" in document["says"]
    assert "95 % interval over folds" in done._repr_html_()
    names = {row.name for row in foveal.runs(done.run.parent)}
    assert {f"shapes-folds-1/fold-{n}" for n in (1, 2, 3)} <= names


def test_one_of_them_is_a_run_and_all_together_are_none(done: Folds) -> None:
    assert foveal.evaluate(done.runs[1].run).headline == done.runs[1].headline
    with pytest.raises(RunError) as caught:
        Run.open(done.run)
    assert str(done.run / "fold-1") in caught.value.todo
    with pytest.raises(RunError, match="several folds"):
        foveal.fork(done.run)


def test_interrupted_and_on(shapes: Path, done: Folds, tmp_path: Path) -> None:
    """Stopped in the second fold: the first is kept, the second resumed, the third trained; as if never stopped."""
    out = tmp_path / "set"
    seen: list[object] = []

    def stop(message: object) -> None:
        seen.append(message)
        if isinstance(message, events.Started) and sum(isinstance(m, events.Started) for m in seen) == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        foveal.train(shapes, folds=3, out=str(out), screen=stop, **QUICK)
    assert "1 of 3 folds are done and kept" in str(caught.value)
    assert f"To go on: foveal train --resume {out}" in str(caught.value)
    before = (out / "fold-1" / "result.json").read_bytes()
    assert not (out / "fold-3").exists()
    resumed = foveal.train(resume=out)
    assert isinstance(resumed, Folds)
    assert (out / "fold-1" / "result.json").read_bytes() == before
    assert [run.headline for run in resumed.runs] == [run.headline for run in done.runs]
    assert resumed.headline == done.headline
    again = foveal.train(resume=out)
    assert isinstance(again, Folds)
    assert again.headline == done.headline
    with pytest.raises(FovealError, match="exists already"):
        foveal.train(shapes, folds=3, out=str(out), **QUICK)


def test_pictures_that_changed_are_refused(done: Folds, tmp_path: Path) -> None:
    shutil.copytree(done.run, tmp_path / "set")
    run = Run(tmp_path / "set")
    run.write_dataset(dataclasses.replace(run.dataset, items=(*run.dataset.items[:-1], changed(run))))
    with pytest.raises(RunError, match="has changed since"):
        go_on(str(run.folder), lambda message: None, 0.0)
    write_json(run.folder / FOLDS, {"format": 1})
    with pytest.raises(RunError, match="damaged"):
        go_on(str(run.folder), lambda message: None, 0.0)


def changed(run: Run) -> Item:
    return dataclasses.replace(run.dataset.items[-1], sha256="other")


def test_what_cannot_begin_leaves_nothing_behind(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(FovealError):
        foveal.train(shapes, folds=3, runs_dir=str(tmp_path), **{**QUICK, "size": 8, "network": "vgg11"})
    with pytest.raises(FovealError, match="too few for 13"):
        foveal.train(shapes, folds=13, runs_dir=str(tmp_path), **QUICK)
    assert [p for p in tmp_path.iterdir() if is_folds(p)] == []


def test_where_the_metric_is_no_mean_over_pictures(done: Folds, tmp_path: Path) -> None:
    for fold in done.runs:
        shutil.copytree(fold.run, tmp_path / fold.run.name)
        kept = read_json(tmp_path / fold.run.name / "evaluation.json")
        kept["headline"]["name"] = "r2"
        kept["headline"]["value"] = 0.123
        write_json(tmp_path / fold.run.name / "evaluation.json", kept)
    runs = [dataclasses.replace(fold, run=tmp_path / fold.run.name) for fold in done.runs]
    found = gathered(tmp_path, runs, 3)
    assert not found.pooled
    assert (found.headline.value, found.headline.low) == (found.mean, found.low)
    assert "Student's" in found.says
    assert "bootstrap" not in found.says
