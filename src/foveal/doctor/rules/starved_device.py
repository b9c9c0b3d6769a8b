"""The device waits for pictures for most of the time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding
from ...loop.bottleneck import PHASES
from ...values import span
from ..case import Case

SOURCE = (
    "SageMaker Debugger's IOBottleneck and CPUBottleneck: half of the time; ours: three fifths of a run of more "
    "than two minutes, as the run itself measured it"
)
LEVEL = "speed"
EXPLAINS: tuple[str, ...] = ()
SHARE, SECONDS = 0.6, 120.0
READING = ("decode", "augment")


def examine(case: Case) -> Finding | None:
    spent = case.record.result.get("spent")
    if not isinstance(spent, Mapping) or not spent:
        return None
    seconds = {name: float(spent.get(name) or 0.0) for name in PHASES}
    told = case.record.result.get("seconds")
    total = max(sum(seconds.values()), float(told) if isinstance(told, int | float) else 0.0)
    reading = sum(seconds[name] for name in READING)
    if total < SECONDS or reading < SHARE * total:
        return None
    changes, how = _changes(case, seconds)
    return Finding(
        "starved_device",
        "warning",
        f"{100 * reading / total:.0f} % of {span(total)} went into reading and varying pictures, while "
        f"{case.record.fit.get('device') or 'the device'} waited.",
        (
            Evidence(
                "; ".join(
                    f"{PHASES[name].capitalize()}: {span(seconds[name])}"
                    for name in sorted(seconds, key=lambda n: -seconds[n])[:5]
                )
                + ".",
                {"seconds": seconds, "total": total},
            ),
        ),
        "Pictures are decoded and varied on the processor before the network sees them. Where that takes longer "
        "than the network does, a faster device changes nothing.",
        Cure(how, changes),
        confidence=0.95,
    )


def _changes(case: Case, seconds: Mapping[str, float]) -> tuple[dict[str, Any], str]:
    workers = int(case.options.get("workers") or 0)
    free = (os.cpu_count() or 1) - 1
    if seconds["decode"] >= seconds["augment"] and case.options.get("cache") in (None, "off"):
        return {"cache": "disk"}, "Keep pictures decoded: --cache memory where they fit, else --cache disk."
    if str(case.record.fit.get("device")) != "cpu" and workers < free:
        return {"workers": free}, f"Read with more processes beside the device: --workers {free}."
    if case.options.get("augment") not in ("light", "none"):
        return {"augment": "light"}, "Vary pictures in a cheaper way: --augment light."
    return {}, "Make the pictures smaller on the disk: they are much larger than the network sees them."
