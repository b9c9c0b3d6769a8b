"""Large pictures in tiles: each object once, whole where it can be; each pixel's class from the tile round it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco
from scipy import ndimage
from torch import Tensor, nn

import foveal
from detecting import model_of
from foveal.card import Card
from foveal.charts.run_lengths import decoded
from foveal.errors import OptionError
from foveal.model import Model
from foveal.tasks import detect, instances, segment
from foveal.values import Preprocessing
from foveal.verbs import in_tiles

SIDE = 128
WIDTH, HEIGHT = 500, 330


def model(task: Any, network: nn.Module) -> Model:
    pre = Preprocessing(SIDE, 3, (0.0,) * 3, (1.0,) * 3)
    told = {"name": "x", "outputs": task.outputs, "channels": 3, "size": SIDE}
    return Model(network.eval(), task, pre, Card(task=task.card(), architecture=told, preprocessing=pre))


class Blobs(nn.Module):
    """A detector that finds each bright spot of at least four pixels of what it is shown, as sure as it is large."""

    def __init__(self, masks: bool) -> None:
        super().__init__()
        self.masks = masks

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        return [self.found(image[0].numpy() > 0.5) for image in images]

    def found(self, bright: NDArray[np.bool_]) -> dict[str, Tensor]:
        spots, _ = ndimage.label(bright)
        places = [spot for n, spot in enumerate(ndimage.find_objects(spots), 1) if (spots == n).sum() >= 4]
        boxes = [[s[1].start, s[0].start, s[1].stop, s[0].stop] for s in places]
        sizes = [(box[2] - box[0]) * (box[3] - box[1]) for box in boxes]
        order = np.argsort([-size for size in sizes], kind="stable").tolist()
        told: dict[str, Any] = {
            "boxes": torch.tensor([boxes[n] for n in order], dtype=torch.float32).reshape(-1, 4),
            "labels": torch.zeros(len(order), dtype=torch.int64),
            "scores": torch.tensor([min(0.99, sizes[n] / 1000) for n in order]),
        }
        if self.masks:
            told["masks"] = torch.ones(len(order), 1, 4, 4)
        return told


def spotted(boxes: list[tuple[int, int, int, int]]) -> Image.Image:
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for x0, y0, x1, y1 in boxes:
        canvas[y0:y1, x0:x1] = 255
    return Image.fromarray(canvas)


def grid(side: int, gap: int = 31) -> list[tuple[int, int, int, int]]:
    """Squares all over the picture, some on every seam of tiles."""
    return [
        (x, y, x + side, y + side) for y in range(2, HEIGHT - side, gap) for x in range(2, WIDTH - side, gap)
    ]


@pytest.mark.parametrize("masks", [False, True])
def test_small_objects_are_found_once_each_where_they_are(masks: bool, tmp_path: Path) -> None:
    boxes = grid(9)
    spotted(boxes).save(tmp_path / "a.png")
    task = (instances if masks else detect).build(("spot",))
    found = foveal.predict(model(task, Blobs(masks)), tmp_path / "a.png", tiles=SIDE)[0].predictions
    assert sorted(tuple(map(round, row["box"])) for row in found) == sorted(boxes)
    assert [row["probability"] for row in found] == sorted(
        (row["probability"] for row in found), reverse=True
    )
    for row in found if masks else ():
        x0, y0, x1, y1 = map(round, row["box"])
        wanted = np.zeros((HEIGHT, WIDTH), bool)
        wanted[y0:y1, x0:x1] = True
        assert np.array_equal(decoded(row["mask"]), wanted)


def test_what_is_larger_than_a_tile_is_that_of_the_whole_picture(tmp_path: Path) -> None:
    large = (20, 60, 420, 200)
    spotted([large, (450, 10, 460, 20)]).save(tmp_path / "a.png")
    said = foveal.predict(model(detect.build(("spot",)), Blobs(False)), tmp_path / "a.png", tiles=SIDE)
    boxes = sorted(row["box"] for row in said[0].predictions)
    assert len(boxes) == 2
    np.testing.assert_allclose(boxes[0], large, atol=4)  # as it was seen at a quarter of its size
    assert boxes[1] == [450, 10, 460, 20]


def test_pictures_that_fit_a_tile_are_seen_as_without(tmp_path: Path) -> None:
    detector = model_of("fcos")
    canvas = np.random.default_rng(0).integers(0, 255, (100, 120, 3), np.uint8)
    Image.fromarray(canvas).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    plain = foveal.predict(detector, tmp_path)
    assert foveal.predict(detector, tmp_path, tiles=128) == plain
    assert plain[0].predictions
    assert plain[1].error


class Shades(nn.Module):
    """Classes by brightness: dark, middle, bright."""

    def forward(self, images: Tensor) -> Tensor:
        middles = torch.tensor([0.0, 0.5, 1.0])[:, None, None]
        return -20 * (images[:, :1] - middles).abs()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(130, 300), st.integers(130, 300))
def test_classes_are_those_of_every_pixel(seed: int, width: int, height: int) -> None:
    shades = np.random.default_rng(seed).choice([0, 127, 255], (height, width)).astype(np.uint8)
    image = Image.fromarray(np.repeat(shades[..., None], 3, 2))
    network = model(segment.build(("dark", "middle", "bright")), Shades())
    corners = in_tiles.places(image.size, SIDE)
    tiles = [in_tiles._cut(image, corner, SIDE) for corner in corners]
    said = [one.predictions for one in network.predict(tiles)]
    rows = in_tiles.stitched(said, corners, image.size, SIDE, network.labels)
    for row, value in ((row, {"dark": 0, "middle": 127, "bright": 255}[row["label"]]) for row in rows):
        assert np.array_equal(decoded(row["mask"]), shades == value)
        assert row["share"] == pytest.approx((shades == value).mean())
        assert 0.9 < row["probability"] <= 1
    assert sum(int(coco.area(row["mask"])) for row in rows) == width * height


def test_other_tasks_and_too_small_tiles_are_refused() -> None:
    for side, task in ((256, "classify"), (256, "upscale"), (8, "detect")):
        with pytest.raises(OptionError) as error:
            in_tiles.check(side, task)
        assert "--tiles" in error.value.came
