"""The pictures that were hardest, in training and when judged: what to look at first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Evidence
from ...watch.learning import LEARNED, learned_of
from ..patient import Patient

SOURCE = "Toneva et al. 2019, forgetting; Swayamdipta et al. 2020, Dataset Cartography; Karpathy 2019: look at them"
QUICK = True
SHOWN = 20


def measure(patient: Patient) -> dict[str, Any] | None:
    learned = learned_of(patient.run.folder / LEARNED)
    hard = sorted(learned, key=lambda name: -learned[name]["mean"])[:SHOWN]
    judged = patient.record.evaluation
    rows = judged.examples if judged is not None else []
    worst = sorted(rows, key=lambda row: -float(row.get("loss") or 0.0))[:SHOWN]
    if not hard and not worst:
        return None
    return {
        "hardest": [{"id": id, **learned[id]} for id in hard],
        "worst": [{k: row.get(k) for k in ("id", "truth", "predicted", "loss")} for row in worst],
    }


def told(found: Mapping[str, Any]) -> Evidence:
    hardest, worst = found["hardest"], found["worst"]
    said = [
        *([f"the hardest {len(hardest)} while training, by their mean loss"] if hardest else []),
        *([f"the worst {len(worst)} when judged"] if worst else []),
    ]
    ids = tuple(dict.fromkeys(row["id"] for row in (*worst, *hardest)))
    says = f"Look at these pictures first: {', then '.join(said[::-1])}."
    return Evidence(says, dict(found), ids)
