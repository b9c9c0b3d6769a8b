"""foveal inspect --augment, and --views where models look: as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import foveal
from foveal import catalog
from foveal.card import Card
from foveal.errors import OptionError
from foveal.model import Model
from foveal.tasks.classify import build
from foveal.terminal.app import main
from foveal.values import Preprocessing
from pictures import class_folder


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return class_folder(tmp_path / "shapes", 3, 14, 24)


def inspect(data: Path, **options: object) -> str | None:
    return foveal.inspect(data, data_home=str(data.parent / "home"), network="resnet9", **options).sheet


def test_no_sheet_unless_asked(data: Path) -> None:
    got = foveal.inspect(data, data_home=str(data.parent / "home"))
    assert got.sheet is None
    assert got.to_json()["sheet"] is None
    assert not list(Path().glob("*.png"))


def test_the_sheet_is_written_where_it_is_said(data: Path) -> None:
    assert inspect(data, augment="augmix") == "augment-augmix.png"
    first = Path("augment-augmix.png").read_bytes()
    with Image.open("augment-augmix.png") as image:
        assert image.format == "PNG"
        assert min(image.size) > 500
    assert inspect(data, augment="augmix", seed=1) == "augment-augmix.png"
    assert Path("augment-augmix.png").read_bytes() != first
    assert inspect(data, mixup=0.4, sheet="deep/er/s.PNG") == "deep/er/s.PNG"
    assert Path("deep/er/s.PNG").exists()


def test_each_option_shows(data: Path) -> None:
    sheets = {}
    for options in (
        {},
        {"magnitude": 25},
        {"flip": False},
        {"erase": 0.5},
        {"mixup": 0.5},
        {"cutmix": 1.0},
        {"size": 16},
    ):
        name = f"{next(iter(options), 'plain')}.png"
        inspect(data, augment="randaugment", sheet=name, **options)
        sheets[Path(name).read_bytes()] = name
    assert len(sheets) == 7


def test_nothing_of_the_user_s_is_lost(data: Path) -> None:
    for name, content in (("notes.png", b"mine"), ("photo.png", None)):
        if content is None:
            Image.new("RGB", (9, 9)).save(name)
        else:
            Path(name).write_bytes(content)
        before = Path(name).read_bytes()
        with pytest.raises(OptionError, match="is there already") as caught:
            inspect(data, augment="none", sheet=name)
        assert "--sheet" in caught.value.todo
        assert Path(name).read_bytes() == before
    with pytest.raises(OptionError, match=r"--sheet x\.jpg"):
        inspect(data, sheet="x.jpg")
    with pytest.raises(OptionError) as caught:
        inspect(data, augment="trivialaugmnt")
    assert "trivialaugment" in caught.value.todo
    with pytest.raises(OptionError, match="--erase"):
        inspect(data, erase=1.5)


def test_as_typed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["inspect", str(data), "--network", "resnet9", "--data-home", "home"]
    more = ["--augment", "randaugment", "--magnitude", "5", "--erase", "0.2", "--no-flip", "--size", "16"]
    assert main([*typed, *more]) == 0
    assert "Contact sheet: augment-randaugment.png" in capsys.readouterr().out
    assert main([*typed, "--cutmix", "1", "--sheet", "c.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sheet"] == "c.png"
    Path("mine.png").write_text("mine")
    assert main([*typed, "--sheet", "mine.png"]) == 2
    assert "no sheet of foveal's" in capsys.readouterr().err


def a_model() -> Model:
    task, pre = build(["circle", "square", "triangle"]), Preprocessing(16, 3, (0.5,) * 3, (0.25,) * 3)
    shape = {"outputs": 3, "channels": 3, "size": 16}
    torch.manual_seed(0)
    network = catalog.find("architectures", "resnet9").build("resnet9", **shape)
    network.to(memory_format=torch.channels_last)  # as a saved one comes back
    card = Card(task=task.card(), architecture={"name": "resnet9", **shape}, preprocessing=pre)
    return Model(network, task, pre, card)


def test_views_as_typed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = a_model()
    model.save("model.safetensors")
    picture = str(next(data.rglob("*.png")))
    said, losses = {}, {}
    for views in (1, 2, 6):
        assert main(["predict", "model.safetensors", picture, "--views", f"{views}", "--json"]) == 0
        (found,) = json.loads(capsys.readouterr().out)
        said[views] = [guess["probability"] for guess in found["predictions"]]
        typed = ["evaluate", "model.safetensors", str(data), "--data-home", "home", "--views", f"{views}"]
        assert main([*typed, "--json"]) == 0
        losses[views] = json.loads(capsys.readouterr().out)["metrics"]["loss"]
        assert losses[views] == foveal.evaluate(model, data, views=views, data_home="home").metrics["loss"]
    assert said[1] != said[2] != said[6]
    assert len(set(losses.values())) == 3
    for verb in (["predict", "model.safetensors", picture], ["evaluate", "model.safetensors", str(data)]):
        assert main([*verb, "--views", "3"]) == 2
        assert "--views was given as 3" in capsys.readouterr().err
