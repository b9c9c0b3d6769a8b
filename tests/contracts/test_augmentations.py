"""Every augmentation keeps the promised size and type, is seeded, pickles, and keeps truths true."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from foveal import catalog
from foveal.augmentations import _operations as operations
from foveal.augmentations._operations import MOVING, Operation, done, rim, space
from foveal.contracts import View
from foveal.data.views import IGNORED
from foveal.machine.device import seeded
from foveal.values import Facts, Preprocessing

NAMES = catalog.names("augmentations")
FACTS = Facts(40, 30, 30, 40, False, 1)
WIDE = space(shear=0.99, translate=8.0, rotate=135.0, enhance=0.99, posterize=(8, 2))
BILINEAR = v2.InterpolationMode.BILINEAR


def picture(width: int = 40, height: int = 30, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Noise in coarse blocks, so that there is something to see, with an alpha channel that varies."""
    noise = np.random.default_rng(seed).integers(30, 200, (6, 6, 4), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR).convert(mode)


def build(name: str, size: int = 24, *, flip: bool = True, scratch: bool = True, magnitude: int = 9) -> View:
    view: View = catalog.find("augmentations", name).build(
        Preprocessing(size), FACTS, flip=flip, scratch=scratch, magnitude=magnitude
    )
    return view


@pytest.mark.parametrize("scratch", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str, scratch: bool) -> None:
    for side in (8, 24, 72):
        view = build(name, side, scratch=scratch)
        again = pickle.loads(pickle.dumps(view))
        for mode in ("L", "RGB", "RGBA"):
            for size in ((40, 30), (7, 90), (24, 24)):
                with seeded(3):
                    one, truth = view(picture(*size, mode), 5)
                with seeded(3):
                    other, _ = again(picture(*size, mode), 5)
                assert one.size == (side, side)
                assert one.mode == mode
                assert truth == 5
                assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_dice_are_torch_s_own_and_the_picture_stays(name: str) -> None:
    view, image = build(name), picture()
    before = image.tobytes()
    random.seed(0)
    np.random.seed(0)
    with seeded(4):
        one = [view(image, 0)[0].tobytes() for _ in range(15)]
    states = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    random.seed(0)
    np.random.seed(0)
    assert states == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index, union-attr]
    assert image.tobytes() == before
    with seeded(5):
        other = [view(image, 0)[0].tobytes() for _ in range(15)]
    assert (one != other) == (name != "none")


@pytest.mark.parametrize("scratch", [True, False])
def test_all_but_none_vary(scratch: bool) -> None:
    for name in NAMES:
        view = build(name, scratch=scratch)
        with seeded(0):
            seen = {view(picture(), 0)[0].tobytes() for _ in range(20)}
        assert len(seen) == 1 if name == "none" else len(seen) >= 8


