"""Super-resolution: its measures against a reference, what it is shown, and what it gives back."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from foveal.errors import DataError, OptionError
from foveal.tasks import _pictures, upscale
from foveal.tasks.upscale import build
from foveal.values import Batch, Dataset, Item, Preprocessing

SETS = Path(os.environ.get("FOVEAL_TEST_DATA", "/none"), "sr")


class Bicubic(nn.Module):
    """Enlarges by bicubic interpolation, and counts what it is asked for."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor, self.seen = factor, list[tuple[int, ...]]()

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(tuple(images.shape))
        height, width = images.shape[-2:]
        return F.interpolate(
            images, (height * self.factor, width * self.factor), mode="bicubic", antialias=True
        )


def scene(height: int, width: int, channels: int = 3, seed: int = 0) -> Tensor:
    """A picture `1CHW` of 8-bit values with soft and sharp places."""
    draw = torch.Generator().manual_seed(seed)
    rough = torch.rand(1, channels, 5, 6, generator=draw)
    smooth = F.interpolate(rough, (height, width), mode="bicubic").clamp(0, 1)
    sharp = F.interpolate(rough.flip(1), (height, width), mode="nearest")
    return _pictures.rounded((smooth + sharp) / 2)


def judged(task: upscale.Upscale, network: nn.Module, images: Tensor) -> dict[str, float]:
    batch = Batch(images, [None] * len(images), [str(n) for n in range(len(images))])
    meter = task.meter()
    with torch.inference_mode():
        meter.add(task.step(network.eval(), batch), batch)
    return meter.result("test").metrics


@settings(max_examples=25, deadline=None)
@given(st.integers(11, 40), st.integers(11, 40), st.floats(0, 60), st.integers(0, 100))
def test_measures_as_torchmetrics(height: int, width: int, strength: float, seed: int) -> None:
    """Wherever the window lies wholly on the picture; theirs has places beyond its edge, too, which Wang's has not."""
    draw = torch.Generator().manual_seed(seed)
    true = torch.rand(height, width, generator=draw, dtype=torch.float64) * 255
    made = true + strength * torch.randn(height, width, generator=draw, dtype=torch.float64)
    _, places = structural_similarity_index_measure(
        made[None, None], true[None, None], data_range=255.0, return_full_image=True
    )
    whole = places[..., 5 : height - 5, 5 : width - 5]
    assert _pictures.ssim(made, true) == pytest.approx(float(whole.mean()), abs=1e-6)
    if strength > 1e-3:
        theirs = float(peak_signal_noise_ratio(made, true, data_range=255.0))
        assert _pictures.psnr(made, true) == pytest.approx(theirs, abs=1e-4), (
            "theirs counts in single precision"
        )


def test_brightness_is_pillows_but_for_its_range() -> None:
    """Pillow's YCbCr is JPEG's, 0 to 255, cut to whole numbers; MATLAB's and the papers' goes from 16 to 235."""
    values = scene(20, 30)
    image = _pictures.as_picture(values[0])
    theirs = np.asarray(image.convert("YCbCr"), float)[..., 0]
    ours = _pictures.brightness(values)[0].numpy()
    assert np.abs(ours - (16 + theirs * 219 / 255)).max() < 0.87
    grey = scene(9, 9, 1)
    assert torch.equal(_pictures.brightness(grey)[0], grey[0, 0].double() * 255)


