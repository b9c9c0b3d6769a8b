"""Where a run's time went, in a sentence, and what would save most of it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..values import span

PHASES = {
    "prepare": "preparing",
    "decode": "decoding",
    "augment": "augmenting",
    "transfer": "moving pictures to the device",
    "features": "frozen layers, once",
    "forward": "forward passes",
    "backward": "backward passes",
    "replay": "both passes, replayed",
    "exchange": "adding up the processes' gradients",
    "optimizer": "optimizer steps",
    "evaluate": "validating",
    "settle": "calibrating the best model",
    "judge": "judging the best model",
    "save": "saving",
}
"""The phases apart from each other, in their order, in words."""
COMPUTING = ("features", "forward", "backward", "replay", "optimizer")
LARGE = 0.25
"""Share of the time from which a phase is worth a word."""


def verdict(
    spent: Mapping[str, float],
    total: float,
    *,
    cache: str,
    passes: int,
    workers: int,
    device: str,
    augment: str = "",
) -> str:
    """What took most of `total` seconds, and the option that would save most of it.

    Args:
        spent: seconds a phase, by the names of `PHASES`; more than `total` together where a GPU computed while
            pictures were read.
        total: seconds of all attempts.
        cache: where decoded pictures were kept; `off` only where they could be kept.
        passes: how often each training picture was read.
        workers: processes that read beside the training one.
        augment: how pictures were varied.
    """
    seconds = {name: max(0.0, spent.get(name, 0.0)) for name in PHASES}
    whole = max(total, sum(seconds.values()))
    if total <= 0 or not any(seconds.values()):
        return ""
    shares = {name: part / whole for name, part in seconds.items()}
    computing = sum(shares[name] for name in COMPUTING)
    most = max((name for name in PHASES if name not in COMPUTING), key=shares.__getitem__)
    said, computed = f"{shares[most]:.0%} {PHASES[most]}", f"{computing:.0%} computing{_parts(shares)}"
    if shares[most] < LARGE or shares[most] < computing / 2:
        if computing < LARGE:
            return f"{computed}, {said}"
        return f"{computed}: a smaller --size or --network would make it shorter"
    # a GPU computes while pictures are read: that time stays
    saved = min(seconds[most] * (1 - 1 / max(1, passes)), total - computing * whole)
    if most == "decode" and cache == "off" and saved > 0.05 * total:
        return f"{said}: --cache memory would save about {span(saved)}"
    if most in ("decode", "augment") and device != "cpu" and workers < (os.cpu_count() or 1) - 1:
        return f"{said}: more --workers than {workers} would read beside the GPU"
    if most == "augment" and augment not in ("light", "none"):
        return f"{said}: --augment light is the cheapest that varies pictures"
    if most == "exchange":
        return f"{said}: a larger --batch exchanges them less often"
    if most == "save":
        return f"{said}: --runs-dir on a faster disk would make it shorter"
    return f"{said}, {computing:.0%} computing" if shares[most] >= computing else f"{computed}, {said}"


def _parts(shares: Mapping[str, float]) -> str:
    """The parts of computing that count, largest first; as they are rounded they add up to the rounded whole."""
    rounded = _percents({name: shares[name] for name in COMPUTING})
    parts = sorted(((shares[name], name) for name in COMPUTING if rounded[name]), reverse=True)
    told = ", ".join(f"{PHASES[name]} {rounded[name]}%" for _, name in parts)
    return f" ({told})" if len(parts) > 1 else ""


def _percents(shares: Mapping[str, float]) -> dict[str, int]:
    """Whole per cents that add up to their rounded sum: rounded down, and what is left to the largest rests."""
    rounded = {name: int(100 * share) for name, share in shares.items()}
    left = round(100 * sum(shares.values())) - sum(rounded.values())
    for name in sorted(shares, key=lambda name: rounded[name] - 100 * shares[name])[:left]:
        rounded[name] += 1
    return rounded
