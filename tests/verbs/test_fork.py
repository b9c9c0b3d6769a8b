"""The same run with some options changed."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import foveal
from foveal.errors import FovealError, RunError
from foveal.options import ReadOptions, TrainOptions
from foveal.records.run import RESULT, Run
from foveal.storage import read_json, write_json
from foveal.terminal.manage import OF_DATA
from foveal.training import fork as forking
from foveal.training.fork import options_of
from foveal.values import Choice
from pictures import class_folder

QUICK = {"network": "resnet9", "pretrained": False, "size": 16, "batch": 8, "epochs": 2, "precision": "fp32"}


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("fork")
    data = class_folder(home / "shapes", classes=3, each=10, size=16)
    return Run.open(foveal.train(data, runs_dir=str(home / "runs"), flip=False, **QUICK).run)


def kept(run: Run | Path, part: str) -> Any:
    folder = run.folder if isinstance(run, Run) else run
    return read_json(folder / "options.json")["options"][part]


def test_nothing_changed_is_the_same_run_again(parent: Run) -> None:
    heard: list[object] = []
    done = foveal.fork(parent.folder, screen=heard.append)
    assert done.run.parent == parent.folder.parent
    assert done.run != parent.folder
    one, other = load_file(parent.folder / "last.safetensors"), load_file(done.run / "last.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert Run(done.run).dataset == parent.dataset, "the very pictures and split"
    assert any("nothing is changed" in str(said) for said in heard)
    automatic = {c.option: c.automatic for c in done.choices}
    assert automatic == {c.option: c.automatic for c in parent.choices}, "chosen stays chosen"


def test_only_what_is_changed_changes(parent: Run) -> None:
    done = foveal.fork(parent.folder.name, runs_dir=str(parent.folder.parent), lr=0.002, epochs=3)
    mine, theirs = kept(done.run, "train"), kept(parent, "train")
    differ = {name for name in mine if mine[name] != theirs[name]} - {"out", "runs_dir"}
    assert differ == {"lr", "epochs"}
    lineage = kept(done.run, "lineage")
    assert lineage["parent"] == {"path": str(parent.folder.resolve()), "name": parent.name}
    assert lineage["changed"] == {"lr": [theirs["lr"], 0.002], "epochs": [2, 3]}
    assert lineage["from"] == "start"
    choices = {c.option: c for c in done.choices}
    assert choices["lr"] == Choice("lr", 0.002, "given", automatic=False)
    assert choices["schedule"].automatic
    assert choices["schedule"].reason.startswith(f"as in {parent.name}: ")
    assert not choices["flip"].automatic, "given there, so given here"

    again = foveal.fork(done.run, optimizer="adamw")
    reasons = {c.option: c.reason for c in again.choices}
    assert reasons["schedule"].startswith(f"as in {done.run.name}: ")
    assert parent.name + ":" not in reasons["schedule"].removeprefix(f"as in {done.run.name}: ")
    assert not reasons["lr"].startswith("1e-3"), "the rate was given to the parent, and stays"
    rows = {row.name: row.parent for row in foveal.runs(parent.folder.parent)}
    assert rows[done.run.name] == parent.name
    assert rows[again.run.name] == done.run.name
    assert rows[parent.name] == ""


@pytest.mark.parametrize(
    ("changes", "opened", "stays"),
    [
        ({"optimizer": "adamw"}, {"lr", "weight_decay"}, {"batch", "schedule", "epochs"}),
        ({"schedule": "cosine"}, {"warmup"}, {"lr", "optimizer"}),
        (
            {"network": "resnet18"},
            {"lr", "optimizer", "schedule", "weight_decay"},
            {"flip", "batch", "device"},
        ),
        ({"size": 24}, {"lr", "augment"}, {"network", "workers"}),
        ({"recipe": "fine-tune"}, {"lr", "optimizer", "augment"}, {"network", "flip"}),
        ({"minutes": 1.0}, {"epochs"}, {"lr"}),
        ({"device": "cpu"}, set(), {"precision", "workers", "lr"}),
        ({"seed": 3}, set(), {"lr", "patience"}),
    ],
    ids=lambda value: "-".join(sorted(value)),
)
def test_choices_that_depend_on_a_change_are_open_again(
    parent: Run, changes: dict[str, Any], opened: set[str], stays: set[str]
) -> None:
    forked = options_of(parent, changes)
    theirs = kept(parent, "train")
    assert opened <= set(forked.open)
    assert not stays & set(forked.open)
    for name in opened:
        assert getattr(forked.options, name) is None
    for name in stays:
        assert getattr(forked.options, name) == theirs[name]
    for name, value in changes.items():
        assert getattr(forked.options, name) == value


def test_an_option_changed_to_none_is_open_again(parent: Run) -> None:
    """Whoever chose it before; what depends on it is made anew with it."""
    forked = options_of(parent, {"lr": None, "optimizer": None})
    assert {"lr", "optimizer", "weight_decay"} <= set(forked.open)
    assert (forked.options.lr, forked.options.optimizer) == (None, None)
    assert not forked.changed


def test_epochs_drop_minutes(parent: Run, tmp_path: Path) -> None:
    run = copied(parent, tmp_path)
    change(run, minutes=2.0, epochs=None)
    forked = options_of(run, {"epochs": 4})
    assert (forked.options.minutes, forked.options.epochs) == (None, 4)


def test_a_found_rate_is_not_searched_again(parent: Run, tmp_path: Path) -> None:
    run = copied(parent, tmp_path)
    change(run, find_lr=True)
    assert not options_of(run, {"seed": 1}).options.find_lr
    assert options_of(run, {"network": "resnet18"}).options.find_lr
    assert options_of(parent, {"find_lr": True}).options.lr is None


def test_a_rate_can_be_found_for_a_fork(parent: Run) -> None:
    done = foveal.fork(parent.folder, find_lr=True)
    (lr,) = [choice for choice in done.choices if choice.option == "lr"]
    assert lr.automatic
    assert not lr.reason.startswith("as in")
    assert kept(done.run, "train")["find_lr"]
    assert (done.run / "find_lr.json").is_file()


def test_weights_of_another_network_are_left_out(parent: Run, tmp_path: Path) -> None:
    run = copied(parent, tmp_path)
    change(run, weights="resnet9.pt")
    assert options_of(run, {"lr": 0.1}).options.weights == "resnet9.pt"
    forked = options_of(run, {"network": "resnet18"})
    assert forked.options.weights is None
    assert "resnet9.pt" in forked.notes[0]
    forked = options_of(run, {"weights": str(parent.folder)})
    assert (forked.options.weights, forked.options.network) == (str(parent.folder), None), "it knows its own"


def test_a_device_that_is_gone_is_chosen_anew(parent: Run, tmp_path: Path) -> None:
    run = copied(parent, tmp_path)
    change(run, device="cuda:9")
    forked = options_of(run, {"lr": 0.1})
    assert forked.options.device is None
    assert "cuda:9" in forked.notes[0]


@pytest.mark.parametrize("source", ["best", "last"])
def test_from_a_model(parent: Run, source: Any) -> None:
    """With a rate that moves nothing, what comes out is what went in."""
    done = foveal.fork(parent.folder, from_=source, lr=1e-12, weight_decay=0.0, epochs=1)
    before = load_file(parent.folder / f"{source}.safetensors")
    after = load_file(done.run / "last.safetensors")
    weights = [name for name in before if name.endswith("weight") and before[name].is_floating_point()]
    assert weights
    for name in weights:
        assert torch.allclose(before[name], after[name], atol=1e-6)
    assert kept(done.run, "train")["weights"] == str(parent.folder / f"{source}.safetensors")
    assert kept(done.run, "lineage")["from"] == source


def refused(run: Run | Path | str, **options: Any) -> FovealError:
    with pytest.raises(FovealError) as caught:
        foveal.fork(run if isinstance(run, str | Path) else run.folder, **options)
    assert caught.value.todo
    return caught.value


def test_refusals(parent: Run, tmp_path: Path) -> None:
    assert "very pictures" in refused(parent, reader="csv").allowed
    assert "very pictures" in refused(parent, split_seed=1).allowed
    assert "--lr was given as -1" in refused(parent, lr=-1).came
    assert "--lrr" in refused(parent, lrr=1).came
    assert "resnet9" in refused(parent, network="resnet99").todo
    assert "epochs and minutes" in refused(parent, epochs=1, minutes=1).came
    assert "--from middle" in refused(parent, from_="middle").came
    assert "--find-lr" in refused(parent, find_lr=True, lr=0.1).came
    assert "--weights" in refused(parent, from_="best", weights="x").came
    near = refused(parent.folder.with_name("shapes-resnet9-111"))
    assert isinstance(near, RunError)
    assert parent.name in near.todo
    run = copied(parent, tmp_path)
    (run.folder / "last.safetensors").unlink()
    assert "no last model" in refused(run, from_="last").came
    (run.folder / "options.json").unlink()
    assert "never began" in refused(run).came
    newer = copied(parent, tmp_path / "newer")
    change(newer, telepathy=1)
    assert "telepathy" in refused(newer).came
    assert [p for p in parent.folder.parent.parent.glob("*/*") if "111" in p.name] == []


def test_pictures_that_changed_are_refused(parent: Run, tmp_path: Path) -> None:
    run = copied(parent, tmp_path)
    data = tmp_path / "data"
    shutil.copytree(parent.dataset.root, data)
    run.write_dataset(dataclasses.replace(run.dataset, root=str(data)))
    victim = data / run.dataset.items[0].path
    shutil.copy(data / run.dataset.items[-1].path, victim)
    error = refused(run, lr=0.1)
    assert run.dataset.items[0].id in error.came
    assert list(run.folder.parent.iterdir()) == [run.folder, data] or not list(tmp_path.glob("shapes-*"))


def test_the_flags_that_are_hidden_are_those_that_are_refused() -> None:
    assert set(OF_DATA) == forking._OF_DATA
    assert {f.name for f in dataclasses.fields(ReadOptions)} <= set(OF_DATA) | {"data_home"}
    names = {f.name for f in dataclasses.fields(TrainOptions)}
    assert set(forking._FOLLOW) | forking._ROOTS | {n for f in forking._FOLLOW.values() for n in f} <= names


def copied(run: Run, home: Path) -> Run:
    """The run's folder as it is, somewhere else."""
    shutil.copytree(run.folder, home / "copy")
    (home / "copy" / RESULT).unlink()
    return Run.open(home / "copy")


def change(run: Run, **options: Any) -> None:
    document = json.loads((run.folder / "options.json").read_text())
    document["options"]["train"] |= options
    write_json(run.folder / "options.json", document)
