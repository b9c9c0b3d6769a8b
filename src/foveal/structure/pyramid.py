"""A classification network as a backbone: its feature maps at several scales, for detection and segmentation."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from timm.models import create_feature_extractor
from torch import Tensor, nn

from .. import catalog
from ..errors import ModelError
from ..values import Preprocessing

STRIDES = (2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Level:
    """Where a network's map of one scale comes from: the module that gives it, its stride and its channels."""

    module: str
    stride: int
    channels: int


class Pyramid(nn.Module):
    """The maps of a network of the catalog at `strides`, as a list, finest first; `channels` says how many each has.

    Its parameters are called `body.` and their own names, so that the network's weights fit. What the network does
    after the last of these maps is left out.

    Raises:
        ModelError: it has no map at one of these strides (its layers do not halve the picture so).
    """

    def __init__(self, name: str, *, channels: int, size: int, strides: Sequence[int] = STRIDES) -> None:
        super().__init__()
        network = catalog.find("architectures", name).build(name, outputs=1, channels=channels, size=size)
        there = {level.stride: level for level in levels(network, channels)}
        lacking = [stride for stride in strides if stride not in there]
        if lacking:
            raise ModelError(
                f"{name} has no feature map at stride {lacking[0]}; it has {sorted(there) or 'none'}.",
                "A backbone whose layers halve the picture again and again: resnet18, efficientnet_lite0, "
                "mobilenet_v3_large, timm/convnext_atto, ...",
                "Choose another backbone (--network NETWORK/BACKBONE).",
            )
        self.levels = [there[stride] for stride in strides]
        wanted = {level.module: str(place) for place, level in enumerate(self.levels)}
        with warnings.catch_warnings():  # auxiliary heads, which are left out, work in training only
            warnings.filterwarnings("ignore", "NOTE: The nodes obtained by tracing", UserWarning)
            self.body = create_feature_extractor(network, wanted)

    @property
    def channels(self) -> list[int]:
        return [level.channels for level in self.levels]

    def __deepcopy__(self, memo: dict[int, Any]) -> Pyramid:
        """A copy in the same modes: `body` would be in training otherwise, as its graphs are made anew."""
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__dict__ = copy.deepcopy(self.__dict__, memo)
        made.body.train(self.body.training)  # chooses the graph
        modes = {name: module.training for name, module in self.named_modules()}
        for name, module in made.named_modules():
            module.training = modes[name]
        return made

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps `BChw` of pictures `BCHW`, whose sides are best a multiple of the largest stride."""
        return list(self.body(images).values())


def levels(network: nn.Module, channels: int) -> list[Level]:
    """A map of each stride, coarser than the picture: as timm tells it of its networks; else, as seen in a pass of a
    picture of zeros, what the last of the outermost modules gives at that stride."""
    told = getattr(network, "feature_info", None)
    if told:
        rows = [row for row in told if isinstance(row, dict)] or told.info
        return [Level(row["module"], row["reduction"], row["num_chs"]) for row in rows if row["module"]]
    side = 256  # no multiple of the 7 that some networks pool to
    seen: dict[str, tuple[int, ...]] = {}

    def look(name: str) -> object:
        def note(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                seen.pop(name, None)  # the last time counts, and its place in the order
                seen[name] = tuple(output.shape)

        return note

    hooks = [m.register_forward_hook(look(n)) for n, m in network.named_modules() if n]
    modes = [(module, module.training) for module in network.modules()]
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, channels, side, side))
    except (AssertionError, RuntimeError, ValueError):
        return []  # it takes pictures of one size only
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    found: dict[int, Level] = {}
    for name, shape in seen.items():
        if len(shape) == 4 and shape[2] == shape[3] and shape[2] > 1 and side % shape[2] == 0:
            stride = side // shape[2]
            best = found.get(stride)
            if best is None or name.count(".") <= best.module.count("."):
                found[stride] = Level(name, stride, shape[1])
    return [found[stride] for stride in sorted(found) if stride > 1]


@dataclass(frozen=True)
class BackboneWeights:
    """A backbone's published weights for a network that it is part of, where its parameters are called `prefix` and
    their own names."""

    backbone: str
    prefix: str
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.backbone

    @property
    def source(self) -> str:
        return f"{self._own.source} (backbone)"

    @property
    def licence(self) -> str:
        return str(self._own.licence)

    @property
    def preprocessing(self) -> Preprocessing:
        pre: Preprocessing = self._own.preprocessing
        return pre

    @property
    def _own(self):  # type: ignore[no-untyped-def]
        return catalog.find("architectures", self.backbone).weights(self.backbone, None)

    def state(self) -> Mapping[str, Tensor]:
        """The tensors, by the whole network's names.

        Raises:
            OfflineError: they would have to be downloaded, and could not be.
        """
        return {f"{self.prefix}{name}": tensor for name, tensor in self._own.state().items()}


def backbone_weights(backbone: str, prefix: str, wanted: str | None = None) -> BackboneWeights | None:
    """The backbone's weights; None where none are published, or others are wanted than the backbone's own."""
    if (
        wanted not in (None, backbone)
        or catalog.find("architectures", backbone).weights(backbone, None) is None
    ):
        return None
    return BackboneWeights(backbone, prefix)
