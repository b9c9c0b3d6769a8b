"""Data for a second group of cases whose author never saw the rules: drawn scenes, and parts of real sets."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...pictures import COLOURS, Picture, Pictures, _some, parted, real, several

# --- drawn ---


def _camera(canvas: NDArray[np.float64], noise: float, draw: np.random.Generator) -> Picture:
    """The scene with a camera's noise, in 8 bits."""
    made: Picture = (canvas + draw.normal(0, noise, canvas.shape)).clip(0, 255).astype(np.uint8)
    return made


PIPS = {
    "one": ((0, 0),),
    "two": ((-1, -1), (1, 1)),
    "three": ((-1, -1), (0, 0), (1, 1)),
    "four": ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    "five": ((-1, -1), (-1, 1), (0, 0), (1, -1), (1, 1)),
    "six": ((-1, -1), (-1, 0), (-1, 1), (1, -1), (1, 0), (1, 1)),
}


def dice(counts: tuple[int, int, int] = (360, 180, 420), seed: int = 41) -> Pictures:
    """Six faces of a die, turned a little; 18 px, grey."""
    draw, side, kinds = np.random.default_rng(seed), 18, list(PIPS)
    y, x = np.mgrid[:side, :side].astype(float)
    images, labels = [], []
    for n in range(sum(counts)):
        kind, angle = kinds[n % 6], math.radians(draw.uniform(-25, 25))
        cy, cx = draw.uniform(7.5, 9.5, 2)
        apart, radius = draw.uniform(4.2, 5.2), draw.uniform(1.1, 1.5)
        canvas = np.full((side, side), draw.uniform(30, 110))
        ink = draw.uniform(160, 250)
        for row, column in PIPS[kind]:
            py = cy + apart * (row * math.cos(angle) + column * math.sin(angle))
            px = cx + apart * (column * math.cos(angle) - row * math.sin(angle))
            canvas[np.hypot(y - py, x - px) < radius] = ink
        images.append(_camera(canvas, 16, draw))
        labels.append(kind)
    return parted(images, labels, counts, seed)


STRIPES = {
    "tricolour": ("red", "white", "blue"),
    "mirrored tricolour": ("blue", "white", "red"),
    "green": ("green", "white", "red"),
    "orange": ("green", "white", "orange"),
}


