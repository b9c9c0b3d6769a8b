"""Data for a third group of cases whose author never saw the rules: drawn things, and other parts of real sets."""

from __future__ import annotations

import csv
import gzip
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ...pictures import COLOURS, PARTS, Picture, Pictures, _some, parted, real

Draw = np.random.Generator


def _developed(canvas: NDArray[np.float64], noise: float, draw: Draw) -> Picture:
    """The canvas with so much noise, in 8 bits."""
    made: Picture = (canvas + draw.normal(0, noise, canvas.shape)).clip(0, 255).astype(np.uint8)
    return made


# --- drawn ---

LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
"""Which of its seven segments a digit lights."""
AT = {"a": (0, 1, 0, 4), "b": (1, 4, 4, 5), "c": (6, 4, 9, 5), "d": (9, 1, 10, 4), "e": (6, 0, 9, 1),
      "f": (1, 0, 4, 1), "g": (4, 1, 6, 4)}  # fmt: skip
"""Top, left, bottom, right of each on a grid of 10 by 5."""


def segments(counts: tuple[int, int, int] = (420, 160, 420), seed: int = 61) -> Pictures:
    """Ten digits on a display of seven segments; 16 px, grey."""
    draw, side = np.random.default_rng(seed), 16
    images, labels = [], []
    for n in range(sum(counts)):
        canvas = np.full((side, side), draw.uniform(20, 90))
        top, left = int(draw.integers(1, 5)), int(draw.integers(1, 9))
        light = draw.uniform(110, 160)
        for segment in LIT[n % 10]:
            y0, x0, y1, x1 = AT[segment]
            canvas[top + y0 : top + y1, left + x0 : left + x1] += light
        images.append(_developed(canvas, 30, draw))
        labels.append(str(n % 10))
    return parted(images, labels, counts, seed)


def lights(counts: tuple[int, int, int] = (240, 120, 360), seed: int = 62) -> Pictures:
    """Three states of a traffic light before some street; 20 px, in colours."""
    draw, side = np.random.default_rng(seed), 20
    y, x = np.mgrid[:side, :side].astype(float)
    images, labels = [], []
    for n in range(sum(counts)):
        state = n % 3
        canvas = np.ones((side, side, 3)) * draw.uniform(60, 190, 3)
        canvas[int(draw.integers(10, 17)) :] = draw.uniform(50, 120)
        cx, cy, radius = draw.uniform(6, 14), draw.uniform(8.5, 11.5), draw.uniform(1.6, 2.3)
        canvas[(abs(x - cx) < radius + 1) & (abs(y - cy) < 8)] = 25
        for lamp, ink in enumerate(("red", "yellow", "green")):
            bright = draw.uniform(0.8, 1.05) if lamp == state else draw.uniform(0.15, 0.3)
            canvas[np.hypot(x - cx, y - cy - 5 * (lamp - 1)) < radius] = [bright * v for v in COLOURS[ink]]
        images.append(_developed(canvas, 22, draw))
        labels.append(("stop", "wait", "go")[state])
    return parted(images, labels, counts, seed)


SCRIPT = "abcdefghikmnprstuwxyz"


def script(counts: tuple[int, int, int] = (840, 252, 630), seed: int = 63) -> Pictures:
    """Twenty-one small letters, light or dark, in noise; 16 px, grey."""
    draw, side = np.random.default_rng(seed), 16
    images, labels = [], []
    for n in range(sum(counts)):
        letter = SCRIPT[n % len(SCRIPT)]
        canvas = Image.new("L", (side, side), 0)
        font = ImageFont.load_default(float(draw.uniform(12, 15)))
        at = (float(draw.uniform(2.5, 5.5)), float(draw.uniform(-3, 0)))
        ImageDraw.Draw(canvas).text(at, letter, fill=255, font=font)
        cover = np.asarray(canvas.rotate(float(draw.uniform(-8, 8)), Image.Resampling.BILINEAR), float) / 255
        paper, ink = draw.uniform(20, 80), draw.uniform(150, 230)
        images.append(_developed(paper + (ink - paper) * cover, 16, draw))
        labels.append(letter)
    return parted(images, labels, counts, seed)


