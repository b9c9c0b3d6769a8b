"""torchvision's classification networks, with its published weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import About
from ..errors import ModelError, OfflineError
from ..structure.layers import replace_convolution, set_channels
from ..values import Preprocessing
from ._families import family_of

SOURCE = "torchvision.models, each with its paper in torchvision's documentation"

NAMES = (
    "alexnet", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny", "densenet121",
    "densenet161", "densenet169", "densenet201", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2",
    "efficientnet_b3", "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7",
    "efficientnet_v2_l", "efficientnet_v2_m", "efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t",
    "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3", "mobilenet_v2", "mobilenet_v3_large",
    "mobilenet_v3_small", "regnet_x_16gf", "regnet_x_1_6gf", "regnet_x_32gf", "regnet_x_3_2gf",
    "regnet_x_400mf", "regnet_x_800mf", "regnet_x_8gf", "regnet_y_128gf", "regnet_y_16gf", "regnet_y_1_6gf",
    "regnet_y_32gf", "regnet_y_3_2gf", "regnet_y_400mf", "regnet_y_800mf", "regnet_y_8gf", "resnet101",
    "resnet152", "resnet18", "resnet34", "resnet50", "resnext101_32x8d", "resnext101_64x4d",
    "resnext50_32x4d", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
    "squeezenet1_0", "squeezenet1_1", "swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t",
    "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "vit_b_16",
    "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32", "wide_resnet101_2", "wide_resnet50_2",
)  # fmt: skip
SMALL = 64
"""Side in pixels below which pictures get the small stem: a last map of 2x2, published, has little to tell."""


def build(name: str, *, outputs: int, channels: int, size: int, stem: str = "published") -> nn.Module:
    """Logits `B, outputs` from `B, channels, H, W`, from 32 px on where the stem is `small`.

    GoogLeNet and Inception v3 give `Outputs` in training, with those of their auxiliary heads. The small
    stem is a first convolution of 3x3 and stride 1 with no pooling after it (He et al. 2016, section 4.2;
    Huang et al. 2017, section 3), so that four times as many rows and columns reach the blocks as published.
    AlexNet, whose first convolution has a stride of 4, keeps its pooling.

    Raises:
        ModelError: the network cannot be built for this size, or has no small stem.
    """
    try:
        network = _made(name, outputs, size)
    except (ValueError, AssertionError) as error:
        raise ModelError(
            f"{name} cannot be built for pictures of {size} px: {error}",
            f"Sizes that its patches fill: multiples of {_patch(name)} px.",
            f"Give --size {max(1, round(size / _patch(name))) * _patch(name)}, or another --network.",
        ) from error
    if stem == "small":
        _shrink_less(network, name)
    set_channels(network, channels)
    return network


def head(name: str) -> str:
    return family_of(name).head


def small_stem(name: str) -> int:
    """The side in pixels below which a network from scratch gets the small stem; 0: it has none."""
    family = family_of(name)
    return max(SMALL, family.least) if family.stem else 0


def sizes(name: str) -> tuple[int, int]:
    """The least and the largest side of pictures for training from scratch, where none is given."""
    return (32, 224) if family_of(name).stem else (64, 224)


def about(name: str) -> About:
    """What torchvision publishes with the weights that training starts from."""
    family, published = family_of(name), weights(name, None)
    assert published is not None
    meta = published.entry.meta
    accuracy = meta["_metrics"]["ImageNet-1K"]["acc@1"]
    source = f"{family.paper}; accuracy of torchvision's {published.name}"
    return About(family.year, family.idea, meta["num_params"], accuracy / 100, source, family.note)


def _made(name: str, outputs: int, size: int) -> nn.Module:
    """The network as torchvision has it, for three channels."""
    from torchvision.models import get_model

    network: nn.Module
    if name in ("googlenet", "inception_v3"):
        from ._inception import GoogLeNet, Inception3

        network = (GoogLeNet if name == "googlenet" else Inception3)(outputs)
    elif name.startswith("mnasnet"):
        from ._mnasnet import MNASNet

        network = MNASNet(float(name.removeprefix("mnasnet").replace("_", ".")), num_classes=outputs)
    else:
        fixed: dict[str, Any] = {}
        if name.startswith("vit"):
            fixed = {"image_size": size}
        elif name.startswith("maxvit"):
            fixed = {"input_size": (size, size)}
        network = get_model(name, weights=None, num_classes=outputs, **fixed)
    if name == "alexnet":
        # torchvision leaves it at torch's draw, whose signal dies out over eight layers: it would not begin to
        # learn for hundreds of steps (He et al. 2015, Delving Deep into Rectifiers)
        _draw_for_rectifiers(network, but=head(name))
    if name.startswith("squeezenet"):
        # its last rectifier stands behind the head: from zero it silences classes before they are learned
        nn.init.ones_(network.get_submodule(head(name)).bias)  # type: ignore[arg-type]
    return network


def _draw_for_rectifiers(network: nn.Module, but: str) -> None:
    """Draw kernels so that rectifiers keep the signal's size; the layer `but` stays."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and name != but:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _patch(name: str) -> int:
    """What sides must be a multiple of; for MaxViT 32 times its windows' 7."""
    return 224 if name.startswith("maxvit") else int(name.rpartition("_")[2])


def _shrink_less(network: nn.Module, name: str) -> None:
    """Give the network its small stem."""
    parts = family_of(name).stem
    if parts is None:
        raise ModelError(
            f"{name} has no small stem.",
            "Networks whose first layers shrink the picture four times: resnet, densenet, googlenet, ...",
            "Leave --stem out.",
        )
    convolution, pooling = parts
    replace_convolution(network, convolution, kernel=3, stride=1)
    if pooling is not None:
        parent, _, child = pooling.rpartition(".")
        setattr(network.get_submodule(parent), child, nn.Identity())


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
        mean, std = tuple(t.mean), tuple(t.std)
        if self.name.startswith(("GoogLeNet", "Inception")):
            # torchvision's networks undo these first (`transform_input`), as the weights want -1 to 1
            mean = std = (0.5,) * 3
        return Preprocessing(size, 3, mean, std, t.interpolation.value, size / resize)

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
        return _renamed(self.name, state)


def _renamed(weights: str, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors by today's names: DenseNet's files have older ones (norm.1 for norm1), and GoogLeNet's hold
    auxiliary heads that were never trained."""
    if weights.startswith("GoogLeNet"):
        return {name: tensor for name, tensor in state.items() if not name.startswith("aux")}
    if weights.startswith("DenseNet"):
        return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", n): t for n, t in state.items()}
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
