"""Losses of class maps: one number a picture, of its counted pixels only."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.views import IGNORED

SOURCE = (
    "cross-entropy: Long et al. 2015, Fully Convolutional Networks; Dice: Milletari et al. 2016, V-Net, with the plain "
    "sums of Sudre et al. 2017; focal: Lin et al. 2017, gamma 2; cross-entropy and Dice added: Isensee et al. 2021, "
    "nnU-Net"
)
NAMES = ("cross-entropy", "dice", "focal", "cross-entropy+dice", "focal+dice")
GAMMA = 2.0


def losses(name: str, logits: Tensor, truths: Tensor, weights: Tensor | None = None) -> Tensor:
    """The loss of each picture, `B`, of logits `BCHW` and class indices `BHW`; pixels that are `IGNORED` do not count,
    and a picture without any other costs nothing. With p the softmax's probability of a pixel's own class:

    `cross-entropy`: the mean over pixels of -log p;
    `focal`: the mean over pixels of -(1 - p)^2 log p, so that what is learned already hardly counts any more;
    `dice`: 1 less the mean, over the classes that occur in the picture, of 2 I / (P + T): I sums a class's
    probability where it is true, P everywhere, T counts its pixels.

    Sums are the sums of these. `weights` `C` say how much pixels of each class count in the means over pixels.
    """
    logs = logits.float().log_softmax(1)
    counted = truths != IGNORED
    own = torch.where(counted, truths, 0).long()
    picked = logs.gather(1, own[:, None])[:, 0]
    total = logs.new_zeros(len(logs))
    for part in name.split("+"):
        if part == "dice":
            total = total + _dice(logs, truths, counted)
            continue
        each = -picked if part == "cross-entropy" else -((1 - picked.exp()) ** GAMMA) * picked
        if weights is not None:
            each = each * weights[own]
        # where nothing counts, also what is not a number does not
        each = torch.where(counted, each, 0)
        total = total + each.flatten(1).sum(1) / counted.flatten(1).sum(1).clamp_min(1)
    return total


def _dice(logs: Tensor, truths: Tensor, counted: Tensor) -> Tensor:
    classes = torch.arange(logs.shape[1], device=logs.device)[:, None, None]
    there = truths[:, None] == classes
    said = torch.where(counted[:, None], logs.exp(), 0)
    shared, wanted = (said * there).sum((2, 3)), there.sum((2, 3))
    found = wanted > 0
    overlap = torch.where(found, 2 * shared / (said.sum((2, 3)) + wanted).clamp_min(1e-6), 0).sum(1)
    occurring = found.sum(1)
    return torch.where(occurring > 0, 1 - overlap / occurring.clamp_min(1), 0)
