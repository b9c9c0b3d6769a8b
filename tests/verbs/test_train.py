"""What `train` refuses before it reads a single picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import foveal
from foveal.errors import FovealError
from foveal.records.trained import Trained
from pictures import class_folder


@pytest.mark.parametrize(
    ("option", "value", "todo"),
    [
        ("network", "resnet99", "resnet9"),
        ("schedule", "cosin", "cosine"),
        ("augment", "lihgt", "light"),
        ("device", "gpu", "This machine has cpu"),
        ("task", "clasify", "classify"),
        ("out", "", "Choose another name."),
    ],
)
def test_at_once(tmp_path: Path, option: str, value: str, todo: str) -> None:
    data = class_folder(tmp_path / "data", classes=2, each=3, size=16)
    heard: list[object] = []
    with pytest.raises(FovealError) as error:
        foveal.train(data, screen=heard.append, **{option: value or str(data)})
    assert todo in error.value.todo
    assert heard == [], "no picture was looked at"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"hello", "no file of torch.save"),
        (b"cposix\nsystem\n(S'exit 1'\ntR.", "a program (posix.system)"),
        (b"", "cannot be read as weights"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_no_weights_file(tmp_path: Path, content: bytes, why: str) -> None:
    """Said in a sentence, without torch's advice to switch its safety off."""
    data = class_folder(tmp_path / "data", classes=2, each=4, size=16)
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(FovealError) as error:
        foveal.train(
            data, network="resnet9", size=16, weights=str(tmp_path / "w.pt"), out=str(tmp_path / "r")
        )
    assert why in error.value.came
    assert "weights_only" not in str(error.value)
    assert not (tmp_path / "r").exists()


QUICK: dict[str, object] = {"network": "resnet9", "size": 16, "epochs": 1, "batch": 4, "seed": 3}


def test_a_dry_run_leaves_nothing(tmp_path: Path) -> None:
    data = class_folder(tmp_path / "data", classes=2, each=8, size=16)
    would = foveal.train(data, dry_run=True, runs_dir=str(tmp_path / "runs"), **QUICK)
    assert {c.option for c in would.choices} > {"lr", "schedule", "batch"}
    assert len(would.schedule["rates"]) == would.stages[0]["steps"] > 0
    assert not (tmp_path / "runs").exists()


def test_a_rate_that_was_found_is_trained_with_and_kept(tmp_path: Path) -> None:
    data = class_folder(tmp_path / "data", classes=2, each=8, size=16)
    done = foveal.train(data, find_lr=True, runs_dir=str(tmp_path / "runs"), **QUICK)
    told = next(c for c in done.choices if c.option == "lr")
    kept = json.loads((done.run / "find_lr.json").read_text())
    if kept["suggestion"] is not None:
        assert (told.value, told.reason) == (kept["suggestion"], kept["reason"])
    assert len(kept["rates"]) == len(kept["losses"]) > 10
    assert isinstance(done, Trained)
    assert "Range test" in done.report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"find_lr": True, "lr": 0.1}, "--find-lr and --lr 0.1"),
        ({"folds": 2, "find_lr": True}, "--folds"),
        ({"folds": 2, "dry_run": True}, "--dry-run"),
        ({"resume": "runs/x", "dry_run": True}, "dry_run"),
        ({"recipe": "fine-tun"}, "recipe"),
        ({"optimizer": "adm"}, "optimizer"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, given: dict[str, object], says: str) -> None:
    data = None if "resume" in given else class_folder(tmp_path / "data", classes=2, each=3, size=16)
    with pytest.raises(FovealError) as error:
        foveal.train(data, **given)
    assert says in error.value.came


def test_what_means_nothing_to_the_task(tmp_path: Path) -> None:
    """A weight for smoothing labels, or blended pictures, where truths are numbers."""
    data = class_folder(tmp_path / "data", classes=2, each=8, size=16)
    rows = "".join(f"{p.relative_to(data)},{n / 7:.3f}\n" for n, p in enumerate(sorted(data.rglob("*.png"))))
    (data / "t.csv").write_text("path,score\n" + rows)
    for option, value in (("label_smoothing", 0.1), ("mixup", 0.2), ("balance", "weights")):
        with pytest.raises(FovealError) as error:
            foveal.train(data / "t.csv", task="regress", dry_run=True, **{option: value}, **QUICK)
        assert "--" + option.replace("_", "-") in error.value.came
