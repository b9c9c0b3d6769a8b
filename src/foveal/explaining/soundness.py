"""How far explanations can be believed, measured: do they add up, do they depend on what was learned, do they point
at what the score comes from.

Adding up is what some methods promise (`Maps.wanted`). Dependence draws weights anew and compares the maps (Adebayo
et al. 2018). Insertion and deletion put the strongest pixels into a blurred picture, or take them out (Petsiuk et
al. 2018), beside random maps of the same grain: how much any pixels matter differs from picture to picture. Both
are always told, as they may disagree.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..contracts import Maps
from ..structure.blur import SOFT, blurred
from ..structure.look import Look
from ..structure.placing import spread
from ..structure.subject import Subject
from .verdicts import Areas, Dependence

SOURCE = (
    "Adebayo et al. 2018, Sanity Checks for Saliency Maps; Petsiuk, Das & Saenko 2018, RISE, section 4.1 "
    "(insertion and deletion); Fong & Vedaldi 2017 for the blurred picture"
)
Explain: TypeAlias = Callable[[Look], Maps]
Grain: TypeAlias = Literal["coarse", "fine"]
STEPS = 24
RANDOM = 2
"""Random maps beside each picture's own."""
CELLS = 8
"""Cells on a side of a coarse random map."""
ROUGH = 0.5
"""A map is fine from this mean difference of neighbours on, in units of its spread (1.13 for noise)."""
LEAST_BLUR = 3.0
"""Spread of the blur in pixels, at least."""
POOL, LEAST_POOLED = 4, 8
"""Maps are compared after so many pixels a side are averaged, less where fewer than `LEAST_POOLED` would be left."""


def pixels_of(maps: Maps, subject: Subject) -> Tensor:
    """An explainer's maps on the network's input, `BHW`."""
    if maps.pixels is not None:
        return maps.pixels
    if maps.cells is None or maps.place is None:
        raise ValueError("an explainer gives pixels, or cells and their place")
    return spread(maps.cells, subject.drawn(maps.place), subject.size)


def sums(maps: Maps) -> list[tuple[float, float]] | None:
    """For each picture what its map adds up to, and what it should; None where nothing is promised."""
    given = maps.cells if maps.cells is not None else maps.pixels
    if maps.wanted is None or given is None:
        return None
    totals = given.double().flatten(1).sum(1)
    return list(zip(totals.tolist(), maps.wanted.double().tolist(), strict=True))


def again(look: Look, subject: Subject | None = None, which: Sequence[int] | None = None) -> Look:
    """The same look anew, with nothing passed yet: at another network, or at some of the pictures only."""
    chosen = list(range(len(look.images))) if which is None else list(which)
    return Look(
        subject or look.subject, look.images[chosen], [look.targets[n] for n in chosen], look.scorer,
        look.preprocessing, look.place, look.seed,
    )  # fmt: skip


def alone(maps: Maps, n: int) -> Maps:
    """One picture's map of several."""
    pixels, cells = (None if m is None else m[n : n + 1] for m in (maps.pixels, maps.cells))
    return dataclasses.replace(maps, pixels=pixels, cells=cells, wanted=None)


# dependence on the trained weights


@dataclass(frozen=True)
class Redrawn:
    """The same network twice more: its last layer drawn anew, and all of its weights."""

    last_layer: Subject
    all_weights: Subject


def redrawn(look: Look, turn: int = 0, seen: Tensor | None = None) -> Redrawn:
    """Networks like the look's without what was learned. Weights come from a normal distribution with the mean and
    spread that they had, biases and gains change places among themselves; batch normalisation is measured anew on
    `seen` (the look's pictures, where not given). Each `turn` draws others. The last layer is that before the target:
    a unit's own where a unit is explained."""
    made = []
    for all_of_them in (False, True):
        network = copy.deepcopy(look.subject.network)
        names = set(dict(network.named_parameters())) if all_of_them else _last_weights(look)
        draw = torch.Generator().manual_seed(look.seed + turn)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name in names:
                    parameter.copy_(_drawn(parameter, draw))
        if all_of_them:
            _recalibrate(network, look.images if seen is None else seen)
        made.append(Subject(network, look.subject.graph, look.subject.shifts))  # drawn as ours are
    return Redrawn(*made)


def _drawn(parameter: Tensor, draw: torch.Generator) -> Tensor:
    if parameter.dim() < 2:
        order = torch.randperm(parameter.numel(), generator=draw)
        return parameter.flatten()[order.to(parameter.device)].view_as(parameter)
    noise = torch.randn(parameter.shape, generator=draw).to(parameter)
    spread_ = parameter.std() if parameter.numel() > 1 else parameter.abs()
    return noise * spread_ + parameter.mean()


def _last_weights(look: Look) -> set[str]:
    """The parameters of the last operation before the target that has a weight for each input."""
    graph, unit = look.subject.graph, look.unit
    feeding = look.subject.feeding if unit is None else look.subject.before([unit])
    shapes = {name: p.dim() for name, p in look.subject.network.named_parameters()}
    for place in sorted(feeding, reverse=True):
        weights = graph.operations[place].weights
        if any(shapes.get(name, 0) > 1 for name in weights):
            return set(weights)
    return set()


