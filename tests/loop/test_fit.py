"""The loop: equal to a bare one, resumable at every step, and able to get over trouble."""

from __future__ import annotations

import dataclasses
import itertools
import math
import weakref
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import small
from foveal import events
from foveal.errors import RunError
from foveal.loop.fit import SETBACKS, fit
from foveal.loop.state import State
from foveal.options import Stage
from foveal.schedules import onecycle
from foveal.storage import load_state, save_state
from foveal.structure.layers import Tempo, parameter_groups
from foveal.values import Dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small.drawings(tmp_path_factory.mktemp("drawings"))


def run(state: State, data: Dataset, size: int = 8) -> list[events.Event]:
    train, val = small.batches(data, "train", size), small.batches(data, "val", size)
    return list(fit(state, small.task(), train, val, state.options))


def losses(said: list[events.Event]) -> list[float]:
    return [e.loss for e in said if isinstance(e, events.Step)]


def test_it_learns(data: Dataset) -> None:
    state = small.fresh(stages=(Stage("train", "all", 8, 0.05, "onecycle", 0.25),))
    said = run(state, data)
    assert isinstance(said[0], events.Started)
    assert isinstance(said[-1], events.Stopped)
    assert said[-1].why == "finished"
    assert [e.epoch for e in said if isinstance(e, events.Epoch)] == list(range(1, 9))
    assert state.best is not None
    assert state.best.value > 0.9


def test_same_losses_as_a_bare_loop(data: Dataset) -> None:
    """Thirty lines of plain PyTorch with equal settings give the same losses, bit for bit."""
    said = run(small.fresh(), data)
    network, batches = small.tiny(), small.batches(data, "train")
    groups = parameter_groups(network, "fc", lr=0.05, weight_decay=5e-4, layer_decay=1.0)
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True, fused=True)
    bare, step, total = [], 0, 3 * len(batches)
    for epoch in range(3):
        network.train()
        for batch in batches.epoch(epoch):
            for group in optimizer.param_groups:
                group["lr"] = 0.05 * onecycle.factor(step / total, 0.25)
            images = (batch.images.float() / 255 - 0.5) / 0.25
            optimizer.zero_grad()
            loss = F.cross_entropy(network(images), batch.truths, label_smoothing=0.1)
            loss.backward()
            optimizer.step()
            bare.append(loss.item())
            step += 1
    assert losses(said) == pytest.approx(bare, abs=0, rel=1e-12)
    assert len(bare) == total


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_epoch_that_is_kept(data: Dataset, keep: str) -> None:
    """Too large a rate at the end makes later epochs worse: the best is one before, unless the last is asked for."""
    stages = (
        Stage("train", "all", 4, 0.05, "constant", 0.0),
        Stage("spoil", "all", 1, 30.0, "constant", 0.0),
    )
    state = small.fresh(stages=stages, keep=keep)
    said = [event for event in run(state, data) if isinstance(event, events.Epoch)]
    assert [event.best for event in said][-1] == (keep == "last")
    assert state.best is not None
    assert (state.best.value == said[-1].headline["value"]) == (keep == "last")


STAGED = (Stage("head", "head", 1, 0.1, "constant", 0.0), Stage("all", "all", 2, 0.05, "cosine", 0.1, 0.5))
KINDS = {
    "sgd": {},
    "adamw": {"optimizer": "adamw", "precision": "bf16"},
    "staged": {"stages": STAGED},
    "patient": {"stages": (Stage("train", "all", 3, 1e-9, "constant", 0.0),), "patience": 1},
    "averaged": {"ema": 0.9, "clip": 0.1, "mixup": 0.2, "cutmix": 1.0, "erase": 0.5},
    "plateau": {"stages": (Stage("train", "all", 3, 0.05, "plateau", 0.1),), "optimizer": "lamb"},
    "pieces": {"pieces": 2, "optimizer": "lion"},
}


@pytest.mark.parametrize("stop", [1, 5, 6, 7, 12, 17])
@pytest.mark.parametrize("kind", KINDS)
def test_resumes_bit_for_bit_at_any_step(data: Dataset, kind: str, stop: int, tmp_path: Path) -> None:
    """Also mid-epoch and between stages, with momentum, batch statistics and dropout, through a file."""
    whole = small.fresh(**KINDS[kind])
    whole.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run(whole, data)

    first = small.fresh(**KINDS[kind])
    first.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    train, val = small.batches(data, "train"), small.batches(data, "val")
    for event in fit(first, small.task(), train, val, first.options):
        if event.step == stop and not isinstance(event, events.Started):
            break
    save_state(tmp_path / "resume.pt", first.capture())
    torch.manual_seed(999)  # a new process has another random state
    second = State(small.tiny(seed=5), first.options)
    second.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    second.restore(load_state(tmp_path / "resume.pt")[0])
    said = run(second, data)
    assert said[0].step == min(stop, whole.step)
    one, other = whole.capture(), second.capture()
    for clock in ("seconds", "stage_began", "spent"):
        one.pop(clock), other.pop(clock)
    assert small.equal(one, other)


