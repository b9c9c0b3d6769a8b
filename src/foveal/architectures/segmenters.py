"""U-Net, FPN and DeepLabV3+ on any backbone: `unet` on the bundled one, `unet/resnet18` on another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from .. import catalog
from ..contracts import About
from ..errors import ModelError
from ..structure.layers import parameter_count
from ..structure.pyramid import STRIDES, BackboneWeights, Pyramid, backbone_weights
from ._atrous import dilate

SOURCE = (
    "Ronneberger et al. 2015, U-Net; Kirillov et al. 2019, Panoptic Feature Pyramid Networks (FPN), section 3; "
    "Chen et al. 2018, Encoder-Decoder with Atrous Separable Convolution (DeepLabv3+); decoders of Iakubovskii 2019, "
    "Segmentation Models PyTorch"
)
NAMES = ("deeplabv3plus", "deeplabv3plus/", "fpn", "fpn/", "unet", "unet/")
BACKBONE = "efficientnet_lite0"
MULTIPLE = 32
"""What the sides of pictures are filled up to a multiple of, so that maps meet those of half their sides."""
WIDTHS = (256, 128, 64, 32, 16)
"""Channels of U-Net's blocks, coarsest first."""
RATES = (6, 12, 18)
"""How far apart DeepLabV3+ takes its inputs at stride 16 (Chen et al. 2017, section 3.3)."""


@dataclass(frozen=True)
class Kind:
    """A decoder: the strides of the maps that it takes, and what is to be said of it."""

    made: Callable[[Sequence[int], int], nn.Module]
    takes: tuple[int, ...]
    year: int
    idea: str
    note: str = ""


class Head(nn.Module):
    """Logits of the classes from a picture's maps, finest first."""

    def __init__(self, decoder: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.decoder, self.last = decoder, last

    def forward(self, maps: list[Tensor]) -> Tensor:
        logits: Tensor = self.last(self.decoder(maps))
        return logits


class Segmenter(nn.Module):
    """A backbone (`encoder`) and a decoder on its maps (`head`): logits `B, outputs, H, W` of pictures `BCHW` of any
    sides. Sides that are no multiple of `MULTIPLE` are filled up inside with 0, the mean colour, and cut off again."""

    def __init__(self, encoder: Pyramid, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        below, beyond = -height % MULTIPLE, -width % MULTIPLE
        whole = F.pad(images, (0, beyond, 0, below)) if below or beyond else images
        maps: list[Tensor] = self.encoder(whole)
        # decoders count maps by their stride, from 1; one that is not there has no channels
        if self.encoder.levels[0].stride > 2:
            count, _, tall, wide = whole.shape
            maps = [whole.new_zeros(count, 0, tall // 2, wide // 2), *maps]
        logits: Tensor = self.head([whole, *maps])
        return logits[..., :height, :width] if below or beyond else logits


def _unet(widths: Sequence[int], outputs: int) -> nn.Module:
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

    return _head(UnetDecoder(widths, WIDTHS), WIDTHS[-1], outputs, kernel=3, up=1)


def _fpn(widths: Sequence[int], outputs: int) -> nn.Module:
    from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder

    decoder = FPNDecoder(list(widths))
    return _head(decoder, decoder.out_channels, outputs, kernel=1, up=4)


def _deeplab(widths: Sequence[int], outputs: int) -> nn.Module:
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder

    decoder = DeepLabV3PlusDecoder(
        widths, 5, 256, RATES, output_stride=16, aspp_separable=True, aspp_dropout=0.5
    )
    return _head(decoder, 256, outputs, kernel=1, up=4)


def _head(decoder: nn.Module, width: int, outputs: int, *, kernel: int, up: int) -> nn.Module:
    """A decoder and its last convolution, their weights drawn as the library draws them."""
    from segmentation_models_pytorch.base import SegmentationHead
    from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head

    last = SegmentationHead(width, outputs, kernel_size=kernel, upsampling=up)
    initialize_decoder(decoder)
    initialize_head(last)
    return Head(decoder, last)


KINDS: dict[str, Kind] = {
    "unet": Kind(
        _unet,
        STRIDES,
        2015,
        "Coarse maps say what there is, are enlarged step by step, and take from the finer map of each step where it "
        "ends.",
    ),
    "fpn": Kind(
        _fpn,
        STRIDES[1:],
        2019,
        "Coarse maps are added to finer ones from the top down, and all of them together tell the classes.",
        "logits at a quarter of the sides, enlarged",
    ),
    "deeplabv3plus": Kind(
        _deeplab,
        (4, 32),
        2018,
        "Convolutions with gaps of several widths look near and far at once on one coarse map; a fine one adds the "
        "edges.",
        "logits at a quarter of the sides, enlarged",
    ),
}


def parts(name: str) -> tuple[Kind, str]:
    """The decoder and the name of the backbone."""
    kind, _, backbone = name.partition("/")
    return KINDS[kind], backbone or BACKBONE


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """A `Segmenter`: logits `B, outputs, H, W` from `B, channels, H, W`.

    Raises:
        ModelError: the backbone has no maps at the strides that the decoder takes.
    """
    kind, backbone = parts(name)
    _check_backbone(name, backbone)
    encoder = _encoder(kind, backbone, channels, size)
    if name.partition("/")[0] == "deeplabv3plus":
        dilate(encoder, backbone, channels)
    before = [channels] if encoder.levels[0].stride == 2 else [channels, 0]
    return Segmenter(encoder, kind.made([*before, *encoder.channels], outputs))


def _encoder(kind: Kind, backbone: str, channels: int, size: int) -> Pyramid:
    """The backbone's maps; those of stride 2 only where it has some (ConvNeXt begins with 4)."""
    try:
        return Pyramid(backbone, channels=channels, size=size, strides=kind.takes)
    except ModelError:
        if kind.takes[0] != 2:
            raise
    return Pyramid(backbone, channels=channels, size=size, strides=kind.takes[1:])


def _check_backbone(name: str, backbone: str) -> None:
    if hasattr(catalog.find("architectures", backbone), "tasks"):
        raise ModelError(
            f"{name} was asked for, and {backbone} is no backbone: it is made for "
            f"{' or '.join(catalog.find('architectures', backbone).tasks(backbone))} itself.",
            "A network for classes of pictures: resnet18, efficientnet_lite0, timm/convnext_atto, ...",
            "Choose another backbone (--network NETWORK/BACKBONE).",
        )


def head(name: str) -> str:
    return "head"


def weights(name: str, wanted: str | None) -> BackboneWeights | None:
    """The backbone's own weights; its decoder starts from nothing."""
    _, backbone = parts(name)
    return backbone_weights(backbone, "encoder.body.", wanted)


def tasks(name: str) -> tuple[str, ...]:
    return ("segment",)


def sizes(name: str) -> tuple[int, int]:
    return 64, 512


def about(name: str) -> About:
    kind, backbone = parts(name)
    count = parameter_count(lambda: build(name, outputs=1000, channels=3, size=224))
    note = f"on {backbone}" + (f"; {kind.note}" if kind.note else "")
    return About(kind.year, kind.idea, count, None, SOURCE, note)
