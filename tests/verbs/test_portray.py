"""Portraits of a trained network: each kind from a run and from a folder, files there, mistakes answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
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
