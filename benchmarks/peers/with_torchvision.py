"""Loading alone with torchvision: `ImageFolder` and DataLoader, Pillow pictures or v2 on tensors.

`torchvision-pil` is what the examples do (Pillow, then ToTensor and Normalize); `torchvision-v2` decodes
to tensors and keeps them uint8 to the end, the fastest way its documentation names. Both draw random
resized crops, bilinear and antialiased, and mirror; the first also normalises, since its users must.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import job as jobs
import torch
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from pictures import Pictures, training_transform


class Decoded(torch.utils.data.Dataset[tuple[Any, int]]):
    """Pictures decoded to uint8 tensors, cropped and mirrored as tensors."""

    def __init__(self, rows: list[tuple[str, int]], size: int) -> None:
        self.rows = rows
        self.transform = v2.Compose([v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip()])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        from torchvision.io import ImageReadMode, decode_image

        path, label = self.rows[place]
        return self.transform(decode_image(path, ImageReadMode.RGB)), label


def forever(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def main() -> None:
    job = jobs.read()
    rows = job.part("train")
    pil = job.peer == "torchvision-pil"
    data: Any = Pictures(rows, training_transform(job)) if pil else Decoded(rows, job.size)
    batches = forever(DataLoader(data, job.batch, shuffle=True, drop_last=True))
    next(batches), next(batches)
    began, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < job.seconds:
        count += len(next(batches)[1])
    jobs.say(
        job,
        images=count,
        seconds=time.perf_counter() - began,
        loading_cpu_seconds=time.process_time() - cpu,
        filter="bilinear, antialiased",
    )


if __name__ == "__main__":
    main()
