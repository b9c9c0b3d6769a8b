"""What `--find-lr` suggests, beside the best rate of a sweep.

    python benchmarks/find_lr.py NETWORK DATA [--size 28 --epochs 6 --train 1000 --test 1000] [--keep FILE]

DATA is a folder or a name that `foveal train` reads; a fixed part of a folder is drawn once. For each
optimizer every rate of a grid (half a decade apart) is trained with the default schedule and every
other default, and judged on the test pictures. The best of the sweep has the lowest mean test loss
over the seeds; the rates whose mean accuracy is within a point of the highest stand beside it, as most
optima are broad. The range test then runs on the same plans. What was trained is kept in FILE, a line
a run, so that a stopped benchmark goes on, and a last call without NETWORK prints the table of all.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from defaults import part_of
from measure import machine

import foveal
from foveal.errors import DivergedError
from foveal.records.trained import Trained

GRID = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)
RANGE = {"sgd": (1e-3, 1.0), "adamw": (1e-4, 3e-2)}
Row = dict[str, Any]


def trained(table: str, seed: int, options: Row) -> Row:
    """Test accuracy and loss at one rate; a run that diverges has learned nothing."""
    with tempfile.TemporaryDirectory() as home:
        try:
            done = foveal.train(table, seed=seed, runs_dir=home, **options)
        except DivergedError:
            return {"accuracy": 0.0, "loss": math.inf, "why": "diverged"}
        assert isinstance(done, Trained)
        judged = json.loads((done.run / "evaluation.json").read_text())
    return {"accuracy": done.headline.value, "loss": judged["metrics"]["loss"], "why": done.why}


def suggested(table: str, seed: int, options: Row) -> Row:
    """The range test's suggestion on the plan that the sweep trained by."""
    from foveal import plan
    from foveal.options import TrainOptions, make
    from foveal.plan.range_test import find_rate
    from foveal.readers import prepare

    wanted = make(TrainOptions, {**options, "seed": seed})
    dataset, _ = prepare(table, wanted, 0)
    found = find_rate(dataset, plan.make(dataset, wanted), lambda message: None)
    return {"suggestion": found.suggestion, "curve": [list(found.rates), list(found.losses)]}


def best_of(sweep: dict[float, list[Row]]) -> tuple[float, list[float]]:
    """The rate of the lowest mean loss, and all rates within a point of the highest mean accuracy."""
    loss = {rate: statistics.fmean(row["loss"] for row in rows) for rate, rows in sweep.items()}
    right = {rate: statistics.fmean(row["accuracy"] for row in rows) for rate, rows in sweep.items()}
    top = max(right.values())
    return min(loss, key=lambda rate: loss[rate]), [rate for rate in right if right[rate] >= top - 0.01]


def report(rows: list[Row]) -> None:
    """One line a network, data set and optimizer."""
    sweeps: dict[tuple[str, str, str], dict[float, list[Row]]] = defaultdict(lambda: defaultdict(list))
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        key = (row["network"], row["data"], row["optimizer"])
        if row["what"] == "sweep":
            sweeps[key][row["lr"]].append(row)
        elif row["suggestion"] is not None:
            found[key].append(row["suggestion"])
    print(
        f"{'network':20} {'data':16} {'optimizer':9} {'suggested':>22} {'best':>7} {'ratio':>6}  as accurate"
    )
    for key, sweep in sweeps.items():
        best, broad = best_of(sweep)
        ours = found.get(key)
        told = " ".join(f"{rate:.2g}" for rate in ours) if ours else "none"
        ratio = math.exp(statistics.fmean(math.log(r) for r in ours)) / best if ours else math.nan
        width = f"{min(broad):g} to {max(broad):g}"
        print(f"{key[0]:20} {key[1]:16} {key[2]:9} {told:>22} {best:7.2g} {ratio:6.2f}  {width}")
    print(machine())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", nargs="?")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--size", type=int)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--optimizers", nargs="*", choices=tuple(RANGE), default=tuple(RANGE))
    parser.add_argument(
        "--rates", nargs=2, type=float, help="the grid's ends, where not the optimizer's usual"
    )
    parser.add_argument("--scratch", action="store_true", help="without pretrained weights")
    parser.add_argument("--only", choices=("sweep", "test"))
    parser.add_argument("--keep", type=Path, default=Path("find_lr.jsonl"))
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.keep.read_text().splitlines()] if args.keep.exists() else []
    if args.network is None:
        report(rows)
        return
    fixed: Row = {"network": args.network, "epochs": args.epochs, "pretrained": not args.scratch}
    fixed |= {"size": args.size} if args.size else {}
    jobs: list[tuple[str, str, float | None, int]] = []
    for optimizer in args.optimizers:
        low, high = args.rates or RANGE[optimizer]
        grid = [rate for rate in GRID if 0.99 * low <= rate <= 1.01 * high]
        jobs += [("sweep", optimizer, rate, seed) for rate in grid for seed in range(args.seeds)]
        jobs += [("test", optimizer, None, seed) for seed in range(args.seeds)]
    names = ("what", "optimizer", "lr", "seed")
    same = {"network": args.network, "data": Path(args.data).name}
    with tempfile.TemporaryDirectory() as home:
        there = Path(args.data).exists()  # a name (digits, shapes) is small: all of it is used
        table = str(part_of(args.data, args.train, args.test, Path(home))) if there else args.data
        for job in jobs:
            what, optimizer, lr, seed = job
            row: Row = same | dict(zip(names, job, strict=True))
            if (args.only or what) != what or any(row.items() <= old.items() for old in rows):
                continue
            options = fixed | {"optimizer": optimizer} | ({} if lr is None else {"lr": lr})
            row |= trained(table, seed, options) if what == "sweep" else suggested(table, seed, options)
            rows.append(row)
            with args.keep.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            print({k: v for k, v in row.items() if k != "curve"}, flush=True)
    report(rows)


if __name__ == "__main__":
    main()
