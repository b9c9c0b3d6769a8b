"""A data set and a network that train in a second, for tests of the loop and what stands around it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from foveal.data.batches import Batches
from foveal.data.views import evaluation_view
from foveal.loop.state import State
from foveal.options import FitOptions, Stage
from foveal.tasks.classify import Classify, build
from foveal.values import Dataset, Facts, Item, Preprocessing

PRE = Preprocessing(12, 1, (0.5,), (0.25,))
LABELS = ("cross", "ring", "stripes")


def drawings(folder: Path, train: int = 48, val: int = 24, test: int = 24, seed: int = 0) -> Dataset:
    """Noisy 12 x 12 drawings of three kinds, in one .npy file."""
    draw = np.random.default_rng(seed)
    shapes = np.zeros((3, 12, 12))
    shapes[0, 5:7, :] = shapes[0, :, 5:7] = 1
    y, x = np.mgrid[:12, :12] - 5.5
    shapes[1][(np.hypot(x, y) > 3) & (np.hypot(x, y) < 5)] = 1
    shapes[2, ::3] = 1
    count = train + val + test
    kinds = np.arange(count) % 3
    images = shapes[kinds] * 170 + draw.normal(40, 30, (count, 12, 12))
    np.save(folder / "drawings.npy", images.clip(0, 255).astype(np.uint8))
    parts = ["train"] * train + ["val"] * val + ["test"] * test
    items = tuple(
        Item(f"drawings.npy#{n}", "drawings.npy", LABELS[k], part, n)
        for n, (k, part) in enumerate(zip(kinds, parts, strict=True))
    )
    facts = Facts(12, 12, 12, 12, True, 144 * count)
    return Dataset(str(folder), "classify", "test", "made for a test", LABELS, items, (), facts, "f")


class Tiny(nn.Module):
    """Convolution, batch normalisation, dropout and a head: all that has a state."""

    def __init__(self, outputs: int = 3, channels: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x)).relu()
        out: Tensor = self.fc(self.drop(x.amax((2, 3))))
        return out


def tiny(seed: int = 0) -> Tiny:
    torch.manual_seed(seed)
    return Tiny()


def task() -> Classify:
    return build(LABELS, label_smoothing=0.1)


def batches(dataset: Dataset, part: str, size: int = 8, **more: object) -> Batches:
    view = evaluation_view(PRE)
    made = Batches(dataset.root, dataset.part(part), task(), view, PRE, size, shuffle=part == "train")
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


def fit_options(**changes: object) -> FitOptions:
    """One stage of three epochs with SGD, in fp32."""
    stage = Stage("train", "all", 3, 0.05, "onecycle", 0.25)
    made = FitOptions(
        stages=(stage,), optimizer="sgd", momentum=0.9, weight_decay=5e-4, patience=99, seed=0,
        device="cpu", precision="fp32", head="fc", batch=8,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def equal(one: object, other: object) -> bool:
    """Bit for bit, through dicts and lists."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def fresh(**changes: object) -> State:
    return State(tiny(), fit_options(**changes))
