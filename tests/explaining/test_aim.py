"""An answer at one place: a pixel's or a box's of a segmentation, one object's of a detector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.ops import box_iou

import foveal
import small
from detecting import SOME, model_of
from foveal import catalog
from foveal.card import Card
from foveal.data.marked import Marked
from foveal.data.seen import Seen
from foveal.data.views import normalise, to_input
from foveal.errors import OptionError, PictureError
from foveal.explaining import Wanted, explain_pictures
from foveal.explaining.aim import aim_of
from foveal.explaining.given import Given, placed
from foveal.model import Model
from foveal.tasks import segment
from foveal.values import Preprocessing, Target

SIDE = 64
LABELS = ("background", "ball", "cube")


@pytest.fixture(scope="module")
def segments() -> Model:
    torch.manual_seed(0)
    name, told = "unet/timm/resnet10t", {"outputs": 3, "channels": 3, "size": SIDE}
    network = catalog.find("architectures", name).build(name, **told).eval()
    task, pre = segment.build(LABELS), Preprocessing(SIDE)
    return Model(
        network, task, pre, Card(task=task.card(), architecture={"name": name, **told}, preprocessing=pre)
    )


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))


def test_a_pixel_and_a_box_of_a_segmentation(segments: Model, picture: Image.Image) -> None:
    images = normalise(
        to_input(picture, segments.task.view(segments.preprocessing))[None], segments.preprocessing
    )
    with torch.no_grad():
        logits = segments.network(images)[0]
    (pixel,) = foveal.explain(segments, picture, method="gradient", target="cube", at=(40, 17), verdict=False)
    assert pixel.score == pytest.approx(float(logits[2, 17, 40]), rel=1e-3, abs=1e-5)
    assert str(pixel.target) == "cube at 40, 17, 41, 18"
    (box,) = foveal.explain(
        segments, picture, method="gradient", target="cube", at="8,4,24,20", verdict=False
    )
    assert box.score == pytest.approx(float(logits[2, 4:20, 8:24].mean()), rel=1e-3, abs=1e-5)
    held = foveal.explain(
        segments, picture, method="gradient", target="cube", against="ball", at=[8, 4, 24, 20], verdict=False
    )
    assert [row.target.at for row in held] == [(8, 4, 24, 20)] * 3
    assert held[2].score == pytest.approx(
        float((logits[2] - logits[1])[4:20, 8:24].mean()), rel=1e-3, abs=1e-5
    )


def test_a_mask_of_a_segmentation(segments: Model, picture: Image.Image, tmp_path: Path) -> None:
    """White pixels of a file count, each alike; an array of truths is the same; a box as a mask is the box."""
    ring = np.hypot(*(np.mgrid[:SIDE, :SIDE] - 30.5)) // 6 == 2
    shades = np.where(ring, 255, 40).astype(np.uint8)
    Image.fromarray(shades).save(tmp_path / "ring.png")
    images = normalise(
        to_input(picture, segments.task.view(segments.preprocessing))[None], segments.preprocessing
    )
    with torch.no_grad():
        logits = segments.network(images)[0]
    (file,) = foveal.explain(
        segments, picture, method="gradient", target="cube", at=str(tmp_path / "ring.png"), verdict=False
    )
    assert file.score == pytest.approx(float(logits[2][torch.from_numpy(ring)].mean()), rel=1e-3, abs=1e-5)
    assert str(file.target) == "cube in ring.png"
    assert file.target.at == (13, 13, 49, 49)
    (array,) = foveal.explain(segments, picture, method="gradient", target="cube", at=ring, verdict=False)
    assert np.array_equal(array.map, file.map)
    box = np.zeros((SIDE, SIDE), bool)
    box[4:20, 8:24] = True
    (marked,), (named,) = (
        foveal.explain(segments, picture, method="gradient", target="cube", at=at, verdict=False)
        for at in (box, "8,4,24,20")
    )
    assert marked.score == pytest.approx(named.score, rel=1e-5)


def test_masks_that_say_nothing(segments: Model, picture: Image.Image, tmp_path: Path) -> None:
    Image.fromarray(np.ones((SIDE, SIDE), np.uint8)).save(tmp_path / "ones.png")
    with pytest.raises(OptionError, match="no pixel is white; the brightest is 1"):
        aim_of(segments, "cube", at=str(tmp_path / "ones.png"))
    with pytest.raises(PictureError):
        aim_of(segments, "cube", at=str(tmp_path / "none.png"))
    with pytest.raises(OptionError, match="no pixel is white"):
        aim_of(segments, "cube", at=np.zeros((4, 4), bool))
    with pytest.raises(OptionError, match=f"The mask a mask is 9 x 7 pixels.*{SIDE} x {SIDE}"):
        foveal.explain(segments, picture, method="gradient", target="cube", at=np.ones((7, 9), bool))


@given(
    st.tuples(st.integers(5, 40), st.integers(5, 40)),
    st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.floats(1, 30), st.floats(1, 30)),
    st.integers(0, 99),
)
def test_a_mask_is_cut_to_what_is_seen(
    size: tuple[int, int], box: tuple[float, float, float, float], seed: int
) -> None:
    """Nothing is lost or won: where whole pixels are seen they are as they were, beyond the picture is nothing."""
    x, y, width, height = (round(edge) for edge in box)
    marked = np.random.default_rng(seed).random(size[::-1]) < 0.5
    marked[0, 0] = True
    seen = Seen(*size, (float(x), float(y), float(x + width), float(y + height)))
    wanted = np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            inside = 0 <= row + y < size[1] and 0 <= column + x < size[0]
            wanted[row, column] = inside and marked[row + y, column + x]
    if not wanted.any():
        with pytest.raises(OptionError, match="sees nothing"):
            Marked.of(marked).shown(seen, "p.png")
        return
    assert np.array_equal(Marked.of(marked).shown(seen, "p.png").pixels, wanted * 255)


@pytest.mark.parametrize("kind", SOME)
def test_one_object_of_a_detector(kind: str) -> None:
    model = model_of(kind)
    images = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = model.network(images)
        where = model.task.placed(model.network)(images)  # type: ignore[attr-defined]
        whole = model.task.explained(model.network)(images)  # type: ignore[attr-defined]
    everywhere = [Target("ring"), Target("ball")]
    torch.testing.assert_close(model.task.score(where, everywhere), model.task.score(whole, everywhere))  # type: ignore[attr-defined]
    assert model.task.targets(where) == model.task.targets(whole)  # type: ignore[attr-defined]
    boxes = where[0, :, -4:]
    one = boxes[len(boxes) // 2].tolist()
    near = box_iou(boxes, torch.tensor([one]))[:, 0] >= 0.5
    at = [Target("ring", within=(one[0], one[1], one[2], one[3]))]
    assert float(model.task.score(where[:1], at)) == pytest.approx(float(where[0, near, 2].max()))  # type: ignore[attr-defined]
    if kind == "retinanet":  # what it tells is among what it says at its places
        told = found[0]["boxes"] / 128
        assert box_iou(told, boxes.clamp(0, 1)).amax(1).min() > 0.99


def test_an_object_is_explained(picture: Image.Image) -> None:
    model = model_of("fcos")
    wide = picture.resize((240, 180))
    whole, one = (
        foveal.explain(model, wide, method="gradient", target="ring", verdict=False, **more)[0]
        for more in ({}, {"at": "20,20,60,60"})
    )
    assert one.error is None
    assert one.map.shape == (180, 240)
    assert one.score is not None
    assert whole.score is not None
    assert one.score <= whole.score
    assert not np.allclose(one.map, whole.map)


def test_pictures_may_have_objects_of_their_own(picture: Image.Image) -> None:
    """As the most telling ones of a detector's run have."""
    model = model_of("fcos")
    wide = picture.resize((240, 180))
    box = (20.0, 20.0, 60.0, 60.0)
    own = replace(Given.image(wide), targets=(Target("ring", at=box), Target("ball", at=box)))
    ring, ball = explain_pictures(model, [own], Wanted(("gradient",), verdict=False)).rows
    for row in (ring, ball):
        (alone,) = foveal.explain(
            model, wide, method="gradient", target=row.target.label, at=list(box), verdict=False
        )
        assert row.score == pytest.approx(alone.score, rel=1e-4)
        assert np.allclose(row.map, alone.map, rtol=1e-3, atol=1e-6)
        assert str(row.target) == f"{row.target.label} at 20, 20, 60, 60"


