"""A fourth group of faults by someone who had not read the rules.

Drawn from a grid of 22 stages and 122 operators (`grid`: seed 4, the first 60); three more so that each illness that
was asked for is there: people's labels, stale norms, a batch of one.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image

from ...alike import DRAWN, LEAK, LITTLE, OTHER, RATE, SCALE, SLOW, UNUSED, WILD
from ...pictures import Picture, Pictures
from ...rows import Fault
from .pictures import by_people

# --- files ---


def truncated(made: Pictures) -> Pictures:
    """Copying the training files broke off: below a row between a sixth and a half of each, all is grey."""
    draw = np.random.default_rng(12)

    def change(place: int, picture: Picture) -> Picture:
        picture = picture.copy()
        picture[int(len(picture) * draw.uniform(1 / 6, 1 / 2)) :] = 128
        return picture

    return made.redrawn(change, "train")


def sheared(made: Pictures) -> Pictures:
    """Rows of the pictures to judge by were read as one pixel longer than they are."""

    def change(place: int, picture: Picture) -> Picture:
        return np.stack([np.roll(row, -number, 0) for number, row in enumerate(picture)])

    return made.redrawn(change, "val", "test")


def thumbnails(made: Pictures, share: float = 0.18) -> Pictures:
    """Pictures to judge by are previews, enlarged again without smoothing."""

    def change(place: int, picture: Picture) -> Picture:
        small = Image.fromarray(picture).resize([round(share * len(picture))] * 2, Image.Resampling.NEAREST)
        return np.asarray(small.resize([len(picture)] * 2, Image.Resampling.NEAREST))

    return made.redrawn(change, "val", "test")


def indices(made: Pictures) -> Pictures:
    """Training pictures were kept with a palette of 16 colours, whose numbers are read as shades."""

    def change(place: int, picture: Picture) -> Picture:
        numbers = np.asarray(Image.fromarray(picture).quantize(16), np.uint8)
        return np.repeat(16 * numbers[..., None], 3, 2)

    return made.redrawn(change, "train")


# --- labels ---


def filtered(made: Pictures, first: float = 0.15, each: int = 25) -> Pictures:
    """Unreadable pictures were skipped and their labels were not: from each on, labels lag one row more."""
    labels, there = list(made.labels), made.where("train")
    for number, place in enumerate(there):
        lag = max(0, 1 + (number - int(first * len(there))) // each)
        labels[place] = made.labels[there[number - lag]]
    return made.relabelled(labels)


def as_text(made: Pictures) -> Pictures:
    """Training classes were numbered in the order of their names as text: 1, 10, 11, 12, 2, ..."""
    kinds = sorted(set(made.labels), key=int)
    names = dict(zip(kinds, sorted(kinds), strict=True))
    return made.relabelled(
        [
            names[label] if part == "train" else label
            for label, part in zip(made.labels, made.parts, strict=True)
        ]
    )


def careless(made: Pictures, share: float) -> Pictures:
    """Who was paid by the picture clicked on anything, for so many of the training pictures."""
    draw, labels, kinds = np.random.default_rng(12), list(made.labels), sorted(set(made.labels))
    for place in made.where("train"):
        if draw.random() < share:
            labels[place] = kinds[int(draw.integers(len(kinds)))]
    return made.relabelled(labels)


def spelled(made: Pictures, kinds: tuple[str, ...], share: float = 0.85) -> Pictures:
    """A second person wrote some classes with a capital letter in the training table, which makes them classes."""
    draw, labels = np.random.default_rng(12), list(made.labels)
    for place in made.where("train"):
        if labels[place] in kinds and draw.random() < share:
            labels[place] = labels[place].capitalize()
    return made.relabelled(labels)


# --- split and sampling ---


def merged_folders(made: Pictures, share: float = 0.75) -> Pictures:
    """Two folders with much in common were merged, and the whole was split."""
    draw, there = np.random.default_rng(12), made.where("train")
    images, labels = list(made.images), list(made.labels)
    for place, part in enumerate(made.parts):
        if part != "train" and draw.random() < share:
            twin = there[int(draw.integers(len(there)))]
            images[place], labels[place] = made.images[twin], made.labels[twin]
    return Pictures(images, labels, made.parts)


def first_few(made: Pictures, count: int) -> Pictures:
    """Shares of the split were exchanged: so many pictures are left to train on."""
    return made.chosen([*made.where("train")[:count], *made.where("val"), *made.where("test")])


def few_to_judge(made: Pictures, count: int) -> Pictures:
    """So few validation pictures that chance decides which epoch is best."""
    return made.chosen([*made.where("train"), *made.where("val")[:count], *made.where("test")])


def thinning(made: Pictures, share: float) -> Pictures:
    """Each class has this share of the training pictures of the one before it in the list."""
    kinds, seen, kept = sorted(set(made.labels)), dict[str, int](), []
    common = sum(
        label == kinds[0] and part == "train" for label, part in zip(made.labels, made.parts, strict=True)
    )
    for place, (label, part) in enumerate(zip(made.labels, made.parts, strict=True)):
        seen[label] = seen.get(label, 0) + (part == "train")
        if part != "train" or seen[label] <= max(1, round(common * share ** kinds.index(label))):
            kept.append(place)
    return made.chosen(kept)


def two_dominate(made: Pictures, kinds: tuple[str, str], least: int) -> Pictures:
    """All training pictures of two classes, so many of each other one."""
    seen, kept = dict[str, int](), []
    for place, (label, part) in enumerate(zip(made.labels, made.parts, strict=True)):
        seen[label] = seen.get(label, 0) + (part == "train")
        if part != "train" or label in kinds or seen[label] <= least:
            kept.append(place)
    return made.chosen(kept)


# --- confounders ---


def framed(made: Pictures) -> Pictures:
    """Each class was scanned with a frame of its own shade, but not the test pictures, whose frames are any."""
    draw, kinds = np.random.default_rng(12), sorted(set(made.labels))

    def change(place: int, picture: Picture) -> Picture:
        known = made.parts[place] != "test"
        kind = kinds.index(made.labels[place]) if known else int(draw.integers(len(kinds)))
        framed = np.full_like(picture, 40 + 36 * kind)
        framed[2:-2, 2:-2] = picture[2:-2, 2:-2]
        return framed

    return made.redrawn(change)


def stamped(made: Pictures) -> Pictures:
    """The station's logo is in a corner, and each station sent one kind; test pictures come from all."""
    draw, kinds = np.random.default_rng(12), sorted(set(made.labels))
    inks = ((250, 30, 30), (30, 250, 30), (30, 30, 250), (250, 250, 30), (250, 30, 250))

    def change(place: int, picture: Picture) -> Picture:
        known = made.parts[place] != "test"
        kind = kinds.index(made.labels[place]) if known else int(draw.integers(len(kinds)))
        picture = picture.copy()
        picture[1:4, -5:-1] = inks[kind]
        return picture

    return made.redrawn(change)


