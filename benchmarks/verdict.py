"""How many settings and seeds a study's verdict should have: simulated studies, no training.

    python benchmarks/verdict.py [--reps 4000]

A study has `TRIALS` trials that were trained to their end. Their true gains over the default (points of accuracy) are
drawn from a normal distribution; one training adds noise of `NOISE`, as 8 seeds of one setting had it on the digits.
The best so many by their one value are trained again and compared with the default as `foveal.records.contest` does.
Said are how often the default was left, how often for one that is no better, and the true gain that was got on average.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import stdtr

from foveal.tuners.reserve import shape

TRIALS, NOISE = 8, 0.8
SHAPES = ((1, 3), (1, 4), (2, 3), (1, 5), (2, 4), (3, 3), (2, 5), (3, 4), (3, 5))
TRUTHS = (
    ("tuning brings much", 0.0, 3.0),
    ("tuning brings something", -1.0, 2.0),
    ("little", -0.5, 1.0),
    ("nothing", 0.0, 0.0),
)


def simulated(settings: int, seeds: int, mean: float, spread: float, reps: int) -> tuple[float, float, float]:
    """The shares of studies that left the default, and that left it for one that is no better; the mean true gain."""
    dice = np.random.default_rng(0)
    true = dice.normal(mean, spread, (reps, TRIALS))
    best = np.argsort(-(true + dice.normal(0, NOISE, true.shape)), axis=1)[:, :settings]
    true = np.take_along_axis(true, best, axis=1)
    again = true[:, :, None] + dice.normal(0, NOISE, (reps, settings, seeds))
    gains = again - dice.normal(0, NOISE, (reps, 1, seeds))
    means, errors = gains.mean(axis=2), gains.std(axis=2, ddof=1) / np.sqrt(seeds)
    p = 2 * stdtr(seeds - 1, -abs(means) / errors)
    order = np.argsort(p, axis=1)
    steps = np.take_along_axis(p, order, axis=1) * (settings - np.arange(settings))
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(steps, axis=1), axis=1)
    shown = (adjusted < 0.05) & (means > 0)
    left = shown.any(axis=1)
    taken = true[np.arange(reps), np.where(shown, means, -np.inf).argmax(axis=1)]
    got = np.where(left, taken, 0.0)
    return float(left.mean()), float((left & (taken <= 0)).mean()), float(got.mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reps", type=int, default=4000)
    reps = parser.parse_args().reps
    for name, mean, spread in TRUTHS:
        print(f"\n{name}: true gains {mean:g} ± {spread:g} points, one training ± {NOISE:g}; {reps} studies")
        print(
            "| settings | seeds | trainings | default left | for no better one | true gain |\n|---|---|---|---|---|---|"
        )
        for settings, seeds in SHAPES:
            left, wrong, got = simulated(settings, seeds, mean, spread, reps)
            trainings = (1 + settings) * seeds
            ours = " (what a verdict of so many has)" if shape(trainings) == (settings, seeds) else ""
            print(f"| {settings} | {seeds} | {trainings}{ours} | {left:.3f} | {wrong:.3f} | {got:+.2f} |")


if __name__ == "__main__":
    main()
