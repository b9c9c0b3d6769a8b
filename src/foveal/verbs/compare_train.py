"""Networks trained in turn on the same pictures, so that they can be compared."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import catalog, plan, training
from ..errors import DataError, DiskError, FovealError, OptionError
from ..events import Epoch, Noticed
from ..machine.device import is_out_of_memory
from ..options import TrainOptions, flag
from ..plan import Plan, classics
from ..plan.rehearsal import rehearse
from ..readers import prepare
from ..records.run import OPTIONS, Run, runs_in
from ..records.trained import Trained
from ..storage import to_json
from ..values import Choice, Dataset
from .beside import Row, published, trained_seconds
from .compare import OF_ONE, CompareOptions, Place
from .train import check_early, data_name, reported

Screen = Callable[[Any], None]
FEWEST_SECONDS = 5.0
FEW = 10.0
"""Epochs below which first layers that keep the picture's size cost more than they bring."""
_OF_PLACE = (
    "out",
    "runs_dir",
    "data_home",
    "save_seconds",
    "network",
    "device",
    "threads",
    "workers",
    "cache",
)
"""Options that make no other comparison of it."""


def trained(
    networks: Sequence[str],
    data: Place | None,
    chosen: CompareOptions,
    screen: Screen,
    began: float | None,
) -> tuple[list[Path], list[Row]]:
    """Train each network that is not trained yet; the folders of their runs, and those that came to nothing.

    A comparison is known by its pictures, their split and its options: every run of it keeps their hash, and
    a later call with the same ones finds them in `runs_dir`, takes what is finished and resumes what is not.

    Raises:
        FovealError: the data or an option cannot be used, or no network could be trained.
        KeyboardInterrupt: interrupted; says how to go on.
    """
    began = time.time() if began is None else began
    names = _known(networks, screen)
    wanted = _one(chosen)
    check_early(wanted, False)
    source = None if data is None else str(data)
    dataset, split = prepare(
        source, wanted, wanted.split_seed, lambda done, total: screen(("examining", done, total)), wanted.task
    )
    for issue in dataset.issues:
        screen(issue)
    group = _Group(
        dataset, split, data_name(source), wanted, chosen.minutes, screen, _mark(dataset, wanted, chosen)
    )
    places, failed = group.train(names, began)
    if not places:
        raise OptionError(
            f"None of {', '.join(names)} could be trained: {failed[0].failed}",
            "Networks that can take these pictures.",
            "Try one by itself: foveal train DATA --network NAME --recipe published",
        )
    return places, failed


def _known(networks: Sequence[str], screen: Screen) -> list[str]:
    """The networks' names in full, each once. The beginning of a name will do where only one has it.

    Raises:
        OptionError: fewer than two.
        UnknownNameError: nobody knows one.
    """
    names: list[str] = []
    for given in filter(None, networks):
        like = [name for name in catalog.names("architectures") if name.startswith(given)]
        name = like[0] if len(like) == 1 and given not in like else given
        catalog.find("architectures", name)
        if name != given:
            screen(("says", f"{given} is taken for {name}"))
        names.append(name)
    if len(set(names)) < 2:
        raise OptionError(
            f"--train was given {'one network' if names else 'no network'}.",
            "Two or more, with commas between them.",
            "foveal compare --train lenet5,resnet18 DATA; for one alone: foveal train DATA --network NAME",
        )
    return list(dict.fromkeys(names))


def _one(chosen: CompareOptions) -> TrainOptions:
    """The options of each training, but for its network and its share of the minutes.

    Raises:
        OptionError: something was given that belongs to one training.
    """
    values = {f.name: getattr(chosen, f.name) for f in dataclasses.fields(TrainOptions)}
    for name in OF_ONE:
        if values[name]:
            raise OptionError(
                f"{flag(name)} was given together with --train.",
                "Options that can be the same for all networks.",
                f"Leave {flag(name)} out, or train that network by itself and compare its run with the others.",
            )
    recipe = chosen.recipe or (None if chosen.pretrained else classics.NAME)
    return TrainOptions(**{**values, "out": None, "minutes": None, "recipe": recipe})


def _mark(dataset: Dataset, wanted: TrainOptions, chosen: CompareOptions) -> str:
    """What all runs of a comparison have in common, as a hash."""
    own = {k: v for k, v in dataclasses.asdict(wanted).items() if k not in _OF_PLACE}
    parts = [[item.id, item.sha256, item.part, item.truth] for item in dataset.items]
    told = to_json([own, chosen.minutes, dataset.task, parts])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass
