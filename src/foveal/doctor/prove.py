"""A cure is tried: the same training with and without it, from the same place, once a seed, side by side in time."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.batches import Batches
from ..errors import DivergedError, FovealError
from ..events import Step
from ..finding import Cure, Finding
from ..folders import PROOFS, discard, held
from ..loop.evaluation import evaluate
from ..plan import batches as planned_batches
from ..records.gathered import Gathered, gather
from ..records.run import RESUME, Run
from ..storage import previous
from ..structure.views import Views
from ..training import start, verify
from ..training.fork import Mended, prepare
from ..values import Dataset, span
from .budget import Budget, planned
from .candidates import same
from .course import Scale, Trial, course, looked, opening
from .proof import FEWEST, HONEST, POINTS, WORTH, Held, Pair, Proof, finite

AS_IT_WAS = "as-it-was"
NEVER, LONG = 1e9, 1e6
"""Seconds: between saves that are not wanted; and more than any plan needs."""
Screen = Callable[[Any], None]
Keep = Callable[[Proof], None]


def prove(
    run: Run,
    findings: Sequence[Finding],
    seconds: float,
    screen: Screen,
    keep: Keep,
    every: bool = True,
    rounds: bool = True,
) -> None:
    """Try the cures of `findings` that Foveal can carry out, in this order, as far as `seconds` reach; where one does
    not help, those of its symptoms.

    Cures are first held against each other by one training each (`course`): a finding's own, what else mends such
    things, and on top of the best what is found in the run that it gave. The best is then proved: both sides are
    trained for each of several other seeds from the same place, from the start where the illness is in it, else from
    the run's model. All are judged on the run's validation pictures, never on its test pictures. The trainings lie in
    `proof/` inside the run's folder, in place of those of a proof before.

    Args:
        keep: called with the proof whenever a pair is done, so that nothing that was done is lost.
        every: whether to go on with other findings after the first.
        rounds: whether cures are held against each other; else each finding's own is proved at once.

    Raises:
        RunError: its pictures have changed, or another process proves something of this run.
        KeyboardInterrupt: interrupted; what is done was kept.
    """
    until = time.monotonic() + seconds
    record, dataset = gather(run), run.dataset
    verify(dataset, str(run.folder), record.train.get("data_home"))
    home = run.folder / PROOFS
    home.mkdir(exist_ok=True)
    with held(home):
        for old in home.iterdir():
            if old.is_dir():
                discard(old)
        bench = Bench(run, record, dataset, home, screen)
        for number, finding in enumerate(findings):
            helped = _tried(bench, finding, until, keep, number == 0, rounds)
            # a cause may have been named wrongly: then what was taken for its symptom may be the cause
            for symptom in () if helped else finding.symptoms:
                if not bench.had(symptom.cure) and _tried(bench, symptom, until, keep, False, rounds):
                    break
            if not every or time.monotonic() >= until:
                return


def _tried(
    bench: Bench, finding: Finding, until: float, keep: Keep, first: bool = False, rounds: bool = True
) -> bool:
    """Try what Foveal can carry out against a finding, where there is time; whether it helped."""
    left = until - time.monotonic()
    cures = opening(finding, (), bench.record) if rounds else (finding.cure,) * finding.cure.can_be_tried
    if not cures or (left <= 0 and not first):
        return False
    told: list[Proof] = []
    best, held = _best(bench, finding, cures, until) if rounds else (cures[0], Rounds())
    if best is None:
        failed = (
            f"Of {len(held.told)} cures that Foveal can carry out none was worth it by one training each. What is left "
            "is for a person."
        )
        bench.screen(("says", failed))
        nothing = bench.proof(finding, Budget(0, 0, 0, True, 0.0))
        keep(dataclasses.replace(nothing, failed=failed, held=held.told, before=held.before))
        return False

    def kept(proof: Proof) -> None:
        own = finding.cure.can_be_tried and same(best, finding.cure)
        if held.seen and not proof.pairs:
            proof = dataclasses.replace(proof, failed=f"{held.seen} {proof.failed}")
        told.append(
            dataclasses.replace(proof, cure=None if own else best, held=held.told, before=held.before)
        )
        keep(told[-1])

    bench.cured.append(best)
    later = int(bool(held.told))
    _prove(bench, dataclasses.replace(finding, cure=best), until - time.monotonic(), until, kept, later)
    return bool(told) and told[-1].verdict == "helps"


@dataclass(frozen=True)
class Rounds:
    """What holding cures against each other gave: each one's headline, the run's own, and the best's in words."""

    told: tuple[Held, ...] = ()
    before: float | None = None
    seen: str = ""


