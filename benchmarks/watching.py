"""What watching costs: the same training with and without a watch, side by side.

    python benchmarks/watching.py [--rounds 5] [--what small resnet photographs] [--seconds 13]

Claims checked: watching takes at most two per cent of the training time, or a second in all; and it counts what it
takes truly. In each round both sides train the same steps on made pictures, in turn, half a second each, so that
whatever else the machine does meets both; told is the ratio of the times, how many seconds more that is, and what
the watch says of its own cost. `small` (three convolutions on pictures of 8 px, 400 steps) may take its second;
`resnet` (ResNet-18 at 32 px) and `photographs` (EfficientNet-Lite0 at 128 px) train for so many seconds a side and
round, and may take their two per cent only, as trainings of more than 50 seconds may. Under 6 minutes on two cores.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import torch
from measure import machine, with_interval
from torch import nn

from foveal import catalog
from foveal.loop.fit import descend, looking
from foveal.loop.state import State
from foveal.options import FitOptions, Stage
from foveal.storage import to_json
from foveal.tasks import classify
from foveal.values import Batch
from foveal.watch.looking import LEAST, Watch

CLASSES = 10
TASK = classify.build([str(n) for n in range(CLASSES)])
KINDS = {"small": (8, 64), "resnet": (32, 64), "photographs": (128, 16)}
"""Side and batch."""
FIRST = 3
"""Steps of each side that are not timed."""
STEPS, FEWEST = 400, 12
SLICE = 0.5
"""Seconds that one side trains before it is the other's turn."""


def network(kind: str) -> tuple[nn.Module, str]:
    torch.manual_seed(0)
    if kind == "small":
        layers: list[nn.Module] = []
        for before, after in ((3, 16), (16, 32), (32, 32)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES)), "11"
    name = "resnet18" if kind == "resnet" else "timm/tf_efficientnet_lite0"
    family = catalog.find("architectures", name)
    more = {"stem": "small"} if kind == "resnet" else {}
    made = family.build(name, outputs=CLASSES, channels=3, size=KINDS[kind][0], **more)
    return made.to(memory_format=torch.channels_last), family.head(name)


@dataclass
class Side:
    """One training, its steps made in slices."""

    state: State
    shown: Batch
    seconds: float = 0.0

    def train(self, steps: int, timed: bool = True) -> None:
        state = self.state
        state.start_clock()
        began = time.perf_counter()
        for _ in range(steps):
            with looking(state, TASK, self.shown):
                loss = descend(state, TASK, self.shown, state.options)
            state.step += 1
            if state.watch is not None:
                for seen in state.watch.telling(state, loss):
                    to_json(seen.to_json())  # as a run keeps it
            state.tick()
        if timed:
            self.seconds += time.perf_counter() - began


def side(kind: str) -> Side:
    """A training of this kind, warm, with nothing that watches it."""
    pixels, batch = KINDS[kind]
    made, head = network(kind)
    stage = Stage("all", "all", 1, 0.01, "constant", 0.0)
    options = FitOptions(
        stages=(stage,), optimizer="sgd", momentum=0.9, weight_decay=5e-4, patience=9, seed=0, device="cpu",
        precision="fp32", head=head, batch=batch,
    )  # fmt: skip
    state = State(made, options)
    state.enter(0)
    made.train()
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(batch, 3, pixels, pixels, generator=draw).contiguous(
        memory_format=torch.channels_last
    )
    truths = torch.randint(0, CLASSES, (batch,), generator=draw)
    ready = Side(state, Batch(images, truths, [str(n) for n in range(batch)]))
    ready.train(FIRST, timed=False)
    state.step = 0
    return ready


def paired(kind: str, turn: int, seconds: float) -> tuple[int, Side, Side]:
    """Steps a side, and both sides, the watched one first, when they are done."""
    watched, plain = side(kind), side(kind)
    plain.train(FIRST)
    each, plain.seconds = plain.seconds / FIRST, 0.0
    steps = STEPS if kind == "small" else min(STEPS, max(FEWEST, round(seconds / each)))
    least = LEAST if kind == "small" else 0.0
    watched.state.watch = Watch(steps=steps, least=least)
    portion = max(1, round(SLICE / each))
    for number, start in enumerate(range(0, steps, portion)):
        order = (watched, plain) if (number + turn) % 2 else (plain, watched)
        for one in order:
            one.train(min(portion, steps - start))
    return steps, watched, plain


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=13.0)
    parser.add_argument("--what", nargs="+", choices=list(KINDS), default=list(KINDS))
    args = parser.parse_args()
    print(machine())
    for kind in args.what:
        ratios, more, own, looks, times = [], [], [], [], []
        for turn in range(args.rounds):
            steps, watched, plain = paired(kind, turn, args.seconds)
            watch = watched.state.watch
            assert watch is not None
            ratios.append(watched.seconds / plain.seconds)
            more.append(watched.seconds - plain.seconds)
            own.append(watch.spent)
            looks.append(watch.looks)
            times.append(plain.seconds)
        print(
            f"{kind}, {steps} steps of {KINDS[kind][1]} pictures of {KINDS[kind][0]} px, {min(times):.1f} s unwatched"
        )
        print(f"  time with / without: {with_interval(ratios)}")
        print(
            f"  seconds more: {with_interval(more)}; by its own count: {with_interval(own)}; {max(looks)} looks"
        )


if __name__ == "__main__":
    main()
