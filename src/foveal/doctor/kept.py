"""What the doctor found, as a run's folder keeps it: `findings.json`."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FovealError
from ..finding import Cure, Finding
from ..intervals import wilson
from ..options import flag
from ..records.gathered import Gathered
from ..records.run import Run
from ..storage import damaged, read_json, write_json
from . import Diagnosis, diagnose
from .case import Case
from .case import read as read_case
from .proof import Proof
from .told import Told

FINDINGS, FORMAT = "findings.json", 1
FEW_PICTURES, FEW_STEPS = 10, 10
"""Judged pictures and steps below which a run's health is not told: a perfect score on nine may be 70 % (Wilson 1927),
and before ten steps no rule has seen a course."""


@dataclass(frozen=True)
class Examined:
    """What was found wrong with a run, and how it was looked for."""

    run: Path
    diagnosis: Diagnosis
    status: str = ""
    """The run's, when it was examined."""
    step: int = 0
    """The last optimizer step that was known then."""
    tests: tuple[str, ...] = ()
    """Tests of components that were made (`doctor.deep`)."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Tests that could not be made, and why."""
    measured: tuple[Told, ...] = ()
    """What tests and pictures showed, in sentences."""
    notes: tuple[str, ...] = ()
    """What limits all that is said: pictures that are gone, a run that is still going on."""
    lacking: tuple[str, ...] = ()
    """What there is too little of for anything to be said of the run's health."""
    deep: bool = False
    pictures: int = 0
    """Pictures whose looks, copies and labels were gone through; 0 where none were."""
    seconds: float = 0.0
    at: float = 0.0
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """By rule."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.diagnosis.findings

    @property
    def quick(self) -> bool:
        """Whether nothing was made beyond reading the record."""
        return not self.tests and not self.pictures

    @property
    def says(self) -> str:
        """The result in a sentence: what is wrong in short, or what was checked where nothing is."""
        found = self.findings
        rules = len(self.diagnosis.checked)
        checked = f"{rules} rule{'' if rules == 1 else 's'} looked"
        looked = [checked, *([f"{len(self.tests)} tests of its parts were made"] if self.tests else [])]
        if self.pictures:
            looked.append(f"{self.pictures:,} pictures were gone through")
        unsure = len(self.diagnosis.unsure)
        lacking = f"; {unsure} of the rules had not enough to go by" if unsure else ""
        listed = looked[0] if len(looked) == 1 else f"{', '.join(looked[:-1])} and {looked[-1]}"
        if not found and self.lacking:
            return (
                f"Not enough evidence to say whether anything is wrong: {', and '.join(self.lacking)}. Nothing was "
                f"found: {listed}{lacking}."
            )
        if not found:
            return f"Nothing is wrong: {listed}{lacking}."
        symptoms = sum(len(one.symptoms) for one in found)
        many_symptoms = "1 symptom that follows" if symptoms == 1 else f"{symptoms} symptoms that follow"
        more = f", with {many_symptoms} from {'it' if len(found) == 1 else 'them'}"
        many = (
            "One thing is wrong"
            if len(found) == 1
            else f"{len(found)} things are wrong, the most fundamental first"
        )
        return f"{many}{more if symptoms else ''}: {listed}{lacking}."

    def to_json(self) -> dict[str, Any]:
        findings = [self._told(one) for one in self.findings]
        rest = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in ("run", "diagnosis", "proofs", "measured")
        }
        return {
            "run": str(self.run),
            "says": self.says,
            **self.diagnosis.to_json(),
            "findings": findings,
            "measured": [one.to_json() for one in self.measured],
            **rest,
        }

    def _told(self, finding: Finding) -> dict[str, Any]:
        """A finding with how its cure is carried out, and its proof."""
        proof = self.proofs.get(finding.rule)
        return {
            **finding.to_json(),
            "symptoms": [self._told(one) for one in finding.symptoms],
            "command": command(self.run, finding, proof),
            "proof": None if proof is None else proof.to_json(),
        }


def cure_of(finding: Finding, proof: Proof | None) -> Cure:
    """The cure that is to be carried out: the finding's own, or another one that was seen to help."""
    return instead(proof) or finding.cure


def instead(proof: Proof | None) -> Cure | None:
    """Another cure than the finding's own, where that was seen to help."""
    return proof.cure if proof is not None and proof.verdict == "helps" else None


def command(run: Path, finding: Finding, proof: Proof | None = None) -> str:
    """How the cure is carried out by one command; empty where a person has to do it."""
    cure = cure_of(finding, proof)
    if not cure.can_be_tried:
        return ""
    folder = shlex.quote(str(run))
    if not _is_fork(cure):
        return f"foveal diagnose {folder} --apply {finding.rule}"
    begin = [] if cure.source == "start" else ["--from", cure.source]
    return shlex.join(["foveal", "runs", "fork", str(run), *begin, *_flags(cure.changes)])


