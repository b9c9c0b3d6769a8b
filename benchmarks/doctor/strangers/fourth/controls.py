"""A fourth group of healthy runs that look ill, by someone who had not read the rules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from ...pictures import Picture, Pictures
from ...rows import ADAM, SGD, Control, Setting, beside


def rare(made: Pictures, kind: str, each: int = 5) -> Pictures:
    """One class is so many times as rare, in every split."""
    return made.chosen([n for n, label in enumerate(made.labels) if label != kind or n % each == 0])


def wide_frame(made: Pictures) -> Pictures:
    """All pictures have a black frame, as scans have."""

    def change(place: int, picture: Picture) -> Picture:
        framed = np.zeros_like(picture)
        framed[2:-2, 2:-2] = picture[2:-2, 2:-2]
        return framed

    return made.redrawn(change)


def few_wrong(made: Pictures, each: int = 60) -> Pictures:
    """One training label of sixty is wrong."""
    kinds, labels = sorted(set(made.labels)), list(made.labels)
    for place in made.where("train")[::each]:
        labels[place] = kinds[(kinds.index(labels[place]) + 2) % len(kinds)]
    return made.relabelled(labels)


def sides(made: Pictures) -> Pictures:
    """Pictures of each split are of many sizes."""
    draw = np.random.default_rng(13)

    def change(place: int, picture: Picture) -> Picture:
        side = round(len(picture) * draw.uniform(0.8, 2.0))
        return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))

    return made.redrawn(change)


def bursts(made: Pictures) -> Pictures:
    """Each third training picture is there a second time, a little brighter; all of one burst are to train on."""
    train = made.where("train")[::3]
    whole, first = made.chosen([*range(len(made.images)), *train]), len(made.images)
    return whole.redrawn(lambda n, p: (p * 0.95 + 6).astype(np.uint8) if n >= first else p, "train")


def station_everywhere(made: Pictures) -> Pictures:
    """A logo is in a corner of each picture, the same on all."""

    def change(place: int, picture: Picture) -> Picture:
        picture = picture.copy()
        picture[1:4, -5:-1] = (250, 30, 30)
        return picture

    return made.redrawn(change)


on = partial(beside, seed=8)
NUMBERS: Mapping[str, Any] = {"task": "regress", "augment": "none", "epochs": 12, "batch": 24}
DRAWN: tuple[Control, ...] = (
    on("junctions-modest", "junctions-turned", "pictures turned and moved at random", augment="light"),
    on("romans", "romans-smoothed", "a loss that cannot come near 0", label_smoothing=0.25, epochs=14),
    on("romans", "romans-averaged", "a moving average that lags", ema=0.97, epochs=14),
    on("romans", "romans-layer-norm", "a norm before the head", "staged/cosine-head"),
    on("romans", "romans-clipped", "every gradient is clipped", clip=0.5, epochs=14),
    on("romans", "romans-gathered", "group norms in small groups", "staged/gathering"),
    on("romans", "romans-few-wrong", "one label of sixty is wrong", wrong=few_wrong),
    on("weather", "weather-logo", "a logo on all pictures", wrong=station_everywhere),
    on("weather", "weather-rare-sun", "one class a fifth as common, in all splits", wrong=partial(rare, kind="sun"),
       epochs=12),
    on("weather", "weather-mixed", "validation beats training", mixup=0.3, epochs=14),
    on("weather", "weather-long", "a training loss of 0 for most of its time", epochs=16, augment="none"),
    on("weather-classical", "weather-classical", "tangents at their limits"),
    on("weather", "weather-many-sizes", "pictures of many sizes", wrong=sides, size=18),
    on("weather", "weather-few-steps", "five steps an epoch", batch=70, lr=0.2, epochs=24),
    on("lamps", "lamps-sgd", "several labels a picture", **{**SGD, "lr": 0.1, "batch": 24, "epochs": 14}),
    on("lamps", "lamps-modest", "several labels a picture, nothing normalises", "staged/modest", lr=4e-3, epochs=12),
    *(Control(f"glasses-{name}", "an error instead of an accuracy", Setting("glasses", "staged/pooled", {**ADAM,
              **NUMBERS, **options}), "glasses", 8)
      for name, options in {"huber": {}, "mse": {"loss": "mse"}, "sgd": {**SGD, "lr": 0.02}}.items()),
)  # fmt: skip
"""On drawn pictures."""
REAL: tuple[Control, ...] = (
    on("outfits", "outfits-framed", "all pictures have a black frame", wrong=wide_frame),
    on("outfits", "outfits-bursts", "a third of the training pictures twice, nearly", wrong=bursts),
    on("outfits-modest", "outfits-dropping", "validation beats training", "staged/modest-dropping", epochs=14),
    on("outfits-modest", "outfits-leaky", "no output is ever 0", "staged/modest-leaky"),
    on("outfits", "outfits-rare-bags", "one class a fifth as common, in all splits; drawn as often",
       wrong=partial(rare, kind="bag"), balance="sampling", epochs=12),
    on("yard", "yard-cut", "validation beats training", cutmix=0.5, epochs=12),
    on("membranes", "membranes-sgd", "two classes, far from 100 %", **{**SGD, "lr": 0.05, "batch": 28}),
    on("membranes", "membranes-dropping", "maps are dropped", "staged/gathering-dropping", epochs=10),
    on("posies", "posies-long", "a head that is done early, most parameters never move", epochs=14),
    on("posies", "posies-probe", "a head that is solved at once", recipe="linear-probe", optimizer=None, lr=None,
       epochs=None, batch=None),
)  # fmt: skip
"""On pictures of things."""
CONTROLS: tuple[Control, ...] = (*DRAWN, *REAL)
