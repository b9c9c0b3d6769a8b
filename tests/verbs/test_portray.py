"""Portraits of a trained network: each kind from a run and from a folder, files there, mistakes answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import foveal
from foveal import catalog
from foveal.errors import DataError, FovealError, OptionError, UnknownNameError
from foveal.terminal.app import main
from pictures import class_folder

QUICK = {"network": "resnet9", "pretrained": False, "size": 16, "batch": 16, "augment": "none", "flip": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("portray")
    done = foveal.train(class_folder(home / "data", 3, 12, 24), epochs=1, out=str(home / "run"), **QUICK)
    return done.run


@pytest.mark.parametrize("kind", catalog.names("portraits"))
def test_every_portrait_can_be_made_of_a_run(run: Path, tmp_path: Path, kind: str) -> None:
    options = {"steps": 2, "layer": "layer1", "channels": "0,2"} if kind == "maximize" else {}
    seen: list[int] = []
    made = foveal.portray(run, kind, out=tmp_path, progress=lambda done, total: seen.append(done), **options)
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert made.cannot
    assert made.source
    with Image.open(tmp_path / "portrait.png") as picture:
        assert min(picture.size) > 50
        assert picture.convert("L").getextrema()[0] < picture.convert("L").getextrema()[1]
    told = json.loads((tmp_path / "portrait.json").read_text())
    assert told["kind"] == kind
    assert told["says"] == list(made.portrait.says)
    for file in made.files.values():
        assert Path(file).stat().st_size > 0
    if kind == "maximize":
        assert told["names"] == ["layer1, channel 0", "layer1, channel 2"]
        assert len(told["real"]) == 2, "the run's own pictures stand beside what was painted"


def test_a_folder_of_pictures_may_be_given(run: Path, tmp_path: Path) -> None:
    data = class_folder(tmp_path / "other", 2, 5, 24)
    made = foveal.portray(run, "space", data)
    assert set(made.portrait.to_json()["ids"]) == {str(path) for path in Path(data).rglob("*.png")}


def test_a_class_can_be_painted(run: Path) -> None:
    label = foveal.Model.load(run).labels[1]
    made = foveal.portray(run, "maximize", label=label, steps=1)
    assert made.portrait.to_json()["names"] == (label,)


def test_filters_before_and_after(run: Path, tmp_path: Path) -> None:
    other = foveal.train(
        class_folder(tmp_path / "data", 3, 12, 24), epochs=1, seed=3, out=str(tmp_path / "run"), **QUICK
    )
    made = foveal.portray(run, "filters", before=other.run)
    assert made.portrait.to_json() != foveal.portray(run, "filters").portrait.to_json()


def test_a_unit_and_a_direction_can_be_painted(run: Path, tmp_path: Path) -> None:
    """A direction in words, as numbers and from a file is the same."""
    (one,) = foveal.portray(run, "maximize", unit="layer1:2:3:4", steps=1).portrait.to_json()["names"]
    assert one == "layer1, channel 2, row 3, column 4"
    words = foveal.portray(run, "maximize", layer="layer1", direction="2=1,5=-0.5", steps=3).portrait
    width = len(foveal.portray(run, "examples", layer="layer1", top=1).portrait.to_json()["channels"])
    weights = [0.0] * width
    weights[2], weights[5] = 1.0, -0.5
    np.save(tmp_path / "mix.npy", np.array(weights))
    numbers, file, mapped = (
        foveal.portray(run, "maximize", layer="layer1", direction=mix, steps=3).portrait
        for mix in (weights, str(tmp_path / "mix.npy"), {2: 1.0, 5: -0.5})
    )
    for other in (numbers, file, mapped):
        assert torch.equal(other.arrays()["pictures"], words.arrays()["pictures"])
    assert words.to_json()["names"] == ("layer1, +1 channel 2, -0.5 channel 5",)
    assert file.to_json()["names"] == ("layer1, mix.npy",)


def test_filters_before_training(tmp_path: Path) -> None:
    """A run that hardly learns ends with the weights that it is said to have begun with; another has changed them."""
    data = class_folder(tmp_path / "data", 3, 8, 24)
    still = foveal.train(data, epochs=1, lr=1e-9, weight_decay=0.0, out=str(tmp_path / "still"), **QUICK)
    state = torch.random.get_rng_state()
    kept = foveal.portray(still.run, "filters", before="start").portrait.to_json()["changed"]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert max(kept) < 1e-5
    moved = foveal.train(data, epochs=1, lr=0.1, out=str(tmp_path / "moved"), **QUICK)
    assert min(foveal.portray(moved.run, "filters", before="start").portrait.to_json()["changed"]) > 1e-3
    with pytest.raises(DataError, match="lies in no run"):
        foveal.portray(foveal.Model.load(still.run), "filters", before="start")


@pytest.mark.parametrize(
    ("kind", "options", "kinds"),
    [
        ("maximise", {}, UnknownNameError),
        ("filters", {"layer": "layer1"}, OptionError),
        ("maximize", {"channels": "1"}, OptionError),
        ("maximize", {"layer": "layer1", "channels": "one"}, OptionError),
        ("maximize", {"layer": "nowhere", "channels": "1"}, OptionError),
        ("maximize", {"label": "nothing"}, UnknownNameError),
        ("maximize", {"label": "class0", "layer": "layer1"}, OptionError),
        ("maximize", {"steps": 0}, OptionError),
        ("maximize", {"unit": "layer1:1:0:0", "layer": "layer1"}, OptionError),
        ("maximize", {"unit": "layer1:1:99:0"}, OptionError),
        ("maximize", {"direction": "1=1"}, OptionError),
        ("maximize", {"layer": "layer1", "direction": "one"}, OptionError),
        ("maximize", {"layer": "layer1", "direction": "9999=1"}, OptionError),
        ("maximize", {"layer": "layer1", "direction": [1.0, 2.0]}, OptionError),
        ("maximize", {"layer": "layer1", "direction": "none.npy"}, OptionError),
        ("maximize", {"layer": "layer1", "direction": "1=1", "channels": "1"}, OptionError),
        ("space", {"method": "none"}, FovealError),
        ("activations", {"picture": "missing.png"}, DataError),
        ("space", {"data": "missing"}, DataError),
    ],
)
def test_what_is_refused(run: Path, kind: str, options: dict[str, Any], kinds: type[FovealError]) -> None:
    with pytest.raises(kinds) as raised:
        foveal.portray(run, kind, **options)
    assert all(str(part) for part in (raised.value.came, raised.value.allowed, raised.value.todo))


def test_a_model_without_a_run_needs_pictures() -> None:
    with pytest.raises(DataError, match="needs pictures"):
        foveal.portray("efficientnet_lite0", "examples")


def test_from_the_terminal(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "filters", str(run), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == "filters"
    assert Path(told["files"]["picture"]).exists()
    assert main(["explain", "filters", str(run)]) == 0
    assert "portrait.png" in capsys.readouterr().out
    assert main(["explain", "maximize", str(run), "--channels", "1"]) == 2
    assert "--layer" in capsys.readouterr().err
    assert not list(tmp_path.glob("explained/*-3")), "a folder without a portrait is not left"
