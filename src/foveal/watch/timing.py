"""What a stretch of work takes, on the processor and on the GPU, where nothing waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

NEIGHBOURS = 15
"""Steps of each kind, the latest, that are held against each other."""
FEWEST = 3
"""Of each kind, before that is done."""


@dataclass(frozen=True)
class Stretch:
    """Seconds on the processor, and the GPU's own marks before and after."""

    seconds: float
    marks: tuple[Any, Any] | None = None


@contextmanager
def timed(device: str, stretches: list[Stretch]) -> Iterator[None]:
    """Note what the block takes."""
    marks = None
    if device.startswith("cuda"):
        import torch

        new = torch.cuda.Event
        marks = new(enable_timing=True), new(enable_timing=True)  # type: ignore[no-untyped-call]
        marks[0].record()
    began = perf_counter()
    yield
    if marks is not None:
        marks[1].record()
    stretches.append(Stretch(perf_counter() - began, marks))


def on_processor(stretches: Sequence[Stretch]) -> float:
    """Seconds that the processor was busy."""
    return sum(stretch.seconds for stretch in stretches)


def beyond(stretches: Sequence[Stretch]) -> float:
    """Seconds by which the GPU took longer than the processor; ask when it has passed all marks."""
    on_gpu: float = sum(s.marks[0].elapsed_time(s.marks[1]) / 1000 for s in stretches if s.marks is not None)
    return max(0.0, on_gpu - on_processor(stretches))


@dataclass
class Slowing:
    """By how much a step itself is slower for being looked at, beyond the looking: hooks are called, memory is other
    than before. Told by the medians of the latest steps of each kind, as single ones are now and then held up."""

    looked: deque[float] = field(default_factory=lambda: deque(maxlen=NEIGHBOURS))
    """Seconds of steps that were looked at, without what looking took."""
    plain: deque[float] = field(default_factory=lambda: deque(maxlen=NEIGHBOURS))
    """Seconds of the others."""
    each: float = 0.0
    """Seconds a look, as far as is known."""
    owed: int = 0
    """Looks whose slowing is not counted yet, as too few of the others were there."""

    def add(self, seconds: float) -> float:
        """A step was looked at; seconds to be counted now, for it and for all that were owed."""
        self.looked.append(seconds)
        self.owed += 1
        return self.due()

    def due(self) -> float:
        """Seconds that are owed, once they can be told."""
        if not self.owed or min(len(self.looked), len(self.plain)) < FEWEST:
            return 0.0
        self.each = max(0.0, median(self.looked) - median(self.plain))
        owed, self.owed = self.owed, 0
        return owed * self.each

    def forget(self) -> None:
        """Other steps begin: what is owed is told by them."""
        self.looked.clear()
        self.plain.clear()
