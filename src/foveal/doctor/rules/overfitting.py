"""The network learns its training pictures by heart: its validation loss rises while its training loss falls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, median
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import guess, half_width, left, result, trained_share, wrong
from ._parts import percent, surely_above
from ._rates import from_scratch

SOURCE = (
    "Google's Deep Learning Tuning Playbook: problematic overfitting is a validation error that RISES; Prechelt "
    "1998. Ours: the last third's validation loss above 1.2 times its lowest and beyond its scatter, the training "
    "loss further down, and a score that no longer gains"
)
LEVEL = "generalisation"
EXPLAINS = ("metric_disagrees",)
EPOCHS, STEPS = 5, 60
RISE, WRONG, LEARNED = 1.2, 0.15, 0.3
KNOWN, NOTHING = 0.1, 0.75
HANDFUL, FAR = 20, 0.25
"""Pictures a class below which one speaks of few shots (Vinyals et al. 2016: 1 to 20); what must be missing."""
NEXT = {"none": "light", "light": "trivialaugment", "randaugment": "trivialaugment"}


def examine(case: Case) -> Finding | Unsure | None:
    if (few := _few(case)) is not None:
        return few
    losses, trained, scores = case.losses, case.train_losses, case.headlines
    if len(losses) < EPOCHS or len(scores) != len(losses) or case.record.epochs[-1].step < STEPS:
        return None
    if not all(map(math.isfinite, losses)):
        return None
    if (heart := _by_heart(case)) is not None:
        return heart
    lowest = min(range(len(losses)), key=losses.__getitem__)
    late = losses[-max(2, len(losses) // 3) :]
    if (
        len(losses) - lowest <= len(late) // 2 + 1
        or fmean(late) < RISE * losses[lowest]
        or min(late) < 1.05 * losses[lowest]
    ):
        return None
    if not trained[-1] < 0.9 * trained[lowest] or not _learned(case):
        return None
    answers = wrong(case)
    if answers is not None and answers < WRONG:
        return None  # as good as right everywhere: only surer of its few mistakes
    sign = 1 if scores[0].higher_is_better else -1
    around = fmean(sign * s.value for s in scores[max(0, lowest - 1) : lowest + 2])
    now = fmean(sign * s.value for s in scores[-len(late) :])
    if now > around + half_width(case):
        return None  # the loss rises for sureness, and the answers still get better
    rise = fmean(late) / losses[lowest]
    return Finding(
        "overfitting",
        "warning",
        f"Since epoch {lowest + 1} the validation loss has risen from {losses[lowest]:.3f} to {fmean(late):.3f} "
        f"while the training loss fell from {trained[lowest]:.3f} to {trained[-1]:.3f}; {result(case)}.",
        (
            Evidence(
                f"The last {len(late)} epochs lie {100 * (rise - 1):.0f} % above the lowest validation loss, all "
                f"of them; the score there was {sign * around:.4g} and is {sign * now:.4g} now.",
                {
                    "losses": losses,
                    "train_losses": trained,
                    "headlines": [s.value for s in scores],
                    "lowest": lowest + 1,
                },
            ),
        ),
        "With enough weights a network can remember each training picture by what is peculiar to it. That lowers the "
        "training loss and makes it surer of itself, and more wrong, on pictures it has not seen.",
        _cure(case),
        confidence=0.85,
    )


def _few(case: Case) -> Finding | None:
    """A handful of pictures a class, all known, and others not."""
    splits, dataset, answers = case.tests.get("splits", {}), case.record.dataset, wrong(case)
    if dataset is None or answers is None or answers < FAR or not from_scratch(case) or "train" not in splits:
        return None
    counts = [n for n in (dataset.counts().get("train") or {}).values() if n]
    if not counts or median(counts) >= HANDFUL or splits["train"] < 0.95:
        return None
    if not surely_above(splits["train"], splits["val"], min(splits["count"], sum(counts)), FAR):
        return None
    return Finding(
        "overfitting",
        "warning",
        f"There are {median(counts):g} training pictures a class (median): {percent(splits['train'])} of them are "
        f"known, and {percent(splits['val'])} of the validation pictures; {result(case)}.",
        (
            Evidence(
                f"{sum(counts)} training pictures of {len(counts)} classes, {min(counts)} to {max(counts)} each.",
                {"counts": counts, "train": splits["train"], "val": splits["val"]},
            ),
        ),
        "From so few pictures a network cannot tell what belongs to a class from what belongs to a picture, and learns "
        "each picture by heart.",
        Cure(
            "Collect more pictures, some hundreds a class, from as many places as they will be seen in; "
            "or begin with pretrained weights (--pretrained), which want ten times fewer."
        ),
        confidence=0.85,
    )


def _by_heart(case: Case) -> Finding | None:
    """All that was learned holds for the training pictures alone."""
    share, rest, answers = trained_share(case), left(case), wrong(case)
    if (
        share is None
        or rest is None
        or answers is None
        or share > KNOWN
        or rest < NOTHING
        or answers < NOTHING
    ):
        return None
    return Finding(
        "overfitting",
        "error",
        f"The training loss came to {case.train_losses[-1]:.3f}, next to the least there can be, and nothing of it "
        f"holds for other pictures; {result(case)}.",
        (
            Evidence(
                f"The lowest validation loss was {min(case.losses):.3f}, {100 * rest:.0f} % of a guess's.",
                {"losses": case.losses, "train_losses": case.train_losses, "left": rest},
            ),
        ),
        "The network knows its training pictures one by one. That happens with very few of them (or the same ones "
        "in every step), with labels that mean nothing, or where validation pictures are prepared in another way.",
        Cure(
            "Look at what training is given: how many different pictures, with which labels, prepared how; then "
            "vary them more.",
            _cure(case).changes,
        ),
        confidence=0.8,
    )


def _learned(case: Case) -> bool:
    """Whether the training pictures are known by heart, nearly, and the validation pictures are not."""
    share, rest, blind = trained_share(case), left(case), guess(case)
    if share is None or rest is None or blind is None:
        return case.train_losses[-1] < 0.5 * case.losses[-1]
    return share < LEARNED and case.losses[-1] / blind > 2 * share


def _cure(case: Case) -> Cure:
    now = str(case.options.get("augment") or "none")
    changes: dict[str, Any] = {}
    if not case.record.dense and now in NEXT:
        changes["augment"] = NEXT[now]
    told: Mapping[str, Any] = case.options
    if not told.get("weight_decay"):
        changes["weight_decay"] = None
    if not case.record.dense and not changes:
        changes["cutmix"] = 1.0
    if not changes:
        return Cure(
            "Collect more pictures, from more places; or begin with pretrained weights (--pretrained), where "
            "there are any."
        )
    how = ", ".join(
        f"--{name.replace('_', '-')} {value}" for name, value in changes.items() if value is not None
    )
    return Cure(
        f"Vary the training pictures more ({how or 'weight decay as usual'}); more pictures help most, fewer "
        "epochs least.",
        changes,
    )
