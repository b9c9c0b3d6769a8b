"""The data of the staged runs: rendered or packaged where it can be, small parts of real sets beside them."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
"""`HW` grey or `HWC` in colours."""
Draw = np.random.Generator
PARTS = ("train", "val", "test")
HOME = "FOVEAL_TEST_DATA"
"""Names the folder of real pictures; what needs it is left out where it is missing."""
COLOURS = {
    "red": (220, 50, 40), "green": (50, 190, 60), "blue": (50, 80, 220), "yellow": (225, 205, 50),
    "cyan": (50, 200, 210), "pink": (225, 70, 200), "white": (235, 235, 235), "orange": (240, 140, 30),
    "violet": (120, 50, 190), "brown": (120, 75, 40),
}  # fmt: skip
SHAPES = ("bars", "columns", "slant", "checks", "ring", "disc", "square", "cross", "triangle", "dots")


@dataclass(frozen=True)
class Pictures:
    """A data set in memory: pictures, what each is labelled as, and its split."""

    images: Sequence[Picture]
    labels: Sequence[str]
    parts: Sequence[str]

    def where(self, part: str) -> list[int]:
        """The places of a split's pictures."""
        return [n for n, own in enumerate(self.parts) if own == part]

    def relabelled(self, labels: Sequence[str]) -> Pictures:
        return replace(self, labels=list(labels))

    def redrawn(self, change: Callable[[int, Picture], Picture], *parts: str) -> Pictures:
        """With `change(place, picture)` in place of the pictures of `parts`."""
        wanted = parts or PARTS
        images = [change(n, p) if self.parts[n] in wanted else p for n, p in enumerate(self.images)]
        return replace(self, images=images)

    def chosen(self, places: Sequence[int]) -> Pictures:
        """Only these, in this order; a place may come twice."""
        return Pictures(
            [self.images[n] for n in places],
            [self.labels[n] for n in places],
            [self.parts[n] for n in places],
        )

    def write(self, folder: Path) -> Path:
        """As PNG files with a table of path, label and split, which is given back."""
        table = folder / "table.csv"
        if table.exists():
            return table
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        rows = [("path", "label", "split")]
        for n, (image, label, part) in enumerate(zip(self.images, self.labels, self.parts, strict=True)):
            path = f"pictures/{n:05d}.png"
            Image.fromarray(image).save(folder / path, compress_level=1)
            rows.append((path, label, part))
        part_written = folder / "table.part"
        with part_written.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
        part_written.replace(table)
        return table


def parted(
    images: Sequence[Picture], labels: Sequence[str], counts: tuple[int, int, int], seed: int
) -> Pictures:
    """A drawn part of these: so many to train, validate and test on."""
    order = np.random.default_rng(seed).permutation(len(images))[: sum(counts)].tolist()
    parts = [part for part, count in zip(PARTS, counts, strict=True) for _ in range(count)]
    return Pictures([images[n] for n in order], [labels[n] for n in order], parts)


# --- packaged ---


