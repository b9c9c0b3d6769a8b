"""Each default against its absence, and what was considered as a default against leaving it out.

    python benchmarks/defaults.py DATA [--train 2000 --test 2000] [--epochs 8] [--seeds 5] [--keep FILE]

DATA is a folder that `foveal train` reads. A fixed part of it is drawn once; each cell is one
`foveal.train` on that part with one option changed, and the seed changes everything else that is
random. The difference to the defaults is paired by seed; its 95 % interval is Student's. What was
run is kept in FILE, a line a run, so that a stopped benchmark goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine
from scipy.stats import t as student

import foveal
from foveal.options import ReadOptions
from foveal.readers import prepare

Options = dict[str, Any]
CELLS: dict[str, Options] = {
    "default": {},
    "no label smoothing": {"label_smoothing": 0.0},
    "no augmentation": {"augment": "none", "flip": False},
    "no mirror images": {"flip": False},
    "no weight decay": {"weight_decay": 0.0},
    "constant rate": {"schedule": "constant", "warmup": 0.0},
    "no warm-up": {"warmup": 0.0},
    "not pretrained": {"pretrained": False, "network": "efficientnet_lite0"},
    "never frozen": {"freeze": "never"},
    "always frozen": {"freeze": "always"},
    "one rate for all layers": {"layer_decay": 1.0},
    "+ TrivialAugment": {"augment": "trivialaugment"},
    "+ EMA 0.99": {"ema": 0.99},
    "+ MixUp 0.2": {"mixup": 0.2},
}


def part_of(data: str, train: int, test: int, folder: Path) -> Path:
    """A table of a fixed, drawn part of the data; the rest of it is not used."""
    dataset, _ = prepare(data, ReadOptions(), 0)
    draw = np.random.default_rng(0)
    rows = []
    for part, count in (("train", train), ("val", train // 5), ("test", test)):
        items = dataset.part(part)
        for n in sorted(draw.permutation(len(items))[:count].tolist()):
            rows.append((str(Path(dataset.root, items[n].path)), items[n].truth, part))
    file = folder / "part.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "label", "split"), *rows])
    return file


def run(table: Path, options: Options, seed: int) -> tuple[float, float, dict[str, Any]]:
    """Test accuracy, seconds, and what was chosen."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        done = foveal.train(table, seed=seed, runs_dir=home, **options)
    chosen = {c.option: c.value for c in done.choices}
    return done.headline.value, time.perf_counter() - began, chosen


def interval(differences: list[float]) -> tuple[float, float, float]:
    """Mean and its 95 % interval by Student's t."""
    mean, n = statistics.fmean(differences), len(differences)
    half = (
        float(student.ppf(0.975, n - 1)) * statistics.stdev(differences) / math.sqrt(n) if n > 1 else math.inf
    )
    return mean, mean - half, mean + half


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--size", type=int)
    parser.add_argument("--network")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=CELLS, help="these conditions, and the defaults")
    parser.add_argument("--keep", type=Path, default=Path("defaults.jsonl"))
    args = parser.parse_args()
    fixed: Options = {"epochs": args.epochs} | {
        k: getattr(args, k) for k in ("size", "network") if getattr(args, k)
    }
    lines = args.keep.read_text().splitlines() if args.keep.exists() else []
    known = {(r["data"], r["cell"], r["seed"]): r for r in map(json.loads, lines)}
    with tempfile.TemporaryDirectory() as home:
        table = part_of(args.data, args.train, args.test, Path(home))
        wanted = ["default", *(args.only or [])]
        for seed in range(args.seeds):
            for name, options in CELLS.items():
                if args.only and name not in wanted:
                    continue
                key = (args.data, name, seed)
                if key not in known:
                    value, seconds, chosen = run(table, {**fixed, **options}, seed)
                    row = {"data": args.data, "cell": name, "seed": seed, "value": value, "seconds": seconds}
                    known[key] = row | {"network": chosen["network"]}
                    with args.keep.open("a") as stream:
                        stream.write(json.dumps(known[key]) + "\n")
                    print(f"seed {seed}  {name:28} {value:.4f}  {seconds:.0f} s", flush=True)
    print(
        f"\n{args.data}: {args.train} training, {args.test} test pictures, {args.epochs} epochs; {machine()}"
    )
    base = {seed: r["value"] for (d, cell, seed), r in known.items() if d == args.data and cell == "default"}
    for cell in dict.fromkeys(c for d, c, _ in known if d == args.data):
        here = {s: r["value"] for (d, c, s), r in known.items() if d == args.data and c == cell and s in base}
        mean, low, high = interval([here[s] - base[s] for s in here])
        told = (
            "" if cell == "default" else f"  {100 * mean:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}] points"
        )
        print(f"{cell:28} {100 * statistics.fmean(here.values()):.2f} %{told}  n={len(here)}")


if __name__ == "__main__":
    main()
