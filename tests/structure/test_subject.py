"""Layers by name, the map that explanations are drawn of, heads that are linear in its mean."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import get_model

import looking
from foveal.errors import OptionError
from foveal.structure.subject import Subject


class Repeated(nn.Module):
    """One convolution passed three times, its output flattened for a layer of features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(3 * 8 * 8, 5)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.conv(x).relu()
        out: Tensor = self.fc(x.flatten(1))
        return out


@pytest.mark.parametrize(
    ("name", "last", "linear"),
    [
        ("resnet18", "layer4", "fc.weight"),
        ("vgg11_bn", "features.27", None),
        ("alexnet", "features.11", None),
        ("mobilenet_v2", "features", "classifier.1.weight"),
        ("squeezenet1_1", "classifier.2", None),
        pytest.param("densenet121", "relu", "classifier.weight", marks=pytest.mark.slow),
        pytest.param("googlenet", "inception5b", "fc.weight", marks=pytest.mark.slow),
        pytest.param("efficientnet_b0", "features", "classifier.1.weight", marks=pytest.mark.slow),
        pytest.param("convnext_tiny", "features", None, marks=pytest.mark.slow),  # a norm is in between
        pytest.param("regnet_y_400mf", "trunk_output", "fc.weight", marks=pytest.mark.slow),
    ],
)
def test_the_last_map_and_whether_the_head_is_linear_in_its_mean(name, last, linear):
    more = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    subject = Subject.of(get_model(name, weights=None, **more), (1, 3, 96, 96))
    assert subject.last_map is not None
    assert subject.name_of(subject.last_map) == last
    assert subject.linear_on_pooled == linear


def test_a_window_that_is_smaller_than_the_map_is_no_mean_over_it():
    """Of 8x8 cells the first 7x7: one number is left, and it is not the mean."""
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(7), nn.Flatten(), nn.Linear(4, 5)]
    assert Subject.of(nn.Sequential(*layers), (1, 3, 8, 8)).linear_on_pooled is None
    layers[2] = nn.AvgPool2d(8)
    assert Subject.of(nn.Sequential(*layers), (1, 3, 8, 8)).linear_on_pooled == "4.weight"


def test_passes_of_a_reused_module_have_names_of_their_own():
    subject = Subject.of(Repeated(), (1, 3, 8, 8))
    assert [name for name in subject.names if name.startswith("conv")] == ["conv", "conv#2", "conv#3"]
    places = [subject.place_of(name) for name in ("conv", "conv#2", "conv#3")]
    assert places == sorted(set(places))
    assert [name for name in subject.maps if name.startswith("relu")] == ["relu", "relu#2", "relu#3"]
    assert subject.name_of(subject.last_map or 0) == "relu#3"


def test_each_name_gives_what_its_module_gives():
    """The values of every layer, against hooks."""
    network = looking.twins()[0]
    images = looking.noise(2)
    subject = Subject.of(network, (1, 3, 32, 32))
    with looking.looking(subject, images) as look:
        for name, module in network.named_modules():
            if not name or isinstance(module, nn.ModuleList):
                continue
            kept: list[Tensor] = []
            hook = module.register_forward_hook(lambda m, i, output, kept=kept: kept.append(output.detach()))
            network(images)
            hook.remove()
            if name in subject.maps:
                assert torch.equal(look.at(subject.maps[name]).values, kept[0]), name


def test_a_layer_that_is_not_there_or_no_map_is_refused():
    subject = Subject.of(looking.twins()[0], (1, 3, 32, 32))
    with pytest.raises(OptionError, match="no layer called 'iner'") as error:
        subject.place_of("iner")
    assert "inner" in error.value.allowed
    with pytest.raises(OptionError, match="fc gives 5, which is no map"):
        subject.place_of("fc")
    assert subject.place_of("fc", maps=False) == subject.names["fc"]


def test_what_an_operation_is_computed_from():
    subject = Subject.of(looking.twins()[0], (1, 3, 32, 32))
    left, right = subject.place_of("left"), subject.place_of("right")
    assert left not in subject.before([right])
    assert subject.place_of("stem") in subject.before([right])
    assert {left, right} <= subject.feeding
    assert subject.last_map_of([right]) == right


def test_what_only_training_needs_feeds_nothing():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.idle = nn.Conv2d(3, 5, 3), nn.Conv2d(3, 5, 5)

        def forward(self, x: Tensor) -> Tensor:
            self.idle(x)
            return self.main(x).mean((2, 3))

    subject = Subject.of(Two(), (1, 3, 8, 8))
    assert subject.name_of(subject.last_map or 0) == "main"
    assert subject.place_of("idle") not in subject.feeding
