"""The history of convolutional networks as an experiment: six of them on 5,000 CIFAR-10 pictures, in equal time.

    python benchmarks/history.py DATA [--minutes 42] [--each 500] [--folder FOLDER] [--out history.html]

DATA has train/ and test/ with a folder for each class (`foveal inspect` reads it). 500 pictures a class are
drawn from train/ once, and all of test/ is kept, in FOLDER (default: history). Then this is run:

    foveal compare --train lenet,alexnet,vgg11_bn,googlenet,resnet18,densenet121 FOLDER --size 32 --minutes 42

Each network is trained from scratch with its authors' recipe, scaled to the data and its share of the time. Called
again after an interruption it goes on where it was.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from measure import machine

from foveal.terminal.app import main as foveal

NETWORKS = "lenet,alexnet,vgg11_bn,googlenet,resnet18,densenet121"
SEED = 0


def selection(data: Path, folder: Path, each: int) -> None:
    """Copy `each` pictures a class of train/, drawn by `SEED`, and all of test/; what is there stays."""
    draw = np.random.default_rng(SEED)
    for part in ("train", "test"):
        for kind in sorted(path for path in (data / part).iterdir() if path.is_dir()):
            files = sorted(kind.iterdir())
            if part == "train":
                files = [files[n] for n in sorted(draw.permutation(len(files))[:each].tolist())]
            to = folder / part / kind.name
            to.mkdir(parents=True, exist_ok=True)
            for file in files:
                if not (to / file.name).exists():
                    shutil.copyfile(file, to / file.name)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=42)
    parser.add_argument("--each", type=int, default=500)
    parser.add_argument("--networks", default=NETWORKS)
    parser.add_argument("--folder", type=Path, default=Path("history"))
    parser.add_argument("--out", default="history.html")
    parser.add_argument(
        "--more", nargs=argparse.REMAINDER, default=[], help="further options of foveal compare"
    )
    asked = parser.parse_args()
    selection(asked.data, asked.folder, asked.each)
    print(machine(), flush=True)
    began = time.time()
    words = ["compare", "--train", asked.networks, str(asked.folder), "--size", "32"]
    code = foveal([*words, "--minutes", f"{asked.minutes:g}", "--out", asked.out, *asked.more])
    print(f"{(time.time() - began) / 60:.1f} minutes in all", flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
