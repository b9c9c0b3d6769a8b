"""Foveal's loop against thirty lines of plain PyTorch with equal settings: same losses, and at what speed.

    python benchmarks/same_maths.py [--pairs 10] [--epochs 4]

The two run in turn, each from the same weights over the same batches. Losses are compared bit for
bit; the speed's ratio (bare time / our time; 1 is equal) is the median over the pairs. Nothing is watched: what
that costs is benchmarks/watching.py's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from measure import machine, median_interval
from torch.nn import functional as F

from foveal import catalog, events
from foveal.data.batches import Batches
from foveal.data.views import evaluation_view, normalise
from foveal.loop.evaluation import evaluate
from foveal.loop.fit import fit
from foveal.loop.state import State
from foveal.options import FitOptions, ReadOptions, Stage
from foveal.readers import prepare
from foveal.schedules import onecycle
from foveal.values import Preprocessing

PRE = Preprocessing(8, 1, (0.5,), (0.25,))


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    made: torch.nn.Module = catalog.find("architectures", "resnet9").build(
        "resnet9", outputs=10, channels=1, size=8
    )
    return made.to(memory_format=torch.channels_last)


def bare(train: Batches, val: Batches, task: object, epochs: int) -> tuple[list[float], float]:
    """The loop as a person would write it: train, and judge after every epoch."""
    net, losses = network(), []
    decayed = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True, fused=True)
    step, steps = 0, epochs * len(train)
    began = time.perf_counter()
    for epoch in range(epochs):
        net.train()
        for batch in train.epoch(epoch):
            rate = 0.05 * onecycle.factor(step / steps, 0.25)
            for group in optimizer.param_groups:
                group["lr"] = rate
            images = normalise(batch.images, PRE).contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images), batch.truths, label_smoothing=0.1)
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.item())
            step += 1
        evaluate(net, task, val, "val")  # type: ignore[arg-type]
    return losses, time.perf_counter() - began


def ours(train: Batches, val: Batches, task: object, epochs: int) -> tuple[list[float], float]:
    """The same through the product's loop."""
    stage = Stage("train", "all", epochs, 0.05, "onecycle", 0.25)
    options = FitOptions(
        stages=(stage,), optimizer="sgd", momentum=0.9, weight_decay=5e-4, patience=99, seed=0,
        device="cpu", precision="fp32", head="fc", batch=64,
    )  # fmt: skip
    state, losses = State(network(), options), []
    began = time.perf_counter()
    before = torch.zeros((), dtype=torch.float64)
    for event in fit(state, task, train, val, options):  # type: ignore[arg-type]
        if isinstance(event, events.Epoch):
            before = torch.zeros((), dtype=torch.float64)
        elif type(event) in (events.Step, events.Event):
            losses.append(float(state.loss_sum - before))
            before = state.loss_sum.clone()
    return losses, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        dataset, _ = prepare("digits", ReadOptions(data_home=str(Path(home))), 0)
        task = catalog.find("tasks", "classify").build(dataset.labels, label_smoothing=0.1)
        view = evaluation_view(PRE)
        train = Batches(dataset.root, dataset.part("train"), task, view, PRE, 64, shuffle=True)
        val = Batches(dataset.root, dataset.part("val"), task, view, PRE, 64)
        bare(train, val, task, 1), ours(train, val, task, 1)  # warm
        ratios, equal, widest = [], True, 0.0
        for pair in range(args.pairs):
            runs = {}
            for loop in (bare, ours) if pair % 2 else (ours, bare):
                runs[loop] = loop(train, val, task, args.epochs)
            differences = [abs(a - b) for a, b in zip(runs[bare][0], runs[ours][0], strict=True)]
            widest = max(widest, *differences)
            equal = equal and widest < 1e-9  # the sum's float64 rounding; one float32 step is 1e-7
            ratios.append(runs[bare][1] / runs[ours][1])
            print(
                f"pair {pair}: bare {runs[bare][1]:.2f} s, ours {runs[ours][1]:.2f} s, ratio {ratios[-1]:.3f}",
                flush=True,
            )
    middle, low, high = median_interval(ratios)
    print(
        f"losses {'equal' if equal else 'DIFFER'}: {len(differences)} steps, widest difference {widest:.1e}"
    )
    print(
        f"speed {middle:.3f} of the bare loop [{low:.3f}, {high:.3f}], median of {len(ratios)} interleaved pairs"
    )
    print(machine())


if __name__ == "__main__":
    main()
