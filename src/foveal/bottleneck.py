"""Where a run's time went, in a sentence, and what would save most of it."""

from __future__ import annotations

from collections.abc import Mapping

from .values import span

PHASES = {
    "prepare": "preparing",
    "decode": "decoding",
    "augment": "augmenting",
    "transfer": "moving pictures to the device",
    "features": "frozen layers, once",
    "forward": "forward passes",
    "backward": "backward passes",
    "optimizer": "optimizer steps",
    "evaluate": "validating",
    "judge": "judging the best model",
    "save": "saving",
}
"""The phases apart from each other, in their order, in words."""
COMPUTING = ("features", "forward", "backward", "optimizer")
LARGE = 0.25
"""Share of the time from which a phase other than computing is worth a remedy."""


def verdict(
    spent: Mapping[str, float], total: float, *, cache: str, passes: int, workers: int, device: str
) -> str:
    """What took most of `total` seconds, and the option that would save most of it.

    Args:
        spent: seconds a phase, by the names of `PHASES`.
        cache: where decoded pictures were kept.
        passes: how often each training picture was read.
        workers: processes that read beside the training one.
    """
    if total <= 0 or not spent:
        return ""
    shares = {name: spent.get(name, 0.0) / total for name in PHASES}
    computing = sum(shares[name] for name in COMPUTING)
    others = {name: share for name, share in shares.items() if name not in COMPUTING}
    most = max(others, key=others.__getitem__)
    if others[most] < LARGE or others[most] < computing / 2:
        return (
            f"{computing:.0%} computing{_parts(shares)}: only a smaller --size or --network makes it shorter"
        )
    said = f"{others[most]:.0%} {PHASES[most]}"
    seconds = spent[most]
    if most == "decode" and cache == "off" and passes > 1:
        return f"{said}: --cache memory would save about {span(seconds * (1 - 1 / passes))}"
    if most in ("decode", "augment") and device != "cpu":
        return f"{said}: more --workers than {workers} would read beside the GPU"
    if most == "augment":
        return f"{said}: --augment light is the cheapest that varies pictures"
    if most == "save":
        return f"{said}: a larger --save-seconds saves less often"
    return f"{said}, {computing:.0%} computing"


def _parts(shares: Mapping[str, float]) -> str:
    """The parts of computing that count, largest first."""
    parts = sorted(((shares[name], name) for name in COMPUTING if shares[name] >= 0.01), reverse=True)
    told = ", ".join(f"{PHASES[name]} {share:.0%}" for share, name in parts)
    return f" ({told})" if len(parts) > 1 else ""
