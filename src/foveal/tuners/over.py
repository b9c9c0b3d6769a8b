"""What the user wants tuned: `lr=log(1e-4,1e-1)`, `momentum=0.8..0.99`, `network=resnet18,densenet121`."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import catalog
from ..errors import OptionError, UnknownNameError
from ..options import ReadOptions, TrainOptions, TuneOptions, flag, make, tuning_ranges
from ..ranges import Range, Scale

HOW = "--over lr=log(1e-4,1e-1), --over momentum=0.8..0.99, or --over network=resnet18,densenet121"
_SCALED = re.compile(r"(?P<scale>log|linear)\(\s*(?P<low>[^,()]+?)\s*,\s*(?P<high>[^,()]+?)\s*\)")
_FIXED = {
    "epochs": "trials are compared after equal shares of the same schedule, so all have as many epochs",
    "minutes": "trials are compared after equal shares of the same schedule, so all have as many epochs",
    "seed": "one seed is no better than another; how much seeds differ, the verdict shows",
    "split_seed": "trials on other validation pictures cannot be compared",
    "folds": "a trial is one training",
    "find_lr": "the rate is what a study tunes",
}
_NO_USE = (
    *(f.name for f in dataclasses.fields(ReadOptions)),
    *("out", "runs_dir", "task", "device", "probe", "save_seconds", "patience", "keep"),
)
_KINDS = {"network": "architectures", "augment": "augmentations", "schedule": "schedules"}


def ranges(over: Sequence[str] | Mapping[str, Any]) -> tuple[Range, ...]:
    """The ranges that were asked for.

    Args:
        over: texts as above; or a mapping from names to such a text (what stands after `=`), or to a sequence of
            values. A pair of two numbers is a range from one to the other where the option is no whole number.

    Raises:
        OptionError: naming what is wrong with which.
    """
    pairs = over.items() if isinstance(over, Mapping) else (_split(text) for text in over)
    found: dict[str, Range] = {}
    for given, told in pairs:
        name = str(given).strip().removeprefix("--").replace("-", "_")
        _check_name(name)
        if name in found:
            raise OptionError(
                f"--over {name} was given twice.", "Each option once.", "Leave one of them out."
            )
        found[name] = _range(name, told)
    conditions = {name: tune.when for name, tune in tuning_ranges(TrainOptions).items() if tune.when}
    for name, one in found.items():
        when = conditions.get(name)
        if when is not None and when[0] in found:
            found[name] = dataclasses.replace(one, when=when)
    return tuple(found.values())


def _split(text: str) -> tuple[str, str]:
    name, sign, told = text.partition("=")
    if not sign or not told.strip() or not name.strip():
        raise OptionError(
            f"--over {text} was given.", f"An option's name, =, and what to try: {HOW}.", "Write it so."
        )
    return name, told.strip()


def _check_name(name: str) -> None:
    known = {f.name for f in dataclasses.fields(TrainOptions)}
    own = {f.name for f in dataclasses.fields(TuneOptions)} - known
    if name in _FIXED or name in _NO_USE or name in own:
        why = _FIXED.get(name, "it says what is trained on or where, not how")
        raise OptionError(
            f"--over {name} was given: {why}.",
            "Options of the training: lr, momentum, weight_decay, network, augment, batch, ...",
            f"Leave it out{'' if name in own else f', or give {flag(name)} for all trials'}.",
        )
    if name not in known:
        raise UnknownNameError("option", name, known - set(_NO_USE) - _FIXED.keys())


def _range(name: str, told: Any) -> Range:
    if not isinstance(told, str):
        values = list(told) if isinstance(told, Iterable) else [told]
        ends = len(values) == 2 and all(isinstance(v, float) for v in values)
        return _between(name, values[0], values[1], None) if ends else _choices(name, values)
    if match := _SCALED.fullmatch(told):
        return _between(name, match["low"], match["high"], "log" if match["scale"] == "log" else "linear")
    if ".." in told:
        low, _, high = told.partition("..")
        return _between(name, low.strip(), high.strip(), None)
    return _choices(name, [part.strip() for part in told.split(",") if part.strip()])


def _choices(name: str, values: Sequence[Any]) -> Range:
    typed = tuple(dict.fromkeys(_typed(name, value) for value in values))
    if len(typed) < 2:
        raise OptionError(
            f"--over {name} has one value: {values[0] if values else 'none'}.",
            f"Two or more, with commas between them, or a range: {HOW}.",
            f"To have it the same in all trials give {flag(name)}.",
        )
    if name in _KINDS:
        for value in typed:
            catalog.find(_KINDS[name], value)
    return Range(name, choices=typed, source="given")


def _between(name: str, low: Any, high: Any, scale: Scale | None) -> Range:
    """A range of numbers, on the scale that was given, else on the option's own.

    Raises:
        OptionError: they are no numbers of this option's, or in the wrong order.
    """
    first, last = _typed(name, low), _typed(name, high)
    if isinstance(first, bool) or not isinstance(first, int | float) or not isinstance(last, int | float):
        raise OptionError(
            f"--over {name} was given a range, {low} to {high}, and it has no numbers.",
            f"Its values, with commas between them: --over {name}=A,B.",
            "Name the values.",
        )
    tune = tuning_ranges(TrainOptions).get(name)
    if scale is None:
        scale = (
            "log" if tune is not None and tune.log else "rest" if tune is not None and tune.rest else "linear"
        )
    if not first < last or (scale == "log" and first <= 0) or not math.isfinite(last):
        wrong = f"from {first:g} to {last:g}{' on a log scale' if scale == 'log' else ''}"
        raise OptionError(
            f"--over {name} was given {wrong}.",
            "The smaller end first" + (", both above 0." if scale == "log" else "."),
            f"Turn them around, or widen the range: --over {name}=LOW..HIGH",
        )
    whole = isinstance(first, int) and isinstance(last, int) and _is_whole(name)
    # what the user gave is not widened
    return Range(name, first, last, scale, whole, (), first, last, source="given")


def _is_whole(name: str) -> bool:
    try:
        make(TrainOptions, {name: 1.5})
    except OptionError:
        return True
    return False


def _typed(name: str, value: Any) -> Any:
    """A value as the option has it.

    Raises:
        OptionError: it is none of the option's.
    """
    return getattr(make(TrainOptions, {name: value}), name)
