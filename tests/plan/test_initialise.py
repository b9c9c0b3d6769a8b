"""New networks look at training pictures first, where they want to; nothing else is touched by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import small
from foveal import catalog
from foveal.data.batches import Batches
from foveal.plan import initialise as module
from foveal.plan.initialise import initialise
from foveal.values import Dataset


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return small.drawings(tmp_path)


def seen(data: Dataset, **more: object) -> Batches:
    return small.batches(data, "train", shuffle=False, **more)


def test_the_first_kernels_whiten_the_training_pictures(data: Dataset) -> None:
    family = catalog.find("architectures", "sprintnet")
    torch.manual_seed(0)
    network = family.build("sprintnet", outputs=3, channels=1, size=12)
    others = {n: t.clone() for n, t in network.state_dict().items() if n != "whiten.weight"}
    batches, before = seen(data, size=16), torch.get_rng_state()
    initialise(network, "sprintnet", batches)
    assert torch.equal(torch.get_rng_state(), before)
    kernels = network.whiten.weight
    for name, tensor in network.state_dict().items():
        assert name == "whiten.weight" or torch.equal(tensor, others[name])
    whole = torch.cat([batches.to(raw, "cpu", False).images for raw in batches.epoch(0)])
    direct = family.build("sprintnet", outputs=3, channels=1, size=12)
    family.initialise(direct, whole)
    torch.testing.assert_close(kernels, direct.whiten.weight)
    again = family.build("sprintnet", outputs=3, channels=1, size=12)
    initialise(again, "sprintnet", seen(data, size=16))
    assert torch.equal(kernels, again.whiten.weight), "the same pictures each time"


def _pixels(data: Dataset) -> list[tuple[np.ndarray, str]]:
    """What the network is shown of each training picture, and its kind."""
    batches = seen(data, size=1)
    return [
        (batches.to(raw, "cpu", False).images[0].numpy(), item.truth)
        for raw, item in zip(batches.epoch(0), batches.items, strict=True)
    ]


def test_some_of_many_pictures_from_all_classes(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the data comes class by class, and however large a batch is."""
    shown: list[torch.Tensor] = []
    known = {pixels.tobytes(): kind for pixels, kind in _pixels(data)}
    family = catalog.find("architectures", "sprintnet")
    monkeypatch.setattr(family, "initialise", lambda network, images: shown.append(images))
    monkeypatch.setattr(module, "MOST", 20)
    ordered = sorted(data.part("train"), key=lambda item: str(item.truth))
    for size in (3, 7, 500):
        initialise(torch.nn.Identity(), "sprintnet", seen(data, items=ordered, size=size))
    assert [len(images) for images in shown] == [20, 20, 20]
    # class by class, the first 20 of 48 would show two of the three kinds
    assert {known[image.numpy().tobytes()] for image in shown[0]} == set(small.LABELS)
    monkeypatch.setattr(module, "PIXELS", 5 * 12 * 12)
    initialise(torch.nn.Identity(), "sprintnet", seen(data, size=4))
    assert len(shown[-1]) == 5, "fewer of larger pictures"


def test_other_networks_stay_as_they_are(data: Dataset) -> None:
    network = small.tiny()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    initialise(network, "resnet9", seen(data))
    assert small.equal(dict(network.state_dict()), before)