def flags(counts: tuple[int, int, int] = (320, 160, 400), seed: int = 42) -> Pictures:
    """Eight flags: four rows of colours, in level or upright stripes, before some sky; 20 px, in colours."""
    draw, side, kinds = np.random.default_rng(seed), 20, list(STRIPES)
    images, labels = [], []
    for n in range(sum(counts)):
        kind, upright = kinds[n % 4], n // 4 % 2
        canvas = np.ones((side, side, 3)) * draw.uniform(60, 200, 3)
        tall, wide = draw.integers(9, 13, 2).tolist()
        top, left = int(draw.integers(1, side - tall)), int(draw.integers(1, side - wide))
        light = draw.uniform(0.65, 1.05)
        for stripe, colour in enumerate(STRIPES[kind]):
            length = wide if upright else tall
            part = slice(stripe * length // 3, (stripe + 1) * length // 3)
            cloth = canvas[top : top + tall, left : left + wide]
            cloth[(slice(None), part) if upright else (part, slice(None))] = [
                light * v for v in COLOURS[colour]
            ]
        images.append(_camera(canvas, 20, draw))
        labels.append(f"{kind} {'upright' if upright else 'level'}")
    return parted(images, labels, counts, seed)


def faces(counts: tuple[int, int, int] = (320, 160, 400), seed: int = 43) -> Pictures:
    """Five expressions of a drawn face; 22 px, grey."""
    draw, side = np.random.default_rng(seed), 22
    y, x = np.mgrid[:side, :side].astype(float)
    images, labels = [], []
    for n in range(sum(counts)):
        kind = ("smile", "frown", "flat", "open", "wink")[n % 5]
        cy, cx = draw.uniform(9.5, 11.5, 2)
        radius = draw.uniform(7.5, 9.5)
        canvas = np.full((side, side), draw.uniform(20, 90))
        canvas[np.hypot(y - cy, x - cx) < radius] = draw.uniform(150, 230)
        dark = draw.uniform(10, 60)
        for eye in (-1, 1):
            dy, dx = y - (cy - 0.35 * radius), x - (cx + eye * 0.4 * radius)
            shut = kind == "wink" and eye == 1
            canvas[(abs(dy) < 0.7) & (abs(dx) < 2) if shut else np.hypot(dy, dx) < 1.2] = dark
        dy, dx = y - (cy + 0.4 * radius), x - cx
        bend = {"smile": -0.13, "frown": 0.13}.get(kind, 0.0)
        line = (abs(dy - bend * (dx**2 - 6)) < 0.8) & (abs(dx) < 0.5 * radius)
        canvas[np.hypot(dy, dx) < 2.2 if kind == "open" else line] = dark
        images.append(_camera(canvas, 18, draw))
        labels.append(kind)
    return parted(images, labels, counts, seed)


def dials(counts: tuple[int, int, int] = (320, 120, 240), seed: int = 44) -> Pictures:
    """A number a picture: what a dial's needle points to, 0 to 100; 20 px, grey."""
    draw, side = np.random.default_rng(seed), 20
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    images, labels = [], []
    for _ in range(sum(counts)):
        value = draw.uniform(0, 100)
        angle = math.radians(2.4 * value - 120)
        dy, dx = y - draw.uniform(-1, 1), x - draw.uniform(-1, 1)
        along = dx * math.sin(angle) - dy * math.cos(angle)
        across = dx * math.cos(angle) + dy * math.sin(angle)
        canvas = 60.0 + 60 * (np.hypot(dy, dx) < 8.5) + 110 * ((along > -1) & (along < 8) & (abs(across) < 1))
        images.append(_camera(canvas, 15, draw))
        labels.append(f"{value:.2f}")
    return parted(images, labels, counts, seed)


def charms(counts: tuple[int, int, int] = (320, 140, 280)) -> Pictures:
    """Some of four shapes a picture; a drawing of its own of `several`."""
    return several(counts, 45)


# --- real ---

GARMENTS = {"0": "shirt", "1": "trousers", "2": "pullover", "4": "coat", "7": "sneaker", "8": "bag"}


def garments(counts: tuple[int, int, int] = (420, 180, 420), seed: int = 46) -> Pictures:
    """Six kinds of Fashion-MNIST's training pictures that `fashion` leaves out; 16 px, grey."""
    images, labels = _some(real("fashion_mnist") / "train", 190, 16, 500, "L")
    there = [n for n, label in enumerate(labels) if label in GARMENTS]
    return parted([images[n] for n in there], [GARMENTS[labels[n]] for n in there], counts, seed)


def beasts(counts: tuple[int, int, int] = (500, 200, 400), seed: int = 47) -> Pictures:
    """A part of CIFAR-10's test pictures, five of its classes, 32 px."""
    images, labels = list[Picture](), list[str]()
    for name in ("airplane", "cat", "frog", "horse", "truck"):
        sheet = np.asarray(Image.open(real("cifar10") / f"mosaics/test_{name}.webp").convert("RGB"))
        grid = sheet.reshape(len(sheet) // 32, 32, -1, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
        images += list(grid[600 : 600 + sum(counts) // 5])
        labels += [name] * (sum(counts) // 5)
    return parted(images, labels, counts, seed)


def petals(counts: tuple[int, int, int] = (150, 80, 240), seed: int = 48) -> Pictures:
    """A part of the five kinds of flowers that `flowers` leaves out; 64 px, in colours."""
    return parted(*_some(real("flowers5_small"), 110, 64, 200), counts, seed)


def fruit(side: int = 28) -> Pictures:
    """Three kinds of fruit cut out of photographs; a photograph is in one split only."""
    images, labels, parts = list[Picture](), list[str](), list[str]()
    for folder, split in (("train", ("train", "train", "val", "train", "test")), ("test", ("test",))):
        for number, file in enumerate(sorted((real("fruits") / folder).glob("*.xml"))):
            for kind, cut in _cut(file, side):
                images.append(cut)
                labels.append(kind)
                parts.append(split[number % len(split)])
    return Pictures(images, labels, parts)


def _cut(file: Path, side: int) -> list[tuple[str, Picture]]:
    """What a photograph's boxes hold, by name."""
    with Image.open(file.with_suffix(".jpg")) as opened:
        photograph, made = opened.convert("RGB"), []
    for thing in ElementTree.parse(file).getroot().iter("object"):
        left, top, right, bottom = (
            float(thing.findtext(f"bndbox/{edge}") or 0) for edge in ("xmin", "ymin", "xmax", "ymax")
        )
        right, bottom = min(right, photograph.width), min(bottom, photograph.height)
        if min(right - left, bottom - top) >= 12:
            box = (left, top, right, bottom)
            cut = photograph.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
            made.append((str(thing.findtext("name")), np.asarray(cut)))
    return made


DATA: dict[str, Callable[[], Pictures]] = {
    "dice": dice, "flags": flags, "faces": faces, "dials": dials, "charms": charms, "garments": garments,
    "beasts": beasts, "petals": petals, "fruit": fruit,
}  # fmt: skip
