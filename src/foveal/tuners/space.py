"""What is tuned, and in which ranges, where the user says nothing: it follows the budget, and the plan's defaults.

A range that is centred on a good default finds more than a wide one, whatever the scale: the default stands for all
that is known of this network, this optimizer, and training from scratch or fine-tuning.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import nn

from .. import catalog
from ..contracts import Task
from ..loop import optimizers
from ..options import TrainOptions, Tune, tuning_ranges
from ..plan import Plan
from ..ranges import Range
from ..structure.regularise import set_drop_path, set_dropout

SOURCE = (
    "which parameters for which budget: Godbole et al. 2023, the Deep Learning Tuning Playbook; ranges: Dahl et al. "
    "2023 (AlgoPerf) and Arango et al. 2024 (Quick-Tune), centred on the default"
)
FEW, MANY = 10, 25
"""Below so many trials the rate alone is tuned; from so many on all."""
DOWN, UP = 30.0, 10.0
"""A range on a log scale reaches from the default divided by `DOWN` to `UP` times the default."""
LONG = 30
"""Epochs from which blending pictures may pay."""


def automatic(
    planned: Plan, given: TrainOptions, network: nn.Module, trials: int
) -> tuple[tuple[Range, ...], str]:
    """The ranges for so many trials, and why these. What the user gave is fixed.

    Args:
        given: the options as the user gave them; None is open.
        network: the plan's, built.
    """
    scratch = planned.start.state is None
    # momentum matters where features are kept (Li et al. 2020, Rethinking the Hyperparameters for Fine-tuning)
    second, third = ("weight_decay", "momentum") if scratch else ("momentum", "weight_decay")
    names = ["lr"]
    if trials >= FEW:
        names += [second, "augment"]
    if trials >= MANY:
        names += [
            third,
            "label_smoothing",
            "warmup",
            "dropout",
            "drop_path",
            "layer_decay",
            "mixup",
            "cutmix",
        ]
    defaults = default_values(planned, network)
    tunes = tuning_ranges(TrainOptions)
    found = []
    for name in names:
        if getattr(given, name) is not None or not _means(name, planned, network, defaults):
            continue
        one = _centred(name, tunes[name], defaults.get(name), planned.task)
        if one is not None:
            found.append(one)
    if any(one.name == "augment" for one in found):
        strong = trials >= MANY and given.magnitude is None
        found = [_strengths(one, strong) if one.name == "augment" else one for one in found]
        if strong:
            found.append(_from(tunes["magnitude"], "magnitude"))
    return tuple(found), _why(trials)


def default_values(planned: Plan, network: nn.Module) -> dict[str, Any]:
    """What the default recipe has for every option that can be tuned; the network's own dropout is looked up."""
    filled = dataclasses.asdict(planned.options)
    values = {name: filled[name] for name in filled if filled[name] is not None}
    shares = [m.p for m in network.modules() if isinstance(m, nn.Dropout | nn.Dropout1d | nn.Dropout2d)]
    values.setdefault("dropout", max(shares, default=0.0))
    values.setdefault("drop_path", 0.0)
    return values


def _means(name: str, planned: Plan, network: nn.Module, defaults: dict[str, Any]) -> bool:
    """Whether an option means anything in this training."""
    task, scratch = planned.task, planned.start.state is None
    if name == "label_smoothing":
        return name in catalog.find("tasks", task.name).DEFAULTS and planned.options.loss == "cross-entropy"
    if name == "dropout":
        return bool(set_dropout(network, defaults["dropout"]))
    if name == "drop_path":
        return bool(set_drop_path(network, defaults["drop_path"]))
    if name == "layer_decay":
        return not scratch and planned.options.freeze != "always"
    if name in ("mixup", "cutmix"):
        epochs = sum(stage.epochs for stage in planned.fit.stages)
        labelled = task.name == "classify" and not task.dense
        return labelled and epochs >= LONG and planned.options.freeze in (None, "never")
    if name == "augment":
        return planned.options.augment in tuning_ranges(TrainOptions)["augment"].choices
    if name == "momentum":
        return optimizers.is_like_sgd(planned.fit.optimizer) or planned.fit.optimizer in optimizers.OWN
    return True


def _centred(name: str, tune: Tune, default: Any, task: Task) -> Range | None:
    """The field's range around the default."""
    one = _from(tune, name)
    if tune.choices:
        suited = [c for c in tune.choices if task.name in _tasks(c, task)]
        return dataclasses.replace(one, choices=tuple(suited)) if len(suited) > 1 else None
    if not isinstance(default, int | float) or not default:
        return one
    if one.scale == "log":
        low, high = default / DOWN, default * UP
    elif one.scale == "rest":
        low, high = 1 - min(0.999, (1 - default) * UP), 1 - (1 - default) / UP
    else:
        return one
    low, high = max(one.low, float(f"{low:.3g}")), min(one.high, float(f"{high:.3g}"))
    return dataclasses.replace(one, low=low, high=high) if low < high else one


def _from(tune: Tune, name: str) -> Range:
    """A field's whole range."""
    return Range(
        name,
        tune.low,
        tune.high,
        "log" if tune.log else "rest" if tune.rest else "linear",
        tune.whole,
        tune.choices,
        tune.low,
        tune.high,
        tune.when,
        tune.source,
    )


def _strengths(one: Range, strong: bool) -> Range:
    """Ways to vary pictures, by strength; the one that has a strength of its own only beside that."""
    return (
        one
        if strong
        else dataclasses.replace(one, choices=tuple(c for c in one.choices if c != "randaugment"))
    )


def _tasks(augmentation: str, task: Task) -> tuple[str, ...]:
    made: tuple[str, ...] = getattr(catalog.find("augmentations", augmentation), "TASKS", (task.name,))
    return made


def _why(trials: int) -> str:
    if trials < FEW:
        return f"about {trials} trials: the learning rate alone, which matters most (from {FEW} on more)"
    if trials < MANY:
        return f"about {trials} trials: the rate, and what goes with it (from {MANY} on all that may matter)"
    return f"about {trials} trials: all that may matter"
