"""What several processes give and cost on this machine, and whether they train as one does.

    python benchmarks/distributed.py [--runs 5] [--epochs 3] [--network resnet9] [--batch 128] [--lr 0.005]
        [--processes 1 2]

The built-in digits, one thread a process, fp32, no augmentation. For each number of processes: seconds an epoch of
training (validation included) and the share of them in which gradients were added up; the runs take turns, so that
whatever else the machine does falls on all alike. Batch normalisation, where the network has any, is synchronised:
then every epoch's training loss is compared with one process's, at a rate low enough for rounding to stay small.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def trained(processes: int, out: Path, options: list[str]) -> dict[str, Any]:
    """Epochs' training losses, seconds an epoch without the first, and the share of exchanging."""
    command = [sys.executable, "-m"]
    if processes > 1:
        command += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
        options = [*options, "--sync-norm"]
    command += ["foveal", "train", "--augment", "none", "--precision", "fp32", "--threads", "1", *options]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    rows = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    epochs = [row for row in rows if row["event"] == "epoch"]
    spent = json.loads((out / "result.json").read_text())["spent"]
    seconds = [b["seconds"] - a["seconds"] for a, b in itertools.pairwise(epochs)]
    return {
        "losses": [row["train_loss"] for row in epochs],
        "seconds": statistics.mean(seconds),
        "exchange": spent.get("exchange", 0.0) / epochs[-1]["seconds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--network", default="resnet9")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    options = [
        word
        for name in ("network", "batch", "epochs", "lr")
        for word in (f"--{name}", str(getattr(given, name)))
    ]
    found: dict[int, list[dict[str, Any]]] = {count: [] for count in given.processes}
    with tempfile.TemporaryDirectory() as home:
        for run in range(given.runs):
            for count in given.processes:
                seeded = [*options, "--seed", str(run)]
                found[count].append(trained(count, Path(home) / f"{count}-{run}", seeded))
    print(
        f"{platform.platform()}, {os.cpu_count()} cores; {given.network}, batch {given.batch}, n = {given.runs}"
    )
    print(
        f"{'processes':>9}  seconds an epoch           exchanging  largest difference of an epoch's loss from one's"
    )
    base = found[given.processes[0]]
    for count, rows in found.items():
        times = [row["seconds"] for row in rows]
        apart = max(
            abs(a - b) / abs(a)
            for one, other in zip(base, rows, strict=True)
            for a, b in zip(one["losses"], other["losses"], strict=True)
        )
        share = statistics.median(row["exchange"] for row in rows)
        print(
            f"{count:>9}  {statistics.median(times):.3f} ({min(times):.3f} to {max(times):.3f})"
            f"     {share:>6.1%}      {apart:.1e}"
        )


if __name__ == "__main__":
    main()
