"""Trains what is staged, keeps it, and has the doctor look at it; what is kept is not done again."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import shutil
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from foveal import catalog, plan, training
from foveal.data.batches import Batches
from foveal.doctor import Diagnosis, case, diagnose
from foveal.doctor import data as pictures_of
from foveal.doctor.case import Case
from foveal.errors import DivergedError
from foveal.loop.evaluation import evaluate
from foveal.options import ReadOptions, TrainOptions, make
from foveal.readers import prepare
from foveal.records.gathered import Gathered, gather
from foveal.records.run import Run
from foveal.values import Choice, Dataset

from . import controls, faults, networks, patches, pictures, strangers
from .rows import BASES, QUIET, Control, Fault, Setting

FAULTS: tuple[Fault, ...] = (*faults.FAULTS, *strangers.FAULTS)
CONTROLS: tuple[Control, ...] = (*controls.CONTROLS, *strangers.CONTROLS)
_EVERY: tuple[Fault | Control, ...] = (*FAULTS, *CONTROLS)
DATA = {**pictures.DATA, **strangers.DATA}
PATCHES = {**patches.PATCHES, **strangers.PATCHES}
ROWS: dict[str, Fault | Control] = {row.name: row for row in _EVERY}
QUICK_SECONDS = 20.0
"""Time for the tests of a run's parts, as `foveal diagnose` gives them."""
AGAIN_SECONDS = 3600.0
"""Looked at longer ago, pictures are looked at again where that is asked for."""
RUN, OUTCOME, EXAMINED = "run", "outcome.json", "examined.json"


def setting_of(name: str) -> Setting:
    """What the row, or the base, of this name is."""
    return BASES[name] if name in BASES else ROWS[name].staged()


def digest(name: str) -> str:
    """Tells whether a row is still what it was when it was certified."""
    own = setting_of(name)
    wrong = getattr(own.wrong, "func", own.wrong)
    more = getattr(own.wrong, "keywords", "")
    told = [own.data, own.network, networks.WRITTEN.get(own.network), dict(own.options), own.patch, own.start,
            getattr(wrong, "__qualname__", ""), str(more)]  # fmt: skip
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Outcome:
    """How good a run became: its headline on the test pictures, and how it ended. `honest` is the accuracy on the
    base's own test pictures, where the row's may promise too much."""

    score: float
    metric: str
    higher_is_better: bool
    why: str
    seconds: float
    honest: float | None = None


@functools.cache
def _prepared(path: str, task: str | None, home: str) -> tuple[Dataset, tuple[Choice, ...]]:
    dataset, split = prepare(path, ReadOptions(data_home=home), 0, task=task)
    return dataset, tuple(split)


