"""What the doctor found, for the page: each illness with its evidence drawn, its cause, its cure, and the proof."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..charts import Chart, Curve, Lines
from ..charts.kinds import Tone
from ..doctor import kept
from ..doctor.proof import POINTS, Proof
from ..doctor.told import Told
from ..finding import Evidence, Finding
from ..records.gathered import Gathered
from ..records.run import Run
from .thumbs import Album, Level, Shot
from .words import metric

SHOTS = 8
"""Pictures of a piece of evidence that are shown, where the page has room."""
LAYERS = 6
POINTS_FROM = 3
"""Numbers by step are drawn from so many on."""
DRAWN, FAINTEST = 40, 1e-6
"""Points of a curve of singular values at most, and the smallest share of the largest that is drawn."""
WIDE = 100
"""Times as large as the smallest from which numbers are drawn on a logarithmic scale."""


@dataclass(frozen=True)
class Seen:
    """A piece of evidence: a sentence, the pictures it names, curves of its numbers by step, the layers that it
    does not name."""

    says: str
    shots: tuple[Shot, ...] = ()
    more: int = 0
    charts: tuple[Chart, ...] = ()
    layers: str = ""


@dataclass(frozen=True)
class Tried:
    """A proof: the result in words, both sides of each seed, and what cures gave that were held against each other
    before; `how`: the command that carries out what helped, where that is not the finding's own cure."""

    says: str
    verdict: str
    rows: tuple[tuple[str, str, str, str], ...] = ()
    metric: str = ""
    held: tuple[tuple[str, str, str], ...] = ()
    how: str = ""


@dataclass(frozen=True)
class Illness:
    """One finding as it is shown; `how` is the command that carries its own cure out."""

    rule: str
    name: str
    severity: str
    says: str
    sure: str
    evidence: tuple[Seen, ...]
    cause: str
    cure: str
    how: str
    proof: Tried | None
    prove: str
    symptoms: tuple[tuple[str, str, str, Tried | None], ...]
    """Name, words, command and proof of each."""


@dataclass(frozen=True)
class Diagnosis:
    """The section: what is wrong, or that nothing is; which rules had not enough to go by, by what they lack."""

    says: str
    rows: tuple[Illness, ...]
    notes: tuple[str, ...]
    unsure: tuple[tuple[str, str], ...]
    closer: str
    rules: frozenset[str]
    """Every illness that was found, symptoms too."""
    measured: tuple[tuple[str, Seen], ...] = ()
    """What each test asks, and what it showed."""


def diagnosed(g: Gathered, album: Album, level: Level) -> Diagnosis | None:
    """What was kept of the last examination; None where there was none."""
    found = kept.before(Run(g.folder))
    if found is None or not found.diagnosis.checked:
        return None
    lacking: dict[str, list[str]] = {}
    for name, why in found.diagnosis.unsure.items():
        lacking.setdefault(why, []).append(words(name))
    every = kept.every(found.findings)
    folder = shlex.quote(str(g.folder))
    closer = "" if found.deep else f"foveal diagnose {folder} --deep"
    return Diagnosis(
        found.says,
        tuple(_illness(one, found.proofs, g, album, level) for one in found.findings),
        found.notes,
        tuple((", ".join(names), why) for why, names in lacking.items()),
        f"foveal diagnose {folder}" if found.quick else closer,
        frozenset(one.rule for one in every),
        tuple((one.asks, _measured(one, album, level, len(g.epochs))) for one in found.measured),
    )


def _measured(told: Told, album: Album, level: Level, epochs: int) -> Seen:
    """A test's result as evidence is shown, with what it measured drawn where a chart says more than a sentence."""
    seen, values = _seen(told.shown, album, level, epochs), told.shown.values
    if len(values.get("curve") or ()) > 1:
        return dataclasses.replace(seen, charts=(_scores(values["curve"]),))
    if values.get("spectra"):
        return dataclasses.replace(seen, charts=(_spectra(values["spectra"]),))
    return seen


def _scores(rows: Sequence[Mapping[str, float]]) -> Lines:
    """The score against the training pictures."""
    xs, ys, low, high = (
        tuple(float(row[key]) for row in rows) for key in ("pictures", "score", "low", "high")
    )
    curve = Curve("", xs, ys, dots=True, low=low, high=high)
    return Lines("Score and training pictures", "training pictures", "accuracy", (curve,), percent=True)


def _spectra(rows: Mapping[str, Mapping[str, Any]]) -> Lines:
    """The singular values of each kernel, each as a share of its largest, along the kernel's directions."""
    curves, names = [], list(rows)
    for name, row in rows.items():
        kept = [value / row["values"][0] for value in row["values"]]
        places = sorted({round(n * (len(kept) - 1) / (DRAWN - 1)) for n in range(DRAWN)})
        xs = tuple(100 * n / (len(kept) - 1) for n in places)
        first, last = name == names[0], name == names[-1]
        tone: Tone = "accent" if first else "warm" if last else "muted"
        ys = tuple(max(FAINTEST, kept[n]) for n in places)
        curves.append(Curve(name if first or last else "", xs, ys, tone, faint=not first and not last))
    return Lines(
        "Singular values of each kernel",
        "% of its directions",
        "share of the largest",
        tuple(curves),
        log_y=True,
    )


