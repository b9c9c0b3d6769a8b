"""Detectors that are small and untrained, of each kind."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from foveal import catalog
from foveal.card import Card
from foveal.model import Model
from foveal.tasks import detect, instances
from foveal.values import Preprocessing

BACKBONE = "timm/resnet10t"
KINDS = ("fcos", "faster_rcnn", "retinanet", "ssdlite", "mask_rcnn")
SOME = [k if k in ("fcos", "faster_rcnn") else pytest.param(k, marks=pytest.mark.slow) for k in KINDS]
"""One of each number of stages in the fast suite."""
LABELS = ("ball", "cube", "ring")


def model_of(kind: str) -> Model:
    torch.manual_seed(0)
    name = f"{kind}/{BACKBONE}"
    told: dict[str, Any] = {"outputs": 3, "channels": 3, "size": 128}
    network = catalog.find("architectures", name).build(name, **told).eval()
    # as if it had learned something: untrained ones find the background alike everywhere
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    task = (instances if kind == "mask_rcnn" else detect).build(LABELS)
    card = Card(task=task.card(), architecture={"name": name, **told}, preprocessing=Preprocessing(128))
    return Model(network, task, Preprocessing(128), card)