@dataclass(frozen=True)
class Home:
    """A folder of staged data and runs."""

    folder: Path

    def place(self, name: str, seed: int) -> Path:
        return self.folder / "runs" / name / str(seed)

    def dataset(self, name: str) -> tuple[Dataset, tuple[Choice, ...]]:
        """The row's data, read and examined.

        Raises:
            FileNotFoundError: it needs real pictures that are not here.
        """
        own, home = setting_of(name), str(self.folder / "home")
        if own.data not in DATA:  # built into Foveal
            return _prepared(own.data, own.options.get("task"), home)
        place = self.folder / "data" / (own.data if own.wrong is None else f"{own.data}-for-{name}")
        with _alone(place):
            if not (place / "table.csv").exists():
                made = DATA[own.data]()
                (made if own.wrong is None else own.wrong(made)).write(place)
        return _prepared(str(place / "table.csv"), own.options.get("task"), home)

    def options(self, name: str, seed: int, out: Path) -> TrainOptions:
        own = setting_of(name)
        given: dict[str, Any] = {**QUIET, **own.options, "seed": seed, "out": str(out)}
        given["data_home"] = str(self.folder / "home")
        if own.network:
            written = own.network in networks.WRITTEN
            given["network"] = (
                networks.written(own.network, self.folder / "networks") if written else own.network
            )
        if own.start:
            self.outcome(own.start, 0)
            given["weights"] = str(self.place(own.start, 0) / RUN / "best.safetensors")
        return make(TrainOptions, given)

    def outcome(self, name: str, seed: int) -> Outcome:
        """Train the row under this seed, if that was not done before."""
        place = self.place(name, seed)
        with _alone(place):
            if (place / OUTCOME).exists():
                kept = json.loads((place / OUTCOME).read_text())
                if kept.pop("digest") == digest(name):
                    return Outcome(**kept)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            made = self._train(name, seed, place / RUN)
            _tidy(place / RUN, keep=seed == _kept_seed(name))
            told = {**dataclasses.asdict(made), "digest": digest(name)}
            (place / OUTCOME).write_text(json.dumps(told), encoding="utf-8")
            return made

    def _train(self, name: str, seed: int, run: Path) -> Outcome:
        began, row = time.time(), ROWS.get(name)
        dataset, split = self.dataset(name)
        with PATCHES[setting_of(name).patch](), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            planned = plan.make(dataset, self.options(name, seed, run))
            try:
                done = training.start(dataset, planned, name, lambda said: None, began, list(split))
            except DivergedError:
                chance = 1 / max(1, len(dataset.labels))
                return Outcome(chance, "accuracy", True, "diverged", time.time() - began, chance)
        honest = None
        if isinstance(row, Fault) and row.harm == "honesty":
            honest = self.accuracy_on(row.base, run)
        head = done.headline
        return Outcome(head.value, head.name, head.higher_is_better, done.why, time.time() - began, honest)

    def accuracy_on(self, base: str, run: Path) -> float:
        """Of a run's best model on the test pictures of a base."""
        model, (dataset, _) = Run.open(run).model("best"), self.dataset(base)
        view, pre = model.task.view(model.preprocessing), model.preprocessing
        batches = Batches(dataset.root, dataset.part("test"), model.task, view, pre, 64, varied=False)
        return evaluate(model.network, model.task, batches, "test").headline.value

    def diagnosis(self, name: str, again: bool = False) -> tuple[Case, Diagnosis]:
        """What the doctor says of the row's first run. The tests that it makes are kept, the rules are asked each
        time; `again`: the tests are made again."""
        seed = _kept_seed(name)
        self.outcome(name, seed)
        place = self.place(name, seed)
        run = Run.open(place / RUN)
        with PATCHES[setting_of(name).patch](), warnings.catch_warnings():
            if again or not (place / EXAMINED).exists():
                began = time.perf_counter()
                told = {"tests": dict(tested(run).tests), "seconds": time.perf_counter() - began}
                (place / EXAMINED).write_text(json.dumps(told, default=_plain), encoding="utf-8")
            told = json.loads((place / EXAMINED).read_text())
            record = gather(run)
            seen = Case(record, tuple(run.sights()), told["tests"], self.shown(name, record, again))
            return seen, diagnose(seen)

    def shown(self, name: str, record: Gathered, again: bool = False) -> dict[str, Any]:
        """What the pictures show, as `foveal diagnose` has it: what does not depend on the run is looked at once for
        all runs on the same data."""
        if record.dataset is None:
            return {}
        own = setting_of(name)
        file = self.folder / "shown" / f"{own.data if own.wrong is None else name}.json"
        with _alone(file):
            if again and file.exists() and time.time() - file.stat().st_mtime > AGAIN_SECONDS:
                file.unlink()
            if not file.exists():
                home, task = str(self.folder / "home"), str(record.task.get("name") or record.dataset.task)
                made = pictures_of.examined(record.dataset, task=task, data_home=home)
                file.write_text(json.dumps(made, default=_plain), encoding="utf-8")
        told: dict[str, Any] = json.loads(file.read_text())
        judged = record.evaluation
        if judged is not None:
            told["judged"] = pictures_of.judged(judged, told.get("leaks", {}))
            if record.kind == "classes":
                told["confused"] = pictures_of.confused(judged)
                told["rare"] = pictures_of.rare(judged, record.dataset.counts().get("train", {}))
        return told


def tested(run: Run) -> Case:
    """The run's case with the quick tests of its parts, as `foveal diagnose` has it."""
    if "examination" not in catalog.names("doctor"):
        return case.read(run)
    made: Case = catalog.find("doctor", "examination").examine(run, deep=False, seconds=QUICK_SECONDS)
    return made


def _alone(place: Path) -> FileLock:
    """Held while something is made at `place`, which other processes may want too."""
    place.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(place.with_name(f"{place.name}.lock"))


def _kept_seed(name: str) -> int:
    row = ROWS.get(name)
    return row.seed if isinstance(row, Control) else 0


def _tidy(run: Path, keep: bool) -> None:
    """What nobody looks at again goes: checkpoints to resume from, and the runs of further seeds."""
    for file in run.glob("resume*"):
        file.unlink()
    if not keep:
        shutil.rmtree(run, ignore_errors=True)


def _plain(value: Any) -> Any:
    """Numbers of NumPy and tuples as JSON has them."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
