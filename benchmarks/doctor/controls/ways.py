"""Healthy ways to train the small sets: optimizers, schedules, networks, variations, seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..rows import ADAM, BASES, SGD, Control, Setting

GROUPS = {"digits": "digits", "patterns": "patterns", "letters": "letters", "fashion": "fashion"}
FLIP = {"digits": False, "letters": False}
HELD = ("letters", "fashion")
"""Sets that only held-out controls use."""


def of(data: str, network: str, looks: str, name: str, seed: int = 0, **options: Any) -> Control:
    """A control on one of the usual sets, for about ten epochs."""
    given = {"epochs": 10, "flip": FLIP.get(data), **options}
    setting = Setting(data, network, {k: v for k, v in given.items() if v is not None})
    return Control(name, looks, setting, GROUPS[data], seed, data in HELD)


def optimizers() -> Iterator[Control]:
    """Each family of optimizers, at rates of its own."""
    steps: dict[str, Mapping[str, Any]] = {
        "sgd": SGD, "momentum": {**SGD, "optimizer": "momentum"}, "adamw": ADAM,
        "muon": {"optimizer": "muon", "lr": 0.03, "batch": 32}, "lion": {**ADAM, "optimizer": "lion", "lr": 6e-4},
        "nadamw": {**ADAM, "optimizer": "nadamw"}, "lamb": {**ADAM, "optimizer": "lamb", "lr": 1e-2},
        "rmsprop": {**ADAM, "optimizer": "rmsprop", "lr": 1e-3},
    }  # fmt: skip
    for name, options in steps.items():
        yield of("digits", "small", "its updates are of another size than SGD's", f"digits-{name}", **options)
    for name in ("adamw", "muon", "lion"):
        yield of(
            "letters",
            "strided",
            "its updates are of another size than SGD's",
            f"letters-{name}",
            **steps[name],
        )


def schedules() -> Iterator[Control]:
    """Each schedule: tiny steps in the warm-up, at the end, or never."""
    for name in ("cosine", "step", "late_steps", "polynomial", "plateau", "exponential", "constant"):
        looks = "tiny updates at its end" if name != "constant" else "a rate that never falls"
        yield of("digits", "small", looks, f"digits-{name}", **SGD, schedule=name)
    for name in ("cosine", "late_steps", "polynomial"):
        yield of("patterns", "small", "tiny updates at its end", f"patterns-{name}", **ADAM, schedule=name)
    for name in ("step", "exponential"):
        yield of("fashion", "strided", "tiny updates at its end", f"fashion-{name}", **ADAM, schedule=name)
    yield of("digits", "small", "tiny updates in a long warm-up", "digits-long-warm-up", **SGD, warmup=0.5)
    yield of(
        "patterns", "small", "tiny updates in a long warm-up", "patterns-long-warm-up", **ADAM, warmup=0.6
    )


def networks() -> Iterator[Control]:
    """Networks of every kind; what looks odd in each."""
    odd = {
        "small": "99 % on easy pictures", "plain": "four of five outputs of its rectifiers are 0",
        "mobile": "tiny depthwise kernels", "gelu": "outputs that are never exactly 0",
        "silu": "outputs that are never exactly 0", "leaky": "negative outputs", "dense": "many small layers",
        "dropping": "validation beats training", "wide": "more parameters than pictures",
        "staged/zero-residual": "branches that give 0 at first", "staged/convnext": "branches scaled by 1e-6",
        "staged/sparse": "four of five outputs are 0", "staged/grouped": "no running statistics",
        "staged/zero-head": "logits that are 0 at first", "staged/unnormed": "nothing normalises",
        "staged/residual": "large outputs of sums",
    }  # fmt: skip
    for name, looks in odd.items():
        short = name.removeprefix("staged/")
        how = ADAM if short in ("mobile", "convnext", "plain", "unnormed", "grouped", "leaky") else SGD
        long = {"epochs": 24, "lr": 8e-3} if short == "convnext" else {}  # nothing of it is there at first
        yield of("digits", name, looks, f"digits-on-{short}", **{**how, **long})
        if short in ("convnext", "zero-residual", "sparse", "gelu", "wide"):
            yield of("patterns", name, looks, f"patterns-on-{short}", **{**ADAM, **long})
        if short in ("mobile", "silu", "grouped", "zero-head", "dropping", "zero-residual", "convnext"):
            yield of("letters", name, looks, f"letters-on-{short}", **{**ADAM, **long})
    yield of("digits", "tanh", "saturated tangents", "digits-on-tanh", **ADAM)
    yield of("digits", "lenet5", "saturated tangents of 1998", "digits-on-lenet5", **{**ADAM, "lr": 8e-3})


def variations() -> Iterator[Control]:
    """Regularisers that make training look worse than validation, and arithmetic that rounds."""
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "smoothing": ("a loss that cannot come near 0", {"label_smoothing": 0.1}),
        "strong-smoothing": ("a loss that cannot come near 0", {"label_smoothing": 0.3}),
        "mixup": ("validation beats training", {"mixup": 0.2, "epochs": 14}),
        "cutmix": ("validation beats training", {"cutmix": 1.0, "epochs": 18}),
        "erase": ("pictures with holes", {"erase": 0.25, "epochs": 12}),
        "ema": ("validation beats training", {"ema": 0.95}),
        "bf16": ("rounded gradients", {"precision": "bf16"}),
        "clipped": ("clipped at many steps", {"clip": 1.0}),
        "no-decay": ("nothing regularises", {"weight_decay": 0.0}),
        "sampling": ("pictures drawn twice", {"balance": "sampling"}),
        "weights": ("a weighted loss", {"balance": "weights"}),
        "grow": ("smaller pictures in training at first", {"grow": 0.75}),
        "pieces": ("batches in pieces", {"accumulate": 2}),
        "bce": ("a loss of another size", {"loss": "bce", "lr": 0.1}),
        "plain-pictures": ("training at 100 %", {"augment": "none"}),
        "batch-16": ("noisy gradients", {"batch": 16, "lr": 0.015}),
        "batch-128": ("few steps", {"batch": 128, "lr": 0.1, "epochs": 16}),
        "long": ("training loss at 0 for most of its time", {"epochs": 20}),
    }  # fmt: skip
    for name, (looks, options) in ways.items():
        if name != "grow":  # 8 px are the least
            yield of("digits", "small", looks, f"digits-{name}", **{**SGD, **options})
    for name in ("mixup", "ema", "bf16", "clipped", "strong-smoothing", "grow"):
        looks, options = ways[name]
        network = "staged/unnormed" if name == "grow" else "small"  # it takes pictures of any size
        yield of("patterns", network, looks, f"patterns-{name}", **{**ADAM, **options, "epochs": 12})
    for name in ("cutmix", "smoothing", "erase", "plain-pictures", "sampling"):
        looks, options = ways[name]
        more = {"epochs": 12} if name != "cutmix" else {}
        yield of("letters", "strided", looks, f"letters-{name}", **{**ADAM, **options, **more})


def chosen() -> Iterator[Control]:
    """What Foveal itself chooses, by its recipes, and the sound bases under other seeds."""
    yield of("digits", "", "the tool's own choices", "digits-defaults")
    yield of("digits", "", "the tool's own choices, a published recipe", "digits-scratch-small",
             recipe="scratch-small", epochs=12)  # fmt: skip
    yield of("patterns", "", "the tool's own choices", "patterns-defaults", pretrained=False, epochs=6)
    for seed, base in enumerate(BASES, 1):
        sound = BASES[base]
        if sound.data in GROUPS and not base.endswith("narrow"):
            held = sound.data in HELD
            yield Control(f"{base}-seed-{seed}", "a sound run", sound, GROUPS[sound.data], seed, held)


CONTROLS: tuple[Control, ...] = (*optimizers(), *schedules(), *networks(), *variations(), *chosen())
