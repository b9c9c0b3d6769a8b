"""Mosaics and pasted objects: what lies on the canvas is what the truth says, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from foveal import catalog
from foveal.augmentations import copypaste, mosaic
from foveal.contracts import Pair
from foveal.data import objects
from foveal.data.views import place_in, whole_view
from foveal.machine.device import seeded
from foveal.values import Facts, Preprocessing

PRE = Preprocessing(64, 3, (0.0,) * 3, (1.0,) * 3)
FACTS = Facts(60, 40, 40, 60, False, 1)
COLOURS = ((250, 20, 20), (20, 250, 20), (20, 20, 250), (240, 240, 20))
LABELS = ("a", "b", "c", "d")


def drawn(number: int, width: int = 60, height: int = 40) -> tuple[Image.Image, list[dict[str, object]]]:
    """A black picture with two rectangles of one colour, whose label is the colour's."""
    image = Image.new("RGB", (width, height))
    pen, told = ImageDraw.Draw(image), []
    for x, y in ((4, 6), (34, 20)):
        pen.rectangle((x, y, x + 15, y + 9), fill=COLOURS[number])
        told.append({"label": LABELS[number], "box": [x, y, x + 16, y + 10]})
    return image, told


def viewed(number: int) -> Pair:
    image, told = drawn(number)
    pair: Pair = whole_view(PRE)(image, objects.moving(told, LABELS, image.size, "", masks=True))
    return pair


def agrees(pair: Pair) -> int:
    """Every object's pixels have its colour, and lie in its box, which is no larger than they are."""
    image, truth = pair
    values = np.asarray(image).astype(int)
    masks = truth["masks"].as_subclass(Tensor).numpy()
    boxes = truth["boxes"].as_subclass(Tensor)
    for mask, box, label in zip(masks, boxes.tolist(), truth["labels"].tolist(), strict=True):
        away = np.abs(values[mask] - COLOURS[label]).sum(1)
        assert (away < 150).mean() > 0.6, "blurred at its edges only"
        tight = objects.box_of(mask)
        assert np.abs(np.array(tight) - box).max() <= 1.01
    return len(masks)


@pytest.mark.parametrize("name", ["mosaic", "copypaste"])
def test_what_is_seen_is_what_the_truth_says(name: str) -> None:
    among = catalog.find("augmentations", name).among(PRE)
    seen, changed = 0, 0
    for seed in range(40):
        pairs = [viewed(n) for n in range(4)]
        with seeded(seed):
            made = among(pairs)
        with seeded(seed):
            again = among([viewed(n) for n in range(4)])
        assert len(made) == 4
        for pair, other, own in zip(made, again, pairs, strict=True):
            assert pair[0].tobytes() == other[0].tobytes(), "seeded"
            assert pair[0].size == (64, 64)
            seen += agrees(pair)
            changed += pair[0].tobytes() != own[0].tobytes()
    assert seen > 200
    assert 40 < changed < 120, "half of them"


def test_a_mosaic_shows_objects_of_several_pictures_at_half_their_size() -> None:
    pairs = [viewed(n) for n in range(4)]
    with seeded(1):
        made = [mosaic.Mosaic(PRE).laid(pairs, n % 4) for n in range(20)]
    kinds = [set(truth["labels"].tolist()) for _, truth in made]
    assert max(len(kind) for kind in kinds) >= 3
    widths = torch.cat(
        [t["boxes"].as_subclass(Tensor)[:, 2] - t["boxes"].as_subclass(Tensor)[:, 0] for _, t in made]
    )
    whole = 16 * place_in(64, 60, 40)[0] / 60
    assert float(widths.max()) == pytest.approx(whole / 2, abs=0.5)


def test_pasted_objects_hide_what_lies_beneath() -> None:
    below, above = viewed(0), viewed(1)
    for seed in range(50):
        with seeded(seed):
            _, truth = copypaste.pasted(below, above)
        masks = truth["masks"].as_subclass(Tensor)
        assert int(masks.sum(0).max()) <= 1, "no pixel belongs to two"


def test_crops_keep_a_box_s_centre_in_sight() -> None:
    known = object()
    view = catalog.find("augmentations", "jitter").build(PRE, FACTS, flip=True, scratch=True, magnitude=9)
    for seed in range(200):
        image, told = drawn(seed % 4)
        with seeded(seed):
            pair = view(image, {**objects.moving(told, LABELS, image.size, "", masks=True), "known": known})
        shown = objects.visible(pair[1])
        assert len(shown["labels"]) >= 1
        assert pair[1]["known"] is known


def test_the_whole_view_puts_boxes_where_the_objects_are() -> None:
    for size in ((60, 40), (40, 60), (64, 64), (200, 30)):
        image, told = drawn(2, *size)
        told = [one for one in told if one["box"][2] <= size[0] and one["box"][3] <= size[1]]  # type: ignore[index]
        seen, truth = whole_view(PRE)(image, objects.moving(told, LABELS, size, "", masks=True))
        assert seen.size == (64, 64)
        width, height = place_in(64, *size)
        values = np.asarray(seen)
        assert not values[height:].any()
        assert not values[:, width:].any()
        for box, one in zip(truth["boxes"].tolist(), told, strict=True):
            scale = np.array([width / size[0], height / size[1]] * 2)
            assert np.allclose(box, np.array(one["box"]) * scale, atol=1e-3)


def test_masks_of_classes_are_ignored_beyond_the_picture() -> None:
    from foveal.data import masks
    from foveal.data.views import IGNORED

    pixels = np.zeros((40, 60), np.uint8)
    pixels[:, 30:] = 7
    index = masks.indices(pixels, {"0": "a", "7": "b"}, LABELS)
    seen, mask = whole_view(PRE)(Image.new("RGB", (60, 40)), masks.tv_tensors.Mask(torch.from_numpy(index)))
    height = place_in(64, 60, 40)[1]
    assert mask.dtype == torch.uint8
    assert set(mask[:height].unique().tolist()) == {0, 1}
    assert mask[height:].unique().tolist() == [IGNORED]
    assert seen.size == tuple(reversed(mask.shape))
