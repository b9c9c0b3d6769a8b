"""What is to be excited: a channel, a unit, a class, a direction or a whole layer, by its value before what
squashes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from ..contracts import Sitting
from ..errors import OptionError, UnknownNameError
from ..structure.anatomy import UNSEEN
from ..structure.graph import PICTURE, Operation
from ..structure.subject import DROPS, POOLING, Subject
from ..structure.taps import rectifies
from ..values import Target

SQUASHING = frozenset(
    ("relu", "relu6", "hardtanh", "threshold", "leaky_relu", "rrelu", "prelu", "elu", "selu", "celu", "gelu", "silu",
     "mish", "softplus", "hardswish", "hardsigmoid", "sigmoid", "tanh", "softsign", "logsigmoid", "softmax",
     "log_softmax", "clamp", "clamp_min", "clip")
)  # fmt: skip
"""Activation functions: behind them a unit may be at rest, and no gradient say how to wake it."""
FLATTENING = frozenset(("flatten", "view", "reshape", "squeeze"))
JOINING = frozenset(("cat", "concat", "concatenate"))


@dataclass(frozen=True)
class Direction:
    """A mix of a layer's channels: one number a channel; only their proportions count."""

    layer: str
    weights: tuple[float, ...]
    name: str = ""

    def __str__(self) -> str:
        return self.name or f"{self.layer}, a direction of {len(self.weights)} channels"


@dataclass(frozen=True)
class Dream:
    """A whole layer: the mean of its values squared (DeepDream)."""

    layer: str

    def __str__(self) -> str:
        return f"{self.layer}, all channels"


Goal: TypeAlias = Target | Direction | Dream


@dataclass(frozen=True)
class Origin:
    """Where a channel's values come from, before the functions that squash them: an operation and the channel
    there. `rectified`: what follows lets only positive values pass."""

    place: int
    channel: int
    rectified: bool = False


def origin(subject: Subject, place: int, channel: int, *, cells: bool = False) -> Origin:
    """The operation that feeds the activation function which an operation's channel comes out of, through
    pooling and concatenation; with `cells` only through what keeps each cell. The operation itself where it is
    before its activation already."""
    operations = subject.graph.operations
    found = Origin(place, channel)
    rectified = False
    while True:
        operation = operations[place]
        name = operation.function.rstrip("_")
        if not operation.inputs or operation.inputs[0] == PICTURE:
            return found
        if name in JOINING:
            branch = _branch(operation, channel)
            if branch is None:
                return found
            place, channel = branch
            continue
        place = operation.inputs[0]
        if name in SQUASHING:
            given = operation.arguments
            rectified = rectified or rectifies(name, (None, given.get("1"), given.get("2")), given)
            found = Origin(place, channel, rectified)
        elif not (name in DROPS | UNSEEN or (not cells and _keeps_channels(operation, name))):
            return found


def _keeps_channels(operation: Operation, name: str) -> bool:
    before, after = operation.entering[0], operation.shapes[0]
    same = len(before) == 4 and len(after) in (2, 4) and after[1] == before[1]
    return same and (name in POOLING or (name in FLATTENING and before[2:] == (1, 1)))


def _branch(operation: Operation, channel: int) -> tuple[int, int] | None:
    """Which of the operations that are laid side by side a channel is of, and its number there."""
    given = operation.arguments.get("dim", 0)
    if len(operation.inputs) != len(operation.entering) or given % len(operation.shapes[0]) != 1:
        return None
    if sum(shape[1] for shape in operation.entering) != operation.shapes[0][1]:
        return None
    for place, shape in zip(operation.inputs, operation.entering, strict=True):
        if channel < shape[1]:
            return (place, channel) if place != PICTURE else None
        channel -= shape[1]
    return None


