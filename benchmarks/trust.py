"""Calibration before and after the temperature, and how many foreign pictures are called none of these.

    python benchmarks/trust.py DATA FOREIGN... --runs FOLDER [--train 2000 --test 2000] [--size 96]
        [--epochs 8] [--seeds 3]

DATA is a folder that `foveal train` reads, or the word digits. For each seed two networks are trained on
a fixed, drawn part of it, with label smoothing 0 and 0.1; runs that are in FOLDER already are kept. All
figures are of the test pictures: expected calibration error in 15 bins, negative log-likelihood in nats,
accuracy, and the share of them that is refused though known. FOREIGN are folders of other pictures, 500
of each drawn; noise, single colours and (unless known) digits are added. Of these the share that is
refused is shown, and the area under the ROC curve. Beside the distance stand two usual scores of logits,
the largest probability and the energy (Liu et al. 2020). The threshold of each lets 95 % of the
validation pictures through.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from measure import machine
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from torch import Tensor

import foveal
from foveal.data.batches import Batches
from foveal.model import Model
from foveal.options import ReadOptions
from foveal.readers import prepare
from foveal.records.run import Run
from foveal.trust import gather, settle
from foveal.values import PARTS, Batch, Item, Step

SUFFIXES = (".png", ".jpg", ".jpeg")
MOST = 500
Figures = dict[str, float]


def part_of(data: str, train: int, test: int, file: Path) -> Path:
    """A table of a fixed, drawn part of the data; the rest of it is not used."""
    if file.exists():
        return file
    dataset, _ = prepare(data, ReadOptions(), 0)
    draw = np.random.default_rng(0)
    rows = []
    for part, count in (("train", train), ("val", max(400, train // 5)), ("test", test)):
        items = dataset.part(part)
        for n in sorted(draw.permutation(len(items))[:count].tolist()):
            rows.append((str(Path(dataset.root, items[n].path)), items[n].truth, part))
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "label", "split"), *rows])
    return file


def others(given: list[str], digits: bool, home: Path) -> dict[str, list[Path]]:
    """Pictures by the name of what they are foreign for."""
    draw = np.random.default_rng(0)
    made = {"noise": [draw.integers(0, 256, (96, 96, 3)) for _ in range(200)]}
    made["plain"] = [np.full((96, 96, 3), draw.integers(0, 256, 3)) for _ in range(200)]
    if digits:
        made["digits"] = list(load_digits().images[:MOST] * 255 / 16)
    for name, pictures in made.items():
        (home / name).mkdir()
        for n, picture in enumerate(pictures):
            Image.fromarray(np.asarray(picture).astype(np.uint8)).save(home / name / f"{n}.png")
    found = {}
    for folder in (*map(Path, given), *(home / name for name in made)):
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        places = np.random.default_rng(0).permutation(len(paths))[:MOST]
        found[folder.parent.name if folder.name in PARTS else folder.name] = [paths[n] for n in places]
    return found


def of_run(folder: Path, foreign: dict[str, list[Path]]) -> tuple[Figures, dict[str, dict[str, Figures]]]:
    """The figures of one run: calibration, and by method and foreign set the refused share and the area."""
    run, model = Run.open(folder), Model.load(folder)
    task: Any = dataclasses.replace(model.task, temperature=1.0)  # type: ignore[type-var]
    head = run.options["fit"]["head"]

    def batches(items: Any, root: str) -> Batches:
        return Batches(root, items, task, task.view(model.preprocessing), model.preprocessing, 64)

    def part(name: str) -> Batches:
        return batches(run.dataset.part(name), run.dataset.root)

    settled = settle(model.network, task, part("train"), part("val"), head, "cpu")
    far = settled.far
    if far is None:
        raise SystemExit(f"{folder} has too few pictures")
    test, val = (gather(model.network, part(name), "cpu", head) for name in ("test", "val"))
    figures: Figures = {"temperature": settled.numbers["temperature"]}
    for when, judge in (("before", task), ("after", settled.task)):
        meter = judge.meter()
        meter.add(Step(torch.zeros(()), {}, test.outputs), Batch(torch.empty(0), test.truths, test.ids))
        metrics = meter.result("test").metrics
        for name in ("calibration_error", "loss", "accuracy"):
            figures[f"{name} {when}"] = metrics[name]
    scores: dict[str, Callable[[Any], Tensor]] = {
        "distance": lambda g: far.distance(g.features),
        "softmax": lambda g: 1 - g.outputs.softmax(1).max(1).values,
        "energy": lambda g: -g.outputs.logsumexp(1),
    }
    shares: dict[str, dict[str, Figures]] = {}
    limits = {name: threshold(score(val)) for name, score in scores.items()}
    for name, score in scores.items():
        figures[f"{name} refuses known"] = float((score(test) > limits[name]).double().mean())
        shares[name] = {}
    for what, paths in foreign.items():
        items = [Item(str(p), str(p), run.dataset.labels[0]) for p in paths]
        found = gather(model.network, batches(items, "/"), "cpu", head)
        for name, score in scores.items():
            away, near = score(found), score(test)
            truth = [1] * len(away) + [0] * len(near)
            shares[name][what] = {
                "refused": float((away > limits[name]).double().mean()),
                "area": float(roc_auc_score(truth, torch.cat([away, near]).numpy())),
            }
    return figures, shares


def threshold(values: Tensor) -> float:
    """The value that 95 % of these stay within, as `foveal.far` counts."""
    rank = min(len(values), math.ceil(0.95 * (len(values) + 1)))
    return float(values.sort().values[rank - 1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("foreign", nargs="*")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--size", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    digits = args.data == "digits"
    name = "digits" if digits else Path(args.data).name
    options = {k: v for k, v in (("size", args.size), ("epochs", args.epochs)) if v is not None}
    args.runs.mkdir(parents=True, exist_ok=True)
    table = None if digits else part_of(args.data, args.train, args.test, args.runs / f"{name}.csv")
    print(f"{name}, {options or 'defaults'}, seeds 0 to {args.seeds - 1}; {machine()}")
    with tempfile.TemporaryDirectory() as home:
        foreign = others(args.foreign, not digits, Path(home))
        for smoothing in (0.0, 0.1):
            figures: dict[str, list[float]] = defaultdict(list)
            shares: dict[str, dict[str, list[Figures]]] = defaultdict(lambda: defaultdict(list))
            for seed in range(args.seeds):
                folder = args.runs / f"{name}-{smoothing}-{seed}"
                if not (folder / "result.json").exists():
                    foveal.train(table, seed=seed, label_smoothing=smoothing, out=str(folder), **options)
                told, found = of_run(folder, foreign)
                for key, value in told.items():
                    figures[key].append(value)
                for method, by_set in found.items():
                    for what, one in by_set.items():
                        shares[method][what].append(one)
            show(smoothing, figures, shares)


def show(
    smoothing: float, figures: dict[str, list[float]], shares: dict[str, dict[str, list[Figures]]]
) -> None:
    """Means over the seeds, with the least and the largest of what was claimed."""
    print(f"\nlabel smoothing {smoothing}, n={len(figures['temperature'])}")
    for key in ("calibration_error", "loss", "accuracy"):
        before, after = figures[f"{key} before"], figures[f"{key} after"]
        spread = f"[{min(before):.4f}, {max(before):.4f}] -> [{min(after):.4f}, {max(after):.4f}]"
        print(f"  {key:18} {fmean(before):.4f} -> {fmean(after):.4f}  {spread}")
    heat = figures["temperature"]
    print(f"  temperature        {fmean(heat):.3f} [{min(heat):.3f}, {max(heat):.3f}]")
    print(f"  {'refused %':18} {'known':>7} " + " ".join(f"{what[:9]:>9}" for what in shares["distance"]))
    for method, by_set in shares.items():
        known = figures[f"{method} refuses known"]
        cells = [
            f"{100 * fmean(o['refused'] for o in ones):5.0f}/{100 * fmean(o['area'] for o in ones):3.0f}"
            for ones in by_set.values()
        ]
        print(f"  {method:18} {100 * fmean(known):7.1f} " + " ".join(f"{cell:>9}" for cell in cells))
    print("  (a cell: refused share / area under the ROC curve, in %)")


if __name__ == "__main__":
    main()
