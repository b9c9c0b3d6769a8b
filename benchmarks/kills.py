"""Kill training at random moments, resume it, and compare with an uninterrupted run.

    python benchmarks/kills.py [--kills 50] [--epochs 20]

One run is killed (`kill -9`) and resumed again and again until it has been killed so many times;
whenever it ends before that, the next one begins. Every finished run must have the same final
weights, to the last bit, as one never touched, and each epoch exactly once in its history.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from safetensors.torch import load_file

from foveal.events import Epoch
from foveal.records.run import Run


def digest(file: Path) -> str:
    """SHA-256 over all tensors of a model file."""
    tensors = load_file(file)
    return hashlib.sha256(b"".join(tensors[k].numpy().tobytes() for k in sorted(tensors))).hexdigest()[:16]


def command(folder: Path, epochs: int) -> list[str]:
    """Start the run, or go on with it."""
    base = [sys.executable, "-m", "foveal", "train", "--json"]
    if folder.exists() and not (folder / "options.json").exists():
        shutil.rmtree(folder)  # killed before the run knew what to do: there is nothing to go on with
    if folder.exists():
        return [*base, "--resume", str(folder)]
    return [*base, "--epochs", str(epochs), "--save-seconds", "0.5", "--out", str(folder)]


def history(folder: Path) -> list[tuple[int, int, float]]:
    """Epoch, step and training loss of every epoch that counts."""
    return [(e.epoch, e.step, e.train_loss) for e in Run.open(folder).events() if isinstance(e, Epoch)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    dice = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as home:
        whole = Path(home, "whole")
        began = time.perf_counter()
        subprocess.run(command(whole, args.epochs), check=True, capture_output=True)
        length = time.perf_counter() - began
        want = (digest(whole / "last.safetensors"), digest(whole / "best.safetensors"), history(whole))
        headline = json.loads((whole / "result.json").read_text())["headline"]["value"]
        print(
            f"uninterrupted: {length:.1f} s, last {want[0]}, best {want[1]}, test {headline:.4f}", flush=True
        )
        kills, finished, wrong, number = 0, 0, 0, 0
        while kills < args.kills or not _done(Path(home, f"run-{number}")):
            folder = Path(home, f"run-{number}")
            process = subprocess.Popen(
                command(folder, args.epochs), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            if kills < args.kills:
                try:
                    process.wait(timeout=dice.uniform(0.3, 1.0) * length)
                except subprocess.TimeoutExpired:
                    process.kill()
                    kills += 1
            said = process.communicate()[1]
            if process.returncode not in (0, -9):
                print(f"run {number}: exit {process.returncode}\n{said[-2000:]}")
                wrong += 1
                break
            if _done(folder):
                got = (
                    digest(folder / "last.safetensors"),
                    digest(folder / "best.safetensors"),
                    history(folder),
                )
                finished += 1
                same = got == want
                wrong += not same
                attempts = len(Run.open(folder).attempts())
                print(
                    f"run {number}: {attempts} attempts, {'equal' if same else f'DIFFERS: {got}'}", flush=True
                )
                if kills >= args.kills:
                    break
                number += 1
        print(f"{kills} kills, {finished} runs finished, {wrong} wrong")
        sys.exit(1 if wrong else 0)


def _done(folder: Path) -> bool:
    return (folder / "result.json").exists()


if __name__ == "__main__":
    main()
