"""Watching: it changes nothing, says what it should, costs what it may, and leaves nothing behind."""

from __future__ import annotations

import copy
import math
import weakref
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from foveal.loop.state import State
from foveal.options import FitOptions, Stage
from foveal.tasks import classify
from foveal.values import Batch
from foveal.watch import EDGES, MEASURES, WHOLE
from foveal.watch.looking import LEAST, Watch
from foveal.watch.passing import Passing, passing, spread
from foveal.watch.weighing import FIRST, Weighing, histogram, matrix, sampled, spectrum

TASK = classify.build(["a", "b", "c"])


class Small(nn.Module):
    """A convolution with a norm, a rectifier called as a function, a sigmoid, and a rectifier module used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6)
        self.act, self.drop, self.gate, self.fc = nn.ReLU(), nn.Dropout(0.5), nn.Sigmoid(), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm(self.conv(x)), inplace=True)
        x = self.gate(self.act(self.act(x) - 1)).mean((2, 3))
        made: torch.Tensor = self.fc(self.drop(x))
        return made


def state_of(**more: Any) -> State:
    torch.manual_seed(0)
    network = Small()
    stage = Stage(name="all", trainable="all", epochs=2, lr=0.1, schedule="constant", warmup=0.0)
    options = FitOptions(
        stages=(stage,), optimizer="sgd", momentum=0.9, weight_decay=0.0, patience=5, seed=0, device="cpu",
        precision="fp32", head="fc", **more,
    )  # fmt: skip
    state = State(network, options)
    state.enter(0)
    return state


def batch_of(seed: int, count: int = 8) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 1, 9, 9, generator=draw)
    truths = torch.randint(0, 3, (count,), generator=draw)
    return Batch(images, truths, [f"p{n}" for n in range(count)])


def step(state: State, batch: Batch, pieces: int = 1) -> torch.Tensor:
    from foveal.loop.fit import backward, looking, move

    assert state.optimizer is not None
    state.network.train()
    with looking(state, TASK, batch):
        state.optimizer.zero_grad(set_to_none=True)
        loss = sum(backward(state, TASK, piece, len(batch.ids)) for piece in batch.split(pieces))
        move(state, state.optimizer)
    state.step += 1
    assert isinstance(loss, torch.Tensor)
    return loss


def hooks(network: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in network.modules() for kind in kinds)


@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_training_is_the_same_bit_for_bit(clip: float) -> None:
    ends = []
    for watch in (None, Watch(least=1e9)):
        state = state_of(clip=clip)
        state.watch = watch
        torch.manual_seed(5)
        losses = [step(state, batch_of(n), pieces=2) for n in range(6)]
        ends.append((state.network.state_dict(), losses, torch.get_rng_state()))
        assert watch is None or watch.looks == 6
        assert hooks(state.network) == 0
    (weights, losses, random), (others, other_losses, other_random) = ends
    assert all(torch.equal(value, others[name]) for name, value in weights.items())
    assert losses == other_losses
    assert torch.equal(random, other_random)


def test_nothing_is_left_after_an_error() -> None:
    state = state_of()
    state.watch = Watch(least=1e9)
    bad = Batch(torch.randn(8, 3, 9, 9), torch.zeros(8, dtype=torch.long), ["x"] * 8)
    with pytest.raises(RuntimeError):
        step(state, bad)
    assert hooks(state.network) == 0
    assert step(state, batch_of(0)).isfinite()
    assert state.watch.told(state, torch.tensor(1.0)) is not None


def test_what_is_told_is_true() -> None:
    state = state_of(clip=0.01)
    state.watch = Watch(least=1e9)
    before = copy.deepcopy(state.network)
    state.watch.step_seconds = 1e-3  # as if a step had been looked at before
    batch, random = batch_of(3), torch.get_rng_state()
    loss = step(state, batch)
    told = state.watch.told(state, loss)
    assert told is not None
    assert told.loss == pytest.approx(float(loss), rel=1e-3)
    assert {m for own in told.layers.values() for m in own} <= set(MEASURES)
    assert set(told.norms) <= set(WHOLE)
    assert list(told.order) == ["conv", "norm", "relu", "act", "act#2", "gate", "fc"]
    assert told.kinds["gate"] == "squash"
    assert [kind for name, kind in told.kinds.items() if "relu" in name] == ["rectifier"]
    assert {"act", "act#2"} <= set(told.kinds), "a reused module is told each time"
    # by hand
    weight, was = (
        state.network.get_parameter("conv.weight").detach(),
        before.get_parameter("conv.weight").detach(),
    )
    own = told.layers["conv"]
    ratio = float((weight - was).norm() / was.norm())
    assert own["update_ratio"] == pytest.approx(ratio, rel=1e-3)
    assert own["weight_norm"] == pytest.approx(float(weight.norm()), rel=1e-3)
    with torch.no_grad():
        out = before.train().conv(batch.images)
    assert own["out_std"] == pytest.approx(float(out.std()), rel=1e-3)
    assert told.layers["act#2"]["out_zero"] > 0
    torch.set_rng_state(random)
    again = copy.deepcopy(before).train()
    torch.autograd.backward(TASK.step(again, batch).loss)
    norm = torch.stack([p.grad.norm() for p in again.parameters() if p.grad is not None]).norm()
    assert told.norms["grad_norm"] == pytest.approx(float(norm), rel=1e-3), "before it was shortened"
    assert told.norms["clipped"] == 1
    assert told.histograms["conv"]["weights"]
    assert sum(told.histograms["conv"]["weights"]) == pytest.approx(1, abs=0.01)
    assert {"probe_loss", "probe_loss_train"} <= set(told.norms)


def test_dead_channels_and_saturation_are_counted() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Sigmoid(), nn.Conv2d(2, 2, 1), nn.Tanh()
    )
    with torch.no_grad():
        first, second, third = network[0], network[2], network[4]
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        assert isinstance(third, nn.Conv2d)
        first.bias.copy_(torch.tensor([-1e3, -1e3, -1e3, 1.0]))  # type: ignore[union-attr]
        second.bias.fill_(50.0)  # type: ignore[union-attr]
        third.bias.copy_(torch.tensor([-50.0, 0.0]))  # type: ignore[union-attr]
        third.weight.zero_()
    with passing(network) as seen:
        network(torch.rand(4, 1, 5, 5))
    assert float(seen.measures["1"]["dead"]) == 0.75
    assert float(seen.measures["3"]["saturated"]) == 1.0
    assert float(seen.measures["5"]["saturated"]) == 0.5
    assert float(seen.measures["5"]["alike"]) == pytest.approx(0, abs=1e-5)


def test_power_iteration_finds_the_largest_singular_value() -> None:
    torch.manual_seed(1)
    weight, weighing = torch.randn(20, 5, 3, 3), Weighing()
    for _ in range(10):
        found = weighing.largest("w", weight)
    assert float(found) == pytest.approx(float(spectrum(weight)[0]), rel=0.02)
    assert float(spectrum(weight)[0]) == pytest.approx(
        float(torch.linalg.matrix_norm(matrix(weight), 2)), rel=1e-5
    )
    assert FIRST > 1


def test_noise_of_the_gradient_is_that_which_was_put_in() -> None:
    torch.manual_seed(2)
    parameter = nn.Parameter(torch.zeros(4000))
    signal, weighing, told = torch.randn(4000), Weighing(), []
    for _ in range(60):
        parameter.grad = signal + 2.0 * torch.randn(
            4000
        )  # the noise is twice as long as the signal, at 10 pictures
        noise = weighing.noise([parameter], 10)
        told += [] if noise is None else [float(noise)]
    assert sum(told) / len(told) == pytest.approx(10 * 4, rel=0.1)


def test_samples_and_histograms() -> None:
    weight = torch.randn(64, 64, 3, 3).to(memory_format=torch.channels_last)
    assert sampled(weight).data_ptr() == weight.data_ptr()
    assert len(sampled(weight)) <= 1 << 15
    shares = histogram(torch.tensor([0.0, 1e-12, 1.1, 1.2, 1e9, math.nan]))
    assert len(shares) == len(EDGES) - 1
    assert float(shares.sum()) == pytest.approx(1)
    assert float(shares[0]) == pytest.approx(2 / 6)
    place = next(n for n, edge in enumerate(EDGES) if edge > 0) - 1
    assert float(shares[place]) == pytest.approx(2 / 6)


def test_watching_waits_where_it_would_cost_too_much() -> None:
    state = state_of()
    watch = state.watch = Watch(steps=1000)
    watch.cost = 0.1
    assert watch.due(state)
    watch.spent = LEAST * 0.5
    assert not watch.due(state), "half of what it may take is kept for later"
    state.seconds = 100.0
    assert watch.due(state)
    watch.last = 10
    state.step = 11
    assert watch.due(state)
    watch.last, state.step = 900, 901
    assert not watch.due(state), "later only now and then"
    state.step = 930
    assert watch.due(state)
    watch.spent = 2.0
    assert not watch.due(state), "two per cent are used"


def test_after_a_way_back_and_a_resume_it_looks_again() -> None:
    state = state_of()
    watch = state.watch = Watch(steps=1000)
    watch.last, state.step = 900, 100
    assert watch.due(state), "training went back"
    state.seconds = 50.0
    later = Watch(steps=1000)
    later.cost = LEAST * 0.6
    assert not later.due(state), "time before the resume is not its own"
    state.seconds = 100.0
    assert later.due(state)


def test_layers_that_come_to_be_seen_later_are_told_then() -> None:
    """Frozen layers are not passed at first: what they are is told when they are, and the pass's order with it."""
    state = state_of()
    state.watch = Watch(least=1e9)
    features = torch.randn(8, 6)
    with state.watch.looking(state, TASK, batch_of(0)):
        loss = state.network.get_submodule("fc")(features).square().mean()
        torch.autograd.backward(loss)
    state.step += 1
    first = state.watch.told(state, loss.detach())
    step(state, batch_of(1))
    second = state.watch.told(state, torch.tensor(1.0))
    step(state, batch_of(2))
    third = state.watch.told(state, torch.tensor(1.0))
    assert first is not None
    assert second is not None
    assert third is not None
    assert list(first.order) == ["conv", "norm", "fc"]
    assert second.kinds["conv"] == "conv"
    assert list(second.order) == ["conv", "norm", "relu", "act", "act#2", "gate", "fc"]
    assert not third.kinds
    assert not third.order