@dataclass(frozen=True)
class Aim:
    """A goal found in the network: the operation whose values are to be large, and what of them."""

    name: str
    kind: Literal["channel", "unit", "class", "direction", "layer"]
    place: int
    channel: int = 0
    cell: tuple[int, int] | None = None
    weights: tuple[float, ...] = ()
    rectified: bool = False
    """Only positive values pass on."""
    shifted: bool = False
    """`place` is not the layer that was named, but one before it."""

    def score(self, values: Tensor) -> Tensor:
        """What is maximised, `B`, of the operation's values `BCHW` or `BC`: the mean over places, or one cell."""
        if self.kind == "layer":
            return values.square().flatten(1).mean(1)
        maps = self.maps(values)
        if maps.dim() == 1:
            return maps
        return maps.mean((1, 2)) if self.cell is None else maps[:, self.cell[0], self.cell[1]]

    def maps(self, values: Tensor) -> Tensor:
        """The channel's or direction's own map `BHW` (`B` where there are no places)."""
        if not self.weights:
            return values[:, self.channel]
        weights = values.new_tensor(self.weights)
        weights = weights / weights.square().sum().sqrt()
        return (values * weights.view(1, -1, *[1] * (values.dim() - 2))).sum(1)

    def peaks(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Each picture's largest value `B`, and the cell it is at, counted row by row; -1: the whole picture."""
        by_place = self.kind in ("channel", "unit", "direction") and values.dim() == 4
        if not by_place:
            score = self.score(values)
            return score, score.new_full((len(score),), -1).long()
        maps = self.maps(values)
        if self.cell is not None:
            row, column = self.cell
            place = row * maps.shape[2] + column
            return maps[:, row, column], maps.new_full((len(maps),), place).long()
        peak = maps.flatten(1).max(1)
        return peak.values, peak.indices


def aims_of(sitting: Sitting, goals: Iterable[Goal]) -> list[Aim]:
    """Goals found in the network.

    Raises:
        OptionError: there is no such layer, channel, cell or label.
    """
    return [_aim(sitting, goal) for goal in goals]


def _aim(sitting: Sitting, goal: Goal) -> Aim:
    subject = sitting.subject
    if isinstance(goal, Target) and not goal.layer:
        return _class(sitting, goal)
    place = subject.place_of(goal.layer, maps=False)
    shape = subject.graph.operations[place].shapes[0]
    if isinstance(goal, Dream):
        return Aim(str(goal), "layer", place)
    if len(shape) not in (2, 4):
        raise OptionError(
            f"The layer {goal.layer} gives tensors of {len(shape)} dimensions.",
            "A layer that gives maps of channels, height and width, or one row of features.",
            "Choose another layer; see them with: foveal anatomy MODEL",
        )
    if isinstance(goal, Direction):
        if len(goal.weights) != shape[1] or not any(goal.weights):
            raise OptionError(
                f"The direction has {len(goal.weights)} numbers, {sum(map(bool, goal.weights))} of them not 0.",
                f"One number for each of the {shape[1]} channels of {goal.layer}, not all 0.",
                "Give as many numbers as the layer has channels.",
            )
        return _direction(subject, goal, place)
    _check(goal, shape)
    channel = goal.channel or 0
    found = origin(subject, place, channel, cells=goal.cell is not None)
    kind: Literal["channel", "unit"] = "channel" if goal.cell is None else "unit"
    return Aim(
        str(goal), kind, found.place, found.channel, goal.cell,
        rectified=found.rectified, shifted=found.place != place,
    )  # fmt: skip


def _check(goal: Target, shape: tuple[int, ...]) -> None:
    channel, cell = goal.channel or 0, goal.cell or ()
    places = zip(cell, shape[2:], strict=True) if len(cell) == len(shape[2:]) else ()
    inside = 0 <= channel < shape[1] and all(0 <= c < n for c, n in places)
    if not inside or (cell and len(shape) != 4):
        raise OptionError(
            f"The layer {goal.layer} has no unit {goal.unit}.",
            f"Its output is {' x '.join(map(str, shape[1:]))}; counting begins at 0.",
            "Give a channel (and a row and a column) inside of that.",
        )


def _direction(subject: Subject, goal: Direction, place: int) -> Aim:
    """All channels must come from one operation, each from its own channel; else they are taken as they are."""
    found = {origin(subject, place, channel) for channel in range(len(goal.weights))}
    places = {one.place for one in found}
    straight = len(places) == 1 and {one.channel for one in found} == set(range(len(goal.weights)))
    at = places.pop() if straight else place
    return Aim(str(goal), "direction", at, weights=goal.weights, shifted=at != place)


def _class(sitting: Sitting, goal: Target) -> Aim:
    """A class's logit, before any softmax or last rectifier."""
    graph, labels = sitting.subject.graph, sitting.labels
    place = graph.outputs[0] if graph.outputs else PICTURE
    shape = graph.operations[place].shapes[0] if place != PICTURE else ()
    if goal.label in labels:
        channel = labels.index(goal.label)
    elif not labels and goal.label.isdigit():
        channel = int(goal.label)
    else:
        raise UnknownNameError("label", goal.label, labels or ("0", "1", "2"))
    if len(shape) != 2 or channel >= shape[1] or goal.against:
        raise OptionError(
            f"The network gives {' x '.join(map(str, shape[1:])) or 'nothing'}, which has no logit of its own "
            f"for {goal}.",
            "A network with one logit a class, and one class.",
            "Maximise a channel of one of its layers instead.",
        )
    found = origin(sitting.subject, place, channel)
    return Aim(str(goal), "class", found.place, found.channel, shifted=found.place != place)


def features_layer(sitting: Sitting, layer: str | None) -> tuple[str, int]:
    """A layer's name and operation for features of whole pictures: by default the one that the network's attribute
    `latent` names, an autoencoder's short vector, else the last map before the head.

    Raises:
        OptionError: there is no such layer, or none by default.
    """
    named = getattr(sitting.subject.network, "latent", None)
    return whole_layer(sitting, named if layer is None and isinstance(named, str) else layer)


def whole_layer(sitting: Sitting, layer: str | None) -> tuple[str, int]:
    """A layer's name and operation, by default the last map before the head.

    Raises:
        OptionError: there is no such layer, or none by default.
    """
    subject = sitting.subject
    if layer is not None:
        return layer, subject.place_of(layer, maps=False)
    if subject.last_map is None:
        raise OptionError(
            "The network has no layer whose units lie on the picture.",
            "A layer by its name; the default is the last feature map.",
            "See the layers with: foveal anatomy MODEL",
        )
    return subject.name_of(subject.last_map), subject.last_map
