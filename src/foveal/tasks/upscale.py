"""The same picture with more pixels: super-resolution, x2, x3 or x4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..contracts import View
from ..data.decoding import sides
from ..data.views import as_it_is
from ..errors import DataError, OptionError, UnknownNameError
from ..structure import tiles
from ..structure.layers import evaluating
from ..values import Batch, Dataset, Evaluation, Headline, Item, Preprocessing, Step, Target
from . import _asked, _pictures
from ._pictures import as_picture, bicubic, brightness, cut_to_multiple, inner, psnr, rounded, smaller, ssim

SOURCE = (
    "Dong et al. 2014, Learning a Deep Convolutional Network for Image Super-Resolution; L1: Lim et al. 2017 (EDSR), "
    f"section 3; Charbonnier: Lai et al. 2017; self-ensemble: Timofte et al. 2016, section 3.6; {_pictures.SOURCE}"
)
WHY_L1 = (
    "the mean absolute difference: edges come out sharper than with squares, which shun large errors, and PSNR is no "
    "worse (Lim et al. 2017; Zhao et al. 2017). No last activation: the network adds to the bicubic picture, and what "
    "it adds has both signs"
)
DEFAULTS = {
    "loss": ("l1", WHY_L1),
    "scale": (2, "twice the sides, the least that is asked for; --scale 3 or 4 for more"),
    "ensemble": (False, "eight views take four to eight times as long for about 0.1 dB"),
}
LOSSES = _pictures.LOSSES
SCALE = (0.0, 1.0)
SCALES = (2, 3, 4)
SAMPLE: tuple[None, ...] = (None,) * 8
"""Pictures are their own truths."""
TILE, OVERLAP = 320, 96
"""Pixels of small pictures: larger ones are enlarged in tiles."""
SIDE, BATCH = 96, 16
STEPS = 2000
"""Of training at least, where no time is given."""


@dataclass(frozen=True)
class Upscale(_asked.OfPictures):
    """Super-resolution. Pictures are shown large, and `step` makes the small ones: bicubic with antialiasing, rounded
    to 8 bit. With `pairs` the data has both, and pictures are shown small. `predict` enlarges what it is given."""

    labels: tuple[str, ...]
    loss: str = "l1"
    scale: int = 2
    ensemble: bool = False
    """Whether pictures are enlarged as the mean over their eight mirror images and turns."""
    pairs: bool = False

    name = "upscale"
    headline = Headline("PSNR", higher_is_better=True)
    chance = None
    dense = True
    own_sizes = True
    outputs = 1
    """A picture."""
    """What is explained where only a place is told."""

    def knows(self, truth: Any) -> bool:
        """Whether the picture is its own truth, or where the data has both, another one is."""
        return _pictures.is_pair(truth) if self.pairs else truth is None

    def truth(self, item: Item, image: Image.Image, root: str) -> Any:
        """None, or the large picture, uint8 `CHW`.

        Raises:
            PictureError: it cannot be read.
            DataError: it is not `scale` times as large.
        """
        if item.truth is None:
            return None
        large = _pictures.target(item, image, root)
        if large.shape[-2:] != (image.height * self.scale, image.width * self.scale):
            raise DataError(
                f"{item.truth['picture']} has {large.shape[-1]} x {large.shape[-2]} pixels, and {item.path}, the small "
                f"one, {image.width} x {image.height}.",
                f"Pairs of which the large picture has {self.scale} times the sides (--scale {self.scale}).",
                "Give another --scale, or leave the pair out with --exclude.",
            )
        return large

    def building(self) -> dict[str, Any]:
        return {"factor": self.scale}

    def view(self, preprocessing: Preprocessing) -> View:
        """The picture as it is."""
        return as_it_is

    def collate(self, truths: Sequence[Any]) -> Any:
        """The large pictures uint8 `BCHW`, or a list of None."""
        return _pictures.stacked(truths)

    def step(self, network: nn.Module, batch: Batch) -> Step:
        """Forward and loss, the mean over pictures. In evaluation outputs are a row of figures a picture; loss and
        figures are those of the picture as it is enlarged then, in tiles where it is large."""
        if isinstance(batch.truths, Tensor):
            small, large = batch.images, batch.truths.float() / 255
        else:
            large = cut_to_multiple(batch.images, self.scale)
            small = smaller(large, self.scale)
        if network.training:
            each = _pictures.losses(self.loss, network(small), large)
            return Step(each.mean(), {}, None, each.detach())
        made = self.enlarged(network, small)
        each = _pictures.losses(self.loss, made, large)
        rows = zip(made, small, large, each.tolist(), strict=True)
        return Step(each.mean(), {}, [self._judged(*row) for row in rows])

    def enlarged(self, network: nn.Module, small: Tensor) -> Tensor:
        """What the network makes of small pictures `BCHW` of values 0..1, not cut to these; large ones in tiles."""
        if not self.ensemble:
            return self._tiled(network, small)
        total = torch.zeros(())
        for turns in range(4):
            for mirrored in (False, True):
                seen = torch.rot90(small.flip(-1) if mirrored else small, turns, (-2, -1))
                back = torch.rot90(self._tiled(network, seen), -turns, (-2, -1))
                total = total.to(back.device) + (back.flip(-1) if mirrored else back)
        return total / 8

    def _tiled(self, network: nn.Module, small: Tensor) -> Tensor:
        if not _is_large(small):
            made: Tensor = network(small).float()
            return made
        return tiles.run(network, small, TILE, OVERLAP, self.scale, at_once=1)

    def _judged(self, made: Tensor, small: Tensor, large: Tensor, loss: float) -> dict[str, float]:
        """PSNR and SSIM on the brightness of 8-bit pictures without a border of `scale` pixels, as papers do, of what
        the network and what bicubic interpolation makes."""
        plain = bicubic(small[None], (large.shape[-2], large.shape[-1]))[0]
        found = {"loss": loss}
        true = inner(brightness(rounded(large[None])), self.scale)[0]
        for name, image in (("", made), ("bicubic_", plain)):
            seen = inner(brightness(rounded(image[None])), self.scale)[0]
            found |= {f"{name}PSNR": psnr(seen, true), f"{name}SSIM": ssim(seen, true)}
        return found

    def predict(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> list[list[dict[str, Any]]]:
        """For each picture one row: `picture`, with `scale` times its sides."""
        if self.ensemble or not _is_large(images):
            return [[{"picture": as_picture(made)}] for made in self.enlarged(network, images)]
        return [[{"picture": self._in_bands(network, one[None])}] for one in images]

    def _in_bands(self, network: nn.Module, small: Tensor) -> Image.Image:
        """A large picture `1CHW` enlarged, of which a band at a time is held as anything but 8-bit pixels."""
        whole: Image.Image | None = None
        for top, band in tiles.bands(network, small, TILE, OVERLAP, self.scale, at_once=1):
            part = as_picture(band[0])
            if whole is None:
                whole = Image.new(part.mode, (part.width, small.shape[-2] * self.scale))
            whole.paste(part, (0, top))
        assert whole is not None, "there is a picture"
        return whole

    def remade(
        self, network: nn.Module, image: Image.Image, preprocessing: Preprocessing
    ) -> dict[str, Image.Image]:
        """A data set's picture made small and enlarged again, by bicubic interpolation and by the network, beside
        itself; a small one of a pair enlarged both ways. By what they are."""
        given = _pictures.as_values(image)
        small = given if self.pairs else smaller(cut_to_multiple(given, self.scale), self.scale)
        device = next(network.parameters(), given).device
        with torch.inference_mode(), evaluating(network):
            made = self.enlarged(network, small.to(device))[0].cpu()
        plain = bicubic(small, (made.shape[-2], made.shape[-1]))[0]
        shown = {"small, enlarged by bicubic": as_picture(plain), "upscaled": as_picture(made)}
        return shown if self.pairs else shown | {"true": as_picture(cut_to_multiple(given, self.scale)[0])}

    def mix(self, truths: Any, order: Tensor, share: float | Tensor) -> Any:
        """None: no picture is a blend of two."""
        return None

    def score(self, outputs: Tensor, targets: Sequence[Target]) -> Tensor:
        """How much detail the pictures made have in each target's place, or how bright they are there (`_asked`)."""
        return _asked.score(outputs, targets)

    def meter(self) -> UpscaleMeter:
        return UpscaleMeter()

    def card(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "labels": list(self.labels),
            "loss": self.loss,
            "scale": self.scale,
            "ensemble": self.ensemble,
            "pairs": self.pairs,
        }


