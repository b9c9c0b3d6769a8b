"""Dropout and drop-path of a network that has them, set to another strength."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

SOURCE = (
    "dropout: Srivastava et al. 2014; drop-path: Huang et al. 2016, Deep Networks with Stochastic Depth, "
    "section 3, with its linear rule: none at the input, the full share in the last block"
)


def set_dropout(network: nn.Module, share: float) -> int:
    """Give every dropout layer this share; returns how many there are."""
    layers = [m for m in network.modules() if isinstance(m, nn.Dropout | nn.Dropout1d | nn.Dropout2d)]
    for layer in layers:
        layer.p = share
    # timm's classifiers and torchvision's DenseNet keep the share themselves
    owners = [m for m in network.modules() if isinstance(vars(m).get("drop_rate"), float | int)]
    for owner in owners:
        owner.drop_rate = share  # type: ignore[assignment]
    return len(layers) + len(owners)


def set_drop_path(network: nn.Module, share: float) -> int:
    """Give residual blocks a drop-path that grows linearly to `share`; returns how many blocks have one."""
    places = list(_places(network))
    for number, (block, name) in enumerate(places, 1):
        _set(block, name, share * number / len(places))
    return len(places)


def _places(network: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Blocks with the name of their drop-path, in order: torchvision's modules, timm's, and the places
    that timm leaves empty where a network is built without."""
    from torchvision.ops import StochasticDepth

    for block in network.modules():
        for name, child in block.named_children():
            if isinstance(child, StochasticDepth) or (name.startswith("drop_path") and _is_timm(child)):
                yield block, name
        if "drop_path" in vars(block) and block.drop_path is None:
            yield block, "drop_path"


def _is_timm(child: nn.Module) -> bool:
    return isinstance(child, nn.Identity) or type(child).__name__ == "DropPath"


def _set(block: nn.Module, name: str, share: float) -> None:
    from torchvision.ops import StochasticDepth

    child = getattr(block, name)
    if isinstance(child, StochasticDepth):
        child.p = share
        return
    from timm.layers import DropPath  # type: ignore[attr-defined]

    vars(block).pop(name, None)  # timm's None is no module yet
    setattr(block, name, DropPath(share))
