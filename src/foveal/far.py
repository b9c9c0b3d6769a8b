"""How far a picture lies from everything seen: the distance behind "none of these"."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .intervals import wilson

SOURCE = (
    "Mahalanobis distance to the nearest class in the features that enter the head: Lee et al. 2018; on "
    "features of unit length: Mueller & Hein 2025, Mahalanobis++; after their square root (Hellinger's "
    "kernel): Arandjelovic & Zisserman 2012; few axes and one variance for the rest: Tipping & Bishop 1999; "
    "the threshold is split conformal: Vovk et al. 2005"
)
METHOD = "mahalanobis"
KEPT = 0.95
FEWEST = 20
"""Of fewer validation pictures the largest distance is no threshold that lets 95 % through."""
AXES = 32
TENSORS = ("centres", "axes", "spread")
FARTHEST = 1e6
MOST = 2**17
"""Numbers in the centres, 256 KB; with more classes all pictures have one centre."""


@dataclass(frozen=True)
class Refused:
    """The share of known pictures that were refused wrongly, with its 95 % interval (Wilson 1927)."""

    share: float
    low: float
    high: float
    count: int
    split: str


@dataclass(frozen=True, eq=False)
class Far:
    """What was seen, in few numbers, and the distance beyond which a picture is none of these.

    `centres` are `MD` (one a class, or one), `axes` `KD` orthonormal, both float16; `spread` has the
    variance along each axis and, last, along any other direction. `head` is the layer whose inputs the
    features are. `pictures` were seen, `validation` of others set the threshold.
    """

    head: str
    centres: Tensor
    axes: Tensor
    spread: Tensor
    threshold: float
    pictures: int
    validation: int
    refused: Refused | None = None

    def distance(self, features: Tensor) -> Tensor:
        """How far features `BD` lie, `B`, in float32 on the CPU: 1 is the threshold, and a million is where
        they are not finite."""
        raw = _raw(features, self.centres, self.axes, self.spread)
        return (raw / self.threshold).nan_to_num(FARTHEST, FARTHEST).clamp_max(FARTHEST)

    def judged(self, distances: Tensor, split: str) -> Far:
        """With the error rate that the distances of a split's known pictures show."""
        count = len(distances)
        share = float((distances > 1).double().mean())
        return dataclasses.replace(self, refused=Refused(share, *wilson(share, count), count, split))

    def tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in TENSORS}

    def card(self) -> dict[str, Any]:
        """All but the tensors, plain JSON."""
        return {
            "method": METHOD,
            "head": self.head,
            "threshold": self.threshold,
            "kept": KEPT,
            "dimensions": self.axes.shape[1],
            "axes": len(self.axes),
            "centres": len(self.centres),
            "pictures": self.pictures,
            "validation": self.validation,
            "refused": None if self.refused is None else dataclasses.asdict(self.refused),
        }

    @classmethod
    def from_parts(cls, card: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Far:
        """What `card` and `tensors` gave.

        Raises:
            KeyError, TypeError, ValueError: they do not belong together, or are of a method not known here.
        """
        centres, axes, spread = (tensors[name] for name in TENSORS)
        told = (card["centres"], card["axes"], card["dimensions"])
        if card["method"] != METHOD:
            raise ValueError(f"distances by {card['method']!r} are not known to this Foveal")
        if (*centres.shape, *axes.shape, *spread.shape) != (told[0], told[2], told[1], told[2], told[1] + 1):
            raise ValueError("the tensors of its distances have other shapes than its card tells")
        refused = Refused(**card["refused"]) if card["refused"] else None
        threshold = float(card["threshold"])
        if not (threshold > 0 and math.isfinite(threshold)):
            raise ValueError(f"the threshold of its distances is {threshold}")
        counts = int(card["pictures"]), int(card["validation"])
        return cls(str(card["head"]), centres, axes, spread, threshold, *counts, refused)


def fit_far(seen: Tensor, classes: Tensor | None, validation: Tensor, head: str) -> Far | None:
    """The reference of features `ND` that were seen, and the threshold that lets 95 % of the validation
    features `VD` through.

    `classes` `N` are the pictures' class indices: distances are then those to the nearest class. None
    where there are too few pictures, or features that tell nothing.
    """
    sound = seen.isfinite().all(1)
    seen, known = seen[sound], validation.isfinite().all(1)
    count, width = seen.shape
    if count < FEWEST or len(validation) < FEWEST or int(known.sum()) < KEPT * len(validation):
        return None
    points = _rooted(seen).double()
    centres, group = _centres(points, None if classes is None else classes[sound])
    apart = points - centres[group]
    # the largest axes by way of the pictures' products: at most 1,000 of them, features may be many more
    squares, mixtures = torch.linalg.eigh(apart @ apart.T)
    total = float(squares.clamp_min(0).sum())
    kept = min(AXES, count // 4, width - 1, int((squares > 1e-9 * total).sum()))
    if not total > 1e-12 * count or kept < 1:
        return None
    squares, mixtures = squares[-kept:], mixtures[:, -kept:]
    directions = (apart.T @ mixtures / squares.sqrt()).T
    rest = max(total - float(squares.sum()), 1e-6 * total) / (count * (width - kept))
    spread = torch.cat([squares / count + rest, torch.tensor([rest], dtype=torch.float64)]).float()
    # as they will be stored, so that a loaded model measures the very same distances
    parts = centres.half(), directions.half().contiguous(), spread
    distances = _raw(validation, *parts).nan_to_num(math.inf).sort().values
    rank = min(len(distances), math.ceil(KEPT * (len(distances) + 1)))
    threshold = float(distances[rank - 1])
    if not (threshold > 0 and math.isfinite(threshold)):
        return None
    return Far(head, *parts, threshold, count, len(validation))


def _centres(points: Tensor, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """The centres `MD` and each point's `N`."""
    if classes is not None:
        present, group = torch.unique(classes, return_inverse=True)
        if 4 * len(present) <= len(points) and len(present) * points.shape[1] <= MOST:
            sums = torch.zeros(len(present), points.shape[1], dtype=points.dtype).index_add_(0, group, points)
            return sums / group.bincount()[:, None], group
    return points.mean(0, keepdim=True), torch.zeros(len(points), dtype=torch.long)


def _raw(features: Tensor, centres: Tensor, axes: Tensor, spread: Tensor) -> Tensor:
    """Distance `B` of features `BD` to the nearest centre, in standard deviations."""
    points, middles, axes = _rooted(features.cpu()), centres.float(), axes.float()
    rest = 1 / spread[-1]
    plain = torch.cdist(points, middles, compute_mode="donot_use_mm_for_euclid_dist").square()
    along = (points @ axes.T)[:, None] - (middles @ axes.T)[None]
    # the axes are counted with their own variance instead of the rest's
    found = plain * rest + (along.square() * (1 / spread[:-1] - rest)).sum(2)
    return found.min(1).values.clamp_min(0).sqrt()


def _rooted(features: Tensor) -> Tensor:
    """Features by the square roots of their sizes, with their signs, at unit length: what counts is which
    channels answer, not how strongly, which some foreign pictures change and some do not."""
    features = features.float()
    return F.normalize(features.sign() * features.abs().sqrt(), dim=1)


@contextmanager
def watched(network: nn.Module, head: str | None) -> Iterator[list[Tensor]]:
    """The features `BD` that enter the layer `head` while inside, a tensor a call of this thread; afterwards
    no hook is left. Empty where the network has no such layer, or computes past it, and for None."""
    seen: list[Tensor] = []
    thread = threading.get_ident()  # others may be using the network, too

    def look(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor) and threading.get_ident() == thread:
            seen.append(pooled(inputs[0].detach()).float())

    layer = None if head is None else _layer(network, head)
    hook = None if layer is None else layer.register_forward_pre_hook(look)
    try:
        yield seen
    finally:
        if hook is not None:
            hook.remove()


def _layer(network: nn.Module, head: str) -> nn.Module | None:
    """The layer of that name, also in a network that test-time views are wrapped around."""
    layers = dict(network.named_modules())
    return layers.get(head) or layers.get(f"network.{head}")


def first(seen: list[Tensor], count: int) -> Tensor | None:
    """The features of the first call (with test-time views the picture as it is), if they are one a picture."""
    return seen[0] if seen and len(seen[0]) == count else None


def pooled(features: Tensor) -> Tensor:
    """Features as `BD`: maps `BCHW` by their mean over the positions, tokens `BNC` by theirs."""
    if features.dim() == 4:
        return features.mean((2, 3))
    return features.mean(1) if features.dim() == 3 else features.flatten(1)
