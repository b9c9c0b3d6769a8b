"""What was done: choices, time, and how to do it again."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..card import BEST
from ..charts import Strip
from ..loop.bottleneck import PHASES
from ..options import TrainOptions, flag, meaning
from ..records.gathered import Gathered
from ..values import span
from .words import date, number, percent, plain

_PARTS = {"train": "training pictures", "val": "validation pictures", "test": "test pictures"}
MOST_TIES = 6
"""Epochs that were equally good are named up to so many."""
_LEFT_OUT = frozenset({"out", "runs_dir", "resume", "save_seconds", "data_home"})


@dataclass(frozen=True)
class Decision:
    """An option, its value, why it has it, and what it means."""

    option: str
    value: str
    reason: str
    means: str


def decisions(g: Gathered) -> tuple[tuple[Decision, ...], tuple[Decision, ...]]:
    """What was given, and what was chosen, with each reason."""
    rows: dict[bool, list[Decision]] = {True: [], False: []}
    for choice in g.choices:
        means = meaning(TrainOptions, choice.option)
        decision = Decision(_option(choice.option), plain(choice.value), choice.reason, means)
        rows[bool(choice.automatic)].append(decision)
    told = {choice.option for choice in g.choices}
    usual = TrainOptions()
    for f in dataclasses.fields(TrainOptions):
        value = g.train.get(f.name)
        if f.name in told or f.name in _LEFT_OUT or value is None or f.name not in g.train:
            continue
        if value != getattr(usual, f.name):
            rows[False].append(Decision(flag(f.name), plain(value), "given", meaning(TrainOptions, f.name)))
    return tuple(rows[False]), tuple(rows[True])


def _option(name: str) -> str:
    """An option as it is typed; what is chosen without being one, such as the splits, in words."""
    if name in _PARTS:
        return _PARTS[name]
    return flag(name) if name in TrainOptions.__dataclass_fields__ else name.replace("_", " ")


def done(g: Gathered) -> str:
    """What was done, in a few sentences."""
    parts = []
    origin = g.options.get("origin")
    if g.network:
        start = "from scratch"
        if isinstance(origin, Mapping):
            start = f"from pretrained weights ({str(origin.get('source') or 'of another run').strip()})"
        size = f" at {g.size} × {g.size} pixels" if g.size else ""
        epochs = g.epochs[-1].epoch if g.epochs else 0
        ran = f"for {epochs} epoch{'' if epochs == 1 else 's'}" if epochs else "for less than an epoch"
        count = len(g.dataset.part("train")) if g.dataset else 0
        on = f" on {count:,} pictures" if count else ""
        parts.append(f"{g.network} was trained {start}{on}{size}, {ran}.")
    if len(g.stages) > 1:
        named = [f"{_trains(stage)} ({_planned(g, stage)})" for stage in g.stages]
        parts.append(f"First {', then '.join(named)}.")
    return " ".join([*parts, *_kept(g)])


def _trains(stage: Mapping[str, Any]) -> str:
    return "the head alone" if stage.get("trainable") == "head" else "all layers"


def _planned(g: Gathered, stage: Mapping[str, Any]) -> str:
    """A stage's length and rate in words; a head that is solved has no rate, and all of its steps are one."""
    if stage.get("solve"):
        return "solved at once for what the frozen layers see"
    epochs, rate, share = stage.get("epochs"), stage.get("lr"), stage.get("share")
    said = f"{epochs} epoch{'' if epochs == 1 else 's'} planned"
    if g.timed:
        said = "for as long as there was time"
        if stage is not g.stages[-1] and isinstance(share, int | float):
            said = f"for about {percent(share)} of the time"
    return f"{said}, peak rate {rate:g}" if isinstance(rate, int | float) else said


def _kept(g: Gathered) -> list[str]:
    """Which model was kept, which others were as good, and whether training all layers gained anything."""
    if g.best is None or not g.result:
        return []
    judged = g.score.split if g.score else ""
    after = " and then judged, once, on test pictures that training never saw" if judged == "test" else ""
    which = "its only epoch" if len(g.epochs) == 1 else f"epoch {g.best.epoch}, the best in validation"
    comma = "," if "," in which else ""
    return [f"The model of {which}{comma} was kept{after}.", *_ties(g), *_fine_tuned(g)]