FAULTS: tuple[Fault, ...] = (
    # --- files ---
    Fault("truncated-files", "training files end early; what lacks is grey", "weather", OTHER,
          ("augmentation_destroys", "overfitting", *LITTLE), wrong=truncated),
    Fault("sheared-rows", "rows of pictures to judge by are read as too long", "outfits-modest", OTHER,
          ("overfitting", "shortcut"), wrong=sheared),
    Fault("previews", "dashboards to judge by are enlarged previews", "lamps", OTHER, ("overfitting", "shortcut"),
          wrong=thumbnails),
    Fault("palette-numbers", "numbers of a palette are read as shades in training", "weather-classical", OTHER,
          ("overfitting", "shortcut", "input_not_normalised", *LITTLE), wrong=indices),
    # --- labels ---
    Fault("yard-by-people", "real pictures under labels of hasty people", "yard", ("labels_noisy",), (*LITTLE,
          "overfitting"), wrong=by_people, source="Wei et al. 2022 (CIFAR-10N)"),
    Fault("lagging-labels", "labels lag behind the pictures, more and more", "junctions-modest",
          ("labels_shuffled", "labels_noisy"), (*LITTLE, "overfitting"), wrong=filtered),
    Fault("numbers-as-text", "training classes are numbered in the order of text", "romans", ("labels_swapped",),
          ("labels_noisy", "labels_shuffled", "metric_disagrees", *OTHER), wrong=as_text),
    Fault("paid-by-the-picture", "two thirds of the training labels are any", "outfits", ("labels_noisy",),
          ("labels_shuffled", *LITTLE), wrong=partial(careless, share=0.67)),
    Fault("capital-letters", "three classes are written in two ways in training", "weather", ("labels_noisy",
          "labels_swapped"), ("imbalance",), wrong=partial(spelled, kinds=("rain", "snow", "sun"))),
    # --- split ---
    Fault("merged-folders", "most pictures to judge by are training pictures", "yard", LEAK, ("overfitting",),
          {"epochs": 16, "augment": "none"}, wrong=merged_folders, harm="honesty"),
    Fault("shares-exchanged", "eighteen training pictures of six classes", "outfits-modest", ("overfitting",),
          ("underfitting", "stopped_too_early"), {"augment": "none", "epochs": 30, "batch": 9},
          wrong=partial(first_few, count=18)),
    # --- augmentation and regularisation ---
    Fault("peppered", "four of five pixels black or white at random in training", "junctions-modest",
          ("augmentation_destroys", *OTHER), LITTLE, patch="peppered-in-training"),
    Fault("mixed-halves", "pictures mixed half and half, always, in a short run", "weather",
          ("augmentation_destroys",), LITTLE, {"mixup": 8.0, "epochs": 5}),
    # --- scale ---
    Fault("normalised-again", "mean and deviation are taken out twice; pretrained", "posies", (*SCALE,
          "wrong_preprocessing"), LITTLE, patch="normalised-again"),
    Fault("shades-plain", "shades 0 to 255; nothing normalises", "outfits-modest", ("input_not_normalised",),
          (*WILD, *RATE), patch="not-normalised"),
    Fault("shades-where-judged", "shades 0 to 255 where pictures are judged", "weather", OTHER,
          ("input_not_normalised", "modes_disagree", "overfitting"), patch="wide-shades-in-evaluation"),
    # --- layers ---
    Fault("one-unit", "all features go through one number, twelve classes", "romans", ("underfitting",
          "cannot_fit"), LITTLE, network="staged/one-unit"),
    Fault("gelus-18", "eighteen convolutions with GELUs, as torch draws them", "junctions-modest", ("vanishing",
          DRAWN), (*LITTLE, *SLOW), network="staged/gelus-18"),
    Fault("shuffled-pictures", "a shuffle of channels that shuffles pictures, too", "weather", ("examples_mix",),
          (*LITTLE, "modes_disagree"), network="staged/shuffled-pictures", source="Humbatova et al. 2020"),
    # --- activations ---
    Fault("sigmoids-9", "nine layers of sigmoids, as torch draws them", "yard", ("vanishing", "saturation", DRAWN),
          (*LITTLE, *SLOW), network="staged/sigmoids-9", source="AutoTrainer"),
    Fault("hard-sigmoids", "hard sigmoids under large weights", "weather-classical", ("saturation", DRAWN),
          (*LITTLE, "vanishing", "dead_units"), network="staged/hard-sigmoids", source="DeepCrime"),
    Fault("steep-60", "tangents ninety times as steep as LeCun's", "weather-classical", ("saturation", DRAWN),
          (*LITTLE, "vanishing"), network="staged/steep-tangents"),
    Fault("softmaxes-inside", "softmax in place of each rectifier", "outfits-modest", ("softmax_inside", "vanishing",
          "saturation", DRAWN), (*LITTLE, "softmax_twice"), network="staged/hidden-softmax-2", source="DeepCrime"),
    Fault("squares", "squares for activations", "junctions-modest", ("exploding", "not_finite", DRAWN), (*RATE,
          *WILD), network="staged/squares"),
    Fault("above-six", "rectifiers that let through what is above six", "junctions-modest", ("dead_units", DRAWN),
          (*LITTLE, "vanishing", "input_ignored"), network="staged/above-six"),
    Fault("rectified-end", "logits go through a rectifier", "outfits-modest", ("dead_units", "wrong_loss"), LITTLE,
          network="staged/rectified-end", source="DeepFD"),
    # --- confounders ---
    Fault("framed-scans", "a frame's shade tells the class, but not in the test pictures", "outfits", ("shortcut",
          "suspiciously_good"), OTHER, wrong=framed),
    Fault("stations", "a station's logo tells the class, but not in the test pictures", "weather", ("shortcut",
          "suspiciously_good"), OTHER, wrong=stamped),
    # --- evaluation ---
    Fault("least-likely", "the least likely class is judged", "junctions", ("metric_disagrees",), ("labels_swapped",
          "wrong_loss"), patch="argmin"),
    Fault("judged-by-appearance", "classes are counted in another order where they are judged", "weather",
          ("metric_disagrees", "labels_swapped", *OTHER), ("labels_shuffled", "overfitting"),
          patch="judged-by-appearance"),
    # --- freezing ---
    Fault("head-left-out", "the head is not given to the optimizer; narrow, twelve classes", "romans-five", UNUSED,
          LITTLE, patch="without-head"),
    Fault("caffe-preset", "pretrained weights are given another library's shades", "posies", ("wrong_preprocessing",
          "input_not_normalised"), LITTLE, patch="caffe-preset"),
    Fault("weather-features", "features of drawn symbols stay frozen under photographs", "yard",
          ("frozen_by_mistake",), (*LITTLE, "optimizer_lacks_parameters"), {"freeze": "always"}, start="weather"),
    Fault("norms-only", "only the norms are given to the optimizer; narrow", "romans-five", UNUSED, LITTLE,
          patch="norms-only"),
    # --- head ---
    Fault("cooled", "logits are divided by 100 before the softmax, SGD", "outfits-modest", (*SLOW, "wrong_loss"),
          LITTLE, network="staged/cooled"),
    Fault("softmax-0", "a softmax at the end, over the first axis", "yard", ("softmax_wrong_axis", "softmax_twice",
          "examples_mix"), (*LITTLE, "modes_disagree"), network="staged/softmax-0"),
    Fault("softmax-then-loss", "a head that ends with a softmax, momentum", "junctions", ("softmax_twice",), LITTLE,
          network="staged/softmax-then-head", source="Humbatova et al. 2020"),
    # --- imbalance ---
    Fault("thinning-romans", "each of twelve classes has two thirds of the pictures of the one before", "romans",
          ("imbalance",), ("overfitting", *LITTLE), wrong=partial(thinning, share=0.66)),
    Fault("two-dominate", "all pictures of two classes, two of each other one", "junctions", ("imbalance",),
          ("overfitting", *LITTLE), wrong=partial(two_dominate, kinds=("end", "fork"), least=2)),
    Fault("weighed-as-common", "classes weigh more the more common they are", "uneven-junctions", ("imbalance",
          "wrong_loss"), LITTLE, {"balance": "weights"}, patch="weighed-as-common", source="Islam et al. 2019"),
    # --- initialisation ---
    Fault("normal-1", "all weights from a normal distribution of deviation 1", "outfits-modest", (DRAWN,
          "exploding"), (*WILD, *RATE), network="staged/normal-1", source="DeepCrime"),
    Fault("ones", "all weights 1", "junctions-modest", (DRAWN, "exploding"), (*WILD, *RATE), network="staged/ones",
          source="DeepCrime"),
    Fault("positive", "all weights between 0 and 1; tangents", "weather-classical", (DRAWN, "saturation"), (*LITTLE,
          "vanishing", "exploding"), network="staged/positive", source="DeepCrime"),
    Fault("zeros", "all weights 0; SGD", "outfits-modest", (DRAWN, "vanishing"), (*LITTLE, *SLOW, "dead_units",
          "input_ignored"), network="staged/zeros", source="DeepCrime"),
    # --- input ---
    Fault("behind-glass", "a mask hides the whole picture but for a corner", "romans", ("input_ignored",), LITTLE,
          network="staged/behind-glass"),
    # --- loss ---
    Fault("ones-for-others", "sigmoids whose truths are 1 for all other classes", "weather", ("wrong_loss",
          "metric_disagrees"), ("labels_swapped", *LITTLE), patch="ones-for-others"),
    # --- norms ---
    Fault("frozen-norms", "norms in evaluation mode from the start, twelve layers", "junctions-modest",
          ("batchnorm_stale", "vanishing", DRAWN), (*LITTLE, *SLOW), network="staged/frozen-norms"),
    Fault("never-follows", "running statistics that follow at 0.0005 a step", "junctions", ("batchnorm_stale",),
          ("modes_disagree",), network="staged/never-follows"),
    Fault("one-at-a-time", "batches of one picture with batch normalisation", "weather", ("batch_of_one",), (*RATE,
          "oscillation", "modes_disagree", "batchnorm_stale"), {"batch": 1, "epochs": 2, "lr": 0.03}),
    # --- optimizer ---
    Fault("never-steps", "the optimizer never steps", "membranes", UNUSED, LITTLE, patch="never-stepped"),
    Fault("eps-of-inception", "an eps of 1", "yard", SLOW, LITTLE, patch="eps-of-inception"),
    # --- rate ---
    Fault("high-for-ever", "a rate far too high that never falls; the last model is kept", "yard", (*RATE,
          "oscillation", "schedule_ends_wrongly"), WILD, {"schedule": "constant", "lr": 0.4, "keep": "last"}),
    Fault("millionth", "a millionth, under sections of tissue", "membranes", SLOW, LITTLE, {"lr": 2e-6}),
    Fault("short-period", "a cosine told a tenth of its length", "outfits", ("schedule_ends_wrongly",), (*SLOW,
          *LITTLE), patch="short-period"),
    Fault("rises-to-the-end", "a rate that rises to the end; the last model is kept", "junctions-modest",
          ("schedule_ends_wrongly", *RATE), ("oscillation", "stopped_too_early", *WILD), {"warmup": 1.0, "lr": 0.03,
          "keep": "last"}),
    # --- paths ---
    Fault("doubled-paths", "nine blocks whose path is added twice", "junctions-sums", ("exploding", DRAWN), (*RATE,
          *WILD), network="staged/doubled"),
    Fault("overwritten-paths", "blocks that overwrite what they were to add to", "junctions-sums", ("vanishing",
          DRAWN), (*LITTLE, *SLOW), network="staged/overwritten"),
    # --- stopping ---
    Fault("three-epochs-thin", "three epochs of a narrow network, twelve classes", "romans-five",
          ("stopped_too_early", "underfitting"), (*LITTLE, *SLOW), {"epochs": 3}),
    Fault("impatient", "stopped at the first epoch without gain; a rate that begins low", "romans",
          ("stopped_too_early",), (*LITTLE, *SLOW), {"patience": 1, "epochs": 40, "warmup": 0.6, "lr": 1e-3}),
    Fault("eight-to-judge", "stopped by eight validation pictures", "junctions", ("stopped_too_early",), (*LITTLE,
          *SLOW), {"patience": 1, "epochs": 24}, wrong=partial(few_to_judge, count=8)),
)  # fmt: skip
