"""The tasks on which benchmarks/portfolio.py looks for settings that do well elsewhere: small sets, small networks.

Real pictures of public sets, made small: whole pictures, objects cut out of their boxes, and pieces of pictures whose
label is what lies in their middle. None of them are digits, on which searches are compared (benchmarks/rungs.py).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

Parts = tuple[Tensor, Tensor, Tensor, Tensor]
Labelled = Iterator[tuple[Image.Image, int]]
JUDGED = 600
"""Pictures to validate at most: more than a user has, so that chance says less of which setting is good."""


def folders(home: Path, dice: np.random.Generator, limit: int) -> Labelled:
    """Pictures in class folders, equally many of each class."""
    classes = sorted(p for p in home.iterdir() if p.is_dir())
    for label, folder in enumerate(classes):
        files = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg", ".jpeg"))
        for place in dice.permutation(len(files))[: limit // len(classes)]:
            yield Image.open(files[place]), label


def boxes(home: Path, dice: np.random.Generator, limit: int) -> Labelled:
    """Objects cut out of their boxes (Pascal VOC's files), equally many of each class where there are so many."""
    found: dict[str, list[tuple[Path, tuple[int, ...]]]] = {}
    for file in sorted(home.rglob("*.xml")):
        picture = next(
            p
            for p in (file.with_suffix(".jpg"), home / "JPEGImages" / f"{file.stem}.jpg")
            if p.is_file() or p.parent.name == "JPEGImages"
        )
        for one in ET.parse(file).iter("object"):
            corners = tuple(
                int(float(one.findtext(f"bndbox/{n}", "0"))) for n in ("xmin", "ymin", "xmax", "ymax")
            )
            if corners[2] - corners[0] > 7 and corners[3] - corners[1] > 7:
                found.setdefault(one.findtext("name", ""), []).append((picture, corners))
    for label, name in enumerate(sorted(found)):
        for place in dice.permutation(len(found[name]))[: limit // len(found)]:
            picture, corners = found[name][place]
            yield Image.open(picture).convert("RGB").crop(corners), label


def pieces(
    pictures: list[Path], label_of: Callable[[Path, int, int], int | None], side: int, dice: np.random.Generator,
    limit: int, classes: int,
) -> Labelled:  # fmt: skip
    """Square pieces at random places, labelled by what lies in their middle; equally many of each class."""
    left = [limit // classes] * classes
    opened = {file: Image.open(file).convert("RGB") for file in pictures}
    for _ in range(60 * limit):
        file = pictures[dice.integers(len(pictures))]
        width, height = opened[file].size
        x, y = int(dice.integers(width - side)), int(dice.integers(height - side))
        label = label_of(file, x + side // 2, y + side // 2)
        if label is not None and left[label]:
            left[label] -= 1
            yield opened[file].crop((x, y, x + side, y + side)), label


def _streets(home: Path, dice: np.random.Generator, limit: int) -> Labelled:
    kept = {0: 0, 1: 1, 3: 2, 5: 3, 8: 4}  # sky, building, road, tree, car
    masks = {file.name: np.asarray(Image.open(file)) for file in sorted(home.glob("*annot/*.png"))}
    files = sorted(p for part in ("train", "val", "test") for p in (home / part).glob("*.png"))
    return pieces(files, lambda f, x, y: kept.get(int(masks[f.name][y, x])), 48, dice, limit, 5)


SETS: dict[str, Callable[[Path, np.random.Generator, int], Labelled]] = {
    "cifar10/train": folders, "fashion_mnist/train": folders, "flowers5_small": folders, "bccd": boxes,
    "fruits": boxes, "CamVid": _streets,
}  # fmt: skip


def plain(widths: tuple[int, ...], norm: bool) -> Callable[[int, int], nn.Module]:
    """Convolutions of 3x3 with rectifiers and pooling, and the mean over all places before the last layer."""

    def made(channels: int, classes: int) -> nn.Module:
        layers: list[nn.Module] = []
        for place, width in enumerate(widths):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=not norm)]
            layers += [nn.BatchNorm2d(width)] * norm + [nn.ReLU()]
            layers += [nn.MaxPool2d(2)] * (place < len(widths) - 1)
            channels = width
        net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
        return initialised(net)

    return made


class Block(nn.Module):
    """Two convolutions and what they are added to (He et al. 2016)."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.past = nn.Conv2d(before, width, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.path(x) + self.past(x))


def residual(width: int) -> Callable[[int, int], nn.Module]:
    """Three residual blocks, as in the small networks of He et al. 2016, section 4.2."""

    def made(channels: int, classes: int) -> nn.Module:
        return initialised(nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            Block(width, width, 1), Block(width, 2 * width, 2), Block(2 * width, 4 * width, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes),
        ))  # fmt: skip

    return made


def initialised(net: nn.Module) -> nn.Module:
    """Weights as He et al. 2015."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return net


@dataclass(frozen=True)
class Made:
    """A small network; the rate that the plan would give it is that of the network `like` it."""

    make: Callable[[int, int], nn.Module]
    like: str = "resnet9"


NETWORKS = {
    "two convolutions": Made(plain((16, 32), True)),
    "three convolutions": Made(plain((16, 32, 64), True)),
    "three without norm": Made(plain((16, 32, 64), False), "vgg11"),
    "residual": Made(residual(12)),
}


@dataclass(frozen=True)
class Task:
    """What is trained: `count` pictures of `data` with `side` pixels, for so many epochs in batches of `batch`: the
    plan's or twice that, as it is where somebody gives another."""

    data: str
    network: str
    side: int
    count: int
    epochs: int
    batch: int

    @property
    def name(self) -> str:
        pictures = f"{self.side} px, {self.count} pictures"
        return f"{self.data}, {self.network}, {pictures}, {self.epochs} epochs of {self.batch}"

    def parts(self, home: Path) -> Parts:
        """Pictures `NCHW` to train on and to validate, with their labels; of the mean and deviation of the first."""
        dice = np.random.default_rng(len(self.name))
        wanted = self.count + JUDGED
        found = list(SETS[self.data](home / self.data, dice, wanted))
        grey = self.data == "fashion_mnist/train"
        small = [
            np.asarray(p.convert("L" if grey else "RGB").resize((self.side, self.side), Image.Resampling.BOX))
            for p, _ in found
        ]
        x = torch.from_numpy(np.stack(small)).float().div(255)
        x = x[:, None] if grey else x.permute(0, 3, 1, 2)
        y = torch.tensor([label for _, label in found])
        order = torch.from_numpy(dice.permutation(len(y)))
        x, y = x[order].contiguous(), y[order]
        train = x[: self.count]
        x = (x - train.mean((0, 2, 3), keepdim=True)) / train.std((0, 2, 3), keepdim=True)
        return x[: self.count], y[: self.count], x[self.count :], y[self.count :]


TASKS = (
    Task("cifar10/train", "two convolutions", 16, 500, 10, 32),
    Task("cifar10/train", "three convolutions", 12, 600, 12, 64),
    Task("cifar10/train", "residual", 12, 300, 8, 32),
    Task("fashion_mnist/train", "two convolutions", 14, 200, 8, 16),
    Task("fashion_mnist/train", "three convolutions", 14, 1000, 5, 64),
    Task("fashion_mnist/train", "three without norm", 14, 500, 12, 32),
    Task("fashion_mnist/train", "residual", 10, 500, 8, 64),
    Task("flowers5_small", "three convolutions", 20, 400, 8, 32),
    Task("flowers5_small", "two convolutions", 16, 600, 15, 64),
    Task("bccd", "two convolutions", 16, 300, 6, 32),
    Task("bccd", "three without norm", 16, 400, 10, 32),
    Task("fruits", "three convolutions", 20, 200, 15, 16),
    Task("CamVid", "two convolutions", 16, 500, 8, 64),
    Task("CamVid", "residual", 12, 300, 10, 16),
)
