"""A bare PyTorch loop, as a person writes it. Preset `own`: as in PyTorch's own tutorial, nothing tuned."""

from __future__ import annotations

import dataclasses

import job as jobs
import torch
from torch.nn import functional as F

from pictures import accuracy, autocast, laid_out, loaders, network


def main() -> None:
    job = jobs.read()
    if job.preset == "own":
        job = dataclasses.replace(
            job, precision="fp32", channels_last=False, fused=False, compiled=False, smoothing=0.0, batch=32
        )
    train, check = loaders(job, job.batch)
    net = network(job)
    if job.compiled:
        net.compile()
    optimizer = torch.optim.SGD(
        net.parameters(), lr=job.lr, momentum=job.momentum, weight_decay=job.weight_decay, fused=job.fused
    )
    watch = jobs.Watch(job)
    for _ in range(job.epochs):
        net.train()
        for images, labels in train:
            optimizer.zero_grad()
            with autocast(job):
                loss = F.cross_entropy(net(laid_out(images, job)), labels, label_smoothing=job.smoothing)
            torch.autograd.backward(loss)
            optimizer.step()
            watch.losses.append(loss.item())
            watch.step(len(labels))
        watch.epoch(accuracy(net, check, job))
    watch.answer(batch=job.batch, precision=job.precision, loss=watch.losses[-1])


if __name__ == "__main__":
    main()
