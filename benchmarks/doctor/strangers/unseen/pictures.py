"""More data for the staged runs, of other sizes and numbers of classes, for cases whose author never saw the rules."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...pictures import COLOURS, PARTS, Picture, Pictures, _some, digits, parted, real, several

# --- rendered ---


def _plane(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row and column of each pixel of a square."""
    y, x = np.mgrid[:side, :side].astype(float)
    return y, x


def _seen(canvas: NDArray[np.float64], noise: float, draw: np.random.Generator) -> Picture:
    """The canvas as a camera with so much noise gives it."""
    made: Picture = (canvas + draw.normal(0, noise, canvas.shape)).clip(0, 255).astype(np.uint8)
    return made


def signs(counts: tuple[int, int, int] = (450, 200, 500), seed: int = 11) -> Pictures:
    """Nine road signs: a ring in one of three colours, and one of three marks in it; 20 px, in colours."""
    draw, side = np.random.default_rng(seed), 20
    y, x = _plane(side)
    images, labels = [], []
    for n in range(sum(counts)):
        mark, ink = ("bar", "cross", "wedge")[n % 3], ("red", "blue", "yellow")[n // 3 % 3]
        cy, cx = draw.uniform(0.42, 0.58, 2) * side
        radius = draw.uniform(0.30, 0.40) * side
        dy, dx = y - cy, x - cx
        away = np.hypot(dy, dx)
        canvas = np.ones((side, side, 3)) * draw.uniform(40, 150, 3)
        canvas[away < radius] = [value * draw.uniform(0.75, 1.05) for value in COLOURS[ink]]
        canvas[away < 0.68 * radius] = draw.uniform(190, 240)
        upright, flat = abs(dx) < 0.14 * radius, abs(dy) < 0.14 * radius
        marks = {
            "bar": flat,
            "cross": flat | upright,
            "wedge": (dy > 2 * abs(dx) - 0.5 * radius) & (dy < 0.4 * radius),
        }
        canvas[marks[mark] & (away < 0.6 * radius)] = 30
        images.append(_seen(canvas, 25, draw))
        labels.append(f"{ink} {mark}")
    return parted(images, labels, counts, seed)


def clocks(counts: tuple[int, int, int] = (540, 220, 540), seed: int = 12) -> Pictures:
    """Twelve hours: where a long hand points to; a short one points anywhere; 20 px, grey."""
    draw, side = np.random.default_rng(seed), 20
    y, x = _plane(side)
    images, labels = [], []
    for n in range(sum(counts)):
        hour = n % 12 + 1
        cy, cx = draw.uniform(0.45, 0.55, 2) * side
        canvas = np.full((side, side), draw.uniform(10, 60))
        for angle, length in (
            (math.radians(30 * hour + draw.uniform(-8, 8)), draw.uniform(6.5, 8.5)),
            (draw.uniform(0, 2 * math.pi), draw.uniform(2.5, 3.5)),
        ):
            along = (x - cx) * math.sin(angle) - (y - cy) * math.cos(angle)
            across = (x - cx) * math.cos(angle) + (y - cy) * math.sin(angle)
            canvas[(along > 0) & (along < length) & (abs(across) < 0.9)] = draw.uniform(150, 230)
        images.append(_seen(canvas, 22, draw))
        labels.append(str(hour))
    return parted(images, labels, counts, seed)


def tiles(counts: tuple[int, int, int] = (400, 200, 480), seed: int = 13) -> Pictures:
    """Eight weaves: four directions, fine or coarse, in any two colours; 20 px."""
    draw, side = np.random.default_rng(seed), 20
    y, x = _plane(side)
    images, labels = [], []
    for n in range(sum(counts)):
        turn, coarse = n % 4, n // 4 % 2
        angle = math.radians(45 * turn + draw.uniform(-9, 9))
        period = draw.uniform(5.0, 6.5) if coarse else draw.uniform(2.6, 3.3)
        wave = np.sin(
            (x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / period + draw.uniform(0, 6.3)
        )
        one, other = draw.uniform(30, 220, (2, 3))
        share = (0.5 + 0.5 * wave)[..., None]
        images.append(_seen(share * one + (1 - share) * other, 30, draw))
        labels.append(("upright", "falling", "level", "rising")[turn] + (" coarse" if coarse else " fine"))
    return parted(images, labels, counts, seed)


def counts_of_discs(counts: tuple[int, int, int] = (450, 200, 450), seed: int = 14) -> Pictures:
    """One to five discs that do not touch; 24 px, in colours."""
    draw, side, inks = np.random.default_rng(seed), 24, list(COLOURS.values())
    y, x = _plane(side)
    images, labels = [], []
    for n in range(sum(counts)):
        canvas, there = np.ones((side, side, 3)) * draw.uniform(0, 50, 3), list[NDArray[np.float64]]()
        while len(there) < n % 5 + 1:
            place = draw.uniform(3, side - 4, 2)
            if all(np.hypot(*(place - other)) > 6.5 for other in there):
                there.append(place)
        for cy, cx in there:
            canvas[np.hypot(y - cy, x - cx) < draw.uniform(1.8, 2.8)] = inks[int(draw.integers(len(inks)))]
        images.append(_seen(canvas, 15, draw))
        labels.append(str(n % 5 + 1))
    return parted(images, labels, counts, seed)


def tags(counts: tuple[int, int, int] = (360, 140, 320)) -> Pictures:
    """Some of four shapes a picture; another drawing of `several`, and fewer."""
    return several(counts, 31)


def parity(counts: tuple[int, int, int] = (500, 250, 700), seed: int = 21) -> Pictures:
    """Two classes: handwritten digits, even or odd; 8 px, grey."""
    made = digits(counts, seed)
    return made.relabelled(["odd" if int(label) % 2 else "even" for label in made.labels])


# --- real ---


def wardrobe(counts: tuple[int, int, int] = (600, 240, 600), seed: int = 15) -> Pictures:
    """A part of Fashion-MNIST's test pictures, 20 px, grey, named by what they show."""
    names = ("top", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
    images, labels = _some(real("fashion_mnist") / "test", -(-sum(counts) // 10) + 5, 20, mode="L")
    return parted(images, [names[int(label)] for label in labels], counts, seed)


def vehicles(counts: tuple[int, int, int] = (600, 240, 560), seed: int = 16) -> Pictures:
    """A part of CIFAR-10's test pictures that `cifar` leaves out, four of its classes, 32 px."""
    images, labels = list[Picture](), list[str]()
    each = -(-sum(counts) // 4)
    for name in ("automobile", "bird", "deer", "ship"):
        sheet = np.asarray(Image.open(real("cifar10") / f"mosaics/test_{name}.webp").convert("RGB"))
        grid = sheet.reshape(len(sheet) // 32, 32, -1, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
        images += list(grid[500 : 500 + each])
        labels += [name] * each
    return parted(images, labels, counts, seed)


def bouquets(counts: tuple[int, int, int] = (125, 50, 75), seed: int = 17) -> Pictures:
    """The larger photographs of five kinds of flowers, 64 px, in colours."""
    return parted(*_some(real("flower_photos"), 50, 64), counts, seed)


def cells(slides: int = 150, most: int = 5, side: int = 24) -> Pictures:
    """Blood cells cut out of smears, as common as they are there but for the red ones, of which a slide gives at
    most so many; a slide is in one split only."""
    folder = real("bccd")
    images, labels, parts = list[Picture](), list[str](), list[str]()
    for number, file in enumerate(sorted((folder / "Annotations").glob("*.xml"))[:slides]):
        seen = Counter[str]()
        with Image.open(folder / "JPEGImages" / f"{file.stem}.jpg") as opened:
            slide = opened.convert("RGB")
        for thing in ElementTree.parse(file).getroot().iter("object"):
            kind = str(thing.findtext("name"))
            left, top, right, bottom = (
                float(thing.findtext(f"bndbox/{edge}") or 0) for edge in ("xmin", "ymin", "xmax", "ymax")
            )
            if seen[kind] >= most or min(right - left, bottom - top) < 12:
                continue
            seen[kind] += 1
            cut = slide.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, right, bottom))
            images.append(np.asarray(cut))
            labels.append(kind)
            parts.append(PARTS[(0, 0, 0, 1, 2)[number % 5]])
    return Pictures(images, labels, parts)


DATA: dict[str, Callable[[], Pictures]] = {
    "signs": signs, "clocks": clocks, "tiles": tiles, "counts": counts_of_discs, "disc-numbers": counts_of_discs,
    "tags": tags, "parity": parity, "wardrobe": wardrobe, "vehicles": vehicles, "bouquets": bouquets, "cells": cells,
}  # fmt: skip
