"""What a stretch of work takes, on the processor and on the GPU, where nothing waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any


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
