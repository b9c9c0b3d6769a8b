"""Which of Optuna's samplers should stand behind `--search adaptive`: TPE or a Gaussian process.

    python benchmarks/samplers.py [--reps 10] [--trials 25] [--out FILE]

The data, network, schedule and ranges of benchmarks/tuning.py, around a bare loop and without stopping trials early,
so that the samplers alone differ: both begin with the default and the same evenly spread points. Each repetition has
another split and another seed. The samplers are asked as `foveal.tuners.searches.adaptive` asks. What is done is kept
in --out: the same command again goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from measure import machine, versions
from sklearn.datasets import load_digits
from torch import Tensor, nn

from foveal.intervals import student
from foveal.ranges import Range
from foveal.storage import write_json
from foveal.tuners import Ask, Tried
from foveal.tuners.guess import optuna_study, quiet, suggested
from foveal.tuners.searches import random
from foveal.tuners.searches.adaptive import FEWEST, MOST, hash_of

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from tune_with_optuna import BATCH, EPOCHS, accuracy, network

RANGES = (
    Range("lr", 1e-3, 1.0, "log"),
    Range("momentum", 0.7, 0.99, "rest"),
    Range("weight_decay", 1e-6, 1e-2, "log"),
)
DEFAULT = {"lr": 0.025, "momentum": 0.9, "weight_decay": 5e-4}
SAMPLERS = ("random", "TPE", "GP")
Parts = dict[str, tuple[Tensor, Tensor]]


def digits(rep: int) -> Parts:
    """300 pictures `N1HW` to train on, 150 to validate, 1,347 to test, with their labels."""
    whole = load_digits()
    order = np.random.default_rng(rep).permutation(len(whole.target))
    x = (torch.from_numpy(whole.images).float()[:, None] / 16 - 0.5) / 0.25
    y = torch.from_numpy(whole.target)
    places = {"train": order[:300], "val": order[300:450], "test": order[450:]}
    return {part: (x[where], y[where]) for part, where in places.items()}


def trained(options: Mapping[str, Any], parts: Parts, seed: int) -> tuple[float, float]:
    """One training: the accuracy on validation of its best epoch, and that epoch's on test."""
    torch.manual_seed(seed)
    net, (x, y) = network(), parts["train"]
    optimizer = torch.optim.SGD(
        net.parameters(),
        options["lr"],
        options["momentum"],
        weight_decay=options["weight_decay"],
        nesterov=True,
    )
    steps, top, top_test = len(x) // BATCH, -1.0, 0.0
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options["lr"], total_steps=EPOCHS * steps, pct_start=0.25, cycle_momentum=False
    )
    for _ in range(EPOCHS):
        net.train()
        for places in torch.randperm(len(x))[: steps * BATCH].view(steps, BATCH):
            loss = nn.functional.cross_entropy(net(x[places]), y[places])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        value = accuracy(net, *parts["val"])
        if value > top:
            top, top_test = value, accuracy(net, *parts["test"])
    return top, top_test


def proposed(name: str, ask: Ask) -> dict[str, Any]:
    """The next setting, asked for as the adaptive search asks."""
    if name == "random" or ask.number < min(MOST, max(FEWEST, ask.expected // 4)) - 1:
        return dict(random.propose(ask) or {})
    with quiet():
        seed = hash_of(ask.seed, ask.number, 0)
        sampler: Any = (
            optuna.samplers.TPESampler(n_startup_trials=0, seed=seed, multivariate=True, group=True)
            if name == "TPE"
            else optuna.samplers.GPSampler(n_startup_trials=0, seed=seed, deterministic_objective=False)
        )
        return suggested(optuna_study(RANGES, ask.tried, True, sampler), RANGES)


def searched(name: str, rep: int, trials: int) -> dict[str, Any]:
    """One search: its best on validation and on test, and the seconds that went into proposing."""
    parts, tried, found = digits(rep), list[Tried](), list[tuple[float, float]]()
    asking = 0.0
    for number in range(trials):
        began = time.perf_counter()
        ask = Ask(RANGES, tuple(tried), number - 1, rep, True, trials)
        options = proposed(name, ask) if number else DEFAULT
        asking += time.perf_counter() - began
        value, test = trained(options, parts, rep)
        tried.append(Tried(options, value))
        found.append((value, test))
    best = max(range(trials), key=lambda n: found[n][0])
    course = [max(value for value, _ in found[: n + 1]) for n in range(trials)]
    return {
        "sampler": name, "rep": rep, "val": found[best][0], "test": found[best][1], "default_test": found[0][1],
        "at": best, "course": course, "asking": round(asking / (trials - 1), 4),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reps", type=int, default=10)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--out", type=Path, default=Path("samplers.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = json.loads(args.out.read_text()) if args.out.exists() else []
    done = {(row["sampler"], row["rep"]) for row in rows}
    for rep in range(args.reps):
        for name in SAMPLERS:
            if (name, rep) not in done:
                rows.append(searched(name, rep, args.trials))
                write_json(args.out, rows)
                print({k: v for k, v in rows[-1].items() if k != "course"}, flush=True)
    print(
        f"\n{machine()}; {versions('optuna')}\n| sampler | n | val | test | s a proposal |\n|---|---|---|---|---|"
    )
    for name in SAMPLERS:
        mine = [row for row in rows if row["sampler"] == name]
        cells = [told([row[part] for row in mine]) for part in ("val", "test")]
        asking = statistics.fmean(row["asking"] for row in mine)
        print(f"| {name} | {len(mine)} | {cells[0]} | {cells[1]} | {asking:.3f} |")
    pairs = [[row["test"] for row in rows if row["sampler"] == name] for name in ("GP", "TPE")]
    print(f"GP - TPE on test, paired: {told(list(np.subtract(pairs[0], pairs[1])))}")


def told(values: list[float]) -> str:
    low, high = student(np.array(values))
    return f"{statistics.fmean(values):.4f} [{low:.4f}, {high:.4f}]"


if __name__ == "__main__":
    main()
