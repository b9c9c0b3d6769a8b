"""Labels bear no relation to the pictures: nothing that is learned holds on pictures not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ...intervals import wilson
from ..case import Case
from ._course import poor, result
from ._data import NOT_SEEN, share
from ._parts import part

SOURCE = (
    "Zhang et al. 2017, Understanding Deep Learning Requires Rethinking Generalization: networks learn shuffled labels "
    "by heart; TheDeepChecker (Braiek & Khomh 2022) compares with shuffled labels"
)
LEVEL = "data"
EXPLAINS = (
    "overfitting",
    "loss_stuck",
    "underfitting",
    "labels_noisy",
    "cannot_fit",
    "rate_too_low",
    "rate_too_high",
    "augmentation_destroys",
)
FEWEST = 100
"""Validation pictures below which chance cannot be told from little."""
MISMATCHED = 0.05
"""Share of a batch's pictures that come with another label than the data have, from which it is no slip."""
EDGE = 0.05
"""Above chance, what a head on pixels or features may seem to tell where it tells nothing."""


def examine(case: Case) -> Finding | Unsure | None:
    if case.record.kind not in ("classes", "labels") or not case.headlines:
        return None
    inputs = case.tests.get("inputs", {})
    if inputs.get("mismatched", 0.0) > MISMATCHED and not inputs.get("renamed"):
        return _apart(inputs)
    if case.record.kind == "labels":
        return _several(case)
    if (found := _reordered(case) or _unrelated(case)) is not None:
        return found
    counts = case.data.get("counts", {}).get("val", {})
    count = sum(counts.values())
    best = max(case.headlines, key=lambda one: one.value)
    if count < FEWEST or best.name != "accuracy":
        return None
    chance = max(counts.values()) / count
    if wilson(best.value, count)[0] > chance + 0.02:
        return None
    told = [case.data[name] for name in ("taught", "labels", "plain") if name in case.data][:1]
    if not told:
        return NOT_SEEN
    if any(row["accuracy"] > row["chance"] + EDGE or row["low"] > row["chance"] + 0.02 for row in told):
        return None
    return Finding(
        "labels_shuffled",
        "error",
        f"Labels have nothing to do with the pictures: accuracy never passed {best.value:.1%} of {count} validation "
        f"pictures, where always saying the most common class gives {chance:.1%}.",
        (
            Evidence(
                f"A linear classifier, made apart from this run, tells {share(told[0])} of {told[0]['count']} training "
                f"labels of pictures that it did not see; chance is {told[0]['chance']:.1%}.",
                dict(told[0]) if "wrong" not in told[0] else {"accuracy": told[0]["accuracy"]},
            ),
            Evidence(
                f"The training loss went from {case.train_losses[0]:.3g} to {case.train_losses[-1]:.3g}.",
                {"first": case.train_losses[0], "last": case.train_losses[-1]},
            ),
        ),
        "Pictures and labels were brought together in the wrong order, or one of the two was shuffled alone.",
        Cure(
            "Put each label back to its picture: compare a few rows of the list of labels with the files "
            "themselves, and join them by name: `label = dict(zip(table.file, table.label))[path.name]`. "
            "One that is sorted or shuffled without the other parts them, as does a heading that is read "
            "as a row."
        ),
        confidence=0.9 if "labels" in case.data else 0.8,
    )


SURELY, LESS, MORE, TWICE = 5.0, 0.25, 0.15, 1.5
"""Standard deviations by which a share must lie above luck; what labels that are unrelated have left, at most, of what
validation's tell above luck (60 % of noise over ten classes leave 0.33); and what labels in another order must tell
above luck, and as many times as those that stand there tell. On 81 sound runs nothing comes near: their labels tell
at least as much where they stand."""


def _reordered(case: Case) -> Finding | None:
    """Training labels fit their pictures in another order than they stand in."""
    held = part(case, "labels_held") or {}
    found = held.get("reordered")
    if not found or found["count"] < FEWEST or not poor(case, 0.1):
        return None
    luck = (found["others"] * (1 - found["others"]) / found["count"]) ** 0.5
    above = found["share"] - max(found["others"], TWICE * held["back"])
    if above < max(SURELY * luck, MORE * (1 - found["others"])):
        return None
    return Finding(
        "labels_shuffled",
        "error",
        f"Training labels stand in another order than their pictures ({found['as']}).",
        (
            Evidence(
                f"{found['share']:.1%} of what is seen in {found['count']} training pictures, by a head that learned "
                f"the validation labels on the network's features, is the label in that order; where labels stand, "
                f"{held['back']:.1%}; of any picture, {found['others']:.1%}.",
                {**found, "back": held["back"]},
            ),
        ),
        "A list of files was sorted in one way and the table of labels in another, and the two were put together by "
        "their place.",
        Cure("Join labels to files by name, not by place: `dict(zip(table.file, table.label))[path.name]`."),
        confidence=0.95,
    )


