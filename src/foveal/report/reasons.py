"""Why the worst mistakes were made: the maps that lie in the run's folder."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..errors import FovealError
from ..explaining.mistakes import Why, kept
from ..records.gathered import Gathered
from .thumbs import Level


@dataclass(frozen=True)
class Reason:
    """A mistake's maps as a data URI, and what is said of them."""

    chosen: str
    src: str
    width: int
    height: int
    alt: str
    says: tuple[str, ...]


def reasons(g: Gathered, level: Level) -> list[Reason]:
    """The explained mistakes; none where there is no room for pictures, or nothing was explained."""
    if level.cell == 0:
        return []
    try:
        rows = kept(g.folder) or ()
        return [_reason(g, one) for one in rows]
    except (FovealError, OSError, TypeError, ValueError, KeyError):
        return []


def _reason(g: Gathered, why: Why) -> Reason:
    data = (g.folder / "pictures" / Path(why.file).name).read_bytes()
    with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
    code = "data:image/webp;base64," + base64.b64encode(data).decode("ascii")
    return Reason(why.chosen, code, width, height, why.alt, why.says)
