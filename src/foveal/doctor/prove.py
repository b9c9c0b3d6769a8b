"""A cure is tried: the same training with and without it, from the same place, once a seed, side by side in time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.batches import Batches
from ..errors import DivergedError, FovealError
from ..events import Step
from ..finding import Finding
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
from .proof import Pair, Proof, finite

AS_IT_WAS = "as-it-was"
NEVER = 1e9
Screen = Callable[[Any], None]
Keep = Callable[[Proof], None]


def prove(
    run: Run, findings: Iterable[Finding], seconds: float, screen: Screen, keep: Keep, every: bool = True
) -> None:
    """Try the cures of `findings` that Foveal can carry out, in this order, as far as `seconds` reach; where one does
    not help, those of its symptoms.

    Both sides are trained for each seed from the same place: from the start where the illness is in it, else from
    the run's model. They are judged on the run's validation pictures, never on its test pictures. The trainings lie
    in `proof/` inside the run's folder, in place of those of a proof before.

    Args:
        keep: called with the proof whenever a pair is done, so that nothing that was done is lost.
        every: whether to go on with other findings after the first.

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
            helped = _tried(bench, finding, until, keep, first=number == 0)
            # a cause may have been named wrongly: then what was taken for its symptom may be the cause
            for symptom in () if helped else finding.symptoms:
                if _tried(bench, symptom, until, keep):
                    break
            if not every or time.monotonic() >= until:
                return


def _tried(bench: Bench, finding: Finding, until: float, keep: Keep, first: bool = False) -> bool:
    """Try a cure where Foveal can carry it out and there is time; whether it helped."""
    left = until - time.monotonic()
    if not finding.cure.can_be_tried or (left <= 0 and not first):
        return False
    told: list[Proof] = []

    def kept(proof: Proof) -> None:
        told.append(proof)
        keep(proof)

    _prove(bench, finding, left, until, kept)
    return bool(told) and told[-1].verdict == "helps"


def _prove(bench: Bench, finding: Finding, left: float, until: float, keep: Keep) -> None:
    """Try one cure, a pair of trainings a seed."""
    cure, record = finding.cure, bench.record
    budget = planned(record, cure.changes, left)
    proof = bench.proof(finding, budget)
    if not budget.seeds:
        keep(dataclasses.replace(proof, failed=budget.needs(finding.rule)))
        return
    bench.screen(("says", budget.says(finding.rule, bench.done(cure.source, budget))))
    first = int(record.train.get("seed") or 0)
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