def test_an_epoch_waiting_to_be_judged_is_judged_once(data: Dataset) -> None:
    """Stopped between the last step of an epoch and its evaluation."""
    first = small.fresh()
    for event in fit(
        first, small.task(), small.batches(data, "train"), small.batches(data, "val"), first.options
    ):
        if event.step == 6:
            break
    second = State(small.tiny(), first.options)
    second.restore(first.capture())
    epochs = [e.epoch for e in run(second, data) if isinstance(e, events.Epoch)]
    assert epochs == [1, 2, 3]


class Explodes(nn.Module):
    """Gives NaN at chosen steps, then behaves."""

    def __init__(self, at: set[int], always: bool = False) -> None:
        super().__init__()
        self.inner, self.at, self.always, self.calls = small.tiny(), at, always, 0

    @property
    def fc(self) -> nn.Linear:
        return self.inner.fc

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x)
        if self.training:
            self.calls += 1
            if self.calls in self.at or (self.always and self.calls > 8):
                return out * math.nan
        return out


def test_a_loss_that_is_not_finite_goes_back_with_a_tenth_of_the_rate(data: Dataset) -> None:
    state = State(Explodes({9}), small.fit_options(head="inner.fc"))
    said = run(state, data)
    back = [e for e in said if isinstance(e, events.Noticed)]
    assert [e.what for e in back] == [events.REWOUND]
    assert back[0].step == 6, "the start of the epoch that went wrong"
    assert state.rate_scale == pytest.approx(0.1)
    assert [e.epoch for e in said if isinstance(e, events.Epoch)] == [1, 2, 3]
    assert all(math.isfinite(e.loss) for e in events.latest(said) if isinstance(e, events.Step))
    steps = [e.step for e in events.latest(said) if isinstance(e, events.Step)]
    assert steps == sorted(set(steps)), "no step counts twice"


def test_it_stops_after_two_setbacks_with_sound_weights(data: Dataset) -> None:
    state = State(Explodes(set(), always=True), small.fit_options(head="inner.fc"))
    said = run(state, data)
    assert sum(isinstance(e, events.Noticed) for e in said) == SETBACKS
    end = said[-1]
    assert isinstance(end, events.Stopped)
    assert end.why == "diverged"
    assert "--lr" in end.says
    assert all(p.isfinite().all() for p in state.network.parameters())


class Hungry(nn.Module):
    """Runs out of memory for more than so many pictures at once, as a small GPU does."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.inner, self.most = small.tiny(), most

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        out: Tensor = self.inner(x)
        return out


def test_out_of_memory_halves_and_accumulates(data: Dataset) -> None:
    state = State(Hungry(3), small.fit_options(head="inner.fc"))
    said = run(state, data)
    assert state.pieces == 4, "eight pictures in pieces of at most three"
    assert isinstance(said[-1], events.Stopped)
    assert state.step == 18, "as many optimizer steps as without"


def test_accumulated_gradients_equal_the_whole_batch(data: Dataset) -> None:
    """Without batch statistics, pieces change nothing but rounding."""
    found = []
    for pieces in (1, 3):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
        nn.init.normal_(network[1].weight, std=0.02)
        state = State(network, small.fit_options(head="1", pieces=pieces))
        run(state, data)
        found.append(network[1].weight.detach().clone())
    assert torch.allclose(found[0], found[1], atol=1e-5)
    assert not torch.equal(found[0], torch.zeros_like(found[0]))


def test_patience(data: Dataset) -> None:
    stage = Stage("train", "all", 50, 1e-12, "constant", 0.0)
    state = small.fresh(stages=(stage,), patience=3)
    said = run(state, data)
    end = said[-1]
    assert isinstance(end, events.Stopped)
    assert end.why == "early"
    assert sum(isinstance(e, events.Epoch) for e in said) <= 10


def test_a_frozen_backbone_does_not_move(data: Dataset) -> None:
    """Nor do its batch statistics."""
    head = Stage("head", "head", 1, 0.1, "constant", 0.0)
    state = small.fresh(stages=(head,))
    before = {k: v.clone() for k, v in state.network.state_dict().items()}
    run(state, data)
    after = state.network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"fc.weight", "fc.bias"}


def test_stages_follow_each_other(data: Dataset) -> None:
    stages = (
        Stage("head", "head", 1, 0.1, "constant", 0.0),
        Stage("all", "all", 2, 0.05, "cosine", 0.1, 0.5),
    )
    state = small.fresh(stages=stages)
    said = run(state, data)
    assert [e.stage for e in said if isinstance(e, events.Epoch)] == ["head", "all", "all"]
    assert state.optimizer is not None
    peaks = {round(g["peak"], 6) for g in state.optimizer.param_groups}
    assert peaks == {0.05, 0.025, 0.0125}


def test_time_ends_training(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule is spread over the seconds: at the end the rate is near nothing.

    The clock is ours, several looks a hundredth of a second, as a real one may stand still on a busy machine.
    """
    looks = itertools.count()
    monkeypatch.setattr("foveal.loop.state.time.perf_counter", lambda: next(looks) / 1500)
    state = small.fresh(seconds=1.0)
    said = run(state, data)
    end = said[-1]
    assert isinstance(end, events.Stopped)
    assert end.why == "time"
    steps = [e for e in said if isinstance(e, events.Step)]
    assert steps[-1].lr < 0.05 * max(e.lr for e in steps)
    assert 0.85 < state.seconds <= 1.01  # a step at most beyond
    assert 60 < state.step < 100


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_half_precision_keeps_fp32_weights(data: Dataset, optimizer: str) -> None:
    state = small.fresh(precision="bf16", optimizer=optimizer)
    said = run(state, data)
    assert all(math.isfinite(loss) for loss in losses(said))
    assert {p.dtype for p in state.network.parameters()} == {torch.float32}


