"""All that is claimed of a GPU, in one call.

    pip install airbench                       # the sprint's peer; not a dependency of Foveal
    python benchmarks/gpu.py [DATA] [--only limits resnet50 waits sprint] [--pairs 10] [--runs 10]
        [--keep gpu.jsonl]

Claims checked: ResNet-50 training at 224 px on synthetic pictures at least 0.98 of a bare compiled
channels-last autocast loop, and how far both are from what the memory's bandwidth allows (about 0.27 GB
of traffic a picture); not one synchronisation inside an epoch; and the sprint recipe to 94 % on CIFAR-10
(DATA, as `foveal train` reads it) in at most the time of the `airbench` package, side by side.

`limits` measures matrix products and bandwidth of this GPU. `resnet50`: the product's loop and the bare
one train the same network, compiled, on uint8 pictures that lie on the GPU and are normalised there; in
turn, after a first epoch each that compiles and warms up, the clock read only when the GPU is done. The bare
loop is also run on pictures normalised already. `waits` counts the synchronisations torch notices in an
epoch of the product's loop. `sprint` calls benchmarks/sprint.py.

Without CUDA it says so and ends with 2. `--device cpu` with tiny sizes tries its parts without one:
    python benchmarks/gpu.py --device cpu --network resnet18 --size 32 --batch 4 --steps 3 --no-compile \
        --only resnet50 waits
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import limits
import torch
from measure import Kept, Row, interleaved, machine, median_interval, ratios, versions, with_interval
from torch import nn
from torch.nn import functional as F

from foveal import catalog, events
from foveal.contracts import Task
from foveal.data.views import normalise
from foveal.loop.fit import fit
from foveal.loop.state import State
from foveal.machine.device import autocast
from foveal.options import FitOptions, Stage
from foveal.values import Batch, Preprocessing

GB_A_PICTURE = 0.27
"""Traffic of training ResNet-50 at 224 px in bf16: 11.1 million activations of two bytes, moved about 12 times."""
SEE = Preprocessing(224)
CLASSES = 1000


class Synthetic:
    """Pictures that lie on the device as uint8 already: what the loop takes for a split."""

    def __init__(self, args: argparse.Namespace, steps: int) -> None:
        self.steps, self.count = steps, steps * args.batch
        draw = torch.Generator().manual_seed(0)
        shape = (args.batch, 3, args.size, args.size)
        layout = torch.channels_last
        self.images = [
            torch.randint(256, shape, dtype=torch.uint8, generator=draw)
            .to(args.device)
            .contiguous(memory_format=layout)
            for _ in range(min(4, steps))
        ]
        self.truths = torch.randint(CLASSES, (args.batch,), generator=draw).to(args.device)
        self.ids = [str(n) for n in range(args.batch)]

    def __len__(self) -> int:
        return self.steps

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        return (
            Batch(self.images[n % len(self.images)], self.truths, self.ids) for n in range(start, self.steps)
        )

    def to(self, batch: Batch, device: str, channels_last: bool) -> Batch:
        return Batch(normalise(batch.images, SEE), batch.truths, batch.ids)


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def network_of(args: argparse.Namespace) -> nn.Module:
    """The network on the device, channels last, compiled where asked: the same for both loops."""
    torch.manual_seed(0)
    build = catalog.find("architectures", args.network).build
    made: nn.Module = build(args.network, outputs=CLASSES, channels=3, size=args.size)
    made = made.to(args.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if args.compile:
        made.compile()
    return made


def options_of(args: argparse.Namespace, epochs: int) -> FitOptions:
    stage = Stage("all", "all", epochs, 1e-4, "constant", 0.0)
    return FitOptions(
        stages=(stage,), optimizer="sgd", momentum=0.9, weight_decay=1e-4, patience=99, seed=0,
        device=args.device, precision="bf16", head="fc", batch=args.batch,
    )  # fmt: skip


def is_step(event: events.Event) -> bool:
    """Whether an event says that an optimizer step was made."""
    return isinstance(event, events.Step) or type(event) is events.Event


def ours(args: argparse.Namespace, network: nn.Module, task: Task, epochs: int = 2) -> Row:
    """Pictures per second of the product's loop within its last epoch, from its first step on. The epoch
    before takes up the first 50 steps, each of which is reported, and so waits for the GPU."""
    train, check, o = Synthetic(args, args.steps), Synthetic(args, 1), options_of(args, epochs)
    state, stamps = State(network, o), [0.0, 0.0]
    for event in fit(state, task, train, check, o):  # type: ignore[arg-type]
        if is_step(event) and state.batch in (1, args.steps):
            wait(args.device)
            stamps = [time.perf_counter(), 0.0] if state.batch == 1 else [stamps[0], time.perf_counter()]
    return {"images_per_second": (args.steps - 1) * args.batch / (stamps[1] - stamps[0])}


def bare(args: argparse.Namespace, network: nn.Module, ready: bool = False) -> Row:
    """The same of a loop as a person would write it; `ready`: on pictures that are normalised already."""
    train = Synthetic(args, args.steps)
    decayed = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=1e-4, momentum=0.9, nesterov=True, fused=True)
    network.train()
    done = normalise(train.images[0], SEE) if ready else None
    began = 0.0
    for step, batch in enumerate(train.epoch(0)):
        images = normalise(batch.images, SEE) if done is None else done
        optimizer.zero_grad(set_to_none=True)
        with autocast(args.device, "bf16"):
            loss = F.cross_entropy(network(images), batch.truths)
        torch.autograd.backward(loss)
        optimizer.step()
        if step == 0:
            wait(args.device)
            began = time.perf_counter()
    wait(args.device)
    return {"images_per_second": (args.steps - 1) * args.batch / (time.perf_counter() - began)}


def task_of() -> Task:
    task: Task = catalog.find("tasks", "classify").build(tuple(f"class {n}" for n in range(CLASSES)))
    return task


def resnet50(args: argparse.Namespace, kept: Kept, bandwidth: float) -> None:
    """Pairs of the two loops, beside the bandwidth's bound (bytes per second; 0: not measured)."""
    task, mine, theirs = task_of(), network_of(args), network_of(args)
    began = time.perf_counter()
    ours(args, mine, task)
    bare(args, theirs)
    print(f"compiled and warm after {time.perf_counter() - began:.0f} s", flush=True)
    contestants: dict[str, Callable[[], Row]] = {
        "our loop": partial(ours, args, mine, task),
        "bare loop": partial(bare, args, theirs),
        "bare, pictures ready": partial(bare, args, theirs, True),
    }
    key = {"what": args.network, "batch": args.batch, "size": args.size, "steps": args.steps}
    found = interleaved(contestants, args.pairs, kept, key, "images_per_second")
    print(
        f"\n{args.network} at {args.size} px, batch {args.batch}, bf16, channels last, compiled: {args.compile}"
    )
    for name, rows in found.items():
        values = [row["images_per_second"] for row in rows]
        told = (
            ""
            if name == "our loop"
            else f"; ours / this {with_interval(ratios(found['our loop'], rows, 'images_per_second'))}"
        )
        bound = (
            f"; {median_interval(values)[0] * GB_A_PICTURE * 1e9 / bandwidth:.0%} of the bandwidth's"
            if bandwidth
            else ""
        )
        print(f"  {name:22} {with_interval(values, ' pictures/s')}{told}{bound}")
    if bandwidth:
        print(
            f"  bound by the memory: {bandwidth / 1e9 / GB_A_PICTURE:,.0f} pictures/s ({GB_A_PICTURE} GB each)"
        )


