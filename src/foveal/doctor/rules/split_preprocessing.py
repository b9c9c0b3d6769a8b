"""Pictures are prepared in one way for training and in another for evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._again import unlike_files
from ._course import poor
from ._parts import part, percent, surely_above, untested
from ._range import look_apart, off_the_card, state, unlike_in_test

SOURCE = "TheDeepChecker (Braiek & Khomh 2022); data leakage in reverse: the same training pictures on both ways in"
LEVEL = "input"
EXPLAINS = (
    "overfitting", "metric_disagrees", "loss_stuck", "below_published", "stopped_too_early",
    "modes_disagree", "batchnorm_stale", "oscillation", "wrong_channel_order", "underfitting",
    "schedule_ends_wrongly", "wrong_preprocessing", "labels_swapped", "labels_noisy", "suspiciously_good",
)  # fmt: skip
LEAST = 0.15
WAYS = {
    "fine": "normalised once",
    "twice": "normalised twice",
    "bytes": "0 to 255",
    "never": "0 to 1",
    "odd": "out of range",
    "wide": "far out of range",
    "flat": "next to one shade",
}


def examine(case: Case) -> Finding | Unsure | None:
    inputs, splits = part(case, "inputs"), part(case, "splits")
    if inputs is None and splits is None:
        return untested(case, "splits", "both ways in")
    varied, judged = state(case, "varied"), state(case, "val")
    if varied is not None and judged is not None and varied != judged and "fine" in (varied, judged):
        said = f"In training pictures are {WAYS[varied]}, in evaluation {WAYS[judged]}."
        assert inputs is not None
        told = Evidence(
            f"In training values lie from {inputs['varied']['low']:.3g} to {inputs['varied']['high']:.3g}, in "
            "evaluation "
            f"from {inputs['val']['low']:.3g} to {inputs['val']['high']:.3g}.",
            {k: inputs[k] for k in ("varied", "val")},
        )
        return _finding(said, told, 0.95)
    if inputs is not None and (found := _on_the_way(case, inputs)) is not None:
        return found
    if (how := unlike_files(case)) and poor(case, 0.05):
        said = f"Read from their files again, {how}."
        return _finding(said, Evidence(said, dict(part(case, "read_again") or {})), 0.9)
    if inputs is not None and (found := _in_test(case, inputs)) is not None:
        return found
    if splits is None or "varied" not in splits:
        return None
    # the best network may be an early one that had learned next to nothing
    low, high = splits.get("last_val", splits["val"]), splits.get("last_train", splits["train"])
    if inputs is not None and surely_above(high, low, splits["count"], LEAST):
        apart = look_apart(inputs)
        if apart:
            said = f"Validation pictures are not like training pictures: {apart}."
            told = Evidence(
                f"{percent(high)} of the training pictures are right, and {percent(low)} of the "
                "validation pictures.", {**splits, "plain": inputs["plain"], "judged": inputs["val"]},
            )  # fmt: skip
            return _finding(said, told, 0.8)
    if (
        inputs is not None
        and (apart := look_apart(inputs))
        and (found := _told_less(case, apart)) is not None
    ):
        return found
    if (found := _seen_as(splits)) is not None:
        return found
    mixed_up = inputs is not None and inputs.get("mismatched", 0) > 0  # it is the labels, then
    if not mixed_up and surely_above(splits["varied"], splits["train"], splits["count"], LEAST):
        said = (
            f"Of the same training pictures {percent(splits['varied'])} are right as training gives them, and "
            f"{percent(splits['train'])} as evaluation does."
        )
        return _finding(said, Evidence(said, dict(splits)), 0.85)
    return None


def _finding(said: str, told: Evidence, confidence: float) -> Finding:
    return Finding(
        "split_preprocessing",
        "error",
        said,
        (told,),
        "The network learns on pictures of one kind and is judged on another: what it has learned does not show, "
        "and what is reported says nothing of it.",
        Cure(
            "Prepare pictures by the same steps for training and evaluation. In code: one function that "
            "reads, resizes and normalises, called for both, and nothing but what varies pictures for "
            "training alone. In files: save those of one split anew by the script that made the other's, "
            "and undo what the evidence names (`image.transpose(Image.FLIP_TOP_BOTTOM)` where they stand "
            "on their heads, `image.convert('RGB')`, no threshold)."
        ),
        confidence=confidence,
    )


LESS = 0.15
"""What training pictures must tell less of their labels than validation pictures of theirs, where both look different;
beside luck."""


def _told_less(case: Case, apart: str) -> Finding | None:
    """Training pictures look different and tell less of what they are: they were damaged, not those to judge by."""
    held = part(case, "labels_held")
    if held is None or held.get("several") or not poor(case, 0.2):
        return None
    if not surely_above(held["held"], held["train"], held["count"], LESS):
        return None
    said = (
        f"Training pictures show less of what they are than validation pictures, and look different: {apart}."
    )
    told = Evidence(
        f"On the network's features a linear head tells {percent(held['held'])} of {held['count']} validation labels "
        f"that it did not see, and one for as many training labels {percent(held['train'])}.",
        {"train": held["train"], "held": held["held"], "count": held["count"]},
    )
    return _finding(said, told, 0.85)


BACK, RIGHT = 0.25, 0.7
"""What a change of validation pictures must bring back, and the share of training's score that it must come to."""
KEPT = 0.4
"""Share of the classes that may be right as they are: where more are, it is labels that are exchanged, not pictures
that are turned."""


