"""How the validation score grows with the training pictures: whether more of them or a larger network would help."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...finding import Evidence
from ...intervals import wilson
from ...structure.views import Views
from ...training.fork import Mended, fork
from ...values import Item, span
from ..budget import epochs_of
from ..patient import Patient, is_classes, spread

SOURCE = (
    "Hestness et al. 2017, Deep Learning Scaling is Predictable: the score against the pictures; Ng 2018, Machine "
    "Learning Yearning: training pictures that are wrong themselves ask for a larger network; intervals of pairs: "
    "Agresti & Min 2005"
)
QUICK = False
PARTS, JUDGED = (0.5, 0.25), 1000
"""Shares of the training pictures that are trained on, in this order; pictures that judge."""
FEWEST = 2
"""Pictures a class at least."""
LONGER = 1.3
"""Times as long as the run's own a training on a part takes: it has more epochs, each with its validation."""
NEVER = 1e9
"""Seconds between two saves of a training that nobody resumes."""
OTHERS = 120.0
"""Seconds that the other tests have, where more time is asked for."""
WORTH = 0.02
"""Gain of twice the pictures below which they are not worth having."""
KNOWN, ROOM = 0.97, 0.9
"""Share of the training pictures that are right, from which a larger network has nothing left to learn from them, and
below which it has much."""


def measure(patient: Patient) -> dict[str, Any] | None:
    """The run's recipe once more on a half and on a quarter of its pictures, with as many steps, beside its own model.
    `gain` is what the half lacks of the whole, with the 95 % interval over the judged pictures."""
    own = patient.network()
    if not is_classes(patient, patient.told(own, patient.batch("val", 4)).outputs):
        return None
    train = patient.dataset.part("train")
    parts = {
        share: kept
        for share in PARTS
        if len(kept := _part(train, share)) >= max(1, patient.options.batch or 1)
    }
    seconds = _seconds(patient)
    if not parts or seconds is None:
        return None
    if seconds > patient.time_left:
        needs = len(parts) * seconds
        return {"trainings": len(parts), "needs": needs, "minutes": math.ceil((needs + OTHERS) / 60)}
    judged = spread(patient.dataset.part("val"), JUDGED)
    right = {len(train): _right(patient, own, judged, "val")}
    for kept in parts.values():
        if seconds > patient.time_left:
            break
        right[len(kept)] = _right(patient, _trained(patient, kept), judged, "val")
    known = _right(patient, patient.network("last"), spread(train, JUDGED // 2), "train")
    rows = [_row(count, hits) for count, hits in sorted(right.items())]
    return {"judged": len(judged), "train": float(known.mean()), "curve": rows, **_gain(right)}


def told(found: Mapping[str, Any]) -> Evidence:
    if "needs" in found:
        many = "A training" if found["trainings"] == 1 else f"{found['trainings']} trainings"
        says = f"{many} on parts of the pictures would take about {span(found['needs'])}, for which no time was left"
        return Evidence(f"{says}: --deep --minutes {found['minutes']}.", dict(found))
    rows, gain, low, high = found["curve"], found["gain"], found["low"], found["high"]
    shown = ", ".join(
        f"{r['pictures']:,} pictures {r['score']:.1%} [{r['low']:.1%}, {r['high']:.1%}]" for r in rows
    )
    points = f"{100 * gain:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"
    if low > 0:
        says = f"More pictures would help: twice as many brought {points}"
    elif high < WORTH:
        says = f"More pictures of this kind would hardly help: twice as many brought {points}"
    else:
        says = f"Whether more pictures would help cannot be told: twice as many brought {points}"
    known = f"{found['train']:.1%} of the training pictures are right"
    if found["train"] >= KNOWN:
        larger = f"A larger network has little left to learn from these: {known}"
    elif found["train"] < ROOM:
        larger = f"A larger network, or a longer training, has more to learn from these: only {known}"
    else:
        larger = f"A larger network might learn these better: {known}"
    return Evidence(f"{says}. {larger}. One training each: {shown}.", dict(found))


def _part(items: Sequence[Item], share: float) -> list[str]:
    """The ids of that share of each class, the smaller inside the larger; none where a class has too few."""
    by_class: dict[Any, list[str]] = {}
    for place in np.random.default_rng(0).permutation(len(items)).tolist():
        by_class.setdefault(items[place].truth, []).append(items[place].id)
    if any(share * len(ids) < FEWEST for ids in by_class.values()):
        return []
    return [id for ids in by_class.values() for id in ids[: round(share * len(ids))]]


def _seconds(patient: Patient) -> float | None:
    """What a training on a part would take, about; None where the run does not say how long it took."""
    whole = patient.record.result.get("seconds")
    return LONGER * float(whole) if isinstance(whole, int | float) and whole > 0 else None


def _trained(patient: Patient, kept: Sequence[str]) -> nn.Module:
    """The best network of the run's own recipe on these training pictures, in as many steps."""
    train = [item.id for item in patient.dataset.part("train")]
    keep = set(kept)
    gone = tuple(id for id in train if id not in keep)
    epochs = round(epochs_of(patient.record) * len(train) / len(kept))
    with tempfile.TemporaryDirectory(prefix="foveal-") as home:
        changes = {"epochs": epochs, "out": str(Path(home) / "part"), "probe": False, "save_seconds": NEVER}
        done = fork(patient.run.folder, changes, _silent, time.time(), mended=Mended(exclude=gone))
        network = type(patient.run)(done.run).model("best").network
    return (network.network if isinstance(network, Views) else network).float().eval()


def _silent(message: Any) -> None:
    """Trainings of a test are not shown."""


def _right(patient: Patient, network: nn.Module, items: tuple[Item, ...], part: str) -> NDArray[np.bool_]:
    """Which pictures are right, batch by batch."""
    source, hits = patient.pictures(part, items=items), []
    for raw in source.epoch(0):
        batch = source.to(raw, "cpu", False)
        hits.append(patient.told(network, batch).outputs.argmax(1) == batch.truths)
    return np.asarray(torch.cat(hits).numpy())


def _row(count: int, hits: NDArray[np.bool_]) -> dict[str, Any]:
    low, high = wilson(float(hits.mean()), len(hits))
    return {"pictures": count, "score": float(hits.mean()), "low": low, "high": high}


def _gain(right: Mapping[int, NDArray[np.bool_]]) -> dict[str, float]:
    """What twice the pictures brought, the last time, with its interval over the pictures that judge (adjusted Wald for
    pairs)."""
    whole, half = (right[count] for count in sorted(right, reverse=True)[:2])
    won, lost, count = int((whole & ~half).sum()) + 0.5, int((half & ~whole).sum()) + 0.5, len(whole) + 2
    middle = (won - lost) / count
    reach = 1.96 * math.sqrt(won + lost - (won - lost) ** 2 / count) / count
    gain = float(whole.mean() - half.mean())
    return {"gain": gain, "low": middle - reach, "high": middle + reach}
