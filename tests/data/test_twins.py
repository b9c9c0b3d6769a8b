"""Near duplicates are found however they were made, and different pictures are not taken for such."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from foveal.data.sketches import Pixels, small_of
from foveal.data.twins import _ROWS, NEIGHBOURS, NUMBERS, _bounded, _nearest, descriptors, find

COUNT = 40


def scene(seed: int, side: int = 96) -> Image.Image:
    """Something like a photograph: detail of every size, in colour."""
    draws = np.random.default_rng(seed)
    total = np.zeros((side, side, 3))
    for grain in (2, 4, 8, 16):
        noise = Image.fromarray(draws.integers(0, 256, (grain, grain, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC), float) / grain**0.9
    total -= total.min()
    return Image.fromarray((total / total.max() * 255).astype(np.uint8))


def saved(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    return Image.open(file).convert("RGB")


def inner(image: Image.Image) -> Image.Image:
    """Without the corners that are empty once a picture was turned."""
    width, height = image.size
    return image.crop((width // 20, height // 20, width - width // 20, height - height // 20))


def cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((0, height // 10, width - width // 10, height))


MADE: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved again": saved,
    "scaled": lambda image: image.resize((48, 60), Image.Resampling.BICUBIC),
    "cropped": cropped,
    "turned": lambda image: inner(image.rotate(3, Image.Resampling.BICUBIC)),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "mirrored and cropped": lambda image: cropped(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
}


def smalls(images: list[Image.Image]) -> Pixels:
    return np.stack([small_of(image) for image in images])


@pytest.mark.parametrize("made", MADE)
def test_made_ones_are_found(made: str) -> None:
    scenes = [scene(seed) for seed in range(COUNT)]
    pairs, _ = find(smalls([*scenes, *(MADE[made](image) for image in scenes[:10])]))
    found = {(pair.first, pair.second): pair for pair in pairs}
    wanted = {(n, COUNT + n) for n in range(10)}
    assert len(wanted & set(found)) >= 9
    assert set(found) <= wanted
    mirrored = [found[key].mirrored for key in wanted & set(found)]
    assert all(mirrored) if made.startswith("mirrored") else not any(mirrored)


def test_every_picture_may_have_twins() -> None:
    scenes = [scene(seed) for seed in range(COUNT)]
    pairs, _ = find(smalls([*scenes, *map(saved, scenes), *map(cropped, scenes)]))
    assert (
        len({(p.first % COUNT, p.second % COUNT) for p in pairs if p.first % COUNT != p.second % COUNT}) == 0
    )
    assert len(pairs) >= 0.9 * 2 * COUNT


@pytest.mark.parametrize(
    "part", [(1.0, 0.0, 0.0, False), (0.88, 0.0, 0.0, True), (0.9, -0.1, 0.1, False)], ids=str
)
def test_many_pictures_are_described_as_few_are(part: tuple[float, float, float, bool]) -> None:
    """Many are described pixel by pixel at once, few one after the other."""
    few = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
    many = np.concatenate([few, np.random.default_rng(1).integers(0, 256, (800, 16, 16, 3), dtype=np.uint8)])
    assert len(many) > few[0].size
    assert np.abs(descriptors(many, *part)[:30] - descriptors(few, *part)).max() < 1e-4


def test_pictures_of_one_colour_and_none_at_all() -> None:
    assert find(np.full((5, 32, 32, 3), 90, np.uint8))[0] == []
    assert find(np.empty((0, 32, 32, 3), np.uint8))[0] == []


def test_real_photographs(test_data: Callable[[str], Path]) -> None:
    files = sorted(test_data("imagenet_samples").glob("*.JPEG"))[:120]
    pictures = []
    for file in files:
        with Image.open(file) as image:
            image.draft("RGB", (128, 128))
            pictures.append(image.convert("RGB"))
    made = [MADE[name](image) for name, image in zip([*MADE] * 5, pictures, strict=False)]
    pairs, limit = find(smalls([*pictures, *made]))
    found = {(pair.first, pair.second) for pair in pairs}
    wanted = {(n, len(pictures) + n) for n in range(len(made))}
    assert limit > 0.25
    assert len(found & wanted) >= 0.95 * len(wanted)
    assert len(found - wanted) <= 1


@given(st.integers(2, 400), st.floats(-0.5, 0.95), st.integers(0, 99), st.sampled_from([0.05, 1.0, 3.0]))
@settings(max_examples=30)
def test_the_nearest_are_those_of_all_cosines(count: int, alike: float, seed: int, spread: float) -> None:
    """Whether few pairs are close, or nearly all of them; the leading numbers may hold much or little."""
    draws = np.random.default_rng(seed)
    rows = draws.normal(0, 1, (count, NUMBERS)) * np.exp(-np.arange(NUMBERS) / (20 * spread)) + 1 / spread
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    shown = rows[draws.permutation(count)] if seed % 2 else rows
    exact = rows @ shown.T
    np.fill_diagonal(exact, -2)
    expected = {
        (row, int(column)): float(exact[row, column])
        for row in range(count)
        for column in np.argsort(-exact[row], kind="stable")[:NEIGHBOURS]
        if exact[row, column] > alike + 1e-5
    }
    bound = _bounded(rows), _bounded(shown)
    found = {
        (one, two): near
        for start in range(0, count, _ROWS)
        for one, two, near in _nearest(rows, shown, bound, start, alike)
    }
    assert all(near > alike for near in found.values())
    for row in range(count):
        wanted = sorted((v for (one, _), v in expected.items() if one == row), reverse=True)
        got = sorted((v for (one, _), v in found.items() if one == row), reverse=True)
        assert got[: len(wanted)] == pytest.approx(wanted, abs=1e-5), "as near, whichever of equals"
