"""How long `import foveal` and `foveal --help` take: `python benchmarks/startup.py [RUNS]`."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time

CASES = {
    "python -c pass": ["-c", "pass"],
    "import foveal": ["-c", "import foveal"],
    "foveal --help": ["-m", "foveal", "--help"],
    "foveal train --help": ["-m", "foveal", "train", "--help"],
}


def measure(arguments: list[str], runs: int) -> list[float]:
    """Seconds from start to exit of a fresh interpreter, `runs` times after two that warm the disk."""
    times = []
    for _ in range(runs + 2):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return times[2:]


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(f"{platform.platform()}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print(f"Python {platform.python_version()}; {runs} runs each, seconds: median (min to max)")
    for name, arguments in CASES.items():
        times = measure(arguments, runs)
        print(f"{name:<22} {statistics.median(times):.3f} ({min(times):.3f} to {max(times):.3f})")


if __name__ == "__main__":
    main()
