"""After the search: the best settings and the default are trained again with other seeds, and then judged.

Decided from the study's folder alone, as the search is. What is to be compared is written into `study.json` before
the first training begins; a study that was killed goes on with that, and what is trained already is not trained again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..outcomes import outcomes
from ..records.contest import FEWEST, Interval, Side, Verdict, apart, gained, on_pictures
from ..records.run import Run
from ..records.study import AGAIN, Again, Study, place_of
from ..records.trials import Trial, better, ranked
from ..storage import read_json, write_json
from ..values import Evaluation
from . import tested
from .left import DONE
from .record import chance_of, keep, seconds_per_epoch
from .reserve import CANDIDATES, MOST, Reserve, enough, shape

CONTEST = "contest"
"""Under this name `study.json` keeps what is trained again: `trials` (the default first), `seeds`, and the state of the
search (`after`) that this was chosen in."""


@dataclass(frozen=True)
class Contest:
    """What is trained again, in which order: every seed in turn, and for each the default and the settings."""

    trials: tuple[int, ...]
    seeds: tuple[int, ...]
    lacking: str = ""

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(trial, seed), in order: a stop in the middle leaves whole pairs."""
        return [(trial, seed) for seed in self.seeds for trial in self.trials]

    @property
    def says(self) -> str:
        """What is trained now, in words; empty where nothing is."""
        if not self.seeds:
            return ""
        who = " and ".join([", ".join(f"trial {n}" for n in self.trials[1:]), "the default"])
        return f"For the verdict {who} are trained again, each with {len(self.seeds)} other seeds"

    @classmethod
    def of(cls, study: Study) -> Contest | None:
        """What was decided for the search as it stands; None while nothing was."""
        row = study.record.get(CONTEST)
        if row is None or row["after"] != _state(study):
            return None
        return cls(tuple(row["trials"]), tuple(row["seeds"]), str(row["lacking"]))


def _state(study: Study) -> list[int]:
    """What changes with every epoch and every trial of the search."""
    return [len(study.trials), study.epochs_done]


def best_three(study: Study) -> list[Trial]:
    """The best finished trials, each with a setting of its own, that did at least as well as the default."""
    first, found = study.default, list[Trial]()
    for trial in ranked([t for t in study.trials if t.state == "finished"], study.higher_is_better):
        if trial.number == 0 or trial.value is None or math.isnan(trial.value):
            continue
        if (
            first is not None
            and first.value is not None
            and first.state != "diverged"
            and better(first.value, trial.value, study.higher_is_better)
        ):
            continue
        if len(found) < CANDIDATES and all(dict(trial.options) != dict(other.options) for other in found):
            found.append(trial)
    return found


def decide(folder: Path, study: Study, seconds: float, epochs: float, jobs: int) -> Contest:
    """Choose what is trained again, for `seconds` and `epochs` that are left, and keep that.

    Args:
        jobs: trainings at a time.
    """
    reserve, candidates = Reserve.of(study.record), best_three(study)
    each = seconds_per_epoch(study) * study.epochs
    who = {0, *(t.number for t in candidates)}
    there = sum(1 for one in study.again if one.trial in who and one.run.state in DONE)
    held = min(seconds * jobs / each if each else math.inf, epochs / study.epochs)
    trainings = min(MOST, held + there if reserve.limited else float(reserve.trainings))
    most, seeds = shape(trainings)
    first, lacking = study.default, ""
    if first is None or first.state not in ("finished", "diverged"):
        lacking = "the default recipe was not trained to its end"
    elif candidates and not seeds:
        lacking = (
            reserve.lacking
            or f"what is left of the budget holds {held:.1f} trainings of at least {2 * FEWEST}"
        )
    chosen = [] if lacking else candidates[:most]
    least = int(study.record["options"].get("seed") or 0) + 1
    contest = Contest(
        () if lacking else (0, *(t.number for t in chosen)),
        tuple((least + n) % 2**32 for n in range(seeds)) if chosen else (),
        lacking,
    )
    row = {"trials": contest.trials, "seeds": contest.seeds, "lacking": lacking, "after": _state(study)}
    keep(folder, **{CONTEST: row})
    return contest


def following(
    study: Study, contest: Contest, running: Collection[int], seconds: float, epochs: float
) -> tuple[int, int, Again | None] | None:
    """The trial and the seed to train next, with that training where it has begun; None while there is nothing to
    begin, or where `seconds` and `epochs` do not hold what comes next."""
    there = {(one.trial, one.seed): one for one in study.again}
    pace = seconds_per_epoch(study)
    for trial, seed in contest.pairs:
        one = there.get((trial, seed))
        if one is not None and (one.run.state in DONE or one.run.number in running):
            continue
        left = study.epochs - (0 if one is None else one.run.epochs)
        return (trial, seed, one) if left <= epochs and left * pace <= seconds else None
    return None


