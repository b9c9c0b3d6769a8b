"""What happens to a whole batch on the device, after normalisation: rectangles erased, pictures blended.

Erasing: Zhong et al. 2020, Random Erasing, algorithm 1 (in its random-noise form; shapes drawn on a log scale, so
that tall and wide are as likely, as in timm and torchvision). MixUp: Zhang et al. 2018, equation 1.
CutMix: Yun et al. 2019, equations 1 and 2. Neighbours in the batch are paired, as in torchvision.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..contracts import Task
from ..values import Batch

ERASED_AREA = (0.02, 0.33)
ERASED_SHAPE = (0.3, 3.3)
"""Height over width."""
TRIES = 10
OWN_STREAM = 0x4D4958  # the order of the pictures is drawn from the same seeds


def mixed(
    batch: Batch, task: Task, *, mixup: float, cutmix: float, erase: float, seed: tuple[int, int, int]
) -> Batch:
    """The batch with pictures erased in places, then blended in pairs, and truths to match.

    Args:
        batch: pictures float `BCHW`, normalised, on any device; it is left as it is.
        mixup: each picture is blended with its neighbour, its share from Beta(mixup, mixup); 0: not.
        cutmix: a rectangle of the neighbour is pasted in, its area from Beta(cutmix, cutmix); 0: not.
            Where both are given, each batch is drawn for one of them.
        erase: a picture's probability that a rectangle of it becomes normal noise.
        seed: of the run, the epoch and the batch, which alone decide; torch's own generators stay as they are.

    Of a batch that several processes share, each draws as for all of it. Blending wants the picture before the first
    one, too, which must come with the batch (`shares.Share.neighbour`) and is left out afterwards.

    Raises:
        ValueError: pictures are to be blended, and the task has no truth for that.
    """
    draw = np.random.default_rng((*seed, OWN_STREAM))
    images = _erased(batch, erase, draw) if erase else batch.images
    if not (mixup or cutmix):
        return replace(batch, images=images)
    by_cut = bool(cutmix) and (not mixup or draw.random() < 0.5)
    alpha = cutmix if by_cut else mixup
    images, share = (_pasted if by_cut else _blended)(images, float(draw.beta(alpha, alpha)), draw)
    order = torch.arange(len(images), device=images.device).roll(1)
    truths = task.mix(batch.truths, order, share)
    if truths is None:
        raise ValueError(f"the task {task.name} has no truth for blended pictures")
    if not batch.whole:
        return replace(batch, images=images, truths=truths)
    return replace(batch, images=images[1:], truths=truths[1:], ids=batch.ids[1:], seats=batch.seats[1:])


def _erased(batch: Batch, probability: float, draw: np.random.Generator) -> Tensor:
    height, width = batch.images.shape[-2:]
    seats = batch.seats or range(len(batch.images))
    chosen = np.flatnonzero(draw.random(batch.whole or len(seats)) < probability).tolist()
    places = {number: _rectangle(height, width, draw) for number in chosen}
    # a generator of the device's own: the noise is made where it is needed, and nothing waits for it
    noise = torch.Generator(batch.images.device).manual_seed(int(draw.integers(2**63)))
    images = batch.images.clone()
    here = {seat: row for row, seat in enumerate(seats)}
    for number, place in places.items():
        if place is not None:
            # the noise of pictures that other processes have is drawn as well, so that ours is the same
            picture = images[here[number]] if number in here else torch.empty_like(images[0])
            picture[:, place[0], place[1]].normal_(generator=noise)
    return images


def _rectangle(height: int, width: int, draw: np.random.Generator) -> tuple[slice, slice] | None:
    """A place of random area and shape inside the picture; None where ten draws did not fit."""
    for _ in range(TRIES):
        area = draw.uniform(*ERASED_AREA) * height * width
        shape = math.exp(draw.uniform(*np.log(ERASED_SHAPE)))
        h, w = max(1, round(math.sqrt(area * shape))), max(1, round(math.sqrt(area / shape)))
        if h < height and w < width:
            top, left = int(draw.integers(height - h + 1)), int(draw.integers(width - w + 1))
            return slice(top, top + h), slice(left, left + w)
    return None


def _blended(images: Tensor, share: float, draw: np.random.Generator) -> tuple[Tensor, float]:
    return images.lerp(images.roll(1, 0), 1 - share), share


def _pasted(images: Tensor, share: float, draw: np.random.Generator) -> tuple[Tensor, float]:
    """The pictures with a rectangle of their neighbours, and the share of the area that stayed."""
    height, width = images.shape[-2:]
    rows = _stretch(height, math.sqrt(1 - share), draw)
    columns = _stretch(width, math.sqrt(1 - share), draw)
    made = images.clone()
    made[..., rows, columns] = images.roll(1, 0)[..., rows, columns]
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start)
    return made, 1 - pasted / (height * width)


def _stretch(side: int, share: float, draw: np.random.Generator) -> slice:
    """`share` of a side round a random middle, cut off at the ends."""
    middle, half = int(draw.integers(side)), int(side * share / 2)
    return slice(max(0, middle - half), min(side, middle + half))
