"""A second group of healthy runs that look ill, by someone who had not read the rules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from ...pictures import Picture, Pictures
from ...rows import ADAM, SGD, Control, Setting, beside
from .faults import saved_again


def negatives(made: Pictures) -> Pictures:
    """Every second picture of each split is a negative: dark on light."""
    return made.redrawn(lambda n, p: 255 - p if n % 2 else p)


def frames(made: Pictures) -> Pictures:
    """Each training picture comes three times, as frames of a film do: with other noise."""
    draw, train = np.random.default_rng(9), made.where("train")
    new = set(range(len(made.images), len(made.images) + 2 * len(train)))
    whole = made.chosen([*range(len(made.images)), *train, *train])

    def change(place: int, picture: Picture) -> Picture:
        if place not in new:
            return picture
        seen: Picture = (picture + draw.normal(0, 12, picture.shape)).clip(0, 255).astype(np.uint8)
        return seen

    return whole.redrawn(change)


def jpegs(made: Pictures) -> Pictures:
    """All pictures were strongly compressed."""
    return made.redrawn(lambda n, p: saved_again(p))


def rare_winks(made: Pictures) -> Pictures:
    """One class is a quarter as common, in every split."""
    draw = np.random.default_rng(9)
    return made.chosen([n for n, label in enumerate(made.labels) if label != "wink" or draw.random() < 0.25])


def oblong(made: Pictures) -> Pictures:
    """Pictures are up to half as long again as they are wide, or the other way round."""
    draw = np.random.default_rng(9)

    def change(place: int, picture: Picture) -> Picture:
        high, wide = (round(len(picture) * share) for share in draw.uniform(1, 1.5, 2))
        return np.asarray(Image.fromarray(picture).resize((wide, high), Image.Resampling.BICUBIC))

    return made.redrawn(change)


def two_in_a_hundred(made: Pictures) -> Pictures:
    """Two training labels of a hundred are the next class's."""
    kinds, labels = sorted(set(made.labels)), list(made.labels)
    for place in made.where("train")[::50]:
        labels[place] = kinds[(kinds.index(labels[place]) + 1) % len(kinds)]
    return made.relabelled(labels)


on = partial(beside, seed=5)
NUMBERS: Mapping[str, Any] = {"task": "regress", "augment": "none", "epochs": 14}
DRAWN: tuple[Control, ...] = (
    on("dice", "dice-large-batch", "three steps an epoch, at a high rate", batch=120, lr=0.2, epochs=60),
    on("dice", "dice-negatives", "half of the pictures are negatives, in every split", wrong=negatives, epochs=20),
    on("dice", "dice-frames", "near-duplicates, all of them in training", wrong=frames, epochs=6),
    on("dice", "dice-rectified", "an optimizer that hardly moves at first", **{**ADAM, "optimizer": "radam",
       "lr": 0.01, "epochs": 24}),
    on("dice", "dice-small-and-constant", "a rate that never falls", lr=0.01, schedule="constant", epochs=18),
    on("dice-smooth", "dice-hard-tangents", "units at their limits", "staged/hard-tangents", **{**ADAM, "lr": 3e-3,
       "epochs": 36}),
    on("dice-smooth", "dice-weight-normed", "a length and a direction for each kernel, of unlike sizes",
       "staged/weight-normed", **{**ADAM, "lr": 5e-3, "epochs": 18}),
    on("flags", "flags-angles", "logits that are cosines: the loss cannot come near 0", "staged/angles", epochs=16),
    on("flags", "flags-branches", "layers of one pixel beside large ones", "staged/branches"),
    on("flags", "flags-decayed", "a decay twenty times the usual", weight_decay=0.5, epochs=14),
    on("flags", "flags-compressed", "blocks and halos in all pictures", wrong=jpegs, epochs=16),
    on("flags", "flags-pieces", "batches in four pieces, with batch normalisation", batch=40, accumulate=4, lr=6e-3,
       epochs=18),
    on("faces", "faces-looking", "a softmax inside the network, over places, as is meant", "staged/looking",
       epochs=36),
    on("faces", "faces-placed", "two channels that are the same for all pictures", "staged/placed", epochs=28),
    on("faces", "faces-two-in-a-hundred", "2 % of wrong labels", wrong=two_in_a_hundred, epochs=24),
    on("faces", "faces-without-shifts", "norms without a shift", "staged/without-shifts", epochs=12),
    on("faces", "faces-rare-winks", "one class a quarter as common", wrong=rare_winks, epochs=14),
    *(Control(f"dials-{name}", "an error instead of an accuracy", Setting("dials", "staged/smooth", {**options,
              **NUMBERS}), "dials", 5)
      for name, options in {"adam": {**ADAM, "lr": 3e-3}, "nadam": {**ADAM, "lr": 3e-3, "optimizer": "nadamw"},
                            }.items()),
    on("charms", "charms-smooth", "several labels a picture, and nothing normalises", "staged/smooth", lr=3e-3,
       epochs=18),
    on("charms", "charms-branches", "several labels a picture: most truths are no", "staged/branches", epochs=14),
)  # fmt: skip
"""On drawn pictures."""
REAL: tuple[Control, ...] = (
    on("garments", "garments-smoothed", "a loss that stays high", label_smoothing=0.25, epochs=10),
    on("beasts", "beasts-pasted", "validation beats training", cutmix=0.5, label_smoothing=0.1, epochs=16),
    on("beasts", "beasts-varied", "strong variations: training loss above validation's", augment="trivialaugment",
       epochs=14),
    on("beasts", "beasts-muon", "updates as large in all directions", optimizer="muon", lr=0.02, epochs=10),
    on("fruit", "fruit-oblong", "pictures of many shapes", wrong=oblong, size=28),
    on("fruit", "fruit-sgd", "hardly any pictures, few steps", **{**SGD, "lr": 0.05, "batch": 16, "epochs": 20}),
    on("petals", "petals-probe", "a head that is solved at once", recipe="linear-probe", optimizer=None, lr=None,
       epochs=None, batch=None),
)  # fmt: skip
"""On pictures of things."""
CONTROLS: tuple[Control, ...] = (*DRAWN, *REAL)
