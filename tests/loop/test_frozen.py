"""Frozen layers seen once: the halves of a network, the loop on what they make, and the head solved for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import small
from foveal import catalog, events
from foveal.data.together import Together
from foveal.loop.fit import fit
from foveal.loop.frozen import Once, Seen, beginning_at, border, can_begin_at, up_to
from foveal.loop.once import see_once
from foveal.loop.solver import solve
from foveal.loop.state import State
from foveal.options import Stage
from foveal.storage import load_state, save_state
from foveal.structure.layers import stages
from foveal.values import Dataset

SOLVED = Stage("head", "head", 1, 0.1, "constant", 0.0, views=1, solve=True)
ALL = Stage("all", "all", 2, 0.02, "cosine", 0.1)
LATE = Stage("late", "all", 3, 0.05, "cosine", 0.1, frozen=2, views=2)
STAGES = {"solved": (SOLVED,), "solved, then all": (SOLVED, ALL), "late layers": (LATE,)}


class Deep(nn.Module):
    """Three convolutions and a head, with functions between them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3), nn.Conv2d(6, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.two(self.one(x).relu()).relu()
        out: Tensor = self.fc(self.norm(self.three(x)).relu().mean((2, 3)))
        return out


class Round(Deep):
    """With a path around the border."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(x)
        return out + x.mean() * 5


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small.drawings(tmp_path_factory.mktemp("frozen"), train=96)


def deep(kind: type[Deep] = Deep) -> Deep:
    torch.manual_seed(3)
    return kind()


def state_of(stages: tuple[Stage, ...], **changes: object) -> State:
    return State(deep(), small.fit_options(stages=stages, **changes))


def run(state: State, data: Dataset) -> list[events.Event]:
    train, val = small.batches(data, "train"), small.batches(data, "val")
    return list(fit(state, small.task(), train, val, state.options))


# --- the halves ---


def test_the_border_is_the_first_trained_module() -> None:
    assert border(deep(), "fc", 0) == "fc"
    assert border(deep(), "fc", 1) == "two"
    assert border(deep(), "fc", 2) == "three"


@pytest.mark.parametrize(
    "name", ["resnet18", "efficientnet_lite0", "mobilenet_v3_small", "densenet121", "vgg11"]
)
@pytest.mark.parametrize("frozen", [1, 2, 4])
def test_real_networks_split(name: str, frozen: int) -> None:
    """Both halves together compute, bit for bit, what the whole network does."""
    family = catalog.find("architectures", name)
    torch.manual_seed(0)
    network = family.build(name, outputs=3, channels=3, size=64).eval()
    frozen = min(frozen, len(stages(network, family.head(name))) - 2)
    images, at = torch.randn(2, 3, 64, 64), border(network, family.head(name), frozen)
    assert can_begin_at(network, at, images)
    with torch.no_grad():
        entering, whole = up_to(network, at, images, whole=True)
        with beginning_at(network, at):
            assert torch.equal(network(entering), whole)
        assert torch.equal(network(images), whole)


def test_a_path_around_the_border_is_noticed() -> None:
    images = torch.rand(4, 1, 12, 12)
    assert can_begin_at(deep(), "three", images)
    assert not can_begin_at(deep(Round), "three", images)
    assert not can_begin_at(deep(), "norm.nothing", images)


def test_the_network_is_whole_again_after_an_error() -> None:
    network = deep()
    before = network(torch.ones(2, 1, 12, 12))
    with pytest.raises(RuntimeError), beginning_at(network, "three"):
        network(torch.ones(2, 1, 12, 12))
    assert torch.equal(network(torch.ones(2, 1, 12, 12)), before)
    assert not any("forward" in vars(module) for module in network.modules())


# --- the loop ---


def test_late_layers_train_as_they_would_on_pictures(data: Dataset) -> None:
    """With one view, the picture as it is: the same losses and weights as with the frozen layers in the loop."""
    once, anew = (
        state_of((dataclasses.replace(LATE, views=1),)),
        state_of((dataclasses.replace(LATE, views=0),)),
    )
    losses = [[e.loss for e in run(state, data) if isinstance(e, events.Step)] for state in (once, anew)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for name, tensor in once.network.state_dict().items():
        assert torch.allclose(tensor, anew.network.state_dict()[name], atol=1e-5), name


def test_frozen_layers_see_each_view_once(data: Dataset) -> None:
    state, seen = state_of((LATE,)), []
    layer = state.network.get_submodule("one")
    layer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape[:2]))
    said = run(state, data)
    pictures = sum(count for count, channels in seen if channels == 1)
    assert pictures == 2 * 8 + 24 + 2 * 96  # a trial of the border, validation, two views
    assert [(e.done, e.total) for e in said if isinstance(e, events.Seen)][-1] == (216, 216)


def test_what_cannot_be_split_trains_as_ever(data: Dataset) -> None:
    state = State(deep(Round), small.fit_options(stages=(LATE,)))
    said = run(state, data)
    noticed = [e for e in said if isinstance(e, events.Noticed)]
    assert "cannot be split before three" in noticed[0].says
    assert isinstance(said[-1], events.Stopped)
    assert len([e for e in said if isinstance(e, events.Epoch)]) == 3


@pytest.mark.parametrize("kind", STAGES)
@pytest.mark.parametrize("stop", [0, 1, 7, 13])
def test_resumes_bit_for_bit(data: Dataset, kind: str, stop: int, tmp_path: Path) -> None:
    """Killed before, in and after the stage whose features are seen once."""
    whole = state_of(STAGES[kind])
    run(whole, data)
    first = state_of(STAGES[kind])
    train, val = small.batches(data, "train"), small.batches(data, "val")
    for event in fit(first, small.task(), train, val, first.options):
        if event.step == stop and not isinstance(event, events.Started):
            break
    save_state(tmp_path / "resume.pt", first.capture())
    second = State(deep(), first.options)
    second.restore(load_state(tmp_path / "resume.pt")[0])
    run(second, data)
    one, other = whole.capture(), second.capture()
    for clock in ("seconds", "stage_began", "spent"):
        one.pop(clock), other.pop(clock)
    assert small.equal(one, other)


# --- the head ---


def features(seed: int = 0, count: int = 300) -> Seen:
    draw = torch.Generator().manual_seed(seed)
    truths = torch.arange(count) % 3
    centres = torch.eye(3, 8) * 2
    return Seen(
        centres[truths] + torch.randn(count, 8, generator=draw), truths, [str(n) for n in range(count)]
    )


def test_the_head_is_at_the_minimum() -> None:
    """The gradient of loss and decay is nothing there, and another start ends at the same place."""
    ends = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        head, seen = nn.Linear(8, 3), features()
        found = solve(head, small.task(), seen, features(1), "cpu")
        head.zero_grad()
        decay = found.strength * float(seen.activations.square().mean())
        logits = head(seen.activations)
        loss = (
            F.cross_entropy(logits, seen.truths, label_smoothing=0.1)
            + 0.5 * decay * head.weight.square().sum()
        )
        torch.autograd.backward(loss)
        assert head.weight.grad is not None
        assert head.weight.grad.abs().max() < 1e-3
        ends.append(head.weight.detach().clone())
    assert torch.allclose(ends[0], ends[1], atol=0.02)


def test_validation_chooses_the_decay() -> None:
    """Much of it where labels are noise, little where they are not."""
    torch.manual_seed(0)
    clean = solve(nn.Linear(8, 3), small.task(), features(), features(1), "cpu")
    noise = dataclasses.replace(features(), truths=torch.randint(3, (300,)))
    noisy = solve(
        nn.Linear(8, 3),
        small.task(),
        noise,
        dataclasses.replace(features(1), truths=noise.truths[:300].flip(0)),
        "cpu",
    )
    assert noisy.strength > clean.strength
    assert clean.judged.headline.value > 0.8


def test_features_that_are_not_finite_leave_the_head_alone() -> None:
    torch.manual_seed(0)
    head = nn.Linear(8, 3)
    before = head.weight.detach().clone()
    broken = dataclasses.replace(features(), activations=torch.full((300, 8), torch.nan))
    assert solve(head, small.task(), broken, features(1), "cpu").loss == float("inf")
    assert torch.equal(head.weight, before)


def test_a_solved_head_beats_an_untrained_one_at_once(data: Dataset) -> None:
    state = state_of((SOLVED, ALL))
    said = run(state, data)
    epochs = [e for e in said if isinstance(e, events.Epoch)]
    assert [e.stage for e in epochs] == ["head", "all", "all"]
    assert [e.epoch for e in epochs] == [1, 2, 3]
    assert epochs[0].headline["value"] > 0.5


# --- batches ---


def test_activations_come_in_the_order_of_the_pictures(data: Dataset) -> None:
    batches = small.batches(data, "train")
    ids = [item.id for item in batches.items]
    view = Seen(torch.arange(96.0)[:, None], torch.arange(96) % 3, ids)
    once = Once((view,), 8, batches.seed, shuffle=True)
    assert len(once) == len(batches)
    for epoch, start in ((0, 0), (1, 0), (1, 5)):
        ours, theirs = list(once.epoch(epoch, start)), list(batches.epoch(epoch, start))
        assert [b.ids for b in ours] == [b.ids for b in theirs]
        assert all(torch.equal(a.truths, b.truths) for a, b in zip(ours, theirs, strict=True))


def test_views_are_drawn_anew_in_each_epoch() -> None:
    ids = [str(n) for n in range(40)]
    views = tuple(Seen(torch.full((40, 1), float(v)), torch.zeros(40), ids) for v in range(3))
    once = Once(views, 4, shuffle=True)
    drawn = [[float(b.images[0]) for b in once.epoch(n)] for n in range(4)]
    assert {one for each in drawn for one in each} == {0.0, 1.0, 2.0}
    assert drawn[0] != drawn[1]
    assert [float(b.images[0]) for b in once.epoch(1, 3)] == drawn[1][3:]


def test_the_first_view_is_the_picture_as_it_is(data: Dataset) -> None:
    """Also where pictures are varied a whole batch at a time."""
    seen = []
    for together in (None, Together(2, "random", 1)):
        state = state_of((dataclasses.replace(LATE, views=1),))
        state.enter(0)
        train = small.batches(data, "train", together=together)
        events_of = see_once(state, small.task(), train, small.batches(data, "val"), lambda: False)
        with pytest.raises(StopIteration) as end:
            while True:
                next(events_of)
        seen.append(end.value.value.train.views[0])
    assert torch.equal(seen[0].activations, seen[1].activations)
    assert seen[0].ids == [item.id for item in data.part("train")]
