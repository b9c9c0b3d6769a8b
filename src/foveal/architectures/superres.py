"""Networks that enlarge pictures: ESPCN, SRResNet and EDSR, each adding to the bicubic picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..contracts import About
from ..structure.layers import parameter_count

SOURCE = (
    "Shi et al. 2016, Real-Time Single Image and Video Super-Resolution (ESPCN); Ledig et al. 2017, Photo-Realistic "
    "Single Image Super-Resolution (SRResNet); Lim et al. 2017, Enhanced Deep Residual Networks (EDSR); what bicubic "
    "leaves out as the aim: Kim et al. 2016 (VDSR); first weights: Aitken et al. 2017 (ICNR)"
)
NAMES = ("edsr", "edsr_small", "espcn", "srresnet")
SHARE = 0.01
"""What the last layer's first weights are multiplied by: training begins at the bicubic picture. After 40 steps of
`edsr_small` x2 on 83 pictures the validation pictures had 0.75 dB more than bicubic ones, with a share of 0.1 0.10."""


@dataclass(frozen=True)
class Kind:
    """A network's blocks and width, and what is to be said of it."""

    blocks: int
    width: int
    normalised: bool
    year: int
    idea: str
    note: str = "learns what the bicubic picture lacks"


KINDS = {
    "espcn": Kind(
        0,
        64,
        False,
        2016,
        "All work is done on the small picture; only the last layer's channels are laid out as the large one's pixels.",
        "learns what the bicubic picture lacks; rectifiers where the paper has tanh",
    ),
    "srresnet": Kind(
        16, 64, True, 2017, "Deep residual blocks on the small picture, then pixel shuffle by steps of two."
    ),
    "edsr": Kind(
        16,
        64,
        False,
        2017,
        "Residual blocks without batch normalisation, which blurs what range of values a picture has (the baseline).",
    ),
    "edsr_small": Kind(
        8,
        32,
        False,
        2017,
        "EDSR's baseline with half its blocks and half its width, for a processor.",
        "learns what the bicubic picture lacks; half of the published depth and width",
    ),
}


class Residual(nn.Module):
    """Two convolutions and a shortcut; normalised in SRResNet. EDSR scales what is added by 0.1 only where it has 256
    channels, so that is not done here."""

    def __init__(self, width: int, normalised: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(width, width, 3, padding=1, bias=not normalised)]
        layers += [nn.BatchNorm2d(width), nn.PReLU()] if normalised else [nn.ReLU()]
        layers += [nn.Conv2d(width, width, 3, padding=1, bias=not normalised)]
        layers += [nn.BatchNorm2d(width)] if normalised else []
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.body(x)
        return x + changed


class Upscaler(nn.Module):
    """Pictures `BCHW` as `B, C, factor * H, factor * W`: features of the small picture (`first`, `body`), and of these
    (`tail`) what is added to the bicubic picture.

    So the network need not carry a picture through all its layers, which bicubic interpolation does well already, and
    is better than that from its first steps on.
    """

    drawn = "body"
    """Whose last map class activation maps are drawn of: behind it come pixels."""

    def __init__(self, first: nn.Module, body: nn.Module, tail: nn.Module, factor: int, around: bool) -> None:
        super().__init__()
        self.first, self.body, self.tail = first, body, tail
        self.factor, self.around = factor, around

    def forward(self, images: Tensor) -> Tensor:
        features = self.first(images)
        deep = self.body(features)
        added: Tensor = self.tail(features + deep if self.around else deep)
        size = (images.shape[-2] * self.factor, images.shape[-1] * self.factor)
        # with antialiasing torch's kernel is that of Pillow and MATLAB; enlarging needs none
        return F.interpolate(images.float(), size, mode="bicubic", antialias=True) + added


def build(name: str, *, outputs: int, channels: int, size: int, factor: int = 2) -> nn.Module:
    """An `Upscaler`: pictures of any size, `factor` (2, 3, 4) times as large; `outputs` and `size` say nothing."""
    kind = KINDS[name]
    if name == "espcn":
        return _espcn(channels, factor)
    width = kind.width
    first: nn.Module = nn.Conv2d(channels, width, 3, padding=1)
    ends: list[nn.Module] = [nn.Conv2d(width, width, 3, padding=1)]
    if kind.normalised:
        first = nn.Sequential(nn.Conv2d(channels, width, 9, padding=4), nn.PReLU())
        ends.append(nn.BatchNorm2d(width))
    body = nn.Sequential(*(Residual(width, kind.normalised) for _ in range(kind.blocks)), *ends)
    steps = [2, 2] if factor == 4 else [factor]
    tail: list[nn.Module] = []
    for step in steps:
        tail += [_shuffled(width, width, step), nn.PixelShuffle(step)]
        tail += [nn.PReLU()] if kind.normalised else []
    side = 9 if kind.normalised else 3
    last = nn.Conv2d(width, channels, side, padding=side // 2)
    _shrink(last)
    return Upscaler(first, body, nn.Sequential(*tail, last), factor, around=True)


def _espcn(channels: int, factor: int) -> nn.Module:
    first = nn.Sequential(nn.Conv2d(channels, 64, 5, padding=2), nn.ReLU())
    body = nn.Sequential(nn.Conv2d(64, 32, 3, padding=1), nn.ReLU())
    last = _shuffled(32, channels, factor)
    _shrink(last)
    return Upscaler(first, body, nn.Sequential(last, nn.PixelShuffle(factor)), factor, around=False)


def _shuffled(inputs: int, outputs: int, factor: int) -> nn.Conv2d:
    """A convolution before pixel shuffle. All pixels that are made of one get the same first weights, so that there
    is no pattern of squares to be unlearned (ICNR)."""
    made = nn.Conv2d(inputs, outputs * factor**2, 3, padding=1)
    with torch.no_grad():
        for values in (made.weight, made.bias):
            assert values is not None
            values.copy_(values[:: factor**2].repeat_interleave(factor**2, 0))
    return made


def _shrink(layer: nn.Conv2d) -> None:
    with torch.no_grad():
        for values in (layer.weight, layer.bias):
            assert values is not None
            values.mul_(SHARE)


def head(name: str) -> str:
    return "tail"


def weights(name: str, wanted: str | None) -> None:
    """None of these are published in a form that can be had."""
    return


def tasks(name: str) -> tuple[str, ...]:
    return ("upscale",)


def sizes(name: str) -> tuple[int, int]:
    return 24, 192


def about(name: str) -> About:
    kind = KINDS[name]
    count = parameter_count(lambda: build(name, outputs=1, channels=3, size=96))
    return About(kind.year, kind.idea, count, None, SOURCE, f"x2; {kind.note}")
