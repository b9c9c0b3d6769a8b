"""Words on pictures: fonts, their widths, and words cut short where they are too wide."""

from __future__ import annotations

import bisect
import functools
import unicodedata
from typing import Any

from PIL import ImageDraw, ImageFont

PAPER, INK, FAINT, LINE = (250, 250, 247), (28, 30, 33), (96, 101, 107), (218, 218, 212)
FONTS = ("NotoSansCJK-Regular.ttc", "msyh.ttc", "Arial Unicode.ttf", "DejaVuSans.ttf", "seguisym.ttf")


def write(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: tuple[int, ...] = INK,
    anchor: str = "la",
) -> None:
    """Draw words; `at` is their upper left corner in pixels, or what Pillow's `anchor` says."""
    pen.text(at, _plain(text), fill=colour, font=font(text, size), anchor=anchor)


def width(text: str, size: int) -> int:
    """How wide words are, in pixels."""
    return int(font(text, size).getlength(_plain(text))) + 1


def cut(text: str, size: int, most: int) -> str:
    """The words, shortened where they are wider than `most` pixels."""
    if width(text, size) <= most:
        return text
    fits = bisect.bisect(range(len(text)), most, key=lambda length: width(text[:length] + "...", size))
    return text[: max(fits - 1, 0)].rstrip() + "..."


def wrapped(text: str, size: int, most: int) -> list[str]:
    """The words in lines of at most `most` pixels; a single word that is wider is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and width(f"{lines[-1]} {word}", size) <= most:
            lines[-1] += f" {word}"
        else:
            lines.append(cut(word, size, most))
    return lines


def _plain(text: str) -> str:
    """Without line ends and other control characters, which cannot be drawn."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)


def font(text: str, size: int) -> Any:
    """Pillow's own font; for other scripts the first of the system's that is there."""
    return _font(all(ord(char) < 0x250 for char in text), size)


@functools.cache
def _font(latin: bool, size: int) -> Any:
    for name in () if latin else FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
