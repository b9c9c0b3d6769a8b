"""Data for a fourth group of cases whose author never saw the rules: drawn signs and places, parts of real sets."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ...pictures import COLOURS, PARTS, Picture, Pictures, _some, parted, real

Draw = np.random.Generator


def _taken(canvas: NDArray[np.float64], noise: float, draw: Draw) -> Picture:
    """The canvas as a sensor with so much noise gives it, in 8 bits."""
    made: Picture = (canvas + draw.normal(0, noise, canvas.shape)).clip(0, 255).astype(np.uint8)
    return made


# --- drawn ---

ARMS = {"end": (0,), "straight": (0, 2), "bend": (0, 1), "fork": (0, 1, 2), "crossing": (0, 1, 2, 3)}
"""Which quarters a road leaves to."""


def _way(kind: str, side: int, draw: Draw) -> NDArray[np.bool_]:
    """Where a road is, seen from above, turned by any angle; the sixth kind goes round an island."""
    y, x = np.mgrid[:side, :side].astype(float)
    cy, cx = side / 2 - 0.5 + draw.uniform(-1.5, 1.5, 2)
    dy, dx = y - cy, x - cx
    half, turn = draw.uniform(1.2, 1.8), draw.uniform(0, 2 * math.pi)
    away, made = np.hypot(dy, dx), np.zeros((side, side), bool)
    if kind == "round":
        made |= abs(away - draw.uniform(3.8, 4.6)) < half
    for arm in ARMS.get(kind, (0, 1, 2, 3)):
        angle = turn + arm * math.pi / 2
        along = dx * math.cos(angle) + dy * math.sin(angle)
        across = dy * math.cos(angle) - dx * math.sin(angle)
        made |= (along > (4 if kind == "round" else -half)) & (abs(across) < half)
    return made


def junctions(
    counts: tuple[int, int, int] = (420, 180, 420), seed: int = 81, side: int = 20, noise: float = 12
) -> Pictures:
    """Six kinds of road junctions from above, on grass, sand or snow; 20 px, in colours."""
    draw, kinds = np.random.default_rng(seed), [*ARMS, "round"]
    grounds = np.asarray([(70, 130, 60), (190, 165, 110), (215, 220, 225)], float)
    images, labels = [], []
    for n in range(sum(counts)):
        kind = kinds[n % 6]
        canvas = np.ones((side, side, 3)) * grounds[draw.integers(3)] * draw.uniform(0.7, 1.05)
        canvas[_way(kind, side, draw)] = draw.uniform(30, 100)
        images.append(_taken(canvas, noise, draw))
        labels.append(kind)
    return parted(images, labels, counts, seed)


def uneven_junctions(seed: int = 82) -> Pictures:
    """Two kinds of junctions are a fifth as common among the training pictures; the test pictures are even."""
    made, seen = junctions((600, 150, 360), seed), dict[str, int]()
    kept = []
    for n, (label, part) in enumerate(zip(made.labels, made.parts, strict=True)):
        seen[label] = seen.get(label, 0) + (part == "train")
        if part != "train" or label not in ("bend", "round") or seen[label] % 5 == 0:
            kept.append(n)
    return made.chosen(kept)


ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")


def romans(counts: tuple[int, int, int] = (480, 180, 480), seed: int = 83) -> Pictures:
    """Roman numbers from one to twelve, named by their value, dark on light or light on dark; 24 px, grey."""
    draw, side = np.random.default_rng(seed), 24
    images, labels = [], []
    for n in range(sum(counts)):
        numeral = ROMAN[n % 12]
        canvas = Image.new("L", (side, side), 0)
        font = ImageFont.load_default(float(draw.uniform(10, 12)))
        pen = ImageDraw.Draw(canvas)
        left = (side - pen.textlength(numeral, font=font)) / 2 + draw.uniform(-2, 2)
        pen.text((left, float(draw.uniform(3, 8))), numeral, fill=255, font=font)
        cover = np.asarray(canvas.rotate(float(draw.uniform(-6, 6)), Image.Resampling.BILINEAR), float) / 255
        paper, ink = draw.uniform(30, 100), draw.uniform(150, 240)
        if draw.random() < 0.5:
            paper, ink = ink, paper
        images.append(_taken(paper + (ink - paper) * cover, 8, draw))
        labels.append(str(n % 12 + 1))
    return parted(images, labels, counts, seed)


def weather(counts: tuple[int, int, int] = (350, 150, 450), seed: int = 84) -> Pictures:
    """Five symbols of a forecast: sun, cloud, rain, snow, lightning, in drawn colours; 18 px."""
    draw, side, kinds = np.random.default_rng(seed), 18, ("sun", "cloud", "rain", "snow", "lightning")
    y, x = np.mgrid[:side, :side].astype(float)
    images, labels = [], []
    for n in range(sum(counts)):
        kind = kinds[n % 5]
        canvas = np.ones((side, side, 3)) * draw.uniform(20, 120, 3)
        cy, cx = draw.uniform(7.5, 9.5, 2)
        dy, dx = y - cy, x - cx
        ink = draw.uniform(150, 240, 3)
        if kind == "sun":
            rays = np.cos(8 * np.arctan2(dy, dx) + draw.uniform(0, 6)) > 0.3
            away = np.hypot(dy, dx)
            canvas[(away < 3) | ((away > 4) & (away < 6.5) & rays)] = ink
        else:
            up = -2.5 if kind != "cloud" else 0.0
            for oy, ox, radius in ((up, 0, 3.2), (up + 1, -3, 2.4), (up + 1, 3, 2.4)):
                canvas[np.hypot(dy - oy, dx - ox) < radius] = ink
            below = (dy > 1.8) & (dy < 6.5) & (abs(dx) < 5)
            slant = (dx + 0.5 * dy + draw.uniform(0, 4)) % 4 < 1.4
            flakes = ((dx + draw.uniform(0, 4)) % 3.4 < 1.5) & ((dy + draw.uniform(0, 4)) % 3.4 < 1.5)
            bolt = (dy > 1.5) & (dy < 7) & (abs(dx - np.where(dy < 4, 3 - dy, 5.5 - dy)) < 1.1)
            marks = {"rain": below & slant, "snow": below & flakes, "lightning": bolt}
            if kind in marks:
                canvas[marks[kind]] = draw.uniform(170, 250, 3)
        images.append(_taken(canvas, 22, draw))
        labels.append(kind)
    return parted(images, labels, counts, seed)


def lamps(counts: tuple[int, int, int] = (360, 150, 360), seed: int = 85) -> Pictures:
    """Which of five warning lamps of a dashboard are lit, each a shape of its own at its place; 22 px, in colours."""
    draw, side = np.random.default_rng(seed), 22
    names, inks = ("oil", "battery", "brake", "engine", "belt"), ("red", "orange", "red", "yellow", "green")
    y, x = np.mgrid[:side, :side].astype(float)
    images, labels = [], []
    for _ in range(sum(counts)):
        canvas = np.ones((side, side, 3)) * draw.uniform(15, 60)
        lit = [name for name in names if draw.random() < 0.4] or ["oil"]
        shift = draw.uniform(-2, 2, 2)
        for lamp, (name, ink) in enumerate(zip(names, inks, strict=True)):
            dy, dx = y - 6 - 10 * (lamp // 3) - shift[0], x - 4 - 7 * (lamp % 3) - 3 * (lamp // 3) - shift[1]
            away, wide = np.hypot(dy, dx), np.maximum(abs(dy), abs(dx))
            shapes = (
                away < 2.2,
                wide < 2,
                (away < 3) & (away > 1.6),
                abs(dy) + abs(dx) < 3,
                abs(dy - dx) < 1.2,
            )
            light = draw.uniform(0.6, 0.95) if name in lit else draw.uniform(0.25, 0.45)
            canvas[shapes[lamp] & (wide < 3)] = [light * v for v in COLOURS[ink]]
        images.append(_taken(canvas, 26, draw))
        labels.append("|".join(lit))
    return parted(images, labels, counts, seed)


def glasses(counts: tuple[int, int, int] = (360, 120, 240), seed: int = 86) -> Pictures:
    """A number a picture: how full a glass is, 0 to 100; 18 px, in colours."""
    draw, side = np.random.default_rng(seed), 18
    y, x = np.mgrid[:side, :side].astype(float)
    images, labels = [], []
    for _ in range(sum(counts)):
        value = draw.uniform(0, 100)
        canvas = np.ones((side, side, 3)) * draw.uniform(120, 200)
        top, foot = draw.uniform(1, 4), draw.uniform(13, 16.5)
        left, right = draw.uniform(2, 5), draw.uniform(12, 15.5)
        inside = (x > left) & (x < right) & (y > top) & (y < foot)
        canvas[inside] = draw.uniform(205, 240)
        canvas[inside & (y > foot - value / 100 * (foot - top))] = draw.uniform(20, 140, 3)
        canvas[((abs(x - left) < 0.6) | (abs(x - right) < 0.6)) & (y > top) & (y < foot)] = 60
        images.append(_taken(canvas, 12, draw))
        labels.append(f"{value:.2f}")
    return parted(images, labels, counts, seed)


# --- real ---

OUTFITS = {"1": "trousers", "3": "dress", "5": "sandal", "6": "shirt", "8": "bag", "9": "boot"}


def outfits(counts: tuple[int, int, int] = (320, 120, 260), seed: int = 87) -> Pictures:
    """Six kinds of Fashion-MNIST's training pictures that no other set here has; 22 px, grey."""
    images, labels = _some(real("fashion_mnist") / "train", 120, 22, 240, "L")
    there = [n for n, label in enumerate(labels) if label in OUTFITS]
    return parted([images[n] for n in there], [OUTFITS[labels[n]] for n in there], counts, seed)


