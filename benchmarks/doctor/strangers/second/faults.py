"""A second group of faults by someone who had not read the rules."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
from PIL import Image

from ...alike import DRAWN, LITTLE, OTHER, RATE, SCALE, SLOW, UNUSED, WILD
from ...faults.labels import thinned
from ...faults.scenes import leaked
from ...pictures import Picture, Pictures
from ...rows import Fault


def blanked(made: Pictures, share: float) -> Pictures:
    """A few training pictures were taken with the cap on: one shade everywhere."""
    draw = np.random.default_rng(8)
    return made.redrawn(lambda n, p: p * 0 + 17 if draw.random() < share else p, "train")


def blue_first(made: Pictures) -> Pictures:
    """Pictures to judge by were written with blue first."""
    return made.redrawn(lambda n, p: np.ascontiguousarray(p[..., ::-1]), "val", "test")


def sorted_labels(made: Pictures) -> Pictures:
    """Training labels come from a list in the order of their names, pictures from one in the order of their dates."""
    labels, there = list(made.labels), made.where("train")
    for place, label in zip(there, sorted(labels[n] for n in there), strict=True):
        labels[place] = label
    return made.relabelled(labels)


def mixed_up(made: Pictures, kinds: tuple[str, ...]) -> Pictures:
    """Who labelled the training pictures could not tell these classes apart, and guessed."""
    draw, labels = np.random.default_rng(8), list(made.labels)
    for place in made.where("train"):
        if labels[place] in kinds:
            labels[place] = kinds[int(draw.integers(len(kinds)))]
    return made.relabelled(labels)


def by_appearance(made: Pictures) -> Pictures:
    """Training classes are numbered in the order in which they appear, the others in that of their names."""
    kinds = sorted(set(made.labels))
    seen = list(dict.fromkeys(made.labels[n] for n in made.where("train")))
    labels = [
        kinds[seen.index(label)] if part == "train" else label
        for label, part in zip(made.labels, made.parts, strict=True)
    ]
    return made.relabelled(labels)


def dominated(made: Pictures, kind: str, least: int) -> Pictures:
    """All training pictures of one class are there, and hardly any of the others."""
    seen, kept = dict[str, int](), []
    for place, (label, part) in enumerate(zip(made.labels, made.parts, strict=True)):
        if part != "train" or label == kind or seen.get(label, 0) < least:
            kept.append(place)
            seen[label] = seen.get(label, 0) + (part == "train")
    return made.chosen(kept)


def saved_again(picture: Picture) -> Picture:
    """As a JPEG of quality 40."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=40)
    return np.asarray(Image.open(stream))


def mostly_saved_again(made: Pictures) -> Pictures:
    """Most pictures to judge by are training pictures, saved again."""
    return leaked(made, saved_again, 0.85)


def copied(made: Pictures) -> Pictures:
    """Each picture was copied twice to have more of them, and the copies were split after that. What is tested on
    otherwise is not among them."""
    draw = np.random.default_rng(8)
    pool = [*made.where("train"), *made.where("val")] * 3
    order = [pool[n] for n in draw.permutation(len(pool)).tolist()]
    parts = ["train", "train", "train", "val", "test"]
    kept = made.chosen(order)
    return Pictures(kept.images, kept.labels, [parts[n % 5] for n in range(len(order))])


def papers(made: Pictures) -> Pictures:
    """Each class was photographed on a paper of its own shade; the test pictures on any."""
    draw, kinds = np.random.default_rng(8), sorted(set(made.labels))

    def change(place: int, picture: Picture) -> Picture:
        known = made.parts[place] != "test"
        kind = kinds.index(made.labels[place]) if known else int(draw.integers(len(kinds)))
        lit: Picture = (0.45 * picture + 140 * kind / (len(kinds) - 1)).astype(np.uint8)
        return lit

    return made.redrawn(change)


def first_tag(made: Pictures) -> Pictures:
    """Of several tags a picture the export of the training pictures kept the first."""
    labels = [
        label.split("|")[0] if part == "train" else label
        for label, part in zip(made.labels, made.parts, strict=True)
    ]
    return made.relabelled(labels)


