"""Any picture file becomes 8-bit grey, RGB or RGBA, as a person would see it, or a PictureError.

Three hazards are met here and nowhere else: `Image.open` ignores the EXIF orientation, `convert`
clips 16-bit values, and a small file can decode to gigabytes (the header is checked first).
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from ..errors import DataError, PictureError
from ..values import Item
from . import colours, containers

MAX_PIXELS = 100_000_000
# Raise this when the same file would be judged or shown otherwise than before.
VERSION = 1
# Formats that hold pictures of pixels. Others that Pillow opens start outside programs (EPS) or are drawings.
FORMATS = (
    "JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "TGA", "ICO", "ICNS",
    "PCX", "SGI", "QOI", "DDS", "XBM", "PSD",
)  # fmt: skip
_GUESTS = ("HEIF", "JXL")  # readable where the person's own program has registered them
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_SWAPPING = (5, 6, 7, 8)  # orientations under which width and height change places
_FAMILIES = ({"JPEG", "MPO"}, {"BMP", "DIB"}, {"PPM", "PBM", "PGM", "PNM"}, {"ICO", "BMP", "PNG"})
_READABLE = (
    "JPEG, PNG, GIF, BMP, TIFF, WebP, AVIF and the other formats that Pillow reads, whole and unencrypted."
)
_STARTS = {
    b"<!doctype": "a web page", b"<html": "a web page", b"%pdf": "a PDF", b"pk\x03\x04": "a ZIP archive",
    b"<svg": "an SVG drawing", b"<?xml": "XML or an SVG drawing", b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """What full decoding found. Sides in pixels as displayed; `bytes` of the file or frame.

    `grey`: no pixel has colour, whatever the mode. `notes` are kinds of oddness, sorted: `16-bit`,
    `alpha` (some pixel is not opaque), `animated`, `cmyk`, `exif-orientation`, `float`, `palette`,
    `wrong-extension`.
    """

    sha256: str
    width: int
    height: int
    grey: bool
    bytes: int
    notes: tuple[str, ...] = ()


def open_image(root: str | Path, item: Item, channels: int = 3, shorter: int | None = None) -> Image.Image:
    """An item's picture, decoded and upright: mode L for 1 channel, RGB for 3, RGBA for 4.

    Transparent pictures are laid over white where there is no alpha to keep; deep ones are scaled to 8 bit.
    Where a `shorter` side in pixels suffices, a JPEG is scaled by 1/2, 1/4 or 1/8 while it is decoded (in the
    DCT domain), several times as fast; the side that comes back is at least that long if the file's is.

    Raises:
        PictureError: it cannot be read; `kind` is missing, empty, not-an-image, truncated, too-large
            or unreadable.
        DataError: the container that holds it cannot be read.
    """
    path = os.path.join(root, item.path)
    if item.frame is not None:
        return colours.with_channels(containers.frame(path, item.frame), channels)
    return _open(path, item.id, channels, shorter)


def open_path(path: str | Path, channels: int = 3) -> Image.Image:
    """Any picture file, as `open_image` opens an item's.

    Raises:
        PictureError: it cannot be read.
    """
    return _open(os.fspath(path), str(path), channels)


def look(root: str | Path, item: Item) -> Look:
    """Judges an item's picture by full decoding; the hash is of the file's bytes, or the frame's.

    Raises:
        PictureError: it cannot be read.
        DataError: the container that holds it cannot be read.
    """
    path = os.path.join(root, item.path)
    if item.frame is not None:
        image = containers.frame(path, item.frame)
        values = image.tobytes()
        digest = hashlib.sha256(f"{image.mode} {image.size}".encode() + values).hexdigest()
        return Look(digest, image.width, image.height, colours.is_grey(image), len(values))
    with _file(path, item.id) as (file, size):
        data = file.read()
    digest = hashlib.sha256(data).hexdigest()
    image, notes = _decoded(io.BytesIO(data), path, item.id)
    with _silent(), _refusing(item.id):
        grey = colours.is_grey(image)
        if colours.is_see_through(image):
            notes.add("alpha")
    return Look(digest, image.width, image.height, grey, size, tuple(sorted(notes)))


def sides(path: str | Path) -> tuple[int, int] | None:
    """Width and height of the upright picture by its file's head alone; None where that cannot be read."""
    name = os.fspath(path)
    try:
        with _file(name, name) as (file, _), _silent(), _refusing(name):
            image = _identified(file, name)
            return (image.height, image.width) if _orientation(image) in _SWAPPING else image.size
    except PictureError:
        return None


def _open(path: str, name: str, channels: int, shorter: int | None = None) -> Image.Image:
    with _file(path, name) as (file, _):
        image, _ = _decoded(file, path, name, shorter)
        with _silent(), _refusing(name):
            return colours.with_channels(image, channels)


@contextmanager
def _file(path: str, name: str) -> Iterator[tuple[BinaryIO, int]]:
    """The open file and its size in bytes."""
    try:
        about = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(about.st_mode):
            what = "a folder" if stat.S_ISDIR(about.st_mode) else "not a file but a device or pipe"
            raise _error("not-an-image", name, f"it is {what} with a picture's name")
        if about.st_size == 0:
            raise _error("empty", name, "the file is empty (0 bytes)")
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            yield file, about.st_size
    except FileNotFoundError:
        if os.path.islink(path):  # noqa: PTH114
            raise _error("missing", name, f"a broken link to {Path(path).readlink()}") from None
        raise _error("missing", name, "there is no such file") from None
    except (OSError, ValueError) as error:  # no permission, a name too long, a null byte, a disk that fails
        said = error.strerror if isinstance(error, OSError) else None
        raise _error("unreadable", name, f"the file cannot be opened ({said or error})") from error


