"""Layers one under the other, their connections beside them in lanes, as a history of commits is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a layer is drawn. `lane` is its own; `passing` lanes go by it, `ending` ones end in it and `going`
    ones give to it and go on (its own lane is in none of them). `new`: its lane begins with it."""

    lane: int
    passing: tuple[int, ...]
    ending: tuple[int, ...]
    going: tuple[int, ...]
    new: bool

    @property
    def width(self) -> int:
        return 1 + max(self.lane, *self.passing, *self.ending, *self.going, 0)


def lanes(inputs: Sequence[Sequence[int]], outputs: Sequence[int] = ()) -> list[Place]:
    """A place for each layer; `inputs[n]` are the layers that layer n takes results of (-1: the picture), all
    before it, and `outputs` the layers whose results are the network's.

    A layer goes on in the lane of the input that nothing needs any more and that lies leftmost; where all are
    still needed it gets the first free lane.
    """
    last = {n: n for n in range(-1, len(inputs))}
    for n, taken in enumerate(inputs):
        for one in taken:
            last[one] = n
    for n in outputs:
        last[n] = len(inputs)
    held: dict[int, int] = {-1: 0}  # layer -> the lane that carries its result
    places = []
    for n, taken in enumerate(inputs):
        feeding = [held[one] for one in dict.fromkeys(taken) if one in held]
        over = {held[one] for one in taken if one in held and last[one] == n}
        for one in [one for one in held if last[one] <= n]:
            del held[one]
        busy = set(held.values())
        lane = min(over) if over else next(free for free in range(len(busy) + 1) if free not in busy)
        places.append(
            Place(
                lane,
                tuple(sorted(busy - set(feeding) - {lane})),
                tuple(sorted(over - {lane})),
                tuple(sorted(set(feeding) - over - {lane})),
                lane not in over,
            )
        )
        if last[n] > n:
            held[n] = lane
    return places


def text(place: Place, width: int) -> str:
    """A layer's place as a line of `width` lanes, two characters each: `├─●─╯ │`."""
    ends = [place.lane, *place.ending, *place.going]
    low, high = min(ends), max(ends)
    line = ""
    for lane in range(width):
        inside = low <= lane <= high
        if lane == place.lane:
            sign = "●"
        elif lane in place.ending:
            sign = "╰" if lane == low else "╯" if lane == high else "┴"
        elif lane in place.going:
            sign = "├" if lane == low else "┤" if lane == high else "┼"
        elif lane in place.passing:
            sign = "┼" if inside else "│"
        else:
            sign = "─" if inside else " "
        line += sign + ("─" if low <= lane < high else " ")
    return line
