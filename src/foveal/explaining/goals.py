"""What a person asks to have painted: a class, channels of a layer, one of its units, a mix of its channels, or all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..errors import OptionError
from ..model import Model
from ..portraits.maximize import Direction, Dream
from ..structure.subject import Subject
from ..values import Target
from .aim import aim_of
from .given import explainable

Goal: TypeAlias = Target | Direction | Dream
Mix: TypeAlias = str | os.PathLike[str] | Sequence[float] | Mapping[int, float]


def goals_of(
    model: Model,
    subject: Subject,
    *,
    layer: str | None = None,
    channels: Sequence[int] | None = None,
    label: str | None = None,
    unit: str | None = None,
    direction: Mix | None = None,
) -> list[Goal]:
    """What is to be climbed; nothing where nothing is named. A layer without more is climbed as a whole.

    Args:
        unit: `LAYER:CHANNEL`, or `LAYER:CHANNEL:ROW:COLUMN` for one cell.
        direction: of `layer`, its channels with their weights, `{3: 1, 8: -0.5}` or in words `3=1,8=-0.5`; or one
            number for each of its channels, as a sequence or the path of a .npy file.

    Raises:
        UnknownNameError: there is no such label.
        OptionError: what was given does not go together, or cannot be read.
    """
    _check(layer, channels, label, unit, direction)
    if label is not None:
        return [explainable(model.task).target(label)]
    if unit is not None:
        aim = aim_of(model, None, unit=unit)
        return [] if aim is None else [aim]
    if layer is None:
        return []
    if direction is not None:
        return [_direction(subject, layer, direction)]
    return [Dream(layer)] if channels is None else [Target(layer=layer, channel=n) for n in channels]


def _check(layer: str | None, channels: Any, label: str | None, unit: str | None, direction: Any) -> None:
    """Refuse what does not go together."""
    given = {
        "--label": label, "--unit": unit, "--layer": layer, "--channels": channels, "--direction": direction,
    }  # fmt: skip
    named = [name for name, value in given.items() if value is not None]
    alone = named and named[0] in ("--label", "--unit")
    if (alone and len(named) > 1) or (channels is not None and direction is not None):
        raise OptionError(
            f"{named[0] if alone else '--channels'} was given with {named[1] if alone else '--direction'}.",
            "A class; a unit; or of a layer some channels, a direction, or all of it.",
            "Leave one out.",
        )
    if named and not alone and layer is None:
        raise OptionError(
            f"{named[0]} was given without --layer.",
            "The channels of a named layer.",
            f"For example --layer layer4 {named[0]} {'0,1,2' if direction is None else '3=1,8=-0.5'}; "
            "foveal anatomy MODEL lists the layers.",
        )


def _direction(subject: Subject, layer: str, given: Any) -> Direction:
    """A mix as the portrait takes it: one number for each channel of the layer."""
    if isinstance(given, str | os.PathLike) and Path(given).suffix == ".npy":
        return Direction(layer, _read(Path(given)), f"{layer}, {Path(given).name}")
    if isinstance(given, str):
        given = _pairs(given)
    if not isinstance(given, Mapping):
        return Direction(layer, tuple(map(float, given)))
    shape = subject.graph.operations[subject.place_of(layer, maps=False)].shapes[0]
    width = shape[1] if len(shape) > 1 else 0
    wrong = [channel for channel in given if not 0 <= channel < width]
    if wrong:
        raise OptionError(
            f"The direction names channel {wrong[0]}, and {layer} has {width}.",
            f"Channels from 0 to {width - 1}.",
            "Name others, or another layer.",
        )
    weights = tuple(float(given.get(channel, 0.0)) for channel in range(width))
    told = ", ".join(f"{weight:+g} channel {channel}" for channel, weight in given.items())
    return Direction(layer, weights, f"{layer}, {told}")


def _pairs(words: str) -> dict[int, float]:
    """`3=1,8=-0.5`."""
    try:
        pairs = [part.split("=") for part in words.split(",") if part.strip()]
        found = {int(channel): float(weight) for channel, weight in pairs}
    except ValueError:
        found = {}
    if found and np.isfinite(list(found.values())).all():
        return found
    raise OptionError(
        f"--direction was given as {words!r}.",
        "Channels with their weights, CHANNEL=WEIGHT with commas between; or a .npy file with a number for each.",
        "For example --direction 3=1,8=-0.5.",
    )


def _read(path: Path) -> tuple[float, ...]:
    """One number a channel, from a file of NumPy's."""
    try:
        kept = np.load(path, allow_pickle=False).astype(np.float64)
    except (OSError, ValueError) as error:
        raise OptionError(
            f"{path} cannot be read as a direction: {error}",
            "A .npy file with one number for each channel of the layer.",
            "Save it with numpy.save.",
        ) from None
    if kept.ndim != 1 or not np.isfinite(kept).all():
        raise OptionError(
            f"{path} holds an array of {' x '.join(map(str, kept.shape)) or 'one number'}, or one that is not finite.",
            "One finite number for each channel of the layer.",
            "Save such a row of numbers with numpy.save.",
        )
    return tuple(kept.tolist())