def test_small_pictures_are_those_that_pillow_makes() -> None:
    image = _pictures.as_picture(scene(48, 36)[0])
    for factor in (2, 3, 4):
        theirs = image.resize((36 // factor, 48 // factor), Image.Resampling.BICUBIC)
        ours = _pictures.smaller(_pictures.as_values(image), factor)
        apart = (ours - _pictures.as_values(theirs)).abs() * 255
        assert apart.max() <= 1.01, "both round, Pillow in between, too"


@pytest.mark.skipif(not SETS.exists(), reason="the published test pictures are not here")
@pytest.mark.parametrize(("factor", "published"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_bicubic_interpolation_has_the_published_psnr_on_set5(factor: int, published: float) -> None:
    task, network = build((), scale=factor), Bicubic(factor)
    found = []
    for file in sorted((SETS / "Set5").glob("*.png")):
        with Image.open(file) as image:
            found.append(judged(task, network, _pictures.as_values(image.convert("RGB"))))
    assert len(found) == 5
    assert np.mean([row["PSNR"] for row in found]) == pytest.approx(published, abs=0.05)
    assert [row["gain"] for row in found] == pytest.approx([0] * 5)


def test_what_is_left_of_a_multiple_is_not_judged() -> None:
    images = scene(35, 46)
    network = Bicubic(3)
    whole, cut = (judged(build((), scale=3), network, one) for one in (images, images[..., :33, :45]))
    assert network.seen == [(1, 3, 11, 15)] * 2
    assert whole == cut


@pytest.mark.parametrize("loss", upscale.LOSSES)
def test_losses_by_their_definitions(loss: str) -> None:
    images = scene(16, 16)
    task, network = build((), loss=loss), Bicubic(2).train()
    found = task.step(network, Batch(images, [None], ["0"])).loss
    apart = network(_pictures.smaller(images, 2)) - images
    want = {"l1": apart.abs(), "mse": apart**2, "charbonnier": torch.sqrt(apart**2 + 1e-6)}[loss]
    assert float(found) == pytest.approx(float(want.mean()))


def test_pictures_too_large_are_enlarged_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if in one piece: bicubic interpolation looks no further than two pixels."""
    images, task = scene(70, 90), build(())
    whole = task.enlarged(Bicubic(2), images)
    monkeypatch.setattr(upscale, "TILE", 40)
    monkeypatch.setattr(upscale, "OVERLAP", 16)
    network = Bicubic(2)
    tiled = task.enlarged(network, images)
    assert len(network.seen) > 4
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_an_ensemble_turns_back_what_it_turned() -> None:
    """Bicubic interpolation treats all directions alike, and a network that does not is averaged over them."""
    images = scene(20, 31)
    plain, eight = build(()), build((), ensemble=True)
    network = Bicubic(2)
    torch.testing.assert_close(
        eight.enlarged(network, images), plain.enlarged(network, images), atol=1e-5, rtol=0
    )
    assert network.seen.count((1, 3, 31, 20)) == 4

    class Ramp(nn.Module):
        """Adds a ramp from left to right, whatever it sees."""

        def forward(self, small: Tensor) -> Tensor:
            made: Tensor = Bicubic(2)(small)
            return made + torch.linspace(-1, 1, made.shape[-1])

    torch.testing.assert_close(
        eight.enlarged(Ramp(), images), plain.enlarged(network, images), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_a_prediction_is_a_picture_with_more_pixels(channels: int, mode: str) -> None:
    images = scene(12, 17, channels)
    ((row,),) = build((), scale=4).predict(Bicubic(4), images, [(17, 12)])
    assert (row["picture"].mode, row["picture"].size) == (mode, (68, 48))


def pair(folder: Path, size: tuple[int, int]) -> Item:
    """A small picture of 12 x 10 pixels, and a large one."""
    _pictures.as_picture(scene(size[1], size[0])[0]).save(folder / "large.png")
    _pictures.as_picture(scene(10, 12)[0]).save(folder / "small.png")
    return Item("small.png", "small.png", {"picture": "large.png"}, "train")


def test_pairs_are_taken_as_they_are(tmp_path: Path) -> None:
    item = pair(tmp_path, (24, 20))
    dataset = Dataset(str(tmp_path), "upscale", "pairs", "made for a test", (), (item,))
    task = build((), **upscale.from_data(dataset))
    assert task.pairs
    assert task.knows(item.truth)
    assert not task.knows(None)
    with Image.open(tmp_path / "small.png") as image:
        seen, truth = task.view(Preprocessing(96))(image, task.truth(item, image, str(tmp_path)))
        small = _pictures.as_values(seen)
        shown = task.remade(Bicubic(2), image, Preprocessing(96))
    assert [picture.size for picture in shown.values()] == [(24, 20)] * 2
    batch = Batch(small, task.collate([truth]), ["small.png"])
    network = Bicubic(2).eval()
    step = task.step(network, batch)
    assert network.seen[-1] == (1, 3, 10, 12)
    want = (network(small) - _pictures.as_values(Image.open(tmp_path / "large.png"))).abs().mean()
    assert float(step.loss) == pytest.approx(float(want), rel=1e-5)


def test_pairs_of_another_scale_are_answered(tmp_path: Path) -> None:
    item = pair(tmp_path, (36, 30))
    with Image.open(tmp_path / "small.png") as image, pytest.raises(DataError, match=r"36 x 30.*12 x 10"):
        build((), pairs=True).truth(item, image, str(tmp_path))
    mixed = Dataset("", "upscale", "test", "", (), (item, Item("b", "b.png", None, "train")))
    with pytest.raises(DataError, match="1 pictures without another: b"):
        upscale.from_data(mixed)


def test_the_worst_pictures_are_shown_both_ways_beside_the_true_one() -> None:
    image = _pictures.as_picture(scene(31, 20)[0])
    shown = build((), scale=3).remade(Bicubic(3), image, Preprocessing(96))
    assert list(shown) == ["small, enlarged by bicubic", "upscaled", "true"]
    assert {picture.size for picture in shown.values()} == {(18, 30)}
    assert shown["true"].tobytes() == image.crop((0, 0, 18, 30)).tobytes()


def test_other_scales_are_answered() -> None:
    with pytest.raises(OptionError, match="2, 3 or 4"):
        build((), scale=5)