def toppings(counts: tuple[int, int, int] = (360, 140, 320), seed: int = 64) -> Pictures:
    """What lies on a pizza: some of five things, each several times; 24 px, in colours."""
    draw, side, inks = np.random.default_rng(seed), 24, ("red", "green", "white", "brown", "violet")
    y, x = np.mgrid[:side, :side].astype(float)
    images, labels = [], []
    for _ in range(sum(counts)):
        canvas = np.ones((side, side, 3)) * draw.uniform(10, 60)
        canvas[np.hypot(y - 11.5, x - 11.5) < 11] = np.asarray((225, 180, 90)) * draw.uniform(0.75, 1)
        there = [ink for ink in inks if draw.random() < 0.4] or ["red"]
        for ink in [ink for ink in there for _ in range(int(draw.integers(2, 5)))]:
            angle, away = draw.uniform(0, 2 * math.pi), draw.uniform(0, 8)
            cy, cx = 11.5 + away * math.sin(angle), 11.5 + away * math.cos(angle)
            canvas[np.hypot(y - cy, x - cx) < draw.uniform(1.2, 2)] = COLOURS[ink]
        images.append(_developed(canvas, 18, draw))
        labels.append("|".join(there))
    return parted(images, labels, counts, seed)


def areas(counts: tuple[int, int, int] = (360, 120, 240), seed: int = 65) -> Pictures:
    """A number a picture: the share of it that a blot covers, in per cent; 20 px, grey."""
    draw, side = np.random.default_rng(seed), 20
    y, x = np.mgrid[:side, :side].astype(float)
    images, labels = [], []
    for _ in range(sum(counts)):
        (cy, cx), (ry, rx) = draw.uniform(8, 12, 2), draw.uniform(2, 7.5, 2)
        cover = (((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1).astype(float)
        paper, ink = draw.uniform(130, 200), draw.uniform(20, 70)
        images.append(_developed(paper + (ink - paper) * cover, 15, draw))
        labels.append(f"{100 * cover.mean():.2f}")
    return parted(images, labels, counts, seed)


# --- real ---

THINGS = {0: "sky", 1: "building", 3: "road", 5: "tree", 8: "car"}


def _squares(part: str, step: int = 8, side: int = 32) -> list[tuple[Path, int, int, str]]:
    """Squares of a split's street scenes that hold one thing nearly everywhere: file, top, left, thing."""
    found, folder = [], real("CamVid")
    for file in sorted((folder / part).glob("*.png")):
        truth = np.asarray(Image.open(folder / f"{part}annot" / file.name))
        for top in range(0, truth.shape[0] - side, step):
            for left in range(0, truth.shape[1] - side, step):
                known = np.bincount(truth[top : top + side, left : left + side].ravel(), minlength=12)
                kind = int(known.argmax())
                if kind in THINGS and known[kind] >= 0.75 * side**2:
                    found.append((file, top, left, THINGS[kind]))
    return found


def cut(places: Sequence[tuple[Path, int, int, str]], side: int = 24) -> list[Picture]:
    """What is seen there: 32 px of the photograph, at `side` pixels."""
    opened = {file: Image.open(file).convert("RGB") for file in {place[0] for place in places}}
    small = [opened[f].crop((left, top, left + 32, top + 32)) for f, top, left, _ in places]
    return [np.asarray(one.resize((side, side), Image.Resampling.BICUBIC)) for one in small]


def chosen_squares(
    part: str, each: int, draw: Draw, files: int | None = None
) -> list[tuple[Path, int, int, str]]:
    """At most so many of each thing, drawn; of the first photographs alone where their number is given."""
    every = _squares(part)
    first = sorted({place[0] for place in every})[:files]
    seen, kept = Counter[str](), []
    for n in draw.permutation(len(every)).tolist():
        place = every[n]
        if place[0] in first and seen[place[3]] < each:
            seen[place[3]] += 1
            kept.append(place)
    return kept


def street(each: tuple[int, int, int] = (70, 30, 90), seed: int = 66) -> Pictures:
    """Five things of street scenes, cut out; a photograph is in one split only; 24 px, in colours."""
    draw = np.random.default_rng(seed)
    images, labels, parts = list[Picture](), list[str](), list[str]()
    for part, count in zip(PARTS, each, strict=True):
        places = chosen_squares(part, count, draw)
        images += cut(places)
        labels += [place[3] for place in places]
        parts += [part] * len(places)
    return Pictures(images, labels, parts)


def nuclei(each: int = 5, side: int = 24, seed: int = 67) -> Pictures:
    """Two classes: a cell's nucleus in the middle of a piece of a slide, or none; 24 px, in colours."""
    draw, folder = np.random.default_rng(seed), real("nuclei") / "stage1_train"
    images, labels, parts = list[Picture](), list[str](), list[str]()
    for number, home in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())):
        slide = np.asarray(Image.open(next((home / "images").glob("*.png"))).convert("RGB"))
        masks = [
            np.asarray(Image.open(file).convert("L")) > 0 for file in sorted((home / "masks").glob("*.png"))
        ]
        taken, half = np.any(masks, 0), side // 2
        middles = [tuple(np.argwhere(mask).mean(0).round().astype(int).tolist()) for mask in masks]
        empty = np.argwhere(~taken)
        far = [tuple(empty[n].tolist()) for n in draw.permutation(len(empty))[:400].tolist()]
        far = [(y, x) for y, x in far if not taken[max(0, y - 5) : y + 6, max(0, x - 5) : x + 6].any()]
        order = draw.permutation(len(middles)).tolist()
        for label, places in (("nucleus", [middles[n] for n in order]), ("none", far)):
            inside = [(y, x) for y, x in places
                      if half <= y <= len(slide) - half and half <= x <= slide.shape[1] - half]  # fmt: skip
            for y, x in inside[:each]:
                images.append(slide[y - half : y + half, x - half : x + half].copy())
                labels.append(label)
                parts.append(PARTS[(0, 0, 1, 2, 2)[number % 5]])
    return Pictures(images, labels, parts)


