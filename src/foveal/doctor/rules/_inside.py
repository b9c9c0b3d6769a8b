"""What was watched inside the network, summed up: over the looks that count, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from ...events import Watched
from ..case import Case

KERNELS = frozenset({"conv", "linear"})
FEWEST = 3
"""Looks before a distribution is judged: one look is one batch's luck."""
BEGUN = 3
"""Up to this step weights are as they were drawn, but for a step or two."""
PEAK = 0.5
"""Share of the highest rate from which a step is of the schedule's main part: warm-up and end say nothing of it."""


def kernels(case: Case) -> tuple[str, ...]:
    """Layers with a kernel, in the order of the pass."""
    return tuple(name for name in case.layers if case.kinds.get(name) in KERNELS)


def of_kind(case: Case, *kinds: str) -> tuple[str, ...]:
    return tuple(name for name in case.layers if case.kinds.get(name) in kinds)


def main(case: Case) -> tuple[Watched, ...]:
    """Looks in the main part of the schedule, the first steps left out."""
    seen = [sight for sight in case.sights if sight.step > BEGUN and sight.lr > 0]
    top = max((sight.lr for sight in seen), default=0.0)
    return tuple(sight for sight in seen if sight.lr >= PEAK * top)


def first(case: Case) -> Watched | None:
    """The look at a network whose weights are as they were drawn; None where there is none."""
    if not case.sights or case.sights[0].step > BEGUN:
        return None
    return case.sights[0]


def late(case: Case) -> tuple[Watched, ...]:
    """The last third of the looks, at least three where there are so many."""
    return case.sights[-max(FEWEST, len(case.sights) // 3) :]


def measured(sights: Iterable[Watched], layer: str, measure: str) -> list[float]:
    """A measure of a layer at each of these looks that took it."""
    told = (s.layers.get(layer, {}).get(measure) for s in sights)
    return [float(value) for value in told if value is not None]


def typical(sights: Sequence[Watched], layers: Iterable[str], measure: str) -> dict[str, float]:
    """The median of a measure over these looks, for each layer that has it at three of them or more (at all, where
    there are fewer looks)."""
    found = {}
    for layer in layers:
        values = measured(sights, layer, measure)
        if values and len(values) >= min(FEWEST, len(sights)):
            found[layer] = median(values)
    return found


def whole(sights: Iterable[Watched], measure: str) -> list[float]:
    """A measure of the whole network at each of these looks that took it."""
    told = (sight.norms.get(measure) for sight in sights)
    return [float(value) for value in told if value is not None]


def middle(by_layer: Mapping[str, float]) -> float | None:
    return median(by_layer.values()) if by_layer else None


def where(by_layer: Mapping[str, float], is_so: Callable[[float], bool]) -> tuple[str, ...]:
    """The layers whose number is so."""
    return tuple(layer for layer, value in by_layer.items() if is_so(value))


def update_ratio(case: Case) -> float | None:
    """How far a step of the schedule's main part moves a kernel, as a share of its length: the median over looks and
    layers. None where too few looks tell."""
    sights = main(case)
    if len(sights) < FEWEST:
        return None
    ratios = typical(sights, kernels(case), "update_ratio")
    return middle(ratios) if len(ratios) > 1 else None  # a head alone begins small, and is soon another


def named(layers: Sequence[str], most: int = 3) -> str:
    """Layers in words: `conv1, conv2 and 5 more`."""
    shown = ", ".join(layers[:most])
    return shown if len(layers) <= most else f"{shown} and {len(layers) - most} more"


def given(case: Case) -> float | None:
    """The standard deviation of what the first layer is given; None where that was not watched."""
    seen, layers = first(case), kernels(case)
    row = seen.layers.get(layers[0], {}) if seen is not None and layers else {}
    gain, spread = row.get("forward_gain"), row.get("out_std")
    if gain is None or spread is None:
        return None
    return spread / gain if gain > 0 else 0.0
