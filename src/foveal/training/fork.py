"""The same run with some options changed, from its beginning or from one of its models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from .. import catalog, events, plan
from ..card import BEST, has_card
from ..data.fingerprint import fingerprint
from ..errors import DataError, OptionError, RunError, UnknownNameError
from ..machine import device
from ..options import ReadOptions, TrainOptions, flag, make
from ..plan import Plan, recipes
from ..plan.range_test import RangeTest, planned_at_found_rate
from ..records.run import LAST, OPTIONS, Run
from ..records.trained import Trained
from ..values import Choice, Dataset
from . import start, verify
from .job import AS_IN, Screen

Source = Literal["start", "best", "last"]
_FILES = {"best": BEST, "last": LAST}
_NAMES = tuple(field.name for field in dataclasses.fields(TrainOptions))
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(TrainOptions)}
# The parent's data is the fork's; where a run lies is no option of its training.
_OF_DATA = ({f.name for f in dataclasses.fields(ReadOptions)} - {"data_home"}) | {"split_seed", "folds"}
_OF_PLACE = {"out", "runs_dir", "data_home"}
# What these say decides all that was chosen, but for the machine's part.
_ROOTS = {"network", "weights", "pretrained", "recipe", "task", "size"}
_STAYS = _ROOTS | {"device", "workers", *_OF_DATA, *_OF_PLACE}
_FOLLOW = {
    "optimizer": ("lr", "weight_decay", "momentum"),
    "batch": ("lr", "accumulate"),
    "train_size": ("accumulate",),
    "find_lr": ("lr",),
    "epochs": ("patience", "freeze", "minutes"),
    "minutes": ("patience", "freeze", "epochs"),
    "freeze": ("layer_decay",),
    "schedule": ("warmup", "ema"),
    "loss": ("label_smoothing",),
    "device": ("precision", "workers", "layout", "threads", "compile", "cuda_graph", "cache"),
}


@dataclass(frozen=True)
class Forked:
    """The options of a fork: what was asked for, and the parent's choices that are made anew."""

    options: TrainOptions
    changed: dict[str, tuple[Any, Any]]
    open: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A fork before its first step: what `training.start` is told."""

    dataset: Dataset
    planned: Plan
    split: list[Choice]
    lineage: dict[str, Any]
    rate: RangeTest | None = None


@dataclass(frozen=True)
class Mended:
    """What a fork changes beside options: `repairs` by name (`foveal.repairs`), items that are left out by
    id, and the illness that this is the cure of."""

    repairs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rule: str = ""


def fork(
    path: str | Path,
    changes: Mapping[str, Any],
    screen: Screen,
    began: float,
    source: Source = "start",
    mended: Mended = Mended(),
) -> Trained:
    """Train the run at `path` again with `changes`, on its very pictures and split, in a new run folder.

    All options stay as the parent had them, chosen ones too; only choices that depend on what is
    changed are made anew, and those that are changed to None. From `best` or `last`
    training begins with that model's weights.

    Raises:
        RunError: no such run, it has no such model, or its pictures have changed.
        OptionError: an option that a fork cannot change, or a value out of range.
    """
    run = Run.open(path)
    made = prepare(run, changes, screen, source, mended)
    name = str(run.options.get("data") or "run")
    return start(made.dataset, made.planned, name, screen, began, made.split, made.lineage, made.rate)


def prepare(
    run: Run,
    changes: Mapping[str, Any],
    screen: Screen,
    source: Source = "start",
    mended: Mended = Mended(),
    verified: Dataset | None = None,
) -> Prepared:
    """The fork that `fork` would train. `verified`: the run's data, where it was compared with the pictures already.

    Raises:
        RunError, OptionError: as `fork` does.
    """
    forked = options_of(run, changes, source)
    dataset = run.dataset if verified is None else verified
    if verified is None:
        verify(dataset, str(run.folder), forked.options.data_home)
    dataset = without(dataset, mended.exclude)
    rate: RangeTest | None = None
    if forked.options.find_lr:
        planned, rate = planned_at_found_rate(dataset, forked.options, screen)
    else:
        planned = plan.make(dataset, forked.options)
    choices = _inherited(run, planned.choices, forked)
    kept = _kept(run)
    made_anew = {
        c.option: (kept[c.option], c.value)
        for c in choices
        if c.option in forked.open and c.value != kept[c.option]
    }
    chosen = {choice.option for choice in choices}
    left_out = {name: (kept[name], None) for name in forked.open if name in changes and name not in chosen}
    _tell(run, forked, choices, kept, screen)
    for said in planned.warnings:
        screen(events.Noticed(what="option", says=said))
    split = [choice for choice in run.choices if choice.option not in _NAMES]
    if mended.exclude:
        split.append(
            Choice("left out", len(mended.exclude), f"pictures, to cure {mended.rule or 'the data'}", False)
        )
    repairs = _repairs(run, forked, mended)
    lineage = {
        "parent": {"path": str(run.folder.resolve()), "name": run.folder.resolve().name},
        "from": source,
        "changed": forked.changed | left_out,
        "made_anew": made_anew,
        **({"cured": mended.rule} if mended.rule else {}),
        **({"excluded": list(mended.exclude)} if mended.exclude else {}),
    }
    planned = dataclasses.replace(planned, choices=tuple(choices))
    if repairs:
        lineage["repairs"] = repairs
        planned = dataclasses.replace(planned, architecture={**planned.architecture, "repairs": repairs})
    return Prepared(dataset, planned, split, lineage, rate)


def _repairs(run: Run, forked: Forked, mended: Mended) -> list[str]:
    """The parent's repairs, where the network is the same still, and the new ones.

    Raises:
        UnknownNameError: there is no such repair.
    """
    architecture = run.options.get("architecture")
    before = architecture.get("repairs", ()) if isinstance(architecture, Mapping) else ()
    known = catalog.names("repairs")
    for name in mended.repairs:
        if name not in known:
            raise UnknownNameError("repair", name, known)
    kept = () if "network" in forked.changed else before
    return list(dict.fromkeys((*kept, *mended.repairs)))


def without(dataset: Dataset, ids: Sequence[str]) -> Dataset:
    """The data without these items.

    Raises:
        DataError: training or validation pictures are none any more.
    """
    if not ids:
        return dataset
    gone = set(ids)
    left = dataclasses.replace(dataset, items=tuple(item for item in dataset.items if item.id not in gone))
    for part in ("train", "val"):
        if dataset.part(part) and not left.part(part):
            raise DataError(
                f"Without the {len(gone):,} pictures that are to be left out there is no {part} picture any more.",
                "Some pictures in each split.",
                "Leave fewer of them out: foveal inspect DATA shows them.",
            )
    return dataclasses.replace(left, fingerprint=fingerprint(left.items))


def options_of(run: Run, changes: Mapping[str, Any], source: Source = "start") -> Forked:
    """The options that a fork of `run` trains with. An option that is changed to None is open again: the plan chooses
    it, whoever chose it before.

    Raises:
        RunError: the run never had options, or has no such model.
        OptionError: an option that a fork cannot change, or a value out of range.
    """
    wanted = make(TrainOptions, changes)
    _refuse(changes, source, run)
    given = {name: getattr(wanted, name) for name in changes}
    kept = _kept(run)
    automatic = {c.option for c in run.choices if c.automatic and c.option in _NAMES}
    changed = {n: (kept[n], value) for n, value in given.items() if n not in _OF_PLACE and value != kept[n]}
    loose, notes = _loose(changed, automatic, kept)
    reopened = {name for name, (_, value) in changed.items() if value is None}
    loose, changed = loose | reopened, {n: pair for n, pair in changed.items() if n not in reopened}
    values = {**kept, **dict.fromkeys(loose), "folds": None}
    values |= {name: _DEFAULTS[name] for name in loose if _DEFAULTS[name] is not None}
    values |= {"out": None, "runs_dir": _home(run, kept), **given}
    if "find_lr" not in changed and "lr" not in loose:
        values["find_lr"] = False  # the rate that was found is the parent's
    if source != "start":
        values["weights"] = str(run.folder / _FILES[source])
    return Forked(make(TrainOptions, values), changed, tuple(sorted(loose)), tuple(notes))


def _refuse(changes: Mapping[str, Any], source: Source, run: Run) -> None:
    """What a fork cannot be told."""
    if source not in get_args(Source):
        raise OptionError(
            f"--from {source} was given.",
            "start (as the run itself began), best or last (from that model's weights).",
            "Choose one of these, or leave --from out.",
        )
    for name in changes:
        if name in _OF_DATA:
            raise OptionError(
                f"{flag(name)} was given to a fork.",
                "A fork has the very pictures and split of its parent, so that the two can be compared.",
                f"Leave {flag(name)} out, or train on other data: foveal train DATA {flag(name)} ...",
            )
    if changes.get("find_lr") and changes.get("lr") is not None:
        raise OptionError(
            f"--find-lr and --lr {changes['lr']:g} were both given.",
            "Either a rate, or a test that finds one.",
            "Leave one out.",
        )
    if source == "start":
        return
    if "weights" in changes:
        raise OptionError(
            f"--from {source} and --weights were both given: each says where to begin.",
            "One of them.",
            "Leave one out.",
        )
    if not (run.folder / _FILES[source]).is_file():
        raise RunError(
            f"{run.folder} has no {source} model yet: {_FILES[source]} is not there.",
            "A run that has saved one.",
            f"Fork it from its beginning (without --from), or let it go on: foveal runs resume {run.folder}",
        )


def _kept(run: Run) -> dict[str, Any]:
    """The parent's options, filled in."""
    if not (run.folder / OPTIONS).exists():
        raise RunError(
            f"{run.folder} never began: it has no options.",
            "A run that has been planned, with its options.json.",
            "Train a new one: foveal train DATA",
        )
    kept = dict(run.options.get("train") or {})
    strange = sorted(set(kept) - set(_NAMES))
    if strange:
        raise RunError(
            f"{run.folder} has options that this Foveal does not know: {', '.join(strange)}.",
            "A run of this version of Foveal or an earlier one.",
            "Fork it with the Foveal that began it (machine.json tells its version).",
        )
    return dataclasses.asdict(make(TrainOptions, kept))


