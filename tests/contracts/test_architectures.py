"""Every architecture takes 1, 3 and 4 channels and odd sizes, learns, says what it is, and is saved bit-equal."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from foveal import catalog
from foveal.card import Card
from foveal.contracts import About
from foveal.model import Model
from foveal.structure.auxiliary import attached
from foveal.structure.layers import is_in, stages
from foveal.structure.regularise import set_drop_path, set_dropout
from foveal.tasks import classify
from foveal.values import Batch, Preprocessing

# one of each family in the fast suite; the family file says which names there are
FAST = (
    *("lenet5", "cifar_resnet20", "resnet9", "sprintnet", "efficientnet_lite0", "timm/resnet10t"),
    *("alexnet", "vgg11_bn", "googlenet", "inception_v3", "resnet18", "densenet121", "squeezenet1_1"),
    *("mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0", "regnet_y_400mf"),
)
EVERY = [n for n in catalog.names("architectures") if not n.endswith("/")]
ALL = [n for n in EVERY if not hasattr(catalog.find("architectures", n), "tasks")]
"""Those with one output a label or number; the others' own tests stand beside their family's."""
HEAVY = ("vit_h", "regnet_y_128gf", "vit_l", "efficientnet_b6", "efficientnet_b7", "efficientnet_v2_l")
"""Of their families smaller ones are tried: these would take gigabytes for nothing new."""
SLOW = [pytest.param(n, marks=pytest.mark.slow) for n in ALL if n not in FAST and not n.startswith(HEAVY)]
LARGE = ("alexnet", "vgg11_bn")
"""Hundreds of megabytes to save, so that is left to the slow suite."""
FIXED = {"vit_b_16": (32, 48), "vit_b_32": (32, 64), "maxvit_t": (224, 224)}
"""Sizes of networks whose patches must fill the picture."""
RATES = {
    "lenet5": 0.01,
    "sprintnet": 0.01,
    "squeezenet1_0": 3e-4,
    "squeezenet1_1": 3e-4,
    "vgg19": 3e-4,
    "vgg19_bn": 3e-4,
    **dict.fromkeys(("swin_v2_t", "swin_v2_s", "swin_v2_b", "vit_b_16", "vit_b_32"), 1e-4),
}
TASK = classify.build(["a", "b", "c", "d", "e"])


def built(name: str, channels: int, size: int, outputs: int = 5) -> nn.Module:
    """A network as a plan would build it for new pictures of this size."""
    family = catalog.find("architectures", name)
    small = size < family.small_stem(name) if hasattr(family, "small_stem") else False
    torch.manual_seed(0)
    network: nn.Module = family.build(
        name, outputs=outputs, channels=channels, size=size, **({"stem": "small"} if small else {})
    )
    return network


@pytest.mark.parametrize(
    "name", [*(pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n for n in FAST), *SLOW]
)
def test_contract(name: str, tmp_path: Path) -> None:
    family = catalog.find("architectures", name)
    head = family.head(name)
    for channels, size in zip((1, 3, 4), (FIXED.get(name, (33, 45)) * 2)[:3], strict=True):
        network = built(name, channels, size).eval()
        with torch.inference_mode():
            assert network(torch.zeros(2, channels, size, size)).shape == (2, 5)
    owned = [n for n, _ in network.named_parameters() if is_in(n, head)]
    assert len(network.get_parameter(f"{head}.weight")) == 5, "the head gives the outputs"
    assert stages(network, head)[-1][0][0] in owned
    card = {"name": name, "outputs": 5, "channels": 4, "size": size}
    if hasattr(family, "small_stem") and size < family.small_stem(name):
        card["stem"] = "small"
    pre = Preprocessing(size, 4, (0.5,) * 4, (0.25,) * 4)
    Model(network, TASK, pre, Card(task=TASK.card(), architecture=card, preprocessing=pre)).save(
        tmp_path / "m.safetensors"
    )
    again = Model.load(tmp_path / "m.safetensors").network.state_dict()
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, again[key])


def narrowed(network: nn.Module) -> nn.Module:
    """AlexNet and VGG with few units in their dense layers, which would take most of the suite's time."""
    classifier = getattr(network, "classifier", None)
    if type(network).__name__ in ("AlexNet", "VGG") and isinstance(classifier, nn.Sequential):
        dense = [n for n, layer in enumerate(classifier) if isinstance(layer, nn.Linear)]
        sides = [classifier[dense[0]].in_features, 64, 64, 5]
        for place, (inputs, outputs) in zip(dense, pairwise(sides), strict=True):
            classifier[place] = nn.Linear(inputs, outputs)
    return network


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_overfits_eight_pictures(name: str) -> None:
    size = FIXED.get(name, (36, 36))[0]
    network = narrowed(built(name, 1, size))
    set_dropout(network, 0.0)
    set_drop_path(network, 0.0)
    # blots rather than noise, which deep networks without normalisation average away before they learn
    pictures = F.interpolate(2 * torch.randn(8, 1, 3, 3), size, mode="bicubic")
    batch = Batch(pictures, torch.tensor([0, 1, 2, 3, 4, 0, 1, 2]), list("abcdefgh"))
    rate = RATES.get(name, 1e-3)
    optimizer = torch.optim.Adam(network.parameters(), rate)
    network.train()
    first = None
    for _ in range(150):
        step = TASK.step(network, batch)
        first = first or float(step.loss.detach())
        right = (step.outputs.argmax(1) == batch.truths).all()
        if right and float(step.loss.detach()) < 0.5 * first:
            break
        optimizer.zero_grad()
        torch.autograd.backward(step.loss)
        optimizer.step()
    assert right, "it does not tell eight pictures apart"
    for name_, parameter in network.named_parameters():
        assert parameter.grad is not None, f"no gradient reaches {name_}"


