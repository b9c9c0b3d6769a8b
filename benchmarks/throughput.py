"""Steady training throughput, in pictures per second, loading and augmentation included.

    python benchmarks/throughput.py [--networks resnet18 efficientnet_lite0] [--size 160] [--rounds 10]
        [--what defaults same loop] [--keep throughput.jsonl] [--envs FOLDER]

Claims checked: with defaults at least 1.8 times the best peer's with its defaults, and at least 0.98 of
a bare loop's with our chosen settings.

`defaults`: the same network, pictures and size; all else is as each contestant has it by default.
`same`: the peers are given our settings as well (batch, precision, memory layout, fused optimizer), with
    their own loading. `loop`: the product's loop beside a bare one in this process, over the same batches
    and with the same settings, and the bare one over a batch that is there already, which is the limit.

Each contestant is a process of its own, once a round, in turn. What is timed lies within epochs: from
the first step of an epoch to its last, the first epoch left out, validation and saving between epochs
too. Pictures are drawn JPEG files of 500 px in class folders (see photographs.py). With --keep a stopped
benchmark goes on where it was; a file holds one set of arguments.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import ours
import torch
from contest import ENVS, PEERS, TRAINERS, Row, answered, available, weights_file
from measure import Kept, interleaved, machine, median_interval, ratios, versions, with_interval
from photographs import synthetic, written
from planned import SCRATCH, Planned, planned_for
from torch.nn import functional as F

from foveal import events
from foveal.contracts import Source
from foveal.loop.fit import fit
from foveal.loop.state import State
from foveal.machine.device import autocast
from foveal.values import Batch


def options_of(network: str, size: int) -> list[str]:
    """What the command is told; all else is its own choice."""
    more = ["--no-pretrained"] if network in SCRATCH else []
    return ["--network", network, "--size", str(size), *more]


def ours_once(table: Path, network: str, args: argparse.Namespace) -> Row:
    """One training with our defaults: the steady rate, and what was chosen."""
    try:
        done = ours.train(table, *options_of(network, args.size), "--epochs", str(args.epochs))
    except RuntimeError as error:
        return {"error": str(error)}
    images, seconds = done.steady()
    rate = images / seconds if seconds else None
    return {"images_per_second": rate, "peak_bytes": done.peak_bytes, "chosen": done.chosen()}


def job_of(args: argparse.Namespace, listed: Path, weights: Path, network: str, preset: str) -> Row:
    return {
        "do": "train", "preset": preset, "rows": str(listed), "network": network, "weights": str(weights),
        "size": args.size, "epochs": max(2, args.epochs), "batch": 32, "threads": args.threads,
    }  # fmt: skip


def as_decided(table: Path, network: str, args: argparse.Namespace) -> Planned:
    """The plan with the settings that a run of the command decides for, by its rules and its probe."""
    run = ours.train(table, *options_of(network, args.size), "--epochs", str(args.epochs))
    return planned_for(table, network, args.size, epochs=args.epochs, probe=False, **run.decided())


def rate_of(stamps: list[list[tuple[float, int]]]) -> float:
    """Pictures per second after each epoch's first step, the first epoch left out where there are more."""
    counted = stamps[1:] or stamps
    images = sum(sum(n for _, n in epoch[1:]) for epoch in counted)
    return images / sum(epoch[-1][0] - epoch[0][0] for epoch in counted)


def bare(planned: Planned, train: Source, epochs: Iterator[int]) -> float:
    """The loop as a person would write it who had our settings."""
    o, net = planned.plan.fit, planned.network()
    decayed = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": o.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer: torch.optim.Optimizer = (
        torch.optim.AdamW(groups, lr=0.01, betas=(o.momentum, 0.999), fused=True)
        if o.optimizer == "adamw"
        else torch.optim.SGD(groups, lr=0.01, momentum=o.momentum, nesterov=True, fused=True)
    )
    smoothing = float(planned.plan.task.card().get("label_smoothing", 0.0))
    stamps: list[list[tuple[float, int]]] = []
    for epoch in epochs:
        net.train()
        stamps.append([])
        for raw in train.epoch(epoch):
            batch = train.to(raw, o.device, planned.plan.channels_last)
            optimizer.zero_grad(set_to_none=True)
            with autocast(o.device, o.precision):
                loss = F.cross_entropy(net(batch.images), batch.truths, label_smoothing=smoothing)
            torch.autograd.backward(loss)
            optimizer.step()
            loss.item()
            stamps[-1].append((time.perf_counter(), len(batch.ids)))
    return rate_of(stamps)


def looped(planned: Planned, epochs: int) -> float:
    """The same through the product's loop."""
    options = planned.one_stage(epochs)
    state = State(planned.network(), options)
    stamps: list[list[tuple[float, int]]] = [[]]
    for event in fit(state, planned.plan.task, planned.train, planned.check, options):
        if isinstance(event, events.Epoch):
            stamps.append([])
        elif type(event) in (events.Event, events.Step):
            stamps[-1].append((time.perf_counter(), planned.train.size))
    return rate_of([epoch for epoch in stamps if epoch])


