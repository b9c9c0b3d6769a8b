"""Confident learning equals its published algorithm, written out, and finds labels that were changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.doctor.data.confident import doubts, exchanged, joint_of


def told(count: int, classes: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True labels, given ones of which a share was changed, and probabilities that know the true ones fairly well."""
    draws = np.random.default_rng(seed)
    true = draws.integers(0, classes, count)
    logits = draws.normal(size=(count, classes))
    logits[np.arange(count), true] += 3.0
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    given_ = np.where(draws.random(count) < noise, draws.integers(0, classes, count), true)
    return true, given_, probabilities


@given(st.integers(0, 1000), st.integers(2, 5), st.floats(0, 0.4))
def test_the_joint_is_the_published_one(seed: int, classes: int, noise: float) -> None:
    _, labels, p = told(60, classes, noise, seed)
    thresholds = [p[labels == c, c].mean() if (labels == c).any() else 2.0 for c in range(classes)]
    counts = np.zeros((classes, classes))
    for row, label in zip(p, labels, strict=True):
        above = [c for c in range(classes) if row[c] >= thresholds[c] - 1e-6]
        if above:
            counts[label, max(above, key=lambda c: row[c])] += 1
    for c in range(classes):
        counts[c, c] = max(counts[c, c], float((labels == c).any()))
    for c in range(classes):
        if counts[c].sum():
            counts[c] *= (labels == c).sum() / counts[c].sum()
    assert joint_of(labels, p) == pytest.approx(counts / counts.sum())


def test_changed_labels_are_found() -> None:
    true, labels, p = told(2000, 4, 0.2, 1)
    found = doubts(labels, p)
    changed = true != labels
    assert changed[found.wrong].mean() > 0.85
    assert changed[found.wrong].sum() > 0.85 * changed.sum()
    assert found.low <= changed.mean() * 1.1
    assert found.high >= changed.mean() * 0.9
    assert found.low < found.share < found.high


def test_right_labels_are_hardly_doubted() -> None:
    true, _, p = told(2000, 4, 0.0, 2)
    assert doubts(true, p).share < 0.1
    sharp = np.where(np.eye(4)[true] > 0, 0.97, 0.01)
    assert len(doubts(true, sharp).wrong) == 0
    assert doubts(true, sharp).share == pytest.approx(0)


def test_a_pair_that_is_exchanged_comes_first() -> None:
    true, labels, p = told(2000, 4, 0.0, 3)
    draws = np.random.default_rng(0)
    swap = np.isin(true, (1, 2)) & (draws.random(2000) < 0.3)
    labels = np.where(swap, 3 - true, true)
    first = exchanged(doubts(labels, p), "abcd")[0]
    assert (first["first"], first["second"]) == ("b", "c")
    assert min(first["each"]) > 0.2


def test_a_class_that_nobody_bears() -> None:
    _, labels, p = told(50, 3, 0.0, 4)
    labels = np.where(labels == 2, 0, labels)
    joint = joint_of(labels, p)
    assert joint.sum() == pytest.approx(1)
    assert joint[2].sum() == 0