def _loose(
    changed: Mapping[str, Any], automatic: set[str], kept: Mapping[str, Any]
) -> tuple[set[str], list[str]]:
    """The parent's options that are open again, and what is to be said of it."""
    loose: set[str] = set()
    notes: list[str] = []
    if changed.keys() & _ROOTS:
        loose |= automatic - _STAYS
    for name in changed:
        loose |= automatic & set(_FOLLOW.get(name, ()))
    if "epochs" in changed or "minutes" in changed:
        loose.add("minutes" if "epochs" in changed else "epochs")  # they exclude each other
    if "find_lr" in changed:
        loose.add("lr")
    if {"network", "pretrained"} & changed.keys() and kept["weights"] is not None:
        loose.add("weights")
        notes.append(f"--weights {kept['weights']} is left out: it belongs to what was changed")
    if "weights" in changed and _knows_its_network(str(changed["weights"][1])):
        loose.add("network")
    if "recipe" in changed:
        loose |= {"network", "pretrained"} & set(recipes.find(changed["recipe"][1]).values) & automatic
    if "device" not in changed and "device" in automatic:
        try:
            device.choose(kept["device"])
        except OptionError:
            notes.append(f"{kept['device']} is not on this machine: another device is chosen")
            loose |= {"device"} | (automatic & set(_FOLLOW["device"]))
    return loose - changed.keys(), notes


