"""Shifts, or crops of random size, and mirror images: what keeps every label true."""

from dataclasses import replace

from torchvision.transforms import v2

from ..contracts import View
from ..data.views import INTERPOLATION, evaluation_view
from ..values import Facts, Preprocessing
from ._crop import CropAndFlip, RandomCrop
from ._operations import Shift

SOURCE = (
    "shift and flip: He et al. 2016, Deep Residual Learning, section 4.2; "
    "random resized crop: Szegedy et al. 2015, Going Deeper with Convolutions, section 6, of 8 to 100 % "
    "of the area, with fastai's smallest area 0.35 for fine-tuning"
)
TINY = 64


def build(
    preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int = 9
) -> View:
    """From scratch on tiny pictures: shifts by up to an eighth. Else crops of 8 to 100 % of the area from
    scratch, of 35 to 100 % when fine-tuning."""
    size, interpolation = preprocessing.size, INTERPOLATION[preprocessing.interpolation]
    if not (scratch and size <= TINY):
        return CropAndFlip(RandomCrop(size, (0.08 if scratch else 0.35, 1.0), interpolation), flip)
    steps: list[object] = []
    if (facts.min_side, facts.max_side) != (size, size):
        steps.append(evaluation_view(replace(preprocessing, crop=1.0)))
    steps.append(Shift(size, max(1, size // 8)))
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    view: View = v2.Compose(steps)
    return view