@given(st.floats(0, 90), st.floats(0, 50), st.floats(1, 100), st.floats(1, 60))
def test_places_are_put_where_the_network_sees_them(x: float, y: float, width: float, height: float) -> None:
    seen = Seen(100, 60, (20.0, 0.0, 80.0, 60.0))
    target = Target("ring", at=(x, y, x + width, y + height))
    if x + width <= 20 or x >= 80:
        with pytest.raises(OptionError, match="sees nothing"):
            placed(target, seen, "p.png")
        return
    within = placed(target, seen, "p.png").within
    assert within is not None
    assert within[0] * 60 + 20 == pytest.approx(max(x, 20))
    assert within[2] * 60 + 20 == pytest.approx(min(x + width, 80))
    assert within[1] * 60 == pytest.approx(y)
    assert within[3] * 60 == pytest.approx(min(y + height, 60))


@pytest.mark.parametrize("at", ["3", "1,2,3", "a,b", "5,5,5,9", "nan,1", ""])
def test_a_place_has_two_numbers_or_four(at: str, segments: Model) -> None:
    with pytest.raises(OptionError, match="X,Y for a pixel"):
        aim_of(segments, "cube", at=at)


def test_what_does_not_go_together(segments: Model) -> None:
    with pytest.raises(OptionError, match="without --target"):
        aim_of(segments, None, at="3,4")
    with pytest.raises(OptionError, match="--unit"):
        aim_of(segments, None, unit="encoder:3", at="3,4")
    card = Card(task=small.task().card(), architecture={"name": "own/tiny"}, preprocessing=small.PRE)
    with pytest.raises(OptionError, match="one thing of a whole picture"):
        aim_of(Model(small.tiny(), small.task(), small.PRE, card), "ring", at="3,4")
