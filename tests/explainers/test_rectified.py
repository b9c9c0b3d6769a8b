"""Rectifiers by another rule: equal to Captum where it reaches them, and right where it does not."""

from __future__ import annotations

import warnings

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import get_model

import looking
from foveal import catalog
from foveal.errors import OptionError
from foveal.structure.subject import Subject
from foveal.structure.taps import Rule
from foveal.values import Target
from looking import LABELS, PLAIN, Modules, drawn, noise, targets, twins

RULES: dict[str, Rule] = {"guided_backprop": "guided", "deconvolution": "deconvolution"}


def captums(name: str, network: nn.Module, images: Tensor, labels: list[int]) -> Tensor:
    """Captum's gradient `BCHW` by the same rule."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from captum.attr import Deconvolution, GuidedBackprop  # it warns of its hooks, and of what it imports

        method = {"guided_backprop": GuidedBackprop, "deconvolution": Deconvolution}[name]
        found: Tensor = method(network).attribute(images.clone(), target=torch.tensor(labels))
    return found.detach()


def ours(name: str, network: nn.Module, images: Tensor, labels: list[int]) -> tuple[Tensor, int]:
    with looking.looking(network, images, [Target(LABELS[n]) for n in labels]) as look:
        return look.gradient(rule=RULES[name])


def published(name: str, **more: object) -> nn.Module:
    torch.manual_seed(0)
    return get_model(name, weights=None, num_classes=len(LABELS), **more).eval()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(
    ("network", "count"),
    [
        (lambda: twins()[0], 6),
        (lambda: twins(norm=False)[0], 6),
        (lambda: published("resnet18"), 17),
        pytest.param(lambda: published("vgg11_bn"), 10, marks=pytest.mark.slow),
        pytest.param(lambda: published("squeezenet1_1"), 26, marks=pytest.mark.slow),
        pytest.param(
            lambda: timm.create_model("resnet14t", num_classes=5).eval(), 15, marks=pytest.mark.slow
        ),
    ],
    ids=["modules", "without norms", "resnet18", "vgg11_bn", "squeezenet1_1", "timm resnet14t"],
)
def test_equals_captum_on_networks_of_modules(name, network, count):
    made, images, labels = network(), noise(2, 64), [1, 3]
    theirs = captums(name, made, images, labels)
    found, rectifiers = ours(name, made, images, labels)
    assert rectifiers == count
    assert theirs.abs().max() > 0
    assert (found - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("norm", [True, False])
def test_the_same_network_of_functions_gives_the_same_to_the_last_bit(name, norm):
    one, other = twins(norm)
    images, labels = noise(3), [0, 2, 4]
    (first, n), (second, m) = ours(name, one, images, labels), ours(name, other, images, labels)
    assert n == m == 6
    assert torch.equal(first, second)
    plain = ours_plain(one, images, labels)
    assert (first - plain).abs().max() > 0.05 * plain.abs().max(), "the rule changes nothing"


def ours_plain(network: nn.Module, images: Tensor, labels: list[int]) -> Tensor:
    with looking.looking(network, images, [Target(LABELS[n]) for n in labels]) as look:
        return look.gradient()[0]


@pytest.mark.parametrize("name", RULES)
def test_one_rectifier_by_hand(name):
    """x -> relu(w x) -> v: guided where w x > 0 and v > 0, deconvolution where v > 0."""

    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 16, 1)
            self.fc = nn.Linear(16 * 4, len(LABELS))

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.fc(self.first(x).relu().flatten(1))
            return out

    network, images = drawn(One()), noise(1, 2) - 0.5
    found, rectifiers = ours(name, network, images, [2])
    assert rectifiers == 1
    w, before = network.first.weight[:, :, 0, 0], network.first(images)[0]
    v = network.fc.weight[2].view(16, 2, 2)
    opened = (v > 0) & ((before > 0) | (name == "deconvolution"))
    by_hand = torch.einsum("oc,ohw->chw", w, v * opened)
    assert torch.allclose(found[0], by_hand, atol=1e-6)
    assert 0 < opened.float().mean() < 1


@pytest.mark.parametrize("rule", RULES.values())
def test_rectifiers_with_an_upper_bound_follow_the_rule(rule):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU6(), nn.Conv2d(6, 6, 3), nn.Hardtanh(0, 2, inplace=True),
        nn.Conv2d(6, 6, 3), nn.Threshold(0, 0), nn.Conv2d(6, 6, 3), nn.Hardtanh(-1, 1), nn.LeakyReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    )  # fmt: skip
    with looking.looking(network, noise(1)) as look:
        _, rectifiers = look.gradient(rule=rule)
    assert rectifiers == 3, "those that let nothing below 0 through, and only those"


@pytest.mark.parametrize("name", [*RULES, "guided_gradcam"])
def test_refused_where_no_rectifier_is(name):
    with looking.looking(looking.Smooth(), noise(1)) as look:
        with pytest.raises(OptionError, match="not defined for this network") as error:
            catalog.find("explainers", name).explain(look)
    assert "gradcam" in error.value.todo


def test_guided_gradcam_is_the_product():
    network, images = twins()[0], noise(2)
    subject = Subject.of(network, (1, 3, 32, 32))
    found = {}
    for name in ("guided_gradcam", "guided_backprop", "gradcam"):
        with looking.looking(subject, images, targets(2), PLAIN) as look:
            found[name] = looking.on_pixels(catalog.find("explainers", name).explain(look), subject)
    # the rectifier comes before the cells are enlarged
    with looking.looking(subject, images, targets(2), PLAIN) as look:
        cells = catalog.find("explainers", "gradcam").explain(look)
        assert cells.cells is not None
        assert cells.place is not None
        coarse = looking.spread(cells.cells.clamp(min=0), subject.drawn(cells.place), subject.size)
    assert torch.allclose(found["guided_gradcam"], found["guided_backprop"] * coarse)
    assert found["guided_gradcam"].abs().max() > 0


def test_modules_has_a_rectifier_each():
    assert sum(isinstance(m, nn.ReLU) for m in Modules().modules()) == 6
