"""Labels that are wrong or rare."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..pictures import Pictures
from ..rows import Fault

LITTLE = ("loss_stuck", "underfitting", "overfitting", "cannot_fit")


def shuffled(made: Pictures, seed: int = 5) -> Pictures:
    """Labels of the training pictures dealt out anew."""
    draw, labels = np.random.default_rng(seed), list(made.labels)
    there = made.where("train")
    for place, other in zip(there, draw.permutation(there).tolist(), strict=True):
        labels[place] = made.labels[other]
    return made.relabelled(labels)


def noisy(
    made: Pictures, share: float, to_next: bool = False, parts: tuple[str, ...] = ("train",)
) -> Pictures:
    """A share of the labels is any other one, or the next one."""
    draw, kinds, labels = np.random.default_rng(5), sorted(set(made.labels)), list(made.labels)
    for part in parts:
        for place in made.where(part):
            if draw.random() < share:
                step = 1 if to_next else int(draw.integers(1, len(kinds)))
                labels[place] = kinds[(kinds.index(labels[place]) + step) % len(kinds)]
    return made.relabelled(labels)


def swapped(made: Pictures, *pairs: tuple[int, int]) -> Pictures:
    """Pairs of classes bear each other's name in training."""
    kinds, labels = sorted(set(made.labels)), list(made.labels)
    other = {kinds[a]: kinds[b] for pair in pairs for a, b in (pair, pair[::-1])}
    for place in made.where("train"):
        labels[place] = other.get(labels[place], labels[place])
    return made.relabelled(labels)


def rare(made: Pictures, most: int = 80, least: int = 1) -> Pictures:
    """Half of the classes, the later ones, keep hardly a training picture."""
    kinds, seen, kept = sorted(set(made.labels)), dict[str, int](), []
    for place, (label, part) in enumerate(zip(made.labels, made.parts, strict=True)):
        bound = most if kinds.index(label) < len(kinds) / 2 else least
        if part != "train" or seen.get(label, 0) < bound:
            kept.append(place)
            seen[label] = seen.get(label, 0) + (part == "train")
    return made.chosen(kept)


def strange(made: Pictures, kind: int, other: int, share: float = 1.0) -> Pictures:
    """The training pictures of one class are those of another, copied over them."""
    draw, kinds = np.random.default_rng(5), sorted(set(made.labels))
    there = [n for n in made.where("train") if made.labels[n] == kinds[other]]

    def change(place: int, picture: object) -> object:
        if made.labels[place] != kinds[kind] or draw.random() >= share:
            return picture
        return made.images[there[int(draw.integers(len(there)))]]

    return made.redrawn(change, "train")  # type: ignore[arg-type]


def thinned(made: Pictures, keep: float) -> Pictures:
    """A share of the training pictures is left."""
    draw = np.random.default_rng(5)
    return made.chosen([n for n, part in enumerate(made.parts) if part != "train" or draw.random() < keep])


FAULTS: tuple[Fault, ...] = (
    Fault("labels-shuffled", "labels dealt out anew", "digits", ("labels_shuffled",), ("labels_noisy", *LITTLE),
          wrong=shuffled, source="DeepCrime TCL"),
    Fault("labels-shuffled-letters", "labels dealt out anew", "letters", ("labels_shuffled",), ("labels_noisy",
          *LITTLE), wrong=shuffled, held_out=True),
    Fault("labels-noisy-60", "60 % of the labels are any other", "digits", ("labels_noisy",), LITTLE,
          wrong=partial(noisy, share=0.6), source="DeepCrime TCL"),
    Fault("labels-noisy-40", "40 % of the labels are any other", "patterns", ("labels_noisy",), LITTLE,
          wrong=partial(noisy, share=0.4)),
    Fault("labels-noisy-40-all", "40 % of the labels are any other, in every split", "letters", ("labels_noisy",),
          LITTLE, wrong=partial(noisy, share=0.4, parts=("train", "val", "test")), held_out=True),
    Fault("labels-to-next", "45 % of the labels are the next class's", "digits-plain", ("labels_noisy",
          "labels_swapped"), LITTLE, wrong=partial(noisy, share=0.45, to_next=True)),
    Fault("labels-to-next-fashion", "45 % of the labels are the next class's", "fashion", ("labels_noisy",
          "labels_swapped"), LITTLE, wrong=partial(noisy, share=0.45, to_next=True), held_out=True),
    Fault("swapped", "two classes bear each other's names in training", "digits", ("labels_swapped", "labels_noisy"),
          (), wrong=lambda p: swapped(p, (3, 5))),
    Fault("swapped-two", "four classes exchange names in pairs, in training", "patterns", ("labels_swapped",
          "labels_noisy"), (), wrong=lambda p: swapped(p, (0, 1), (6, 7))),
    Fault("swapped-fashion", "two classes bear each other's names in training", "fashion", ("labels_swapped",
          "labels_noisy"), (), wrong=lambda p: swapped(p, (1, 8)), held_out=True),
    Fault("off-by-one", "every training label is the next class's", "digits", ("labels_swapped",), ("labels_noisy",
          "labels_shuffled", "split_preprocessing"), wrong=partial(noisy, share=1.0, to_next=True)),
    Fault("off-by-one-letters", "every training label is the next class's", "letters", ("labels_swapped",),
          ("labels_noisy", "labels_shuffled", "split_preprocessing"), wrong=partial(noisy, share=1.0, to_next=True),
          held_out=True),
    Fault("imbalance", "half of the classes have one training picture each", "digits", ("imbalance",), LITTLE,
          wrong=rare, source="TheDeepChecker; DeepCrime TUD"),
    Fault("imbalance-patterns", "half of the classes have two training pictures each", "patterns", ("imbalance",),
          LITTLE, wrong=partial(rare, least=2)),
    Fault("imbalance-letters", "half of the classes have two training pictures each", "letters", ("imbalance",),
          LITTLE, wrong=partial(rare, least=2), held_out=True),
    Fault("strange-class", "a class's training pictures are another's", "digits", ("labels_noisy", "labels_swapped"),
          (), wrong=partial(strange, kind=4, other=9)),
    Fault("strange-class-fashion", "most training pictures of a class are another's", "fashion", ("labels_noisy",
          "labels_swapped"), (), wrong=partial(strange, kind=1, other=9, share=0.85), held_out=True),
    Fault("few", "8 % of the training pictures are left", "patterns", ("overfitting",), ("underfitting",
          "stopped_too_early"), wrong=partial(thinned, keep=0.08), options={"batch": 16, "epochs": 60},
          source="DeepCrime TRD"),
)  # fmt: skip