YARD = ("bird", "dog", "horse", "truck")
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def _yard(
    counts: tuple[int, int, int] = (600, 150, 360), seed: int = 88, side: int = 24
) -> tuple[Pictures, list[str]]:
    """A part of CIFAR-10's training pictures, four classes, and what people took each for (CIFAR-10N's worst label).
    Where they named a fifth thing, it is the one of the four that its number falls on."""
    folder = real("cifar10")
    truths = np.asarray([int(c) for c in (folder / "train_labels.txt").read_text().strip()])
    with gzip.open(folder / "human_noisy_labels.csv.gz", "rt") as stream:
        told = [NAMES[int(row["worse_label"])] for row in csv.DictReader(stream)]
    each = -(-sum(counts) // len(YARD))
    images, labels, said = list[Picture](), list[str](), list[str]()
    for name in YARD:
        sheet = Image.open(folder / f"mosaics/trainA_{name}.avif").convert("RGB")
        first = 600
        for n, index in list(enumerate(np.flatnonzero(truths == NAMES.index(name)).tolist()))[
            first : first + each
        ]:
            left, top = 32 * (n % 50), 32 * (n // 50)
            tile = sheet.crop((left, top, left + 32, top + 32)).resize((side, side), Image.Resampling.BICUBIC)
            images.append(np.asarray(tile))
            labels.append(name)
            said.append(told[index] if told[index] in YARD else YARD[index % len(YARD)])
    made = parted(images, labels, counts, seed)
    order = np.random.default_rng(seed).permutation(len(images))[: sum(counts)].tolist()
    return made, [said[n] for n in order]


def yard() -> Pictures:
    """Birds, dogs, horses and trucks of CIFAR-10's training pictures, 24 px, under their published labels."""
    return _yard()[0]


def by_people(made: Pictures) -> Pictures:
    """Training pictures bear what one hasty person took them for."""
    said = _yard()[1]
    labels = [s if part == "train" else t for s, t, part in zip(said, made.labels, made.parts, strict=True)]
    return made.relabelled(labels)


def membranes(each: tuple[int, int, int] = (22, 20, 22), side: int = 24, seed: int = 89) -> Pictures:
    """Two classes: a cell's membrane in the middle of a piece of a micrograph, or none; 24 px, grey. Sections that
    follow each other are in one split, as they look alike; two between the splits are left out."""
    draw, folder = np.random.default_rng(seed), real("isbi_membrane") / "train"
    files = sorted(
        (folder / "image").glob("*.*"), key=lambda file: int("".join(filter(str.isdigit, file.stem)))
    )
    sections: dict[str, Iterable[int]] = {"train": range(14), "val": range(16, 20), "test": range(22, 30)}
    images, labels, parts = list[Picture](), list[str](), list[str]()
    half = side // 2
    for part, count in zip(PARTS, each, strict=True):
        for number in sections[part]:
            grey = np.asarray(Image.open(files[number]).convert("L"))
            mask = np.asarray(Image.open(folder / "label" / files[number].name).convert("L")) > 127
            for kind, where in (("membrane", ~mask), ("inside", mask)):
                found, far = 0, np.argwhere(where[half:-half, half:-half]) + half
                for y, x in far[draw.permutation(len(far))].tolist():
                    near = mask[y - 4 : y + 5, x - 4 : x + 5]
                    if found < count and (near.all() if kind == "inside" else near.mean() < 0.55):
                        images.append(grey[y - half : y + half, x - half : x + half].copy())
                        labels.append(kind)
                        parts.append(part)
                        found += 1
    return Pictures(images, labels, parts)


def posies(counts: tuple[int, int, int] = (110, 60, 230), seed: int = 90) -> Pictures:
    """A part of the five kinds of flowers that no other set here has; 64 px, in colours."""
    return parted(*_some(real("flowers5_small"), 84, 64, 440), counts, seed)


DATA: dict[str, Callable[[], Pictures]] = {
    "junctions": junctions, "uneven-junctions": uneven_junctions, "romans": romans, "weather": weather,
    "lamps": lamps, "glasses": glasses, "outfits": outfits, "yard": yard, "membranes": membranes, "posies": posies,
}  # fmt: skip
