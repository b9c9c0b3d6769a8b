"""Shifts by a sixteenth with a reflected border, and mirror images that alternate from epoch to epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from ..contracts import View
from ..data.together import Together
from ..data.views import evaluation_view
from ..values import Facts, Preprocessing
from ._operations import Shift

SOURCE = "Jordan 2024, 94 % on CIFAR-10 in 3.29 Seconds on a Single GPU, section 3.6"


def build(
    preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int = 9
) -> View:
    """One by one: the same shifts, and mirror images at random, as one picture knows of no epochs."""
    steps: list[object] = []
    if (facts.min_side, facts.max_side) != (preprocessing.size, preprocessing.size):
        steps.append(evaluation_view(replace(preprocessing, crop=1.0)))
    steps.append(Reflected(preprocessing.size, _shift(preprocessing)))
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    view: View = v2.Compose(steps)
    return view


def together(preprocessing: Preprocessing, *, flip: bool, seed: int) -> Together:
    """The same for whole batches of pictures that have the size already, where truths do not move along."""
    return Together(_shift(preprocessing), "alternating" if flip else "none", seed)


def _shift(preprocessing: Preprocessing) -> int:
    return max(1, preprocessing.size // 16)


class Reflected(Shift):
    """`Shift` with a border that mirrors the picture."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        mirrored = not isinstance(inpt, tv_tensors.BoundingBoxes | tv_tensors.KeyPoints)
        wide = F.pad(inpt, [self.by], padding_mode="reflect" if mirrored else "constant")
        return F.crop(wide, params["top"], params["left"], self.size, self.size)
