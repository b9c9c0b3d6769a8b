"""Parameters and multiply-adds of torchvision's networks beside what torchvision publishes of them."""

from __future__ import annotations

import pytest
import torchvision
from torchvision.models import get_model, get_model_weights, list_models

from foveal.structure.anatomy import anatomy_of
from foveal.structure.graph import trace

HUGE = ("regnet_y_128gf", "vit_h_14")  # more memory than a small machine has, for the pictures they want
NAMES = [name for name in list_models(module=torchvision.models) if name not in HUGE]
QUICK = ("alexnet", "googlenet", "inception_v3", "resnet18", "densenet121", "mobilenet_v3_small", "vit_b_32")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_parameters_are_equal_and_multiply_adds_within_a_hundredth(name):
    weights = get_model_weights(name).DEFAULT
    side = weights.transforms().crop_size[0]
    bare = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    net = get_model(name, weights=None, **bare)
    found = anatomy_of(net, trace(net, (1, 3, side, side)))
    published = weights.meta["num_params"]
    # googlenet's published figure leaves the two auxiliary heads out; inception_v3's holds its own
    without = found.parameters - sum(found.unused.values())
    assert published == (without if name == "googlenet" else found.parameters)
    assert list(found.unused) == {"googlenet": ["aux1", "aux2"], "inception_v3": ["AuxLogits"]}.get(name, [])
    # published in thousandths of a billion, which for small networks is more than a hundredth
    assert found.multiply_adds / 1e9 == pytest.approx(weights.meta["_ops"], rel=0.01, abs=0.0005)
