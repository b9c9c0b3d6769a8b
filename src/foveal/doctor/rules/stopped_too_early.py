"""Training ended while it was still getting better."""

from __future__ import annotations

import math
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import commonest, poor, result, trend
from ._rates import from_scratch, is_given, option, peak, rates

SOURCE = (
    "Google's Deep Learning Tuning Playbook (still improving at the end: train longer); Prechelt 1998, Early "
    "Stopping - But When? (slower criteria generalise better). Ours: fewer than 100 steps from scratch, a "
    "patience of at most three with a training loss that still falls, or a validation loss that falls beyond its "
    "noise at a rate that has not; and harm"
)
LEVEL = "schedule"
EXPLAINS = ("underfitting", "loss_stuck", "metric_disagrees")
STEPS, PATIENCE = 100, 3
LARGE, SMALLER = 16, 32
"""Steps an epoch below which it is the batch that is too large for so few pictures; a batch that is usual for them."""
ENOUGH = 400
"""Steps that even small networks want from scratch."""


def examine(case: Case) -> Finding | Unsure | None:
    stopped = case.record.stopped
    if stopped is None or not case.record.epochs or case.setbacks:
        return None
    if stopped.why == "early":
        return _patience(case)
    if stopped.why not in ("finished", "time"):
        return None
    return _few(case) or _falling(case)


