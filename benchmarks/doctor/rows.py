"""What is staged, as plain rows: sound settings, faults in them, and healthy runs that look ill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .pictures import Pictures

Wrong = Callable[[Pictures], Pictures]
"""What goes wrong with the data."""


@dataclass(frozen=True)
class Setting:
    """All that makes a run: its data, what was done to it, its network, its options, and a fault in the code."""

    data: str
    network: str
    """One of `networks.WRITTEN`, one of ours as `staged/NAME`, or an architecture's name; empty: left open."""
    options: Mapping[str, Any] = field(default_factory=dict)
    wrong: Wrong | None = None
    patch: str = ""
    start: str = ""
    """The base whose trained model, from other data, training begins with."""


@dataclass(frozen=True)
class Fault:
    """An illness that is staged in a base.

    `roots` are the rules any of which names its cause; `useful` others that would help whoever has it. `harm` says
    what it costs: `score` of the test pictures, or `honesty`: how much more the score promises than the base's own
    test pictures then give. `held_out` rows were not looked at while rules were written; those with a `stranger`,
    one of `strangers.NAMES`, were written by somebody who had not read the rules.
    """

    name: str
    says: str
    base: str
    roots: tuple[str, ...]
    useful: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    network: str = ""
    data: str = ""
    wrong: Wrong | None = None
    patch: str = ""
    start: str = ""
    harm: str = "score"
    held_out: bool = False
    stranger: str = ""
    source: str = ""

    def staged(self) -> Setting:
        """The base with the fault in it."""
        sound = BASES[self.base]
        return replace(
            sound,
            data=self.data or sound.data,
            network=self.network or sound.network,
            options={**sound.options, **self.options},
            wrong=self.wrong or sound.wrong,
            patch=self.patch,
            start=self.start or sound.start,
        )


@dataclass(frozen=True)
class Control:
    """A healthy run that looks ill to naive rules. It is certified by its score, which is to be within reach of the
    best of its `group`: of all bases and controls of that group, which have the same data and the same budget."""

    name: str
    looks: str
    """Why a naive rule would alarm."""
    setting: Setting
    group: str
    seed: int = 0
    held_out: bool = False
    stranger: str = ""

    def staged(self) -> Setting:
        return self.setting


QUIET: Mapping[str, Any] = {
    "device": "cpu", "precision": "fp32", "layout": "contiguous", "threads": 1, "workers": 0, "probe": False,
    "compile": False, "cache": "memory", "save_seconds": 100_000.0,
}  # fmt: skip
"""How all runs are computed."""

