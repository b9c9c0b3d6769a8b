"""A fifth of the labels are drawn by chance."""

from __future__ import annotations

import numpy as np

from foveal.doctor.case import Case
from sick._data import case_of, labels, with_labels
from staging import LABELS


def staged() -> Case:
    draws = np.random.default_rng(0)
    return case_of(
        with_labels([str(draws.choice(LABELS)) if draws.random() < 0.2 else one for one in labels()])
    )
