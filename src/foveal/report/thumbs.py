"""Pictures made small enough to travel inside the page: WebP, without EXIF, read once."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from ..data.decoding import open_image
from ..errors import FovealError
from ..values import Dataset, Item

LARGEST = 160


@dataclass(frozen=True)
class Level:
    """How many pictures a page shows, and how large: sides in pixels, the rest in pictures."""

    side: int
    quality: int
    cell: int
    cells: int
    mistakes: int
    samples: int
    sheet: int
    script: bool = True


LEVELS = (
    Level(144, 76, 24, 400, 12, 6, 6),
    Level(112, 70, 16, 240, 12, 5, 6),
    Level(96, 62, 10, 150, 12, 4, 5),
    Level(80, 50, 6, 90, 8, 3, 4),
    Level(64, 40, 3, 40, 6, 1, 3),
    Level(64, 40, 0, 0, 0, 0, 0),
    Level(64, 40, 0, 0, 0, 0, 0, script=False),
)
"""From the richest page to one without pictures; the first that fits under the cap is written."""


@dataclass(frozen=True)
class Shot:
    """A picture on the page: its data URI (empty where it cannot be read), its sides, and what it is."""

    src: str
    width: int
    height: int
    id: str
    why: str = ""

    @property
    def tiny(self) -> bool:
        """Whether it is enlarged on the page, so that its pixels should be seen as such."""
        return max(self.width, self.height) < 48


class Album:
    """Thumbnails of a data set's pictures; each picture is decoded once, whatever is made of it."""

    def __init__(self, dataset: Dataset | None, items: Mapping[str, Item]) -> None:
        self.root = dataset.root if dataset else ""
        self.items = items
        self._seen: dict[str, Image.Image | str] = {}
        self._made: dict[tuple[str, int, int], Shot] = {}

    def shot(self, id: str, level: Level) -> Shot:
        """A picture by its item's id; one that has vanished or is damaged has no `src`, and says why."""
        key = (id, level.side, level.quality)
        if key not in self._made:
            seen = self._small(id)
            if isinstance(seen, str):
                self._made[key] = Shot("", level.side, level.side, id, seen)
            else:
                self._made[key] = shot_of(seen, level, id)
        return self._made[key]

    def _small(self, id: str) -> Image.Image | str:
        if id not in self._seen:
            self._seen[id] = self._read(id)
        return self._seen[id]

    def _read(self, id: str) -> Image.Image | str:
        item = self.items.get(id)
        if item is None:
            return "not in the data"
        try:
            image = open_image(self.root, item)
        except FovealError as error:
            return error.came
        image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
        return image


def shot_of(image: Image.Image, level: Level, id: str = "") -> Shot:
    """Any picture as a thumbnail; pixels only, nothing of what its file told beside them."""
    small = image.convert("RGB")
    if max(small.size) > level.side:
        small.thumbnail((level.side, level.side), Image.Resampling.LANCZOS)
    small.info.clear()
    target = io.BytesIO()
    small.save(target, "WEBP", quality=level.quality, lossless=max(small.size) < 48, method=4, exif=b"")
    code = base64.b64encode(target.getvalue()).decode("ascii")
    return Shot(f"data:image/webp;base64,{code}", small.width, small.height, id)
