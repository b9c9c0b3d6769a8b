"""Pictures are not prepared as the network's weights want them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._again import lost
from ._course import poor, result
from ._parts import part, percent, surely_above
from ._rates import is_given

SOURCE = (
    "timm's pretrained settings; measured: ImageNet's mean and deviation cost EfficientNet-Lite0 eleven points; "
    "McNemar's test on validation pictures that are prepared otherwise"
)
LEVEL = "input"
EXPLAINS = (
    "underfitting", "stopped_too_early", "rate_too_low", "below_published", "overfitting", "loss_stuck",
    "frozen_by_mistake", "modes_disagree", "metric_disagrees",
)  # fmt: skip
LEAST = 0.06
STEPS = 50
"""After fewer steps running statistics lag behind, and any other way may look better."""


def examine(case: Case) -> Finding | Unsure | None:
    found = part(case, "preprocessing")
    if found is not None and found.get("differs"):
        return _of_weights(found)
    if found is not None and (small := _too_small(case, found)) is not None:
        return small
    if (less := lost(case)) is not None and poor(case, 0.1):
        return _lost(case, *less)
    if found is None:
        return None
    other, epochs = found.get("other"), case.record.epochs
    if other is None or (epochs and epochs[-1].step < STEPS):
        return None
    return _better(found, other) if _is_better(found, other) and _is_learned(case, found) else None


def _lost(case: Case, said: str, found: Mapping[str, Any]) -> Finding:
    first, _, second = said.partition(". ")
    asked = {"channels": "they are grey", "size": "they are blurred"}
    given = [name for name, sign in asked.items() if sign in said and is_given(case, name)]
    return Finding(
        "wrong_preprocessing",
        "error",
        f"{first}.",
        (Evidence(second, dict(found)),),
        "What a picture shows is gone before the network sees it: read in other channels, cut, shrunk and enlarged "
        "again, covered, or varied where it should not be.",
        Cure(
            "Look at what the network is given (foveal inspect DATA). "
            + (
                f"Leave {' and '.join(f'--{name}' for name in given)} to the plan; or mend "
                if given
                else "Mend "
            )
            + "the code that reads and prepares pictures: `image.convert('RGB')`, `x.permute(2, 0, 1)` in place of "
            "`reshape`, one resize, no crop or cover that takes the thing away.",
            dict.fromkeys(given),
        ),
        confidence=0.93,
    )


POINTS, HALF = 0.5, 2
"""Share of the convolutions that see a single pixel, and times as large as they are that pictures are due to be."""


def _too_small(case: Case, found: Mapping[str, Any]) -> Finding | None:
    """Pictures so small that most of a pretrained network's layers have a single pixel to look at."""
    sides = list(((part(case, "activity") or {}).get("sides") or {}).values())
    size, wanted = found.get("size"), found.get("wanted_size")
    single = sum(side <= 1 for side in sides)
    if not sides or not size or not wanted or HALF * size > wanted or not poor(case, 0.15):
        return None
    if single < POINTS * len(sides):
        return None
    larger = min(int(wanted), 4 * int(size))
    return Finding(
        "wrong_preprocessing",
        "error",
        f"Pictures of {size} px are too small for the weights {found['weights']}, which learned on {wanted} px: "
        f"{single} of {len(sides)} convolutions see a single pixel; {result(case)}.",
        (
            Evidence(
                f"Sides of what the convolutions give, in their order: {', '.join(map(str, sides))}.",
                {"sides": sides, "size": size, "wanted": wanted},
            ),
        ),
        "A pretrained network halves its pictures five times, as they were large where it learned. From a small one "
        "nothing but padding is left around the middle long before the last layers, and what these know is no use.",
        Cure(f"Give it larger pictures: --size {larger}.", {"size": larger}),
        confidence=0.9,
    )


def _is_learned(case: Case, found: Mapping[str, Any]) -> bool:
    """Whether the network knows training pictures as training gives them better than these: else it has learned too
    little to say how pictures should be prepared."""
    splits = part(case, "splits")
    if splits is None or "varied" not in splits or case.record.options.get("origin") is not None:
        return True
    return surely_above(max(splits["varied"], splits["last_train"]), found["own"], splits["count"])


def _of_weights(found: Mapping[str, Any]) -> Finding:
    return Finding(
        "wrong_preprocessing",
        "warning",
        f"The weights {found['weights']} want mean {_few(found['wanted_mean'])} and deviation "
        f"{_few(found['wanted_std'])}; the pictures were given with {_few(found['mean'])} and "
        f"{_few(found['std'])}.",
        (
            Evidence(
                "Both stand in the run's record and in the weights' own settings: 2 kinds of preprocessing.",
                dict(found),
            ),
        ),
        "Pretrained layers expect numbers like those that they learned on. Others shift every feature; training "
        "can make up for some of it, and frozen layers cannot.",
        Cure(
            "Prepare the pictures as the weights want them: Foveal does if it is left to it (leave "
            "--mean, --std, --channels and --size out); else mend your own code: read as red, green, "
            "blue, `x.permute(2, 0, 1)` in place of `reshape`, and `(x / 255 - mean) / std` with the "
            "weights' own mean and std."
        ),
        confidence=0.9,
    )


def _is_better(found: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the other way is better by more than luck, of several that were tried."""
    gained, lost = other["only_so"], other["only_own"]
    return bool(
        other["accuracy"] - found["own"] > LEAST and gained - lost > 3 * math.sqrt(max(1, gained + lost))
    )


def _better(found: Mapping[str, Any], other: Mapping[str, Any]) -> Finding:
    return Finding(
        "wrong_preprocessing",
        "error",
        f"Of {found['judged']} validation pictures {percent(found['own'])} are right as they are prepared, and "
        f"{percent(other['accuracy'])} prepared otherwise ({other['way']}).",
        (
            Evidence(
                f"{other['only_so']} pictures are right only so, {other['only_own']} only as they are prepared now.",
                dict(other),
            ),
        ),
        "The network learned on pictures that were prepared in that other way, and is judged on these.",
        Cure(
            "Prepare pictures for evaluation as they were for training: one function that reads, resizes "
            "and normalises, called for both, with one size, one `mean` and one `std`."
        ),
        confidence=0.85,
    )


def _few(values: list[float]) -> str:
    return "/".join(f"{value:.3g}" for value in dict.fromkeys(values))
