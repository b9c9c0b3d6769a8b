"""torchvision's two Inception networks with their auxiliary heads' outputs where training wants them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import inception as v3
from torchvision.models.googlenet import BasicConv2d, Inception, InceptionAux
from torchvision.models.googlenet import GoogLeNet as PlainGoogLeNet

from ..structure.auxiliary import Attached, Outputs

SHARE_V1, SHARE_V3 = 0.3, 0.4
"""With which an auxiliary head's loss counts (`structure.auxiliary.SOURCE`)."""
MAP = 17
"""Side of the feature map that Inception v3's auxiliary head was made for, which a picture of 299 px gives."""


class GoogLeNet(PlainGoogLeNet):  # type: ignore[misc]
    """In training mode gives `Outputs`, of those auxiliary heads that are in training mode too."""

    auxiliary = (Attached("aux1.fc2", "inception4a"), Attached("aux2.fc2", "inception4d"))

    def __init__(self, outputs: int) -> None:
        blocks = [BasicConv2d, Inception, AuxiliaryV1]
        super().__init__(outputs, init_weights=False, blocks=blocks)

    def forward(self, x: Tensor) -> Any:
        main, second, first = self._forward(x)
        return _outputs(self, main, ((first, self.aux1), (second, self.aux2)), SHARE_V1)


class Inception3(v3.Inception3):  # type: ignore[misc]
    """In training mode gives `Outputs`, of its auxiliary head if that is in training mode too."""

    auxiliary = (Attached("AuxLogits.fc", "Mixed_6e"),)

    def __init__(self, outputs: int) -> None:
        plain = [v3.BasicConv2d, v3.InceptionA, v3.InceptionB, v3.InceptionC, v3.InceptionD, v3.InceptionE]
        blocks = [*plain, AuxiliaryV3]
        super().__init__(outputs, init_weights=False, inception_blocks=blocks)

    def forward(self, x: Tensor) -> Any:
        main, made = self._forward(x)
        return _outputs(self, main, ((made, self.AuxLogits),), SHARE_V3)


class AuxiliaryV1(InceptionAux):  # type: ignore[misc]
    """As torchvision's, in training mode only."""

    def forward(self, x: Tensor) -> Tensor | None:
        made: Tensor | None = super().forward(x) if self.training else None
        return made


class AuxiliaryV3(v3.InceptionAux):  # type: ignore[misc]
    """As torchvision's, in training mode only, and for smaller maps as well: what is published pools `MAP`
    pixels to five, with windows of 5 and a stride of 3; a smaller map is pooled to five adaptively."""

    def forward(self, x: Tensor) -> Tensor | None:
        if not self.training:
            return None
        small = min(x.shape[-2:]) < MAP
        x = F.adaptive_avg_pool2d(x, 5) if small else F.avg_pool2d(x, 5, stride=3)
        x = self.conv1(self.conv0(x))
        made: Tensor = self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return made


def _outputs(
    network: nn.Module, main: Tensor, others: tuple[tuple[Tensor | None, nn.Module], ...], share: float
) -> Tensor | Outputs:
    """What the network gives: the main outputs alone where no auxiliary head is trained."""
    made = tuple(other for other, head in others if network.training and head.training and other is not None)
    return Outputs(main, made, (share,) * len(made)) if made else main
