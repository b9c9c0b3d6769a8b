"""Memory: what training takes at most, beside a bare loop; and data larger than memory, from the disk.

    python benchmarks/memory.py [--what training streaming] [--rounds 5] [--limit 1200] [--pictures 6000]
        [--keep memory.jsonl] [--envs FOLDER]

Claims checked: training takes no more memory than a bare loop on the same network, pictures and settings,
but for what it keeps decoded; and data larger than memory streams from the disk cache at a steady rate.

`training`: peak resident memory of `foveal train` (with `--cache off`, and with its default) and of the bare
loop, in its own words and with our settings; each a process of its own, in turn. Linux tells the peak; on
other systems that of ours is left out.
`streaming`: a process that may use `--limit` MB reads random crops of more pictures than that from the disk
cache, two epochs of them, and its rate is noted for every thousand. The limit counts the pages of the file
that the system keeps for it, too: a control group is made where one may be (as root), else `systemd-run
--user --scope` is asked. Where neither works the rates are measured without a limit, which is said; `ulimit`
is no help, since it counts a mapped file whole. The cache's file is built inside the limit as well.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ours
from contest import ENVS, Row, answered, available, weights_file
from measure import Kept, interleaved, machine, median_interval, ratios, versions, with_interval
from photographs import synthetic, written
from planned import SCRATCH, planned_for

MB = 1e6
GROUPS = {
    "/sys/fs/cgroup/memory": ("memory.limit_in_bytes", "memory.max_usage_in_bytes"),
    "/sys/fs/cgroup": ("memory.max", "memory.peak"),
}
"""Where control groups lie, by their first and second version, with the files of limit and peak."""


@dataclass
class Limited:
    """How a process is held to a memory limit: words before its command, a group to put it in, in words."""

    says: str
    words: tuple[str, ...] = ()
    group: Path | None = None
    peak_file: str = ""

    def add(self, pid: int) -> None:
        if self.group is not None:
            (self.group / "cgroup.procs").write_text(str(pid))

    def peak(self) -> int | None:
        """Most memory that the group had, with its pages of files, bytes."""
        try:
            return int((self.group / self.peak_file).read_text()) if self.group else None
        except (OSError, ValueError):
            return None


@contextmanager
def limited(megabytes: int) -> Iterator[Limited]:
    """The first way that works here to limit a process's memory; gone afterwards."""
    made = _group(int(megabytes * MB))
    if made is not None:
        group, peak = made
        try:
            yield Limited(f"a control group of {megabytes} MB", group=group, peak_file=peak)
        finally:
            group.rmdir()
        return
    size = f"MemoryMax={int(megabytes * MB)}"
    scope = ("systemd-run", "--user", "--scope", "--quiet", "-p", size, "-p", "MemorySwapMax=0")
    if shutil.which(scope[0]) and not subprocess.run([*scope, "true"], capture_output=True).returncode:
        yield Limited(f"systemd-run with {megabytes} MB", words=scope)
    else:
        yield Limited("NO LIMIT: neither a control group nor systemd-run could be had")


