"""Results in a line or a few, as --quiet says them: for scripts, and for logs that somebody reads later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .screen import SEVERITY, headline

Doc = Mapping[str, Any]


def inspection(doc: Doc) -> str:
    """How many pictures of how many labels, for what, and how much is wrong with them."""
    found = Counter(issue["severity"] for issue in doc["issues"])
    wrong = [f"{found[kind]} {kind}{'s' * (found[kind] != 1)}" for kind in reversed(SEVERITY) if found[kind]]
    labels = f"{len(doc['labels'])} label{'s' * (len(doc['labels']) != 1)}"
    return f"{doc['count']} pictures to {doc['task']}, {labels}; {', '.join(wrong) or 'no trouble found'}"


def training(doc: Doc) -> str:
    """The headline, and the folder of the run or of the folds."""
    return f"{headline(doc['headline'])}  {doc['run']}"


def evaluation(doc: Doc) -> str:
    """The headline."""
    return headline(doc["headline"])


def diagnosis(doc: Doc) -> str:
    """What the doctor says in all, then a line a finding; and the run that a cure was carried out as."""
    lines = [doc["says"], *(f"{one['rule']}: {one['says']}" for one in doc["findings"])]
    if doc.get("applied"):
        lines.append(f"{doc['applied']['run']}: {doc['applied']['says']}")
    return "\n".join(lines)


def comparison(doc: Doc) -> str:
    """What can be said of the differences."""
    return "\n".join(doc["says"])


def study(doc: Doc) -> str:
    """The best trial's headline and the study's folder; what training it again has shown."""
    best = doc["best"]
    if best is None or best["score"] is None:
        return f"no trial has a result yet  {doc['study']}"
    said = f"{headline(best['score'])}  trial {best['number']}  {doc['study']}"
    return said if doc["verdict"] is None else f"{said}\n{doc['verdict']['lines'][0]}"
