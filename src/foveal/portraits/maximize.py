"""Activation maximization: pictures painted so that a channel, a unit, a class, a direction or a layer is excited."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..charts.sheet_of_maps import BESIDE, GAP, MARGIN, WIDEST, Row, Sheet, sheet_picture
from ..contracts import Sitting
from ..errors import OptionError
from ..values import Target
from ._aims import Aim, Direction, Dream, Goal, aims_of, whole_layer
from ._canvas import SOURCE as HOW
from ._canvas import Palette, high_share
from ._climb import Climb, Unseen
from ._ranking import Example
from ._real import TOP, Real
from ._tiles import tile

__all__ = ["CANNOT", "FULL", "PREVIEW", "SOURCE", "Direction", "Dream", "Maximized", "portray"]

SOURCE = f"Erhan et al. 2009, Visualizing Higher-Layer Features of a Deep Network; {HOW}"
CANNOT = (
    "It shows one thing that excites the unit strongly, not all that do, nor what it is used for; the real pictures "
    "beside it say how much of it is there in the data."
)
PREVIEW, FULL = 64, 256
"""Steps for a first look, and those after which nothing more was gained."""
EVERY = 8
"""Steps from one progress to the next."""
TOGETHER = 24
"""Pictures painted at a time."""
MOST_EACH = 9
SIDE = 112
"""Pixels of a painted picture on the sheet, at most."""
FIRST = 12
"""Channels where none were asked for."""


@dataclass(frozen=True)
class Maximized:
    """Pictures painted for goals, `each` of them a goal, one after the other.

    Activations are the mean of the channel's (or direction's) map over its places, the cell's value, the logit,
    or the layer's mean square, before the activation function. Those of real pictures are measured alike.
    """

    names: tuple[str, ...]
    each: int = 1
    done: float = 0.0
    pictures: Tensor = dataclasses.field(default_factory=lambda: torch.zeros(0))
    """`NCHW`, 0 to 1."""
    climb: tuple[tuple[float, ...], ...] = ()
    """Of each picture, moved as it was at that step: the activation every `EVERY` steps, from the start on."""
    activation: tuple[float, ...] = ()
    """Of each picture as it stands."""
    unseen: tuple[float, ...] = ()
    """Of each picture, the mean over moves that it was not painted under."""
    high: tuple[float, ...] = ()
    """Of each picture, the share of its energy in high frequencies."""
    real: tuple[float, ...] = ()
    """Of each goal, the activation of the best real picture; empty without pictures."""
    examples: tuple[tuple[Example, ...], ...] = ()
    """Of each goal, what excites it most in real pictures, at the place where it does."""
    high_of_data: float | None = None
    by_place: tuple[str, ...] = ()
    """Goals that have a map: their examples are cut to its strongest cell and have that cell's value."""
    dead: tuple[str, ...] = ()
    """Goals that no real picture excites."""
    says: tuple[str, ...] = ()

    def arrays(self) -> dict[str, Tensor]:
        return {"pictures": self.pictures}

    def to_json(self) -> dict[str, Any]:
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain["examples"] = [[one.to_json() for one in row] for row in self.examples]
        return {name: value for name, value in plain.items() if name != "pictures"}

    def sheet(self) -> Sheet:
        """Each goal a row: what was painted, framed, then the real pictures that excite it most."""
        rows = []
        for n, name in enumerate(self.names):
            own = range(n * self.each, (n + 1) * self.each)
            mean, peak = ("mean ", "peak ") if name in self.by_place else ("", "")
            words = [(f"{mean}{self.unseen[k]:.3g}",) if self.unseen else () for k in own]
            tiles = [
                tile(self.pictures[k], w, "made")
                for k, w in zip(own, words, strict=True)
                if k < len(self.pictures)
            ]
            for example in self.examples[n] if self.examples else ():
                tiles.append(tile(example.pixels, (f"{peak}{example.value:.3g}",)))
            rows.append(Row(name, self._notes(n), tuple(tiles)))
        side = min(SIDE, (WIDEST - 2 * MARGIN - BESIDE) // (self.each + TOP) - GAP)
        return Sheet("What excites it most", self.says, tuple(rows), side=side, columns=self.each + TOP)

    def _notes(self, n: int) -> tuple[str, ...]:
        notes = ["no real picture excites it"] if self.names[n] in self.dead else []
        if self.unseen:
            best = max(self.unseen[n * self.each : (n + 1) * self.each])
            notes.append(f"painted: {best:.3g} when moved at random")
        if self.real:
            notes.append(f"best real picture: {self.real[n]:.3g}")
        return tuple(notes)

    def drawn(self) -> Image.Image:
        return sheet_picture(self.sheet())


def portray(
    sitting: Sitting, *, goals: Sequence[Goal] = (), steps: int = PREVIEW, each: int = 1
) -> Iterator[Maximized]:
    """Paint `each` pictures for each goal, unlike each other; a progress every `EVERY` steps, and for every batch
    of real pictures.

    The activation before the activation function is climbed by Adam over the coefficients of the picture's
    waves, in the colours and with the spectrum of the given pictures, while the picture is shifted, zoomed and
    turned at random. A goal's pictures do not depend on which others are asked for.

    Args:
        goals: targets (a label; a layer's channel, or its unit at a cell), directions, dreams (whole layers). By
            default the first channels of the last feature map.
        steps: 64 for a preview, 256 for good.
        each: pictures a goal, at most 9.

    Raises:
        OptionError: a goal is not in the network, or a number is out of range.
    """
    if steps < 1 or not 1 <= each <= MOST_EACH:
        raise OptionError(
            f"steps = {steps}, each = {each}.",
            f"steps from 1 on; each from 1 to {MOST_EACH}.",
            f"steps={PREVIEW} is a preview, steps={FULL} shows all.",
        )
    aims = aims_of(sitting, goals or _default(sitting))
    made = Maximized(tuple(aim.name for aim in aims), each)
    yield made
    real = Real(sitting, aims)
    share = 0.2 if sitting.pictures is not None else 0.0
    if sitting.pictures is not None:
        for part in real.look():
            yield dataclasses.replace(made, done=share * part)
    palette = real.palette or Palette.plain(
        sitting.preprocessing.mean, sitting.preprocessing.std, sitting.subject.size
    )
    begun = dataclasses.replace(made, **real.found())
    for made in _painted(sitting, aims, palette, begun, steps, share):
        yield dataclasses.replace(made, done=min(made.done, 0.99))
    yield dataclasses.replace(made, done=1.0, says=_says(made, palette, aims, steps))


def _default(sitting: Sitting) -> list[Goal]:
    name, place = whole_layer(sitting, None)
    channels = sitting.subject.graph.operations[place].shapes[0][1]
    return [Target(layer=name, channel=n) for n in range(min(channels, FIRST))]


def _painted(
    sitting: Sitting, aims: list[Aim], palette: Palette, made: Maximized, steps: int, begun: float
) -> Iterator[Maximized]:
    """The pictures of some goals at a time, each group climbed to its end and judged."""
    group = max(1, TOGETHER // made.each)
    unseen = Unseen(sitting, palette)
    for start in range(0, len(aims), group):
        own = aims[start : start + group]
        before = made
        climb = Climb(sitting, own, palette, made.each)
        for step in [*range(EVERY, steps, EVERY), steps]:
            climb.to(step)
            share = (start + len(own) * step / steps) / len(aims)
            made = dataclasses.replace(
                before,
                done=begun + (1 - begun) * share,
                pictures=torch.cat([*([before.pictures] if len(before.pictures) else []), climb.pictures()]),
                climb=(*before.climb, *climb.history()),
            )
            if step < steps:
                yield made
        pictures = climb.pictures()
        whole = unseen.of(own, pictures, made.each)
        made = dataclasses.replace(
            made,
            activation=(*before.activation, *whole.plain),
            unseen=(*before.unseen, *whole.moved),
            high=(*before.high, *high_share(pictures).tolist()),
        )
        yield made


def _says(made: Maximized, palette: Palette, aims: list[Aim], steps: int) -> tuple[str, ...]:
    says = []
    if made.real:
        live = [n for n, name in enumerate(made.names) if name not in made.dead]
        best = [max(made.unseen[n * made.each : (n + 1) * made.each]) for n in live]
        beats = sum(b > made.real[n] for b, n in zip(best, live, strict=True))
        says.append(
            f"Painted in {steps} steps; moved at random, the pictures excite {beats} of {len(live)} goals more than "
            f"the best of {palette.count} real pictures does as it is."
        )
        if made.high_of_data is not None:
            mean = sum(made.high) / len(made.high)
            says.append(
                f"High frequencies have {mean:.1%} of the painted pictures' energy, "
                f"{made.high_of_data:.1%} of the real ones'."
            )
    else:
        says.append(
            f"Painted in {steps} steps without real pictures: colours and waves as in photographs, and nothing "
            "to compare with."
        )
    if made.dead:
        says.append(
            f"{len(made.dead)} of {len(made.names)} are dead, no real picture excites them: {_some(made.dead)}."
        )
    if any(aim.shifted for aim in aims):
        says.append("Values are those before the activation function, where a unit at rest can be woken.")
    return tuple(says)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
