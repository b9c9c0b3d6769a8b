"""Pictures as waves in the data's own colours and spectrum, and how they are moved while they are painted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SOURCE = (
    "Olah, Mordvintsev & Schubert 2017, Feature Visualization, Distill: waves, decorrelated colours, robustness; "
    "the spectrum by Torralba & Oliva 2003, Statistics of Natural Image Categories, and "
    "held after Fel et al. 2023, Unlocking Feature Visualization with Magnitude Constrained Optimization"
)
HIGH = 0.25
"""Half of the finest wave that pixels can show, in waves a pixel; finer ones are called high frequencies."""
ALIKE = 0.9
"""How alike the colours of a pixel are in photographs (the correlation between two channels)."""
FALL = 1.3
"""How waves of photographs weaken with their frequency: as its power by this much. Measured at 224 pixels: 1.35 on 100
ImageNet pictures, 1.25 on 80 of flowers, 1.33 on 15 of streets; of their energy 2.7, 4.4 and 3.1 % is in high
frequencies, and 2.5 % by this rule. By 1 / frequency it would be 14 %."""
ROOM = 1.25
"""How much more of the energy than in the data waves of one frequency may have."""
SHIFT, ZOOM, TURN = 0.09, 0.1, 10.0
"""How far pictures are moved at most: share of their side, share of their size, degrees."""


def frequencies(size: tuple[int, int]) -> Tensor:
    """Of each coefficient of `rfft2` for pictures of this size, in waves a pixel."""
    height, width = size
    return torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])


def _counts(size: tuple[int, int]) -> Tensor:
    """How often each coefficient of `rfft2` stands for one of the whole plane: twice, but for those that are
    their own mirror images."""
    count = torch.full((size[1] // 2 + 1,), 2.0)
    count[0] = 1
    if size[1] % 2 == 0:
        count[-1] = 1
    return count.expand(size[0], -1)


def _paired(waves: Tensor, size: tuple[int, int]) -> Tensor:
    """Coefficients `...HW` of `...HW2` as `irfft2` takes them: where a wave has its mirror image in the same half plane
    (the first column, and of an even number of pixels the last), the mean of both. What they differ by is not seen."""
    given = torch.view_as_complex(waves.float())
    mirrored = given.flip(-2).roll(1, -2).conj()
    alone = _counts(size)[0].to(waves.device) == 1
    return torch.where(alone, (given + mirrored) / 2, given)


def _rings(size: tuple[int, int]) -> Tensor:
    """Of each coefficient of `rfft2` its frequency, in whole waves a longer side."""
    return (frequencies(size) * max(size)).round().long()


def _spectrum(pictures: Tensor) -> Tensor:
    """Of `BCHW`, less each picture's mean; faded towards the edges, which would else count as finest waves."""
    height, width = pictures.shape[2:]
    fade = torch.hann_window(height + 2)[1:-1, None] * torch.hann_window(width + 2)[None, 1:-1]
    plain = pictures - pictures.mean((2, 3), keepdim=True)
    waves: Tensor = torch.fft.rfft2(plain * fade.to(pictures), norm="ortho")
    return waves


def high_share(pictures: Tensor) -> Tensor:
    """The share of each picture's energy that is in high frequencies, `B` of `BCHW`; 0 where it has none."""
    size = (pictures.shape[2], pictures.shape[3])
    energy = (_spectrum(pictures).abs().square() * _counts(size).to(pictures)).sum(1)
    total = energy.sum((1, 2))
    high = (energy * (frequencies(size).to(pictures) > HIGH)).sum((1, 2))
    return torch.where(total > 0, high / total.clamp(min=1e-30), torch.zeros_like(total))


