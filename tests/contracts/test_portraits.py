"""Every portrait: it leaves the network as it was, is seeded, and can be saved and drawn."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import sitters
from foveal import catalog
from foveal.contracts import Portrayal, Sitting
from foveal.errors import OptionError
from foveal.portraits.maximize import Maximized
from foveal.values import Target

NAMES = catalog.names("portraits")
SHORT = {"steps": 12, "each": 2}
"""Options of those that have them, so that they end soon; of pictures painted together the harder case."""
NEED_PICTURES = {"activations", "examples", "latent", "space"}


def portray(name: str, sitting: Sitting) -> Iterator[Portrayal]:
    portrait = catalog.find("portraits", name)
    known = inspect.signature(portrait.portray).parameters
    made: Iterator[Portrayal] = portrait.portray(sitting, **{k: v for k, v in SHORT.items() if k in known})
    return made


def last(parts: Iterator[Portrayal]) -> Portrayal:
    return list(parts)[-1]


def state(network: nn.Module) -> list[Any]:
    """All that looking could change in a network, and every random state."""
    tensors = {n: t.detach().clone().numpy().tobytes() for n, t in network.state_dict().items()}
    parameters = [(p.requires_grad, None if p.grad is None else p.grad.clone()) for p in network.parameters()]
    grads = [(asks, None if grad is None else grad.numpy().tobytes()) for asks, grad in parameters]
    modules = [
        (m.training, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
        for m in network.modules()
    ]
    draws = (torch.get_rng_state().numpy().tobytes(), str(np.random.get_state()), random.getstate())
    modes = (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_num_threads())
    return [tensors, grads, modules, draws, modes]


def unruly(kind: str) -> nn.Module:
    """A network with some parts in training mode, some frozen, and gradients left from somewhere."""
    network = sitters.made(kind)
    for n, module in enumerate(network.modules()):
        module.training = n % 2 == 0
    for n, parameter in enumerate(network.parameters()):
        parameter.requires_grad_(n % 3 != 0)
        if n % 2:
            parameter.grad = torch.ones_like(parameter)
    return network


def sitting_for(network: nn.Module, pixels: Tensor, side: int = 32) -> Sitting:
    """As `sitters.sitting`, without a change of modes."""
    modes = [module.training for module in network.modules()]
    sitting = sitters.sitting(network, pixels, side=side)
    for module, training in zip(network.modules(), modes, strict=True):
        module.training = training
    return sitting


def test_there_are_portraits() -> None:
    assert {"maximize", "examples", "activations", "filters", "latent", "space"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name: str) -> None:
    portrait = catalog.find("portraits", name)
    assert portrait.__doc__
    assert "\n" not in portrait.__doc__
    assert portrait.SOURCE
    assert portrait.CANNOT.endswith(".")


@pytest.mark.parametrize("kind", sitters.NETWORKS)
@pytest.mark.parametrize("name", NAMES)
def test_changes_nothing_and_can_be_saved(name: str, kind: str) -> None:
    """Compared at each progress: what consumes them may do with the network what it likes."""
    network = unruly(kind)
    sitting = sitting_for(network, sitters.images(20))
    before = state(network)
    done = [0.0]
    for part in portray(name, sitting):
        assert state(network) == before
        assert done[-1] <= part.done <= 1
        done.append(part.done)
    assert done[-1] == 1
    assert 1 not in done[:-1], "only the last is whole"
    assert part.says
    assert all(words.strip() == words and words for words in part.says)
    again = json.loads(json.dumps(part.to_json(), allow_nan=False))
    assert again["done"] == 1
    assert part.arrays()
    for tensor in part.arrays().values():
        assert tensor.numel()
        assert tensor.isfinite().all()
    image = part.drawn()
    assert isinstance(image, Image.Image)
    assert min(image.size) > 80
    assert len(image.convert("RGB").getcolors(2**24) or []) > 10, "something is drawn"


@pytest.mark.parametrize("name", NAMES)
def test_is_seeded(name: str) -> None:
    """The same numbers from the same seed, whatever was drawn elsewhere before."""
    sitting = sitters.sitting(sitters.made("batch norm"), sitters.images())
    one = last(portray(name, sitting))
    torch.rand(3)
    np.random.rand(3)
    other = last(portray(name, sitting))
    assert json.dumps(one.to_json()) == json.dumps(other.to_json())
    for key, tensor in one.arrays().items():
        assert torch.equal(tensor, other.arrays()[key]), key


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", NAMES)
def test_grey_and_four_channels(name: str, channels: int) -> None:
    network = sitters.made("functional", channels)
    sitting = sitters.sitting(network, sitters.images(16, channels), channels)
    part = last(portray(name, sitting))
    assert part.done == 1
    assert part.drawn().size[0] > 80


@pytest.mark.parametrize("name", NAMES)
def test_changes_nothing_when_pictures_fail(name: str) -> None:
    network = unruly("branches")
    sitting = sitting_for(network, sitters.images())
    assert sitting.pictures is not None
    whole = sitting.pictures

    def broken() -> Iterator[tuple[Sequence[str], Tensor]]:
        for number, batch in enumerate(whole()):
            if number:
                raise OSError("the disk is gone")
            yield batch

    before = state(network)
    try:
        list(portray(name, replace(sitting, pictures=broken)))
    except OSError:
        pass
    assert state(network) == before
    parts = portray(name, sitting)
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert state(network) == before, "given up after the first progress"


@pytest.mark.parametrize("name", NAMES)
def test_without_pictures_it_works_or_says_why_not(name: str) -> None:
    sitting = sitters.sitting(sitters.made("functional"), None)
    if name in NEED_PICTURES:
        with pytest.raises(OptionError, match="pictures") as caught:
            last(portray(name, sitting))
        assert caught.value.allowed.endswith(".")
        assert caught.value.todo.endswith(".")
    else:
        assert last(portray(name, sitting)).says


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_another_size_are_refused(name: str) -> None:
    sitting = sitters.sitting(sitters.made("functional"), sitters.images(side=40))
    with pytest.raises(ValueError, match=r"40, 40"):
        list(portray(name, sitting))


PUBLISHED = (
    "resnet18",
    "vgg11_bn",
    "googlenet",
    "densenet121",
    "mobilenet_v2",
    "squeezenet1_0",
    "convnext_tiny",
)


@pytest.mark.slow
@pytest.mark.parametrize("published", PUBLISHED)
@pytest.mark.parametrize("name", NAMES)
def test_published_networks(name: str, published: str) -> None:
    """Untrained, at 96 px: nothing changes; what is painted excites its channels more than real pictures do."""
    import torchvision

    more = {"aux_logits": False, "init_weights": True} if published == "googlenet" else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = getattr(torchvision.models, published)(num_classes=4, **more)
    sitting = sitting_for(network, sitters.images(8, side=96), side=96)
    before = state(network)
    options: dict[str, Any] = {}
    if name == "maximize":
        assert sitting.subject.last_map is not None
        layer = sitting.subject.name_of(sitting.subject.last_map)
        options = {"goals": [Target(layer=layer, channel=n) for n in range(4)], "steps": 40}
    part = last(catalog.find("portraits", name).portray(sitting, **options))
    assert state(network) == before
    assert part.done == 1
    if isinstance(part, Maximized):
        assert all(painted > real for painted, real in zip(part.unseen, part.real, strict=True))