@pytest.mark.parametrize("name", EVERY)
def test_it_says_what_it_is(name: str) -> None:
    about = catalog.find("architectures", name).about(name)
    assert isinstance(about, About)
    assert 1998 <= about.year <= 2026
    assert about.idea.endswith(".")
    assert about.accuracy is None or 0.5 < about.accuracy < 0.9
    assert about.source
    assert about.parameters > 10_000


@pytest.mark.parametrize("name", [*(n for n in FAST if "/" not in n), *SLOW])
def test_it_has_as_many_parameters_as_it_says(name: str) -> None:
    family = catalog.find("architectures", name)
    published = family.weights(name, None)
    size = published.preprocessing.size if published else 32
    network = family.build(name, outputs=1000, channels=3, size=size)
    # torchvision counts Inception v3's auxiliary head, and leaves out GoogLeNet's two
    left_out = [one.head for one in attached(network)] if name == "googlenet" else []
    count = sum(p.numel() for n, p in network.named_parameters() if not any(is_in(n, h) for h in left_out))
    assert count == family.about(name).parameters


@pytest.mark.parametrize("name", ["resnet9", "sprintnet", "cifar_resnet20"])
def test_the_smallest_pictures_suit_small_networks(name: str) -> None:
    network = catalog.find("architectures", name).build(name, outputs=2, channels=1, size=8).eval()
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 2)


@pytest.mark.parametrize("name", sorted(set(EVERY) - set(ALL)))
def test_networks_for_other_tasks_say_which(name: str) -> None:
    family = catalog.find("architectures", name)
    assert family.tasks(name)
    assert set(family.tasks(name)) <= set(catalog.names("tasks"))
    assert family.head(name)
    assert family.SOURCE


def test_every_stage_is_in_order() -> None:
    """From the stem to the head, each parameter once."""
    for name in FAST:
        family = catalog.find("architectures", name)
        network = family.build(name, outputs=3, channels=3, size=64)
        parts = stages(network, family.head(name))
        flat = [p for stage in parts for p, _ in stage]
        assert sorted(flat) == sorted(n for n, _ in network.named_parameters())
        assert is_in(parts[-1][0][0], family.head(name))
        assert not is_in(flat[0], family.head(name))
        assert 4 <= len(parts) <= 26
