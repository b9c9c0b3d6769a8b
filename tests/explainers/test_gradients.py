"""Gradients are those of the score; what is made of them is what its formula says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import looking
import shapes
from foveal import catalog
from foveal.data.views import normalise
from foveal.errors import UnknownNameError
from foveal.explainers import integrated_gradients
from foveal.explainers._channels import strongest
from foveal.structure.subject import Subject
from foveal.values import Preprocessing, Target
from looking import LABELS, PLAIN, noise, targets, twins

ODD = Preprocessing(32, 3, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize(
    "unit", [None, Target(layer="last", channel=3), Target(layer="inner", channel=1, cell=(5, 9))]
)
def test_gradients_equal_central_differences(norm, unit):
    """In double: the slope along random directions, error over |g| / sqrt(n)."""
    network, images = twins(norm)[1].eval(), noise(2).double()
    wanted = targets(2) if unit is None else [unit] * 2
    with looking.looking(network, (images - 0.5) / 0.25, wanted, ODD) as look:
        gradient, _ = look.gradient()
        draw = torch.Generator().manual_seed(1)
        step = 1e-5
        pixels = look.pixels()
        for _ in range(5):
            direction = torch.randn(images.shape, generator=draw, dtype=torch.float64)
            there, back = (look.score(look.normalised(pixels + s * direction)) for s in (step, -step))
            slope = (gradient * direction).sum((1, 2, 3))
            size = gradient.flatten(1).norm(dim=1) / gradient[0].numel() ** 0.5
            assert (((there - back) / (2 * step) - slope).abs() / size).max() < 1e-6


def test_at_each_pixel_the_largest_with_its_sign():
    given = torch.tensor([1.0, -3.0, 2.0, 0.5, 0.25, -0.125]).view(1, 3, 1, 2).contiguous()
    # channel by channel: (1, -3), (2, 0.5), (0.25, -0.125)
    assert strongest(given).tolist() == [[[2.0, -3.0]]]


def explained(name: str, network: nn.Module | Subject, images: Tensor, **more: object) -> looking.Maps:
    options = {k: more.pop(k) for k in list(more) if k in ("passes", "noise", "baselines", "masks", "cover")}
    with looking.looking(network, images, **more) as look:  # type: ignore[arg-type]
        return catalog.find("explainers", name).explain(look, **options)


def test_gradient_times_input_adds_up_for_a_linear_network():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, len(LABELS)))
    pixels = noise(2)
    with looking.looking(network, pixels, None, ODD) as look:
        look.images = look.normalised(pixels)
        found = catalog.find("explainers", "gradient_x_input").explain(look)
        black = look.score(look.normalised(torch.zeros_like(pixels)))
        assert found.pixels.sum((1, 2)).tolist() == pytest.approx((look.scores - black).tolist(), abs=1e-4)


def test_smoothgrad_by_its_formula():
    network, pixels = twins()[0], noise(2)
    subject = Subject.of(network, (1, 3, 32, 32))
    images = (pixels - torch.tensor(ODD.mean).view(3, 1, 1)) / torch.tensor(ODD.std).view(3, 1, 1)
    found = explained("smoothgrad", subject, images, preprocessing=ODD, passes=5, noise=0.2, seed=3)
    draw = torch.Generator().manual_seed(3)
    total = torch.zeros_like(images)
    std = torch.tensor(ODD.std).view(3, 1, 1)
    for _ in range(5):
        made = torch.randn(3, 32, 32, generator=draw)
        for b, target in enumerate(targets(2)):
            spread = 0.2 * (pixels[b].max() - pixels[b].min())
            noisy = (images[b] + spread * made / std)[None].requires_grad_()
            score = looking.TASK.score(network(noisy), [target]).sum()
            total[b] += torch.autograd.grad(score, noisy)[0][0] / std
    assert torch.allclose(found.pixels, strongest(total / 5), atol=1e-5)


@pytest.mark.parametrize("baseline", integrated_gradients.BASELINES)
def test_integrated_gradients_of_a_quadratic_network(baseline):
    """Of x -> sum w x^2 the midpoint rule is exact: w (x^2 - b^2) at each pixel."""

    class Quadratic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(len(LABELS), 3, 32, 32))

        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("bchw,ochw->bo", x**2, self.w)

    torch.manual_seed(0)
    network, pixels = Quadratic(), noise(2)
    found = explained("integrated_gradients", network, pixels, preprocessing=PLAIN, baselines=(baseline,))
    start = integrated_gradients._baseline(baseline, pixels)
    w = [network.w[0], network.w[1] - network.w[3]]
    by_hand = torch.stack([(v * (x**2 - s**2)).sum(0) for v, x, s in zip(w, pixels, start, strict=True)])
    assert torch.allclose(found.pixels, by_hand, atol=1e-4)


def test_baselines_are_pictures():
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    black, mean, blurred = (
        integrated_gradients._baseline(n, pixels)[0] for n in integrated_gradients.BASELINES
    )
    assert not black.any()
    assert (mean == mean[:, :1, :1]).all()
    assert torch.allclose(mean[:, 0, 0], pixels[0].mean((1, 2)))
    rough = [(t - t.mean((1, 2), keepdim=True)).std() for t in (pixels[0], blurred)]
    assert 0 < rough[1] < 0.3 * rough[0]


def test_an_unknown_baseline_is_refused():
    with pytest.raises(UnknownNameError, match="white"):
        explained("integrated_gradients", twins()[0], noise(1), baselines=("white",))


def test_integrated_gradients_are_complete_on_every_picture(capsys):
    """To 1 % or 0.01 logit, of the trained network, whatever it says and whatever is asked for."""
    network, task, pre = shapes.trained()
    images, kinds, _ = shapes.pictures(4, seed=11)
    subject = Subject.of(network, (1, 3, 64, 64))
    asked = [Target(shapes.LABELS[(k + n % 2) % 5]) for n, k in enumerate(kinds[:, 0].tolist())]
    with looking.looking(subject, normalise(images, pre), asked, pre) as look:
        look.scorer = task.score
        found = catalog.find("explainers", "integrated_gradients").explain(look)
        missing = (found.pixels.sum((1, 2)) - found.wanted).abs()
        allowed = (0.01 * found.wanted.abs()).clamp(min=0.01)
        with capsys.disabled():
            print(f"\nintegrated gradients: {missing.max():.4f} logits missing of {found.wanted.tolist()}")  # noqa: T201
        # the promise itself: a picture's gain over its baselines
        pixels = look.pixels()
        gain = torch.stack(
            [
                look.scores - look.score(look.normalised(integrated_gradients._baseline(n, pixels)))
                for n in integrated_gradients.explain.__defaults__[0]
            ]
        ).mean(0)
    assert found.wanted.tolist() == pytest.approx(gain.tolist(), abs=1e-4)
    assert (missing <= allowed).all()
    assert not found.says


def test_what_does_not_add_up_is_said(monkeypatch):
    """A network that turns round and round on the way."""

    class Turning(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 5 * torch.sin(3e4 * x.mean((2, 3))).repeat(1, 2)[:, :5]

    monkeypatch.setattr(integrated_gradients, "LAST", 32)
    found = explained("integrated_gradients", Turning(), noise(2), baselines=("black",))
    missing = (found.pixels.sum((1, 2)) - found.wanted).abs()
    assert missing.max() > 0.01
    assert found.says == ("2 of 2 did not add up to 1% in 32 steps.",)


@pytest.mark.parametrize(
    "name",
    [
        "gradient",
        "gradient_x_input",
        "guided_backprop",
        "deconvolution",
        "smoothgrad",
        "integrated_gradients",
    ],
)
def test_a_pixel_that_is_not_seen_gets_exactly_nothing(name):
    subject = Subject.of(twins()[1], (1, 3, 32, 32))
    place = subject.place_of("inner")
    unit = [Target(layer="inner", channel=1, cell=(5, 9))] * 2
    found = looking.raw(explained(name, subject, noise(2), wanted=unit)).numpy()
    x0, y0, x1, y1 = (int(v) for v in subject.grid(place).box(5, 9))
    inside = np.zeros((32, 32), bool)
    inside[max(0, y0) : y1 + 1, max(0, x0) : x1 + 1] = True
    assert 0 < inside.mean() < 0.1
    assert not found[:, ~inside].any()
    assert (found[:, inside] != 0).mean() > 0.5
