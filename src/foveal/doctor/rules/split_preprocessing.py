"""Pictures are prepared in one way for training and in another for evaluation."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._parts import part, percent, surely_above, untested
from ._range import look_apart, state

SOURCE = "TheDeepChecker (Braiek & Khomh 2022); data leakage in reverse: the same training pictures on both ways in"
LEVEL = "input"
EXPLAINS = (
    "overfitting", "metric_disagrees", "loss_stuck", "below_published", "stopped_too_early",
    "modes_disagree", "batchnorm_stale", "oscillation", "wrong_channel_order", "underfitting",
    "schedule_ends_wrongly", "wrong_preprocessing",
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
    if surely_above(splits["varied"], splits["train"], splits["count"], LEAST):
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
            "Prepare pictures by the same steps for training and evaluation; only what varies them belongs to "
            "training alone."
        ),
        confidence=confidence,
    )
