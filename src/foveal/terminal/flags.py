"""Flags made from the options dataclasses: name, type, default and meaning come from there."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, TypeVar

from cyclopts import Group, Parameter

from .. import options
from ..errors import OptionError

Command = TypeVar("Command", bound=Callable[..., Any])

# How `--help` arranges the flags. A field not named here stands under "More".
GROUPS = {
    "Data": ("reader", "path_column", "label_column", "exclude", "data_home", "split_seed", "data_at"),
    "Run": ("out", "runs_dir", "resume", "seed", "save_seconds"),
    "Search": (
        *("search", "over", "trials", "epochs_total", "points", "stop", "warm_start", "verdict"),
        *("jobs", "cluster", "search_seed", "compare_searches", "repeats"),
    ),
    "Network": ("task", "network", "weights", "pretrained", "size", "channels", "stem"),
    "Training": (
        *(
            "recipe",
            "batch",
            "accumulate",
            "epochs",
            "minutes",
            "patience",
            "keep",
            "optimizer",
            "lr",
            "find_lr",
        ),
        *("schedule", "warmup", "momentum", "weight_decay", "layer_decay", "freeze", "clip", "ema"),
        *("frozen_views", "solve", "views", "grow"),
        *("loss", "label_smoothing", "dropout", "drop_path", "balance", "folds", "dry_run"),
        *("scale", "ensemble", "tiled", "objective", "latent"),
    ),
    "Augmentation": ("augment", "magnitude", "flip", "erase", "mixup", "cutmix", "train_size", "sheet"),
    "Machine": (
        *(
            "device",
            "precision",
            "layout",
            "threads",
            "compile",
            "cuda_graph",
            "probe",
            "watch",
            "workers",
            "sync_norm",
            "cache",
            "deterministic",
        ),
    ),
}
_PANELS = {title: Group(title, sort_key=10 + rank) for rank, title in enumerate([*GROUPS, "More"])}


def panel(name: str) -> Group:
    """The part of `--help` in which an option stands."""
    return _PANELS[next((title for title, names in GROUPS.items() if name in names), "More")]


def takes(
    kind: type, hidden: Collection[str] = (), show_default: bool = True
) -> Callable[[Command], Command]:
    """Decorate a command whose `**options` are the fields of `kind`: each becomes a flag.

    The command receives only what the user gave, so that what was left open stays open. `hidden`
    ones are not in the help; `show_default` is False where a default comes from elsewhere.
    """

    def dress(command: Command) -> Command:
        own = inspect.signature(command)
        hints = typing.get_type_hints(command, include_extras=True)
        parameters = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        parameters += _parameters(kind, hidden, show_default)
        hints |= {p.name: p.annotation for p in parameters if p.name not in hints}
        hints.pop("options", None)
        command.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = hints
        return command

    return dress


def _parameters(kind: type, hidden: Collection[str], show_default: bool) -> list[inspect.Parameter]:
    """One keyword-only parameter a field. Ranges are not checked here but by `options.make`."""
    hints = typing.get_type_hints(kind)  # without extras: the plain types
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[
                hints[field.name],
                Parameter(
                    help=options.meaning(kind, field.name),
                    group=panel(field.name),
                    show=field.name not in hidden,
                    show_default=show_default and field.default is not None,
                ),
            ],
        )
        for field in dataclasses.fields(kind)
    ]


def checked(kind: type, name: str, value: str) -> OptionError | None:
    """What `options.make` says against this value, which cyclopts could not convert."""
    if name not in {field.name for field in dataclasses.fields(kind)}:
        return None
    try:
        options.make(kind, {name: value})
    except OptionError as error:
        return error
    return None


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in values.items() if value is not None}