def _recalibrate(network: nn.Module, images: Tensor) -> None:
    """Statistics of batch normalisation for the network's new weights, from these pictures and their mirror
    images."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over what is seen
        norm.train()
    with torch.no_grad():
        network(torch.cat([images, images.flip(-1)]))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def dependence(explain: Explain, look: Look, others: Redrawn, own: Maps | None = None) -> Dependence:
    """How much the method's maps stay the same on the redrawn networks; `own` are its maps of the look, if they
    are there already."""
    maps = explain(look) if own is None else own
    shown = pixels_of(maps, look.subject)
    found: dict[str, list[float | None]] = {}
    for name in ("last_layer", "all_weights"):
        other = again(look, getattr(others, name))
        theirs = pixels_of(explain(other), look.subject)
        if maps.shows == "size":
            found[name] = _alike(shown.abs(), theirs.abs())
            found[f"signed_{name}"] = _alike(shown, theirs)
        else:
            found[name] = _alike(shown, theirs)
    means = {name: _mean(values) for name, values in found.items()}
    return Dependence(
        means["last_layer"],
        means["all_weights"],
        len(shown),
        means.get("signed_last_layer"),
        means.get("signed_all_weights"),
    )


def averaged(found: Sequence[Dependence], pictures: int) -> Dependence:
    """The mean over several redraws of one picture each, from `pictures` different ones. One redraw says little:
    whether a class's new weights have the old ones' sign is a coin's toss."""
    return Dependence(
        _mean([one.last_layer for one in found]),
        _mean([one.all_weights for one in found]),
        pictures,
        _mean([one.signed_last_layer for one in found]),
        _mean([one.signed_all_weights for one in found]),
        len(found),
    )


def _alike(one: Tensor, other: Tensor) -> list[float | None]:
    """Rank correlations of maps `BHW`, pooled."""
    side = min(one.shape[1:])
    pool = max(1, min(POOL, side // LEAST_POOLED))
    pairs = zip(
        *(F.avg_pool2d(m[:, None].float(), pool).flatten(1).cpu().numpy() for m in (one, other)), strict=True
    )
    return [rank_correlation(a, b) for a, b in pairs]


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float | None:
    """Spearman's, ties by the mean of their ranks; None where one of them is the same everywhere."""
    a, b = (_ranks(values) for values in (one, other))
    if not (a.std() > 0 and b.std() > 0):
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


# insertion and deletion


def grain_of(pixels: Tensor) -> Grain:
    """Whether a map `HW` changes from pixel to pixel, or from place to place."""
    spread_ = float(pixels.std())
    if not spread_ > 0:
        return "coarse"
    steps = torch.cat([pixels.diff(dim=0).abs().flatten(), pixels.diff(dim=1).abs().flatten()])
    return "fine" if float(steps.mean()) / spread_ > ROUGH else "coarse"


def random_maps(look: Look, grain: Grain) -> list[Tensor]:
    """`RANDOM` maps `HW` of that grain, the same for each picture."""
    draw = look.generator()
    size = look.subject.size
    if grain == "fine":
        return [torch.rand(size, generator=draw).to(look.device) for _ in range(RANDOM)]
    cells = [torch.rand((1, 1, CELLS, CELLS), generator=draw) for _ in range(RANDOM)]
    return [F.interpolate(c, size, mode="bilinear")[0, 0].to(look.device) for c in cells]


def ways(look: Look, n: int, pixels: Tensor, start: Tensor, steps: int = STEPS) -> tuple[float, float]:
    """Mean scores of the look's picture `n` on both ways, the strongest of `pixels` `HW` first; `start` `CHW` is the
    blurred picture. The mean grey is what the network takes as 0."""
    order = pixels.flatten().argsort(descending=True, stable=True)
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order), device=order.device)
    shares = torch.arange(steps + 1, device=order.device) / steps * len(order)
    taken = (ranks < shares[:, None]).view(-1, 1, *pixels.shape)
    image = look.images[n]
    path = torch.cat([torch.where(taken, image, start), torch.where(taken, torch.zeros_like(image), image)])
    scores = look.score(path, which=[n] * len(path)).double().view(2, -1)
    inserted, deleted = ((s[1:] + s[:-1]).mean() / 2 for s in scores)
    return float(inserted), float(deleted)


def start_of(images: Tensor) -> Tensor:
    """What insertion begins with: pictures `BCHW` out of focus, so that little but their colours is left."""
    return blurred(images, SOFT, LEAST_BLUR)


class Ways:
    """Insertion and deletion for the pictures of one look, by any number of methods: what random maps come to is
    measured once a picture and grain."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.blurred = start_of(look.images)
        self.random: dict[tuple[int, Grain], tuple[float, float]] = {}

    def areas(self, n: int, pixels: Tensor, shows: str) -> Areas:
        """For picture `n` and its map `HW`; where sizes are shown, the largest are the strongest."""
        shown = pixels.abs() if shows == "size" else pixels
        grain = grain_of(shown)
        key = (n, grain)
        if key not in self.random:
            found = [ways(self.look, n, m, self.blurred[n]) for m in random_maps(self.look, grain)]
            self.random[key] = (float(np.mean([f[0] for f in found])), float(np.mean([f[1] for f in found])))
        return Areas(*ways(self.look, n, shown, self.blurred[n]), *self.random[key], STEPS, grain)


def mean_of(areas: Sequence[Areas]) -> Areas | None:
    """Several pictures' areas as those of one."""
    if not areas:
        return None
    names = ("insertion", "deletion", "random_insertion", "random_deletion")
    means: Mapping[str, float] = {
        name: float(np.mean([getattr(one, name) for one in areas])) for name in names
    }
    grains = [one.grain for one in areas]
    grain: Grain = "fine" if grains.count("fine") > len(grains) / 2 else "coarse"
    return Areas(**means, steps=areas[0].steps, grain=grain, pictures=len(areas))
