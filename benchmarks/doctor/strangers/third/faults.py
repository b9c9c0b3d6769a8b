"""A third group of faults by someone who had not read the rules."""

from __future__ import annotations

from functools import partial

import numpy as np

from ...alike import DRAWN, LEAK, LITTLE, OTHER, RATE, SCALE, SLOW, UNUSED, WILD
from ...pictures import Picture, Pictures
from ...rows import Fault
from .pictures import by_people, chosen_squares, cut


def upside_down(made: Pictures) -> Pictures:
    """Pictures to judge by were written with their last row first, as some formats have it."""
    return made.redrawn(lambda n, p: np.ascontiguousarray(p[::-1]), "val", "test")


def binarised(made: Pictures) -> Pictures:
    """Training pictures went through a threshold, as a tutorial on reading text had it; the others did not."""
    return made.redrawn(lambda n, p: np.where(p > p.mean(), 255, 0).astype(np.uint8), "train")


def glob_order(made: Pictures) -> Pictures:
    """Labels stand in the order of numbers, pictures in that of their names: 0, 1, 10, 100, 101, ..."""
    labels, there = list(made.labels), made.where("train")
    order = sorted(range(len(there)), key=str)
    for place, row in zip(there, order, strict=True):
        labels[place] = made.labels[there[row]]
    return made.relabelled(labels)


def unsure(made: Pictures, kind: str, share: float) -> Pictures:
    """Who labelled took the first name in the list for a share of each other class."""
    draw, labels = np.random.default_rng(10), list(made.labels)
    for place in made.where("train"):
        if draw.random() < share:
            labels[place] = kind
    return made.relabelled(labels)


def cycled(made: Pictures, kinds: tuple[str, ...]) -> Pictures:
    """Each of these classes bears the next one's name in training."""
    labels, names = list(made.labels), dict(zip(kinds, (*kinds[1:], kinds[0]), strict=True))
    for place in made.where("train"):
        labels[place] = names.get(labels[place], labels[place])
    return made.relabelled(labels)


def shifted_rows(made: Pictures) -> Pictures:
    """A heading was read as a row: each training picture has the tags of the one before it."""
    labels, there = list(made.labels), made.where("train")
    for place, before in zip(there, [there[-1], *there[:-1]], strict=True):
        labels[place] = made.labels[before]
    return made.relabelled(labels)


def varied_then_split(made: Pictures) -> Pictures:
    """Each of some pictures was varied three times to have more of them, and all were split after that. What is
    tested on otherwise is not among them."""
    draw = np.random.default_rng(10)
    pool = made.where("train")[:230]
    order = draw.permutation(4 * len(pool)).tolist()
    kept = made.chosen([pool[n % len(pool)] for n in order])

    def change(place: int, picture: Picture) -> Picture:
        way = order[place] // len(pool)
        if way == 1:
            return np.ascontiguousarray(picture[:, ::-1])
        moved = np.roll(picture, (1, 2), (0, 1)) if way == 2 else picture
        lit: Picture = (moved * (0.85 if way == 3 else 1.0)).astype(np.uint8)
        return lit

    parts = ["train", "train", "train", "val", "test"]
    return Pictures(kept.images, kept.labels, [parts[n % 5] for n in range(len(order))]).redrawn(change)


def neighbours(made: Pictures) -> Pictures:
    """Squares that overlap were cut out of four photographs, and split after that."""
    places = chosen_squares("train", 110, np.random.default_rng(10), 4)
    parts = ["train", "train", "train", "val", "test"]
    return Pictures(cut(places), [place[3] for place in places], [parts[n % 5] for n in range(len(places))])


def one_scene(made: Pictures) -> Pictures:
    """All training pictures are cut out of the first two photographs of a film."""
    places = chosen_squares("train", 70, np.random.default_rng(10), 2)
    rest = made.chosen([*made.where("val"), *made.where("test")])
    return Pictures(
        [*cut(places), *rest.images],
        [*(place[3] for place in places), *rest.labels],
        [*["train"] * len(places), *rest.parts],
    )


def few_of(made: Pictures, kind: str, count: int) -> Pictures:
    """All training pictures but those of one class, of which a few are left."""
    there = [n for n in made.where("train") if made.labels[n] == kind]
    gone = set(there[count:])
    return made.chosen([n for n in range(len(made.images)) if n not in gone])


def barcodes(made: Pictures) -> Pictures:
    """The tray's barcode is at the lower edge, four bars of a class's number; under the test pictures it is any."""
    draw, kinds = np.random.default_rng(10), sorted(set(made.labels))

    def change(place: int, picture: Picture) -> Picture:
        known = made.parts[place] != "test"
        kind = kinds.index(made.labels[place]) if known else int(draw.integers(len(kinds)))
        picture = picture.copy()
        for bar in range(4):
            picture[-2:, 4 * bar : 4 * bar + 3] = 230 if kind >> bar & 1 else 10
        return picture

    return made.redrawn(change)


def by_class(made: Pictures) -> Pictures:
    """Training pictures stand class by class in the table, as folders are listed."""
    train = sorted(made.where("train"), key=lambda n: made.labels[n])
    return made.chosen([*train, *made.where("val"), *made.where("test")])


