"""Pictures that are not what they should be: twins across the splits, shortcuts, other light."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from ..pictures import COLOURS, Picture, Pictures
from ..rows import Fault

LEAK = ("leak", "suspiciously_good")


def leaked(made: Pictures, change: Callable[[Picture], Picture], share: float = 0.7) -> Pictures:
    """A share of the validation and test pictures are training pictures, changed a little."""
    draw, there = np.random.default_rng(5), made.where("train")
    images, labels = list(made.images), list(made.labels)
    for place, part in enumerate(made.parts):
        if part != "train" and draw.random() < share:
            twin = there[int(draw.integers(len(there)))]
            images[place], labels[place] = change(made.images[twin]), made.labels[twin]
    return Pictures(images, labels, made.parts)


def _through(picture: Picture, box: tuple[float, float, float, float], side: int) -> Picture:
    image = Image.fromarray(picture)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box))


def cropped(picture: Picture) -> Picture:
    """A tenth of its sides less, at its own size again."""
    side = len(picture)
    return _through(picture, (0.05 * side, 0.05 * side, 0.95 * side, 0.95 * side), side)


def resized(picture: Picture) -> Picture:
    """One and a half times as large."""
    side = len(picture)
    return _through(picture, (0, 0, side, side), side * 3 // 2)


def mirrored(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, ::-1])


def bordered(made: Pictures, *parts: str) -> Pictures:
    """The border's colour (its shade, on grey pictures) tells the class; in the other splits it is drawn."""
    draw, kinds, inks = np.random.default_rng(5), sorted(set(made.labels)), list(COLOURS.values())

    def change(place: int, picture: Picture) -> Picture:
        kind = (
            kinds.index(made.labels[place]) if made.parts[place] in parts else int(draw.integers(len(kinds)))
        )
        ink: Any = inks[kind % len(inks)] if picture.ndim == 3 else round(255 * kind / (len(kinds) - 1))
        picture = picture.copy()
        for edge in (np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]):
            picture[edge] = ink
        return picture

    return made.redrawn(change)


def marked(made: Pictures, *parts: str) -> Pictures:
    """A bright spot at the left edge, whose height tells the class; elsewhere at a drawn height."""
    draw, kinds = np.random.default_rng(5), sorted(set(made.labels))

    def change(place: int, picture: Picture) -> Picture:
        kind = (
            kinds.index(made.labels[place]) if made.parts[place] in parts else int(draw.integers(len(kinds)))
        )
        picture, row = picture.copy(), int(kind * len(picture) / len(kinds))
        picture[row : row + 2, :3] = 255
        return picture

    return made.redrawn(change)


def grey(made: Pictures, *parts: str) -> Pictures:
    """Grey, in three equal channels."""
    return made.redrawn(lambda n, p: np.repeat(p.mean(2, keepdims=True), 3, 2).astype(np.uint8), *parts)


def darker(made: Pictures, by: float, *parts: str) -> Pictures:
    return made.redrawn(lambda n, p: (p * by).astype(np.uint8), *parts)


def inverted(made: Pictures, *parts: str) -> Pictures:
    return made.redrawn(lambda n, p: 255 - p, *parts)


OTHER = ("split_preprocessing", "shortcut", "input_not_normalised")
FAULTS: tuple[Fault, ...] = (
    Fault("leak-identical", "most test pictures are training pictures", "noisy-patterns", LEAK, ("overfitting",),
          wrong=lambda p: leaked(p, lambda q: q), harm="honesty"),
    Fault("leak-resized", "most test pictures are training pictures, enlarged", "noisy-patterns", LEAK,
          ("overfitting",), wrong=lambda p: leaked(p, resized), options={"size": 16}, harm="honesty"),
    Fault("leak-cropped", "most test pictures are training pictures, cropped by a tenth", "cifar", LEAK,
          ("overfitting",), wrong=lambda p: leaked(p, cropped), harm="honesty", network="wide",
          options={"epochs": 10, "augment": "none"}, held_out=True),
    Fault("leak-identical-cifar", "most test pictures are training pictures", "cifar", LEAK, ("overfitting",),
          wrong=lambda p: leaked(p, lambda q: q), harm="honesty", options={"epochs": 25, "augment": "none"},
          held_out=True),
    Fault("border", "the border's colour tells the class, but not in the test pictures", "patterns", ("shortcut",
          "suspiciously_good"), ("split_preprocessing",), wrong=lambda p: bordered(p, "train", "val")),
    Fault("border-digits", "the border's shade tells the class, but not in the test pictures", "digits-plain",
          ("shortcut", "suspiciously_good"), ("split_preprocessing",), wrong=lambda p: bordered(p, "train", "val")),
    Fault("mark-letters", "a spot's height tells the class, but not in the test pictures", "letters", ("shortcut",
          "suspiciously_good"), ("split_preprocessing",), wrong=lambda p: marked(p, "train", "val"),
          options={"augment": "none"}, held_out=True),
    Fault("grey-in-training", "training pictures are grey, the others in colours", "hues", OTHER, (),
          wrong=lambda p: grey(p, "train")),
    Fault("colours-in-training", "training pictures have colours, the others are grey", "hues", OTHER, (),
          wrong=lambda p: grey(p, "val", "test")),
    Fault("dark-evaluation", "validation and test pictures are five times as dark", "patterns", OTHER, (),
          wrong=lambda p: darker(p, 0.2, "val", "test")),
    Fault("inverted-evaluation", "validation and test pictures are negatives", "letters", OTHER, (),
          wrong=partial(lambda p: inverted(p, "val", "test")), held_out=True),
    Fault("dark-evaluation-fashion", "validation and test pictures are six times as dark", "fashion", OTHER, (),
          wrong=lambda p: darker(p, 0.16, "val", "test"), held_out=True),
)  # fmt: skip