@pytest.mark.parametrize("scratch", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_boxes_and_masks_stay_where_the_picture_s_object_is(name: str, scratch: bool) -> None:
    """A light square on dark, its box and its mask: wherever the square goes, they go."""
    canvas = np.full((48, 48), 20, np.uint8)
    canvas[16:32, 18:34] = 230
    mask = tv_tensors.Mask(torch.from_numpy((canvas > 128).astype(np.uint8)))
    box = tv_tensors.BoundingBoxes([[18, 16, 34, 32]], format="XYXY", canvas_size=(48, 48))
    view, seen = build(name, 48, scratch=scratch), 0
    for seed in range(60):
        with seeded(seed):
            image, truth = view(Image.fromarray(canvas), {"mask": mask, "box": box, "label": 7})
        assert truth["label"] == 7
        assert isinstance(truth["mask"], tv_tensors.Mask)
        assert isinstance(truth["box"], tv_tensors.BoundingBoxes)
        assert truth["box"].canvas_size == (48, 48)
        left, top, right, bottom = truth["box"][0].tolist()
        assert 0 <= left <= right <= 48
        assert 0 <= top <= bottom <= 48
        inside = truth["mask"].numpy() == 1  # what a view fills up is ignored, or nothing
        if inside.sum() < 30:
            continue
        rows, columns = np.nonzero(inside)
        assert columns.min() >= left - 2
        assert columns.max() <= right + 1
        assert rows.min() >= top - 2
        assert rows.max() <= bottom + 1
        values = np.asarray(image, dtype=float)
        there = truth["mask"].numpy() != IGNORED
        dark = there & ~inside
        if not dark.any():
            continue
        apart = np.abs(values[inside].mean() - values[dark].mean())
        if apart > 60:  # not solarized, equalized or made grey
            middle = (values[inside].mean() + values[dark].mean()) / 2
            square = ((values > middle) == (values[inside].mean() > middle)) & there
            # torchvision's enlarged masks lie up to a pixel beside the picture
            assert (square & inside).sum() / (square | inside).sum() > 0.75
            seen += 1
    assert seen > 25


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("name", WIDE)
def test_each_operation_on_each_kind_of_picture(name: str, mode: str) -> None:
    image = picture(mode=mode)
    for magnitude in {*(WIDE[name] or (0.0,)), -(WIDE[name] or (0.0,))[-1]}:
        if magnitude < 0 and name not in operations.SIGNED:
            continue
        out = done(image, Operation(name, magnitude))
        assert (out.size, out.mode) == (image.size, mode)
        if mode == "RGBA" and name not in MOVING:
            assert out.getchannel("A").tobytes() == image.getchannel("A").tobytes()
            assert (
                out.convert("RGB").tobytes()
                == done(image.convert("RGB"), Operation(name, magnitude)).tobytes()
            )
    strongest = done(image, Operation(name, (WIDE[name] or (0.0,))[-1]))
    if not (name == "Color" and mode == "L"):
        assert strongest.tobytes() != image.tobytes()


def test_a_picture_in_the_truth_is_varied_as_the_picture_itself() -> None:
    """Tasks from picture to picture: the target stays the picture's own."""
    for name in NAMES:
        view = build(name, 40, scratch=False)
        for seed in range(12):
            image = picture(40, 40)
            twin = tv_tensors.Image(v2.functional.pil_to_tensor(image))
            with seeded(seed):
                seen, (pillow, tensor) = view(image, (image.copy(), twin))
            assert pillow.tobytes() == seen.tobytes()
            assert isinstance(tensor, tv_tensors.Image)
            # torchvision resizes and turns tensors a little otherwise than Pillow does pictures
            assert (tensor.float() - v2.functional.pil_to_tensor(seen).float()).abs().mean() < 6


@pytest.mark.parametrize("name", ["trivialaugment", "randaugment"])
def test_the_policies_are_torchvision_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, where torchvision's work and are told the same colour for what comes in from outside."""
    monkeypatch.setattr(operations, "rim", lambda image: [0, 0, 0])
    ours = build(name, 40, magnitude=17).transforms[1]  # type: ignore[attr-defined]
    theirs = (
        v2.TrivialAugmentWide(interpolation=BILINEAR, fill=[0, 0, 0])
        if name == "trivialaugment"
        else v2.RandAugment(2, 17, 31, interpolation=BILINEAR, fill=[0, 0, 0])
    )
    changed = 0
    for seed in range(150):
        image = picture(40, 40, seed=seed)
        with seeded(seed):
            one = ours(image)
        with seeded(seed):
            other = theirs(image)
        assert one.tobytes() == other.tobytes()
        changed += one.tobytes() != image.tobytes()
    assert changed > 100


def test_augmix_varies_as_much_as_torchvision_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "rim", lambda image: [0, 0, 0])
    ours = build("augmix", 40).transforms[1]  # type: ignore[attr-defined]
    theirs = v2.AugMix(interpolation=BILINEAR, fill=[0, 0, 0])
    image = picture(40, 40)
    values = np.asarray(image, dtype=float)
    apart = []
    for view in (ours, theirs):
        with seeded(1):
            apart.append(
                np.mean([np.abs(np.asarray(view(image), float) - values).mean() for _ in range(250)])
            )
    assert 0.8 < apart[0] / apart[1] < 1.25