SGD: Mapping[str, Any] = {"optimizer": "sgd", "lr": 0.1, "batch": 32}
ADAM: Mapping[str, Any] = {"optimizer": "adamw", "lr": 4e-3, "batch": 32}
HOURS: Mapping[str, Any] = {"flip": False, "task": "classify"}
BASES: Mapping[str, Setting] = {
    "digits": Setting("digits", "small", {**SGD, "epochs": 8}),
    "digits-plain": Setting("digits", "plain", {**SGD, "lr": 0.05, "epochs": 12}),
    "digits-adam": Setting("digits", "plain", {**ADAM, "lr": 3e-3, "epochs": 12}),
    "digits-lenet": Setting("digits", "lenet5", {**ADAM, "lr": 8e-3, "epochs": 10}),
    "digits-unnormed": Setting("digits", "staged/unnormed", {**SGD, "lr": 0.05, "epochs": 10}),
    "digits-tanh": Setting("digits", "tanh", {**ADAM, "epochs": 10}),
    "digits-narrow": Setting("digits", "staged/narrow", {**SGD, "epochs": 12}),
    "patterns": Setting("patterns", "small", {**ADAM, "epochs": 8}),
    "patterns-mobile": Setting("patterns", "mobile", {**ADAM, "lr": 8e-3, "epochs": 10}),
    "patterns-unnormed": Setting("patterns", "staged/unnormed", {**ADAM, "epochs": 10}),
    "noisy-patterns": Setting("hard-patterns", "small", {**ADAM, "epochs": 14, "augment": "none", "flip": False}),
    "hues": Setting("hues", "strided", {**ADAM, "epochs": 8}),
    "arrows": Setting("arrows", "small", {**SGD, "epochs": 8, "flip": False}),
    "letters": Setting("letters", "strided", {**ADAM, "epochs": 10, "flip": False}),
    "letters-residual": Setting("letters", "staged/residual", {**SGD, "lr": 0.03, "epochs": 8, "flip": False}),
    "letters-unnormed": Setting("letters", "staged/unnormed", {**ADAM, "epochs": 8, "flip": False}),
    "fashion": Setting("fashion", "strided", {**ADAM, "lr": 3e-3, "epochs": 8, "augment": "none"}),
    "fashion-lenet": Setting("fashion", "lenet5", {**ADAM, "lr": 8e-3, "epochs": 8, "augment": "none"}),
    "cifar": Setting("cifar", "strided", {**ADAM, "epochs": 8, "size": 24}),
    "weak-hues": Setting("hues", "small", {**SGD, "epochs": 1, "size": 16}),
    "flowers": Setting("flowers", "efficientnet_lite0", {"freeze": "always", "size": 64}),
    "flowers-steps": Setting("flowers", "efficientnet_lite0",
                             {"freeze": "always", "size": 64, "optimizer": "adamw", "lr": 5e-3, "epochs": 8,
                              "batch": 32}),
    "signs": Setting("signs", "staged/stepped", {**ADAM, "lr": 3e-3, "epochs": 10, "schedule": "cosine"}),
    "signs-bare": Setting("signs", "staged/bare", {"optimizer": "momentum", "lr": 0.02, "batch": 24, "epochs": 12,
                                                   "schedule": "cosine"}),
    "clocks": Setting("clocks", "staged/tower", {**SGD, "lr": 0.05, "epochs": 12, **HOURS}),
    "clocks-fixed": Setting("clocks", "staged/fixed-stem", {**ADAM, "lr": 8e-3, "epochs": 14, **HOURS}),
    "tiles": Setting("tiles", "staged/fire", {"optimizer": "lamb", "lr": 0.01, "batch": 20, "epochs": 12,
                                              "flip": False}),
    "counts": Setting("counts", "staged/shortcuts", {**ADAM, "epochs": 14, "augment": "none", "task": "classify"}),
    "parity": Setting("parity", "small", {**SGD, "lr": 0.05, "epochs": 8, "flip": False}),
    "wardrobe": Setting("wardrobe", "staged/inverted", {**ADAM, "optimizer": "nadamw", "lr": 6e-3, "epochs": 10,
                                                     "augment": "none"}),
    "wardrobe-bare": Setting("wardrobe", "staged/alex", {"optimizer": "momentum", "lr": 0.05, "batch": 32,
                                                         "epochs": 12, "augment": "none"}),
    "vehicles": Setting("vehicles", "staged/stepped", {**ADAM, "lr": 6e-3, "epochs": 10, "augment": "none"}),
    "bouquets-steps": Setting("bouquets", "efficientnet_lite0", {"freeze": "always", "size": 64, "optimizer": "adamw",
                                                                "lr": 5e-3, "epochs": 12, "batch": 16}),
    "tags": Setting("tags", "staged/stepped", {**ADAM, "epochs": 10}),
    "dice": Setting("dice", "staged/dilated", {**SGD, "lr": 0.05, "batch": 30, "epochs": 12}),
    "dice-smooth": Setting("dice", "staged/smooth", {"optimizer": "momentum", "lr": 0.02, "batch": 24, "epochs": 16}),
    "flags": Setting("flags", "staged/points", {**ADAM, "batch": 20, "epochs": 12, "flip": False}),
    "flags-smooth": Setting("flags", "staged/smooth", {**ADAM, "lr": 2e-3, "epochs": 14, "flip": False}),
    "faces": Setting("faces", "staged/squeezed", {**ADAM, "optimizer": "nadamw", "epochs": 10}),
    "faces-thin": Setting("faces", "staged/thin", {**ADAM, "lr": 0.015, "batch": 16, "epochs": 16}),
    "faces-attending": Setting("faces", "staged/attending", {**ADAM, "epochs": 14}),
    "garments": Setting("garments", "cifar_resnet20", {**SGD, "size": 16, "epochs": 8, "augment": "none"}),
    "beasts": Setting("beasts", "staged/squeezed", {**ADAM, "size": 24, "epochs": 10}),
    "fruit": Setting("fruit", "staged/points", {**ADAM, "batch": 16, "epochs": 16}),
    "petals": Setting("petals", "efficientnet_lite0", {"freeze": "always", "size": 64, "optimizer": "adamw",
                                                       "lr": 5e-3, "epochs": 8, "batch": 24}),
    "charms": Setting("charms", "staged/dilated", {**ADAM, "epochs": 12}),
    "segments": Setting("segments", "staged/tutorial", {**ADAM, "batch": 28, "epochs": 16, "flip": False,
                                                       "task": "classify"}),
    "segments-sgd": Setting("segments", "staged/tutorial", {"optimizer": "momentum", "lr": 0.03, "batch": 21,
                                                           "epochs": 24, "flip": False, "task": "classify"}),
    "segments-slim": Setting("segments", "staged/slim", {**ADAM, "lr": 0.015, "batch": 20, "epochs": 20, "flip": False,
                                                        "task": "classify"}),
    "lights": Setting("lights", "staged/tutorial", {**ADAM, "batch": 20, "epochs": 10}),
    "lights-sgd": Setting("lights", "staged/tutorial", {**SGD, "lr": 0.05, "batch": 20, "epochs": 12}),
    "lights-slim": Setting("lights", "staged/slim", {**SGD, "batch": 16, "epochs": 12}),
    "script": Setting("script", "staged/basic", {"optimizer": "momentum", "lr": 0.1, "batch": 42, "epochs": 10,
                                                 "flip": False, "schedule": "cosine"}),
    "script-plain": Setting("script", "staged/tutorial", {**ADAM, "batch": 30, "epochs": 14, "flip": False}),
    "street": Setting("street", "staged/basic", {**ADAM, "batch": 25, "epochs": 10}),
    "street-plain": Setting("street", "staged/tutorial", {**ADAM, "lr": 2e-3, "batch": 25, "epochs": 16}),
    "nuclei": Setting("nuclei", "staged/mixer", {**ADAM, "batch": 20, "epochs": 8}),
    "nuclei-separable": Setting("nuclei", "staged/separable", {**SGD, "lr": 0.03, "batch": 15, "epochs": 20}),
    "beings": Setting("beings", "staged/mixer", {**ADAM, "batch": 36, "epochs": 8}),
    "shoes": Setting("shoes", "staged/tangents", {**SGD, "lr": 0.05, "batch": 20, "epochs": 14}),
    "shoes-lion": Setting("shoes", "staged/tutorial", {**ADAM, "optimizer": "lion", "lr": 6e-4, "batch": 20,
                                                       "epochs": 14}),
    "toppings": Setting("toppings", "staged/basic", {**ADAM, "batch": 24, "epochs": 10}),
    "meadow": Setting("meadow", "efficientnet_lite0", {"freeze": "always", "size": 64, "optimizer": "adamw",
                                                       "lr": 5e-3, "epochs": 10, "batch": 20}),
    "meadow-tuned": Setting("meadow", "efficientnet_lite0", {"freeze": "never", "size": 64, "optimizer": "adamw",
                                                             "lr": 2e-3, "epochs": 3, "batch": 20}),
    "junctions": Setting("junctions", "staged/preact", {"optimizer": "momentum", "lr": 0.05, "batch": 20,
                                                        "epochs": 12}),
    "junctions-modest": Setting("junctions", "staged/modest", {**ADAM, "batch": 20, "epochs": 14}),
    "junctions-sums": Setting("junctions", "staged/sums", {**ADAM, "batch": 21, "epochs": 14}),
    "uneven-junctions": Setting("uneven-junctions", "staged/preact", {**ADAM, "batch": 22, "epochs": 12}),
    "romans": Setting("romans", "staged/pooled", {**ADAM, "lr": 6e-3, "batch": 30, "epochs": 14, **HOURS}),
    "romans-five": Setting("romans", "staged/five", {**ADAM, "lr": 0.02, "batch": 24, "epochs": 14, **HOURS}),
    "weather": Setting("weather", "staged/shuffled", {**SGD, "batch": 18, "epochs": 10}),
    "weather-classical": Setting("weather", "staged/classical", {"optimizer": "momentum", "lr": 0.02, "batch": 25,
                                                                 "epochs": 16}),
    "lamps": Setting("lamps", "staged/pooled", {**ADAM, "batch": 24, "epochs": 10, "flip": False}),
    "outfits": Setting("outfits", "staged/preact-dropping", {**ADAM, "batch": 22, "epochs": 10, "schedule": "cosine"}),
    "outfits-modest": Setting("outfits", "staged/modest", {**SGD, "lr": 0.03, "batch": 20, "epochs": 12}),
    "yard": Setting("yard", "staged/shuffled", {**ADAM, "lr": 5e-3, "batch": 40, "epochs": 10}),
    "membranes": Setting("membranes", "staged/gathering", {**ADAM, "optimizer": "adan", "batch": 28, "epochs": 8}),
    "posies": Setting("posies", "efficientnet_lite0", {"freeze": "always", "size": 64, "optimizer": "adamw",
                                                       "lr": 6e-3, "epochs": 9, "batch": 22}),
}  # fmt: skip
"""Sound settings: the twins of the faults. Runs of a few seconds on one thread."""


def beside(
    base: str, name: str, looks: str, network: str = "", wrong: Wrong | None = None, *, seed: int, **more: Any
) -> Control:
    """A control: a sound base, with other options (None takes one away), another network, or data that look odd."""
    sound = BASES[base]
    told = {key: value for key, value in {**sound.options, **more}.items() if value is not None}
    return Control(name, looks, Setting(sound.data, network or sound.network, told, wrong), sound.data, seed)