@dataclass(frozen=True)
class Palette:
    """The colours and the spectrum of some pictures: the mean colour `C`; how uncorrelated channels are mixed to
    colours, `CC`; and how strong each wave is in each of these channels, `CHW` of `rfft2`. Random waves of these
    strengths have the pictures' mean, covariance and spectrum. `high` is the pictures' share of high frequencies
    and `count` their number; 0 where there were none and the palette is a rule."""

    mean: Tensor
    mix: Tensor
    strength: Tensor
    size: tuple[int, int]
    high: float = 0.0
    count: int = 0

    @classmethod
    def plain(cls, mean: tuple[float, ...], std: tuple[float, ...], size: tuple[int, int]) -> Palette:
        """Without pictures: the colours of the network's preprocessing, as alike as in photographs, and waves
        that are weaker the finer they are, as they are in photographs."""
        deviation = torch.tensor(std, dtype=torch.float64)
        channels = len(std)
        alike = torch.full((channels, channels), ALIKE).fill_diagonal_(1).double()
        mix = _root(alike * deviation[:, None] * deviation[None])
        fall = frequencies(size).clamp(min=1 / max(size)) ** -FALL
        return cls(torch.tensor(mean), mix.float(), _levelled(fall.expand(channels, -1, -1), size), size)

    def blank(self, count: int) -> Tensor:
        """Coefficients of all waves, `BCHW2`, all 0: the mean colour."""
        return torch.zeros((count, *self.strength.shape, 2))

    def held(self, waves: Tensor) -> Tensor:
        """The waves, those of a frequency weaker where they have more of their picture's energy than `ROOM` times what
        they have in the data, and all stronger by what was taken: the energy stays, else contrast would go with it.
        The mean colour is free. Units of early layers are excited by finer waves than pictures have, and without a
        bound nothing else is painted (Fel et al. 2023 hold the whole spectrum as it is)."""
        ring, counts = _rings(self.size).flatten(), _counts(self.size).flatten()
        weights = self.strength.square().flatten(1) * counts * self.mix.square().sum(0)[:, None]
        # random waves that are paired have half of their energy left
        drawn = (weights * torch.where(counts == 1, 0.5, 1.0)).sum(0)
        ring, weights, drawn = ring.to(waves.device), weights.to(waves), drawn.to(waves)
        energy = (_paired(waves, self.size).abs().square().flatten(2) * weights).sum(1)
        many = int(ring.max()) + 1
        data = drawn.new_zeros(many).index_add_(0, ring, drawn)[1:].clamp(min=1e-30)
        painted = energy.new_zeros((len(waves), many)).index_add_(1, ring, energy)[:, 1:]
        allowed = ROOM * data * painted.sum(1, keepdim=True) / data.sum()
        share = (allowed / painted.clamp(min=1e-30)).clamp(max=1)
        left = (share * painted).sum(1, keepdim=True) / painted.sum(1, keepdim=True).clamp(min=1e-30)
        by = F.pad((share / left.clamp(min=1e-6)).sqrt(), (1, 0), value=1.0)
        return waves * by[:, ring].view(len(waves), 1, *waves.shape[2:4], 1)

    def paint(self, waves: Tensor) -> Tensor:
        """Pictures `BCHW` from 0 to 1. Small waves give the mean colour and what `mix` and `strength` say;
        large ones press against black and white without ever passing them."""
        to = waves.device
        complex_waves = torch.view_as_complex(waves.float()) * self.strength.to(to)
        channels = torch.fft.irfft2(complex_waves, s=self.size, norm="ortho")
        colours = torch.einsum("dc,bchw->bdhw", self.mix.to(to), channels)
        middle = self.mean.clamp(0.02, 0.98).to(to).view(1, -1, 1, 1)
        return torch.sigmoid(torch.logit(middle) + colours / (middle * (1 - middle)))


