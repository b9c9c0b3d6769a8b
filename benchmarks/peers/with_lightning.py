"""Lightning: a LightningModule and a Trainer. Preset `own`: its precision and layout, the tutorial's batch."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import job as jobs
import lightning
import torch
from torch.nn import functional as F

from pictures import accuracy, laid_out, loaders, network


class Classifier(lightning.LightningModule):  # type: ignore[misc, unused-ignore]
    """The job's network and loss; notes every step."""

    def __init__(self, job: jobs.Job, check: Any) -> None:
        super().__init__()
        self.job, self.check, self.watch = job, check, jobs.Watch(job)
        self.net = network(job)

    def training_step(self, batch: Any, place: int) -> torch.Tensor:
        images, labels = batch
        return F.cross_entropy(
            self.net(laid_out(images, self.job)), labels, label_smoothing=self.job.smoothing
        )

    def on_train_batch_end(self, outputs: Any, batch: Any, place: int) -> None:
        self.watch.step(len(batch[1]))

    def on_train_epoch_end(self) -> None:
        self.watch.epoch(accuracy(self.net, self.check, self.job))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        job = self.job
        return torch.optim.SGD(
            self.parameters(),
            lr=job.lr,
            momentum=job.momentum,
            weight_decay=job.weight_decay,
            fused=job.fused,
        )


def main() -> None:
    warnings.simplefilter("ignore")
    job = jobs.read()
    if job.preset == "own":
        job = dataclasses.replace(job, precision="fp32", channels_last=False, fused=False, batch=32)
    lightning.seed_everything(job.seed)
    train, check = loaders(job, job.batch)
    model = Classifier(job, check)
    trainer = lightning.Trainer(
        accelerator="cpu", devices=1, max_epochs=job.epochs, enable_progress_bar=False, logger=False,
        enable_checkpointing=False, enable_model_summary=False,
        precision="bf16-mixed" if job.precision == "bf16" else "32-true",
    )  # fmt: skip
    trainer.fit(model, train)
    model.watch.answer(batch=job.batch, precision=job.precision)


if __name__ == "__main__":
    main()
