"""Waves in the data's colours and spectrum: random ones have the mean, the covariance and the spectrum of the data."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import sitters
from foveal.portraits._canvas import HIGH, Colours, Palette, frequencies, high_share, moved, moves


def palette_of(pixels: Tensor) -> Palette:
    colours = Colours(pixels.shape[1], (pixels.shape[2], pixels.shape[3]))
    for part in pixels.split(7):
        colours.add(part)
    made = colours.palette()
    assert made is not None
    return made


def random_pictures(palette: Palette, count: int = 300, strength: float = 1.0) -> Tensor:
    """Painted from normal random waves, weak enough that black and white are far."""
    draw = torch.Generator().manual_seed(0)
    waves = palette.blank(count)
    return palette.paint(strength * torch.randn(waves.shape, generator=draw))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("side", [32, 33])
def test_random_waves_have_the_datas_colours(channels: int, side: int) -> None:
    pixels = sitters.images(40, channels, side)
    palette = palette_of(pixels)
    data = pixels.double() / 255
    flat = data.transpose(0, 1).flatten(1)
    assert palette.mean.double().allclose(flat.mean(1), atol=1e-5)
    weak = 0.05
    painted = random_pictures(palette, strength=weak).double()
    colours = painted.transpose(0, 1).flatten(1)
    assert colours.mean(1).allclose(flat.mean(1), atol=0.01)
    wanted = torch.cov(flat).view(channels, channels)
    got = torch.cov(colours).view(channels, channels) / weak**2
    assert (got - wanted).abs().max() < 0.1 * wanted.abs().max()


def test_random_waves_have_the_datas_spectrum() -> None:
    """The share of high frequencies is the data's, of smooth pictures and of noise."""
    smooth = sitters.images(40)
    noise = torch.randint(0, 256, (40, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    for pixels in (smooth, noise):
        palette = palette_of(pixels)
        share = float(high_share(random_pictures(palette, strength=0.05)).mean())
        assert share == pytest.approx(palette.high, rel=0.25)
    assert palette_of(noise).high > 5 * palette_of(smooth).high


def test_grey_pictures_in_colour_stay_grey() -> None:
    grey = sitters.images(30, 1).expand(-1, 3, -1, -1)
    painted = random_pictures(palette_of(grey), 20)
    colour = painted - painted.mean(1, keepdim=True)
    assert float(colour.std()) < 0.05 * float(painted.std())


def test_nothing_to_see() -> None:
    assert Colours(3, (8, 8)).palette() is None
    flat = Colours(3, (8, 8))
    flat.add(torch.full((4, 3, 8, 8), 90, dtype=torch.uint8))
    assert flat.palette() is None


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_without_pictures_the_preprocessings_colours(channels: int) -> None:
    mean, std = (0.4,) * channels, tuple(0.2 + 0.02 * n for n in range(channels))
    palette = Palette.plain(mean, std, (32, 24))
    assert palette.count == 0
    colours = random_pictures(palette, strength=0.05).double().transpose(0, 1).flatten(1)
    assert (colours.std(1) / 0.05).tolist() == pytest.approx(list(std), rel=0.05)
    if channels > 1:
        assert float(torch.corrcoef(colours)[0, 1]) == pytest.approx(0.9, abs=0.03)
    ratio = palette.strength[0, 0, 2] / palette.strength[0, 0, 10]
    assert float(ratio) == pytest.approx(5**1.3, rel=0.01), "as photographs fall"


def test_without_pictures_high_frequencies_are_as_in_photographs() -> None:
    """Photographs of 224 pixels have 2.7 to 4.4 % there (measured); waves as 1 / frequency would have 14 %."""
    palette = Palette.plain((0.5,) * 3, (0.25,) * 3, (224, 224))
    assert 0.015 < float(high_share(random_pictures(palette, 6, strength=0.2)).mean()) < 0.045


@pytest.mark.parametrize("side", [32, 33])
def test_no_frequency_has_much_more_than_in_the_data(side: int) -> None:
    """Strengthened fine waves are brought down to what is allowed, and the energy stays; waves that are as the data's
    stay as they are."""
    palette = palette_of(sitters.images(40, side=side))
    waves = torch.randn((3, *palette.strength.shape, 2), generator=torch.Generator().manual_seed(0))
    fine = fine_waves(side)
    strong = torch.where(fine[:, : waves.shape[3], None], 6 * waves, waves)
    held = palette.held(strong)
    assert contrast(palette, held).allclose(contrast(palette, strong), rtol=1e-4)
    before, after, plain = (float(shown_share(palette, w, fine)) for w in (strong, held, waves))
    assert before > 3 * plain
    assert after < 0.5 * before
    for _ in range(60):
        held = palette.held(held)
    even = as_drawn(palette)
    assert float(shown_share(palette, held, fine)) < 1.3 * float(shown_share(palette, even, fine))
    assert torch.equal(palette.held(even), even)


def test_only_what_is_seen_counts() -> None:
    """Coefficients of a wave and its mirror image that cancel each other, and the mean colour, leave no more room for
    fine waves than there was; and the mean colour is free."""
    palette = palette_of(sitters.images(40))
    waves = torch.randn((2, *palette.strength.shape, 2), generator=torch.Generator().manual_seed(0))
    fine = fine_waves(32)
    strong = torch.where(fine[:, : waves.shape[3], None], 6 * waves, waves)
    more = strong.clone()
    unseen = 9 * torch.randn((2, len(palette.strength), 15, 2), generator=torch.Generator().manual_seed(1))
    more[:, :, 1:16, 0] += unseen
    more[:, :, 17:, 0] -= unseen.flip(2) * torch.tensor([1.0, -1.0])
    more[:, :, 0, 0] = 50.0
    assert palette.paint(more - strong).allclose(palette.paint(mean_only(more - strong)), atol=1e-5)
    one, other = palette.held(strong), palette.held(more)
    assert torch.equal(other[:, :, 0, 0], more[:, :, 0, 0])
    assert float(shown_share(palette, other, fine)) == pytest.approx(
        float(shown_share(palette, one, fine)), rel=1e-4
    )


def contrast(palette: Palette, waves: Tensor) -> Tensor:
    """Of each picture, before it is pressed between black and white."""
    given = torch.view_as_complex(waves) * palette.strength
    colours = torch.einsum("dc,bchw->bdhw", palette.mix, torch.fft.irfft2(given, s=palette.size))
    return (colours - colours.mean((2, 3), keepdim=True)).square().sum((1, 2, 3))


def fine_waves(side: int) -> Tensor:
    """Which waves of the whole plane are fine."""
    return torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.fftfreq(side)[None]) > HIGH


def mean_only(waves: Tensor) -> Tensor:
    kept = torch.zeros_like(waves)
    kept[..., 0, 0, :] = waves[..., 0, 0, :]
    return kept


def as_drawn(palette: Palette) -> Tensor:
    """Waves whose pictures have the energy that those of random ones have in the mean."""
    even = torch.zeros((1, *palette.strength.shape, 2))
    even[..., 0] = 1
    own = [0, even.shape[3] - 1] if palette.size[1] % 2 == 0 else [0]  # columns with each wave's mirror image
    even[..., own, 0] = math.sqrt(0.5)
    return even


def shown_share(palette: Palette, waves: Tensor, which: Tensor) -> Tensor:
    """The share of the energy of what is painted, before it is pressed between black and white and less the mean
    colour, that is in some waves of the whole plane `HW`."""
    given = torch.view_as_complex(waves) * palette.strength
    colours = torch.einsum(
        "dc,bchw->bdhw", palette.mix, torch.fft.irfft2(given, s=palette.size, norm="ortho")
    )
    each = torch.fft.fft2(colours - colours.mean((2, 3), keepdim=True)).abs().square()
    return (each * which).sum() / each.sum()


def test_paint_never_leaves_black_and_white() -> None:
    palette = palette_of(sitters.images(20))
    painted = random_pictures(palette, 10, strength=30.0)
    assert float(painted.min()) >= 0
    assert float(painted.max()) <= 1
    assert palette.paint(palette.blank(1)).allclose(palette.mean.view(1, -1, 1, 1), atol=1e-5)


@settings(max_examples=40)
@given(st.integers(5, 20), st.integers(5, 20), st.integers(0, 99))
def test_high_share_by_hypothesis(height: int, width: int, seed: int) -> None:
    """The half plane that is computed stands for the whole one: equal to the plain formula on the whole plane."""
    picture = torch.rand((2, 2, height, width), generator=torch.Generator().manual_seed(seed)).double()
    fade = torch.hann_window(height + 2)[1:-1, None] * torch.hann_window(width + 2)[None, 1:-1]
    whole = torch.fft.fft2((picture - picture.mean((2, 3), keepdim=True)) * fade.double()).abs().square()
    radius = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None])
    wanted = (whole * (radius > HIGH)).sum((1, 2, 3)) / whole.sum((1, 2, 3))
    assert high_share(picture).allclose(wanted, rtol=1e-5)
    assert frequencies((height, width)).shape == (height, width // 2 + 1)


def test_high_share_of_waves() -> None:
    x = torch.arange(64.0)
    for waves, share in ((3, 0.0), (28, 1.0)):
        picture = torch.cos(2 * math.pi * waves * x / 64).expand(1, 1, 64, 64)
        assert float(high_share(picture)) == pytest.approx(share, abs=1e-3)
    assert float(high_share(torch.full((1, 3, 8, 8), 0.5))) == 0


def test_moves_are_small_seeded_and_true() -> None:
    by = moves(torch.Generator().manual_seed(3), 200)
    assert torch.equal(by, moves(torch.Generator().manual_seed(3), 200))
    scale = by[:, 0, :2].norm(dim=1)
    assert float(scale.min()) > 1 / 1.11
    assert float(scale.max()) < 1 / 0.89
    assert float(by[:, :, 2].abs().max()) <= 0.18
    still = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    picture = torch.rand((1, 3, 12, 18), generator=torch.Generator().manual_seed(0))
    ground = torch.tensor([0.1, 0.2, 0.3])
    assert moved(picture, still, ground).allclose(picture, atol=1e-5)
    right = torch.tensor([[[1.0, 0, 2 * 3 / 18], [0, 1, 0]]])  # by three pixels
    shifted = moved(picture, right, ground)
    assert shifted[..., :-3].allclose(picture[..., 3:], atol=1e-5)
    assert shifted[..., -3:].allclose(ground.view(1, 3, 1, 1).expand(1, 3, 12, 3), atol=1e-5)


def test_turning_keeps_shapes_on_oblong_pictures() -> None:
    """A disc stays a disc: its second moments along both axes stay equal."""
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(80.0), indexing="ij")
    disc = ((y - 19.5) ** 2 + (x - 39.5) ** 2 < 100).float()[None, None]
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    turned = moved(disc, quarter, torch.zeros(1))[0, 0]
    along_y = ((y - 19.5) ** 2 * turned).sum() / turned.sum()
    along_x = ((x - 39.5) ** 2 * turned).sum() / turned.sum()
    assert float(along_y) == pytest.approx(float(along_x), rel=0.02)
