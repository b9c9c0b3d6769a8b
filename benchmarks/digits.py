"""`foveal train` on the built-in digits, every default, several seeds: test accuracy and time.

python benchmarks/digits.py [--seeds 5]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time

from measure import machine, spread


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    accuracies, times = [], []
    with tempfile.TemporaryDirectory() as home:
        for seed in range(args.seeds):
            command = [
                sys.executable,
                "-m",
                "foveal",
                "train",
                "--json",
                "--seed",
                str(seed),
                "--runs-dir",
                home,
            ]
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            times.append(time.perf_counter() - began)
            said = json.loads(done.stdout)
            accuracies.append(said["headline"]["value"])
            print(
                f"seed {seed}: accuracy {accuracies[-1]:.4f} on test, {times[-1]:.1f} s from start to exit",
                flush=True,
            )
    print(f"accuracy {spread(accuracies)}")
    print(f"seconds {spread(times)}")
    print(machine())


if __name__ == "__main__":
    main()
