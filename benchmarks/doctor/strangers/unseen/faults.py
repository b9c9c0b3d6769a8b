"""Faults by someone who had not read the rules."""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image

from ...alike import DRAWN, LITTLE, OTHER, RATE, SLOW, UNUSED, WILD
from ...faults.labels import noisy
from ...faults.scenes import leaked
from ...pictures import Picture, Pictures
from ...rows import Fault


def slipped(made: Pictures, share: float) -> Pictures:
    """A row was lost from the table of training labels: those after it stand one too high."""
    labels, there = list(made.labels), made.where("train")
    late = there[round(len(there) * (1 - share)) :]
    for place, after in zip(late, [*late[1:], late[0]], strict=True):
        labels[place] = made.labels[after]
    return made.relabelled(labels)


def taken_for(made: Pictures, kind: str, other: str, share: float) -> Pictures:
    """One who labelled took many training pictures of a class for another."""
    draw, labels = np.random.default_rng(6), list(made.labels)
    for place in made.where("train"):
        if labels[place] == kind and draw.random() < share:
            labels[place] = other
    return made.relabelled(labels)


def exchanged(made: Pictures, one: str, other: str) -> Pictures:
    """Two tags of pictures that may have several bear each other's name in training."""
    labels, names = list(made.labels), {one: other, other: one}
    for place in made.where("train"):
        labels[place] = "|".join(names.get(tag, tag) for tag in labels[place].split("|"))
    return made.relabelled(labels)


def long_tail(made: Pictures, keep: float = 0.6) -> Pictures:
    """Each class has `keep` of the training pictures of the one before it, at least one."""
    kinds, seen, kept = sorted(set(made.labels)), dict[str, int](), []
    most = sum(made.labels[n] == kinds[0] for n in made.where("train"))
    for place, (label, part) in enumerate(zip(made.labels, made.parts, strict=True)):
        if part != "train" or seen.get(label, 0) < max(1, most * keep ** kinds.index(label)):
            kept.append(place)
            seen[label] = seen.get(label, 0) + (part == "train")
    return made.chosen(kept)


def turned(made: Pictures) -> Pictures:
    """Pictures to judge by lie on their side, as where a camera's note of it is not heeded."""
    return made.redrawn(lambda n, p: np.ascontiguousarray(np.rot90(p)), "val", "test")


def blurred(made: Pictures) -> Pictures:
    """Pictures to judge by were kept at half their size."""

    def change(place: int, picture: Picture) -> Picture:
        image = Image.fromarray(picture)
        small = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        return np.asarray(small.resize(image.size, Image.Resampling.BILINEAR))

    return made.redrawn(change, "val", "test")


def tinted(made: Pictures) -> Pictures:
    """Each class was photographed under a lamp of its own; the test pictures were not."""
    kinds = sorted(set(made.labels))
    lamps = np.random.default_rng(6).uniform(0.45, 1.0, (len(kinds), 3))

    def change(place: int, picture: Picture) -> Picture:
        lit: Picture = (picture * lamps[kinds.index(made.labels[place])]).astype(np.uint8)
        return lit

    return made.redrawn(change, "train", "val")


def next_frame(picture: Picture) -> Picture:
    """The same scene a moment later: a pixel further, a little brighter."""
    moved = np.roll(picture, 1, 1).astype(float)
    moved[:, 0] = picture[:, 0]
    return (1.06 * moved + 3).clip(0, 255).astype(np.uint8)


def next_frames(made: Pictures) -> Pictures:
    """Most pictures to judge by are frames that follow a training picture."""
    return leaked(made, next_frame, 0.8)


