"""Loading alone: random resized crops of 224 px, mirrored, in pictures per second and core.

    python benchmarks/loading.py [--data FOLDER] [--size 224] [--rounds 10] [--seconds 5]
        [--peers torchvision-pil torchvision-v2 fastai ffcv] [--keep loading.jsonl] [--envs FOLDER]

Claim checked: from our cache at least 3,000 pictures of 224 px a second and core, antialiased.

Ours reads what `foveal train` would train on, with its default augmentation (`light`): from memory, from
the cache's file, and from the JPEG files without a cache. Peers decode their files each time, but FFCV,
which reads a file of its own; they crop from 8 % of the area on, ours from what the recipe says. Every
contestant has one thread in one process and is a process of its own, once a round, in turn; a first pass,
which fills caches, is not counted. Rates are per second of the processor's time (of all threads of the
process), which a busy machine changes little, and per second of the clock.
FOLDER holds class folders; without it pictures of 500 px are drawn (see photographs.py).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from contest import ENVS, PEERS, Row, answered, available
from measure import Kept, interleaved, machine, ratios, versions, with_interval
from photographs import Rows, synthetic, written

FOLDERS = ("torchvision-pil", "torchvision-v2", "fastai", "ffcv")
OURS = {"foveal memory": "memory", "foveal disk": "disk", "foveal off": "off"}
GIVES = {"torchvision-pil": "floats", "fastai": "floats"}
NETWORK = "resnet18"
Batches = Iterator[tuple[int, object]]


def our_batches(table: Path, size: int, where: str, home: str, *, floats: bool) -> tuple[Batches, str]:
    """Batches without end as training gets them, and the filter they are resampled with. This is the one
    place to look at when the way to them changes."""
    from planned import planned_for

    planned = planned_for(table, NETWORK, size, epochs=4, cache=where, data_home=home, batch=32, workers=0)
    train = planned.train

    def forever() -> Batches:
        for epoch in count():
            for raw in train.epoch(epoch):
                made = train.to(raw, "cpu", True) if floats else raw
                yield len(made.ids), made

    return forever(), f"{planned.plan.preprocessing.interpolation}, antialiased"


def ours_here(job: Row) -> Row:
    """In this process: the rate from the second epoch on, of uint8 batches and of normalised ones."""
    import torch

    torch.set_num_threads(1)
    found: Row = {}
    for gives in ("uint8", "floats"):
        batches, filter = our_batches(
            Path(job["table"]), job["size"], job["cache"], job["home"], floats=gives == "floats"
        )
        for _ in range(max(2, job["pictures"] // 32)):
            next(batches)
        began, cpu, images = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began < job["seconds"]:
            images += next(batches)[0]
        found[gives] = images / (time.process_time() - cpu)
        found[f"{gives}_clock"] = images / (time.perf_counter() - began)
        found["filter"] = filter
    return found | {"per_core": found["uint8"], "clock": found["uint8_clock"]}


def ours_apart(job: Row) -> Row:
    """In a process of its own, with caches of its own."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, __file__, "--as", json.dumps({**job, "home": home})],
            capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    if done.returncode:
        return {"error": done.stderr.strip()[-300:]}
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def theirs(peer: str, job: Row, envs: Path, timeout: float) -> Row:
    row = answered(peer, job, envs, timeout)
    if "images" in row:
        row |= {
            "per_core": row["images"] / row["loading_cpu_seconds"],
            "clock": row["images"] / row["seconds"],
        }
    return row


def rows_of(folder: Path) -> Rows:
    """All pictures of class folders, for training, but one of each class."""
    files = sorted(p for p in folder.glob("*/*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    firsts = {file.parent: file for file in reversed(files)}.values()
    return [(str(p), p.parent.name, "val" if p in firsts else "train") for p in files]


def report(found: dict[str, list[Row]]) -> None:
    print("\npictures per second and core (by processor time; in brackets by the clock)")
    for name, rows in found.items():
        good = [row for row in rows if "per_core" in row]
        if not good:
            print(f"  {name:16} {rows[0].get('error', 'no figure')}")
            continue
        gives = "uint8" if name in OURS else GIVES.get(name, "uint8")
        clock = sum(row["clock"] for row in good) / len(good)
        told = f"{with_interval([row['per_core'] for row in good])} ({clock:.0f}), {gives}"
        if name in OURS:
            told += f"; normalised floats {with_interval([row['floats'] for row in good])}"
        print(f"  {name:16} {told}; {good[0].get('filter', '')}")
        if name not in OURS and found.get("foveal memory"):
            print(
                f"  {'':16} ours from memory / this: {with_interval(ratios(found['foveal memory'], rows, 'per_core'))}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--side", type=int, default=500)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--peers", nargs="*", choices=FOLDERS, default=list(FOLDERS))
    parser.add_argument("--timeout", type=float, default=900)
    parser.add_argument("--envs", type=Path, default=ENVS)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--as", dest="job", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        print(json.dumps(ours_here(json.loads(args.job))))
        return
    kept = Kept(args.keep)
    with tempfile.TemporaryDirectory() as home:
        rows = rows_of(args.data) if args.data else synthetic(Path(home), args.pictures, args.side, val=64)
        table, listed = written(rows, Path(home))
        own = {"table": str(table), "size": args.size, "seconds": args.seconds, "pictures": len(rows)}
        job = {
            "do": "load", "rows": str(listed), "size": args.size, "batch": 32, "seconds": args.seconds,
            "threads": 1, "folder": home,
        }  # fmt: skip
        contestants: dict[str, Callable[[], Row]] = {
            name: partial(ours_apart, {**own, "cache": where}) for name, where in OURS.items()
        }
        for peer in available(args.peers, args.envs):
            contestants[peer] = partial(theirs, peer, job, args.envs, args.timeout)
        key = {"data": str(args.data), "pictures": len(rows), "size": args.size}
        report(interleaved(contestants, args.rounds, kept, key, "per_core"))
    what = f"of {args.data}" if args.data else f"drawn, {args.side} px"
    print(f"{len(rows)} pictures {what}; {', '.join(PEERS[p].title for p in args.peers)}")
    print(f"{machine()}, one thread each\n{versions('torchvision', 'pillow', 'foveal')}")


if __name__ == "__main__":
    main()
