"""A class for every pixel: softmax and cross-entropy with Dice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision import tv_tensors

from ..contracts import View
from ..data import masks
from ..data.views import as_it_is, whole_view
from ..errors import OptionError, UnknownNameError
from ..structure import tiles
from ..values import Batch, Dataset, Headline, Item, Preprocessing, Step, Target
from . import _segment_losses, _segment_maps, _segment_measures
from ._asked import over_place
from ._segment_maps import Whole
from ._segment_meter import SegmentMeter
from ._targets import label_target

SOURCE = (
    f"{_segment_losses.SOURCE}; {_segment_measures.SOURCE}; target of explanations: Vinogradova et al. 2020"
)
DEFAULTS = {
    "loss": (
        "cross-entropy+dice",
        (
            "classes exclude each other at a pixel, so a softmax and its negative log-likelihood, also for two (two "
            "sigmoids could both say yes); its mean over pixels hardly counts small classes, which Dice counts as "
            "much as large ones; alone, Dice's gradients are unsteady (Isensee et al. 2021, nnU-Net)"
        ),
    ),
    "tiled": (False, "the whole picture at once, so that what lies far apart can tell of each other"),
}
LOSSES = _segment_losses.NAMES
SAMPLE: tuple[dict[str, Any], ...] = tuple(
    {"mask": f"{n}.png", "legend": {"0": "ground", "1": "cell", "2": "dust", "255": None}} for n in range(8)
)
"""Their masks are drawn where they are tried."""
LARGEST = 512
"""Side in pixels up to which pictures are seen at their own scale, where --size does not say otherwise."""
TILE, OVERLAP = 512, 128
"""Pixels of tiles, where pictures are seen at their own scale."""
STEPS = 600
FEW = 64
"""Training pictures below which batches are smaller, for more steps in the same time."""
COUNTED = 400
"""Training masks whose pixels are counted for weights, evenly taken."""


@dataclass(frozen=True)
class Segment:
    """Semantic segmentation. The classes exclude each other at a pixel, so the last activation is a softmax over the
    classes there; see `DEFAULTS` for the loss. Pixels that the truth says nothing of neither teach nor count."""

    labels: tuple[str, ...]
    loss: str = "cross-entropy+dice"
    class_weights: tuple[float, ...] = ()
    """How much a pixel of each class counts in the cross-entropy in training; empty: all 1."""
    tiled: bool = False
    """Whether pictures are seen at their own scale, large ones in overlapping tiles."""

    name = "segment"
    headline = Headline("mIoU", higher_is_better=True)
    chance: float | None = None
    dense = True

    @property
    def own_sizes(self) -> bool:
        return self.tiled

    @property
    def wants(self) -> dict[str, tuple[Any, str]]:
        """Options that follow from these, (value, reason)."""
        return (
            {"augment": ("patches", "at the pictures' own scale, as they will be seen")} if self.tiled else {}
        )

    @property
    def outputs(self) -> int:
        return len(self.labels)

    def knows(self, truth: Any) -> bool:
        """Whether a truth is a mask with a legend that names some of the labels, or objects of these labels."""
        if isinstance(truth, Mapping) and isinstance(truth.get("legend"), Mapping):
            return "mask" in truth and any(label in self.labels for label in truth["legend"].values())
        objects = truth.get("objects") if isinstance(truth, Mapping) else truth
        return isinstance(objects, list | tuple) and all(
            isinstance(one, Mapping) and one.get("label") in self.labels for one in objects
        )

    def truth(self, item: Item, image: Image.Image, root: str) -> dict[str, Any]:
        """`mask`, class indices `HW` that the view moves, and `whole`, which finds them again as they are."""
        whole = Whole(item.truth, image.size, root)
        return {"mask": masks.moving(item.truth, self.labels, image.size, root), "whole": whole}

    def building(self) -> dict[str, Any]:
        return {}

    def view(self, preprocessing: Preprocessing) -> View:
        return as_it_is if self.tiled else whole_view(preprocessing)

    def collate(self, truths: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """For each picture `mask` (`HW`, uint8, of the view) and `whole`."""
        return [{**truth, "mask": torch.as_tensor(_plain(truth["mask"]))} for truth in truths]

    def step(self, network: nn.Module, batch: Batch) -> Step:
        """Forward and loss: the mean over pictures of each one's own, at the network's scale. In evaluation outputs
        are how each picture was judged, in its own pixels: logits are enlarged, or made smaller, and not classes."""
        logits = network(batch.images) if network.training else self._seen(network, batch.images)
        truths = torch.stack([truth["mask"] for truth in batch.truths])
        weights = None
        if self.class_weights and network.training:
            weights = torch.tensor(self.class_weights, device=logits.device)
        each = _segment_losses.losses(self.loss, logits, truths, weights)
        if network.training:
            return Step(each.mean(), {}, None, each.detach())
        rows = zip(logits, batch.truths, each.tolist(), strict=True)
        return Step(
            each.mean(), {}, [_segment_maps.judged(one, t, loss, self.labels) for one, t, loss in rows]
        )

    def predict(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> list[list[dict[str, Any]]]:
        """For each picture a row a label that is seen on it, largest first: `label`, `share` of the picture's pixels,
        `probability` (its mean over these), and `mask`, the pixels as COCO's run lengths. The masks of a picture do
        not overlap and cover it."""
        maps = self.maps(network, images, sizes)
        return [_segment_maps.rows(*one, self.labels) for one in maps]

    def maps(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """For each picture of `sizes` (width, height) the most probable class of each pixel `HW` (255 where the network
        has gone wrong), and its probability."""
        if self._in_tiles(images):
            each = [tiles.bands(network, one[None], TILE, OVERLAP) for one in images]
            return [_segment_maps.map_of_bands(bands) for bands in each]
        logits = network(images)
        return [_segment_maps.own_map(one, size) for one, size in zip(logits, sizes, strict=True)]

    def _in_tiles(self, images: Tensor) -> bool:
        return self.tiled and max(images.shape[-2:]) > TILE

    def _seen(self, network: nn.Module, images: Tensor) -> Tensor:
        """Logits of pictures `BCHW`; at their own scale of large ones in tiles, which see less far round them."""
        if self._in_tiles(images):
            return tiles.run(network, images, TILE, OVERLAP)
        logits: Tensor = network(images)
        return logits

    def mix(self, truths: Any, order: Tensor, share: float | Tensor) -> Any:
        """None: a blend of two pictures has the edges of both."""
        return None

    def score(self, outputs: Tensor, targets: Sequence[Target]) -> Tensor:
        """For each picture the mean logit `B` of its target's label over the pixels that the network gives to that
        label (all, where it gives none), less that of the label it is held against; as in Seg-Grad-CAM. Of a target
        within a place, over all pixels of that place; of a mask, each by how much it counts."""
        found = []
        for logits, target in zip(outputs, targets, strict=True):
            place = self.labels.index(target.label)
            values = logits[place]
            if target.against in self.labels:
                values = values - logits[self.labels.index(target.against)]
            mean = over_place(values, target)
            if mean is not None:
                found.append(mean)
                continue
            there = (logits.detach().argmax(0) == place).to(values.dtype)
            there = there if there.any() else torch.ones_like(there)
            found.append((values * there).sum() / there.sum())
        return torch.stack(found)

    def placed(self, network: nn.Module) -> nn.Module:
        """Its outputs tell where as they are."""
        return network

    def targets(self, outputs: Tensor) -> list[Target]:
        """The label that has most pixels of each picture; the background only where there is nothing else."""
        counts = nn.functional.one_hot(outputs.argmax(1).flatten(1), len(self.labels)).sum(1).float()
        behind = background(self.labels)
        if behind is not None:
            counts[:, behind] = 0.5  # less than any pixel of another
        return [Target(self.labels[place]) for place in counts.argmax(1).tolist()]

    def target(self, words: str) -> Target:
        return label_target(words, self.labels)

    def meter(self) -> SegmentMeter:
        return SegmentMeter(self.labels, background(self.labels))

    def card(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "labels": list(self.labels),
            "loss": self.loss,
            "class_weights": list(self.class_weights),
            "tiled": self.tiled,
        }


def _plain(mask: Tensor) -> Tensor:
    return mask.as_subclass(Tensor) if isinstance(mask, tv_tensors.Mask) else mask


def background(labels: Sequence[str]) -> int | None:
    """The place of the label that means all the rest, by its name."""
    names = [label.lower().strip("_ ") for label in labels]
    return next((names.index(name) for name in ("background", "bg", "rest") if name in names), None)


def build(
    labels: Sequence[str],
    *,
    loss: str = "cross-entropy+dice",
    class_weights: Sequence[float] = (),
    tiled: bool = False,
) -> Segment:
    """The task for these labels.

    Raises:
        OptionError: an unknown loss.
    """
    if loss not in LOSSES:
        raise UnknownNameError("loss for class maps", loss, LOSSES)
    return Segment(tuple(labels), loss, tuple(map(float, class_weights)), bool(tiled))


def weighed(dataset: Dataset, balance: str) -> tuple[float, ...]:
    """A weight a label, inverse to its pixels on the training pictures, their mean over pixels 1: every class has as
    much to say in sum. Of more than `COUNTED` pictures that many are looked at.

    Raises:
        OptionError: pictures are to be drawn by class.
        PictureError: a mask cannot be read.
    """
    if balance != "weights":
        raise OptionError(
            f"--balance {balance} was given, but the task is {dataset.task}, where a picture holds many classes.",
            "--balance none or weights.",
            "Give --balance weights, or leave it to the Dice loss, which counts all classes alike.",
        )
    counts = _segment_maps.pixels(dataset, COUNTED)
    there = sum(count > 0 for count in counts)
    return tuple(sum(counts) / (there * count) if count else 1.0 for count in counts)


def prefers(dataset: Dataset) -> dict[str, tuple[Any, str]]:
    """What segmentation wants otherwise than classification."""
    facts, count = dataset.facts, len(dataset.part("train"))
    longer = max(facts.width, facts.height) if facts else LARGEST
    size = max(64, min(LARGEST, -(-longer // 32) * 32))
    why = f"the pictures' longer side of {longer} px, as a multiple of 32"
    if longer > LARGEST:
        why = (
            f"{LARGEST} px of the pictures' longer side of {longer}: twice the side takes four times as long; --tiled "
            "keeps their own scale"
        )
    batch = max(1, min(count, 8 if count >= FEW else 4))
    steps = max(1, count // batch)
    epochs = max(10, min(300, -(-STEPS // steps)))
    return {
        "network": ("unet", "U-Net keeps edges sharp and learns from few pictures (Ronneberger et al. 2015)"),
        "size": (size, why),
        "batch": (batch, "every pixel is an example: a few pictures are millions of them"),
        "augment": (
            "jitter",
            "scale, place and mirror images move picture and mask together (Chen et al. 2018)",
        ),
        "freeze": (
            "never",
            "the decoder is most of what must be learned, and asks other things of the backbone",
        ),
        "optimizer": (
            "adamw",
            "gradients of a new decoder and of its backbone differ in size, which Adam evens out",
        ),
        "lr": (1e-3, "the usual for new decoders with Adam"),
        "weight_decay": (0.01, "AdamW's default (Loshchilov & Hutter 2019)"),
        "layer_decay": (
            0.3,
            "a backbone that has learned changes a third as fast as the decoder, which is new",
        ),
        "epochs": (epochs, f"about {STEPS} steps, and at least 10 epochs: a decoder begins with nothing"),
    }