def _best(bench: Bench, finding: Finding, cures: Sequence[Cure], until: float) -> tuple[Cure | None, Rounds]:
    """The best of the cures by one training each, with the run's own seed, and what each gave. None where the best is
    worth nothing and is not the finding's own. Where there is no time for that: the first, and nothing was held."""
    each = bench.each
    if finding.rule in HONEST or until - time.monotonic() < each * (2 * FEWEST + 2):
        return cures[0], Rounds()
    before = bench.as_it_was(cures[0].exclude)
    headline = bench.task.headline
    worth = WORTH if headline.name in POINTS else WORTH * abs(before or 0.0)
    scale = Scale(before, headline.higher_is_better, worth)
    bench.screen(("says", f"Holding cures of {finding.rule} against each other, by one training each"))

    def left() -> bool:
        return until - time.monotonic() > max(each, bench.longest) * (2 * FEWEST + 1)

    made = course(cures, scale, lambda cure: bench.trial(finding, cure), looked, left)
    bench.cured += [one.cure for one in made]
    chosen = scale.best(made)
    held = Rounds(tuple(Held(one.cure.says, one.value, one.failed) for one in made), before)
    if chosen is None or scale.gain(chosen.value) < worth:
        return (finding.cure if finding.cure.can_be_tried else None), held
    seen = f"That gave {headline.name} {chosen.value:.4f}, and as it was {before or 0.0:.4f}."
    return chosen.cure, dataclasses.replace(held, seen=seen)


def _prove(bench: Bench, finding: Finding, left: float, until: float, keep: Keep, later: int = 0) -> None:
    """Try one cure, a pair of trainings a seed; the run's own seed is left out where it has chosen the cure."""
    cure, record = finding.cure, bench.record
    budget = planned(record, cure.changes, left / bench.slower)
    budget = dataclasses.replace(budget, seconds=budget.seconds * bench.slower)
    proof = bench.proof(finding, budget)
    if not budget.seeds:
        keep(dataclasses.replace(proof, failed=budget.needs(finding.rule)))
        return
    bench.screen(("says", budget.says(finding.rule, bench.done(cure.source, budget))))
    first = bench.seed + later
    for number in range(budget.seeds):
        if len(proof.whole_pairs) >= 2 and time.monotonic() + _longest(proof) > until:
            keep(
                dataclasses.replace(
                    proof, failed=f"The time was used after {number} of {budget.seeds} seeds."
                )
            )
            return
        began = time.monotonic()
        try:
            pair, diverged = bench.pair(finding, budget, first + number)
        except KeyboardInterrupt as stop:
            keep(dataclasses.replace(proof, failed=f"Interrupted after {number} of {budget.seeds} seeds."))
            raise KeyboardInterrupt(_words(finding, number, budget.seeds)) from stop
        except FovealError as error:
            keep(dataclasses.replace(proof, failed=f"The cure could not be tried: {error.came}"))
            return
        pair = dataclasses.replace(pair, seconds=round(time.monotonic() - began, 2))
        proof = dataclasses.replace(proof, pairs=(*proof.pairs, pair), chance=proof.chance + diverged)
        keep(proof)
        bench.screen(("says", _told(proof, number + 1, budget.seeds)))


def _longest(proof: Proof) -> float:
    return max((pair.seconds for pair in proof.pairs), default=0.0)


def _words(finding: Finding, done: int, of: int) -> str:
    kept = f"{done} of {of} seeds are kept in findings.json" if done else "No seed was done"
    return f"{kept}. To try the cure of {finding.rule} anew: give --prove again."


def _told(proof: Proof, done: int, of: int) -> str:
    pair = proof.pairs[-1]
    before, after = ("nothing" if v is None else f"{v:.4f}" for v in (pair.before, pair.after))
    return f"  seed {done} of {of}: {proof.metric} {before} as it was, {after} with the cure ({span(pair.seconds)})"


