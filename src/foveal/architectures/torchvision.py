"""torchvision's classification networks, with its published weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import OfflineError
from ..structure.layers import set_channels
from ..values import Preprocessing

SOURCE = "torchvision.models, each with its paper in torchvision's documentation"

NAMES = (
    "alexnet",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "squeezenet1_1",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "shufflenet_v2_x1_0",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "regnet_y_400mf",
    "convnext_tiny",
    "convnext_small",
    "convnext_base",
)
# The last layer of each family, by the beginning of its names.
HEADS = {
    "alexnet": "classifier.6",
    "vgg": "classifier.6",
    "densenet": "classifier",
    "squeezenet": "classifier.1",
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3": "classifier.3",
    "efficientnet": "classifier.1",
    "convnext": "classifier.2",
    "": "fc",
}


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """Logits `B, outputs` from `B, channels, H, W`; most want at least 32 px, AlexNet and VGG 64."""
    from torchvision.models import get_model

    network: nn.Module = get_model(name, weights=None, num_classes=outputs)
    set_channels(network, channels)
    return network


def head(name: str) -> str:
    return next(head for start, head in HEADS.items() if name.startswith(start))


@dataclass(frozen=True)
class Published:
    """One of torchvision's weight sets, downloaded on use and checked by its hash."""

    name: str
    entry: Any
    licence: str = "BSD-3-Clause code; the weights were trained on ImageNet-1k"

    @property
    def source(self) -> str:
        return f"torchvision {self.name}, {self.entry.url}"

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.entry.meta["categories"])

    @property
    def preprocessing(self) -> Preprocessing:
        t = self.entry.transforms()
        size, resize = t.crop_size[0], t.resize_size[0]
        return Preprocessing(size, 3, tuple(t.mean), tuple(t.std), t.interpolation.value, size / resize)

    def state(self) -> Mapping[str, Tensor]:
        """The tensors by the network's own names.

        Raises:
            OfflineError: they could not be downloaded.
        """
        try:
            state: Mapping[str, Tensor] = self.entry.get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError) as error:  # the latter where the hash differs
            raise OfflineError(
                f"The weights {self.name} could not be downloaded from {self.entry.url}: {error}",
                f"A network connection, or the file already in {torch.hub.get_dir()}/checkpoints.",
                "Give a weights file with --weights FILE, or train from scratch with --no-pretrained.",
            ) from error
        return state


def weights(name: str, wanted: str | None) -> Published | None:
    """The weights called `wanted` (IMAGENET1K_V1, ResNet18_Weights.IMAGENET1K_V1), or the default ones."""
    from torchvision.models import get_model_weights

    table = get_model_weights(name)
    member = (wanted or "DEFAULT").rpartition(".")[2]
    if wanted is not None and member not in table.__members__:
        return None
    entry = table[member]
    return Published(str(entry), entry)
