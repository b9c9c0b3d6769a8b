"""Healthy runs on data, and for tasks, that look odd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from ..pictures import Picture, Pictures
from ..rows import ADAM, SGD, Control, Setting

FROZEN = {"freeze": "always", "size": 64}
FASTER: Mapping[str, Mapping[str, Any]] = {"": {}, "-faster": {"lr": 3e-3, "optimizer": "adamw"}}
"""Two ways to train what has no other to be held against."""


def mixed_sizes(made: Pictures) -> Pictures:
    """Sides from three quarters of the usual to one and a half times."""
    draw = np.random.default_rng(5)

    def change(place: int, picture: Picture) -> Picture:
        side = round(len(picture) * draw.uniform(0.75, 1.5))
        return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))

    return made.redrawn(change)


def some_grey(made: Pictures) -> Pictures:
    """Every third picture of each split is grey."""
    return made.redrawn(
        lambda n, p: np.repeat(p.mean(2, keepdims=True), 3, 2).astype(np.uint8) if n % 3 == 0 else p
    )


def all_grey(made: Pictures) -> Pictures:
    """Grey in three equal channels."""
    return made.redrawn(lambda n, p: np.repeat(p[..., None], 3, 2) if p.ndim == 2 else p)


def few_judged(made: Pictures, count: int = 24) -> Pictures:
    """A tiny validation split."""
    val = made.where("val")[:count]
    return made.chosen([n for n, part in enumerate(made.parts) if part != "val" or n in set(val)])


def uneven(made: Pictures, share: float = 0.35) -> Pictures:
    """Half of the classes are a third as common, in every split."""
    draw, kinds = np.random.default_rng(5), sorted(set(made.labels))
    late = set(kinds[len(kinds) // 2 :])
    return made.chosen(
        [n for n, label in enumerate(made.labels) if label not in late or draw.random() < share]
    )


def doubled(made: Pictures) -> Pictures:
    """A tenth of the training pictures is there twice, with the same label."""
    return made.chosen([*range(len(made.images)), *made.where("train")[::10]])


def slightly_wrong(made: Pictures) -> Pictures:
    """One training label of a hundred is wrong, as in most published sets."""
    kinds, labels = sorted(set(made.labels)), list(made.labels)
    for place in made.where("train")[::100]:
        labels[place] = kinds[(kinds.index(labels[place]) + 1) % len(kinds)]
    return made.relabelled(labels)


def dark(made: Pictures) -> Pictures:
    """All pictures at a third of their brightness."""
    return made.redrawn(lambda n, p: (p * 0.33).astype(np.uint8))


def odd_sets() -> Iterator[Control]:
    """Sets that only look ill."""
    ways: tuple[tuple[str, str, Any], ...] = (
        ("mixed-sizes", "pictures of many sizes", mixed_sizes),
        ("few-judged", "24 validation pictures", few_judged),
        ("uneven", "some classes three times as common", uneven),
        ("doubled", "pictures twice in training", doubled),
        ("one-in-a-hundred", "1 % of wrong labels", slightly_wrong),
        ("dark", "dark pictures", dark),
    )
    for name, looks, wrong in ways:
        sizes = (8, 18) if name == "mixed-sizes" else (None, None)
        for data, network, options, size in zip(
            ("digits", "letters"),
            ("small", "strided"),
            ({**SGD, "epochs": 12}, {**ADAM, "epochs": 10}),
            sizes,
            strict=True,
        ):
            told = {**options, "flip": False, **({"size": size} if size else {})}
            yield Control(
                f"{data}-{name}", looks, Setting(data, network, told, wrong), data, held_out=data == "letters"
            )
    yield Control(
        "patterns-some-grey", "grey among colours",
        Setting("patterns", "small", {**ADAM, "epochs": 12}, some_grey), "patterns",
    )  # fmt: skip
    yield Control(
        "patterns-mixed-sizes", "pictures of many sizes",
        Setting("patterns", "small", {**ADAM, "epochs": 12, "size": 16}, mixed_sizes), "patterns",
    )  # fmt: skip
    yield Control(
        "digits-grey-in-colour", "grey in three channels",
        Setting("digits", "small", {**SGD, "channels": 3, "epochs": 8}, all_grey), "digits",
    )  # fmt: skip


def many_classes() -> Iterator[Control]:
    """A hundred classes, early on: little is right yet, and no setting does much better in the time."""
    for name, options in {
        "sgd": {**SGD, "lr": 0.1}, "adamw": {**ADAM, "lr": 5e-3}, "muon": {"optimizer": "muon", "lr": 0.05,
        "batch": 32}, "adamw-slower": {**ADAM, "lr": 3e-3},
    }.items():  # fmt: skip
        yield Control(f"hundred-{name}", "100 classes after six epochs", Setting("hundred", "strided",
                      {**options, "epochs": 6}), "hundred")  # fmt: skip
        yield Control(f"pairs-{name}", "100 classes after eight epochs", Setting("pairs", "strided", {**options,
                      "epochs": 8, "flip": False, "task": "classify"}), "pairs", held_out=True)  # fmt: skip


def frozen() -> Iterator[Control]:
    """Pretrained backbones: parameters that never move, heads that are solved at once."""
    looks = "most parameters never move"
    ways: dict[str, dict[str, Any]] = {
        "probe": {"recipe": "linear-probe", "size": 64}, "frozen": FROZEN, "frozen-seed": FROZEN,
        "frozen-steps": {**FROZEN, "optimizer": "adamw", "lr": 5e-3, "epochs": 8, "batch": 32},
        "frozen-sgd": {**FROZEN, "optimizer": "sgd", "lr": 0.05, "epochs": 8, "batch": 32},
        "tuned": {"size": 64, "freeze": "first", "epochs": 3, "batch": 32},
    }  # fmt: skip
    for seed, (name, options) in enumerate(ways.items()):
        yield Control(
            f"flowers-{name}", looks, Setting("flowers", "efficientnet_lite0", options), "flowers", seed
        )


def short_runs() -> Iterator[Control]:
    """So few steps that hardly anything can be said, and so easy that it is learned all the same."""
    bright = partial(Setting, "arrows", "small")
    for name, options in {
        "three": {**SGD, "lr": 0.05, "batch": 16, "epochs": 6, "flip": False},
        "muon": {"optimizer": "muon", "lr": 0.04, "batch": 16, "epochs": 5, "flip": False},
        "adam": {**ADAM, "lr": 8e-3, "batch": 16, "epochs": 6, "flip": False},
        "long": {**SGD, "epochs": 14, "flip": False},
    }.items():  # fmt: skip
        yield Control(f"arrows-{name}", "a very short run", bright(options), "arrows")
    for name, options in {"sgd": {**SGD, "epochs": 8}, "adam": {**ADAM, "lr": 4e-3, "epochs": 8}}.items():
        yield Control(f"hues-{name}", "24 classes", Setting("hues", "strided", options), "hues")
        yield Control(f"cifar-{name}", "real pictures, far from 100 %", Setting("cifar", "strided", {**options,
                      "epochs": 8, "size": 24}), "cifar", held_out=True)  # fmt: skip
    yield Control("cifar-residual", "real pictures, far from 100 %", Setting("cifar", "staged/zero-residual",
                  {**SGD, "epochs": 8, "size": 24}), "cifar", held_out=True)  # fmt: skip


def tasks() -> Iterator[Control]:
    """What is no classification."""
    numbers = {"task": "regress", "epochs": 15, "flip": False}
    yield Control("bars-adam", "an error instead of an accuracy", Setting("bars", "strided", {**ADAM, **numbers}),
                  "bars")  # fmt: skip
    yield Control("bars-sgd", "an error instead of an accuracy", Setting("bars", "strided", {**SGD, "lr": 0.02,
                  **numbers}), "bars")  # fmt: skip
    yield Control("bars-mse", "a loss of squares", Setting("bars", "small", {**ADAM, **numbers, "loss": "mse"}),
                  "bars", held_out=True)  # fmt: skip
    for name, options in {"adam": ADAM, "sgd": {**SGD, "lr": 0.1}}.items():
        yield Control(f"several-{name}", "sigmoids of independent labels", Setting("several", "small", {**options,
                      "epochs": 10}), "several", held_out=name == "sgd")  # fmt: skip
    for data in ("digits", "letters"):
        for name, options in FASTER.items():
            told = {"task": "autoencode", "epochs": 5, "size": 16, **options}
            yield Control(f"rebuilt-{data}{name}", "no labels at all", Setting(data, "autoencoder", told),
                          f"rebuilt-{data}", held_out=data == "letters")  # fmt: skip
    for name, options in FASTER.items():
        told = {"task": "upscale", "scale": 2, "epochs": 4, **options}
        yield Control(
            f"enlarged{name}", "pictures for truths", Setting("patterns", "espcn", told), "enlarged"
        )
    for name, options in FASTER.items():
        told = {
            "task": "segment",
            "epochs": 3,
            "size": 32,
            "pretrained": False,
            "optimizer": "adamw",
            "batch": 16,
            **options,
        }
        yield Control(f"shapes-segmented{name}", "masks for truths", Setting("shapes-easy", "unet/mobilenet_v2", told),
                      "shapes-segmented")  # fmt: skip


CONTROLS: tuple[Control, ...] = (*odd_sets(), *many_classes(), *frozen(), *short_runs(), *tasks())
