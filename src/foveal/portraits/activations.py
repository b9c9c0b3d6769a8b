"""Activations: the feature maps of every layer for one picture, the strongest first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from ..charts.sheet_of_maps import Row, Sheet, Tile, sheet_gif, sheet_picture
from ..contracts import Sitting
from ..structure.subject import Subject
from ..values import both, sees
from ._aims import SQUASHING
from ._shown import outputs, shown
from ._tiles import shades, tile

SOURCE = "Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, section 3"
CANNOT = (
    "A bright place says that the channel is excited there, not by what, nor whether anything later uses it."
)
MOST = 16
"""Channels of a layer that are shown."""
NORMS = frozenset(("batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm"))


@dataclass(frozen=True)
class LayerMaps:
    """A layer's strongest maps `Khw` for the picture, and all of its channels in order of their strength: the mean
    size of their values. `low` and `high` are those of the whole layer; `silent` are channels that are 0 or less
    everywhere where a rectifier was the last to work on them. `sees` is the receptive field in pixels."""

    name: str
    shape: tuple[int, ...]
    order: tuple[int, ...]
    strength: tuple[float, ...]
    maps: Tensor
    low: float
    high: float
    silent: int
    sees: str

    def to_json(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "maps"}


@dataclass(frozen=True)
class Activations:
    """What each layer gives of a picture uint8 `CHW`, first layers first."""

    id: str
    picture: Tensor
    layers: tuple[LayerMaps, ...]
    done: float = 1.0
    says: tuple[str, ...] = ()

    def arrays(self) -> dict[str, Tensor]:
        return {layer.name: layer.maps for layer in self.layers}

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "done": self.done, "says": self.says,
            "layers": [layer.to_json() for layer in self.layers],
        }  # fmt: skip

    def sheet(self) -> Sheet:
        """The picture, then a layer a row; all of a row's maps have its one scale."""
        picture = Row("the picture", (self.id,), (tile(self.picture),))
        return Sheet("Feature maps, layer by layer", self.says, (picture, *map(_row, self.layers)), side=66)

    def drawn(self) -> Image.Image:
        return sheet_picture(self.sheet())

    def animation(self) -> bytes:
        """A GIF through the layers."""
        return sheet_gif(self.sheet())


def _row(layer: LayerMaps) -> Row:
    channels, height, width = layer.shape
    notes = [f"{channels} maps of {height} x {width}", f"a cell sees {layer.sees} px"]
    if layer.silent:
        notes.append(f"{layer.silent} silent")
    low = min(0.0, layer.low)
    tiles = tuple(
        Tile(shades(values, low, layer.high), (str(channel),))
        for values, channel in zip(layer.maps, layer.order, strict=False)
    )
    return Row(layer.name, tuple(notes), tiles, (low, layer.high))


def portray(
    sitting: Sitting, *, picture: Tensor | None = None, id: str = "", layers: Sequence[str] | None = None
) -> Iterator[Activations]:
    """The maps of one picture.

    Args:
        picture: uint8 `CHW` of the network's size; by default the first of the data set's, whose id it then has.
        layers: by name; by default every layer that gives maps, a convolution taken together with the
            normalisation and the activation function right behind it.

    Raises:
        OptionError: a layer is not there or gives no maps; or there is no picture.
    """
    subject = sitting.subject
    if picture is None:
        first = next(shown(sitting, ()))
        picture, id = first.pixels[0], first.ids[0]
    named = {name: subject.place_of(name) for name in layers} if layers is not None else _layers(subject)
    values = outputs(sitting, picture[None], set(named.values()))
    made = tuple(_maps(subject, name, place, values[place][0]) for name, place in named.items())
    yield Activations(id, picture.cpu(), made, says=_says(made))


def _layers(subject: Subject) -> dict[str, int]:
    """Layers by name whose maps are not merely taken on by a normalisation or an activation function."""
    operations = subject.graph.operations
    taken: dict[int, list[int]] = {}
    for place, operation in enumerate(operations):
        for given in set(operation.inputs):
            taken.setdefault(given, []).append(place)
    found = {}
    for place in sorted(set(subject.maps.values())):
        after = [operations[n].function.rstrip("_") for n in taken.get(place, [])]
        if len(after) == 1 and after[0] in NORMS | SQUASHING:
            continue
        found[subject.name_of(place)] = place
    return found


def _maps(subject: Subject, name: str, place: int, values: Tensor) -> LayerMaps:
    values = values.float().cpu()
    strength = values.abs().mean((1, 2))
    order = strength.argsort(descending=True, stable=True)
    field = subject.fields[place]
    size = None if field is None else [float(axis.size) for axis in field.axes]
    silent = int((values.amax((1, 2)) <= 0).sum()) if float(values.min()) >= 0 else 0
    return LayerMaps(
        name, tuple(values.shape), tuple(order.tolist()), tuple(strength[order].tolist()),
        values[order[:MOST]].clone(), float(values.min()), float(values.max()), silent,
        sees(size, field is not None and field.whole),
    )  # fmt: skip


def _says(layers: Sequence[LayerMaps]) -> tuple[str, ...]:
    if not layers:
        return ("The network has no layer that gives maps.",)
    first, last = layers[0], layers[-1]
    says = [
        f"{len(layers)} layers, from {both(first.shape[1:])} cells to {both(last.shape[1:])}.",
        f"In each the channels with the largest mean size come first, {MOST} at most; all of a layer share its scale.",
    ]
    if silent := sum(layer.silent for layer in layers):
        says.append(
            f"{silent} of {sum(layer.shape[0] for layer in layers)} channels are silent for this picture."
        )
    return tuple(says)
