"""The least that has to be covered so that the network says something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..structure.look import MOST, Look
from ..values import Target

SOURCE = (
    "Fong & Vedaldi 2017, Interpretable Explanations of Black Boxes by Meaningful Perturbation (smallest deletion), "
    "here in whole cells, taken greedily and then spared one by one"
)
CELLS = 14
"""Cells on a side of the picture."""


@dataclass(frozen=True)
class Flip:
    """What was covered of a picture: `covered` `HW`, its `share` of the picture, and what the network said before
    and says then. No cell of it can be spared: with any one of them seen, the network says `before` again. There
    may be a smaller one all the same, as not all choices of cells are tried."""

    covered: Tensor
    share: float
    before: str
    after: str

    @property
    def says(self) -> str:
        return (
            f"Covering {100 * self.share:.1f} % of what was seen, at the places that count most, turns {self.before} "
            f"into {self.after}; none of it can be spared."
        )


def flips(look: Look, strength: Tensor, told: Callable[[Tensor], Sequence[Target]]) -> list[Flip | None]:
    """For each picture of the look the least cover found that changes what the network says; None where nothing
    does, or where the target is something else. Call it inside `taps.untouched`.

    Args:
        strength: how much each pixel speaks for what is said, `BHW` (an occlusion map, for one): cells are
            covered by the mean training colour in that order, until the answer changes.
        told: a task's `targets`: what the network's outputs say.
    """
    rows = F.adaptive_avg_pool2d(strength[:, None].float(), CELLS).flatten(1)
    return [_flip(look, n, row.argsort(descending=True, stable=True), told) for n, row in enumerate(rows)]


def _flip(look: Look, n: int, order: Tensor, told: Callable[[Tensor], Sequence[Target]]) -> Flip | None:
    image = look.images[n]
    before = _labels(look, image[None], told)[0]
    if before != str(look.targets[n]):
        return None
    count, after = _first(look, image, order, before, told)
    if not count:
        return None
    covered, after = _spared(look, image, order[:count].tolist(), before, after, told)
    mask = _mask([covered], image)[0]
    return Flip(mask, float(mask.float().mean()), before, after)


def _first(
    look: Look, image: Tensor, order: Tensor, before: str, told: Callable[[Tensor], Sequence[Target]]
) -> tuple[int, str]:
    """With how many cells covered, strongest first, the answer changes, and to what; 0 where it never does. Coarse to
    fine: a few numbers of cells at first, then those before the first of them that changes it."""
    cells = order.tolist()
    low, high, after = 0, len(cells) + 1, before
    while high - low > 1:
        step = max(1, (high - low - 1) // MOST)
        counts = [*range(low + step, high, step)]
        labels = _labels(look, _without(image, [cells[:count] for count in counts]), told)
        turned = [(count, label) for count, label in zip(counts, labels, strict=True) if label != before]
        if not turned:  # where what is covered last turns nothing, nothing does
            low = counts[-1]
            continue
        high, after = turned[0]
        low = max([low, *(count for count in counts if count < high)])
    return (0, before) if high > len(cells) else (high, after)


def _spared(
    look: Look,
    image: Tensor,
    covered: list[int],
    before: str,
    after: str,
    told: Callable[[Tensor], Sequence[Target]],
) -> tuple[list[int], str]:
    """The cells without those that the change does not need, weakest first, until it needs each; and the answer."""
    while True:
        fewest = covered
        for cell in reversed(covered):
            fewer = [other for other in fewest if other != cell]
            said = _labels(look, _without(image, [fewer]), told)[0]
            if said != before:
                fewest, after = fewer, said
        if fewest == covered:
            return covered, after
        covered = fewest


def _labels(look: Look, images: Tensor, told: Callable[[Tensor], Sequence[Target]]) -> list[str]:
    with torch.no_grad():
        return [str(target) for target in told(look.subject.network(images))]


def _without(image: Tensor, covered: Sequence[Sequence[int]]) -> Tensor:
    """The picture `CHW` once for each list of cells, those covered."""
    return torch.where(_mask(covered, image)[:, None], torch.zeros_like(image), image)


def _mask(covered: Sequence[Sequence[int]], image: Tensor) -> Tensor:
    """Pixels `NHW` that lie in the cells."""
    height, width = image.shape[-2:]
    cells = torch.zeros(len(covered), CELLS * CELLS, dtype=torch.bool, device=image.device)
    for row, chosen in zip(cells, covered, strict=True):
        row[list(chosen)] = True
    down, across = (
        torch.div(torch.arange(side, device=image.device) * CELLS, side, rounding_mode="floor")
        for side in (height, width)
    )
    return cells.view(-1, CELLS, CELLS)[:, down][:, :, across]
