"""Pictures squeezed through a short vector: strided convolutions down to it, and up again."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ..contracts import About
from ..structure.layers import parameter_count

SOURCE = (
    "autoencoders: Hinton & Salakhutdinov 2006; strided and transposed convolutions with batch normalisation: Radford "
    "et al. 2016, DCGAN; resize and convolve: Odena et al. 2016, Deconvolution and Checkerboard Artifacts"
)
NAMES = ("autoencoder", "autoencoder_resize")
WIDTH, WIDEST = 32, 256
SMALLEST = 4
"""Pixels of the side at which maps are no longer halved."""


def build(name: str, *, outputs: int, channels: int, size: int, latent: int = 64) -> nn.Module:
    """Input and output `B, channels, size, size`; between them a vector of `latent` numbers. `outputs` means nothing
    here. The output has no activation: the task knows which one it wants."""
    return Autoencoder(channels, size, latent, resize=name.endswith("resize"))


def head(name: str) -> str:
    return "decoder"


def weights(name: str, wanted: str | None) -> None:
    """None are published."""
    return


def tasks(name: str) -> tuple[str, ...]:
    return ("autoencode",)


def sizes(name: str) -> tuple[int, int]:
    """From scratch 8 px to 128: a short vector holds no more."""
    return 8, 128


IDEA = "Strided convolutions down to a short vector, and up again by "
IDEAS = {"autoencoder": "transposed ones.", "autoencoder_resize": "doubling pixels and convolving."}
NOTES = {
    "autoencoder": "Transposed convolutions have kernels of 4 and steps of 2, so each pixel gets as many products; "
    "with kernels of 3 every second row and column would get twice as many, seen as a chequerboard. Weights may yet "
    "learn one.",
    "autoencoder_resize": "Pixels are doubled, then convolved: none is treated otherwise than its neighbours, so no "
    "chequerboard comes of it, for twice the products.",
}


def about(name: str) -> About:
    count = parameter_count(lambda: build(name, outputs=1000, channels=3, size=32))
    source = "Hinton & Salakhutdinov 2006 (the idea); parameters for 32 px"
    return About(2006, IDEA + IDEAS[name], count, None, source, NOTES[name])


def halved(size: int) -> list[int]:
    """The sides from the picture's own down to the smallest."""
    sides = [size]
    while sides[-1] > SMALLEST:
        sides.append(-(-sides[-1] // 2))
    return sides


class Autoencoder(nn.Module):
    """`encoder`: pictures to latent vectors `BD`, which are linear; `decoder`: those to pictures."""

    latent = "encoder"
    """Whose output describes a picture."""

    drawn = "encoder"
    """Whose last map class activation maps are drawn of: behind it come few numbers, then pixels."""

    def __init__(self, channels: int, size: int, latent: int, *, resize: bool) -> None:
        super().__init__()
        sides = halved(size)
        widths = [channels, *(min(WIDTH << n, WIDEST) for n in range(len(sides) - 1))]
        flat = widths[-1] * sides[-1] ** 2
        down = [Down(*pair) for pair in pairwise(widths)]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, latent))
        widths[0] = WIDTH
        up = [Up(widths[n], widths[n - 1], sides[n - 1], resize=resize) for n in range(len(sides) - 1, 0, -1)]
        self.decoder = nn.Sequential(
            nn.Linear(latent, flat),
            nn.Unflatten(1, (widths[-1], sides[-1], sides[-1])),
            nn.ReLU(inplace=True),
            *up,
            nn.Conv2d(widths[0], channels, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        made: Tensor = self.decoder(self.encoder(images))
        return made


class Down(nn.Sequential):
    """Half the side, rounded up."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Up(nn.Sequential):
    """Twice the side, of which the first `side` pixels are kept."""

    def __init__(self, inputs: int, outputs: int, side: int, *, resize: bool) -> None:
        grow: list[nn.Module] = [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)]
        if resize:
            grow = [nn.Upsample(scale_factor=2.0), nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)]
        super().__init__(*grow, First(side), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class First(nn.Module):
    """The first pixels of maps, down and across."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, maps: Tensor) -> Tensor:
        return maps[..., : self.side, : self.side]
