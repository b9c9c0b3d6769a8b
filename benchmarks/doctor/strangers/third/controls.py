"""A third group of healthy runs that look ill, by someone who had not read the rules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from ...pictures import Pictures
from ...rows import ADAM, SGD, Control, Setting, beside


def unevenly_lit(made: Pictures) -> Pictures:
    """Pictures of each split are from four tenths as bright to as they were."""
    draw = np.random.default_rng(11)
    return made.redrawn(lambda n, p: (p * draw.uniform(0.4, 1.0)).astype(np.uint8))


def few_nuclei(made: Pictures) -> Pictures:
    """One class is a fifth as common, in every split."""
    draw = np.random.default_rng(11)
    return made.chosen(
        [n for n, label in enumerate(made.labels) if label != "nucleus" or draw.random() < 0.2]
    )


def twice_labelled(made: Pictures) -> Pictures:
    """Four training pictures are there twice, under two labels, as in most sets that were gathered by hand."""
    train = made.where("train")[::100][:4]
    whole = made.chosen([*range(len(made.images)), *train])
    labels, kinds = list(whole.labels), sorted(set(whole.labels))
    for place in range(len(made.images), len(labels)):
        labels[place] = kinds[(kinds.index(labels[place]) + 1) % len(kinds)]
    return whole.relabelled(labels)


def sepia(made: Pictures) -> Pictures:
    """Photographs of all splits are old: brown."""
    brown = np.asarray((1.0, 0.85, 0.65))
    return made.redrawn(lambda n, p: (p.mean(2, keepdims=True) * brown).astype(np.uint8) if n % 2 else p)


on = partial(beside, seed=7)
NUMBERS: Mapping[str, Any] = {"task": "regress", "augment": "none", "epochs": 14}
DRAWN: tuple[Control, ...] = (
    on("segments", "segments-half-dropped", "validation beats training", "staged/half-dropped-tutorial", epochs=32),
    on("segments", "segments-unevenly-lit", "pictures of very different brightness", wrong=unevenly_lit, epochs=24),
    on("segments", "segments-three-steps", "three steps an epoch", batch=140, lr=6e-3, epochs=48),
    on("lights", "lights-long", "all right for most of its time, a loss of 0", epochs=30, augment="none"),
    on("lights", "lights-twice-labelled", "four pictures under two labels", wrong=twice_labelled, epochs=14),
    on("lights-slim", "lights-strongly-varied", "strong variations of small pictures, four channels",
       augment="randaugment", epochs=20),
    on("lights-sgd", "lights-late-peak", "a rate that rises for half the time", warmup=0.5, epochs=16),
    on("script", "script-smoothed", "a loss that stays high, 21 classes", label_smoothing=0.2),
    on("script", "script-opened", "gates, of which half of each layer is", "staged/opened", **{**ADAM, "batch": 30,
       "epochs": 14}),
    on("script-plain", "script-self-normalising", "units that give less than 0, nothing normalises",
       "staged/self-normalising", lr=3e-3),
    on("toppings", "toppings-sgd", "several labels a picture", **{**SGD, "lr": 0.05, "batch": 24, "epochs": 12}),
    on("toppings", "toppings-weights", "labels of a picture weighted by how rare they are", epochs=12, lr=6e-3),
    *(Control(f"areas-{name}", "an error instead of an accuracy", Setting("areas", "staged/basic", {**ADAM, "batch":
              24, **options, **NUMBERS}), "areas", 7)
      for name, options in {"huber": {}, "mse": {"loss": "mse"}}.items()),
)  # fmt: skip
"""On drawn pictures."""
REAL: tuple[Control, ...] = (
    on("street", "street-self-normalising", "nothing normalises", "staged/self-normalising", lr=3e-3, epochs=16),
    on("nuclei", "nuclei-rare", "one class a fifth as common, in all splits", wrong=few_nuclei, epochs=12),
    on("nuclei", "nuclei-rare-sampled", "the same, and it is drawn as often as the other", wrong=few_nuclei,
       balance="sampling", epochs=12),
    on("beings", "beings-cut", "validation beats training", cutmix=0.3, epochs=12),
    on("beings", "beings-sepia", "half of the pictures are brown, in all splits", wrong=sepia, epochs=10),
    on("shoes", "shoes-tangents", "units at their limits", epochs=20),
    on("shoes-lion", "shoes-lion", "updates of one size", epochs=18),
    on("meadow", "meadow-probe", "a head that is solved at once", recipe="linear-probe", optimizer=None, lr=None,
       epochs=None, batch=None),
)  # fmt: skip
"""On pictures of things."""
CONTROLS: tuple[Control, ...] = (*DRAWN, *REAL)