def _is_large(images: Tensor) -> bool:
    return max(images.shape[-2:]) > TILE


def build(
    labels: Sequence[str], *, loss: str = "l1", scale: int = 2, ensemble: bool = False, pairs: bool = False
) -> Upscale:
    """The task; pictures have no labels.

    Raises:
        OptionError: an unknown loss or scale.
    """
    if loss not in LOSSES:
        raise UnknownNameError("loss for pictures", loss, LOSSES)
    if scale not in SCALES:
        raise OptionError(f"--scale was given as {scale!r}.", "--scale 2, 3 or 4.", "Give one of these.")
    return Upscale(tuple(labels), loss, scale, bool(ensemble), bool(pairs))


def from_data(dataset: Dataset) -> dict[str, Any]:
    """Whether the data has pairs.

    Raises:
        DataError: it has pairs and single pictures.
    """
    return {"pairs": has_pairs(dataset)}


def has_pairs(dataset: Dataset) -> bool:
    """Whether every picture has another one as its truth.

    Raises:
        DataError: some have and some have not.
    """
    kinds = {_pictures.is_pair(item.truth) for item in dataset.items}
    if len(kinds) > 1:
        lone = [item.id for item in dataset.items if not _pictures.is_pair(item.truth)]
        raise DataError(
            f"{dataset.root} has pairs of pictures and {len(lone)} pictures without another: {', '.join(lone[:3])}.",
            "Pairs only, or pictures only.",
            "Leave the others out with --exclude.",
        )
    return kinds == {True}


