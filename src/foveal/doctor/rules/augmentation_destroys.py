"""Training pictures are varied so much that they no longer show their label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor, result
from ._parts import part, percent, surely_above
from ._range import off_the_card

SOURCE = "TheDeepChecker (Braiek & Khomh 2022): label-destroying augmentation; own measurement"
LEVEL = "input"
EXPLAINS = (
    "underfitting", "loss_stuck", "rate_too_low", "stopped_too_early", "below_published",
    "split_preprocessing", "dropout_too_strong", "weight_decay_too_strong", "schedule_ends_wrongly",
    "metric_disagrees", "cannot_fit",
)  # fmt: skip
LEAST, FALLS, GAINS = 0.2, 0.1, 0.08
"""What varied pictures cost a trained network; what they cost one that is taught them; what one without is ahead by."""
LEARNED, MOSTLY = 0.8, 0.5
STEPS = 100
"""Steps that the two networks are taught, about; a run of fewer is no match for them."""
NONE: Mapping[str, Any] = {"augment": "none", "flip": False, "erase": 0.0, "mixup": 0.0, "cutmix": 0.0}


def examine(case: Case) -> Finding | Unsure | None:
    splits = part(case, "splits")
    if splits is None or "varied" not in splits or not poor(case, 0.12):
        return None
    ways = [name for name, none in NONE.items() if case.options.get(name) not in (None, none, 0)]
    said = (
        _on_the_way(case)
        or (_seen(splits) if _has_steps(case) else None)
        or _taught(case, splits, part(case, "augmentation"))
        or _blended(case, ways)
    )
    if said is None:
        return None
    evidence, culprit = said
    unasked = _unasked(part(case, "augmentation")) or _on_the_way(case) is not None
    if unasked:
        ways = []
    return Finding(
        "augmentation_destroys",
        "error" if poor(case, 0.4) else "warning",
        f"Varied training pictures no longer show what they are (varied by {', '.join(ways) or 'no option'}): "
        f"{result(case)}.",
        (evidence,),
        "A varied picture must still be what its label says. Where it is not (a 6 turned upside down, an arrow "
        "mirrored, an object that is erased), training asks for what cannot be seen.",
        _cure(case, ways, culprit, unasked),
        confidence=0.85,
    )


def _unasked(found: Mapping[str, Any] | None) -> bool:
    """Whether training pictures do not show their label even where no option varies them."""
    if found is None or not found["whole"] or "taught_bare" not in found or found["taught_plain"] < LEARNED:
        return False
    return surely_above(found["taught_plain"], found["taught_bare"], found["count"], LEAST)


def _cure(case: Case, ways: list[str], culprit: str, unasked: bool) -> Cure:
    if unasked:
        return Cure(
            "Without any option that varies pictures (--augment none --no-flip) training still gives them "
            "so that they do not show their label. Where pictures are prepared for training alone (a "
            "transform, a loader, a Dataset's `__getitem__`), take out what turns, mirrors, covers or "
            "swaps them: RandomHorizontalFlip, RandomRotation, RandomErasing, `x.flip(-1)`, "
            "`torch.rot90`."
        )
    return Cure(
        "Vary pictures less, and look at what training sees: foveal inspect DATA --augment NAME.",
        _changes(case, ways, culprit),
    )


def _has_steps(case: Case) -> bool:
    """Whether training was long enough for anything to be learned of varied pictures."""
    return bool(case.record.epochs) and case.record.epochs[-1].step >= STEPS


def _on_the_way(case: Case) -> tuple[Evidence, str] | None:
    """What is done to training pictures after all that options ask for, and to no others."""
    inputs = part(case, "inputs")
    if inputs is None or off_the_card(inputs, "val", strict=True):
        return None
    changed = off_the_card(inputs, "varied", strict=True)
    if "something else" not in changed:
        return None
    says = (
        f"Behind all that options do training pictures are changed once more, and validation pictures are not: "
        f"{changed}."
    )
    return Evidence(says, {"card": inputs["card"]}), ""


def _seen(splits: Mapping[str, Any]) -> tuple[Evidence, str] | None:
    """By the run's own network."""
    low, high, count = splits["varied"], splits["train"], splits["count"]
    if not surely_above(high, low, count, LEAST):
        return None
    says = f"Of the same {count} training pictures {percent(high)} are right as they are, and {percent(low)} varied."
    return Evidence(says, dict(splits)), ""


def _taught(
    case: Case, splits: Mapping[str, Any], found: Mapping[str, Any] | None
) -> tuple[Evidence, str] | None:
    """By two networks of which one was taught pictures as they are, and one the same pictures varied: what the run
    lacks is to be mostly what the second lacks."""
    if found is None or not found["whole"] or found["taught_plain"] < LEARNED:
        return None
    if surely_above(splits["varied"], splits["train"], splits["count"]):
        return None  # it has learned what it was given
    if not _has_steps(case) or surely_above(found["taught_varied_val"], found["val"], found["judged"]):
        return None  # it lacks more than what is taken by variation: it was ended early, or something else holds it
    count, judged, best = found["count"], found["judged"], found["taught_val"]
    lost, missing = best - found["taught_varied_val"], best - found["val"]
    # varied pictures that the first knows are to be told less well than plain ones that it does not know
    if lost < MOSTLY * missing or not (
        surely_above(best, found["taught_varied"], min(count, judged), FALLS)
        and surely_above(best, found["taught_varied_val"], judged, FALLS)
        and surely_above(best, found["val"], judged, GAINS)
    ):
        return None
    mirrors = surely_above(best, found["taught_mirrored"], judged, FALLS)
    says = (
        f"A network that was taught {count} training pictures as they are tells {percent(best)} of {judged} validation "
        f"pictures, one that was taught the same pictures varied {percent(found['taught_varied_val'])}, and this run "
        f"{percent(found['val'])}"
        + (f"; of mirrored ones the first tells {percent(found['taught_mirrored'])}" if mirrors else "")
    )
    return Evidence(f"{says}.", dict(found)), "flip" if mirrors else ""


def _blended(case: Case, ways: list[str]) -> tuple[Evidence, str] | None:
    strong = [name for name in ("mixup", "cutmix") if float(case.options.get(name) or 0) > 1]
    if not strong:
        return None
    told = " and ".join(f"{name} with {float(case.options[name]):g}" for name in strong)
    says = f"Shares of about a half are usual at {told}: most training pictures are two at once."
    return Evidence(says, {name: case.options[name] for name in strong}), ""


def _changes(case: Case, ways: list[str], culprit: str) -> dict[str, Any]:
    if culprit in ways:
        return {culprit: NONE[culprit]}
    others = [name for name in ways if name != "flip"]
    if not others:
        return {"flip": False} if ways else {"augment": "none"}
    changes = {name: NONE[name] for name in others}
    if "augment" in others and case.options["augment"] != "light":
        changes["augment"] = "light"
    return changes
