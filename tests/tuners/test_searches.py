"""Every search: what it proposes lies in the ranges, depends on what it is told alone, and is worth trying."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from foveal import catalog
from foveal.ranges import Range
from foveal.tuners import SEARCHES, Ask, Tried
from foveal.tuners.searches.grid import combinations

RATE = Range("lr", 1e-4, 1.0, "log")
DECAY = Range("weight_decay", 1e-6, 1e-2, "log")
AUGMENT = Range("augment", choices=("none", "light", "randaugment"))
STRENGTH = Range("magnitude", 2, 18, whole=True, when=("augment", ("randaugment",)))
SPACE = (RATE, DECAY, AUGMENT, STRENGTH)


def ask(number: int, tried: tuple[Tried, ...] = (), ranges: tuple[Range, ...] = SPACE, **more: Any) -> Ask:
    values = {"seed": 0, "higher_is_better": True, "expected": 24, "points": 2, **more}
    return Ask(ranges, tried, number, **values)


def played(
    search: str,
    score: Callable[[Mapping[str, Any]], float],
    count: int,
    ranges: tuple[Range, ...],
    seed: int = 0,
) -> list[Tried]:
    """A search on a function instead of a training."""
    module, tried = catalog.find(SEARCHES, search), list[Tried]()
    for number in range(count):
        found = module.propose(ask(number, tuple(tried), ranges, seed=seed, expected=count, points=5))
        if found is None:
            break
        tried.append(Tried(found, score(found)))
    return tried


@pytest.mark.parametrize("search", catalog.names(SEARCHES))
def test_proposals_are_in_range_and_the_same_when_asked_again(search: str) -> None:
    module = catalog.find(SEARCHES, search)
    assert module.SOURCE
    first = played(search, lambda o: -abs(math.log10(o["lr"]) + 2), 14, SPACE)
    assert len(first) == 14
    for tried in first:
        for one in SPACE:
            assert one.is_on(tried.options) == (one.name in tried.options)
            if one.name in tried.options:
                value = tried.options[one.name]
                assert value in one.choices if one.choices else one.low <= value <= one.high
    for number in (0, 5, 13):
        again = module.propose(ask(number, tuple(first[:number]), expected=14, points=5))
        assert again == first[number].options, "from what it is told alone"
    other = module.propose(ask(0, seed=1, points=5, expected=14))
    assert other != first[0].options


def test_a_grid_has_every_combination_once_and_no_more() -> None:
    whole = combinations(SPACE, 2)
    assert len(whole) == 2 * 2 * (2 + 2), "a strength only beside randaugment"
    found = [tried.options for tried in played("grid", lambda o: 0.0, 99, (RATE, DECAY, AUGMENT))]
    assert sorted(map(repr, found)) == sorted(map(repr, combinations((RATE, DECAY, AUGMENT), 5)))


def test_a_grid_that_is_ended_early_has_seen_all_of_the_space() -> None:
    half = [t.options for t in played("grid", lambda o: 0.0, 30, (RATE, DECAY, AUGMENT))]
    for one in (RATE, DECAY):
        assert {o[one.name] for o in half} == set(one.even(5))


def test_random_leaves_fewer_gaps_than_dice() -> None:
    found = [RATE.share(t.options["lr"]) for t in played("random", lambda o: 0.0, 32, (RATE, DECAY))]
    assert set((np.array(found) * 8).astype(int).tolist()) == set(range(8))
    counts = np.bincount((np.array(found) * 8).astype(int), minlength=8)
    assert counts.min() >= 2, "dice leave an eighth out in one of nine tries"


def test_adaptive_comes_closer_to_the_best_than_random() -> None:
    def score(options: Mapping[str, Any]) -> float:
        return -((RATE.share(options["lr"]) - 0.7) ** 2) - (DECAY.share(options["weight_decay"]) - 0.2) ** 2

    best = {
        search: np.mean(
            [max(t.value or -9 for t in played(search, score, 24, (RATE, DECAY), s)) for s in range(3)]
        )
        for search in ("random", "adaptive")
    }
    assert best["adaptive"] > best["random"]
    late = played("adaptive", score, 24, (RATE, DECAY))[-6:]
    assert np.mean([t.value for t in late]) > -0.1, "in the end it tries what is good"


def test_adaptive_leaves_rates_alone_that_diverge() -> None:
    def score(options: Mapping[str, Any]) -> float:
        share = RATE.share(options["lr"])
        return 0.1 if share > 0.6 else 0.5 + share / 2  # best right below the edge

    tried = played("adaptive", score, 30, (RATE, DECAY))
    diverged = [t.value == 0.1 for t in tried]
    assert sum(diverged[15:]) <= 7, "of 15; evenly spread ones would be 6, blind ones more"
    assert max(t.value or 0 for t in tried) > 0.76


def test_adaptive_takes_stopped_running_and_odd_trials() -> None:
    rows = [
        Tried({"lr": 10 ** -(n / 3), "weight_decay": 1e-4}, n / 10, 1 / 9 if n % 2 else 1.0) for n in range(9)
    ]
    rows += [Tried({"lr": 0.01, "weight_decay": 1e-4}, None), Tried({"lr": 5.0, "weight_decay": 1e-4}, 0.1)]
    rows += [Tried({"lr": 0.01}, 0.5)]  # of a study that did not tune the other
    found = catalog.find(SEARCHES, "adaptive").propose(ask(11, tuple(rows), (RATE, DECAY)))
    assert found is not None
    assert RATE.low <= found["lr"] <= RATE.high, "though one that was tried lies outside"
