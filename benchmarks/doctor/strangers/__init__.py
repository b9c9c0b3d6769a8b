"""Cases by strangers, who had read neither the rules nor their tests: a folder for each, with its data and networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeVar

from torch import nn

from ..pictures import Pictures
from ..rows import Control, Fault
from . import fourth, second, third, unseen

Case = TypeVar("Case", Fault, Control)
NAMES = ("unseen", "second", "third", "fourth")
"""In the order in which they came."""


def by(name: str, rows: Iterable[Case]) -> Iterator[Case]:
    """The rows, marked as this stranger's."""
    return (replace(row, stranger=name) for row in rows)


FAULTS: tuple[Fault, ...] = (
    *by("unseen", unseen.FAULTS), *by("second", second.FAULTS), *by("third", third.FAULTS),
    *by("fourth", fourth.FAULTS),
)  # fmt: skip
CONTROLS: tuple[Control, ...] = (
    *by("unseen", unseen.CONTROLS), *by("second", second.CONTROLS), *by("third", third.CONTROLS),
    *by("fourth", fourth.CONTROLS),
)  # fmt: skip
DATA: dict[str, Callable[[], Pictures]] = {**unseen.DATA, **second.DATA, **third.DATA, **fourth.DATA}
NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    **unseen.NETWORKS,
    **second.NETWORKS,
    **third.NETWORKS,
    **fourth.NETWORKS,
}
PATCHES: dict[str, Callable[[], AbstractContextManager[None]]] = {
    **second.PATCHES,
    **third.PATCHES,
    **fourth.PATCHES,
}