def _on_the_way(case: Case, inputs: Mapping[str, Any]) -> Finding | None:
    """What is done to validation pictures after they were read, and not to training pictures, or the other way."""
    judged, varied = off_the_card(inputs, "val", strict=True), off_the_card(inputs, "varied")
    if not poor(case, 0.05) or bool(judged) == bool(off_the_card(inputs, "varied", strict=True)):
        return None
    if varied and "something else" in varied:
        return None  # what varies training pictures may do that
    if not judged and not varied:
        return None
    where, other = ("evaluation", "training") if judged else ("training", "evaluation")
    said = (
        f"In {where} pictures are not given as the run's card says: {judged or varied}; in {other} they are."
    )
    return _finding(said, Evidence(said, {"card": inputs["card"]}), 0.9)


def _in_test(case: Case, inputs: Mapping[str, Any]) -> Finding | None:
    """Test pictures that look different, and on which the score does not hold."""
    unlike, judged = unlike_in_test(inputs), case.record.evaluation
    if not unlike or judged is None or judged.headline.split != "test" or judged.headline.name != "accuracy":
        return None
    if not case.headlines or look_apart(inputs):
        return None
    promised, held = max(case.headlines, key=lambda score: score.value), judged.headline
    if promised.low - held.high < 0.05:
        return None
    said = f"Test pictures are not like training pictures: {unlike}."
    told = Evidence(
        f"{percent(promised.value)} of the validation pictures are right, and {percent(held.value)} of the test "
        "pictures.",
        {"apart": inputs["apart_in_test"]},
    )
    return _finding(said, told, 0.85)


def _seen_as(splits: Mapping[str, Any]) -> Finding | None:
    """Validation pictures are right as soon as they are changed in one way: that was done to them, or undone."""
    ways, called = splits.get("seen_as"), splits.get("called", ())
    if not ways:
        return None
    way = max(ways, key=lambda name: ways[name])
    count, before, after = splits["count"], splits["last_val"], ways[way]
    if not surely_above(after, before, count, BACK) or after < RIGHT * splits["last_train"]:
        return None
    right = sum(row["called"] == row["truth"] and row["share"] > 0.5 for row in called)
    if called and right > KEPT * len(called) and way.startswith(("turned", "mirrored", "with rows")):
        return None
    said = (
        f"Validation pictures {way} are right for {percent(after)}, and as they are given for {percent(before)}: they "
        "are prepared in another way than training pictures."
    )
    told = Evidence(
        f"Of {count} training pictures {percent(splits['last_train'])} are right.",
        {"seen_as": ways, "val": before, "train": splits["last_train"]},
    )
    return _finding(said, told, 0.9)
