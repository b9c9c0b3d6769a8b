"""What the torch peers share: pictures as a data set, the usual transforms, the network with its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from job import Job
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Pictures(Dataset[tuple[Any, int]]):
    """Pictures of a part, decoded by Pillow, as torchvision's ImageFolder does."""

    def __init__(self, rows: list[tuple[str, int]], transform: Callable[[Any], Any] | None = None) -> None:
        self.rows, self.transform = rows, transform

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        path, label = self.rows[place]
        with Path(path).open("rb") as stream:
            image = Image.open(stream).convert("RGB")
        return (self.transform(image) if self.transform else image), label


def training_transform(job: Job) -> Callable[[Any], Any]:
    """Random resized crop and mirroring, as in torchvision's and PyTorch's examples."""
    found: Callable[[Any], Any] = T.Compose(
        [
            T.RandomResizedCrop(job.size),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            T.Normalize(job.mean, job.std),
        ]
    )
    return found


def check_transform(job: Job) -> Callable[[Any], Any]:
    """The shorter side to size / 0.875, then the middle."""
    found: Callable[[Any], Any] = T.Compose(
        [
            T.Resize(int(job.size / 0.875), T.InterpolationMode.BICUBIC),
            T.CenterCrop(job.size),
            T.ToTensor(),
            T.Normalize(job.mean, job.std),
        ]
    )
    return found


def loaders(job: Job, batch: int) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Training pictures shuffled, in full batches, and validation pictures."""
    train = Pictures(job.part("train"), training_transform(job))
    check = Pictures(job.part("val"), check_transform(job))
    return DataLoader(train, batch, shuffle=True, drop_last=True), DataLoader(check, 64)


def network(job: Job, classes: int | None = None) -> torch.nn.Module:
    """The job's network; weights whose shapes fit are taken from its file, so a new head stays new."""
    torch.manual_seed(job.seed)
    outputs = job.classes if classes is None else classes
    if job.network == "efficientnet_lite0":
        import timm

        made: torch.nn.Module = timm.create_model("tf_efficientnet_lite0", num_classes=outputs)
    else:
        from torchvision import models

        made = models.get_model(job.network, weights=None, num_classes=outputs)
    if job.weights:
        from safetensors.torch import load_file

        own = made.state_dict()
        given = {k: v for k, v in load_file(job.weights).items() if k in own and own[k].shape == v.shape}
        made.load_state_dict(given, strict=False)
    return made.to(memory_format=torch.channels_last) if job.channels_last else made


def laid_out(images: torch.Tensor, job: Job) -> torch.Tensor:
    """The batch in the memory layout the job asks for."""
    return images.contiguous(memory_format=torch.channels_last) if job.channels_last else images


def autocast(job: Job) -> torch.autocast:
    return torch.autocast("cpu", DTYPES[job.precision], enabled=job.precision != "fp32")


@torch.inference_mode()
def accuracy(made: torch.nn.Module, check: DataLoader[Any], job: Job) -> float:
    """Share of validation pictures that are told right."""
    made.eval()
    right = count = 0
    for images, labels in check:
        with autocast(job):
            right += int((made(laid_out(images, job)).argmax(1) == labels).sum())
        count += len(labels)
    made.train()
    return right / max(1, count)
