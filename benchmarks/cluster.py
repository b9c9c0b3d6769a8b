"""Trials on a Ray cluster of one machine: what a trial costs beside its training, and one node against two.

    python benchmarks/cluster.py [--trials 8] [--epochs 12] [--home FOLDER]

Both nodes have one processor. Three studies with the same trials (the digits, a network of two convolutions, one
thread) are told: without Ray, on one node, and on two. A study's own start (reading the data, timing an epoch) is no
trial's: seconds count from the first trial's first step to the end of the last, by the trials' own events. Needs
`pip install 'foveal[cluster]'`.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure import machine, versions

import foveal
from foveal.events import Started, Stopped
from foveal.records.run import Run
from foveal.records.study import Study

LAYERS = ("conv 16 3x3", "bn", "relu", "maxpool 2", "conv 32 3x3", "bn", "relu", "gap", "linear")
FIXED: dict[str, Any] = {
    "size": 8, "batch": 32, "augment": "none", "precision": "fp32", "probe": False, "pretrained": False, "threads": 1,
    "verdict": False, "warm_start": False, "stop": "none", "search": "random", "save_seconds": 600,
}  # fmt: skip
TOKEN = "foveal-benchmark-on-this-machine-only"


def spans(study: Study) -> list[tuple[float, float]]:
    """When each trial began and ended, in Unix seconds, in the order of their beginnings."""
    found = []
    for trial in study.trials:
        history = Run(trial.run).history()
        starts = [event.at for event in history if isinstance(event, Started)]
        ends = [event.at for event in history if isinstance(event, Stopped)]
        found.append((starts[0], ends[-1]))
    return sorted(found)


def gaps(rows: Sequence[tuple[float, float]], hands: int) -> list[float]:
    """Seconds between a trial's end and the beginning of the one that took its place."""
    ends = sorted(end for _, end in rows)
    begins = sorted(begin for begin, _ in rows)[hands:]
    return [begin - end for begin, end in zip(begins, ends, strict=False)]


def study(home: Path, name: str, trials: int, epochs: int, **more: Any) -> tuple[Study, float]:
    """One study, and its seconds from beginning to end."""
    file = home / "small.yaml"
    file.write_text("layers:\n" + "".join(f"  - {line}\n" for line in LAYERS))
    began = time.perf_counter()
    done = foveal.tune(
        over={"lr": "log(1e-3,0.3)"}, trials=trials, epochs=epochs, network=str(file), out=str(home / name), **FIXED,
        **more,
    )  # fmt: skip
    return done, time.perf_counter() - began


def told(name: str, done: Study, hands: int, seconds: float) -> float:
    """Print a row; returns the seconds of all trials together, side by side."""
    rows = spans(done)
    length = max(end for _, end in rows) - min(begin for begin, _ in rows)
    each = statistics.median(end - begin for begin, end in rows)
    between = gaps(rows, hands)
    middle = f"{statistics.median(between):.2f} (most {max(between):.2f})" if between else "-"
    print(f"| {name} | {len(rows)} | {each:.2f} | {middle} | {length:.1f} | {seconds:.1f} |", flush=True)
    return length


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--home", type=Path)
    args = parser.parse_args()
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "OMP_NUM_THREADS": "1"}
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        sys.exit("Ray is not installed: pip install 'foveal[cluster]'")
    with tempfile.TemporaryDirectory() as made:
        home = args.home or Path(made)
        home.mkdir(parents=True, exist_ok=True)
        print(f"{machine()}; {versions('ray')}")
        print(
            "| place | trials | s a trial | s from one to the next | s, first begun to last ended | s in all |"
        )
        print("|---|---|---|---|---|---|")
        told("one process, no Ray", *_with(study(home, "here", args.trials, args.epochs), 1))
        began = time.perf_counter()
        cluster: Any = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        start = time.perf_counter() - began
        try:
            os.environ["RAY_ADDRESS"] = cluster.address
            one = told(
                "Ray, one node", *_with(study(home, "one", args.trials, args.epochs, cluster="ray"), 1)
            )
            cluster.add_node(num_cpus=1)
            two = told(
                "Ray, two nodes", *_with(study(home, "two", args.trials, args.epochs, cluster="ray"), 2)
            )
        finally:
            cluster.shutdown()
        print(
            f"\nthe cluster's head was up in {start:.1f} s; two nodes are {one / two:.2f} times as fast as one"
        )
        same = {
            name: [trial.curve for trial in Study.read(home / name).trials] for name in ("here", "one", "two")
        }
        equal = all(a == b for a, b in itertools.pairwise(same.values()))
        print("every trial's curve is the same in all three" if equal else "the trials' curves DIFFER")


def _with(done: tuple[Study, float], hands: int) -> tuple[Study, int, float]:
    return done[0], hands, done[1]


if __name__ == "__main__":
    main()
