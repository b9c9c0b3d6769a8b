"""Exciting examples: for each channel of a layer the real pictures that excite it most, cut to what it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..charts.sheet_of_maps import Row, Sheet, sheet_picture
from ..contracts import Sitting
from ..errors import OptionError
from ..values import Target
from ._aims import Aim, aims_of, whole_layer
from ._ranking import Example, Ranking
from ._real import Reach, crops_of
from ._shown import shown
from ._tiles import tile

SOURCE = (
    "Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, section 4; Bau et al. 2017, "
    "Network Dissection"
)
CANNOT = (
    "It shows the ends of a channel's scale in these pictures, not what it does in between, nor what in a crop "
    "excites it."
)
MOST = 64
"""Channels where none were asked for."""
MOST_TOP = 100


@dataclass(frozen=True)
class Examples:
    """The most exciting pictures of a layer's channels, one of each picture at most, largest value first.

    Values are the channel's largest on the picture, before the activation function. `active` is the share of
    pictures that excite it anywhere: above 0 where a rectifier follows, else always 1.
    """

    layer: str
    channels: tuple[int, ...]
    top: int
    done: float = 0.0
    count: int = 0
    """Pictures seen, those that are the same counted once."""
    best: tuple[tuple[Example, ...], ...] = ()
    active: tuple[float, ...] = ()
    dead: tuple[int, ...] = ()
    """Channels that no picture excites, or that gave the same everywhere."""
    says: tuple[str, ...] = ()

    def arrays(self) -> dict[str, Tensor]:
        """The values, `channels x top`; NaN where there were fewer pictures."""
        values = torch.full((len(self.channels), self.top), torch.nan)
        for n, row in enumerate(self.best):
            values[n, : len(row)] = torch.tensor([one.value for one in row])
        return {"values": values}

    def to_json(self) -> dict[str, Any]:
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain["best"] = [[one.to_json() for one in row] for row in self.best]
        return plain

    def sheet(self) -> Sheet:
        """A channel a row."""
        rows = []
        for n, channel in enumerate(self.channels):
            best = self.best[n] if self.best else ()
            dead = channel in self.dead
            tiles = tuple(tile(one.pixels, (f"{one.value:.3g}",), "dead" if dead else "") for one in best)
            note = f"excited by {self.active[n]:.0%} of the pictures" if self.active else ""
            rows.append(Row(f"channel {channel}" + (" (dead)" if dead else ""), (note,), tiles))
        title = f"{self.layer}: the pictures that excite each channel most"
        return Sheet(title, self.says, tuple(rows), side=96, columns=9)

    def drawn(self) -> Image.Image:
        return sheet_picture(self.sheet())


def portray(
    sitting: Sitting, *, layer: str | None = None, channels: Sequence[int] | None = None, top: int = 9
) -> Iterator[Examples]:
    """Go through the pictures once, and keep the `top` for each channel; a progress every batch.

    Of pictures with equal values the earlier stays; those that are byte for byte the same count once. A crop is
    what the channel's strongest cell can see, the part of it that lies on the picture.

    Args:
        layer: by name; by default the last feature map.
        channels: by default all, or the first 64.
        top: pictures a channel, at most 100.

    Raises:
        OptionError: there is no such layer or channel, or there are no pictures.
    """
    name, place = whole_layer(sitting, layer)
    width = sitting.subject.graph.operations[place].shapes[0][1]
    chosen = tuple(range(min(width, MOST)) if channels is None else channels)
    if not chosen or not 1 <= top <= MOST_TOP:
        raise OptionError(
            f"{len(chosen)} channels, top = {top}.",
            f"At least one channel, and top from 1 to {MOST_TOP}.",
            "Leave both out for nine pictures a channel.",
        )
    aims = aims_of(sitting, [Target(layer=name, channel=channel) for channel in chosen])
    found = Examples(name, chosen, top)
    gathered = _Gathered(sitting, aims, top)
    for part in shown(sitting, gathered.places):
        gathered.add(part)
        seen = gathered.ranking.seen
        yield dataclasses.replace(found, done=min(0.99, seen / sitting.count) if sitting.count else 0.5)
    yield gathered.whole(found, width)


class _Gathered:
    """What has been found so far."""

    def __init__(self, sitting: Sitting, aims: list[Aim], top: int) -> None:
        self.aims = aims
        self.places = sorted({aim.place for aim in aims})
        self.ranking = Ranking(len(aims), top)
        self.reach = Reach(len(aims))
        self.crops = [crops_of(sitting, aim) for aim in aims]
        self.above = torch.zeros(len(aims))

    def add(self, part: Any) -> None:
        peaks = [aim.peaks(part.values[aim.place]) for aim in self.aims]
        values = torch.stack([value for value, _ in peaks], 1).cpu()
        low = torch.stack([aim.maps(part.values[aim.place]).min() for aim in self.aims])
        self.reach.add(low, values.max(0).values)
        new = self.ranking.add(part, values, torch.stack([cell for _, cell in peaks], 1), self.crops)
        if new:
            self.above += (values[torch.tensor(new)] > 0).sum(0)

    def whole(self, found: Examples, width: int) -> Examples:
        ranking, count = self.ranking, self.ranking.seen - self.ranking.repeated
        dead = tuple(
            channel
            for n, channel in enumerate(found.channels)
            if self.reach.is_dead(n, self.aims[n].rectified)
        )
        active = tuple(
            float(above) / max(count, 1) if aim.rectified else 1.0
            for aim, above in zip(self.aims, self.above.tolist(), strict=True)
        )
        says = [
            f"Of {count} pictures, the {found.top} that excite each channel most; values before the activation."
        ]
        if len(found.channels) < width:
            says.append(f"{len(found.channels)} of the layer's {width} channels.")
        if dead:
            says.append(f"No picture excites {len(dead)} of them: {', '.join(map(str, dead))}.")
        return dataclasses.replace(
            found, done=1.0, count=count, best=tuple(tuple(row) for row in ranking.best),
            active=active, dead=dead, says=(*says, *ranking.says),
        )  # fmt: skip
