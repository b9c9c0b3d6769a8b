"""Predictions as a page: each picture with what was said of it, made ones before and after under a slider."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup
from PIL import Image

from .page import environment, text

SIDE, BOTH_SIDE = 420, 720
"""Pixels of a picture's longer side on the page; of one that stands before and after."""
QUALITY = 80


@dataclass(frozen=True)
class Entry:
    """A picture on the page: its path, what is said of it, the file that a click opens, and what is shown, as data
    URIs: the picture, and for one that was made of another, that one. Without these it is a line with a link."""

    path: str
    words: str
    href: str
    src: str = ""
    before: str = ""
    width: int = 0
    height: int = 0

    @property
    def bytes(self) -> int:
        return len(self.src) + len(self.before)


def entry(
    path: str, words: str, href: str, image: Image.Image | None, before: Image.Image | None = None
) -> Entry:
    """A picture's place on the page. `href` is relative to the page; `before` is what `image` was made of."""
    link = quote(href)
    if image is None:
        return Entry(path, words, link)
    if before is None:
        small = _small(image, SIDE)
        return Entry(path, words, link, _source(small), "", *small.size)
    after = _small(image, BOTH_SIDE)
    first = before.convert("RGB").resize(after.size, Image.Resampling.BICUBIC)
    return Entry(path, words, link, _source(after), _source(first), *after.size)


def _small(image: Image.Image, side: int) -> Image.Image:
    shown = image.convert("RGB")
    share = side / max(shown.size)
    if share >= 1:
        return shown
    size = (max(1, round(shown.width * share)), max(1, round(shown.height * share)))
    return shown.resize(size, Image.Resampling.LANCZOS)


def _source(image: Image.Image) -> str:
    """A picture as a data URI; pixels only."""
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY, method=4, exif=b"")
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def page(entries: Sequence[Entry], title: str) -> str:
    """The page as text, a document of its own."""
    shown = [one for one in entries if one.src]
    return environment().get_template("predicted.html").render(
        title=title, css=Markup(text("style.css")), script=Markup(text("slider.js")), count=len(entries),
        pairs=[one for one in shown if one.before], pictures=[one for one in shown if not one.before],
        listed=[one for one in entries if not one.src],
    )  # fmt: skip
