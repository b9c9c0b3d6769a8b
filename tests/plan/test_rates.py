"""Rates and optimizers from scratch, by what a network's family bears."""

from __future__ import annotations

import pytest

from foveal import plan
from foveal.options import TrainOptions, make
from foveal.values import Dataset, Facts, Item


def pictures() -> Dataset:
    items = tuple(Item(str(n), f"{n}.jpg", "ab"[n % 2], "train") for n in range(3000))
    val = tuple(Item(f"v{n}", f"v{n}.jpg", "ab"[n % 2], "val") for n in range(10))
    return Dataset(
        "/", "classify", "folder", "x", ("a", "b"), items + val, (), Facts(32, 32, 32, 32, False, 1), "f"
    )


@pytest.mark.parametrize(
    ("network", "optimizer", "lr"),
    [
        ("resnet18", "sgd", 0.1),
        ("vgg11_bn", "sgd", 0.1),
        ("alexnet", "sgd", 0.01),
        ("vgg16", "sgd", 0.01),
        ("squeezenet1_1", "sgd", 0.01),
        ("vit_b_16", "adamw", 1e-3 * 2**0.5),
        ("swin_t", "adamw", 1e-3 * 2**0.5),
    ],
)
def test_from_scratch(network: str, optimizer: str, lr: float) -> None:
    given = {"network": network, "pretrained": False, "batch": 128}
    made = plan.make(pictures(), make(TrainOptions, given))
    assert made.fit.optimizer == optimizer
    assert made.fit.stages[0].lr == pytest.approx(lr, rel=0.01)
