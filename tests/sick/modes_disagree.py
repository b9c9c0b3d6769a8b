"""Judged on pictures that were learned, say: better than the saved network is."""

from __future__ import annotations

import dataclasses

from foveal.doctor.case import Case
from patients import posed


def staged() -> Case:
    case = posed("splits", epochs=4)
    # what an evaluation in training mode reported of the very same network
    events = tuple(
        dataclasses.replace(e, headline={**e.headline, "value": 0.95, "low": 0.9, "high": 0.98})
        if hasattr(e, "headline")
        else e
        for e in case.record.events
    )
    return dataclasses.replace(case, record=dataclasses.replace(case.record, events=events))