class _Group:
    """The work on a comparison."""

    dataset: Dataset
    split: list[Choice]
    name: str
    wanted: TrainOptions
    minutes: float | None
    screen: Screen
    mark: str
    told: dict[str, Any] = field(default_factory=dict)

    def train(self, names: Sequence[str], began: float) -> tuple[list[Path], list[Row]]:
        """Every network in turn; minutes that one leaves are shared by those after it."""
        there = self._there(names)
        done = {name: Trained.read(run) for name, run in there.items()}
        spent = sum(_seconds(run, done[name]) for name, run in there.items())
        left = len(names) - sum(run is not None for run in done.values())
        places: list[Path] = []
        failed: list[Row] = []
        for number, name in enumerate(names, 1):
            kept = done.get(name)
            said = "is finished, and kept" if kept else "goes on" if name in there else "is trained"
            self.screen(("says", f"{name} {said} ({number} of {len(names)})"))
            if kept is not None:
                places.append(kept.run)
                continue
            gone = spent + time.time() - began
            try:
                places.append(self._one(name, there.get(name), gone, left))
            except KeyboardInterrupt as stop:
                raise KeyboardInterrupt(
                    f"{len(places)} of {len(names)} networks are done and kept, and what was trained of {name}. "
                    "To go on, call the same command again."
                ) from stop
            except (DataError, DiskError):
                raise  # it would meet the others as well
            except (FovealError, RuntimeError, MemoryError) as error:
                reason = _reason(error)
                self.screen(Noticed(what="network", says=f"{name} was left out: {reason}"))
                failed.append(Row(name, name, data=self.name, failed=reason, **published(name)))
            left -= 1
        return places, failed

    def _there(self, names: Sequence[str]) -> dict[str, Run]:
        """This comparison's runs that are there already, the newest of each network."""
        home, found = Path(self.wanted.runs_dir), dict[str, tuple[float, Run]]()
        for folder in runs_in(home) if home.is_dir() else ():
            run = Run(folder)
            try:
                options = run.options if (folder / OPTIONS).exists() else {}
            except FovealError:
                continue  # a damaged one is no reason not to begin
            name = str((options.get("architecture") or {}).get("name"))
            if (options.get("lineage") or {}).get("comparison") != self.mark or name not in names:
                continue
            if run.status not in ("finished", "interrupted", "died"):
                continue
            made = (run.folder / OPTIONS).stat().st_mtime
            if name not in found or found[name][0] < made:
                found[name] = (made, run)
        return {name: run for name, (_, run) in found.items()}

    def _one(self, name: str, there: Run | None, gone: float, left: int) -> Path:
        """Train one network, or go on with it; the folder of its run."""
        began = time.time()
        if there is not None:
            done = training.resume(str(there.folder), self.screen, began)
            return reported(done, self.screen).run
        options = dataclasses.replace(self.wanted, network=name)
        if self.minutes is not None:
            share = max(FEWEST_SECONDS, (self.minutes * 60 - gone) / left)
            options = dataclasses.replace(options, minutes=share / 60)
        planned = self._within(plan.make(self.dataset, options), began)
        self._tell([*self.split, *planned.choices])
        for said in planned.warnings:
            self.screen(Noticed(what="option", says=said))
        lineage = {"comparison": self.mark}
        done = training.start(self.dataset, planned, self.name, self.screen, began, self.split, lineage)
        return reported(done, self.screen).run

    def _within(self, planned: Plan, began: float) -> Plan:
        """The plan; with the published first layers in the place of small ones where the time would be over
        after a few epochs of those, and these see the pictures more often."""
        small = planned.architecture.get("stem") == "small" and self.wanted.stem is None
        if planned.options.minutes is None or not small:
            return planned
        slow = self._epochs(planned, began)
        if slow >= FEW:
            return planned
        given = dataclasses.replace(self.wanted, network=planned.start.network, stem="published")
        other = plan.make(self.dataset, dataclasses.replace(given, minutes=planned.options.minutes))
        try:
            fast = self._epochs(other, began)
        except (OptionError, RuntimeError):  # they shrink these pictures to nothing
            return planned
        if fast <= slow:
            return planned
        why = (
            f"small ones, which suit pictures of {planned.preprocessing.size} px, would see each of them about "
            f"{slow:.1f} times in this time, and these about {fast:.0f} times"
        )
        choices = [c if c.option != "stem" else Choice("stem", "published", why) for c in other.choices]
        return dataclasses.replace(other, choices=tuple(choices))

    def _epochs(self, planned: Plan, began: float) -> float:
        """Epochs that the minutes hold, by a few steps that are thrown away."""
        return float(
            sum(stage["epochs"] for stage in rehearse(self.dataset, planned, self.screen, began=began).stages)
        )

    def _tell(self, choices: Sequence[Choice]) -> None:
        """Every choice of the first network, and of the others what is different there."""
        for choice in choices:
            said = choice.reason if choice.option == "recipe" else choice.value
            if self.told.get(choice.option) != said:
                self.screen(choice)
                self.told[choice.option] = said


def _seconds(run: Run, done: Trained | None) -> float:
    """What a run has taken so far, finished or not."""
    trained = trained_seconds([event for event in run.events() if isinstance(event, Epoch)])
    return trained if done is None else max(done.seconds, trained)


def _reason(error: BaseException) -> str:
    """Why a network came to nothing, in a sentence.

    Raises:
        BaseException: `error` itself, where it is a bug.
    """
    if isinstance(error, FovealError):
        return error.came
    if isinstance(error, MemoryError) or is_out_of_memory(error):
        return "the memory does not hold it, even for small parts of a batch."
    raise error
