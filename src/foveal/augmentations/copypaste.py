"""Objects of one picture pasted, by their masks, onto another of the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from ..contracts import Pair, View
from ..data import objects
from ..values import Facts, Preprocessing
from . import jitter

SOURCE = (
    "Ghiasi et al. 2021, Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation"
)
TASKS = ("instances",)
SHARE = 0.5
"""Of the pictures that get others' objects."""
FEWEST = 4
"""Pixels of an object that must be left to be seen beneath what is pasted on it."""


def build(
    preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int = 9
) -> View:
    return jitter.build(preprocessing, facts, flip=flip, scratch=scratch, magnitude=magnitude)


def among(preprocessing: Preprocessing) -> CopyPaste:
    return CopyPaste()


@dataclass(frozen=True)
class CopyPaste:
    """Half of a batch's pictures get some objects of another, each drawn with even chances, where they lay there;
    what they hide is taken from the masks and boxes beneath, and what they hide wholly is gone."""

    def __call__(self, pairs: list[Pair]) -> list[Pair]:
        found = []
        for own, pair in enumerate(pairs):
            other = int(torch.randint(len(pairs), ()))
            if float(torch.rand(())) < SHARE and other != own:
                pair = pasted(pair, pairs[other])
            found.append(pair)
        return found


def pasted(pair: Pair, other: Pair) -> Pair:
    """A picture and its truth with some objects of another on it, both of one size."""
    source = objects.visible(other[1])
    drawn = torch.rand(len(source["labels"])) < 0.5
    above = objects.chosen(source, drawn & ~source["ignored"])
    if not len(above["labels"]):
        return pair
    image, truth = pair
    over = above["masks"].as_subclass(Tensor).any(0)
    picture = Image.composite(other[0], image, Image.fromarray(over.numpy().astype(np.uint8) * 255))
    beneath = _hidden(objects.visible(truth), over)
    return picture, objects.joined([beneath, above])


def _hidden(truth: dict[str, Any], over: Tensor) -> dict[str, Any]:
    """The objects with what lies under `over` (`HW`) taken away."""
    masks = truth["masks"].as_subclass(Tensor) & ~over
    keep = masks.flatten(1).sum(1) >= FEWEST
    boxes = truth["boxes"].as_subclass(Tensor).clone()
    changed = masks.flatten(1).sum(1) < truth["masks"].as_subclass(Tensor).flatten(1).sum(1)
    for n in torch.nonzero(changed & keep).flatten().tolist():
        boxes[n] = torch.tensor(objects.box_of(masks[n].numpy()))
    moved = {
        **truth,
        "masks": tv_tensors.Mask(masks),
        "boxes": tv_tensors.wrap(boxes, like=truth["boxes"]),
    }
    return objects.chosen(moved, keep)
