"""CIFAR-10 from scratch as fast as it goes: `foveal train DATA --recipe sprint`, and the record's package.

    python benchmarks/sprint.py [DATA] [--runs 10] [--val 500] [--device cuda] [--peer]

DATA is CIFAR-10 as `foveal train` reads it (default: the name `cifar10`). Every run is a whole
`foveal.train` with another seed. Where the pictures are files, all but `--val` of the training pictures
are trained on (the record trains on all, and looks at no validation pictures); else the split is
Foveal's own. With `--peer` the `airbench` package (pip install airbench) trains on all of the same
pictures on the same GPU, in turn with ours. The package has `airbench94` (SGD, 9.9 epochs; 3.83 s on an
A100), not the later script with Muon, which is what the recipe follows.

Two times are given: of training and judging alone, which is what the record counts (without loading the
pictures, and after a first run that warms the GPU up), and of the whole command.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import machine, spread

import foveal
from foveal.data.decoding import open_image
from foveal.options import ReadOptions
from foveal.readers import prepare
from foveal.values import Dataset

APART = ("prepare", "save")
"""Phases that the record does not count either."""
VIEWS = 6
Row = dict[str, float]


def table(dataset: Dataset, val: int, folder: Path) -> Path | None:
    """The data with only `val` of its training pictures kept for validation; None where it lies in containers."""
    if any(item.frame is not None for item in dataset.items):
        return None
    rest = [item for part in ("train", "val") for item in dataset.part(part)]
    kept = set(np.random.default_rng(0).permutation(len(rest))[:val].tolist())
    rows = [(item, "val" if n in kept else "train") for n, item in enumerate(rest)]
    rows += [(item, "test") for item in dataset.part("test")]
    file = folder / "cifar10.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        lines = [(str(Path(dataset.root, item.path)), item.truth, part) for item, part in rows]
        csv.writer(stream).writerows([("path", "label", "split"), *lines])
    return file


def ours(data: str, seed: int, device: str | None) -> Row:
    """One run by the recipe: accuracy as the run says it and with six views, and its seconds."""
    more: dict[str, Any] = {} if device is None else {"device": device}
    with tempfile.TemporaryDirectory() as home:
        done = foveal.train(data, recipe="sprint", seed=seed, runs_dir=home, **more)
        judged = foveal.evaluate(done.run, split="test", views=VIEWS, batch=1000, **more)
    return {
        "accuracy as the run says": done.headline.value,
        f"accuracy with {VIEWS} views": judged.headline.value,
        "seconds of training and judging": sum(s for name, s in done.spent.items() if name not in APART),
        "seconds of the command": done.seconds,
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
        with contextlib.chdir(folder):
            airbench.warmup94()

    def run(self, seed: int) -> Row:
        """One training and its judgement with six views."""
        torch.manual_seed(seed)
        with contextlib.chdir(self.folder):
            torch.cuda.synchronize()
            began = time.perf_counter()
            network = self.airbench.train94(verbose=False)
            loader = self.airbench.CifarLoader("cifar10", train=False, batch_size=2000)
            accuracy = self.airbench.evaluate(network, loader, tta_level=2)
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
    with tempfile.TemporaryDirectory() as home:
        dataset, _ = prepare(args.data, ReadOptions(), 0)
        file = table(dataset, args.val, Path(home))
        data = str(file or args.data)
        peer = Peer(dataset, Path(home)) if args.peer else None
        mine: list[Row] = []
        theirs: list[Row] = []
        for seed in range(args.runs):
            mine.append(ours(data, seed, args.device))
            print(f"seed {seed}  foveal    {mine[-1]}", flush=True)
            if peer is not None:
                theirs.append(peer.run(seed))
                print(f"seed {seed}  airbench  {theirs[-1]}", flush=True)
    kept = f"{args.val} training pictures kept for validation" if file else "Foveal's own validation split"
    show(f"foveal train --recipe sprint ({kept})", mine)
    if peer is not None:
        show("airbench94 (the package; all training pictures)", theirs)


if __name__ == "__main__":
    main()