def _group(size: int) -> tuple[Path, str] | None:
    """A new control group with this limit in bytes, and its file that tells the peak; None where none may be."""
    for root, (limit, peak) in GROUPS.items():
        group = Path(root, f"foveal-benchmark-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(size))
            return group, peak
        except OSError:
            group.rmdir()
    return None


def stream_here(job: Row) -> Row:
    """In this process: epochs of random crops from the disk cache, timed by the thousand pictures."""
    began = time.perf_counter()
    planned = planned_for(
        Path(job["table"]), "resnet18", job["size"], epochs=4, cache="disk", data_home=job["home"], batch=32,
        workers=0,
    )  # fmt: skip
    built = time.perf_counter() - began
    stretches: list[float] = []
    images, since = 0, time.perf_counter()
    for epoch in range(job["epochs"]):
        for batch in planned.train.epoch(epoch):
            images += len(batch.ids)
            if images >= job["stretch"]:
                now = time.perf_counter()
                stretches.append(images / (now - since))
                images, since = 0, now
    kept = planned.train.kept
    return {
        "rates": stretches,
        "built_seconds": built,
        "cache_bytes": kept.bytes if kept is not None else 0,
        "peak_bytes": ours.peak_of(os.getpid()),
    }


def streamed(job: Row, megabytes: int) -> Row:
    """The same in a process of its own, held to so many megabytes (0: to none)."""
    words = [sys.executable, __file__, "--as", json.dumps(job)]
    if not megabytes:
        done = subprocess.run(words, input="\n", capture_output=True, text=True)
        return _read(done.returncode, done.stdout, done.stderr) | {"limit": "none"}
    with limited(megabytes) as limit:
        process = subprocess.Popen(
            [*limit.words, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        limit.add(process.pid)
        out, err = process.communicate("\n")  # it waits for this, so that all it does is inside
        row = _read(process.returncode, out, err)
        return row | {"limit": limit.says, "group_peak": limit.peak()}


def _read(code: int, out: str, err: str) -> Row:
    if code:
        return {"error": f"ended with {code}: {err.strip()[-300:]}"}
    found: Row = json.loads(out.splitlines()[-1])
    return found


def streaming(table: Path, args: argparse.Namespace, home: Path) -> None:
    """With the limit (which builds the cache's file), then without."""
    job = {
        "table": str(table), "size": args.size, "epochs": 2, "home": str(home / "cache"),
        "stretch": args.stretch,
    }  # fmt: skip
    print(
        f"\nstreaming: {args.pictures} pictures, random crops of {args.size} px from the disk cache, one process"
    )
    for megabytes in (args.limit, 0):
        row = streamed(job, megabytes)
        if "error" in row:
            print(f"  {row['limit']}: {row['error']}")
            continue
        rates, size = row["rates"], row["cache_bytes"] / MB
        share = f", {size / megabytes:.1f} times the limit" if megabytes else ""
        print(
            f"  {row['limit']}: the cache has {size:,.0f} MB{share}; ready after {row['built_seconds']:.0f} s"
        )
        print(f"    {len(rates)} stretches of {args.stretch}: {with_interval(rates, ' pictures/s')}")
        middle = median_interval(rates)[0]
        print(f"    slowest {min(rates) / middle:.2f}, fastest {max(rates) / middle:.2f} of the median")
        peaks = {"process": row["peak_bytes"], "group": row.get("group_peak")}
        print("    " + "; ".join(f"{k}'s peak {v / MB:,.0f} MB" for k, v in peaks.items() if v))
        print("    " + " ".join(f"{rate:.0f}" for rate in rates), flush=True)


def trained(table: Path, args: argparse.Namespace, *more: str) -> Row:
    begin = ["--no-pretrained"] if args.network in SCRATCH else []
    words = ["--network", args.network, "--size", str(args.size), "--epochs", "2", *begin, *more]
    try:
        done = ours.train(table, *words)
    except RuntimeError as error:
        return {"error": str(error)}
    return {"peak_bytes": done.peak_bytes, "cache": done.chosen().get("cache")}


def training(table: Path, listed: Path, args: argparse.Namespace, kept: Kept) -> None:
    """Peaks of whole trainings, in turn."""
    settings = planned_for(table, args.network, args.size, epochs=2).settings
    job = {
        "rows": str(listed), "network": args.network, "size": args.size, "epochs": 2,
        "weights": str(weights_file(args.network, table.parent)),
    }  # fmt: skip
    contestants: dict[str, Callable[[], Row]] = {
        "foveal": partial(trained, table, args),
        "foveal, cache off": partial(trained, table, args, "--cache", "off"),
        "bare, our settings": partial(answered, "bare", {**job, **settings}, args.envs),
    }
    for peer in available(args.peers, args.envs):
        contestants[f"{peer}, its own"] = partial(answered, peer, {**job, "preset": "own"}, args.envs)
    key = {"network": args.network, "size": args.size, "pictures": args.trained}
    found = interleaved(contestants, args.rounds, kept, key, "peak_bytes")
    print(
        f"\ntraining {args.network} at {args.size} px on {args.trained} pictures, {settings}: peak memory in MB"
    )
    for name, rows in found.items():
        values = [row["peak_bytes"] / MB for row in rows if row.get("peak_bytes")]
        pairs = ratios(found["foveal, cache off"], rows, "peak_bytes")
        told = "" if name.startswith("foveal") else f"; ours without a cache / this {with_interval(pairs)}"
        error = next((row["error"] for row in rows if "error" in row), "")
        print(f"  {name:20} {with_interval(values)}{told} {error}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--what", nargs="+", choices=("training", "streaming"), default=["training", "streaming"]
    )
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--side", type=int, default=500)
    parser.add_argument("--trained", type=int, default=320, help="pictures to train on")
    parser.add_argument("--pictures", type=int, default=6000, help="pictures to stream")
    parser.add_argument("--stretch", type=int, default=1000)
    parser.add_argument("--limit", type=int, default=1200, help="megabytes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--peers", nargs="*", choices=("bare", "lightning", "fastai", "timm"), default=["bare"]
    )
    parser.add_argument("--envs", type=Path, default=ENVS)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--as", dest="job", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        sys.stdin.readline()
        print(json.dumps(stream_here(json.loads(args.job))))
        return
    for what, count in (("training", args.trained), ("streaming", args.pictures)):
        if what not in args.what:
            continue
        with tempfile.TemporaryDirectory() as home:
            table, listed = written(synthetic(Path(home), count, args.side, val=64), Path(home))
            if what == "training":
                training(table, listed, args, Kept(args.keep))
            else:
                streaming(table, args, Path(home))
    print(f"{machine()}\n{versions('torchvision', 'timm', 'pillow', 'foveal')}")


if __name__ == "__main__":
    main()
