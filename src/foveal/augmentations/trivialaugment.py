"""Crop or shift, mirror, and one operation at any strength: TrivialAugment, which has nothing to tune."""

from torchvision.transforms import v2

from .. import catalog
from ..contracts import View
from ..values import Facts, Preprocessing
from ._operations import Operations, space

SOURCE = (
    "Müller & Hutter 2021, TrivialAugment, section 3: one of 14 operations at one of 31 strengths, "
    "of their Wide space, after crop and flip"
)
BINS = 31
SHIFT = 32
"""Pixels, whatever the size, as published; never more than the whole side."""


def build(
    preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int = 9
) -> View:
    """`light`, then one operation of the Wide space. Boxes and masks move along; `magnitude` is not used."""
    light = catalog.find("augmentations", "light").build(preprocessing, facts, flip=flip, scratch=scratch)
    wide = space(
        shear=0.99, translate=min(SHIFT, preprocessing.size), rotate=135.0, enhance=0.99, posterize=(8, 2)
    )
    view: View = v2.Compose([light, Operations({"Identity": None, **wide}, 1, BINS, None)])
    return view
