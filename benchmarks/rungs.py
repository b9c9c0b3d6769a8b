"""After which epochs trials should be compared: how soon the adaptive search is where random search ends.

    python benchmarks/rungs.py [--begin 0] [--reps 8] [--seeds 5] [--rungs 1,4 1,4/1] [--trainings 25]
        [--until 84] [--out FILE]

The data, network, schedule and ranges of benchmarks/tuning.py and the study's own decisions (`foveal.tuners`), around a
bare loop instead of whole runs, so that many searches can be made. `1,4` compares after epochs 1 and 4 and begins with
evenly spread settings alone; `1,4/4/2` with 4 that did well elsewhere (`foveal.tuners.portfolio`) and 2 evenly spread
ones; `1,4/1` with one that did, and as many evenly spread ones as `1,4`. Each repetition has another split and other
weights; in each, every way searches with `--seeds` seeds, and is followed for `--until` epochs of the budget, which
holds `--trainings`. The best so far is told on validation, as a search sees it, and on test: the same weights on
pictures that chose nothing, where the luck of whoever draws most is gone. What is done is kept in --out: the same
command again goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import machine, versions
from samplers import DEFAULT, RANGES
from sklearn.datasets import load_digits
from torch import Tensor, nn

from foveal.intervals import student
from foveal.storage import write_json
from foveal.tuners import portfolio, stops
from foveal.tuners.searches import adaptive
from foveal.tuners.soon import how_soon

sys.path.insert(0, str(Path(__file__).parent / "peers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from tune_with_optuna import BATCH, EPOCHS, accuracy, network

from studies import Acted, study, tuned  # type: ignore[import-not-found]

RANDOM = "random"
Parts = tuple[Tensor, ...]
Done = dict[str, list[tuple[int, float, float]]]
"""`WAY/SPLIT/SEED` -> (epochs spent, the best so far on validation, the same on test), as `searched` gives it."""


class Training:
    """One training that goes on epoch by epoch, as far as it is asked for."""

    def __init__(self, options: Mapping[str, Any], parts: Parts, seed: int) -> None:
        torch.manual_seed(seed)
        self.dice = torch.Generator().manual_seed(seed)
        self.net, self.parts = network(), parts
        self.values, self.on_test = list[float](), list[float]()
        self.steps = len(parts[0]) // BATCH
        self.optimizer = torch.optim.SGD(
            self.net.parameters(),
            options["lr"],
            options["momentum"],
            weight_decay=options["weight_decay"],
            nesterov=True,
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            options["lr"],
            total_steps=EPOCHS * self.steps,
            pct_start=0.25,
            cycle_momentum=False,
        )

    def after(self, epoch: int) -> float:
        """The accuracy on validation after an epoch, counted from 1."""
        x, y, val_x, val_y, test_x, test_y = self.parts
        while len(self.values) < epoch:
            self.net.train()
            order = torch.randperm(len(x), generator=self.dice)[: self.steps * BATCH]
            for places in order.view(self.steps, BATCH):
                loss = nn.functional.cross_entropy(self.net(x[places]), y[places])
                self.optimizer.zero_grad()
                torch.autograd.backward(loss)
                self.optimizer.step()
                self.schedule.step()
            self.values.append(accuracy(self.net, val_x, val_y))
            self.on_test.append(accuracy(self.net, test_x, test_y))
        return self.values[epoch - 1]


def digits(rep: int) -> Parts:
    """300 pictures `N1HW` to train on, 500 to validate, 997 to test, with their labels; as in benchmarks/tuning.py."""
    whole = load_digits()
    order = np.random.default_rng(rep).permutation(len(whole.target))
    x = (torch.from_numpy(whole.images).float()[:, None] / 16 - 0.5) / 0.25
    y = torch.from_numpy(whole.target)
    parts = (order[:300], order[300:800], order[800:])
    return tuple(half[part] for part in parts for half in (x, y))


class Enough(Exception):
    """A search has been followed far enough."""


def searched(
    way: str, rep: int, seed: int, parts: Parts, total: int, until: int
) -> list[tuple[int, float, float]]:
    """The best so far of one search of `total` epochs by epochs spent, on validation, and what the same weights come to
    on test; as far as `until`. Random search without any stops where `way` says so."""
    told, many, beside = (*way.split("/"), "0", "0")[:3]
    rungs = None if way == RANDOM else [] if told == "none" else [*map(int, told.split(","))]
    adaptive.BESIDE = int(beside)  # asked for beside several only
    trainings, course = dict[str, Training](), list[tuple[int, float, float]]()
    spent = itertools.count(1)

    def curve(options: Mapping[str, Any], epoch: int) -> float:
        now = next(spent)
        if now > until:
            raise Enough
        given = {name: options.get(name) for name in DEFAULT}
        setting = DEFAULT if None in given.values() else given
        key = repr(setting)
        if key not in trainings:
            trainings[key] = Training(setting, parts, rep)
        value = trainings[key].after(epoch)
        if not course or value > course[-1][1]:
            course.append((now, value, trainings[key].on_test[epoch - 1]))
        return value

    share = stops.share_of(EPOCHS, rungs or ())
    ranges = [dataclasses.replace(one, least=one.low, most=one.high) for one in RANGES]  # none is widened
    with tempfile.TemporaryDirectory() as made:
        folder = study(
            Path(made, "s"), epochs=EPOCHS, stop="halving" if rungs else "none", rungs=rungs or (),
            search=RANDOM if rungs is None else "adaptive", search_seed=100 * rep + seed,
            budget={"trials": None, "minutes": None, "epochs_total": total}, defaults=DEFAULT,
            expected=int(1 + (total - EPOCHS) / (EPOCHS * share)), ranges=[one.to_json() for one in ranges],
            first=portfolio.settings(ranges, DEFAULT)[: int(many)],
        )  # fmt: skip
        try:
            tuned(folder, Acted(curve, epochs=EPOCHS))
        except Enough:
            pass
    return course


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--begin", type=int, default=0, help="the first split")
    parser.add_argument("--reps", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rungs", nargs="*", default=["1", "1,4"])
    parser.add_argument("--trainings", type=int, default=25, help="whole trainings that the budget holds")
    parser.add_argument("--until", type=int, help="epochs that adaptive searches are followed")
    parser.add_argument("--out", type=Path, default=Path("rungs.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    done: Done = json.loads(args.out.read_text()) if args.out.exists() else {}
    ways, total = [RANDOM, *args.rungs], args.trainings * EPOCHS
    splits = range(args.begin, args.begin + args.reps)
    for rep in splits:
        parts = digits(rep)
        for way in ways:
            for seed in range(args.seeds):
                key = f"{way}/{rep}/{seed}"
                if key not in done:
                    until = total if way == RANDOM else args.until or total
                    done[key] = searched(way, rep, seed, parts, total, until)
                    write_json(args.out, done)
    for place, judge in ((1, "validation"), (2, "test")):
        table(done, ways, splits, args.seeds, total, place, judge)


def table(
    done: Done, ways: Sequence[str], splits: Sequence[int], seeds: int, total: int, place: int, judge: str
) -> None:
    """When the mean of each way is at the mean of random search's ends, and what it comes to in the end; how much
    that is more than the first adaptive way's, with Student's interval over splits. `place` in a row is the judge's."""
    keys = [f"{rep}/{seed}" for rep in splits for seed in range(seeds)]
    ends = [done[f"{RANDOM}/{key}"][-1][place] for key in keys]
    print(
        f"\n{machine()}; {versions('optuna')}; {total} epochs each, on {judge}: level {statistics.fmean(ends):.4f}"
    )
    print(
        "| compared after epochs | searches | its mean is at the level | of random's epochs | in the end "
        f"| more than {ways[1]} |"
    )
    print("|---|---|---|---|---|---|")
    for way in ways:
        courses = [[(row[0], row[place]) for row in done[f"{way}/{key}"]] for key in keys]
        soon = how_soon(courses, ends)
        share = [f"{epochs / total:.2f}" for epochs in (soon.epochs, soon.low, soon.high)]
        end = statistics.fmean(course[-1][1] for course in courses)
        each = [
            statistics.fmean(done[f"{w}/{rep}/{n}"][-1][place] for n in range(seeds))
            for w in (way, ways[1])
            for rep in splits
        ]
        more = np.subtract(each[: len(splits)], each[len(splits) :])
        between = "[{:+.4f}, {:+.4f}]".format(*student(more))
        name = "random search, none" if way == RANDOM else f"adaptive, {way}"
        print(
            f"| {name} | {len(keys)} | {soon.says} | {share[0]} [{share[1]}, {share[2]}] | {end:.4f} "
            f"| {more.mean():+.4f} {between} |"
        )


if __name__ == "__main__":
    main()
