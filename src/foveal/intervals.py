"""How sure a measured mean is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def bootstrap(values: NDArray[np.float64], resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of the mean of `values` (N). Efron & Tibshirani (1993), ch. 13.

    Where all values are equal a resample can show no spread; the Wilson score interval is then
    given for values in 0..1, so that 20 right of 20 does not claim certainty.
    """
    count = len(values)
    if count == 0:
        return math.nan, math.nan
    mean = float(values.mean())
    if np.ptp(values) == 0:
        return wilson(mean, count) if 0 <= mean <= 1 else (mean, mean)
    draws = np.random.default_rng(seed)
    if ((values == 0) | (values == 1)).all():  # a resample of hits and misses is a binomial number
        means = draws.binomial(count, mean, resamples) / count
    else:
        means = _means(values, resamples, draws)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _means(values: NDArray[np.float64], resamples: int, draws: np.random.Generator) -> NDArray[np.float64]:
    count = len(values)
    means = np.empty(resamples)
    step = max(1, 4_000_000 // count)  # bounds the memory of the index table to 32 MB
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        means[start : start + rows] = values[draws.integers(0, count, (rows, count))].mean(axis=1)
    return means


def wilson(share: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % score interval of a share seen in `count` draws. Wilson (1927)."""
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def student(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the mean that `values` (N, at least 2) were drawn around. Student (1908)."""
    from scipy.special import stdtrit

    mean, count = float(values.mean()), len(values)
    half = float(stdtrit(count - 1, 0.975)) * float(values.std(ddof=1)) / math.sqrt(count)
    return mean - half, mean + half


def crossed(values: NDArray[np.float64], resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean of `values` (KxN) where its rows (trainings) and its columns (pictures)
    were both drawn at random: both are drawn again. Owen (2007), The pigeonhole bootstrap.
    """
    rows, columns = values.shape
    draws = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, 4_000_000 // columns)  # bounds the memory of the table of weights to 32 MB
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        of_rows = draws.multinomial(rows, np.full(rows, 1 / rows), count) / rows
        of_columns = draws.multinomial(columns, np.full(columns, 1 / columns), count) / columns
        means[start : start + count] = ((of_rows @ values) * of_columns).sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