def test_histograms_are_the_same_by_comparisons() -> None:
    """As other devices count them, which may not add up in any order."""
    from foveal.watch.weighing import by_comparisons

    values = torch.randn(5000).exp()
    logs = values.log10().clamp(EDGES[0], EDGES[-1] - 1e-3)
    counts = by_comparisons(logs)
    assert int(counts.sum()) == 5000
    assert torch.equal(counts.float(), torch.histc(logs, len(EDGES) - 1, EDGES[0], EDGES[-1]))


@given(
    st.integers(1, 6),
    st.integers(1, 5),
    st.sampled_from([(), (1, 1), (4, 3)]),
    st.floats(-30, 30),
    st.floats(-20, 20),
)
def test_spreads_are_those_of_torch(
    pictures: int, channels: int, places: tuple[int, ...], size: float, mean: float
) -> None:
    """Also of very large and very small numbers."""
    draw = torch.Generator().manual_seed(pictures * 10 + channels)
    values = (torch.randn(pictures, channels, *places, generator=draw) + mean) * 10.0 ** (size / 2)
    if values.numel() < 2:
        return
    found, exact = spread(values), values.double()
    std, average = torch.std_mean(exact)
    close = {"rtol": 1e-3, "atol": float(exact.abs().max()) * 1e-5, "check_dtype": False}
    torch.testing.assert_close(found["out_std"], std, **close)
    torch.testing.assert_close(found["out_mean"], average, **close)
    assert float(found["out_max"]) == float(values.abs().max())
    assert found["out_bad"] == 0
    dims = [0, *range(2, values.dim())]
    whole = exact.var(dims, unbiased=False).sum()
    apart = exact.flatten(2).mean(2) if places else exact
    if std > float(exact.abs().max()) * 1e-2:
        torch.testing.assert_close(
            found["alike"],
            apart.var(0, unbiased=False).sum() / whole.clamp_min(1e-300),
            rtol=1e-2,
            atol=1e-4,
            check_dtype=False,
        )
    values[0] = torch.inf
    assert spread(values)["out_bad"] > 0


