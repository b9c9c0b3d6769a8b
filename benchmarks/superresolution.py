"""Super-resolution beside bicubic interpolation: PSNR and SSIM on the Y channel, as papers give them.

    python benchmarks/superresolution.py DATA TEST... [--scales 2,4] [--minutes 10 | --epochs 150]
        [--network edsr_small] [--seed 0] [--keep FOLDER] [--out FOLDER]

DATA is a folder of pictures to train on (T91, say), every TEST one to be judged on (Set5, Set14). For each scale
`foveal.train(DATA, task="upscale")` learns for so many minutes or epochs, and each test set is judged with the network
as it is and as a self-ensemble, the mean over eight mirror images and turns; `gain` is how many dB it has more than
bicubic interpolation, with its interval over the pictures. With --out the pictures are drawn there: bicubic
interpolation, the network, the truth. With --keep the runs stay in a folder: what was stopped goes on where it was, and
what is done is only judged again.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import machine

import foveal
from foveal.charts import on_picture
from foveal.data.decoding import open_path
from foveal.intervals import bootstrap
from foveal.model import Model
from foveal.tasks._pictures import as_values
from foveal.values import Batch, Evaluation

SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
SHOWN = ("PSNR", "SSIM", "bicubic_PSNR", "bicubic_SSIM", "gain")


def pictures(folder: str) -> list[Path]:
    """A folder's pictures by name."""
    return sorted(file for file in Path(folder).iterdir() if file.suffix.lower() in SUFFIXES)


def learned(data: str, home: Path, **options: Any) -> Model:
    """A model that has learned to enlarge these pictures: that of the run in `home`, which goes on where it is not
    done, or a new one."""
    there = next(home.glob("*/options.json"), None)
    if there is None:
        return Model.load(foveal.train(data, task="upscale", runs_dir=str(home), **options).run)
    if not (there.parent / "result.json").exists():
        foveal.train(resume=there.parent)
    return Model.load(there.parent)


def judged(model: Model, files: list[Path], ensemble: bool) -> tuple[Evaluation, float]:
    """What is made of these pictures, each made small first; and the seconds that it took."""
    task = dataclasses.replace(model.task, ensemble=ensemble)  # type: ignore[type-var]
    meter, began = task.meter(), time.perf_counter()
    for file in files:
        batch = Batch(as_values(open_path(file, model.preprocessing.channels)), [None], [file.name])
        with torch.inference_mode():
            meter.add(task.step(model.network, batch), batch)
    return meter.result("test"), time.perf_counter() - began


def draw(model: Model, files: list[Path], folder: Path) -> None:
    """Each picture enlarged both ways beside the true one."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        image = open_path(file, model.preprocessing.channels)
        shown = model.task.remade(model.network, image, model.preprocessing)  # type: ignore[attr-defined]
        on_picture.side_by_side(list(shown.items())).save(folder / f"{file.stem}.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("tests", nargs="+", metavar="TEST")
    parser.add_argument("--scales", default="2,4")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=10.0)
    length.add_argument("--epochs", type=int)
    parser.add_argument("--network", default="edsr_small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep")
    parser.add_argument("--out")
    args = parser.parse_args()
    planned = {"minutes": args.minutes} if args.epochs is None else {"epochs": args.epochs}
    print(machine())
    for scale in map(int, args.scales.split(",")):
        with tempfile.TemporaryDirectory() as passing:
            home = Path(args.keep, f"{args.network}-x{scale}-seed{args.seed}") if args.keep else Path(passing)
            asked = {"scale": scale, "network": args.network, "seed": args.seed, **planned}
            model = learned(args.data, home, **asked)
        said = ", ".join(map(str, model.card.scores))
        print(f"{args.data}, {asked}; of its own pictures {said}")
        for test in args.tests:
            for ensemble in (False, True):
                found, seconds = judged(model, pictures(test), ensemble)
                said = "  ".join(f"{name} {found.metrics[name]:.4f}" for name in SHOWN)
                low, high = bootstrap(np.array([row["gain"] for row in found.examples]))
                how = "ensemble" if ensemble else "as it is"
                print(
                    f"  {Path(test).name:8s} {how:8s} {said} [{low:.2f}, {high:.2f}]  ({seconds:.1f} s)",
                    flush=True,
                )
            if args.out:
                draw(model, pictures(test), Path(args.out, f"x{scale}", Path(test).name))


if __name__ == "__main__":
    main()