@dataclass
class Bench:
    """Where both sides are trained and judged."""

    run: Run
    record: Gathered
    dataset: Dataset
    home: Path
    screen: Screen
    known: dict[tuple[str, int, int, tuple[str, ...]], tuple[float | None, bool]] = field(
        default_factory=dict
    )
    """Headlines as it was, and whether it diverged, by source, epochs, seed, and pictures left out in judging."""
    cured: list[Cure] = field(default_factory=list)
    """What was tried already."""
    trials: int = 0
    longest: float = 0.0
    quickest: float = math.inf
    """Seconds of the longest and the quickest of them: the machine may be slower than when the run was trained."""

    def proof(self, finding: Finding, budget: Budget) -> Proof:
        """The proof before anything was trained."""
        headline = self.task.headline
        return Proof(
            finding.rule,
            headline.name,
            headline.higher_is_better,
            len(self._judged(finding.cure.exclude)),
            budget.seeds,
            epochs=(budget.epochs, budget.cured),
            source=finding.cure.source,
            whole=budget.whole,
        )

    @property
    def task(self) -> Any:
        from .. import catalog

        card = dict(self.record.task)
        return catalog.find("tasks", str(card.pop("name"))).build(**card)

    @property
    def each(self) -> float:
        """Seconds that a training takes by the run's own."""
        whole = planned(self.record, {}, LONG)
        return whole.seconds / max(1, whole.seeds) / 2

    @property
    def slower(self) -> float:
        """How many times as long even the quickest training took here."""
        return max(1.0, self.quickest / self.each) if self.trials and math.isfinite(self.quickest) else 1.0

    @property
    def seed(self) -> int:
        return int(self.record.train.get("seed") or 0)

    def had(self, cure: Cure) -> bool:
        """Whether this was tried already."""
        return any(same(cure, one) for one in self.cured)

    def as_it_was(self, without: Iterable[str]) -> float | None:
        """The headline of the run's own best model; None where it has none that can be judged."""
        try:
            return finite(self.judge(self.run, without))
        except FovealError:
            return None

    def trial(self, finding: Finding, cure: Cure) -> Trial:
        """One training with a cure, as long as the cure asks for, with the run's own seed."""
        place = self.home / finding.rule / f"trial-{self.trials}"
        changes = {k: v for k, v in cure.changes.items() if k not in ("epochs", "minutes")}
        changes |= {"epochs": planned(self.record, cure.changes, LONG).cured, "seed": self.seed}
        mended = Mended(cure.repairs, cure.exclude, finding.rule)
        self.trials += 1
        began = time.monotonic()
        try:
            value, diverged = self._side(place, changes, dataclasses.replace(finding, cure=cure), mended)
        except FovealError as error:
            self.screen(("says", f"  cannot be tried: {error.came} ({cure.says})"))
            return Trial(cure, None, None, error.came)
        took = time.monotonic() - began
        self.longest, self.quickest = max(self.longest, took), min(self.quickest, took)
        name = self.task.headline.name
        self.screen(("says", f"  {name} {'nothing' if value is None else f'{value:.4f}'}: {cure.says}"))
        return Trial(cure, value, None if diverged or value is None else Run(place))

    def done(self, source: str, budget: Budget) -> int:
        """How many of the trainings as it was are there already, of another cure's proof."""
        return sum((s, e) == (source, budget.epochs) for s, e, *_ in self.known)

    def pair(self, finding: Finding, budget: Budget, seed: int) -> tuple[Pair, int]:
        """Both sides of a seed, and how many of them diverged; which side is first changes with each seed."""
        cure, sides = finding.cure, {}
        key = (cure.source, budget.epochs, seed, cure.exclude)

        def before() -> tuple[float | None, bool]:
            if key not in self.known:
                place = self.home / AS_IT_WAS / f"{cure.source}-{budget.epochs}-{seed}"
                self.known[key] = self._side(
                    place, {"epochs": budget.epochs, "seed": seed}, finding, Mended()
                )
            return self.known[key]

        def after() -> tuple[float | None, bool]:
            changes = {k: v for k, v in cure.changes.items() if k not in ("epochs", "minutes")}
            changes |= {"epochs": budget.cured, "seed": seed}
            mended = Mended(cure.repairs, cure.exclude, finding.rule)
            return self._side(self.home / finding.rule / f"seed-{seed}", changes, finding, mended)

        order = (before, after) if seed % 2 == 0 else (after, before)
        for side in order:
            sides[side.__name__] = side()
        pair = Pair(seed, sides["before"][0], sides["after"][0])
        return pair, sum(diverged for _, diverged in sides.values())

    def _side(
        self, place: Path, changes: dict[str, Any], finding: Finding, mended: Mended
    ) -> tuple[float | None, bool]:
        """Train one side and judge its best model on the validation pictures; a run that diverged before it could be
        judged is worth what chance is, where that is known."""
        changes |= {"out": str(place), "probe": False, "save_seconds": NEVER}
        if place.exists():
            discard(place)
        place.parent.mkdir(exist_ok=True)
        made = prepare(self.run, changes, _quiet(None), finding.cure.source, mended, self.dataset)
        try:
            done = start(
                made.dataset, made.planned, "proof", _quiet(self.screen), time.time(), made.split, made.lineage,
                made.rate,
            )  # fmt: skip
        except DivergedError:
            return finite(self.task.chance), True
        finally:
            for file in (place / RESUME, previous(place / RESUME)):
                file.unlink(missing_ok=True)  # as large as the network, and of no more use
        return finite(self.judge(Run(done.run), finding.cure.exclude)), False

    def judge(self, run: Run, without: Iterable[str]) -> float:
        """The headline of a run's best model on the parent's validation pictures."""
        device = str(self.record.fit.get("device") or "cpu")
        model = run.model("best", device)
        pre, task = model.preprocessing, model.task
        size = 1 if task.own_sizes else planned_batches.JUDGED_TOGETHER
        shown = Batches(
            self.dataset.root, self._judged(without), task, task.view(pre), pre, size, varied=False
        )
        network = Views(model.network, pre.views) if pre.views > 1 else model.network
        return evaluate(network, task, shown, "val", device).headline.value

    def _judged(self, without: Iterable[str]) -> tuple[Any, ...]:
        gone = set(without)
        return tuple(item for item in self.dataset.part("val") if item.id not in gone)


def _quiet(screen: Screen | None) -> Screen:
    """Of a training inside a proof only how far it has come is shown."""

    def show(message: Any) -> None:
        if screen is not None and isinstance(message, Step):
            screen(message)

    return show
