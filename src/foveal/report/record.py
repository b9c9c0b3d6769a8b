"""What was done: choices, time, and how to do it again."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..bottleneck import PHASES
from ..charts import Strip
from ..options import TrainOptions, flag, meaning
from ..values import span
from .gather import Gathered
from .words import date, number, plain

_PARTS = {"train": "training pictures", "val": "validation pictures", "test": "test pictures"}
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
    stages = [s for s in g.fit.get("stages") or () if isinstance(s, Mapping)]
    if len(stages) > 1:
        named = [
            f"{'the head alone' if s.get('trainable') == 'head' else 'all layers'} ({_planned(s)})"
            for s in stages
        ]
        parts.append(f"First {', then '.join(named)}.")
    if g.best is not None and g.result:
        judged = g.score.split if g.score else ""
        after = " and then judged, once, on test pictures that training never saw" if judged == "test" else ""
        which = "its only epoch" if len(g.epochs) == 1 else f"epoch {g.best.epoch}, the best in validation"
        parts.append(
            f"The model of {which}, was kept{after}."
            if "," in which
            else f"The model of {which} was kept{after}."
        )
    return " ".join(parts)


def _planned(stage: Mapping[str, Any]) -> str:
    epochs = stage.get("epochs")
    rate = stage.get("lr")
    said = f"{epochs} epoch{'' if epochs == 1 else 's'} planned"
    return f"{said}, peak rate {rate:g}" if isinstance(rate, int | float) else said


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
    for stage in g.fit.get("stages") or ():
        if isinstance(stage, Mapping):
            frozen = stage.get("frozen")
            trains = "the head" if stage.get("trainable") == "head" else "all layers"
            if trains == "all layers" and frozen:
                trains = f"all but {frozen} stage{'' if frozen == 1 else 's'}"
            timed = g.fit.get("seconds") is not None or g.train.get("minutes") is not None
            epochs = "by time" if timed else plain(stage.get("epochs"))
            rows.append(
                StageRow(
                    str(stage.get("name")),
                    trains,
                    epochs,
                    plain(stage.get("lr")),
                    plain(stage.get("schedule")),
                )
            )
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
    """A command that leaves nothing to be chosen."""
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
        if f.name in _LEFT_OUT or value is None or f.name not in g.train or f.name == "device":
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