FAULTS: tuple[Fault, ...] = (
    # --- options ---
    Fault("sgd-rate-for-rmsprop", "the optimizer was changed to RMSprop, the rate was not", "dice", RATE, WILD,
          {"optimizer": "rmsprop", "lr": 0.1}),
    Fault("adam-rate-for-sgd", "the optimizer was changed to SGD, the rate was not; nothing normalises",
          "flags-smooth", SLOW, LITTLE, {"optimizer": "sgd", "lr": 5e-4}),
    Fault("nervous", "batches of four at momentum 0.98, the rate as for 24; nothing normalises", "dice-smooth",
          (*RATE, "oscillation"), WILD, {"batch": 4, "momentum": 0.98, "epochs": 6}),
    Fault("slow-warm-up", "a warm-up made for a run thirty times as long", "dice", ("schedule_ends_wrongly", *SLOW,
          "stopped_too_early"), LITTLE, patch="slow-warm-up"),
    Fault("pieces-of-one", "each batch in pieces of one picture, with batch normalisation", "flags",
          ("batch_of_one",), ("batchnorm_stale", "modes_disagree"), {"accumulate": 20, "epochs": 5}),
    Fault("one-epoch-resnet", "one epoch of a residual network, with a warm-up", "garments", ("stopped_too_early",
          "underfitting"), (*LITTLE, *SLOW, "batchnorm_stale"), {"epochs": 1}),
    Fault("few-beasts", "forty real pictures for five classes, looked at eighty times", "beasts", ("overfitting",),
          ("underfitting", "stopped_too_early"), {"epochs": 80, "batch": 20, "augment": "none"},
          wrong=partial(thinned, keep=0.08)),
    Fault("greyed", "read as grey, where the colours are the class", "flags", ("underfitting", "wrong_preprocessing",
          "cannot_fit"), LITTLE, {"channels": 1}),
    # --- networks ---
    Fault("pooled-too-soon", "all places are averaged in nines before the first layer", "faces", ("underfitting",
          "cannot_fit"), LITTLE, network="staged/pooled-too-soon"),
    Fault("fading", "five layers scaled to a tenth, with no path round them", "flags-smooth", ("vanishing", DRAWN),
          (*LITTLE, *SLOW), network="staged/fading"),
    Fault("doubling", "fourteen residual blocks without norms, each of which doubles", "dice-smooth", ("exploding",
          DRAWN), (*RATE, *WILD), network="staged/doubling"),
    Fault("thresholds", "what is below 5 does not pass a layer", "flags-smooth", ("dead_units", DRAWN), (*LITTLE,
          "vanishing", "input_ignored"), network="staged/thresholds"),
    Fault("steep", "tangents forty times as steep", "flags-smooth", ("saturation", DRAWN), (*LITTLE, "vanishing",
          "exploding"), network="staged/steep"),
    Fault("two-percent", "weights of deviation 0.02, as language models draw them", "dice-smooth", (DRAWN,
          "vanishing"), (*LITTLE, *SLOW), network="staged/two-percent"),
    Fault("attending-over-pictures", "attention over the pictures, as the batch was not said to come first",
          "faces-attending", ("examples_mix",), ("modes_disagree", *LITTLE),
          network="staged/attending-over-pictures"),
    Fault("noise-for-pictures", "noise in place of the picture, left in from a trial", "faces", ("input_ignored",),
          (*LITTLE, "labels_shuffled", "modes_disagree"), network="staged/noise-for-pictures"),
    Fault("dropped-pixels", "dropout 0.93 on the picture itself", "flags", ("dropout_too_strong",), (*LITTLE,
          "modes_disagree", "augmentation_destroys"), network="staged/dropped-pixels"),
    Fault("always-dropped", "a dropout that is never told of evaluation", "dice", ("modes_disagree",
          "dropout_too_strong"), (*LITTLE, "validation_augmented"), network="staged/always-dropped"),
    Fault("shared-norm", "one norm for three layers of different sizes", "dice", ("batchnorm_stale",
          "modes_disagree"), ("overfitting",), network="staged/shared-norm"),
    Fault("shares-into-bce", "a network that ends with a softmax, under sigmoids of their own", "flags",
          ("softmax_twice", "wrong_loss"), LITTLE, {"loss": "bce"}, network="staged/shares-end"),
    # --- code ---
    Fault("frozen-middle", "all between the first layer and the head stays frozen; narrow", "faces-thin", UNUSED,
          LITTLE, patch="frozen-middle"),
    Fault("built-too-soon", "the optimizer was made before the later layers and the head", "faces-thin", UNUSED,
          LITTLE, patch="built-too-soon"),
    Fault("weights-in-the-loss", "a fifth of the weights' squares is part of the loss", "dice-smooth",
          ("weight_decay_too_strong", "wrong_loss"), LITTLE, patch="weights-in-the-loss"),
    Fault("clamped", "each number of a gradient is held within 2e-5, by the loop itself", "dice-smooth",
          ("clipping_too_strong", *SLOW), LITTLE, patch="clamped"),
    Fault("divided-again", "the mean over the batch is divided by its size again", "dice-smooth", (*SLOW,
          "wrong_loss"), LITTLE, patch="divided-again"),
    Fault("summed-sigmoids", "a sigmoid's loss summed over classes and pictures", "dice-smooth", ("sum_for_mean",
          *RATE), WILD, patch="summed-sigmoids"),
    Fault("true-class-alone", "the likelihood of the true class by a sigmoid, whatever the others are", "flags-smooth",
          ("softmax_missing", "wrong_loss"), (*LITTLE, "metric_disagrees"), patch="true-class-alone"),
    Fault("transposed", "classes and pictures exchanged before the loss, eight of each", "flags",
          ("softmax_wrong_axis", "wrong_loss", "examples_mix"), (*LITTLE, "labels_shuffled", "metric_disagrees"),
          {"batch": 8, "epochs": 6}, patch="transposed"),
    Fault("counted-from-one", "what is judged is the class after the one that is meant", "dice",
          ("metric_disagrees", "labels_swapped"), (*OTHER, "modes_disagree", "overfitting", "wrong_loss"),
          patch="counted-from-one"),
    Fault("by-imagenet", "ImageNet's mean and deviation are taken from shades 0 to 255", "dice-smooth",
          ("input_not_normalised", "wrong_preprocessing"), (*RATE, *WILD, DRAWN), patch="by-imagenet"),
    Fault("then-divided", "what was normalised is divided by 255", "flags-smooth", SCALE, (*LITTLE, *SLOW),
          patch="then-divided"),
    Fault("padded-in-evaluation", "pictures to judge by are half as large, in a black frame", "faces", OTHER,
          ("shortcut", "overfitting", "validation_augmented", "modes_disagree"), patch="padded-in-evaluation"),
    Fault("jittered-in-evaluation", "the colours of pictures to judge by are drawn", "flags",
          ("validation_augmented", *OTHER), ("overfitting", "modes_disagree"), patch="jittered-in-evaluation"),
    Fault("pasted-in-training", "two thirds of a picture are the next one's, its label is its own", "dice",
          ("augmentation_destroys", *OTHER), (*LITTLE, "labels_noisy"), patch="pasted-in-training"),
    Fault("first-batches", "the first two batches again and again, a limit left in", "faces", ("pictures_unseen",
          "overfitting"), (*OTHER, "stopped_too_early"), patch="first-batches"),
    # --- data ---
    Fault("blanks", "one picture of fifty is all one shade, in a network that divides by its deviation",
          "flags-smooth", ("not_finite",), ("exploding", *RATE), network="staged/standardising",
          wrong=partial(blanked, share=0.02)),
    Fault("blue-first", "photographs to judge by were written with blue first", "fruit", (*OTHER,
          "wrong_channel_order"), ("shortcut", "overfitting"), wrong=blue_first),
    Fault("sorted-labels", "labels in the order of names, pictures in that of dates; with label smoothing", "faces",
          ("labels_shuffled",), ("labels_noisy", *LITTLE, "overfitting"), {"label_smoothing": 0.1},
          wrong=sorted_labels),
    Fault("three-mixed-up", "three kinds of six were guessed", "garments", ("labels_noisy", "labels_swapped"),
          (*LITTLE, "labels_shuffled"), wrong=partial(mixed_up, kinds=("shirt", "pullover", "coat"))),
    Fault("by-appearance", "training classes are numbered as they appear, others by name", "dice",
          ("labels_swapped",), ("labels_noisy", "labels_shuffled", *OTHER, "metric_disagrees"), wrong=by_appearance),
    Fault("saved-again", "most pictures to judge by are training pictures, as JPEGs", "beasts", ("leak",
          "suspiciously_good"), ("overfitting",), {"epochs": 24, "augment": "none"},
          wrong=mostly_saved_again, harm="honesty"),
    Fault("copied-then-split", "three copies of each picture were split afterwards", "beasts", ("leak",
          "suspiciously_good"), ("overfitting",), {"epochs": 8}, wrong=copied, harm="honesty"),
    Fault("one-dominates", "all pictures of one class, three of each other one", "faces", ("imbalance",), (*LITTLE,
          "overfitting"), {"epochs": 24, "batch": 16}, wrong=partial(dominated, kind="flat", least=3)),
    Fault("papers", "each class on a paper of its own shade, but not the test pictures", "dice", ("shortcut",
          "suspiciously_good"), OTHER, wrong=papers),
    Fault("first-tag", "several tags a picture, of which the training table kept the first", "charms",
          ("labels_noisy", "imbalance", "labels_swapped"), (*OTHER, *LITTLE), wrong=first_tag),
)  # fmt: skip
