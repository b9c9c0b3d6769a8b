"""The benchmark of tasks: peers are told what ours are judged by, and all by one judge."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveal.tasks import instances, segment
from posed.drawn import drawn
from posed.segment import painted

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for folder in (FOLDER, FOLDER / "peers"):
        monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location("tasks_benchmark", FOLDER / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "tasks_benchmark", made)
    spec.loader.exec_module(made)
    return made


def coco(folder: Path) -> Path:
    """Sixteen pictures with polygons, as COCO's files have them."""
    (folder / "images").mkdir(parents=True)
    told: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
    names = sorted({one["label"] for truth in instances.SAMPLE for one in truth})
    told["categories"] = [{"id": n, "name": name} for n, name in enumerate(names)]
    solid = [[one for one in truth if "polygons" in one] for truth in (*instances.SAMPLE, *instances.SAMPLE)]
    pictures = [*drawn(solid[:8], seed=0), *drawn(solid[8:], seed=1)]
    for n, (truth, image) in enumerate(zip(solid, pictures, strict=True)):
        image.save(folder / "images" / f"{n}.png")
        told["images"].append({"id": n, "file_name": f"{n}.png", "width": 64, "height": 64})
        for one in truth:
            x0, y0, x1, y1 = one["box"]
            told["annotations"].append({
                "id": len(told["annotations"]) + 1, "image_id": n, "category_id": names.index(one["label"]),
                "bbox": [x0, y0, x1 - x0, y1 - y0], "segmentation": one["polygons"], "iscrowd": 0,
                "area": (x1 - x0) * (y1 - y0),
            })  # fmt: skip
    (folder / "annotations.json").write_text(json.dumps(told))
    return folder


def test_objects_are_told_and_judged(tmp_path: Path, bench: ModuleType) -> None:
    p = bench.posed(coco(tmp_path / "data"), tmp_path / "truths", 0)
    assert p.task.name == "instances"
    truths = importlib.import_module("truths")
    rows = json.loads((tmp_path / "truths/truths.json").read_text())
    told = truths.Told(*(tuple(rows[name]) for name in ("labels", "mean", "std", "pictures")))
    known = told.of(p.judged)
    assert len(known) == len(p.items) > 0
    perfect = [[{**one, "score": 0.9} for one in row["objects"]] for row in known]
    judged = bench.judged(p, perfect)
    assert (judged["figure"], judged["mAP50"]) == pytest.approx((1, 1))
    assert bench.judged(p, [[] for _ in known])["figure"] == 0
    noise = np.random.default_rng(0)
    wrong = [
        [{**one, "label": int(noise.integers(2)), "score": float(noise.random())} for one in row] for row in perfect
    ]  # fmt: skip
    assert 0 <= bench.judged(p, wrong)["figure"] <= 1  # and pycocotools agrees, or it would have stopped
    assert "mAP 1.000" in bench.line("all right", {**judged, "on": p.judged, "pictures": len(known)})


def test_boxes_go_to_label_files_and_come_back(tmp_path: Path, bench: ModuleType) -> None:
    peer, truths = (importlib.import_module(name) for name in ("detect_with_ultralytics", "truths"))
    job = truths.TaskJob(peer="ultralytics", began=time.time(), out=str(tmp_path), task="detect")
    row = {"width": 200, "height": 100, "objects": [{"label": 1, "box": [20.0, 10.0, 120.0, 60.0]}]}
    text = peer.line(row["objects"][0], row, "detect")
    (tmp_path / "0.txt").write_text(f"{text} 0.75\n")
    (found,) = peer.said(job, row, tmp_path / "0.txt")
    assert found["box"] == pytest.approx([20, 10, 120, 60], abs=1e-3)
    assert (found["label"], found["score"]) == (1, 0.75)
    assert peer.said(job, row, tmp_path / "none.txt") == []
    assert 0 <= job.over < 1


def test_class_maps_are_told_and_judged(tmp_path: Path, bench: ModuleType) -> None:
    for n, (image, mask) in enumerate([*painted(), *painted()]):
        for kind, picture in (("images", image), ("masks", mask)):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            values = np.array(picture)
            values[-1] = n if kind == "images" else values[-1]  # no two the same
            Image.fromarray(values).save(tmp_path / "data" / kind / f"{n}.png")
    p = bench.posed(tmp_path / "data", tmp_path / "truths", 0)
    assert isinstance(p.task, segment.Segment)
    rows = json.loads((tmp_path / "truths/truths.json").read_text())["pictures"]
    masks = [np.asarray(Image.open(row["mask"])) for row in rows if row["part"] == p.judged]
    judged = bench.judged(p, masks)
    assert judged["figure"] == judged["pixel_accuracy"] == judged["boundary_f1"] == 1
    shifted = bench.judged(p, [np.roll(mask, 4, 1) for mask in masks])
    assert 0.2 < shifted["figure"] < 1
    assert shifted["low"] <= shifted["figure"] <= shifted["high"]
