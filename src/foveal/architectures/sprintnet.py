"""The network of the CIFAR-10 speed record: whitened first convolution, six more, norms that only shift."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..contracts import About
from ..machine.pooling import halved
from ..structure.layers import Tempo, parameter_count

SOURCE = (
    "Jordan 2024, 94 % on CIFAR-10 in 3.29 Seconds on a Single GPU (airbench94_muon), after Page 2018, "
    "How to Train Your ResNet, and Balsam 2023, hlb-CIFAR10"
)
SIZE = 32
WIDTHS = (64, 256, 256)
PATCH = 2
"""Side of the first kernels in pixels."""
SHRINK = 1 / 9
"""Features are made so much smaller before the head."""
FORGETTING = 0.4
"""Share of a batch's statistics in the running ones: they follow fast, as training is short."""
FAST = 64.0
"""Biases learn so many times faster than all else."""
SETTLED = 3 / 8
"""Share of the training after which the first layer's bias stays."""
EPSILON = 5e-4
PIECE = 256
"""Pictures whose patches are in memory at once."""


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """Input `B, channels, H, W` of any size; logits `B, outputs`."""
    return SprintNet(outputs, channels)


def head(name: str) -> str:
    return "fc"


def weights(name: str, wanted: str | None) -> None:
    """None are published."""
    return


def sizes(name: str) -> tuple[int, int]:
    """From scratch 8 px to 64."""
    return 8, 64


def about(name: str) -> About:
    return About(
        2024,
        "A first convolution that makes patches uncorrelated before anything is learned, and six more: CIFAR-10 "
        "in seconds.",
        parameter_count(lambda: SprintNet(1000, 3)),
        None,
        "Jordan 2024, airbench; made for CIFAR-10, where it had 94 % right after 2.6 s on an A100",
    )


def initialise(network: nn.Module, images: Tensor) -> None:
    """Make the first kernels whiten patches as they are in `images` (`BCHW`, normalised)."""
    assert isinstance(network, SprintNet)
    network.whiten.fit(images)


class Whitening(nn.Conv2d):
    """A convolution whose kernels are the patches' eigenvectors, divided by their standard deviation, each
    with both signs: its outputs are uncorrelated and of unit size. Only the bias is trained; the kernels
    are a buffer, which no optimizer sees. Until `fit` they are a random basis."""

    tempo = Tempo(FAST, until=SETTLED)

    def __init__(self, channels: int) -> None:
        patch = channels * PATCH**2
        super().__init__(channels, 2 * patch, PATCH)
        del self.weight
        half = nn.init.orthogonal_(torch.empty(patch, patch)).view(patch, channels, PATCH, PATCH)
        self.register_buffer("weight", torch.cat([half, -half]))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Take the kernels from the second moments of all patches in `images` (`BCHW`)."""
        patch = len(self.weight) // 2
        moments = torch.zeros(patch, patch, dtype=torch.float64)
        count = 0
        for piece in torch.split(images, PIECE):
            rows = F.unfold(piece.float(), PATCH).transpose(1, 2).reshape(-1, patch)
            moments += (rows.T @ rows).double().cpu()
            count += len(rows)
        spread, vectors = torch.linalg.eigh(moments / count)
        scaled = (vectors / (spread + EPSILON).sqrt()).T.flip(0)  # the strongest first
        self.weight.copy_(torch.cat([scaled, -scaled]).view_as(self.weight))


class Norm(nn.BatchNorm2d):
    """Batch normalisation that learns a shift and no scale."""

    tempo = Tempo(FAST)

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-12, momentum=FORGETTING)
        del self.weight
        # ones that are no parameter: kernels for both numbers are faster than those for one
        self.register_buffer("weight", torch.ones(channels), persistent=False)


class Block(nn.Module):
    """Convolution, halving, norm, GELU; convolution, norm, GELU. Kernels begin as the identity of as many
    channels as come in; the rest are drawn."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = Norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = Norm(outputs)
        with torch.no_grad():
            for conv in (self.conv1, self.conv2):
                nn.init.dirac_(conv.weight[: conv.in_channels])

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        if min(x.shape[-2:]) > 1:  # the smallest pictures keep a pixel
            x = halved(x)
        x = F.gelu(self.norm1(x))
        return F.gelu(self.norm2(self.conv2(x)))


class SprintNet(nn.Module):
    """Whitening, three blocks, the maximum over what is left (3 x 3 of a picture of 32 px), the head.

    Beside the record, whose head has no bias, this one has: classes need not be equally common. The
    record divides its outputs by 256 and draws the head's weights as much larger, which is the same
    network with other rates.
    """

    def __init__(self, outputs: int, channels: int) -> None:
        super().__init__()
        self.whiten = Whitening(channels)
        widths = (self.whiten.out_channels, *WIDTHS)
        self.layer1, self.layer2, self.layer3 = (Block(*pair) for pair in pairwise(widths))
        self.fc = nn.Linear(WIDTHS[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(F.gelu(self.whiten(x)))))
        out: Tensor = self.fc(x.amax((2, 3)) * SHRINK)
        return out