def _symptom(one: Finding, proofs: Mapping[str, Proof], g: Gathered) -> tuple[str, str, str, Tried | None]:
    """A finding that follows from another; its cure is told where it was tried."""
    proof = proofs.get(one.rule)
    if proof is None:
        return words(one.rule), one.says, "", None
    how = "" if kept.instead(proof) else kept.command(g.folder, one, proof)
    return words(one.rule), f"{one.says} {one.cure.says}", how, _tried(one, proof, g)


def _illness(
    finding: Finding, proofs: Mapping[str, Proof], g: Gathered, album: Album, level: Level
) -> Illness:
    proof = proofs.get(finding.rule)
    tryable = finding.cure.can_be_tried and proof is None
    return Illness(
        finding.rule,
        words(finding.rule),
        finding.severity,
        finding.says,
        f"confidence {100 * finding.confidence:.0f} %",
        tuple(_seen(one, album, level, len(g.epochs)) for one in finding.evidence),
        finding.cause,
        finding.cure.says,
        "" if kept.instead(proof) else kept.command(g.folder, finding, proof),
        None if proof is None else _tried(finding, proof, g),
        f"foveal diagnose {shlex.quote(str(g.folder))} --prove" if tryable else "",
        tuple(_symptom(one, proofs, g) for one in finding.symptoms),
    )


def _seen(evidence: Evidence, album: Album, level: Level, epochs: int) -> Seen:
    most = min(SHOTS, level.mistakes)
    shown = evidence.pictures[:most]
    said = {word.strip(",.;:()") for word in evidence.says.split()}
    unsaid = [name for name in evidence.layers if name not in said]
    layers = ", ".join(unsaid[:LAYERS])
    if len(unsaid) > LAYERS:
        layers += f" and {len(unsaid) - LAYERS} more"
    return Seen(
        evidence.says,
        tuple(album.shot(one, level) for one in shown),
        len(evidence.pictures) - len(shown),
        tuple(curves(evidence.values, epochs)),
        layers,
    )


def curves(values: Mapping[str, Any], epochs: int = 0) -> list[Lines]:
    """The numbers by step among the values of a piece of evidence, one chart each: lists of (step, number), and of as
    many numbers as there were `epochs`."""
    found = []
    for name, value in values.items():
        points, along = _points(value), "step"
        if not points and isinstance(value, Sequence) and len(value) == epochs:
            points, along = _points(list(enumerate(value, 1))), "epoch"
        if len(points) >= POINTS_FROM:
            xs, ys = zip(*points, strict=True)
            title = words(name)
            wide = min(ys) > 0 and max(ys) > WIDE * min(ys)
            curve = Curve("", xs, ys, "warm", dots=len(points) <= 25)
            found.append(Lines(f"{title[:1].upper()}{title[1:]}", along, title, (curve,), log_y=wide))
    return found


def _points(value: Any) -> list[tuple[float, float]]:
    """(step, number) where a value is a list of such; what is not finite is left out."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    points = []
    for row in value:
        if not (isinstance(row, Sequence) and not isinstance(row, str) and len(row) == 2):
            return []
        if not all(isinstance(n, int | float) or n is None for n in row):
            return []
        if all(n is not None and math.isfinite(n) for n in row):
            points.append((float(row[0]), float(row[1])))
    return points


def _tried(finding: Finding, proof: Proof, g: Gathered) -> Tried:
    sign = 1 if proof.higher_is_better else -1
    rows = []
    for pair in proof.pairs:
        sides = [
            ("diverged" if side is None else metric(proof.metric, side)) for side in (pair.before, pair.after)
        ]
        gain = ""
        if pair.before is not None and pair.after is not None:
            value = sign * (pair.after - pair.before)
            gain = f"{100 * value:+.1f} points" if proof.metric in POINTS else f"{value:+.3g}"
        rows.append((str(pair.seed), sides[0], sides[1], gain))
    held = [(one.says, metric(proof.metric, one.value), one.failed) for one in proof.held]
    if held and proof.before is not None:
        held.insert(0, ("The run as it was.", metric(proof.metric, proof.before), ""))
    how = kept.command(g.folder, finding, proof) if kept.instead(proof) else ""
    return Tried(proof.says, proof.verdict, tuple(rows), words(proof.metric), tuple(held), how)


def words(name: str) -> str:
    """A rule's or value's name as it is read."""
    return name.replace("_", " ")
