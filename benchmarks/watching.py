"""What watching costs: the same training with and without a watch, in turn.

    python benchmarks/watching.py [--rounds 5] [--what small resnet photographs] [--steps 400]

Claim checked: watching takes at most two per cent of the training time, or a second in all. Each round trains the
same steps on made pictures, once watched and once not, the order turned round each time; told is the ratio of the
times, and what the watch says of its own cost. `small`: three convolutions on pictures of 8 px; `resnet`: ResNet-18
at 32 px; `photographs`: EfficientNet-Lite0 at 224 px, with a tenth of the steps.
"""

from __future__ import annotations

import argparse
import time

import torch
from measure import machine, with_interval
from torch import nn

from foveal import catalog
from foveal.fit import descend, looking
from foveal.options import FitOptions, Stage
from foveal.state import State
from foveal.tasks import classify
from foveal.values import Batch
from foveal.watch.looking import Watch

CLASSES = 10
TASK = classify.build([str(n) for n in range(CLASSES)])
KINDS = {"small": (8, 64, 1.0), "resnet": (32, 64, 1.0), "photographs": (224, 16, 0.1)}
"""Side, batch, and share of the steps."""


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


def trained(kind: str, steps: int, watched: bool) -> tuple[float, State]:
    """Seconds for so many steps, the first five left out of the time."""
    side, batch, _ = KINDS[kind]
    made, head = network(kind)
    stage = Stage("all", "all", 1, 0.01, "constant", 0.0)
    options = FitOptions(
        stages=(stage,), optimizer="sgd", momentum=0.9, weight_decay=5e-4, patience=9, seed=0, device="cpu",
        precision="fp32", head=head, batch=batch,
    )  # fmt: skip
    state = State(made, options, watch=Watch(steps=steps) if watched else None)
    state.enter(0)
    made.train()
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(batch, 3, side, side, generator=draw).contiguous(memory_format=torch.channels_last)
    shown = Batch(images, torch.randint(0, CLASSES, (batch,), generator=draw), [str(n) for n in range(batch)])
    began = time.perf_counter()
    for step in range(steps + 5):
        if step == 5:
            began = time.perf_counter()
            if state.watch is not None:
                state.watch.spent = 0.0
        with looking(state, TASK, shown):
            loss = descend(state, TASK, shown, options)
        state.step += 1
        state.tick()
        if state.watch is not None:
            state.watch.told(state, loss)
    return time.perf_counter() - began, state


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--what", nargs="+", choices=list(KINDS), default=list(KINDS))
    args = parser.parse_args()
    print(machine())
    for kind in args.what:
        steps = max(20, round(args.steps * KINDS[kind][2]))
        ratios, own, looks, seconds = [], [], [], []
        for turn in range(args.rounds):
            times: dict[bool, float] = {}
            for watched in (True, False) if turn % 2 else (False, True):
                times[watched], state = trained(kind, steps, watched)
                if state.watch is not None:
                    own.append(state.watch.spent / times[True])
                    looks.append(state.watch.looks)
            ratios.append(times[True] / times[False])
            seconds.append(times[False])
        print(
            f"{kind}, {steps} steps of {KINDS[kind][1]} pictures of {KINDS[kind][0]} px, {min(seconds):.1f} s unwatched"
        )
        print(f"  time with / without: {with_interval(ratios)}")
        print(f"  by its own count: {with_interval([100 * v for v in own], ' %')}; {max(looks)} looks")


if __name__ == "__main__":
    main()
