"""The one evaluator: whatever the batch, and whatever the memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import small
from foveal.loop.evaluation import evaluate, is_channels_last
from foveal.values import Dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small.drawings(tmp_path_factory.mktemp("drawings"))


def test_the_batch_changes_nothing(data: Dataset) -> None:
    network = small.tiny()
    found = [evaluate(network, small.task(), small.batches(data, "val", n), "val") for n in (1, 5, 24)]
    assert found[0].headline == found[1].headline == found[2].headline
    assert found[0].metrics["loss"] == pytest.approx(found[2].metrics["loss"], rel=1e-6)
    assert [row["id"] for row in found[0].examples] == [item.id for item in data.part("val")]


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_as_before(data: Dataset, training: bool) -> None:
    network = small.tiny().train(training)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    evaluate(network, small.task(), small.batches(data, "val"), "val")
    assert network.training is training
    assert small.equal(before, dict(network.state_dict())), "nor do batch statistics move"


class Hungry(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.most = small.tiny(), 0

    def forward(self, x: Tensor) -> Tensor:
        self.most = max(self.most, len(x)) if len(x) <= 5 else self.most
        if len(x) > 5:
            raise torch.OutOfMemoryError("out of memory")
        out: Tensor = self.inner(x)
        return out


def test_out_of_memory_is_met_by_smaller_pieces(data: Dataset) -> None:
    network = Hungry()
    found = evaluate(network, small.task(), small.batches(data, "val", 24), "val")
    want = evaluate(network.inner, small.task(), small.batches(data, "val", 24), "val")
    assert found.headline == want.headline
    assert 1 < network.most <= 5


def test_memory_layout_is_seen() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
    assert not is_channels_last(network)
    assert is_channels_last(network.to(memory_format=torch.channels_last))


def test_a_run_without_pictures_to_judge_says_so(tmp_path: Path) -> None:
    import foveal
    from foveal.errors import DataError

    with pytest.raises(DataError):
        foveal.evaluate("efficientnet_lite0")
