"""The part of a whole that one of several processes takes."""

from __future__ import annotations

from dataclasses import dataclass

OWN_STREAM = 0x52414E4B  # what a process draws for itself


@dataclass(frozen=True)
class Share:
    """The part of a whole that a process takes: that of number `rank` of `of`.

    With `neighbour` the picture before its first comes along, which blending pairs that with.
    """

    rank: int = 0
    of: int = 1
    neighbour: bool = False

    def span(self, count: int) -> tuple[int, int]:
        """The first of `count` places that are this process's, and the one after its last; spans differ by
        one at most, and the first processes have the longer ones."""
        each, more = divmod(count, self.of)
        first = self.rank * each + min(self.rank, more)
        return first, first + each + (self.rank < more)

    def seats(self, count: int) -> list[int]:
        """The places in a batch of `count` pictures that are this process's, the neighbour's first."""
        first, end = self.span(count)
        return [(first - 1) % count] * self.neighbour + list(range(first, end))


WHOLE = Share()
"""All of it."""