FAULTS: tuple[Fault, ...] = (
    # --- options ---
    Fault("rate-12-wardrobe", "lr 12 times the usual, classical momentum, dropout, nothing normalises",
          "wardrobe-bare", RATE, WILD, {"lr": 0.6}),
    Fault("each-batch-mixed", "a schedule's rate lowered in each batch, not in each epoch; with mixup", "tiles",
          ("schedule_ends_wrongly",), (*SLOW, *LITTLE), {"schedule": "exponential", "mixup": 0.2},
          patch="each-batch"),
    Fault("decay-averaged", "weight decay 0.12 by SGD; with a moving average of the weights", "wardrobe-bare",
          ("weight_decay_too_strong",), (*LITTLE, *SLOW), {"weight_decay": 0.12, "ema": 0.95}),
    Fault("clip-smoothed", "gradients clipped to 0.004; with label smoothing", "signs-bare",
          ("clipping_too_strong",), (*SLOW, *LITTLE), {"clip": 0.004, "label_smoothing": 0.1}),
    Fault("batch-250", "batches of half the training pictures, the rate as for 32", "clocks", ("underfitting",
          "stopped_too_early", *SLOW), LITTLE, {"batch": 250}),
    Fault("batch-2", "batches of two with batch normalisation, the rate as for 32", "parity", ("batch_of_one",
          *RATE, "oscillation"), ("batchnorm_stale", "modes_disagree", *WILD), {"batch": 2, "epochs": 3}),
    Fault("short-and-varied", "two epochs of strong variations", "tiles", ("stopped_too_early", "underfitting"),
          (*LITTLE, *SLOW, "augmentation_destroys"), {"epochs": 2, "mixup": 0.4}),
    Fault("probe-too-slow", "a new head on frozen layers at a five-hundredth of the usual rate", "bouquets-steps",
          SLOW, LITTLE, {"lr": 1e-5}),
    # --- networks ---
    Fault("normal-drawn", "weights of deviation 1, as init.normal_ draws them", "signs-bare", (DRAWN, "exploding"),
          (*RATE, *WILD), network="staged/normal-drawn"),
    Fault("gates", "ten gates in a row, each of which halves what passes", "signs-bare", ("vanishing", DRAWN),
          (*LITTLE, *SLOW), network="staged/gates"),
    Fault("dropped-maps", "three quarters of the maps dropped after each convolution, by the network's own layers",
          "clocks", ("dropout_too_strong",), LITTLE, network="staged/dropped-maps"),
    Fault("slow-norms", "running statistics with momentum 0.001, as other libraries count it", "signs",
          ("batchnorm_stale",), ("modes_disagree",), network="staged/slow-norms"),
    Fault("without-gradients", "the first layer is fixed on purpose, the next three by mistake", "clocks-fixed",
          UNUSED, (*LITTLE, "vanishing"), network="staged/without-gradients"),
    Fault("short-sighted", "one convolution, then the mean over all places", "clocks", ("underfitting",), LITTLE,
          network="staged/short-sighted"),
    Fault("large-stem", "first layers made for 224 px on weaves of 3 px", "tiles", ("underfitting",),
          (*LITTLE, "overfitting", "wrong_preprocessing"), network="staged/large-stem"),
    # --- code ---
    Fault("without-first-layers", "the optimizer lacks the first two convolutions", "signs-bare", UNUSED, LITTLE,
          patch="without-first-layers"),
    Fault("recoloured", "colours in a drawn order, where the colour is the class", "signs",
          ("augmentation_destroys", *OTHER), (*LITTLE, "labels_noisy"), patch="recoloured-in-training"),
    Fault("zoomed", "windows of a quarter of the area, where things are counted", "counts",
          ("augmentation_destroys", *OTHER), (*LITTLE, "labels_noisy"), patch="zoomed-in-training"),
    Fault("judged-by-number", "twelve classes stand by letters in training, by numbers in evaluation", "clocks",
          ("labels_swapped", *OTHER, "metric_disagrees"), ("labels_noisy", "labels_shuffled", "overfitting"),
          patch="judged-by-number"),
    Fault("first-output", "of two outputs only the first is taught", "parity", ("wrong_loss",), ("metric_disagrees",
          "labels_swapped", *LITTLE), patch="first-output"),
    Fault("sigmoid-twice", "shares go into a loss that takes the sigmoid itself", "wardrobe-bare",
          ("softmax_twice", "wrong_loss"), LITTLE, patch="sigmoid-twice"),
    Fault("never-unscaled", "gradients scaled by 128 for half precision stay so", "wardrobe-bare",
          (*RATE, "sum_for_mean"), WILD, patch="never-unscaled"),
    Fault("naive-log", "the logarithm of a softmax of scaled logits", "clocks", ("not_finite",), ("wrong_loss",
          *RATE, *WILD), patch="naive-log"),
    Fault("centred", "shades with their mean taken out, undivided", "wardrobe-bare", ("input_not_normalised",),
          (*RATE, *WILD, DRAWN), patch="centred"),
    # --- data ---
    Fault("slipped-rows", "the labels of the last 60 % of the table stand one row too high", "counts",
          ("labels_noisy", "labels_shuffled"), LITTLE, wrong=partial(slipped, share=0.6)),
    Fault("pullovers-for-coats", "most coats are labelled as pullovers in training", "wardrobe", ("labels_noisy",
          "labels_swapped"), ("imbalance",), wrong=partial(taken_for, kind="coat", other="pullover", share=0.75)),
    Fault("noisy-and-mixed", "45 % of the labels are any other; with mixup, which hides it", "signs",
          ("labels_noisy",), LITTLE, {"mixup": 0.3}, wrong=partial(noisy, share=0.45)),
    Fault("long-tail", "each of twelve classes has three fifths of the pictures of the one before", "clocks",
          ("imbalance",), LITTLE, wrong=long_tail),
    Fault("lying-evaluation", "validation and test pictures lie on their side", "clocks", OTHER,
          ("labels_swapped", "shortcut", "overfitting"), wrong=turned),
    Fault("blurred-evaluation", "validation and test pictures were kept at half their size", "tiles", OTHER,
          ("shortcut", "overfitting"), wrong=blurred),
    Fault("tinted", "each class under a lamp of its own, but not in the test pictures", "tiles", ("shortcut",
          "suspiciously_good"), OTHER, wrong=tinted),
    Fault("next-frames", "most test pictures are the frame after a training picture", "vehicles", ("leak",
          "suspiciously_good"), ("overfitting",), wrong=next_frames,
          options={"epochs": 16}, harm="honesty"),
    Fault("tags-exchanged", "several tags a picture; two of them bear each other's name in training", "tags",
          ("labels_swapped", "labels_noisy"), (), wrong=partial(exchanged, one="ring", other="disc")),
)  # fmt: skip
