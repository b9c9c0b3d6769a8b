"""What lies on pictures, as a person meets it: inspected, predicted, drawn, written, read back and judged by others."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import foveal
from foveal.card import Card
from foveal.charts.run_lengths import decoded
from foveal.errors import OptionError
from foveal.model import Model
from foveal.tasks import detect
from foveal.terminal.app import main
from foveal.values import Preprocessing
from foveal.verbs.predict import new_folder
from posed import Posed, posed
from posed.drawn import drawn
from posed.upscale import blocks

LABELS = ("cell", "dust")


def learned(p: Posed, pre: Preprocessing, architecture: dict[str, Any], file: Path, steps: int) -> Path:
    """The posed task's network after some steps, as a model's file. Pictures of the batch are values 0 to 1."""
    network = p.network().train()
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), p.rate)
    for _ in range(steps):
        optimizer.zero_grad()
        p.task.step(network, p.batch).loss.backward()
        optimizer.step()
    card = Card(task=p.task.card(), architecture=architecture, preprocessing=pre)
    Model(network.eval(), p.task, pre, card).save(file)
    return file


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in two folders, their truths as COCO's file, and a detector that knows them."""
    home = tmp_path_factory.mktemp("pictures")
    told: dict[str, list[Any]] = {"images": [], "annotations": []}
    for n, (image, truth) in enumerate(zip(drawn(detect.SAMPLE), detect.SAMPLE, strict=True)):
        name = f"{'left' if n % 2 else 'right'}/{n}.png"
        (home / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(home / "data" / name)
        told["images"].append({"id": n + 1, "file_name": name, "width": 64, "height": 64})
        for one in truth:
            x0, y0, x1, y1 = one["box"]
            told["annotations"].append(
                {
                    "id": len(told["annotations"]) + 1, "image_id": n + 1, "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "category_id": LABELS.index(one["label"]) + 1, "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": int(bool(one.get("crowd"))),
                }
            )  # fmt: skip
    categories = [{"id": n, "name": label} for n, label in enumerate(LABELS, 1)]
    (home / "data" / "coco.json").write_text(json.dumps({**told, "categories": categories}))
    network = "fcos/timm/resnet10t"
    shape = {"name": network, "outputs": 2, "channels": 3, "size": 64}
    learned(
        posed("detect"), Preprocessing(64, 3, (0.0,) * 3, (1.0,) * 3), shape, home / "cells.safetensors", 60
    )
    return home


@pytest.fixture
def here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    return tmp_path


def spoken(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The one JSON document."""
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_objects_are_found_and_judged_by_coco_s_own_program(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = spoken(capsys, "predict", "cells.safetensors", "data", "--out", "out", "--format", "coco,drawn")
    assert [Path(one["path"]).name for one in found] == [f"{n}.png" for n in (1, 3, 5, 7, 0, 2, 4, 6)]
    assert all(set(guess) == {"label", "probability", "box"} for one in found for guess in one["predictions"])
    assert Path(found[0]["files"]["drawn"]) == Path("out/drawn/left/1.png")
    with contextlib.redirect_stdout(io.StringIO()):
        truth, said = COCO("data/coco.json"), json.loads(Path("out/coco.json").read_text())
        ids = {Path(image["file_name"]).name: n for n, image in truth.imgs.items()}
        at = {image["id"]: ids[Path(image["file_name"]).name] for image in said["images"]}
        rows = [{**one, "image_id": at[one["image_id"]]} for one in said["annotations"]]
        judge = COCOeval(truth, truth.loadRes(rows), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert judge.stats[1] > 0.9, "mAP50"


def test_in_the_terminal_there_is_a_line_a_picture(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "cells.safetensors", "data/left", "--out", "out"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["picture", "seen", "surest"]
    assert len(lines) == 7
    assert "none of 50 % or more; the surest is" in lines[2], "there is nothing on it"
    assert "2 dust" in lines[3]
    assert lines[-1].split()[-1] == str(Path("out/index.html"))
    assert Path("out/drawn/1.png").exists()
    page = Path("out/index.html").read_text("utf-8")
    assert page.count("data:image/webp") == 4
    assert not list(Path().glob("predicted*"))


def test_nothing_is_written_that_nobody_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.read_bytes() for p in here.rglob("*") if p.is_file()}
    spoken(capsys, "predict", "cells.safetensors", "data")
    assert {p: p.read_bytes() for p in here.rglob("*") if p.is_file()} == before


def test_a_format_alone_goes_to_a_folder_of_its_own(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        assert main(["predict", "cells.safetensors", "data", "--format", "yolo"]) == 0
        assert f"cells-{number}" in capsys.readouterr().out
        assert len(list(Path(f"predicted/cells-{number}/yolo/labels").rglob("*.txt"))) == 8
    assert new_folder("cells.safetensors").name == "cells-3"


def test_the_least_probability_is_what_is_listed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = spoken(capsys, "predict", "cells.safetensors", "data")
    some = spoken(capsys, "predict", "cells.safetensors", "data", "--min-probability", "0.6")
    for one, few in zip(whole, some, strict=True):
        assert few["predictions"] == [guess for guess in one["predictions"] if guess["probability"] >= 0.6]
    assert sum(len(one["predictions"]) for one in some) < sum(len(one["predictions"]) for one in whole)
    with pytest.raises(OptionError, match="--min-probability"):
        foveal.predict("cells.safetensors", "data", min_probability=1.5)
    assert main(["predict", "cells.safetensors", "data", "--format", "masks", "--out", "no"]) == 2
    assert "have no mask" in capsys.readouterr().err
    assert not Path("no").exists()


def test_csv_has_the_corners(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (one,) = spoken(capsys, "predict", "cells.safetensors", "data/left/1.png", "--csv", "rows.csv")
    head, first = Path("rows.csv").read_text().splitlines()[:2]
    assert head == "path,rank,label,probability,x0,y0,x1,y1,error"
    assert [float(cell) for cell in first.split(",")[4:8]] == one["predictions"][0]["box"]


def test_in_python_predictions_draw_themselves(here: Path) -> None:
    found = foveal.predict("cells.safetensors", "data/right")
    assert found.labels == LABELS
    assert found.out is None
    assert found.draw(1).width == 512
    assert "<th>x0</th>" in found._repr_html_()


def test_objects_are_inspected(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = spoken(capsys, "inspect", "data", "--reader", "coco", "--data-home", "home")
    assert (said["task"], said["labels"], said["count"]) == ("detect", list(LABELS), 8)
    assert sum(row["cell"] for row in said["splits"].values()) == 6
    objects = said["objects"]
    assert objects["count"] == 10
    assert objects["ignored"] == 1
    assert sum(objects["empty"].values()) == 1
    assert objects["sides"]["cell"]["median"] == 24
    assert (objects["small"], objects["large"]) == (10, 0)
    assert main(["inspect", "data", "--reader", "coco", "--data-home", "home"]) == 0
    shown = capsys.readouterr().out
    assert "objects in all" in shown
    assert "objects a picture" in shown


@pytest.mark.parametrize("augment", ["jitter", "mosaic"])
def test_the_sheet_shows_boxes_as_training_is_told_them(here: Path, augment: str) -> None:
    options = {"reader": "coco", "data_home": "home", "network": "fcos/timm/resnet10t", "pretrained": False}
    got = foveal.inspect("data", augment=augment, sheet="sheet.png", size=64, **options)
    assert got.sheet == "sheet.png"
    with Image.open("sheet.png") as image:
        pixels = np.asarray(image).reshape(-1, 3)
    for tone in ((230, 159, 0), (86, 180, 233)):
        assert (pixels == np.array(tone)).all(1).sum() > 500, "boxes, and the legend's patch"


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from foveal import catalog
    from foveal.tasks import upscale

    task = upscale.build((), scale=2)
    torch.manual_seed(0)
    shape = {"name": "espcn", "outputs": task.outputs, "channels": 3, "size": 24, **task.building()}
    network = catalog.find("architectures", "espcn").build(**shape)
    pre = Preprocessing(24, 3, (0.0,) * 3, (1.0,) * 3)
    card = Card(task=task.card(), architecture=shape, preprocessing=pre)
    file = tmp_path_factory.mktemp("upscaler") / "large.safetensors"
    Model(network, task, pre, card).save(file)
    return file


def test_made_pictures_are_never_lost(
    upscaler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for n, image in enumerate(blocks(20)[:3]):
        image.save(f"{n}.png")
    found = spoken(capsys, "predict", str(upscaler), "0.png", "1.png")
    for n, one in enumerate(found):
        (row,) = one["predictions"]
        assert Path(row["output"]) == Path(f"predicted/large-1/pictures/{n}.png")
        with Image.open(row["output"]) as image:
            assert image.size == (40, 40)
    assert 'type="range"' in Path("predicted/large-1/index.html").read_text("utf-8")
    assert main(["predict", str(upscaler), "2.png", "--out", "mine"]) == 0
    assert str(Path("mine/pictures/2.png")) in capsys.readouterr().out
    (kept,) = foveal.predict(upscaler, "2.png")
    with Image.open("mine/pictures/2.png") as image:
        assert np.array_equal(np.asarray(kept.predictions[0]["picture"]), np.asarray(image))
    assert sorted(p.name for p in Path("predicted").iterdir()) == ["large-1"]


def test_classes_are_written_as_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    p = posed("segment")
    name = "unet/timm/resnet10t"
    shape = {"name": name, "outputs": p.task.outputs, "channels": 3, "size": 32}
    learned(p, Preprocessing(32, 3, (0.5,) * 3, (0.25,) * 3), shape, tmp_path / "m.safetensors", 30)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(60, 120, (48, 40, 3), dtype=np.uint8)).save("a.png")
    (one,) = foveal.predict("m.safetensors", "a.png", out="out", format="masks,drawn")
    with Image.open("out/masks/a.png") as image:
        values = np.asarray(image)
    assert values.shape == (48, 40)
    for row in one.predictions:
        there = values == p.task.labels.index(row["label"])
        assert (decoded(row["mask"]) == there).all()
        assert row["share"] == pytest.approx(there.mean(), abs=1e-6)