def _ties(g: Gathered) -> list[str]:
    """The epochs that were as good as the one that was kept, and what decided."""
    assert g.best is not None
    best = g.best.headline.get("value")
    alike = [e for e in g.epochs if isinstance(best, int | float) and e.headline.get("value") == best]
    if len(alike) < 2 or not isinstance(best, int | float):
        return []
    numbers = [str(e.epoch) for e in alike]
    said = f"Epochs {', '.join(numbers[:-1])} and {numbers[-1]}"
    if len(alike) > MOST_TIES:
        said = f"{len(alike)} epochs, from {numbers[0]} to {numbers[-1]},"
    losses = [
        loss for e in alike if e is not g.best and isinstance(loss := e.metrics.get("loss"), int | float)
    ]
    own = g.best.metrics.get("loss")
    why = "the first of them was kept"
    if isinstance(own, int | float) and losses and own < min(losses):
        why = "the one of the least loss was kept"
    return [f"{said} were equally good in validation ({told(g, best)}); {why}."]


def _fine_tuned(g: Gathered) -> list[str]:
    """That the stages after the head's gained nothing over it, where that is so."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for n, epoch in enumerate(g.epochs):
        value = value_at(g, n)
        if value is not None:
            found[epoch.stage in g.frozen_stages].append(value)
    if not found[True] or not found[False] or g.score is None:
        return []
    best = max if g.score.higher_is_better else min
    head, all_layers = best(found[True]), best(found[False])
    if head == all_layers:
        return [
            f"Training all layers gained nothing over the head alone: both reached {told(g, head)} at best."
        ]
    if best(head, all_layers) == all_layers:
        return []
    reached = f"it reached {told(g, all_layers)} at best, the head {told(g, head)}"
    return [f"Training all layers gained nothing over the head alone: {reached}."]


def value_at(g: Gathered, place: int) -> float | None:
    """The headline's value in validation after the epoch at a place; None where there is none."""
    found = g.epochs[place].headline.get("value") if 0 <= place < len(g.epochs) else None
    return float(found) if isinstance(found, int | float) else None


def told(g: Gathered, value: float) -> str:
    """A value of the headline as a person reads it."""
    return percent(value) if g.score and g.score.name == "accuracy" else number(value)


@dataclass(frozen=True)
class StageRow:
    """A stage of training, in words."""

    name: str
    trains: str
    epochs: str
    rate: str
    schedule: str


def stages(g: Gathered) -> tuple[StageRow, ...]:
    """The stages as they were planned."""
    rows = []
    for stage in g.stages:
        frozen = stage.get("frozen")
        trains = "the head" if stage.get("trainable") == "head" else "all layers"
        if trains == "all layers" and frozen:
            trains = f"all but {frozen} stage{'' if frozen == 1 else 's'}"
        epochs = "by time" if g.timed else plain(stage.get("epochs"))
        rate, schedule = plain(stage.get("lr")), plain(stage.get("schedule"))
        if stage.get("solve"):
            epochs, rate, schedule = "solved at once", "–", "–"
        rows.append(StageRow(str(stage.get("name")), trains, epochs, rate, schedule))
    return tuple(rows)


def time_spent(g: Gathered) -> Strip | None:
    """Where the seconds went; what no phase owns is `the rest`."""
    spent = {
        str(k): float(v)
        for k, v in _mapping(g.result.get("spent")).items()
        if isinstance(v, int | float) and v > 0
    }
    total = g.result.get("seconds")
    if not spent and g.epochs and isinstance(total, int | float):
        spent = {"train": min(float(total), g.epochs[-1].seconds)}
    if isinstance(total, int | float) and spent and total - sum(spent.values()) > 0.01 * total:
        spent["rest"] = float(total) - sum(spent.values())
    if not spent:
        return None
    known = [*PHASES, *spent]
    spent = dict(sorted(spent.items(), key=lambda pair: known.index(pair[0])))
    names = {
        **PHASES,
        "train": "training",
        "rest": "the rest: reading, planning, judging, saving" if len(spent) <= 2 else "the rest",
    }
    parts = tuple((names.get(k, k.replace("_", " ")), v, span(v)) for k, v in spent.items())
    return Strip("Where the time went", parts)


def facts(g: Gathered) -> tuple[tuple[str, str], ...]:
    """The run in a line of facts."""
    rows = []
    if g.network:
        rows.append(("Network", g.network))
    data = str(g.options.get("data") or "")
    if g.dataset:
        rows.append(("Data", f"{data or PurePath(g.dataset.root).name}: {len(g.dataset.items):,} pictures"))
    if g.epochs:
        rows.append(("Epochs", f"{g.epochs[-1].epoch}"))
    seconds = g.result.get("seconds") or (g.epochs[-1].seconds if g.epochs else None)
    if isinstance(seconds, int | float):
        rows.append(("Time", span(float(seconds))))
    device = g.machine.get("gpu") or g.machine.get("device")
    if device:
        rows.append(("Device", str(device)))
    at = g.machine.get("at") or next((e.at for e in g.events if e.at), None)
    if isinstance(at, int | float):
        rows.append(("Trained", date(float(at))))
    return tuple(rows)


