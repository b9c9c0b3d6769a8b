"""Every augmentation keeps the promised size and type, is seeded, pickles, and leaves truths alone."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image

from foveal import catalog
from foveal.device import seeded
from foveal.values import Facts, Preprocessing

NAMES = catalog.names("augmentations")
FACTS = Facts(40, 30, 30, 40, False, 1)


def picture(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


@pytest.mark.parametrize("scratch", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str, scratch: bool) -> None:
    view = catalog.find("augmentations", name).build(Preprocessing(24), FACTS, flip=True, scratch=scratch)
    again = pickle.loads(pickle.dumps(view))
    for mode in ("L", "RGB", "RGBA"):
        for size in ((40, 30), (7, 90), (24, 24)):
            with seeded(3):
                one, truth = view(picture(*size, mode), 5)
            with seeded(3):
                other, _ = again(picture(*size, mode), 5)
            assert one.size == (24, 24)
            assert one.mode == mode
            assert truth == 5
            assert one.tobytes() == other.tobytes()


def test_light_varies_and_none_does_not() -> None:
    for name, kinds in (("light", 8), ("none", 1)):
        for scratch in (True, False):
            view = catalog.find("augmentations", name).build(
                Preprocessing(24), FACTS, flip=True, scratch=scratch
            )
            with seeded(0):
                seen = {view(picture(), 0)[0].tobytes() for _ in range(20)}
            assert len(seen) >= kinds
            assert name == "light" or len(seen) == 1


def test_no_flip_means_no_mirror_image() -> None:
    """Shifts of a one-sided drawing stay one-sided."""
    half = np.zeros((16, 16), np.uint8)
    half[:, :4] = 255
    facts = Facts(16, 16, 16, 16, True, 1)
    mirrored = {True: 0, False: 0}
    for flip in mirrored:
        view = catalog.find("augmentations", "light").build(
            Preprocessing(16, 1, (0.5,), (0.5,)), facts, flip=flip, scratch=True
        )
        with seeded(1):
            for _ in range(40):
                out = np.asarray(view(Image.fromarray(half), 0)[0], dtype=float)
                mirrored[flip] += out[:, 8:].sum() > out[:, :8].sum()
    assert mirrored[False] == 0
    assert mirrored[True] > 5
