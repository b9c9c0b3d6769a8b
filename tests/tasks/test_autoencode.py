"""Autoencoding: what is shown and wanted, what is measured, and strange pictures."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from foveal.errors import UnknownNameError
from foveal.tasks import autoencode
from foveal.tasks.autoencode import GREY, HOLE, NOISE, OBJECTIVES, build, disturbed
from foveal.values import Batch, Evaluation, Item, Preprocessing

IDS = list("abcdefgh")


class Always(nn.Module):
    """Makes the same of whatever it is shown, and keeps that."""

    def __init__(self, made: Tensor) -> None:
        super().__init__()
        self.made, self.shown = nn.Parameter(made), list[Tensor]()

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(images.detach().clone())
        return self.made[: len(images)]


class Same(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images


def pictures(count: int = 8, channels: int = 3, side: int = 24, seed: int = 0) -> Tensor:
    """Smooth pictures in 0..1, in steps of 1/255."""
    dice = torch.Generator().manual_seed(seed)
    rough = torch.rand((count, channels, 5, 5), generator=dice)
    return (F.interpolate(rough, side, mode="bilinear") * 255).round() / 255


def own(images: Tensor) -> Batch:
    """Pictures that are their own truths."""
    return Batch(images, build().collate([None] * len(images)), IDS[: len(images)])


def measured(task: autoencode.Autoencode, network: nn.Module, batch: Batch) -> Evaluation:
    meter = task.meter()
    with torch.inference_mode():
        meter.add(task.step(network.eval(), batch), batch)
    return meter.result("val")


@pytest.mark.parametrize("channels", [1, 3])
def test_measures_as_torchmetrics(channels: int) -> None:
    """PSNR to six digits; SSIM of the places where the window fits, which torchmetrics averages with a border that
    it makes up."""
    wanted, made = pictures(channels=channels), pictures(channels=channels, seed=1)
    found = measured(build(), Always(made), own(wanted))
    weights = torch.tensor([65.481, 128.553, 24.966]).view(3, 1, 1)
    grey = [255 * x if channels == 1 else 16 + (x * weights).sum(1, keepdim=True) for x in (made, wanted)]
    for n, row in enumerate(found.examples):
        one, other = made[n : n + 1], wanted[n : n + 1]
        assert row["PSNR"] == pytest.approx(float(peak_signal_noise_ratio(one, other, 1.0)), rel=1e-6)
        assert row["mse"] == pytest.approx(float(F.mse_loss(one, other)), rel=1e-5)
        _, places = structural_similarity_index_measure(
            grey[0][n : n + 1].double(), grey[1][n : n + 1].double(), data_range=255.0, return_full_image=True
        )
        assert row["SSIM"] == pytest.approx(float(places[..., 5:-5, 5:-5].mean()), abs=1e-5)
    assert found.metrics["PSNR"] == pytest.approx(np.mean([row["PSNR"] for row in found.examples]))


def test_an_equal_picture_has_a_hundred_decibels() -> None:
    found = measured(build(), Same(), own(pictures()))
    assert (found.metrics["PSNR"], found.metrics["mse"], found.metrics["SSIM"]) == (100.0, 0.0, 1.0)
    assert (found.headline.low, found.headline.high) == (100.0, 100.0)


def test_without_a_network_there_is_the_mean_colour_or_what_is_shown() -> None:
    images = pictures()
    flat = images.mean((2, 3), keepdim=True).expand_as(images)
    found = measured(build(), Same(), own(images))
    for n, row in enumerate(found.examples):
        assert row["without_PSNR"] == pytest.approx(
            float(peak_signal_noise_ratio(flat[n], images[n], 1.0)), rel=1e-5
        )
    for objective in OBJECTIVES[1:]:
        found = measured(build(objective=objective), Same(), own(images))
        assert found.metrics["PSNR"] == found.metrics["without_PSNR"] < 30
        assert found.metrics["error"] == 0  # of the picture as it is


@pytest.mark.parametrize("objective", OBJECTIVES[1:])
def test_evaluation_disturbs_each_picture_in_its_own_way_and_draws_nothing(objective: str) -> None:
    images = pictures()
    before = torch.get_rng_state()
    whole = disturbed(images, objective, IDS)
    alone = torch.cat([disturbed(images[n : n + 1], objective, [IDS[n]]) for n in range(8)])
    assert torch.equal(whole, alone)
    assert torch.equal(before, torch.get_rng_state())
    twins = disturbed(images[:1].repeat(2, 1, 1, 1), objective, ["a", "b"])
    assert not torch.equal(twins[0], twins[1])
    torch.manual_seed(3)
    one, other = disturbed(images, objective, None), disturbed(images, objective, None)
    assert not torch.equal(one, other)
    torch.manual_seed(3)
    assert torch.equal(one, disturbed(images, objective, None))


def test_noise_has_its_strength() -> None:
    grey = torch.full((4, 1, 64, 64), 0.5)
    apart = disturbed(grey, "denoise", IDS[:4]) - grey
    assert float(apart.std()) == pytest.approx(NOISE, rel=0.05)
    assert abs(float(apart.mean())) < 0.01


@given(height=st.integers(2, 40), width=st.integers(2, 40), seed=st.integers(0, 99))
def test_a_hole_is_a_square_on_the_picture(height: int, width: int, seed: int) -> None:
    white = torch.ones((1, 2, height, width))
    hidden = disturbed(white, "inpaint", [str(seed)])[0] != 1
    assert torch.equal(hidden[0], hidden[1])
    rows, columns = hidden[0].any(1).nonzero()[:, 0], hidden[0].any(0).nonzero()[:, 0]
    assert (len(rows), len(columns)) == (round(HOLE * height), round(HOLE * width))
    assert int(hidden[0].sum()) == len(rows) * len(columns)
    assert int(rows[-1] - rows[0]) == len(rows) - 1
    assert float(disturbed(white, "inpaint", [str(seed)]).min()) == GREY


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_is_learned_is_the_undisturbed_picture(objective: str) -> None:
    images, task = pictures(), build(objective=objective)
    network = Always(torch.zeros_like(images))
    step = task.step(network.train(), own(images))
    assert float(step.loss.detach()) == pytest.approx(float(images.square().mean()), rel=1e-6)
    assert torch.equal(network.shown[0], images) == (objective == "reconstruct")


def test_losses_are_torch_s() -> None:
    images, made = pictures(), 4 * pictures(seed=1) - 2
    wanted = {
        "mse": F.mse_loss(made, images),
        "l1": F.l1_loss(made, images),
        "bce": F.binary_cross_entropy_with_logits(made, images),
    }
    for loss, value in wanted.items():
        task = build(loss=loss)
        assert float(task.step(Always(made), own(images)).loss.detach()) == pytest.approx(
            float(value), rel=1e-6
        )
        # only with bce outputs are logits
        inside = made.sigmoid() if loss == "bce" else made.clamp(0, 1)
        assert torch.equal(task.pictures(made), inside)


def test_pairs_are_learned_as_they_are(tmp_path: Path) -> None:
    """The other picture of each pair is what is wanted, however the view moves them; nothing more is disturbed."""
    clean = Image.fromarray((pictures(1, 3, 40)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8))
    clean.save(tmp_path / "clean.png")
    noisy = Image.new("RGB", clean.size, (9, 9, 9))
    task = build(objective="denoise")
    item = Item("1", "noisy.png", {"picture": "clean.png"}, "train")
    assert task.knows(item.truth)
    image, truth = task.view(Preprocessing(20))(noisy, task.truth(item, noisy, str(tmp_path)))
    truths = task.collate([truth])
    assert (image.size, tuple(truths.shape), truths.dtype) == ((20, 20), (1, 3, 20, 20), torch.uint8)
    shown = torch.full((1, 3, 20, 20), 9 / 255)
    network = Always(truths.float() / 255)
    found = measured(task, network, Batch(shown, truths, ["1"]))
    assert torch.equal(network.shown[0], shown)
    assert found.metrics["PSNR"] == 100.0
    assert found.metrics["without_PSNR"] < 20
    assert found.metrics["error"] > 0.01  # it is none of the picture that was shown


def test_the_threshold_lets_the_wanted_share_through() -> None:
    rows = torch.zeros((100, len(autoencode.MEASURED)))
    rows[:, -1] = torch.randperm(100, generator=torch.Generator().manual_seed(0)) / 100
    task = build().calibrated(rows, torch.zeros(100, 0))
    assert task.threshold == pytest.approx(0.95)  # the 96th of 100: of 101, 95 % lie below
    assert build().calibrated(rows[:18], torch.zeros(18, 0)).threshold is None
    assert build().calibrated(rows[:19], torch.zeros(19, 0)).threshold == pytest.approx(
        float(rows[:19, -1].max())
    )
    rows[:] = math.nan
    assert build().calibrated(rows, torch.zeros(100, 0)).threshold is None


def test_strange_pictures_are_called_so_in_predictions_and_evaluations() -> None:
    images = pictures()
    made = images.clone()
    made[3] = 1 - made[3]
    task = dataclasses.replace(build(), threshold=0.01)
    with torch.inference_mode():
        said = task.predict(Always(made), images)
        plain = build().predict(Always(made), images)
    assert [row[0]["anomaly"] for row in said] == [n == 3 for n in range(8)]
    assert all("anomaly" not in row[0] for row in plain)
    for row, one in zip(said, made, strict=True):
        shown = torch.from_numpy(np.asarray(row[0]["picture"]).copy()).permute(2, 0, 1)
        assert torch.equal(shown, (one * 255).round().byte())
    found = measured(task, Always(made), own(images))
    assert found.metrics["anomalies"] == 1 / 8
    assert [row["error"] for row in found.examples] == pytest.approx([row[0]["error"] for row in said])


def test_an_unknown_objective_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="inpaint"):
        build(objective="inpainting")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_worst_pictures_are_shown_as_given_and_as_made(objective: str) -> None:
    """The middle square of the file, and what the network saw where that is something else."""
    (values,) = pictures(1, side=24)
    image = Image.fromarray((values.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    wide = Image.new("RGB", (40, 24))
    wide.paste(image, (8, 0))
    network = Same().train()
    shown = build(objective=objective).remade(network, wide, Preprocessing(24, 3, (0.0,) * 3, (1.0,) * 3))
    assert network.training, "its mode is as before"
    assert list(shown) == ["given", "made", "true"][: 2 if objective == "reconstruct" else 3]
    assert shown["given"].tobytes() == shown["made"].tobytes()
    assert (shown["given"].tobytes() == image.tobytes()) == (objective == "reconstruct")
    if objective != "reconstruct":
        assert shown["true"].tobytes() == image.tobytes()
