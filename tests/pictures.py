"""Pictures drawn for tests: folders of coloured shapes, and one of every odd kind."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle", "cross", "ring", "bar", "diamond", "dots")
_COLOURS = ((220, 50, 40), (40, 160, 60), (50, 80, 210), (230, 180, 30), (150, 60, 180), (30, 170, 180))


def shape(kind: int, size: int = 32, seed: int = 0) -> Image.Image:
    """A noisy RGB picture of one shape, in its colour, somewhere near the middle."""
    draw = np.random.default_rng([kind, size, seed])
    ground = draw.integers(0, 60, (size, size, 3), dtype=np.uint8) + draw.integers(0, 120, dtype=np.uint8)
    image = Image.fromarray(ground)
    pen = ImageDraw.Draw(image)
    middle = size / 2 + draw.uniform(-size / 10, size / 10, 2)
    half = size * draw.uniform(0.22, 0.34)
    (left, top), (right, bottom) = middle - half, middle + half
    x, y = middle
    fill = tuple(int(np.clip(c + draw.integers(-20, 21), 0, 255)) for c in _COLOURS[kind % len(_COLOURS)])
    what = SHAPES[kind % len(SHAPES)]
    if what == "circle":
        pen.ellipse((left, top, right, bottom), fill)
    elif what == "square":
        pen.rectangle((left, top, right, bottom), fill)
    elif what == "triangle":
        pen.polygon([(x, top), (right, bottom), (left, bottom)], fill)
    elif what == "cross":
        pen.line((left, y, right, y), fill, max(1, size // 8))
        pen.line((x, top, x, bottom), fill, max(1, size // 8))
    elif what == "ring":
        pen.ellipse((left, top, right, bottom), None, fill, max(1, size // 10))
    elif what == "bar":
        pen.rectangle((left, y - half / 4, right, y + half / 4), fill)
    elif what == "diamond":
        pen.polygon([(x, top), (right, y), (x, bottom), (left, y)], fill)
    else:
        for dx in (-1, 1):
            for dy in (-1, 1):
                r = half / 3
                cx, cy = x + dx * half / 2, y + dy * half / 2
                pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill)
    return image


def class_name(kind: int) -> str:
    """`circle`, `square`, ...; numbered from the ninth on."""
    round_, place = divmod(kind, len(SHAPES))
    return SHAPES[place] + (str(round_ + 1) if round_ else "")


def class_folder(root: Path, classes: int = 3, each: int = 10, size: int = 32, seed: int = 0) -> Path:
    """Draws `each` PNGs of every class into ROOT/CLASS/000.png; returns ROOT."""
    for kind in range(classes):
        folder = root / class_name(kind)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(each):
            shape(kind, size, seed * 100_003 + number).save(folder / f"{number:03d}.png")
    return root


def split_folder(
    root: Path, classes: int = 3, train: int = 8, val: int = 4, test: int = 4, size: int = 32
) -> Path:
    """ROOT/train/CLASS/000.png, and val and test; a split of 0 pictures has no folder."""
    for place, (part, each) in enumerate({"train": train, "val": val, "test": test}.items()):
        if each:
            class_folder(root / part, classes, each, size, seed=place + 1)
    return root


def write_idx(path: Path, values: np.ndarray) -> Path:
    """An IDX file of bytes, as MNIST ships them; gzipped where the name says so."""
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    data = head + values.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def bomb(path: Path, width: int = 20_000, height: int = 20_000) -> Path:
    """A small PNG whose header promises many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    return path


def unreadable(folder: Path) -> dict[str, str]:
    """Writes one picture of every unreadable kind; file name -> the kind of error."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "whole.tmp"
    shape(0, 64).save(whole, "JPEG", quality=95)
    data = whole.read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    shape(0, 64).save(whole, "PNG")
    data = whole.read_bytes()
    whole.unlink()
    (folder / "cut.png").write_bytes(data[: len(data) // 2])
    (folder / "head.png").write_bytes(data[:20])
    (folder / "none.jpg").write_bytes(b"")
    (folder / "page.jpg").write_text("<!DOCTYPE html><title>404</title>")
    (folder / "text.png").write_text("not a picture")
    bomb(folder / "bomb.png")
    kinds = {
        "cut.jpg": "truncated",
        "cut.png": "truncated",
        "head.png": "truncated",
        "none.jpg": "empty",
        "page.jpg": "not-an-image",
        "text.png": "not-an-image",
        "bomb.png": "too-large",
    }
    try:
        (folder / "link.jpg").symlink_to(folder / "gone.jpg")
        kinds["link.jpg"] = "missing"
    except OSError:  # Windows without the right to make links
        pass
    return kinds


def odd(folder: Path) -> dict[str, set[str]]:
    """Writes one picture of every odd but readable kind; file name -> notes."""
    folder.mkdir(parents=True, exist_ok=True)
    image = shape(1, 40)
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    image.quantize(16).save(folder / "palette.png")
    seen_through = image.convert("RGBA")
    seen_through.putalpha(Image.linear_gradient("L").resize(image.size))
    seen_through.save(folder / "alpha.png")
    image.convert("1").save(folder / "bits.png")
    image.convert("L").save(folder / "grey.png")
    ramp = np.linspace(0, 65535, 40 * 40).reshape(40, 40)
    Image.fromarray(ramp.astype(np.uint16)).save(folder / "deep.png")
    Image.fromarray((ramp / 65535).astype(np.float32)).save(folder / "float.tif")
    frames = [image, shape(2, 40)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:], duration=50)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "turned.jpg", exif=exif, quality=95)
    image.save(folder / "really_png.jpg", "PNG")
    return {
        "cmyk.jpg": {"cmyk"},
        "palette.png": {"palette"},
        "alpha.png": {"alpha"},
        "bits.png": set(),
        "grey.png": set(),
        "deep.png": {"16-bit"},
        "float.tif": {"float"},
        "moving.gif": {"animated", "palette"},
        "turned.jpg": {"exif-orientation"},
        "really_png.jpg": {"wrong-extension"},
    }