def use(g: Gathered) -> tuple[tuple[str, str], ...]:
    """How to use the model, in words and as commands; nothing where there is no model yet."""
    if not (g.folder / BEST).is_file():
        return ()
    folder = str(g.folder)
    return (
        ("On pictures, and folders of them", f"foveal predict {shlex.quote(folder)} picture.jpg"),
        ("Judged on other pictures with labels", f"foveal evaluate {shlex.quote(folder)} DATA"),
        ("In Python", f"foveal.Model.load({folder!r}).predict('picture.jpg')"),
    )


@dataclass(frozen=True)
class Again:
    """How to do it again: as it was called, with every choice pinned, and on what it ran."""

    called: str
    pinned: str
    rows: tuple[tuple[str, str], ...]


def again(g: Gathered) -> Again:
    """Commands, versions, seeds, fingerprint and machine."""
    m = g.machine
    rows: list[tuple[str, str]] = []
    versions = _mapping(m.get("versions"))
    if versions:
        rows.append(("Versions", ", ".join(f"{k} {v}" for k, v in versions.items())))
    if m.get("torch_build"):
        rows.append(("Torch's build", str(m["torch_build"])))
    for name, key in (("Seed", "seed"), ("Split's seed", "split_seed")):
        if key in g.train:
            rows.append((name, str(g.train[key])))
    if g.dataset and g.dataset.fingerprint:
        rows.append(("Data's fingerprint", g.dataset.fingerprint))
    origin = _mapping(g.options.get("origin"))
    if origin:
        rows.append(("Starting weights", ", ".join(f"{v}" for v in origin.values() if v)))
    hardware = [str(m[k]) for k in ("gpu", "processor") if m.get(k)]
    if hardware:
        cores = f", {m['cores']} cores" if m.get("cores") else ""
        threads = (
            f", {m['threads']} thread{'' if m['threads'] == 1 else 's'} used" if m.get("threads") else ""
        )
        rows.append(("Machine", ", ".join(hardware) + cores + threads))
    if m.get("platform"):
        rows.append(("System", str(m["platform"])))
    if m.get("earlier"):
        rows.append(
            ("Attempts", f"{len(m['earlier']) + 1}: the run was resumed; this machine is the last one")
        )
    exact = (
        "Bit for bit on the same machine and versions"
        if str(m.get("device")) == "cpu"
        else "Close, and bit for bit with --deterministic"
    )
    if g.timed:
        exact = "Close: the run went by the clock, the pinned command by the epochs that it came to"
    rows.append(("How exactly", f"{exact}, as long as the fingerprint is the same."))
    return Again(_called(m.get("command")), _pinned(g), tuple(rows))


def _called(command: Any) -> str:
    """The command line, where it was one."""
    if not isinstance(command, list) or not command:
        return ""
    words = [str(word) for word in command]
    program = PurePath(words[0].replace("\\", "/"))
    if program.stem in ("foveal", "__main__") or program.name.startswith("foveal"):
        return shlex.join(["foveal", *words[1:]])
    return ""


def _pinned(g: Gathered) -> str:
    """A command that leaves nothing to be chosen, nor to the clock: epochs stand in the place of minutes."""
    if not g.train:
        return ""
    words = ["foveal", "train"]
    if g.dataset and g.dataset.reader != "builtin":
        words.append(g.dataset.root)
    elif g.options.get("data") and g.options["data"] != "digits":
        words.append(str(g.options["data"]))
    usual = TrainOptions()
    for f in dataclasses.fields(TrainOptions):
        value = g.train.get(f.name)
        if f.name == "epochs" and g.timed and g.epochs:
            value = g.epochs[-1].epoch  # what the minutes came to, which another machine's would not
        elif f.name in _LEFT_OUT or value is None or f.name not in g.train or f.name in ("device", "minutes"):
            continue
        if isinstance(value, bool):
            if value != getattr(usual, f.name):
                words.append(flag(f.name) if value else flag(f"no_{f.name}"))
        elif value != getattr(usual, f.name) or f.name == "seed":
            words += [flag(f.name), f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def rate_in_words(g: Gathered) -> str:
    """The range test's word."""
    reason, found = g.find_lr.get("reason"), g.find_lr.get("suggestion")
    said = f"It suggests {number(float(found))}. " if isinstance(found, int | float) else ""
    return said + (f"{str(reason)[:1].upper()}{str(reason)[1:].rstrip('.')}." if reason else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