def test_leaving_the_loop_leaves_no_mode_behind(data: Dataset) -> None:
    """No grad mode or autocast leaks to the consumer of an event."""
    state = small.fresh(precision="bf16")
    for event in fit(
        state, small.task(), small.batches(data, "train"), small.batches(data, "val"), state.options
    ):
        assert torch.is_grad_enabled()
        assert not torch.is_autocast_enabled("cpu")
        assert not torch.is_inference_mode_enabled()
        if isinstance(event, events.Epoch):
            break


def test_workers_change_nothing(data: Dataset) -> None:
    train = small.batches(data, "train")
    beside = dataclasses.replace(train, workers=1)
    for one, other in zip(train.epoch(2, 3), beside.epoch(2, 3), strict=True):
        assert one.ids == other.ids
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.truths, other.truths)


def test_a_run_out_of_patience_stays_so_when_resumed(data: Dataset) -> None:
    """Saved after its last epoch, killed before it could end: not one step more."""
    stage = Stage("train", "all", 50, 1e-12, "constant", 0.0)
    first = small.fresh(stages=(stage,), patience=2)
    run(first, data)
    second = State(small.tiny(), first.options)
    second.restore(first.capture())
    said = run(second, data)
    assert [type(e) for e in said] == [events.Started, events.Stopped]
    assert said[-1].step == first.step


def test_after_a_setback_epochs_are_whole(data: Dataset) -> None:
    """Late in training, when few steps are spoken of: what was heard before must not cut an epoch short."""
    state = State(Explodes({2}), small.fit_options(head="inner.fc"))
    state.step = 1000
    said = run(state, data)
    assert [e.step for e in said if isinstance(e, events.Epoch)] == [1006, 1012, 1018]


def test_smoothing_holds_while_the_backbone_is_frozen(data: Dataset) -> None:
    """The task asks the network for its mode; frozen parts are in another."""
    loss = {}
    for smoothing in (0.0, 0.3):
        stage = Stage("head", "head", 1, 1e-9, "constant", 0.0)
        state = small.fresh(stages=(stage,))
        task = dataclasses.replace(small.task(), label_smoothing=smoothing)
        said = list(fit(state, task, small.batches(data, "train"), small.batches(data, "val"), state.options))
        loss[smoothing] = losses(said)[0]
        assert state.network.norm.running_mean.abs().sum() == 0, "frozen statistics stay"
    assert loss[0.3] != pytest.approx(loss[0.0], rel=1e-3)


