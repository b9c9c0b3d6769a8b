"""Pictures to measure with: drawn ones in the form of photographs, and cuts from real ones.

A drawn photograph has structure at all scales and some grain, and as a JPEG of quality 90 about as many
bytes as a real one of its size, so that decoding it costs what decoding costs. It shows nothing.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

Rows = list[tuple[str, str, str]]
"""Path, label and part of every picture."""


def drawn(width: int, height: int, seed: int) -> Image.Image:
    """A picture of blobs at all scales."""
    draw = np.random.default_rng(seed)
    whole = np.zeros((height, width, 3), np.float32)
    for scale in (4, 16, 64, 200):
        rough = draw.integers(0, 256, (scale, scale, 3), dtype=np.uint8)
        smooth = Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)
        whole += np.asarray(smooth, np.float32) * (0.5 / scale**0.5)
    whole += draw.normal(0, 2, whole.shape)
    return Image.fromarray(np.clip(whole * (255 / whole.max()), 0, 255).astype(np.uint8))


def synthetic(folder: Path, count: int, side: int = 500, classes: int = 5, val: int = 0) -> Rows:
    """`count` training pictures (and `val` more) as JPEG files in `PART/CLASS/` folders; 64 different
    ones are drawn, and each file of the rest carries a comment of its own, so that no two are equal."""
    rows: Rows = []
    bases: list[bytes] = []
    for n in range(count + val):
        part, label = ("train" if n < count else "val"), f"class{n % classes}"
        file = folder / part / label / f"{n:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        if len(bases) < 64:
            drawn(side, side * 3 // 4, n).save(file, quality=90)
            bases.append(file.read_bytes())
        text = f"{n:08d}".encode()
        comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
        base = bases[n % len(bases)]
        file.write_bytes(base[:2] + comment + base[2:])
        rows.append((str(file), label, part))
    return rows


def written(rows: Rows, folder: Path) -> tuple[Path, Path]:
    """The pictures as a table that `foveal train` reads, and as the JSON that peers read."""
    table, listed = folder / "pictures.csv", folder / "pictures.json"
    with table.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "label", "split"), *rows])
    listed.write_text(json.dumps(rows), encoding="utf-8")
    return table, listed


@dataclass(frozen=True)
class Photograph:
    """A real photograph in all the files that show it."""

    label: str
    files: tuple[Path, ...]


def label_of(file: Path) -> str:
    """The class folder's name, in the singular where sets differ (roses, rose)."""
    return file.parent.name.rstrip("s")


def photographs(folders: Sequence[Path]) -> list[list[Photograph]]:
    """The distinct photographs of each folder; one that is in several belongs to the first.

    Files are the same photograph when their names begin with the same number (Flickr's) or their
    contents are equal; one that bears two labels is left out.
    """
    groups: dict[str, list[Path]] = {}
    by_content: dict[str, str] = {}
    first: dict[str, int] = {}
    for place, folder in enumerate(folders):
        for file in sorted(p for p in folder.glob("*/*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            key = by_content.setdefault(digest, file.stem.split("_")[0])
            groups.setdefault(key, []).append(file)
            first.setdefault(key, place)
    found: list[list[Photograph]] = [[] for _ in folders]
    for key, files in groups.items():
        labels = {label_of(file) for file in files}
        if len(labels) == 1:
            found[first[key]].append(Photograph(labels.pop(), tuple(files)))
    return found


def cut(
    folders: Sequence[Path], to: Path, train: int, val: int, side: int = 500, seed: int = 0
) -> tuple[Rows, str]:
    """`train` and `val` pictures with a longer side of `side`, each another crop, and how they were made.

    Every folder gives the same share. A fifth of its photographs is kept for validation, before
    anything is cut, so that no photograph is on both sides. Where photographs are fewer than
    pictures, several crops of one are taken.
    """
    draw = np.random.default_rng(seed)
    rows, told = [], []
    for place, (folder, found) in enumerate(zip(folders, photographs(folders), strict=True)):
        by_label: dict[str, list[Photograph]] = defaultdict(list)
        for n in draw.permutation(len(found)):
            by_label[found[n].label].append(found[n])
        sides: dict[str, list[Photograph]] = {"train": [], "val": []}
        for here in by_label.values():
            kept = max(1, len(here) // 5)
            sides["val"] += here[:kept]
            sides["train"] += here[kept:]
        for part, wanted in (("train", train), ("val", val)):
            share = wanted // len(folders) + (place < wanted % len(folders))
            chosen = sides[part]
            order = draw.permutation(len(chosen))
            for n in range(share):
                source = chosen[order[n % len(chosen)]]
                file = to / part / source.label / f"{place}-{n:05d}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                _crop(source.files[0], side, draw).save(file, quality=90)
                rows.append((str(file), source.label, part))
            told.append(
                f"{share} {part} pictures from {min(share, len(chosen))} photographs of {folder.name}"
            )
    return rows, "; ".join(told)


def _crop(file: Path, side: int, draw: np.random.Generator) -> Image.Image:
    """A random crop of 70 to 98 % of the sides, its longer one resized to `side`."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    scale = draw.uniform(0.7, 0.98)
    width, height = int(image.width * scale), int(image.height * scale)
    x, y = int(draw.integers(0, image.width - width + 1)), int(draw.integers(0, image.height - height + 1))
    by = side / max(width, height)
    to = (round(width * by), round(height * by))
    return image.crop((x, y, x + width, y + height)).resize(to, Image.Resampling.LANCZOS)
