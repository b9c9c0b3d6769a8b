"""fastai: `fine_tune` or `fit_one_cycle` with its usual augmentation, and its loading alone.

Preset `own`: batch 64, its own number of loading processes, Adam, its augmentations. With `fine-tune`
the first epoch is frozen, as `fine_tune` has it, and `epochs` counts all of them.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import job as jobs
import pandas as pd
import torch
from fastai.vision import all as fv

from pictures import network

HEADS = {"resnet18": 2, "resnet50": 2, "efficientnet_lite0": 2}
"""Layers at the end that fastai cuts away for a head of its own."""
FEATURES = {"resnet18": 512, "resnet50": 2048, "efficientnet_lite0": 1280}


def data_of(job: jobs.Job, own: bool) -> Any:
    """Loaders from the job's split."""
    rows = [(p, str(n), part == "val") for part in ("train", "val") for p, n in job.part(part)]
    stats = fv.Normalize.from_stats(job.mean, job.std)
    varied = [*fv.aug_transforms(size=job.size), stats] if own else [fv.Flip(), stats]
    if job.do == "load":
        varied = [fv.Flip()]
    item = fv.Resize(job.size) if own else fv.RandomResizedCrop(job.size, min_scale=0.08)
    return fv.ImageDataLoaders.from_df(
        pd.DataFrame(rows, columns=["path", "label", "valid"]), path="/", fn_col="path", label_col="label",
        valid_col="valid", bs=job.batch, item_tfms=item, batch_tfms=varied,
        **({} if own else {"num_workers": 0}),
    )  # fmt: skip


class Noted(fv.Callback):  # type: ignore[misc, unused-ignore]
    """Notes every training step and epoch."""

    def __init__(self, watch: jobs.Watch) -> None:
        self.watch = watch

    def after_batch(self) -> None:
        if self.training:
            self.watch.step(len(self.yb[0]))

    def after_epoch(self) -> None:
        self.watch.epoch(self.recorder.metrics[0].value if self.recorder.metrics else None)


class InBf16(torch.nn.Module):
    """A network computed in bfloat16: fastai's own `to_bf16` knows CUDA only."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            out: torch.Tensor = self.inner(x)
        return out.float()


def learner(job: jobs.Job, data: Any, own: bool) -> Any:
    """The network whole with equal settings; else, as fastai has it, a body with the weights and a head
    of its own making."""
    if not own:
        net = InBf16(network(job)) if job.precision == "bf16" else network(job)
        return fv.Learner(
            data, net, metrics=fv.accuracy, opt_func=fv.partial(fv.SGD, mom=job.momentum),
            loss_func=fv.LabelSmoothingCrossEntropyFlat(eps=job.smoothing), wd=job.weight_decay,
        )  # fmt: skip
    body = torch.nn.Sequential(*list(network(job, classes=1000).children())[: -HEADS[job.network]])
    head = fv.create_head(FEATURES[job.network], data.c)
    whole = torch.nn.Sequential(body, head)
    fv.apply_init(whole[1], torch.nn.init.kaiming_normal_)
    return fv.Learner(
        data, whole, metrics=fv.accuracy,
        loss_func=fv.LabelSmoothingCrossEntropyFlat(),
        splitter=lambda net: [fv.params(net[0]), fv.params(net[1])],
    )  # fmt: skip


def load(job: jobs.Job) -> None:
    """Loading alone, for the job's seconds after a first pass over two batches."""
    data = data_of(job, own=False)
    batches, count = iter(data.train), 0
    next(batches), next(batches)
    began, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < job.seconds:
        try:
            count += len(next(batches)[1])
        except StopIteration:
            batches = iter(data.train)
    jobs.say(
        job,
        images=count,
        seconds=time.perf_counter() - began,
        loading_cpu_seconds=time.process_time() - cpu,
        filter="bilinear (Pillow, antialiased)",
    )


def main() -> None:
    job = jobs.read()
    if job.do == "load":
        load(job)
        return
    own = job.preset == "own"
    if own:
        job = dataclasses.replace(job, precision="fp32", channels_last=False, batch=64)
    fv.set_seed(job.seed)
    learn = learner(job, data_of(job, own), own)
    watch = jobs.Watch(job)
    learn.add_cb(Noted(watch))
    with learn.no_bar(), learn.no_logging():
        if job.do == "fine-tune":
            learn.fine_tune(job.epochs - 1, freeze_epochs=1)
        elif own:
            learn.fit_one_cycle(job.epochs)
        else:
            learn.fit(job.epochs, job.lr)
    watch.answer(batch=job.batch, precision=job.precision)


if __name__ == "__main__":
    main()