class Deep(torch.autograd.Function):
    """Runs out of memory on its way back, where most do."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        if len(gradient) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return gradient


class HungryBack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = small.tiny()
        self.kept: list[weakref.ref[Tensor]] = []
        self.alive = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.alive = max(self.alive, sum(ref() is not None for ref in self.kept))
        out: Tensor = Deep.apply(self.inner(x))
        self.kept.append(weakref.ref(out))
        return out


def test_out_of_memory_on_the_way_back_lets_the_graph_go(data: Dataset) -> None:
    network = HungryBack()
    state = State(network, small.fit_options(head="inner.fc"))
    run(state, data)
    assert state.pieces == 2
    assert network.alive == 0, "nothing of the failed batch is left when the smaller one is tried"


def test_one_picture_too_large_for_the_memory(data: Dataset) -> None:
    state = State(Hungry(0), small.fit_options(head="inner.fc"))
    with pytest.raises(RunError) as error:
        run(state, data)
    assert "--size" in error.value.todo


def test_workers_draw_nothing_from_the_networks_generator(data: Dataset) -> None:
    beside = dataclasses.replace(small.batches(data, "train"), workers=1)
    before = torch.get_rng_state()
    list(beside.epoch(0, 4))
    assert torch.equal(before, torch.get_rng_state())


def test_the_average_follows_the_weights_and_is_what_is_judged(data: Dataset) -> None:
    """Each step moves it by the decay of that step; an average of the same moves gives the same numbers."""
    state = small.fresh(ema=0.9)
    assert state.average is not None
    mine = {k: v.clone() for k, v in state.network.state_dict().items()}
    train, val = small.batches(data, "train"), small.batches(data, "val")
    for event in fit(state, small.task(), train, val, state.options):
        if isinstance(event, events.Step):
            decay = min(0.9, (1 + event.step) / (10 + event.step))
            for name, new in state.network.state_dict().items():
                mine[name] = (
                    mine[name] * decay + new * (1 - decay) if new.is_floating_point() else new.clone()
                )
    kept = state.average.state_dict()
    for name, value in mine.items():
        assert torch.allclose(kept[name], value, atol=1e-6), name
    assert state.judged_network is state.average
    assert not torch.equal(kept["conv.weight"], state.network.state_dict()["conv.weight"])
    assert not any(p.requires_grad for p in state.average.parameters())


def test_a_gradient_longer_than_allowed_is_shortened(data: Dataset) -> None:
    state = small.fresh(clip=1e-3, momentum=0.0, weight_decay=0.0)
    before = [p.detach().clone() for p in state.network.parameters()]
    train, val = small.batches(data, "train"), small.batches(data, "val")
    for event in fit(state, small.task(), train, val, state.options):
        if event.step == 2:  # the first step's rate is nearly nothing
            break
    moved = torch.stack([(p - b).norm() for p, b in zip(state.network.parameters(), before, strict=True)])
    assert 0 < moved.norm() <= 2 * 0.05 * 1e-3 * 1.01


def test_frozen_stages_stay_as_they_are(data: Dataset) -> None:
    """Weights and batch statistics of the first stages; what follows them learns."""
    state = small.fresh(stages=(Stage("all", "all", 1, 0.05, "constant", 0.0, 1.0, 1),))
    before = {k: v.clone() for k, v in state.network.state_dict().items()}
    run(state, data)
    after = state.network.state_dict()
    same = [name for name in before if torch.equal(before[name], after[name])]
    assert same == ["conv.weight"]


def test_a_schedule_that_answers_lowers_the_rate(data: Dataset) -> None:
    """Plateau: a rate too small to learn anything brings no better loss, and falls to a tenth."""
    long = Stage("train", "all", 14, 1e-12, "plateau", 0.0)
    state = small.fresh(stages=(long,), patience=99)
    rates = sorted({e.lr for e in run(state, data) if isinstance(e, events.Step)}, reverse=True)
    assert rates[0] == 1e-12
    assert rates[1] / rates[0] == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["lamb", "lion", "nadamw", "rmsprop", "adan", "sgdw"])
def test_timms_optimizers_learn_and_resume(name: str, data: Dataset) -> None:
    rate = {"lion": 3e-3, "sgdw": 0.05}.get(name, 0.02)
    state = small.fresh(optimizer=name, stages=(Stage("train", "all", 6, rate, "cosine", 0.1),))
    said = losses(run(state, data))
    assert said[-1] < 0.8 * said[0]


def test_a_layer_that_has_learned_all_it_will_has_no_gradients_and_nothing_changes(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained() -> State:
        stage = Stage("train", "all", 4, 0.05, "polynomial", 0.0)
        state = State(small.tiny(), small.fit_options(stages=(stage,)))
        state.network.norm.tempo = Tempo(2.0, until=0.5)  # type: ignore[union-attr]
        run(state, data)
        return state

    rested = trained()
    assert [name for name, p in rested.network.named_parameters() if not p.requires_grad] == [
        "norm.weight",
        "norm.bias",
    ]
    monkeypatch.setattr("foveal.loop.fit.rest", lambda state, done: None)
    other = trained().network.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in rested.network.state_dict().items())
