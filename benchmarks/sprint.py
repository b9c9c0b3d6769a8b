"""CIFAR-10 from scratch as fast as it goes: `foveal train DATA --recipe sprint`, and the record's package.

    python benchmarks/sprint.py [DATA] [--runs 10] [--epochs N] [--val 500] [--device cuda] [--peer]

DATA is CIFAR-10 as `foveal train` reads it (default: the name `cifar10`). Every run is planned, trained and judged
as that command does, with another seed, on pictures that were read once. All but `--val` of the training pictures
are trained on (the record trains on all, and looks at no validation pictures). With `--peer` the `airbench` package
(pip install airbench) trains on all of the same pictures on the same GPU, in turn with ours. The package has
`airbench94` (SGD, 9.9 epochs; 3.83 s on an A100), not the later script with Muon, which is what the recipe follows.

The time is that of training and judging, which is what the record counts: without loading the pictures, without
saving and calibrating the model (the record does neither), and after a first run of each that warms the GPU up.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import machine, spread

from foveal import plan, training
from foveal.data.decoding import open_image
from foveal.options import ReadOptions, TrainOptions
from foveal.plan.keeping import between_runs
from foveal.readers import prepare
from foveal.values import Dataset

APART = ("prepare", "decode", "save", "settle")
"""Phases that the record does not count, or does not have: it sets no temperature, and knows no unknown pictures."""
VIEWS = 6
Row = dict[str, float]


def split(dataset: Dataset, val: int) -> Dataset:
    """The data with only `val` of its training pictures kept for validation, by chance."""
    rest = [n for n, item in enumerate(dataset.items) if item.part in ("train", "val")]
    kept = set(np.random.default_rng(0).permutation(rest)[:val].tolist())
    items = tuple(
        dataclasses.replace(item, part="val" if n in kept else "train") if item.part != "test" else item
        for n, item in enumerate(dataset.items)
    )
    return dataclasses.replace(dataset, items=items)


def ours(dataset: Dataset, seed: int, changes: dict[str, Any]) -> Row:
    """One run by the recipe: its accuracy on the test pictures with six views, and its seconds."""
    with tempfile.TemporaryDirectory() as home:
        planned = plan.make(dataset, TrainOptions(recipe="sprint", seed=seed, runs_dir=home, **changes))
        done = training.start(dataset, planned, "cifar10", lambda message: None, time.time(), [])
    return {
        f"accuracy with {VIEWS} views": done.headline.value,
        "seconds of training and judging": done.seconds - sum(done.spent.get(name, 0.0) for name in APART),
        **{f"of these {name}": s for name, s in done.spent.items() if name not in APART},
    }


class Peer:
    """The airbench package, on the pictures of `dataset`; it wants them in a folder called `cifar10`."""

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        try:
            import airbench
        except ImportError:
            raise SystemExit("--peer needs the airbench package: pip install airbench") from None
        self.airbench, self.folder = airbench, folder
        (folder / "cifar10").mkdir()
        for name, parts in (("train", ("train", "val")), ("test", ("test",))):
            items = [item for part in parts for item in dataset.part(part)]
            images = np.stack([np.asarray(open_image(dataset.root, item, 3)) for item in items])
            truths = [dataset.labels.index(item.truth) for item in items]
            kept = {
                "images": torch.from_numpy(images),
                "labels": torch.tensor(truths),
                "classes": dataset.labels,
            }
            torch.save(kept, folder / "cifar10" / f"{name}.pt")
        self.run(0)  # warms the GPU up

    def run(self, seed: int) -> Row:
        """One training and its judgement with six views."""
        torch.manual_seed(seed)
        lib = sys.modules["airbench.lib_airbench94"].hyp
        with contextlib.chdir(self.folder):
            seen = self.airbench.CifarLoader(
                "cifar10", train=True, batch_size=lib["opt"]["batch_size"], aug=lib["aug"], altflip=True
            )
            judged = self.airbench.CifarLoader("cifar10", train=False, batch_size=2000)
            torch.cuda.synchronize()
            began = time.perf_counter()
            network = self.airbench.train94(seen, verbose=False)
            accuracy = self.airbench.evaluate(network, judged, tta_level=2)
            torch.cuda.synchronize()
        return {
            f"accuracy with {VIEWS} views": float(accuracy),
            "seconds of training and judging": time.perf_counter() - began,
        }


def show(title: str, rows: list[Row]) -> None:
    print(f"\n{title}")
    for name in rows[0] if rows else ():
        print(f"  {name:34} {spread([row[name] for row in rows])}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", default="cifar10")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--epochs", type=int, help="others than the recipe's")
    parser.add_argument("--val", type=int, default=500)
    parser.add_argument("--device")
    parser.add_argument("--peer", action="store_true", help="airbench beside it, on a CUDA GPU")
    args = parser.parse_args()
    if args.peer and not torch.cuda.is_available():
        raise SystemExit(
            "--peer: airbench trains on CUDA GPUs only, and there is none here. Leave --peer out."
        )
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    print(f"{args.runs} runs; {machine()}{gpu}", flush=True)
    changes = {name: getattr(args, name) for name in ("epochs", "device") if getattr(args, name) is not None}
    with tempfile.TemporaryDirectory() as home, between_runs():
        dataset, _ = prepare(args.data, ReadOptions(), 0)
        peer = Peer(dataset, Path(home)) if args.peer else None
        dataset = split(dataset, args.val)
        if torch.cuda.is_available():
            ours(dataset, args.runs, changes)
        mine: list[Row] = []
        theirs: list[Row] = []
        for seed in range(args.runs):
            mine.append(ours(dataset, seed, changes))
            print(f"seed {seed}  foveal    {mine[-1]}", flush=True)
            if peer is not None:
                theirs.append(peer.run(seed))
                print(f"seed {seed}  airbench  {theirs[-1]}", flush=True)
    show(f"foveal's recipe sprint ({args.val} training pictures kept for validation)", mine)
    if peer is not None:
        show("airbench94 (the package; all training pictures)", theirs)


if __name__ == "__main__":
    main()