def begun(folder: Path, study: Study, trial: int, seed: int) -> int:
    """Write down that a trial's setting is trained with another seed, before anything else; its number."""
    number = max((one.run.number for one in study.again), default=-1) + 1
    asked = read_json(place_of(folder, trial).with_suffix(".json"))
    (folder / AGAIN).mkdir(exist_ok=True)
    row = {
        "number": number, "trial": trial, "seed": seed, "options": asked["options"], "given": asked["given"],
        "origin": f"trial {trial} again", "bars": {},
    }  # fmt: skip
    write_json(place_of(folder, number, AGAIN).with_suffix(".json"), row)
    return number


def concluded(folder: Path, study: Study, contest: Contest, spent_seconds: float) -> Verdict:
    """What the trainings with other seeds have shown; the default and the winner judged on the test pictures, each
    model once.

    Raises:
        KeyboardInterrupt: interrupted; what is judged is kept.
    """
    chance = chance_of(study)
    sides = tuple(_side(study, number, contest, chance) for number in contest.trials)
    pictures = Run(folder).dataset
    verdict = Verdict(
        study.metric,
        study.higher_is_better,
        sides,
        contest.seeds,
        validation=len(pictures.part("val")),
        judged=sum(trial.value is not None for trial in study.trials),
        lacking=contest.lacking or _short(sides, contest),
    )
    if not verdict.possible:
        record = {**study.record, "epoch_seconds": seconds_per_epoch(study)}
        spent = study.epochs_done + sum(one.run.epochs for one in study.again)
        return replace(verdict, more=enough(record, spent_seconds, spent))
    return _tested(verdict, folder, study) if pictures.part("test") else verdict


def _side(study: Study, number: int, contest: Contest, chance: float) -> Side:
    """What a setting came to with the seeds that are done; training that diverged counts as chance."""
    trial = next(t for t in study.trials if t.number == number)
    values, runs, diverged = dict[int, float](), dict[int, str](), 0
    for one in study.again:
        if one.trial != number or one.seed not in contest.seeds:
            continue
        if one.run.state == "finished" and one.run.value is not None:
            values[one.seed] = one.run.value
            runs[one.seed] = f"{AGAIN}/{one.run.run.name}"
        elif one.run.state == "diverged" and math.isfinite(chance):
            values[one.seed] = chance
            diverged += 1
    if not contest.seeds and trial.state == "finished":  # nothing is compared: the run that there is
        runs = {int(study.record["options"].get("seed") or 0): f"{trial.run.parent.name}/{trial.run.name}"}
    setting = trial.described() if number else "the default recipe"
    return Side(number, setting, trial.value, values, runs, diverged=diverged)


def _short(sides: Sequence[Side], contest: Contest) -> str:
    """What was planned and is not there, in words."""
    done = [seed for seed in contest.seeds if all(seed in side.values for side in sides)]
    if not contest.seeds or len(done) == len(contest.seeds):
        return ""
    return f"{len(done)} of {len(contest.seeds)} seeds were trained for every setting"


def _tested(verdict: Verdict, folder: Path, study: Study) -> Verdict:
    """The verdict with what the default and the winner come to on the test pictures."""
    leader = verdict.leader
    first = verdict.sides[0]
    seeds = [seed for seed in first.runs if leader is None or seed in leader.runs]
    compared = [first] if leader is None else [first, leader]
    if not seeds:
        return verdict
    device = study.record["options"].get("device")
    judged = [
        [tested.judged(folder / side.runs[seed], folder, device) for seed in seeds] for side in compared
    ]
    values, on_test = _on_test(judged, study)
    by_number = {side.number: value for side, value in zip(compared, values, strict=True)}
    sides = tuple(replace(side, tested=by_number.get(side.number)) for side in verdict.sides)
    return replace(verdict, sides=sides, test=judged[0][0].count, on_test=on_test)


def _on_test(judged: Sequence[Sequence[Evaluation]], study: Study) -> tuple[list[Interval], Interval | None]:
    """Each side on the test pictures, and the second against the first."""
    found = [[outcomes(evaluation.to_json()) for evaluation in side] for side in judged]
    by_picture = [[one for one in side if one is not None and one.name == study.metric] for side in found]
    if all(len(side) == len(judged[0]) for side in by_picture):
        return on_pictures(by_picture), apart(*by_picture) if by_picture[1:] else None
    # no mean over pictures: what is known is how trainings differ
    scores = [[evaluation.headline.value for evaluation in side] for side in judged]
    if len(scores[0]) < 2:
        ends = [side[0].headline for side in judged]
        return [(one.value, one.low, one.high) for one in ends], None
    values: list[Interval] = [gained(side)[:3] for side in scores]
    sign = 1.0 if study.higher_is_better else -1.0
    gains = [sign * (b - a) for a, b in zip(*scores, strict=True)] if scores[1:] else []
    return values, gained(gains)[:3] if gains else None