def test_a_tensor_that_was_changed_is_measured_again() -> None:
    seen, made = Passing(), torch.randn(4, 2, 3, 3)
    seen.stds[id(made)] = weakref.ref(made), made._version, torch.tensor(7.0)
    assert seen.std_of(made) == 7
    made.mul_(2)
    assert float(seen.std_of(made)) == pytest.approx(float(made.std()), rel=1e-4)


def test_functions_are_heard_as_long_as_the_pass_lasts() -> None:
    """Hearing slows every function of torch: nobody listens in the way back, nor after an error."""
    heard = torch.overrides._get_current_function_mode_stack  # type: ignore[attr-defined]
    network = Small()
    with passing(network) as seen:
        made = network(torch.randn(4, 1, 9, 9))
        assert not heard()
        torch.autograd.backward(made.square().mean())
        with pytest.raises(RuntimeError):
            network(torch.randn(4, 7, 9, 9))
    assert "relu" in seen.measures
    assert not heard()
    with pytest.raises(RuntimeError), passing(network):
        network(torch.randn(4, 7, 9, 9))
    assert not heard()


def test_what_keeping_takes_counts() -> None:
    """The one who is told writes it down; that is time that a training without watching would not have taken."""
    state = state_of()
    state.watch = Watch(least=1e9)
    loss = step(state, batch_of(0))
    told = state.watch.telling(state, loss)
    assert next(told).layers
    before = state.watch.spent
    assert not list(told)
    assert state.watch.spent > before
    assert not list(state.watch.telling(state, loss)), "nothing is told twice"


def test_steps_beside_those_looked_at_are_timed() -> None:
    state = state_of()
    state.watch = Watch(least=1e9)
    for n in range(50):
        step(state, batch_of(n))
    assert state.watch.looks == state.watch.slowing.owed == 50, "none beside them yet"
    for n in range(5):
        step(state, batch_of(n))
    assert state.watch.looks == 50
    assert state.watch.slowing.owed == 0
    assert len(state.watch.slowing.plain) == 5