def _knows_its_network(weights: str) -> bool:
    path = Path(weights)
    return path.is_dir() or (path.is_file() and has_card(path))


def _home(run: Run, kept: Mapping[str, Any]) -> str:
    """Beside the parent, unless that had a place of its own."""
    return str(run.folder.parent) if kept["out"] is None else str(kept["runs_dir"])


def _inherited(run: Run, made: tuple[Choice, ...], forked: Forked) -> list[Choice]:
    """The plan's choices; what is the parent's keeps the parent's reason, and whether it was chosen."""
    parents = {choice.option: choice for choice in run.choices}
    found = []
    for choice in made:
        old = parents.get(choice.option)
        if old is None or choice.automatic or choice.option in forked.changed or choice.value != old.value:
            found.append(choice)
            continue
        reason = old.reason.partition(": ")[2] if old.reason.startswith(AS_IN) else old.reason
        found.append(dataclasses.replace(old, reason=f"{AS_IN}{run.name}: {reason}"))
    return found


def _tell(run: Run, forked: Forked, choices: list[Choice], kept: Mapping[str, Any], screen: Screen) -> None:
    """What differs from the parent, and how much does not."""
    for note in forked.notes:
        screen(events.Noticed(what="fork", says=note))
    anew = [c for c in choices if c.option in forked.open]
    other = [c for c in anew if c.value != kept[c.option]]
    rest = len(choices) - len(forked.changed) - len(anew)
    said = f"A fork of {run.folder}: the same pictures and split, and {rest} options as they were there"
    screen(("says", said if forked.changed else f"{said}; nothing is changed"))
    for choice in [c for c in choices if c.option in forked.changed] + other:
        screen(choice)
    if same := [c.option for c in anew if c not in other]:
        screen(("says", f"Chosen anew, and the same as there: {', '.join(same)}"))