def waits(args: argparse.Namespace) -> None:
    """How often an epoch of the product's loop waits for the GPU, as torch notices it."""
    steps = max(100, args.steps) if args.device.startswith("cuda") else args.steps
    train, check, o = Synthetic(args, steps), Synthetic(args, 1), options_of(args, 1)
    state, said = State(network_of(args), o), []
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        if args.device.startswith("cuda"):
            torch.cuda.set_sync_debug_mode("warn")
        before = 0
        for event in fit(state, task_of(), train, check, o):  # type: ignore[arg-type]
            if is_step(event):
                now = sum("synchroniz" in str(w.message) for w in seen)
                said.append(now - before)
                before = now
        if args.device.startswith("cuda"):
            torch.cuda.set_sync_debug_mode("default")
    late = said[50:]
    print(
        f"\nsynchronisations that torch noticed: {sum(said[:50])} in the first {len(said[:50])} steps "
        f"(each of which is reported), {sum(late)} in the {len(late)} after them (of which "
        "the last is reported, and one every quarter of a second)"
    )


def sprint(args: argparse.Namespace) -> int:
    words = [sys.executable, str(Path(__file__).with_name("sprint.py")), str(args.data)]
    words += ["--runs", str(args.runs), "--device", args.device, "--peer"]
    print("\n" + " ".join(words[1:]), flush=True)
    return subprocess.run(words).returncode


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    pieces = ("limits", "resnet50", "waits", "sprint")
    parser.add_argument("data", nargs="?", default="cifar10")
    parser.add_argument("--only", nargs="+", choices=pieces, default=list(pieces))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--network", default="resnet50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=60, help="an epoch; more than 50")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        print("no CUDA here: nothing of this can be measured on this machine", file=sys.stderr)
        return 2
    name = torch.cuda.get_device_name() if args.device.startswith("cuda") else args.device
    print(
        f"{name}\n{machine()}\n{versions('torchvision', 'timm', 'triton', 'airbench', 'foveal')}", flush=True
    )
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    bandwidth = 0.0
    if "limits" in args.only:
        _, bandwidth = limits.measured(args.device, 1.0, 3)
    if "resnet50" in args.only:
        resnet50(args, Kept(args.keep), bandwidth * limits.GIGA)
    if "waits" in args.only:
        waits(args)
    return sprint(args) if "sprint" in args.only else 0


if __name__ == "__main__":
    sys.exit(main())
