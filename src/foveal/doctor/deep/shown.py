"""How many of the training pictures were ever shown, by what was noted of each while the network learned."""

from __future__ import annotations

from statistics import median
from typing import Any

from ...watch.learning import LEARNED, MOST, learned_of
from ..patient import Patient

SOURCE = "Toneva et al. 2019 (each picture's history); TrainCheck (Jiang et al. 2025): a loader that repeats itself"
QUICK = True


def measure(patient: Patient) -> dict[str, Any] | None:
    learned = learned_of(patient.run.folder / LEARNED)
    items = {item.id for item in patient.dataset.part("train")}
    times = [row["times"] for id, row in learned.items() if id in items]
    if not times or len(items) > MOST:
        return None
    return {
        "count": len(items),
        "seen": len(times),
        "draws": sum(times),
        "times": median(times),
        "sampling": patient.options.balance == "sampling",
    }
