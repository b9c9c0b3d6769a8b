"""Rendered pictures of shapes at random places, and a small network that has learned to tell them apart.

What an explanation should say of them is known: each shape's box is.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.data.views import normalise
from foveal.tasks.classify import Classify, build
from foveal.values import Preprocessing
from once import once

LABELS = ("cross", "disc", "ring", "stripes", "triangle")
SIDE = 64
HALF = (7.0, 10.0)
"""Half of a shape's width, in pixels: the least and the most."""
APART = 27.0
"""Pixels at least between the middles of two shapes in one picture."""
PRE = Preprocessing(SIDE, 3, (0.45, 0.45, 0.45), (0.25, 0.25, 0.25))
TRAIN, VAL = 1600, 400
"""Pictures to learn from and to be judged by."""


def render(kinds: Sequence[Sequence[int]], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Pictures uint8 `B3HW` of 64 px, each with the shapes that its row of `kinds` says (places in `LABELS`;
    as many in each row), and their boxes `BN4`: x0, y0, x1, y1 in pixels, x1 and y1 outside."""
    draw = np.random.default_rng([seed, len(kinds)])
    pictures = np.empty((len(kinds), SIDE, SIDE, 3), np.uint8)
    boxes = np.empty((len(kinds), len(kinds[0]), 4), np.int64)
    for n, row in enumerate(kinds):
        image = _ground(draw)
        middles = _middles(len(row), draw)
        for m, kind in enumerate(row):
            half = draw.uniform(*HALF)
            y, x = np.mgrid[:SIDE, :SIDE] + 0.5 - middles[m][:, None, None]
            inside = _inside(kind, x / half, y / half, turned=bool(draw.integers(2)))
            colour = draw.uniform(0, 255, 3)
            colour[draw.integers(3)] = draw.uniform(215, 255)
            image[inside] = colour
            rows, columns = np.nonzero(inside.any(1))[0], np.nonzero(inside.any(0))[0]
            boxes[n, m] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        pictures[n] = np.clip(image + draw.normal(0, 10, image.shape), 0, 255)
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(boxes)


def pictures(count: int, seed: int, objects: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """As many pictures, the kinds of their shapes `BN` (no kind twice in one picture) and their boxes `BN4`."""
    draw = np.random.default_rng([seed, count, objects])
    kinds = np.stack([draw.permutation(len(LABELS))[:objects] for _ in range(count)])
    images, boxes = render(kinds.tolist(), seed)
    return images, torch.from_numpy(kinds), boxes


def _ground(draw: np.random.Generator) -> NDArray[np.float64]:
    """A dark background that varies slowly, with colours."""
    coarse = torch.from_numpy(draw.uniform(10, 120, (1, 3, 4, 4)))
    smooth = F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=False)[0]
    return smooth.permute(1, 2, 0).numpy().copy()


def _middles(count: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """Row and column of as many points, far enough apart and from the edges."""
    while True:
        found = draw.uniform(HALF[1] + 1, SIDE - HALF[1] - 1, (count, 2))
        gaps = np.linalg.norm(found[:, None] - found[None], axis=2) + np.eye(count) * SIDE
        if gaps.min() >= APART:
            return found


def _inside(kind: int, x: NDArray[np.float64], y: NDArray[np.float64], turned: bool) -> NDArray[np.bool_]:
    """Which pixels belong to a shape, by their places in units of its half width."""
    radius, square = np.hypot(x, y), (abs(x) < 1) & (abs(y) < 1)
    if turned:
        x, y = y, -x
    return {
        "cross": square & ((abs(x) < 0.3) | (abs(y) < 0.3)),
        "disc": radius < 1,
        "ring": (radius < 1) & (radius > 0.6),
        "stripes": square & (np.floor((x + 1) * 2.5) % 2 == 0),
        "triangle": square & (y > 2 * abs(x) - 1),
    }[LABELS[kind]]


class Net(nn.Module):
    """Five convolutions with batch normalisation, stride 8, the mean over places, a linear layer."""

    def __init__(self, outputs: int = len(LABELS), widths: Sequence[int] = (16, 24, 32, 48, 64)) -> None:
        super().__init__()
        strides, kernels = (2, 1, 2, 2, 1), (5, 3, 3, 3, 3)
        layers: list[nn.Module] = []
        for before, after, stride, kernel in zip((3, *widths), widths, strides, kernels, strict=False):
            layers += [
                nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.pool(self.features(x)).flatten(1))
        return out


def task() -> Classify:
    return build(LABELS)


@functools.cache
def training_pictures() -> tuple[Tensor, Tensor]:
    """What `trained()` has learned from: pictures uint8 `BCHW` and the places of their labels `B`."""
    images, kinds, _ = pictures(TRAIN, seed=1)
    return images, kinds[:, 0]


@functools.cache
def _learned() -> Net:
    with torch.random.fork_rng(devices=[]):  # random states stay as they were
        network = Net()
    network.load_state_dict(once("shapes", lambda: dict(_taught().state_dict())))
    return network.eval()


def _taught() -> Net:
    """Trained in one thread, so that it is the same network everywhere."""
    images, kinds = training_pictures()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(0)
            network = Net()
            _train(network, normalise(images, PRE), kinds)
    finally:
        torch.set_num_threads(threads)
    return network


def _train(network: Net, inputs: Tensor, kinds: Tensor, epochs: int = 6, batch: int = 32) -> None:
    steps = epochs * -(-len(inputs) // batch)
    descent = torch.optim.AdamW(network.parameters(), 4e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(descent, 8e-3, steps, pct_start=0.3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs)).split(batch):
            seen = inputs[chosen]
            if torch.rand(()) < 0.5:
                seen = seen.flip(3)
            descent.zero_grad()
            F.cross_entropy(network(seen), kinds[chosen]).backward()
            descent.step()
            rate.step()
    network.zero_grad()


def trained() -> tuple[Net, Classify, Preprocessing]:
    """The network that has learned `LABELS` (a copy of its own for each who asks, in evaluation mode), its task
    and its preprocessing."""
    return copy.deepcopy(_learned()), task(), PRE


@functools.cache
def accuracy() -> float:
    """The share of new pictures that the trained network calls by their names."""
    images, kinds, _ = pictures(VAL, seed=2)
    with torch.no_grad():
        said = _learned()(normalise(images, PRE)).argmax(1)
    return float((said == kinds[:, 0]).float().mean())