def _unrelated(case: Case) -> Finding | None:
    """What the network sees tells validation's labels, and next to nothing of training's, by either split's head."""
    found = part(case, "labels_held")
    if found is None or found.get("several") or "joint" not in found or not poor(case, 0.1):
        return None
    chance, joint, count = _by_luck(found["joint"]), found["joint"], found["count"]
    commonest = max(sum(row.values()) for row in joint.values()) / found["seen"]
    known = found["held"] - commonest
    luck = (commonest * (1 - commonest) / count) ** 0.5
    if known < max(SURELY * luck, MORE):
        return None
    left = max(found["train"] - commonest, found["back"] - chance)
    if left > LESS * known or found["forth"] - commonest > 0.5 * known:
        return None
    return Finding(
        "labels_shuffled",
        "error",
        "Training labels have nothing to do with their pictures, where those of validation have.",
        (
            Evidence(
                f"On the network's features a linear head tells {found['held']:.1%} of {count} validation labels that "
                f"it did not see, and one for as many training labels {found['train']:.1%}; the first tells "
                f"{found['back']:.1%} of {found['seen']} training labels, and luck {chance:.1%}.",
                {key: found[key] for key in ("held", "train", "forth", "back", "count", "seen")},
            ),
        ),
        "Pictures and labels were brought together in the wrong order, or one of the two was shuffled alone.",
        Cure(
            "Put each label back to its picture: join the two by name, not by place in a list: `label = "
            "dict(zip(table.file, table.label))[path.name]`."
        ),
        confidence=0.92,
    )


def _by_luck(joint: Mapping[str, Mapping[str, int]]) -> float:
    """How often what is said would be the given label if the two had nothing to do with each other."""
    whole = sum(sum(row.values()) for row in joint.values())
    said = {name: sum(row.get(name, 0) for row in joint.values()) for name in joint}
    return sum(sum(row.values()) * said[name] for name, row in joint.items()) / max(1, whole) ** 2


KNOWN, NOTHING, SIGMAS = 0.65, 0.55, 4.0
"""Areas under the ROC curve: of validation's labels, at least, and of training's, at most (0.5 is luck); and standard
deviations between the two. Chosen, not measured."""


def _several(case: Case) -> Finding | None:
    """Of several labels a picture, what the network sees goes with validation's, and not with training's."""
    found = part(case, "labels_held")
    if found is None or not found.get("several") or not poor(case, 0.1):
        return None
    low, high, luck = found["train"], found["held"], sum(s * s for s in found["spread"]) ** 0.5
    if high < KNOWN or low > NOTHING or high - low < SIGMAS * luck:
        return None
    return Finding(
        "labels_shuffled",
        "error",
        f"The labels of training have nothing to do with the pictures, where those of validation do; {result(case)}.",
        (
            Evidence(
                "Of a picture that bears a label and one that does not, a linear head on the network's features ranks "
                f"the first higher in {high:.0%} of such pairs of {found['count']} validation pictures, and in "
                f"{low:.0%} of training pictures; luck is 50 %. A network that learned from these would have it the "
                "other way round.",
                {"train": low, "held": high, "count": found["count"]},
            ),
        ),
        "Pictures and labels were brought together in the wrong order, or one of the two was shuffled alone.",
        Cure(
            "Put each picture's labels back to it: join them by name, not by place in a table: `labels = "
            "dict(zip(table.file, table.labels))[path.name]`. A heading that is read as a row moves all "
            "by one."
        ),
        confidence=0.85,
    )


def _apart(inputs: Mapping[str, Any]) -> Finding:
    """Pictures and labels part on their way into the network."""
    mismatched = inputs["mismatched"]
    return Finding(
        "labels_shuffled",
        "error",
        f"{mismatched:.1%} of the pictures reach the network with another label than the data give them.",
        (
            Evidence(
                f"Of up to {inputs['count']} pictures, as training and evaluation are given them, each label was held "
                "against the data's own.",
                {"mismatched": mismatched, "count": inputs["count"]},
            ),
        ),
        "Pictures are put into another order than their labels, or labels are made anew, after the data were read.",
        Cure(
            "In the code that makes batches, shuffle pictures and labels by one order: `order = "
            "torch.randperm(n)`, then `pictures[order], labels[order]`."
        ),
        confidence=0.97,
    )