def _patience(case: Case) -> Finding | None:
    """A patience so short that noise ended it."""
    patience, planned = option(case, "patience"), _planned(case)
    done, trained, losses = len(case.losses), case.train_losses, case.losses
    if patience is None or patience > PATIENCE or done < 2 or done > 0.7 * planned or not poor(case, 0.1):
        return None
    falling = trained[-1] < 0.99 * trained[-2] and trained[-1] < 0.95 * trained[0]
    rising = peak(case) < 0.9 * (option(case, "lr") or 0.0)
    if not (falling or rising) or losses[-1] > 1.1 * min(losses):
        return None
    given = max(5, planned // 2)
    return Finding(
        "stopped_too_early",
        "warning",
        f"A patience of {patience:g} epoch{'' if patience == 1 else 's'} ended training after {done} of {planned} "
        f"epochs, while its loss still fell; {result(case)}.",
        (
            Evidence(
                f"The training loss went from {trained[-2]:.3f} to {trained[-1]:.3f} in the last epoch, and the "
                f"validation loss ({losses[-1]:.3f}) was near its lowest ({min(losses):.3f}).",
                {"train_losses": trained, "losses": losses, "headlines": [s.value for s in case.headlines]},
            ),
        ),
        "A score on few pictures goes up and down by chance from epoch to epoch, and while the rate is high by "
        "more than that. One bad epoch says nothing; the gains of a falling rate come last.",
        Cure(
            f"Wait longer: --patience {given}, about half of the epochs"
            + ("; and leave the warm-up to the plan, so that the rate reaches its peak." if rising else "."),
            {"patience": given} | ({"warmup": None} if rising and is_given(case, "warmup") else {}),
        ),
        confidence=0.88,
    )


def _few(case: Case) -> Finding | None:
    """So few steps that no network from scratch gets anywhere."""
    steps, done = case.record.epochs[-1].step, len(case.losses)
    if not from_scratch(case) or not (_has_few(case, steps) if steps >= STEPS else _lacks(case)):
        return None
    each = max(1, round(steps / done))
    changes = _more(case, done, each)
    how = " ".join(f"--{name} {value:g}" for name, value in changes.items() if value is not None)
    return Finding(
        "stopped_too_early",
        "warning",
        f"Training ended after {done} epoch{'' if done == 1 else 's'}, {steps} steps, too few to learn from scratch; "
        f"{result(case)}.",
        (
            Evidence(
                f"{steps} steps of {option(case, 'batch') or 0:g} pictures; small networks want some hundreds.",
                {"steps": steps, "epochs": done},
            ),
            Evidence(
                f"The training loss had come to {case.train_losses[-1]:.3f}, the validation loss to "
                f"{case.losses[-1]:.3f}.",
                {"train_losses": case.train_losses, "losses": case.losses},
            ),
        ),
        "Each step moves the weights by about a thousandth of their length. From drawn weights to ones that "
        "recognise something takes some hundreds of steps at least.",
        Cure(f"Train longer: {how}.", changes),
        confidence=0.85,
    )


FEW = STEPS // 2
"""Steps so few that a quarter of what there is to be learned is enough to be missing; for more, two fifths."""
SHORT, FELL, SURELY = 6, 0.9, 0.15
"""Epochs up to which a line through them says nothing, and what the training loss came to in the last of them, as a
share of that of the one before, where it still fell; share of wrong answers, of a guess's, that is left even at the
upper end of the score's interval."""


def _lacks(case: Case) -> bool:
    """Whether much is missing, at the upper end of the score's interval as well: few pictures may have judged it."""
    base = commonest(case)
    best = max((score.high for score in case.headlines), default=0.0)
    share = 0.25 if case.record.epochs[-1].step < FEW else 0.4
    return poor(case, share) and (base is None or base >= 1 or (1 - best) / (1 - base) > SURELY)


def _has_few(case: Case, steps: int) -> bool:
    """Whether some hundred steps in a few epochs ended while the loss fell by much from one to the next."""
    trained, losses = case.train_losses, case.losses
    if steps >= ENOUGH or len(trained) > SHORT or not poor(case, 0.4):
        return False
    falls = len(trained) < 2 or trained[-1] < FELL * trained[-2]
    return falls and losses[-1] <= min(losses)


def _more(case: Case, done: int, each: int) -> dict[str, Any]:
    """Options that give enough steps: smaller batches where an epoch has next to none, else more epochs."""
    batch = int(option(case, "batch") or 0)
    if each < LARGE and batch >= 4 * SMALLER:
        steps = max(1, done * each * batch // SMALLER)
        more = {} if steps >= ENOUGH else {"epochs": math.ceil(done * ENOUGH / steps)}
        return {"batch": SMALLER, "lr": None, **more}
    if minutes := option(case, "minutes"):
        return {"minutes": 2 * minutes}
    return {"epochs": max(2 * done, math.ceil(ENOUGH / each))}


def _falling(case: Case) -> Finding | None:
    """The loss still fell beyond its noise, at a rate that had not fallen."""
    told, losses = rates(case), case.losses
    line = trend(losses[len(losses) // 2 :])
    if len(losses) < 8 or line is None or not line.falls or not told or not poor(case, 0.25):
        return None
    top = max(rate for _, rate in told)
    gain = (
        -line.high * line.count / 2
    )  # half of what as many epochs as the line has would bring at its slowest
    if told[-1][1] < 0.5 * top or gain < 0.1 * line.end or losses[-1] > 1.05 * min(losses):
        return None
    changes = {"minutes": 2 * float(m)} if (m := option(case, "minutes")) else {"epochs": 2 * len(losses)}
    how = " ".join(f"--{name} {value:g}" for name, value in changes.items())
    return Finding(
        "stopped_too_early",
        "warning",
        f"Training ended while the validation loss still fell by {-line.slope:.3f} [{-line.high:.3f}, "
        f"{-line.low:.3f}] an epoch; {result(case)}.",
        (
            Evidence(
                f"A line through the last {line.count} epochs ends at {line.end:.3f}; as many more would bring about "
                f"{gain:.2f} at least, were it to go on half as fast.",
                {"losses": losses, "slope": line.slope, "low": line.low, "high": line.high, "gain": gain},
            ),
        ),
        "The loss had not levelled out, and the rate was as high as ever: more epochs would have brought more, "
        "and a rate that falls at their end more still.",
        Cure(f"Train longer: {how}.", changes),
        confidence=0.8,
    )


def _planned(case: Case) -> int:
    return sum(int(stage.get("epochs") or 0) for stage in case.record.stages)
