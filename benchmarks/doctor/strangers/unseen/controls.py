"""Healthy runs that look ill, by someone who had not read the rules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from ...pictures import Picture, Pictures
from ...rows import ADAM, SGD, Control, Setting, beside


def one_in_four(made: Pictures) -> Pictures:
    """Of two classes one is a third as common, in every split."""
    draw, kinds = np.random.default_rng(6), sorted(set(made.labels))
    return made.chosen(
        [n for n, label in enumerate(made.labels) if label == kinds[0] or draw.random() < 1 / 3]
    )


def framed(made: Pictures) -> Pictures:
    """A drawn black frame of one to three pixels round each picture, whatever it shows."""
    draw = np.random.default_rng(6)

    def change(place: int, picture: Picture) -> Picture:
        wide, picture = int(draw.integers(1, 4)), picture.copy()
        picture[:wide] = picture[-wide:] = 0
        picture[:, :wide] = picture[:, -wide:] = 0
        return picture

    return made.redrawn(change)


on = partial(beside, seed=3)
STEPS: Mapping[str, Mapping[str, Any]] = {"adam": ADAM, "squares": {**ADAM, "loss": "mse"}}
BLOOD: Mapping[str, Mapping[str, Any]] = {"adam": ADAM, "weights": {**ADAM, "balance": "weights"},
                                          "sgd": {**SGD, "lr": 0.05}}  # fmt: skip
NUMBERS: Mapping[str, Any] = {"task": "regress", "epochs": 14, "augment": "none"}
DRAWN: tuple[Control, ...] = (
    on("signs", "signs-log-softmax", "a softmax of its own, which takes nothing away", "staged/log-softmax-end"),
    on("signs", "signs-clipped-adam", "clipped to a thousandth at each step, which Adam divides away", clip=1e-3),
    on("signs", "signs-mixed-and-smoothed", "a training loss that stays high", mixup=0.2, label_smoothing=0.15,
       epochs=16),
    on("signs", "signs-slow-average", "weights averaged over more steps than there are", ema=0.9999),
    on("signs-bare", "signs-large-steps", "large updates at first, noisy to its end", batch=12, epochs=12),
    on("clocks-fixed", "clocks-fixed-stem", "a first layer that never moves, on purpose", "staged/fixed-stem-wide"),
    on("clocks", "clocks-half-dropped", "validation beats training", "staged/half-dropped-head", epochs=16),
    on("clocks", "clocks-late-peak", "a rate that rises for most of the time", warmup=0.7),
    on("clocks", "clocks-again", "a layer that is used four times", "staged/again",
       **{**ADAM, "lr": 6e-3, "epochs": 24}),
    on("clocks", "clocks-spare-head", "a second head that nobody uses: its weights never move",
       "staged/spare-head"),
    on("clocks", "clocks-instance", "norms that keep no statistics", "staged/instance", **{**ADAM, "lr": 6e-3}),
    on("tiles", "tiles-lamb", "updates by share of the weights", epochs=14),
    on("tiles", "tiles-muon", "updates as large in all directions", optimizer="muon", lr=0.02, epochs=12),
    on("counts", "counts-batch-8", "tiny batches, with norms that do not mind", batch=8, lr=2e-3, epochs=10),
    on("counts", "counts-framed", "a border of another width in each picture", wrong=framed, epochs=16),
    on("tags", "tags-momentum", "several labels a picture: most truths are no", optimizer="momentum", lr=0.3,
       epochs=12),
    *(Control(f"disc-numbers-{name}", "whole numbers, learned as numbers", Setting("disc-numbers", "staged/shortcuts",
              {**options, **NUMBERS}), "disc-numbers", 3) for name, options in STEPS.items()),
)  # fmt: skip
"""On drawn pictures."""
REAL: tuple[Control, ...] = (
    on("wardrobe", "wardrobe-inverted", "tiny kernels, outputs that dip below 0", epochs=12),
    on("wardrobe", "wardrobe-lion", "updates of one size everywhere", optimizer="lion", lr=1.2e-3,
       epochs=16),
    on("wardrobe-bare", "wardrobe-constant", "a rate that never falls", optimizer="adamw", lr=1.5e-3,
       schedule="constant", epochs=20),
    on("wardrobe-bare", "wardrobe-alex", "training below validation, most outputs 0", epochs=14),
    on("parity", "parity-bce", "two outputs for one question, a loss of another size", loss="bce", lr=0.1),
    on("parity", "parity-one-in-four", "one class three times as common", wrong=one_in_four),
    *(Control(f"cells-{name}", "red cells by far the most common, as in blood", Setting("cells", "staged/stepped",
              {**options, "epochs": 8}), "cells", 3) for name, options in BLOOD.items()),
    on("vehicles", "vehicles-erased", "real pictures, far from 100 %, with holes", erase=0.3, augment="light",
       epochs=12),
    on("vehicles", "vehicles-plateau", "a rate that falls when it likes", **{**SGD, "lr": 0.05},
       schedule="plateau"),
    on("bouquets-steps", "bouquets-probe", "a head that is solved at once", recipe="linear-probe", optimizer=None,
       lr=None, epochs=None, batch=None),
    on("bouquets-steps", "bouquets-few-steps", "hardly any steps, hardly any pictures", epochs=10),
)  # fmt: skip
"""On pictures of things."""
CONTROLS: tuple[Control, ...] = (*DRAWN, *REAL)
