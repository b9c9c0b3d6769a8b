"""How the validation score grows with the training pictures: whether more data or a larger network would help."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...intervals import wilson
from ..patient import Patient, is_classes
from ._before_the_head import features

SOURCE = "Hestness et al. 2017, Deep Learning Scaling is Predictable: errors fall as a power of the pictures"
QUICK = False
SHARES, SEEDS, MOST, JUDGED = (0.125, 0.25, 0.5, 1.0), 3, 4000, 1000


def measure(patient: Patient) -> dict[str, Any] | None:
    """A linear head on what the run's network makes of pictures before its own head, on parts of the pictures: quick,
    and a lower bound of what whole trainings would gain from more."""
    from sklearn.linear_model import LogisticRegression

    probe = patient.batch("val", 4)
    if not is_classes(patient, patient.told(patient.network(), probe).outputs):
        return None
    (x, y), (v, w) = _scaled(patient, "train", MOST), _scaled(patient, "val", JUDGED)
    rows = []
    for share in SHARES:
        scores = []
        for seed in range(SEEDS if share < 1 else 1):
            keep = np.random.default_rng(seed).permutation(len(y))[: max(2, round(share * len(y)))]
            if len(set(y[keep].tolist())) < 2 or patient.time_left <= 0:
                continue
            scores.append(
                float((LogisticRegression(max_iter=300).fit(x[keep], y[keep]).predict(v) == w).mean())
            )
        if scores:
            mean = statistics.fmean(scores)
            low, high = wilson(mean, len(w))
            rows.append({"pictures": round(share * len(y)), "score": mean, "low": low, "high": high})
    return {"judged": len(w), "curve": rows, **_fitted(rows)}


def _fitted(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The power law through the errors, and what twice the pictures would bring by it."""
    points = [(math.log(r["pictures"]), math.log(1 - r["score"])) for r in rows if 0 < r["score"] < 1]
    if len(points) < 3:
        return {}
    slope, start = np.polyfit([x for x, _ in points], [y for _, y in points], 1)
    now = math.exp(start + slope * points[-1][0])
    return {
        "exponent": float(slope),
        "twice": float(now - math.exp(start + slope * (points[-1][0] + math.log(2)))),
    }


def _scaled(patient: Patient, part: str, most: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """What the head is given, `ND`, around 0, and the classes."""
    rows, labels, _ = features(patient, part, most)
    rows = rows - rows.mean(0)
    return rows / max(float(rows.std()), 1e-9), labels