def test_magnitude_is_randaugment_s_strength() -> None:
    image, apart = picture(40, 40), []
    for magnitude in (0, 9, 30):
        policy = build("randaugment", 40, magnitude=magnitude).transforms[1]  # type: ignore[attr-defined]
        with seeded(2):
            outs = [np.asarray(policy(image), float) for _ in range(80)]
        apart.append(np.mean([np.abs(out - np.asarray(image, float)).mean() for out in outs]))
    assert apart[0] < apart[1] < apart[2]


def test_what_comes_in_from_outside_has_the_colour_of_the_rim() -> None:
    white = Image.new("RGB", (20, 20), (250, 251, 252))
    white.paste((0, 0, 0), (6, 6, 14, 14))
    assert rim(white) == [250, 251, 252]
    turned = np.asarray(done(white, Operation("Rotate", 45.0)))
    assert turned[0, 0].tolist() == [250, 251, 252]
    assert turned[10, 10].tolist() == [0, 0, 0]
    cut_out = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert np.asarray(done(cut_out, Operation("ShearX", 0.5)))[..., 3].max() == 0
    assert rim(Image.new("L", (9, 9), 7)) == [7]


def test_shifts_are_torchvision_s_but_for_the_border() -> None:
    """On a picture with a black rim they are the same; round a light one no black comes in."""
    theirs = v2.RandomCrop(40, padding=5)
    dark, light = picture(40, 40), Image.new("RGB", (40, 40), (200, 210, 220))
    dark.paste((0, 0, 0), (0, 0, 40, 1))
    for box in ((0, 39, 40, 40), (0, 0, 1, 40), (39, 0, 40, 40)):
        dark.paste((0, 0, 0), box)
    facts = Facts(40, 40, 40, 40, False, 1)
    ours = catalog.find("augmentations", "light").build(Preprocessing(40), facts, flip=False, scratch=True)
    for seed in range(30):
        with seeded(seed):
            one = ours(dark, 0)[0]
        with seeded(seed):
            other = theirs(dark)
        assert one.tobytes() == other.tobytes()
        assert ours(light, 0)[0].tobytes() == light.tobytes()


def test_trivialaugment_never_shifts_by_more_than_the_side() -> None:
    choice = build("trivialaugment", 8).transforms[1].choice  # type: ignore[attr-defined]
    assert choice["TranslateX"] == (0.0, 8)
    choice = build("trivialaugment", 128).transforms[1].choice  # type: ignore[attr-defined]
    assert choice["TranslateX"] == (0.0, 32)


def test_crops_are_smaller_from_scratch_than_in_fine_tuning() -> None:
    """Szegedy's 8 % of the area from scratch, 35 % for fine-tuning: seen in how far a ramp is enlarged."""
    ramp = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (200, 1)))
    smallest = {}
    for scratch in (True, False):
        view = build("light", 100, flip=False, scratch=scratch)
        with seeded(0):
            outs = [np.asarray(view(ramp, 0)[0], float) for _ in range(300)]
        smallest[scratch] = min(out.max() - out.min() for out in outs) / 199
    # the narrowest crop has the smallest area and the shape 3/4
    assert smallest[True] == pytest.approx((0.08 * 3 / 4) ** 0.5, abs=0.04)
    assert smallest[False] == pytest.approx((0.35 * 3 / 4) ** 0.5, abs=0.04)


@pytest.mark.parametrize("name", ["light", "trivialaugment", "randaugment", "augmix"])
def test_no_flip_means_no_mirror_image(name: str) -> None:
    """Weakly varied drawings of a one-sided thing stay one-sided."""
    half = np.zeros((16, 16), np.uint8)
    half[:, :4] = 255
    facts = Facts(16, 16, 16, 16, True, 1)
    mirrored = {True: 0, False: 0}
    for flip in mirrored:
        view = catalog.find("augmentations", name).build(
            Preprocessing(16, 1, (0.5,), (0.5,)), facts, flip=flip, scratch=True, magnitude=2
        )
        with seeded(1):
            for _ in range(60):
                out = np.asarray(view(Image.fromarray(half), 0)[0], dtype=float)
                mirrored[flip] += out[:, 12:].mean() > 128 and out[:, :4].mean() < 100
    assert mirrored[True] > 8
    # half of what TrivialAugment turns, it turns by more than a right angle
    assert mirrored[False] <= (2 if name == "trivialaugment" else 0)
