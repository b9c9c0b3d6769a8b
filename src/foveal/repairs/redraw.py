"""Draws a network's weights anew: kernels by He et al. 2015, biases 0, norms 1."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

SOURCE = "He et al. 2015, Delving Deep into Rectifiers, section 2.2"


def mended(network: nn.Module) -> nn.Module:
    """The network with weights drawn from torch's generator; whatever it was built with is gone."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, _NormBase | nn.GroupNorm | nn.LayerNorm) and module.weight is not None:
            nn.init.ones_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
            if isinstance(module, _NormBase):
                module.reset_running_stats()
    return network