BEINGS = ("airplane", "automobile", "deer", "frog", "ship")


def _beings(
    counts: tuple[int, int, int] = (900, 250, 600), seed: int = 68, side: int = 24
) -> tuple[Pictures, list[str]]:
    """A part of CIFAR-10's training pictures, five classes, and what the hastiest people took each for."""
    folder = real("cifar10")
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    truths = np.asarray([int(c) for c in (folder / "train_labels.txt").read_text().strip()])
    with gzip.open(folder / "human_noisy_labels.csv.gz", "rt") as stream:
        told = [names[int(row["worse_label"])] for row in csv.DictReader(stream)]
    each = -(-sum(counts) // len(BEINGS))
    images, labels, said = list[Picture](), list[str](), list[str]()
    for name in BEINGS:
        sheet = Image.open(folder / f"mosaics/trainA_{name}.avif").convert("RGB")
        for n, index in enumerate(np.flatnonzero(truths == names.index(name))[:each].tolist()):
            left, top = 32 * (n % 50), 32 * (n // 50)
            tile = sheet.crop((left, top, left + 32, top + 32)).resize((side, side), Image.Resampling.BICUBIC)
            images.append(np.asarray(tile))
            labels.append(name)
            said.append(told[index] if told[index] in BEINGS else BEINGS[index % len(BEINGS)])
    made = parted(images, labels, counts, seed)
    order = np.random.default_rng(seed).permutation(len(images))[: sum(counts)].tolist()
    return made, [said[n] for n in order]


def beings() -> Pictures:
    """Five kinds of CIFAR-10's training pictures, 24 px, under their published labels."""
    return _beings()[0]


def by_people(made: Pictures) -> Pictures:
    """Labels of the training pictures as one hasty person gave them (CIFAR-10N's worst)."""
    _, said = _beings()
    labels = [s if part == "train" else t for s, t, part in zip(said, made.labels, made.parts, strict=True)]
    return made.relabelled(labels)


SHOES = {"0": "top", "3": "dress", "5": "sandal", "7": "sneaker", "9": "boot"}


def shoes(counts: tuple[int, int, int] = (300, 120, 380), seed: int = 69) -> Pictures:
    """Five kinds of Fashion-MNIST's training pictures, others than in other sets here; 20 px, grey."""
    images, labels = _some(real("fashion_mnist") / "train", 165, 20, 780, "L")
    there = [n for n, label in enumerate(labels) if label in SHOES]
    return parted([images[n] for n in there], [SHOES[labels[n]] for n in there], counts, seed)


def meadow(counts: tuple[int, int, int] = (120, 60, 240), seed: int = 70) -> Pictures:
    """A part of the five kinds of flowers that no other set here has; 64 px, in colours."""
    return parted(*_some(real("flowers5_small"), 90, 64, 340), counts, seed)


DATA: dict[str, Callable[[], Pictures]] = {
    "segments": segments, "lights": lights, "script": script, "toppings": toppings, "areas": areas, "street": street,
    "nuclei": nuclei, "beings": beings, "shoes": shoes, "meadow": meadow,
}  # fmt: skip
