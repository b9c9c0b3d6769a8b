"""Crop or shift, mirror, and two operations at a strength you set: RandAugment."""

from torchvision.transforms import v2

from .. import catalog
from ..contracts import View
from ..values import Facts, Preprocessing
from ._operations import Operations, space

SOURCE = (
    "Cubuk et al. 2020, RandAugment, section 3: 2 of 14 operations at one strength of 30, after crop and "
    "flip; they found 9 best for ResNet-50 on ImageNet"
)
OPERATIONS, BINS = 2, 31
SHIFT = 150 / 331
"""Of the side, as AutoAugment's pictures of 331 px were shifted by up to 150."""


def build(
    preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int = 9
) -> View:
    """`light`, then two operations at `magnitude` 0..30. Boxes and masks move along."""
    light = catalog.find("augmentations", "light").build(preprocessing, facts, flip=flip, scratch=scratch)
    usual = space(shear=0.3, translate=SHIFT * preprocessing.size, rotate=30.0, enhance=0.9, posterize=(8, 4))
    view: View = v2.Compose([light, Operations({"Identity": None, **usual}, OPERATIONS, BINS, magnitude)])
    return view
