"""The loss does not grow where answers get worse, or is none for classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._beside import climbs, other_loss, steps, told
from ._course import poor
from ._parts import part, percent, untested

SOURCE = "NeuraLint (Nikanjam et al. 2021) and AutoTrainer (Zhang et al. 2021): loss and last activation do not match"
LEVEL = "loss"
EXPLAINS = (
    "loss_stuck", "underfitting", "rate_too_low", "updates_too_small", "stopped_too_early", "cannot_fit",
    "vanishing", "metric_disagrees", "overfitting", "oscillation", "rate_too_high", "exploding",
    "not_finite", "saturation", "bad_initialisation", "schedule_ends_wrongly", "updates_too_large",
    "below_published", "suspiciously_good", "augmentation_destroys", "labels_swapped",
    "labels_shuffled", "labels_noisy",
)  # fmt: skip
ALIKE = (("single", "expected"), ("in_training", "expected_in_training"))


LOW = 0.25
"""The largest output, at least, of a network that ends in a sigmoid: one that gives next to nothing is none."""
FAR = 0.3
"""Share of a guess's loss by which what it says of undecided answers may differ."""


def examine(case: Case) -> Finding | Unsure | None:
    if (beside := _beside(case)) is not None:
        return beside
    loss, outputs = part(case, "loss"), part(case, "outputs")
    if loss is None:
        return untested(case, "loss", "the loss")
    if loss["slope"] > 0:
        said = (
            f"The loss gets larger where the score of the true class grows (slope {loss['slope']:+.3g} a score): "
            "its sign is turned round."
        )
    elif loss["right"] < -0.5 or loss["right_in_training"] < -0.5:
        return None  # another illness: nothing bounds it
    elif loss["right"] >= loss["undecided"] or loss["right"] > 1.0:
        said = (
            f"The loss of answers that are right and sure is {loss['right']:.3g}, and of undecided ones "
            f"{loss['undecided']:.3g}: it is none for classes."
        )
    elif loss["reordered"] and abs(loss["reordered"] - loss["single"]) > 0.01 * abs(loss["single"]) + 1e-3:
        said = (
            f"The loss depends on the order of the pictures: {loss['single']:.4g}, and {loss['reordered']:.4g} "
            "turned round."
        )
    elif abs(loss["undecided"] - loss["guess"]) > FAR * loss["guess"] and poor(case, 0.05):
        said = (
            f"Undecided answers cost {loss['undecided']:.3g}, and cross-entropy, which the run names as its loss, "
            f"would say {loss['guess']:.3f}: it is another loss."
        )
    elif _is_another(loss) and poor(case, 0.05):
        said = (
            f"For the same {loss['count']} answers the loss is {loss['in_training']:.3f} in training and "
            f"{loss['single']:.3f} in evaluation; cross-entropy, which the run names as its loss, would say "
            f"{loss['expected_in_training']:.3f} and {loss['expected']:.3f}: it is another loss."
        )
    elif outputs is not None and outputs.get("rectified") and poor(case, 0.1):
        said = (
            f"The network ends in a rectifier: none of its scores for {outputs['count']} pictures is below 0, and "
            f"{percent(outputs['zeros'])} are 0, through which nothing is learned."
        )
        cure = Cure("Take the rectifier off the network's end.", repairs=_repairs(outputs))
        return _finding(said, {**outputs}, cure)
    elif outputs is not None and outputs["squashed"] and outputs["high"] > LOW and poor(case, 0.1):
        said = (
            f"The network ends in a sigmoid (all it gives lies between {outputs['low']:.3g} and "
            f"{outputs['high']:.3g}), and the loss takes a softmax of that."
        )
        cure = Cure("Take the sigmoid off the network's end.", repairs=_repairs(outputs))
        return _finding(said, {**outputs}, cure)
    else:
        return None
    return _finding(
        said,
        dict(loss),
        Cure(
            "In the task's code use cross-entropy on the network's scores, for all classes: "
            "`F.cross_entropy(scores, labels)`, without `ignore_index`, `weight` or a class left out."
        ),
    )


def _beside(case: Case) -> Finding | None:
    """What the loss says beside the one that the run names, answer by answer; or where steps climb."""
    if climbs(case):
        rows = steps(case)
        said = f"Steps go up the loss and not down: they lie opposite to what gradient and rate say ({told(rows)})."
        cure = Cure("Take the sign out, or `maximize=True`: a step goes against the gradient.")
        return _seen(said, {"rows": list(rows)}, said, cure)
    found = other_loss(case)
    if found is None or not poor(case, 0.05):
        return None
    said, row = found
    evidence = (
        f"For {row['size']} made-up answers the loss is {row['loss']:.4g} and should be {row['wanted']:.4g}; its "
        f"gradient is {row['times']:.3g} times as long as it should be, with a cosine of {row['cosine']:.3f}."
    )
    cure = Cure(
        "In the task's code use cross-entropy on the network's scores, and nothing beside it: "
        "`F.cross_entropy(scores, labels)`, without `ignore_index`, `weight`, a clamp or a power of "
        "it."
    )
    return _seen(said, row, evidence, cure)


def _seen(said: str, values: Mapping[str, Any], evidence: str, cure: Cure) -> Finding:
    return Finding(
        "wrong_loss",
        "error",
        said,
        (Evidence(evidence, dict(values)),),
        "What is descended says something else than which class is right: making it smaller does not make answers "
        "better, or hardly.",
        cure,
        confidence=0.96,
        direct=True,
    )


def _is_another(loss: Mapping[str, Any]) -> bool:
    """Whether answers cost something else than cross-entropy says, which is not the same number of times as much
    everywhere (`sum_for_mean`)."""
    pairs = [(loss[own], loss[true]) for own, true in ALIKE if loss.get(true)]
    return any(abs(own - true) > FAR * true for own, true in pairs) and not _is_multiple(loss)


def _is_multiple(loss: Mapping[str, Any]) -> bool:
    times = loss["in_training"] / loss["expected_in_training"]
    slope = loss["slope"] / min(-1e-9, loss.get("expected_slope", -1.0))
    return bool(times > 0 and abs(slope / times - 1) < 0.1)


def _repairs(outputs: Mapping[str, Any]) -> tuple[str, ...]:
    """What Foveal itself can take off: a module, and nothing that is written into the code."""
    return ("strip_softmax",) if outputs.get("ends", "yes") else ()


def _finding(said: str, values: Mapping[str, Any], cure: Cure) -> Finding:
    right = values.get("right")
    told = (
        said
        if right is None
        else f"For made-up answers the loss is {right:.3g} (right), {values['wrong']:.3g} (wrong)."
    )
    return Finding(
        "wrong_loss",
        "error",
        said,
        (Evidence(told, values),),
        "What is descended says something else than which class is right: making it smaller does not make answers "
        "better, or hardly.",
        cure,
        confidence=0.95,
        direct=True,
    )
