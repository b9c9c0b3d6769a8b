"""A network on a processor: pieces of a batch that its cache holds, several side by side, each on threads of its own.

Threads that share every layer of a large batch wait for each other at each, and for memory. Measured on two
cores (AMD EPYC, 224 px, pictures a second, a batch of 32 by both cores together and in pieces side by side):
EfficientNet-Lite0 57 and 111 in fp32, 123 and 209 in bf16; ResNet-18 50 and 56, 93 and 109.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch
from torch import Tensor

PIXELS = 4 * 224**2
"""Pixels of a piece in fp32; twice as many where a number has half the bytes."""
CREWS = 4
"""Most pieces at a time: more would queue for the interpreter between their layers."""

Given = TypeVar("Given")
Made = TypeVar("Made")


class SideBySide(Protocol):
    """Like `map`, but all at once: results in order, the first error raised."""

    def __call__(self, work: Callable[[Given], Made], parts: Sequence[Given], /) -> list[Made]: ...


def pieces_of(images: Tensor, device: str, precision: str = "fp32") -> int:
    """Into how many pieces `BCHW` is best cut for a forward pass on the device: one, if that is no processor."""
    if device != "cpu" or images.dim() != 4:
        return 1
    pixels = PIXELS if precision == "fp32" else 2 * PIXELS
    most = max(1, pixels // (images.shape[-2] * images.shape[-1]))
    return -(-len(images) // most)


@contextmanager
def side_by_side() -> Iterator[SideBySide]:
    """Inside, several pieces are worked on at a time; torch's number of threads is shared out among them, and
    is afterwards what it was. Modes such as `no_grad` and autocast belong to a thread: enter them in `work`."""
    threads = torch.get_num_threads()
    crews = min(threads, CREWS)
    if crews == 1:
        yield lambda work, parts: [work(part) for part in parts]
        return
    pool = ThreadPoolExecutor(
        crews, "foveal-pieces", initializer=lambda: torch.set_num_threads(threads // crews)
    )

    def run(work: Callable[[Given], Made], parts: Sequence[Given]) -> list[Made]:
        return [work(part) for part in parts] if len(parts) < 2 else list(pool.map(work, parts))

    try:
        yield run
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # the pool's number is told to threads to come as well