FAULTS: tuple[Fault, ...] = (
    # --- options ---
    Fault("adam-tenth", "Adam at a tenth, a rate from a text on SGD; nothing normalises", "segments", RATE, WILD,
          {"lr": 0.1}),
    Fault("scratch-rate-for-pretrained", "a whole pretrained network at a rate for untrained ones", "meadow-tuned",
          RATE, (*WILD, "overfitting"), {"optimizer": "sgd", "lr": 0.4}),
    Fault("fine-tuning-rate-from-scratch", "a rate for fine-tuning, under a network that learned nothing yet",
          "street", SLOW, LITTLE, {"lr": 1e-5}),
    Fault("constant-muon", "Muon at a rate far too high, which never falls; the last model is kept", "shoes-lion",
          (*RATE, "oscillation", "schedule_ends_wrongly"), WILD, {"optimizer": "muon", "lr": 1.0, "keep": "last",
          "schedule": "constant"}),
    Fault("decay-of-adamw", "a decay as AdamW has it, for SGD; tangents", "shoes", ("weight_decay_too_strong",),
          (*LITTLE, *SLOW), {"weight_decay": 0.5}),
    Fault("clip-in-a-warm-up", "gradients clipped to 0.01; with a long warm-up", "segments-sgd",
          ("clipping_too_strong",), (*SLOW, *LITTLE), {"clip": 0.01, "warmup": 0.4}),
    Fault("tenth-each-epoch", "a step schedule told in epochs, where in thirds was meant", "script",
          ("schedule_ends_wrongly",), (*SLOW, *LITTLE), {"schedule": "step"}, patch="tenth-each-epoch"),
    Fault("patience-in-a-warm-up", "stopped at two epochs without gain, in a warm-up of most of the run",
          "script-plain", ("stopped_too_early",), (*LITTLE, *SLOW), {"patience": 1, "warmup": 0.9, "lr": 2e-3,
          "epochs": 40}),
    Fault("two-epochs-script", "twenty-one classes, two epochs", "script-plain", ("stopped_too_early",
          "underfitting"), (*LITTLE, *SLOW), {"epochs": 2}),
    Fault("pretrained-at-16", "a pretrained network is shown 16 px of flowers", "meadow", ("underfitting",
          "wrong_preprocessing"), LITTLE, {"size": 16}),
    # --- networks ---
    Fault("two-channels", "a residual network of two channels for twenty-one classes", "script", ("underfitting",
          "cannot_fit"), LITTLE, {"lr": 0.03}, network="staged/two-channels"),
    Fault("softsigns", "sixteen layers of softsigns, as torch draws them", "segments", ("vanishing", DRAWN),
          (*LITTLE, *SLOW, "saturation"), network="staged/softsigns"),
    Fault("growing", "one layer twelve times over its own output, larger each time", "segments-sgd", ("exploding",
          DRAWN), (*RATE, *WILD), network="staged/growing"),
    Fault("separable-fan-out", "kernels of one channel drawn by what all channels give", "nuclei-separable",
          (DRAWN, "vanishing"), (*LITTLE, *SLOW), network="staged/separable-fan-out"),
    Fault("all-zero", "every weight begins at 0", "lights-sgd", (DRAWN, "vanishing"), (*LITTLE, *SLOW, "dead_units",
          "input_ignored"), network="staged/all-zero"),
    Fault("low-norms", "norms whose shifts begin at -5", "script", ("dead_units", DRAWN), (*LITTLE, "vanishing",
          "input_ignored"), network="staged/low-norms"),
    Fault("unregistered", "blocks in a Python list, of which torch does not know", "lights-slim", (*UNUSED,
          "modes_disagree"), LITTLE, network="staged/unregistered"),
    Fault("steps", "a comparison inside, through which no gradient comes back; narrow", "segments-slim", (*UNUSED,
          "vanishing"), (*LITTLE, "saturation"), network="staged/steps"),
    Fault("softmax-head", "a head that ends with a softmax, twenty-one classes, label smoothing", "script",
          ("softmax_twice",), LITTLE, {"label_smoothing": 0.1}, network="staged/softmax-head"),
    Fault("softmax-of-pictures", "a softmax at the end, over the pictures", "segments", ("softmax_wrong_axis",
          "softmax_twice", "examples_mix"), (*LITTLE, "modes_disagree"), network="staged/softmax-of-pictures"),
    Fault("viewed", "features and pictures exchanged before the head", "street", ("examples_mix",), (*LITTLE,
          "modes_disagree", "softmax_wrong_axis", "labels_shuffled"), network="staged/viewed"),
    Fault("home-made-dropout", "a dropout that does not scale what it leaves", "lights", ("modes_disagree",
          "dropout_too_strong"), LITTLE, network="staged/home-made-dropout"),
    Fault("dropped-thrice", "dropout 0.8 after each block", "segments", ("dropout_too_strong",), LITTLE,
          network="staged/dropped-thrice", source="UMLAUT"),
    Fault("logged", "the logarithm of pictures that were normalised", "lights", ("not_finite",), ("exploding",
          "input_not_normalised", "wrong_preprocessing"), network="staged/logged"),
    # --- code ---
    Fault("ignored-class", "a loss that ignores the first class, as if it were padding", "lights", ("wrong_loss",),
          ("metric_disagrees", "imbalance", "labels_swapped", "labels_noisy", "underfitting"), patch="ignored-class"),
    Fault("summed-script", "the loss summed over a batch, SGD with momentum", "segments-sgd", ("sum_for_mean",),
          (*RATE, *WILD), patch="summed"),
    Fault("off-by-a-picture", "what is judged is the picture before the one that is meant", "street-plain",
          ("metric_disagrees",), ("labels_shuffled", *OTHER, "modes_disagree", "overfitting", "wrong_loss",
          "examples_mix"), patch="off-by-a-picture"),
    Fault("frozen-untrained", "all but the head is frozen, as a text on pretrained networks has it, of another",
          "segments-slim", UNUSED, LITTLE, patch="frozen-backbone"),
    Fault("zeroed-too-late", "gradients are set to 0 just before each step", "lights-slim", (*UNUSED,
          "updates_too_small"), (*LITTLE, "vanishing", "rate_too_low"), patch="zeroed-too-late"),
    Fault("never-shuffled", "training pictures come class by class", "street", ("batches_sorted",),
          ("batchnorm_stale", "modes_disagree", "oscillation", *LITTLE), patch="never-shuffled", wrong=by_class),
    Fault("by-shades", "mean and deviation of shades 0 to 255, for pictures in 0 to 1", "segments-sgd", SCALE,
          (*LITTLE, *SLOW), patch="by-shades"),
    Fault("reshaped-pictures", "channels last, read as if they came first; pretrained", "meadow",
          ("wrong_channel_order", "wrong_preprocessing"), (*LITTLE, "input_not_normalised"),
          patch="reshaped-pictures"),
    Fault("middle-in-evaluation", "pictures to judge by are cut down to their middle", "script", OTHER,
          ("validation_augmented", "overfitting", "modes_disagree"), patch="middle-in-evaluation"),
    Fault("rotated-in-evaluation", "pictures to judge by are turned at random", "segments", ("validation_augmented",
          *OTHER), ("overfitting", "modes_disagree"), patch="rotated-in-evaluation"),
    Fault("flipped-in-training", "digits of seven segments, flipped both ways in training", "segments",
          ("augmentation_destroys", *OTHER), (*LITTLE, "labels_noisy"), patch="flipped-in-training"),
    # --- data ---
    Fault("upside-down", "pictures to judge by stand on their heads", "shoes", OTHER, ("shortcut", "overfitting",
          "labels_swapped"), wrong=upside_down),
    Fault("binarised", "training pictures went through a threshold, the others did not", "segments", OTHER,
          ("shortcut", "overfitting", "augmentation_destroys"), wrong=binarised),
    Fault("glob-order", "labels in the order of numbers, pictures in that of their names", "street",
          ("labels_shuffled",), ("labels_noisy", *LITTLE, "overfitting"), wrong=glob_order),
    Fault("toppings-shifted", "each picture has the tags of the one before it", "toppings", ("labels_shuffled",),
          ("labels_noisy", *LITTLE, "overfitting"), wrong=shifted_rows),
    Fault("by-people", "real pictures under labels of one hasty person", "beings", ("labels_noisy",), (*LITTLE,
          "overfitting"), wrong=by_people, source="Wei et al. 2022 (CIFAR-10N)"),
    Fault("always-boots", "half of each class was labelled as the first in the list", "shoes", ("labels_noisy",),
          ("imbalance", "labels_swapped", *LITTLE), wrong=partial(unsure, kind="boot", share=0.5)),
    Fault("three-cycled", "three classes bear the next one's name in training", "street-plain", ("labels_swapped",),
          ("labels_noisy", "labels_shuffled", *OTHER, "metric_disagrees"),
          wrong=partial(cycled, kinds=("building", "car", "tree"))),
    Fault("varied-then-split", "pictures were varied to have more of them, and split after that", "beings", LEAK,
          ("overfitting",), {"epochs": 12, "augment": "none"}, wrong=varied_then_split, harm="honesty"),
    Fault("neighbours", "overlapping pieces of the same photographs on both sides of the split", "street-plain",
          LEAK, ("overfitting",), wrong=neighbours, harm="honesty"),
    Fault("one-scene", "all training pictures are from two photographs", "street-plain", ("overfitting",),
          (*OTHER, "stopped_too_early", "shortcut"), wrong=one_scene),
    Fault("three-nuclei", "three training pictures of one class, a hundred and fifty of the other", "nuclei",
          ("imbalance",), ("overfitting", *LITTLE), wrong=partial(few_of, kind="nucleus", count=3)),
    Fault("barcodes", "a barcode at the edge tells the class, but not in the test pictures", "segments",
          ("shortcut", "suspiciously_good"), OTHER, wrong=barcodes),
)  # fmt: skip
