"""What a person asks to have explained: a label, held against another, at a place; or one of the network's units."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..data.marked import Marked
from ..errors import OptionError, UnknownNameError
from ..model import Model
from ..values import Target
from .given import explainable

METHOD = "integrated_gradients"
Box = tuple[float, float, float, float]
Place: TypeAlias = str | os.PathLike[str] | Sequence[float] | NDArray[Any]


def aim_of(
    model: Model,
    target: str | None,
    against: str | None = None,
    unit: str | None = None,
    at: Place | None = None,
) -> Target | None:
    """The one target of all pictures, where one is given.

    Args:
        at: a pixel (x, y) or a box (x0, y0, x1, y1) of the picture, as numbers or as words with commas between; or a
            mask of the picture's size: a picture's file, where white counts, or an array of truths `HW`.

    Raises:
        UnknownNameError: there is no such label.
        OptionError: what was given does not go together, or is none of a unit's or a place's forms.
        PictureError: the mask's file cannot be read.
    """
    if unit is not None:
        if target is not None or against is not None or at is not None:
            raise OptionError(
                "--unit was given with --target, --against or --at.",
                "A label's score, or one unit of a layer.",
                "Leave one of them out.",
            )
        return _unit(unit)
    held = None if against is None else explainable(model.task).target(against)
    aim = None if target is None else explainable(model.task).target(target)
    if held is not None and (held == aim or len(model.labels) < 2):
        raise OptionError(
            f"--against {against} was given, which is the target itself.",
            f"Another of the model's labels: {', '.join(model.labels[:20])}.",
            "Name another label, or leave --against out.",
        )
    return aim if at is None else _there(model, aim, at)


def told_of(baseline: str | Sequence[str] | None, methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What methods are told besides: integrated gradients the baselines that they are measured beside.

    Raises:
        UnknownNameError: there is no such baseline.
        OptionError: they are not among the methods.
    """
    from ..explainers.integrated_gradients import BASELINES

    if baseline is None:
        return {}
    words = baseline.split(",") if isinstance(baseline, str) else baseline
    names = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    for name in names or ("",):
        if name not in BASELINES:
            raise UnknownNameError("baseline", name, BASELINES)
    if METHOD not in methods:
        raise OptionError(
            f"--baseline {','.join(names)} was given, and {', '.join(methods)} has none.",
            f"The method {METHOD}, which is measured beside baselines.",
            f"Add --method {METHOD}, or leave --baseline out.",
        )
    return {METHOD: {"baselines": names}}


def _there(model: Model, aim: Target | None, at: Place) -> Target:
    """The target at this place."""
    if not hasattr(model.task, "placed"):
        raise OptionError(
            f"--at was given, and the model's task is {model.task.name}, which says one thing of a whole picture.",
            "--at with models of detect, instances, segment, upscale and autoencode.",
            "Leave --at out.",
        )
    aim = aim or getattr(model.task, "usual", None)
    if aim is None:
        raise OptionError(
            "--at was given without --target.",
            f"The label that is to be explained there: {', '.join(model.labels[:20])}.",
            f"For example --target {model.labels[0]} --at 120,80.",
        )
    mask = _mask(at)
    return replace(aim, at=_box(at)) if mask is None else replace(aim, at=mask.box, mask=mask)


def _mask(at: Place) -> Marked | None:
    """What is a mask; None for what may be numbers."""
    if isinstance(at, np.ndarray) and at.ndim == 2:
        return Marked.of(at)
    if isinstance(at, str | os.PathLike):
        path = Path(at)
        if path.is_file() or any(map(str.isalpha, path.suffix)):
            return Marked.file(path)
    return None


def _box(at: Place) -> Box:
    """A pixel is the box of its four edges."""
    try:
        listed: Any = at.split(",") if isinstance(at, str) else at
        numbers = [float(one) for one in listed]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) == 2:
        numbers = [*numbers, numbers[0] + 1, numbers[1] + 1]
    if len(numbers) == 4 and all(map(math.isfinite, numbers)):
        x0, y0, x1, y1 = numbers
        if x0 < x1 and y0 < y1:
            return x0, y0, x1, y1
    raise OptionError(
        f"--at was given as {at!r}.",
        "X,Y for a pixel, X0,Y0,X1,Y1 for a box (left, top, right, bottom), in the picture's pixels; or the file of a "
        "mask as large as the picture, where white counts.",
        "For example --at 120,80 or --at 120,80,200,150; foveal predict tells where objects are.",
    )


def _unit(words: str) -> Target:
    layer, *numbers = words.split(":")
    if layer and len(numbers) in (1, 3) and all(n.strip().isascii() and n.strip().isdigit() for n in numbers):
        channel, *cell = (int(n) for n in numbers)
        return Target(layer=layer, channel=channel, cell=(cell[0], cell[1]) if cell else None)
    raise OptionError(
        f"--unit was given as {words!r}.",
        "LAYER:CHANNEL for a channel's mean, LAYER:CHANNEL:ROW:COLUMN for one cell; counting begins at 0.",
        "For example --unit layer3:17, with a layer that foveal anatomy MODEL lists.",
    )