def _decoded(
    file: BinaryIO, path: str, name: str, shorter: int | None = None
) -> tuple[Image.Image, set[str]]:
    """The picture in its own mode, upright and whole, and what is odd about it."""
    with _silent():
        with _refusing(name):
            image = _identified(file, name)
        pixels = image.width * image.height
        if pixels > MAX_PIXELS:
            raise _too_large(name, f"{image.width} x {image.height} = {pixels:,} pixels")
        if pixels == 0:
            raise _error("unreadable", name, "it has no pixels")
        notes = _notes(image, path)
        with _refusing(name):
            if shorter is not None and image.format in ("JPEG", "MPO"):
                share = shorter / min(image.size)
                image.draft(None, (math.ceil(image.width * share), math.ceil(image.height * share)))
            image.load()
            colours.note_depth(image, notes)
        turn = _TURN.get(_orientation(image))
        if turn is not None:
            notes.add("exif-orientation")
            # Pillow keeps a transparent colour or palette in `info` through the turn.
            return image.transpose(turn), notes
        return image, notes


def _identified(file: BinaryIO, name: str) -> ImageFile.ImageFile:
    Image.init()
    known = tuple(name for name in FORMATS + _GUESTS if name in Image.OPEN)
    try:
        return Image.open(file, formats=known)
    except UnidentifiedImageError:
        file.seek(0)
        start = file.read(32)
        if start.lstrip(b"\xef\xbb\xbf \n\r\t") == b"" or not starts_as_picture(start):
            what = next((w for s, w in _STARTS.items() if start.lstrip().lower().startswith(s)), None)
            if start[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
                raise _error(
                    "unreadable", name, "it is a HEIC picture, which Pillow alone does not read"
                ) from None
            raise _error("not-an-image", name, f"it is {what or 'no picture'} by its content") from None
        raise _error(
            "truncated", name, "it starts like a picture, but its header is damaged or cut off"
        ) from None


def starts_as_picture(start: bytes) -> bool:
    """Whether a file's first 32 bytes are those of a common picture format."""
    return start.startswith(
        (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"\0\0\0\x0cjP")
    ) or start[4:12] in (b"ftypavif", b"ftypavis")


def _notes(image: ImageFile.ImageFile, path: str) -> set[str]:
    """What can be told before the pixels are decoded."""
    notes: set[str] = set()
    if image.mode == "CMYK":
        notes.add("cmyk")
    if image.mode in ("P", "PA"):
        notes.add("palette")
    if image.mode in ("RGB", "RGBA", "LA") and any(";16" in str(tile[3]) for tile in image.tile):
        notes.add("16-bit")
    if getattr(image, "is_animated", False) and image.format in ("GIF", "PNG", "WEBP", "AVIF"):
        notes.add("animated")
    if is_mislabelled(os.path.splitext(path)[1], image.format or ""):  # noqa: PTH122
        notes.add("wrong-extension")
    return notes


def is_mislabelled(suffix: str, found: str) -> bool:
    """Whether a file's suffix promises another format than the one found in it."""
    told = Image.registered_extensions().get(suffix.lower())
    return told not in (None, found) and not any({told, found} <= family for family in _FAMILIES)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or its block is damaged."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # Pillow's parsers raise anything on a damaged block, which harms no pixel
        return 1


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turns whatever a decoder raises on a damaged file into a PictureError."""
    try:
        yield
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\d+", str(error))
        raise _too_large(name, f"{int(pixels[0]):,} pixels" if pixels else "too many pixels") from None
    except MemoryError:
        raise _too_large(name, "more memory needed than there is") from None
    except Exception as error:  # decoders raise SyntaxError, struct.error, IndexError... on damaged files
        said = str(error) or type(error).__name__
        low = said.lower()
        cut = (
            "truncated",
            "unexpected end",
            "premature",
            "not enough",
            "incomplete",
            "broken png",
            "unrecognized data",
        )
        if isinstance(error, EOFError) or any(word in low for word in cut):
            raise _error("truncated", name, f"the file is cut short or damaged ({said})") from error
        raise _error("unreadable", name, f"decoding failed ({said})") from error


def _error(kind: str, name: str, why: str) -> PictureError:
    todo = {
        "missing": "Put the file there, or take it out of the list.",
        "not-an-image": "Remove it, or put the picture itself in its place.",
        "unreadable": "Save it as JPEG or PNG with a picture viewer, or remove it.",
    }
    return PictureError(
        kind, f"{name}: {why}.", _READABLE, todo.get(kind, "Copy or download it again, or remove it.")
    )


def _too_large(name: str, size: str) -> PictureError:
    return PictureError(
        "too-large",
        f"{name}: {size}, by its header.",
        f"At most {MAX_PIXELS:,} pixels a picture.",
        "Cut it into tiles or scale it down.",
    )


_here = threading.local()


class _WhileDecoding:
    """Matches any text, but only in a thread that decodes just now.

    As the message of a warnings filter it silences Pillow where we judge the file ourselves.
    `warnings.catch_warnings` would do so for all threads, and undo what others have set since.
    """

    pattern = r"(?!)"
    """For those who copy filters as text, as scikit-learn does: what matches nothing."""

    def match(self, text: str) -> bool:
        return getattr(_here, "depth", 0) > 0


_FILTER: Any = ("ignore", _WhileDecoding(), Warning, None, 0)


@contextmanager
def _silent() -> Iterator[None]:
    if all(
        known is not _FILTER for known in warnings.filters
    ):  # pytest and catch_warnings put other lists in its place
        warnings.filters.insert(0, _FILTER)  # type: ignore[attr-defined]
    _here.depth = getattr(_here, "depth", 0) + 1
    try:
        yield
    finally:
        _here.depth -= 1
