"""Watching in the loop itself: whole trainings are the same bit for bit, and what is told of them is whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import small
from foveal import events
from foveal.loop.fit import fit
from foveal.loop.state import State
from foveal.options import Stage
from foveal.values import Dataset
from foveal.watch.looking import Watch

STAGED = (
    Stage("head", "head", 1, 0.1, "constant", 0.0, views=2),
    Stage("all", "all", 2, 0.05, "cosine", 0.1),
)
KINDS = {
    "staged": {"stages": STAGED, "optimizer": "adamw", "precision": "bf16"},
    "averaged": {"ema": 0.9, "clip": 0.1, "mixup": 0.2, "erase": 0.5},
    "pieces": {"pieces": 2},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small.drawings(tmp_path_factory.mktemp("drawings"))


def run(state: State, data: Dataset) -> list[events.Event]:
    torch.manual_seed(0)  # for dropout
    train, val = small.batches(data, "train"), small.batches(data, "val")
    return list(fit(state, small.task(), train, val, state.options))


def watched(said: list[events.Event]) -> list[events.Watched]:
    return [event for event in said if isinstance(event, events.Watched)]


@pytest.mark.parametrize("kind", KINDS)
def test_whole_trainings_are_the_same(data: Dataset, kind: str, tmp_path: Path) -> None:
    without, state = small.fresh(**KINDS[kind]), small.fresh(**KINDS[kind])
    state.watch = Watch(least=1e9)
    assert not watched(run(without, data))
    sights = watched(run(state, data))
    one, other = without.capture(), state.capture()
    for clock in ("seconds", "stage_began", "spent"):
        one.pop(clock), other.pop(clock)
    assert small.equal(one, other)

    assert [s.step for s in sights] == list(range(18)), "every one of so few steps"
    assert {s.stage for s in sights} == {stage.name for stage in state.options.stages}
    last = sights[-1].layers
    assert {"grad_norm", "update_ratio", "out_std", "sigma_max"} <= set(last["conv"])
    assert last["conv"]["update_ratio"] > 0
    assert [s.step for s in sights if s.histograms] == [0, 6, 12], "once an epoch"
    assert [s.step for s in sights if "probe_loss" in s.norms] == [1, 6, 12], "when a step's time is known"
    assert sights[0].kinds["norm"] == "norm" if kind != "staged" else True
    mixed = kind == "averaged"
    state.watch.learned.write(tmp_path / "learned.npz")
    times = state.watch.learned.table[: len(state.watch.learned.places), 0]
    assert len(times) == (0 if mixed else 48), "mixed pictures are nobody's"
    assert (times == 3).all()


def test_what_is_frozen_does_not_move(data: Dataset) -> None:
    state = small.fresh(stages=STAGED)
    state.watch = Watch(least=1e9)
    sights = watched(run(state, data))
    head = [s for s in sights if s.stage == "head"]
    assert all(s.layers["fc"]["update_ratio"] > 0 for s in head)
    assert not any("update_ratio" in s.layers["conv"] or "grad_norm" in s.layers["conv"] for s in head)
    told = {name: kind for s in sights for name, kind in s.kinds.items()}
    assert told["conv"] == "conv"
    assert "rectifier" in told.values()


class Hungry(nn.Module):
    """Runs out of memory, behind its first layer, where it sees more than four pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = small.tiny()

    def forward(self, x: Tensor) -> Tensor:
        seen = self.inner.norm(self.inner.conv(x)).relu()
        if self.training and len(x) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        made: Tensor = self.inner.fc(self.inner.drop(seen.amax((2, 3))))
        return made


def test_out_of_memory_is_got_over(data: Dataset) -> None:
    # statistics of the pass that failed are in the network, watched or not
    without, state = (State(Hungry(), small.fit_options(head="inner.fc")) for _ in range(2))
    state.network.load_state_dict(without.network.state_dict())
    state.watch = Watch(least=1e9)
    run(without, data)
    sights = watched(run(state, data))
    assert state.pieces == 2
    assert small.equal(without.network.state_dict(), state.network.state_dict())
    assert "inner.fc" in sights[-1].layers
    assert "out_std" in sights[-1].layers["inner.fc"]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in state.network.modules())