def digits(counts: tuple[int, int, int] = (600, 250, 800), seed: int = 0) -> Pictures:
    """scikit-learn's handwritten digits, 8 px, grey."""
    from sklearn.datasets import load_digits

    shades, classes = load_digits(return_X_y=True)
    images = np.rint(shades.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return parted(list(images), [str(c) for c in classes], counts, seed)


def pairs(counts: tuple[int, int, int] = (1500, 400, 800), seed: int = 0) -> Pictures:
    """A hundred classes: two digits above each other, 16 px, grey."""
    single = digits((900, 300, 597), seed)
    draw = np.random.default_rng(seed)
    images, labels, parts = [], [], []
    for part, count in zip(PARTS, counts, strict=True):
        there = single.where(part)
        for _ in range(count):
            above, below = draw.choice(there, 2).tolist()
            canvas = np.zeros((16, 16), np.uint8)
            for place, row in ((above, 0), (below, 8)):
                left = int(draw.integers(9))
                canvas[row : row + 8, left : left + 8] = single.images[place]
            images.append(canvas)
            labels.append(single.labels[above] + single.labels[below])
            parts.append(part)
    return Pictures(images, labels, parts)


# --- rendered ---


def shape(kind: str, side: int, draw: Draw) -> NDArray[np.float64]:
    """How much of each pixel `HW` a shape covers, 0..1, at a drawn place and size."""
    y, x = np.mgrid[:side, :side].astype(float)
    cx, cy = draw.uniform(0.38, 0.62, 2) * side
    r, period = draw.uniform(0.26, 0.38) * side, draw.uniform(3.5, 4.5)
    dx, dy = x - cx, y - cy
    away = np.hypot(dx, dy)
    inside = np.maximum(abs(dx), abs(dy)) < r
    covers = {
        "bars": inside & (dy % period < period / 2),
        "columns": inside & (dx % period < period / 2),
        "slant": inside & ((dx + dy) % (period * 1.4) < period * 0.7),
        "checks": inside & ((dx % period < period / 2) ^ (dy % period < period / 2)),
        "ring": (away < r) & (away > 0.55 * r),
        "disc": away < 0.85 * r,
        "square": np.maximum(abs(dx), abs(dy)) < 0.75 * r,
        "cross": inside & (np.minimum(abs(dx), abs(dy)) < 0.28 * r),
        "triangle": (dy < 0.7 * r) & (dy > -r + 2 * abs(dx)),
        "dots": inside & (dx % period < period / 2.2) & (dy % period < period / 2.2),
    }
    made: NDArray[np.float64] = covers[kind].astype(float)
    return made


def painted(
    cover: NDArray[np.float64], ink: Sequence[float], paper: Sequence[float], noise: float, draw: Draw
) -> Picture:
    """A shape of one colour on another, in noise; `HWC`."""
    flat = cover[..., None] * np.asarray(ink, float) + (1 - cover[..., None]) * np.asarray(paper, float)
    made: Picture = (flat + draw.normal(0, noise, flat.shape)).clip(0, 255).astype(np.uint8)
    return made


def patterns(
    counts: tuple[int, int, int] = (700, 250, 700), seed: int = 0, side: int = 16, noise: float = 20.0
) -> Pictures:
    """Ten shapes in any colour on any other; 16 px."""
    draw, inks = np.random.default_rng(seed), list(COLOURS.values())
    images, labels = [], []
    for n in range(sum(counts)):
        kind = SHAPES[n % len(SHAPES)]
        ink, paper = (inks[i] for i in draw.choice(len(inks), 2, replace=False))
        images.append(painted(shape(kind, side, draw), ink, [0.45 * v for v in paper], noise, draw))
        labels.append(kind)
    return parted(images, labels, counts, seed)


def hard_patterns(counts: tuple[int, int, int] = (500, 250, 600), seed: int = 1) -> Pictures:
    """The same in so much noise that not all can be told."""
    return patterns(counts, seed, noise=45.0)


def hues(
    counts: tuple[int, int, int] = (800, 250, 700),
    seed: int = 0,
    shapes: int = 4,
    colours: int = 6,
    side: int = 12,
) -> Pictures:
    """A class is a shape in a colour (24 of them, or 100), on dark; 12 px."""
    draw, inks = np.random.default_rng(seed), list(COLOURS)[:colours]
    kinds = ("disc", "cross", "bars", "columns", "ring", "square", "checks", "slant", "triangle", "dots")[
        :shapes
    ]
    images, labels = [], []
    for n in range(sum(counts)):
        kind, ink = kinds[n % shapes], inks[n // shapes % colours]
        colour = [v * draw.uniform(0.85, 1.05) for v in COLOURS[ink]]
        images.append(painted(shape(kind, side, draw), colour, draw.uniform(0, 60, 3).tolist(), 18, draw))
        labels.append(f"{ink} {kind}")
    return parted(images, labels, counts, seed)


def hundred(seed: int = 0) -> Pictures:
    """A hundred classes: ten shapes in ten colours; 16 px."""
    return hues((2000, 400, 800), seed, 10, 10, 16)


def arrows(counts: tuple[int, int, int] = (500, 200, 600), seed: int = 0) -> Pictures:
    """Four directions that an arrow may point to; 14 px, grey."""
    draw, side = np.random.default_rng(seed), 14
    images, labels = [], []
    for n in range(sum(counts)):
        y, x = np.mgrid[:side, :side].astype(float)
        cx, cy = draw.uniform(0.4, 0.6, 2) * side
        length = draw.uniform(3.2, 5.0)
        dx, dy = x - cx, y - cy
        tip = (abs(dy) < (length - dx) * 0.8) & (dx > 0) & (dx < length)
        cover = (tip | ((abs(dy) < 1.0) & (abs(dx) < length))).astype(float)
        turns = n % 4
        cover = np.rot90(cover, turns)
        grey = cover * draw.uniform(140, 240) + draw.normal(40, 28, (side, side))
        images.append(grey.clip(0, 255).astype(np.uint8))
        labels.append(("right", "up", "left", "down")[turns])
    return parted(images, labels, counts, seed)


def letters(counts: tuple[int, int, int] = (600, 250, 700), seed: int = 7) -> Pictures:
    """Twelve capital letters, turned and shifted a little, in noise; 18 px, grey."""
    draw, side = np.random.default_rng(seed), 18
    images, labels = [], []
    for n in range(sum(counts)):
        letter = "ABCDEFGHKLRS"[n % 12]
        canvas = Image.new("L", (side, side), 0)
        font = ImageFont.load_default(float(draw.uniform(12, 15)))
        at = (float(draw.uniform(3, 6)), float(draw.uniform(-1, 2)))
        ImageDraw.Draw(canvas).text(at, letter, fill=int(draw.integers(150, 255)), font=font)
        turned = np.asarray(canvas.rotate(float(draw.uniform(-14, 14)), Image.Resampling.BILINEAR), float)
        images.append((turned + draw.normal(30, 18, (side, side))).clip(0, 255).astype(np.uint8))
        labels.append(letter)
    return parted(images, labels, counts, seed)


def bars(counts: tuple[int, int, int] = (500, 150, 300), seed: int = 0) -> Pictures:
    """A number a picture: the angle of a bar, -45 to 45 degrees; 16 px, grey."""
    draw, side = np.random.default_rng(seed), 16
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    images, labels = [], []
    for _ in range(sum(counts)):
        angle = draw.uniform(-45, 45)
        across = abs(np.cos(np.radians(angle)) * y + np.sin(np.radians(angle)) * x + draw.uniform(-2, 2))
        made = 200.0 * (across < 1.6) + draw.normal(30, 20, (side, side))
        images.append(made.clip(0, 255).astype(np.uint8))
        labels.append(f"{angle:.3f}")
    return parted(images, labels, counts, seed)


def several(counts: tuple[int, int, int] = (600, 200, 400), seed: int = 0) -> Pictures:
    """Some of four shapes a picture, each in its corner or not there; 20 px, in colours."""
    draw, kinds, inks = np.random.default_rng(seed), ("disc", "cross", "bars", "ring"), list(COLOURS.values())
    images, labels = [], []
    for _ in range(sum(counts)):
        canvas = draw.normal(35, 15, (20, 20, 3))
        there = [kind for kind in kinds if draw.random() < 0.5] or ["disc"]
        for kind, (row, column) in zip(
            there, draw.permutation([(0, 0), (0, 10), (10, 0), (10, 10)]), strict=False
        ):
            cover = shape(kind, 10, draw)[..., None]
            ink = np.asarray(inks[int(draw.integers(len(inks)))], float)
            patch = canvas[row : row + 10, column : column + 10]
            canvas[row : row + 10, column : column + 10] = patch * (1 - cover) + ink * cover
        images.append(canvas.clip(0, 255).astype(np.uint8))
        labels.append("|".join(there))
    return parted(images, labels, counts, seed)


# --- real ---


def real(name: str) -> Path:
    """The folder of a real data set.

    Raises:
        FileNotFoundError: it is not here.
    """
    place = Path(os.environ.get(HOME, ""), name)
    if not os.environ.get(HOME) or not place.is_dir():
        raise FileNotFoundError(f"{name} is not here: {HOME} names the folder that holds it")
    return place


def _some(
    folder: Path, each: int, side: int, skip: int = 0, mode: str = "RGB"
) -> tuple[list[Picture], list[str]]:
    """The first pictures of each class folder, `side` pixels square."""
    images, labels = [], []
    for home in sorted(p for p in folder.iterdir() if p.is_dir()):
        files = sorted(p for p in home.iterdir() if p.suffix in (".png", ".jpg"))[skip : skip + each]
        for file in files:
            with Image.open(file) as opened:
                opened.draft(mode, (side, side))
                images.append(np.asarray(opened.convert(mode).resize((side, side), Image.Resampling.BICUBIC)))
            labels.append(home.name)
    return images, labels


def fashion(counts: tuple[int, int, int] = (900, 300, 700), seed: int = 0) -> Pictures:
    """A part of Fashion-MNIST, 28 px, grey."""
    images, labels = _some(real("fashion_mnist") / "train", -(-sum(counts) // 10) + 20, 28, mode="L")
    return parted(images, labels, counts, seed)


def flowers(counts: tuple[int, int, int] = (300, 150, 400), seed: int = 0) -> Pictures:
    """A part of the five kinds of flowers, 64 px, in colours."""
    images, labels = _some(real("flowers5_small"), -(-sum(counts) // 5) + 10, 64)
    return parted(images, labels, counts, seed)


def cifar(counts: tuple[int, int, int] = (1000, 300, 700), seed: int = 0) -> Pictures:
    """A part of CIFAR-10 (of its test pictures, which are stored without loss), five of its classes, 32 px."""
    images, labels = list[Picture](), list[str]()
    for name in ("airplane", "automobile", "frog", "horse", "ship"):
        sheet = np.asarray(Image.open(real("cifar10") / f"mosaics/test_{name}.webp").convert("RGB"))
        grid = sheet.reshape(len(sheet) // 32, 32, -1, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
        each = math.ceil(sum(counts) / 5)
        images += list(grid[:each])
        labels += [name] * each
    return parted(images, labels, counts, seed)


DATA: dict[str, Callable[[], Pictures]] = {
    "digits": digits, "pairs": pairs, "patterns": patterns, "hard-patterns": hard_patterns, "hues": hues,
    "hundred": hundred, "arrows": arrows, "letters": letters, "bars": bars, "several": several,
    "fashion": fashion, "flowers": flowers, "cifar": cifar,
}  # fmt: skip
