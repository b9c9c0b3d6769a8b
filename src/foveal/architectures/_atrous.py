"""Maps of a finer stride from the same layers: strides taken out, and what follows spread out as much."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from ..errors import ModelError
from ..structure.layers import evaluating
from ..structure.pyramid import Pyramid

SOURCE = "Chen et al. 2017, Rethinking Atrous Convolution, section 3.1"
SIDE = 256


def dilate(encoder: Pyramid, name: str, channels: int, stride: int = 16) -> None:
    """Make the coarsest map of `encoder`, of twice this stride, one of `stride`.

    The convolution that halves it steps by one pixel instead, and those after it take their inputs from every second
    pixel. So each keeps its weights and what it sees of the picture: every second row and column of the new map is
    the old map.

    Raises:
        ModelError: the map is not halved by padded convolutions (but by pooling, or by cutting it into patches).
    """
    fine = SIDE // stride
    seen = _sides(encoder, channels)
    halving = [layer for layer, sides in seen.items() if sides == (fine, fine // 2)]
    convolutions = [layer for layer in halving if isinstance(layer, nn.Conv2d) and _keeps_size(layer)]
    if not halving or len(convolutions) < len(halving):
        raise _impossible(name, stride)
    for layer in convolutions:
        layer.stride = (1, 1)
    for module, (before, _) in seen.items():
        if before == fine // 2 and isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1:
            # those that work their padding out have none set
            module.dilation = tuple(2 * value for value in module.dilation)
            module.padding = tuple(2 * int(value) for value in module.padding)
    try:
        with evaluating(encoder), torch.no_grad():
            made = encoder(torch.zeros(1, channels, SIDE, SIDE))[-1]
    except RuntimeError as error:  # halved by what is no layer
        raise _impossible(name, stride) from error
    if made.shape[-1] != fine:
        raise _impossible(name, stride)


def _keeps_size(layer: nn.Conv2d) -> bool:
    """Whether a convolution keeps the size once it steps by one pixel."""
    if isinstance(layer, Conv2dSame) or isinstance(layer.padding, str):
        return True
    return all(2 * wide == size - 1 for size, wide in zip(layer.kernel_size, layer.padding, strict=True))


def _impossible(name: str, stride: int) -> ModelError:
    return ModelError(
        f"DeepLabV3+ wants maps of stride {stride} from {name}, which does not halve them by padded convolutions "
        "there.",
        "A backbone whose last stage begins with such convolutions: efficientnet_lite0, resnet18, "
        "mobilenet_v3_large, ...",
        "Choose another backbone (--network deeplabv3plus/BACKBONE), or unet or fpn.",
    )


def _sides(encoder: Pyramid, channels: int) -> dict[nn.Module, tuple[int, int]]:
    """The layers that have nothing within, with the height of what each takes and gives for a square picture of
    `SIDE` pixels."""
    seen: dict[nn.Module, tuple[int, int]] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and inputs[0].dim() == 4:
            seen[module] = (inputs[0].shape[-2], output.shape[-2])

    layers = [module for module in encoder.modules() if not next(module.children(), None)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with evaluating(encoder), torch.no_grad():
            encoder(torch.zeros(1, channels, SIDE, SIDE))
    finally:
        for hook in hooks:
            hook.remove()
    return seen