def factor_of(dataset: Dataset) -> int | None:
    """How many times as large the targets of pairs are, by the first pair that can be read; None where that is no
    `SCALES`."""
    for item in dataset.items:
        small, large = (sides(Path(dataset.root, path)) for path in (item.path, item.truth["picture"]))
        if small and large:
            return next((n for n in SCALES if large == (small[0] * n, small[1] * n)), None)
    return None


def prefers(dataset: Dataset) -> dict[str, tuple[Any, str]]:
    """What super-resolution wants otherwise than classification."""
    count = len(dataset.part("train"))
    batch = max(1, min(BATCH, count))
    steps = max(1, count // batch)
    told = factor_of(dataset) if has_pairs(dataset) else None
    return {
        **({"scale": (told, f"the targets have {told} times the sides of their pictures")} if told else {}),
        "network": (
            "edsr_small",
            "half as deep and wide as EDSR's baseline: a processor learns it in minutes",
        ),
        "size": (SIDE, "patches at the pictures' own scale; a multiple of 2, 3 and 4"),
        "batch": (batch, "every pixel is an example (Lim et al. 2017: 16 patches)"),
        "augment": (
            "patches",
            "places, mirror images and quarter turns: all else would change what pixels are",
        ),
        "optimizer": ("adamw", "Adam, as in all of its papers"),
        "lr": (1e-3, "ten times EDSR's 1e-4, which small networks bear and short trainings need"),
        "weight_decay": (0.0, "none in its papers: pictures are no labels to learn by heart"),
        "schedule": ("onecycle", "fastest from scratch (Smith & Topin 2018)"),
        "epochs": (max(10, min(1000, -(-STEPS // steps))), f"about {STEPS:,} steps"),
    }


class UpscaleMeter:
    """Gathers each picture's figures."""

    def __init__(self) -> None:
        self.found: list[dict[str, float]] = []
        self.ids: list[str] = []

    def add(self, step: Step, batch: Batch) -> None:
        self.found += step.outputs
        self.ids += batch.ids

    def result(self, split: str) -> Evaluation:
        """PSNR in dB with its bootstrap interval over pictures, SSIM, both for bicubic interpolation too, and `gain`,
        how many dB the network has more; means over pictures. Examples have the same figures."""
        table = {name: np.array([row[name] for row in self.found]) for name in self.found[0]}
        table["gain"] = table["PSNR"] - table["bicubic_PSNR"]
        return _pictures.evaluation(split, self.ids, table)