def _is_fork(cure: Cure) -> bool:
    """Whether options alone, each with a value, are the cure."""
    values = cure.changes.values()
    return not cure.repairs and not cure.exclude and all(value is not None for value in values)


def _flags(changes: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in changes.items():
        if isinstance(value, bool):
            words.append(flag(name) if value else flag(f"no_{name}"))
        else:
            words += [flag(name), f"{value:g}" if isinstance(value, float) else str(value)]
    return words


def write(run: Run, examined: Examined) -> None:
    """Keep it in the run's folder.

    Raises:
        DiskError: it cannot be written.
    """
    found = {**examined.to_json(), "at": examined.at or time.time()}
    del found["run"], found["says"]  # a folder may be moved
    write_json(run.folder / FINDINGS, {"format": FORMAT, **found})


def read(run: Run) -> Examined | None:
    """What was kept; None where the run was never examined.

    Raises:
        RunError: the file is damaged.
    """
    file = run.folder / FINDINGS
    if not file.exists():
        return None
    data = read_json(file)
    try:
        rows = data["findings"]
        diagnosis = Diagnosis(
            tuple(Finding.from_json(row) for row in rows), dict(data["unsure"]), tuple(data["checked"])
        )
        every = [one for row in rows for one in (row, *row["symptoms"])]
        proofs = {row["rule"]: Proof.from_json(row["proof"]) for row in every if row.get("proof")}
        rest = {f.name: data[f.name] for f in dataclasses.fields(Examined) if f.name in data}
        rest |= {name: tuple(data[name]) for name in ("tests", "notes", "lacking") if name in data}
        rest["measured"] = tuple(Told.from_json(row) for row in data.get("measured", ()))
        return Examined(run.folder, diagnosis, proofs=proofs, **rest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(file, f"{type(error).__name__}: {error}") from None


def findings(run: Run) -> tuple[Finding, ...] | None:
    """What was found last; None where the run was never examined.

    Raises:
        RunError: the file is damaged.
    """
    kept = read(run)
    return None if kept is None else kept.findings


def before(run: Run) -> Examined | None:
    """What was kept, where it can be read."""
    try:
        return read(run)
    except FovealError:
        return None


def place(record: Gathered) -> tuple[str, int]:
    """How far a run had come: its status and its last step."""
    return record.status, max((event.step for event in record.events), default=0)


def too_little(case: Case) -> tuple[str, ...]:
    """What a run has too little of for its health to be told, in words; nothing where it has enough."""
    record, said = case.record, []
    judged = record.evaluation.count if record.evaluation is not None else None
    val = len(record.dataset.part("val")) if record.dataset is not None else None
    few = min((count for count in (judged, val) if count is not None), default=FEW_PICTURES)
    if few < FEW_PICTURES:
        reach = 100 * (1 - wilson(1.0, few)[0]) if few else 100.0
        said.append(
            f"it was judged on {few} picture{'' if few == 1 else 's'}, where even all right may be {reach:.0f} points "
            "from the truth"
        )
    steps = max((epoch.step for epoch in record.epochs), default=0)
    if steps < FEW_STEPS:
        said.append(
            f"it learned for {steps} step{'' if steps == 1 else 's'}: too short for anything to show, so give it more "
            "epochs or smaller batches"
        )
    return tuple(said)


def every(findings: tuple[Finding, ...]) -> list[Finding]:
    """All findings, each before its symptoms."""
    return [one for root in findings for one in (root, *root.symptoms)]


def carried(findings: tuple[Finding, ...], old: Examined | None) -> dict[str, Proof]:
    """The proofs of before, of findings whose cure is the same still."""
    if old is None:
        return {}
    cures = {one.rule: one.cure.to_json() for one in every(old.findings)}
    return {
        one.rule: old.proofs[one.rule]
        for one in every(findings)
        if one.rule in old.proofs and _plain(cures.get(one.rule)) == _plain(one.cure.to_json())
    }


def _plain(value: Any) -> Any:
    """A value as it is after a round through JSON."""
    from ..storage import from_json, to_json

    return from_json(to_json(value))


def glance(run: Run) -> Examined:
    """What the record alone tells, kept in the run's folder; where the run was examined more thoroughly as it is now,
    that stays.

    Raises:
        RunError: its events cannot be opened.
        DiskError: it cannot be written.
    """
    case, old = read_case(run), before(run)
    status, step = place(case.record)
    if old is not None and not old.quick and (old.status, old.step) == (status, step):
        return old
    diagnosis = diagnose(case)
    proofs = carried(diagnosis.findings, old)
    lacking = too_little(case)
    found = Examined(run.folder, diagnosis, status, step, lacking=lacking, at=time.time(), proofs=proofs)
    write(run, found)
    return found
