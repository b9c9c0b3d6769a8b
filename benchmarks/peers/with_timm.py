"""timm's own parts put together as its `train.py` does: loader, augmentation, task, optimizer.

timm's training loop lives in a script of its repository and is no part of the package; what is here are
the package's parts in that script's order. Preset `own`: the script's defaults (batch 128, SGD, colour
jitter, smoothing 0.1, four loading processes at most as many as cores), but on the CPU.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import job as jobs
import torch
from timm.data import create_loader  # type: ignore[attr-defined]
from timm.loss import LabelSmoothingCrossEntropy  # type: ignore[attr-defined]
from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]
from torch.utils.data import DataLoader

from pictures import Pictures, accuracy, autocast, check_transform, laid_out, network


def loss_of(net: torch.nn.Module, smoothing: float) -> Any:
    """timm's training task where this timm has one, else its loss around the network."""
    try:
        from timm.task import ClassificationTask
    except ImportError:  # before timm 1.0.20 or so
        criterion: Any = LabelSmoothingCrossEntropy
        criterion = criterion(smoothing)
        return lambda images, labels: {"loss": criterion(net(images), labels)}
    return ClassificationTask(
        net, criterion_kwargs={"smoothing": smoothing}, device=torch.device("cpu"), verbose=False
    )


def main() -> None:
    job = jobs.read()
    own = job.preset == "own"
    if own:
        job = dataclasses.replace(job, precision="fp32", channels_last=False, smoothing=0.1, batch=128)
    rows = job.part("train")
    batch = min(job.batch, len(rows))
    pictures: Any = Pictures(rows)
    train = create_loader(
        pictures, (3, job.size, job.size), batch, is_training=True, mean=job.mean, std=job.std,
        num_workers=min(4, os.cpu_count() or 1) if own else 0, color_jitter=0.4 if own else 0.0,
        interpolation="random" if own else "bilinear", device=torch.device("cpu"), pin_memory=False,
        persistent_workers=own,
    )  # fmt: skip
    check = DataLoader(Pictures(job.part("val"), check_transform(job)), 64)
    net = network(job)
    task = loss_of(net, job.smoothing)
    optimizer = create_optimizer_v2(
        net, opt="sgd", lr=job.lr, weight_decay=2e-5 if own else job.weight_decay, momentum=job.momentum
    )
    watch = jobs.Watch(job)
    for _ in range(job.epochs):
        net.train()
        for images, labels in train:
            with autocast(job):
                loss = task(laid_out(images, job), labels)["loss"]
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            watch.step(len(labels))
        watch.epoch(accuracy(net, check, job))
    watch.answer(batch=batch, precision=job.precision, loss=float(loss.detach()))


if __name__ == "__main__":
    main()