class Colours:
    """Adds up pictures to a palette, any number of them in little memory."""

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        self.size, self.count, self.high = size, 0, 0.0
        self.first = torch.zeros(channels, dtype=torch.float64)
        self.second = torch.zeros((channels, channels), dtype=torch.float64)
        self.ring = _rings(size)
        self.rings = torch.zeros((int(self.ring.max()) + 1, channels, channels), dtype=torch.float64)

    def add(self, pixels: Tensor) -> None:
        """Take in pictures uint8 `BCHW`."""
        pictures = pixels.cpu().float() / 255
        self.count += len(pictures)
        flat = pictures.transpose(0, 1).flatten(1) - 0.5
        self.first += flat.sum(1)
        self.second += flat @ flat.T
        self.high += float(high_share(pictures).sum())
        waves = _spectrum(pictures)
        for one in range(waves.shape[1]):
            for other in range(waves.shape[1]):
                both = (waves[:, one] * waves[:, other].conj()).real.sum(0) * _counts(self.size)
                self.rings[:, one, other].index_add_(0, self.ring.flatten(), both.double().flatten())

    def palette(self) -> Palette | None:
        """None where there was nothing to see: no pictures, or each of them of a single colour."""
        if not self.count:
            return None
        pixels = self.count * self.size[0] * self.size[1]
        mean = self.first / pixels
        values, vectors = torch.linalg.eigh(self.second / pixels - mean[:, None] * mean[None])
        if float(values[-1]) < 1e-8:
            return None
        values = values.clamp(min=1e-4 * float(values[-1]))
        apart = vectors / values.sqrt()  # columns
        power = torch.einsum("ca,rcd,da->ar", apart, self.rings, apart)
        shares = torch.zeros(len(self.rings)).index_add_(0, self.ring.flatten(), _counts(self.size).flatten())
        power = power / shares.clamp(min=1)
        power[:, 0] = power[:, 1]  # the mean is free to move as the longest waves
        weak = power.sum(1) < 1e-3 * power.sum(1).max()
        power[weak] = power[int(power.sum(1).argmax())].clone()  # a colour that the pictures do not have
        strength = torch.stack([_along(row.clamp(min=0).sqrt(), self.size) for row in power])
        return Palette(
            (mean + 0.5).float(), (vectors * values.sqrt()).float(), _levelled(strength, self.size),
            self.size, self.high / self.count, self.count,
        )  # fmt: skip


def _along(by_ring: Tensor, size: tuple[int, int]) -> Tensor:
    """Values by whole frequencies, for the frequencies of all waves."""
    place = frequencies(size).double() * max(size)
    below = place.floor().long().clamp(max=len(by_ring) - 1)
    above = (below + 1).clamp(max=len(by_ring) - 1)
    return torch.lerp(by_ring[below], by_ring[above], place - below)


def _levelled(strength: Tensor, size: tuple[int, int]) -> Tensor:
    """The strengths, of which normal random coefficients make channels of variance 1."""
    counts = _counts(size)
    power = (2 * strength.double().square() * counts).sum((1, 2), keepdim=True) / math.prod(size)
    # of a wave that has its mirror image in the same half plane, `irfft2` takes the mean of both
    return (strength / power.sqrt() * torch.where(counts == 1, math.sqrt(2), 1.0)).float()


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors * values.clamp(min=0).sqrt()
    return root


def moves(draw: torch.Generator, count: int) -> Tensor:
    """Random small shifts, sizes and turns, as `affine_grid`'s `B23` for square pictures."""
    zoom, turn, x, y = (2 * torch.rand((4, count), generator=draw) - 1).unbind()
    angle = turn * math.radians(TURN)
    size = 1 + zoom * ZOOM
    cos, sin = angle.cos() / size, angle.sin() / size
    rows = torch.stack([cos, -sin, 2 * SHIFT * x, sin, cos, 2 * SHIFT * y], dim=1)
    return rows.view(count, 2, 3)


def moved(pictures: Tensor, by: Tensor, ground: Tensor) -> Tensor:
    """Pictures `BCHW`, each moved; beyond their edges is `ground`, a colour `C`."""
    height, width = pictures.shape[2:]
    by = by.clone()
    by[:, 0, 1] *= height / width
    by[:, 1, 0] *= width / height
    behind = ground.to(pictures).view(1, -1, 1, 1)
    grid = F.affine_grid(by.to(pictures), list(pictures.shape), align_corners=False)
    shifted = F.grid_sample(pictures - behind, grid, padding_mode="zeros", align_corners=False)
    return shifted + behind
