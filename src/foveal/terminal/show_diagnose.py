"""How a diagnosis is drawn: what is wrong, the most fundamental first, with evidence, cause, cure and proof."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from .console import text
from .plain import quoted
from .screen import SEVERITY

Doc = Mapping[str, Any]
WIDEST = 110
"""Columns of a line at most: longer ones are hard to read."""
PICTURES_SHOWN = 4
UNSURE_SHOWN = 12
PROVEN = {"helps": "green", "harms": "red", "no help": "yellow", "unclear": "yellow", "not tried": "dim"}


def diagnosis(console: Console, doc: Doc) -> None:
    """The document of `foveal diagnose`."""
    console.print()
    console.print(text(doc["says"], "bold" if doc["findings"] else "bold green"))
    for number, finding in enumerate(doc["findings"], 1):
        console.print()
        _finding(console, number, finding)
    console.print()
    if doc["deep"]:
        _measured(console, doc["measured"])
    for said in doc["notes"]:
        _says(console, said, "", "yellow")
    noted = " ".join(doc["notes"])  # names those for which no time was left
    failed = {name: why for name, why in doc["failed"].items() if name not in noted}
    for why, names in _by_reason(failed).items():
        tests = f"The test {names[0]}" if len(names) == 1 else f"These tests ({', '.join(names)})"
        _says(console, f"{tests} could not be made: {why}", "", "dim")
    _unsure(console, doc["unsure"])
    if doc.get("applied"):
        applied = doc["applied"]
        console.print(
            Text.assemble(
                "The cure of ",
                text(_words(applied["rule"]), "bold"),
                " is a run now: ",
                text(applied["run"], "bold"),
            )
        )
        _says(console, applied["says"], "  ", "bold")
    _next(console, doc)


def _finding(console: Console, number: int, finding: Doc) -> None:
    severity = finding["severity"]
    head = f"{number}. "
    console.print(
        Text.assemble(
            head, (f"{severity}: ", f"bold {SEVERITY.get(severity, '')}"), text(_words(finding["rule"]), "bold"),
            text(f"  (confidence {100 * finding['confidence']:.0f} %)", "dim"),
        )
    )  # fmt: skip
    pad = " " * len(head)
    _says(console, finding["says"], pad, "bold")
    for one in finding["evidence"]:
        _says(console, one["says"], f"{pad}- ")
        _pictures(console, one.get("pictures") or (), f"{pad}  ")
    _says(console, f"Why: {finding['cause']}", pad)
    _says(console, f"Cure: {finding['cure']['says']}", pad)
    _carried_out(console, finding, pad)
    symptoms = finding["symptoms"]
    if symptoms:
        _says(console, "From this follows:", pad, "dim")
        for one in symptoms:
            _says(console, f"{_words(one['rule'])}: {one['says']}", f"{pad}- ", "dim")
            if one.get("proof"):
                _says(console, f"Cure: {one['cure']['says']}", f"{pad}  ")
                _carried_out(console, one, f"{pad}  ")


def _carried_out(console: Console, finding: Doc, pad: str) -> None:
    """The command that carries a cure out, and the proof; the command stands behind the proof where that is of another
    cure than the finding's own."""
    proof = finding.get("proof") or {}
    other = bool(proof.get("cure")) and proof["verdict"] == "helps"
    command = Text.assemble(pad, "  ", text(finding.get("command") or "", "bold"))
    if finding.get("command") and not other:
        console.print(command, soft_wrap=True)
    if not proof:
        return
    _says(console, f"Proof: {proof['says']}", pad, PROVEN.get(proof["verdict"], ""))
    if finding.get("command") and other:
        console.print(command, soft_wrap=True)
    if not proof["held"]:
        return
    _says(console, "One training with each cure, on the run's own seed:", pad, "dim")
    held = [{"says": "the run as it was", "value": proof["before"], "failed": ""}, *proof["held"]]
    for one in held:
        value = "–" if one["value"] is None else f"{one['value']:.4g}"
        why = f" (could not be tried: {one['failed']})" if one["failed"] else ""
        _says(console, f"{value}  {one['says']}{why}", f"{pad}- ", "dim")


def _measured(console: Console, rows: Sequence[Doc]) -> None:
    """What the tests showed, ill or well."""
    if not rows:
        return
    console.print(text("What its parts and pictures showed:", "bold"))
    for row in rows:
        _says(console, f"{row['asks']}: {row['says']}", "- ")
        _pictures(console, row.get("pictures") or (), "  ")
    console.print()


def _pictures(console: Console, pictures: Sequence[str], pad: str) -> None:
    """The first of the pictures, by their ids."""
    if pictures:
        more = f" and {len(pictures) - PICTURES_SHOWN} more" if len(pictures) > PICTURES_SHOWN else ""
        _says(console, f"{', '.join(pictures[:PICTURES_SHOWN])}{more}", pad, "dim")


def _unsure(console: Console, unsure: Mapping[str, str]) -> None:
    """Which rules could not tell, by what they lack."""
    if not unsure:
        return
    lacking = _by_reason(unsure)
    console.print(text("Not enough evidence for:", "dim"))
    for why, names in list(lacking.items())[:UNSURE_SHOWN]:
        _says(console, f"{', '.join(names)}: {why}", "- ", "dim")
    if len(lacking) > UNSURE_SHOWN:
        console.print(text(f"- and {len(lacking) - UNSURE_SHOWN} more (all with --json)", "dim"))


def _by_reason(said: Mapping[str, str]) -> dict[str, list[str]]:
    """A reason, and the names it holds for, in words."""
    found: dict[str, list[str]] = {}
    for name, why in said.items():
        found.setdefault(why, []).append(_words(name))
    return found


def _next(console: Console, doc: Doc) -> None:
    """What can be done now."""
    every = [one for root in doc["findings"] for one in (root, *root["symptoms"])]
    tryable = [one for one in every if _can_be_tried(one["cure"])]
    helps = [one for one in every if (one.get("proof") or {}).get("verdict") == "helps"]
    if doc["report"]:
        console.print(Text.assemble("  page: ", text(doc["report"], "bold")))
    run = quoted(doc["run"])
    if doc.get("applied"):
        return
    if helps:
        _hint(console, "Next: ", f"foveal diagnose {run} --apply {helps[0]['rule']}", " makes the cure a run")
    elif tryable and not any(one.get("proof") for one in tryable):
        _hint(console, "Next: ", f"foveal diagnose {run} --prove", " tries the cure")
    elif not doc["findings"] and not doc["deep"]:
        _hint(console, "To look closer: ", f"foveal diagnose {run} --deep")


def _hint(console: Console, before: str, command: str, after: str = "") -> None:
    console.print(Text.assemble(before, text(command, "bold"), after), soft_wrap=True)


def _can_be_tried(cure: Doc) -> bool:
    return bool(cure["changes"] or cure["repairs"] or cure["exclude"])


def _says(console: Console, said: str, pad: str, style: str = "") -> None:
    """A sentence, its further lines under its first; a file or program gets it on one line."""
    shown = text(said, style)
    if not console.is_terminal:
        console.print(Text.assemble(pad, shown), soft_wrap=True)
        return
    lines = textwrap.wrap(shown.plain, max(30, min(WIDEST, console.width - 1) - len(pad))) or [""]
    for number, line in enumerate(lines):
        console.print(Text.assemble(pad if number == 0 else " " * len(pad), (line, style)))


def _words(name: str) -> str:
    return name.replace("_", " ")
