"""Segmentation at the pictures' own scale: large ones in tiles, learned in patches, and scales that pairs tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import foveal
from foveal import catalog, plan
from foveal.errors import OptionError
from foveal.model import Model
from foveal.options import ReadOptions, TrainOptions, make
from foveal.readers import prepare
from foveal.records.gathered import gather
from foveal.records.run import Run
from foveal.tasks import segment, upscale
from foveal.tasks._segment_maps import Whole, own_map
from foveal.values import Batch, Preprocessing
from posed.segment import painted


class Local(nn.Module):
    """Three logits that look at the pixels next to each only."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.largest = 0

    def forward(self, images: Tensor) -> Tensor:
        self.largest = max(self.largest, *images.shape[-2:])
        logits: Tensor = self.conv(images)
        return logits


def test_large_pictures_are_judged_and_predicted_in_tiles_as_if_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(segment, "TILE", 48)
    monkeypatch.setattr(segment, "OVERLAP", 16)
    task, network = segment.build(("a", "b", "c"), tiled=True), Local().eval()
    assert task.own_sizes
    image = torch.randn(1, 3, 70, 110, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = network(image)[0]
        network.largest = 0
        (rows,) = task.predict(network, image, [(110, 70)])
        truth = {"mask": whole.argmax(0).to(torch.uint8), "whole": Whole(None, (110, 70), "")}
        step = task.step(network, Batch(image, [truth], ["x"]))
    assert network.largest == 48
    found, _ = own_map(whole, (110, 70))
    assert np.array_equal(found, whole.argmax(0).numpy())
    shares = {row["label"]: row["share"] for row in rows}
    assert shares == {label: (found == n).mean() for n, label in enumerate("abc") if (found == n).any()}
    table = step.outputs[0].table
    assert table.sum() == 70 * 110
    assert np.diagonal(table).sum() == table.sum()


def data(folder: Path, side: int = 80) -> Path:
    for n, (image, mask) in enumerate(painted(side)):
        for kind, picture in (("images", image), ("masks", mask)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            picture.crop((0, 0, side, side - 10)).save(folder / kind / f"{n}.png")
    return folder


def test_a_run_learns_patches_at_the_pictures_own_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "TILE", 64)
    monkeypatch.setattr(segment, "OVERLAP", 32)
    options = {"network": "unet/timm/resnet10t", "pretrained": False, "size": 64, "epochs": 1, "batch": 2}
    done = foveal.train(
        str(data(tmp_path / "data")), tiled=True, out=str(tmp_path / "run"), probe=False, **options
    )
    kept = gather(Run.open(done.run))
    assert {c.option: c.value for c in kept.choices}["augment"] == "patches"
    assert kept.evaluation is not None
    pixels = sum(row["count"] for row in kept.evaluation.per_class)
    assert 0.9 * 80 * 70 <= pixels / kept.evaluation.count <= 80 * 70, "in the files' own pixels, but for 255"
    model = Model.load(done.run)
    assert model.task.own_sizes
    (one,) = model.predict(str(tmp_path / "data/images/3.png"))
    assert sum(row["share"] for row in one.predictions) == pytest.approx(1)
    assert one.predictions[0]["mask"]["size"] == [70, 80]


def test_tiles_mean_nothing_to_other_tasks() -> None:
    dataset, _ = prepare(None, ReadOptions(), 0)
    with pytest.raises(OptionError, match="--tiled was given, but the task is classify"):
        plan.make(dataset, make(TrainOptions, {"tiled": True}))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_pairs_tell_their_scale(tmp_path: Path, factor: int) -> None:
    noise = np.random.default_rng(0)
    for n in range(12):
        for name, side in (("lr", 24), ("hr", 24 * factor)):
            (tmp_path / name).mkdir(exist_ok=True)
            pixels = noise.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{n}.png")
    dataset, _ = prepare(str(tmp_path), ReadOptions(), 0)
    assert upscale.factor_of(dataset) == factor
    planned = plan.make(dataset, make(TrainOptions, {"probe": False}))
    assert planned.task.card()["scale"] == factor
    (said,) = [c.reason for c in planned.choices if c.option == "scale"]
    assert said == f"the targets have {factor} times the sides of their pictures"


def test_a_view_of_its_own_changes_nothing() -> None:
    image = Image.new("RGB", (30, 20))
    pre = Preprocessing(64, 3, (0.5,) * 3, (0.25,) * 3)
    assert catalog.find("tasks", "segment").build(("a", "b"), tiled=True).view(pre)(image, 1) == (image, 1)
