"""Known data sets by their pictures: a few of each are recognised by their pixels, whatever files are called.

recognised.json keeps marks of each set's test pictures: the beginning of a hash of their decoded pixels. Only those
are kept whose hash can be divided by `one_in`, so that any part of a set, in any order, has its share of them. Nothing
is recognised that was saved with loss, scaled or turned.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..data.decoding import open_image
from ..errors import FovealError
from ..values import Dataset, Item

TABLE = Path(__file__).with_suffix(".json")
LETTERS = 12
"""Hexadecimal digits of a mark: 48 bits, so that two pictures of a million share one once in some hundred times."""
WANTED = 24
"""Marks that are looked for where a set is large: pictures are opened until about so many should be met."""
FEWEST = 4
"""Marks that must be met, at least; of different pictures, as chance meets none."""
PIXELS = 100e6
"""Pixels that are decoded for one known set at most, by the middle of the pictures' sizes: a second or two."""
BROKEN = 5
"""Pictures that cannot be read, after which no further are tried: the data lie elsewhere by now."""


@dataclass(frozen=True)
class Marks:
    """What is kept of a known data set. `cover` is the share of its test pictures that were there to be marked."""

    key: str
    one_in: int
    cover: float
    sides: tuple[int, int]
    """The shortest and the longest side in pixels."""
    test: frozenset[str]


@dataclass(frozen=True)
class Seen:
    """How many of the pictures looked at would be marked if they were the known ones, and how many are.

    `share` is that of known test pictures among those looked at, at most 1."""

    looked: int
    expected: float
    met: int

    @property
    def share(self) -> float:
        return min(1.0, self.met / self.expected) if self.expected else 0.0

    @property
    def known(self) -> bool:
        return self.met >= FEWEST


def mark_of(image: Image.Image) -> str:
    """A picture's mark: the same for the same pixels, in grey or in colours that are grey."""
    rgb = image.convert("RGB")
    return hashlib.sha256(f"{rgb.width} {rgb.height} ".encode() + rgb.tobytes()).hexdigest()[:LETTERS]


def kept(mark: str, one_in: int) -> bool:
    """Whether a mark is of those that are kept."""
    return int(mark, 16) % one_in == 0


@functools.cache
def table() -> Mapping[str, Marks]:
    """The known data sets whose pictures are marked, by the keys of published.json."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    return {
        key: Marks(
            key, row["one_in"], row["cover"], (row["sides"][0], row["sides"][1]), frozenset(row["test"])
        )
        for key, row in rows.items()
    }


def possible(dataset: Dataset, known: Marks) -> bool:
    """Whether there are pictures of such sizes among a data set's, so that any need be opened."""
    facts, (least, most) = dataset.facts, known.sides
    return facts is None or (facts.min_side <= most and least <= facts.max_side)


def seen(dataset: Dataset, known: Marks) -> Seen | None:
    """How much of what judges on a data set (its test split, or all of it where there is none) are the known test
    pictures; None where its pictures cannot be read any more. Opens as many as are needed, spread over all."""
    items = sorted(dataset.part("test") or dataset.items, key=lambda item: item.id)
    wanted = max(WANTED, round(WANTED * known.one_in / known.cover))
    if dataset.facts is not None:
        wanted = max(1, min(wanted, int(PIXELS / (dataset.facts.width * dataset.facts.height))))
    chosen = items[:: max(1, len(items) // wanted)]
    marks = list(_marks(dataset.root, chosen))
    if not marks:
        return None
    some = [mark for mark in marks if kept(mark, known.one_in)]
    return Seen(len(marks), len(some) * known.cover, len(known.test & set(some)))


def _marks(root: str, items: Sequence[Item]) -> Iterator[str]:
    broken = 0
    for item in items:
        try:
            yield mark_of(open_image(root, item, 3))
        except (FovealError, OSError):
            broken += 1
            if broken >= BROKEN:
                return


def row(images: Sequence[Image.Image], whole: int, most: int = 300) -> dict[str, object]:
    """What recognised.json should hold of a known set, of those of its `whole` test pictures that are at hand."""
    one_in = max(1, round(len(images) / most))
    marks = sorted({mark for image in images if kept(mark := mark_of(image), one_in)})
    sides = [side for image in images for side in image.size]
    cover = round(len(images) / whole, 4)
    return {"one_in": one_in, "cover": cover, "sides": [min(sides), max(sides)], "test": marks}