class There:
    """A batch that lies in memory already, as many times as an epoch has batches."""

    def __init__(self, train: Source) -> None:
        self.one, self.like, self.count = next(iter(train.epoch(0))), train, train.count
        self.ready: Batch | None = None

    def __len__(self) -> int:
        return len(self.like)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        return (self.one for _ in range(start, len(self)))

    def to(self, batch: Batch, device: str, channels_last: bool) -> Batch:
        self.ready = self.ready or self.like.to(batch, device, channels_last)
        return self.ready


def loop(table: Path, network: str, args: argparse.Namespace, kept: Kept, key: Row) -> None:
    """Pairs of the two loops in this process."""
    planned = as_decided(table, network, args)
    print(f"{network}: loop, settings {planned.settings}")
    train, there = planned.train, There(planned.train)

    def row(call: Callable[[], float]) -> Row:
        return {"images_per_second": call()}

    epochs = args.epochs
    contestants: dict[str, Callable[[], Row]] = {
        "our loop": lambda: row(lambda: looped(planned, epochs)),
        "bare loop": lambda: row(lambda: bare(planned, train, iter(range(epochs)))),
        "bare, one batch": lambda: row(lambda: bare(planned, there, iter(range(epochs)))),
    }
    looped(planned, 1), bare(planned, train, iter(range(1)))  # warm
    found = interleaved(contestants, args.rounds, kept, {**key, "what": "loop"}, "images_per_second")
    report(network, "loop", found, "our loop")


def report(network: str, what: str, found: dict[str, list[Row]], us: str) -> None:
    """Each contestant's rate, and ours over it, pair by pair."""
    print(f"\n{network}, {what}: steady pictures per second")
    medians = {}
    for name, rows in found.items():
        values = [row["images_per_second"] for row in rows if row.get("images_per_second")]
        if not values:
            print(f"  {name:16} {next((row['error'] for row in rows if 'error' in row), 'no figure')}")
            continue
        medians[name] = median_interval(values)[0]
        pairs = ratios(found[us], rows, "images_per_second")
        told = "" if name == us or not pairs else f";  ours / this {with_interval(pairs)}"
        print(f"  {name:16} {with_interval(values)}{told}")
    others = {name: value for name, value in medians.items() if name not in (us, "bare, one batch")}
    if others and us in medians:
        best = max(others, key=lambda name: others[name])
        pairs = ratios(found[us], found[best], "images_per_second")
        print(
            f"  ours over the best ({PEERS[best].title if best in PEERS else best}): {with_interval(pairs)}"
        )


def contests(table: Path, listed: Path, network: str, args: argparse.Namespace, kept: Kept, key: Row) -> None:
    """Ours beside the peers, in one or two presets."""
    weights = weights_file(network, table.parent)
    peers = available(args.peers, args.envs)
    for what, preset in (("defaults", "own"), ("same", "same")):
        if what not in args.what:
            continue
        job = job_of(args, listed, weights, network, preset)
        if preset == "same":
            settings = as_decided(table, network, args).settings
            job |= {k: v for k, v in settings.items() if k != "threads" or v}
            print(f"{network}: everybody with {settings}")
        contestants: dict[str, Callable[[], Row]] = {"foveal": partial(ours_once, table, network, args)}
        contestants |= {peer: partial(answered, peer, job, args.envs, args.timeout) for peer in peers}
        found = interleaved(contestants, args.rounds, kept, {**key, "what": what}, "images_per_second")
        chosen: Row = next((row["chosen"] for row in found["foveal"] if "chosen" in row), {})
        report(network, what, found, "foveal")
        words = (
            "batch",
            "precision",
            "optimizer",
            "augment",
            "workers",
            "cache",
            "compile",
            "threads",
            "layout",
        )
        print("  ours chose", json.dumps({k: chosen[k] for k in words if k in chosen}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["resnet18", "efficientnet_lite0"])
    parser.add_argument(
        "--what", nargs="+", choices=("defaults", "same", "loop"), default=["defaults", "loop"]
    )
    parser.add_argument("--peers", nargs="+", choices=TRAINERS, default=list(TRAINERS))
    parser.add_argument("--pictures", type=int, default=640)
    parser.add_argument("--side", type=int, default=500)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0, help="for the peers; 0: as they are")
    parser.add_argument("--timeout", type=float, default=1800)
    parser.add_argument("--envs", type=Path, default=ENVS)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    kept = Kept(args.keep)
    with tempfile.TemporaryDirectory() as home:
        rows = synthetic(Path(home), args.pictures, args.side, val=64)
        table, listed = written(rows, Path(home))
        for network in args.networks:
            key = {"network": network, "size": args.size, "pictures": args.pictures, "epochs": args.epochs}
            if {"defaults", "same"} & set(args.what):
                contests(table, listed, network, args, kept, key)
            if "loop" in args.what:
                loop(table, network, args, kept, key)
    print(
        f"\n{args.pictures} drawn pictures of {args.side} px, trained at {args.size} px, {args.epochs} epochs"
    )
    print(machine())
    print(versions("torchvision", "timm", "pillow", "foveal"))


if __name__ == "__main__":
    main()
