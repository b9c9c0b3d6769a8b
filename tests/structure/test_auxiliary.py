"""Auxiliary heads: what they add to the loss, when they are silent, and what becomes of their weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import small
from foveal import catalog, events
from foveal.contracts import Task
from foveal.loop.fit import fit
from foveal.loop.frozen import beginning_at, border, can_begin_at, up_to
from foveal.loop.state import State
from foveal.options import Stage
from foveal.structure.auxiliary import Attached, Outputs, attached, total_loss
from foveal.structure.layers import is_in, set_trainable, set_training, stages
from foveal.structure.transplant import transplant
from foveal.tasks import classify, multilabel, regress
from foveal.values import Batch

INCEPTIONS = ("googlenet", "inception_v3")


class Forked(nn.Module):
    """Two convolutions, a head, and an auxiliary head on the first of them."""

    auxiliary = (Attached("side.last", "one"),)

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
        self.two = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.side = nn.Sequential()
        self.side.add_module("conv", nn.Conv2d(6, 4, 1))
        self.side.add_module("last", nn.Linear(4, outputs))
        self.fc = nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Any:
        first = self.one(x).relu()
        main = self.fc(self.two(first).relu().amax((2, 3)))
        if not (self.training and self.side.training):
            return main
        other = self.side.get_submodule("conv")(first).relu().amax((2, 3))
        return Outputs(main, (self.side.get_submodule("last")(other),), (0.3,))


def forked(seed: int = 0, outputs: int = 3) -> Forked:
    torch.manual_seed(seed)
    return Forked(outputs)


def inception(name: str, outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = catalog.find("architectures", name).build(
        name, outputs=outputs, channels=1, size=40, stem="small"
    )
    return network


def test_shares_weigh_the_losses() -> None:
    main, first, second = (torch.randn(4, 3) for _ in range(3))
    made, loss = total_loss(Outputs(main, (first, second), (0.3, 0.5)), lambda out: out.square().mean())
    assert made is main
    parts = [out.square().mean() for out in (main, first, second)]
    assert float(loss) == pytest.approx(float(parts[0] + 0.3 * parts[1] + 0.5 * parts[2]))
    made, loss = total_loss(main, lambda out: out.sum())
    assert made is main
    assert torch.equal(loss, main.sum())


TASKS: list[tuple[Task, Tensor]] = [
    (
        classify.build(["a", "b", "c"], label_smoothing=0.1, class_weights=[0.5, 1.0, 1.5]),
        torch.tensor([0, 2]),
    ),
    (classify.build(["a", "b", "c"], loss="bce"), torch.tensor([1, 2])),
    (
        multilabel.build(["a", "b", "c"], class_weights=[0.5, 1.0, 1.5]),
        torch.tensor([[0.0, 1, 1], [1, 0, 0]]),
    ),
    (regress.build(mean=1.0, scale=2.0), torch.tensor([[0.5], [-2.0]])),
]


@pytest.mark.parametrize(("task", "truths"), TASKS, ids=lambda value: getattr(value, "name", ""))
def test_every_task_adds_them_in_training_and_judges_the_main_ones(task: Task, truths: Tensor) -> None:
    """The auxiliary outputs are judged by the very loss that the main ones are."""
    network, batch = forked(outputs=task.outputs), Batch(torch.randn(2, 1, 9, 9), truths, ["a", "b"])
    with torch.no_grad():
        network.train()
        made = network(batch.images)
        step = task.step(network, batch)

        class Said(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return self.said

        def alone(outputs: Tensor) -> Tensor:
            said = Said()
            said.said = outputs
            return task.step(said, batch).loss

        torch.testing.assert_close(step.loss, alone(made.main) + 0.3 * alone(made.others[0]))
        assert torch.equal(step.outputs, made.main)
        network.eval()
        judged = task.step(network, batch)
        assert judged.outputs.shape == (2, task.outputs)
        assert len(task.predict(network, batch.images)) == 2


@pytest.mark.parametrize("name", INCEPTIONS)
def test_published_shares(name: str) -> None:
    network = inception(name)
    made = network.train()(torch.randn(2, 1, 40, 40))
    assert isinstance(made, Outputs)
    assert made.shares == {"googlenet": (0.3, 0.3), "inception_v3": (0.4,)}[name]
    assert {out.shape for out in (made.main, *made.others)} == {(2, 3)}
    assert isinstance(network.eval()(torch.randn(2, 1, 40, 40)), Tensor)


def test_a_map_as_large_as_published_is_pooled_as_published() -> None:
    from torchvision.models import inception as theirs

    head = inception("inception_v3").get_submodule("AuxLogits").train()
    bare = theirs.InceptionAux(768, 3)
    bare.load_state_dict(head.state_dict())
    x = torch.randn(2, 768, 17, 17)
    assert torch.equal(head(x), bare.train()(x))


@pytest.mark.parametrize("name", INCEPTIONS)
def test_evaluation_computes_what_torchvision_s_does(name: str) -> None:
    """Weights as published, on pictures as the weights want them: torchvision's network normalises itself."""
    from torchvision.models import get_model

    family = catalog.find("architectures", name)
    torch.manual_seed(1)
    ours = family.build(name, outputs=1000, channels=3, size=96)
    bare = get_model(name, weights=None, transform_input=True, aux_logits=True, init_weights=False)
    bare.load_state_dict(ours.state_dict())
    pixels = torch.rand(1, 3, 96, 96)
    pre = family.weights(name, None).preprocessing
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    own_mean, own_std = (torch.tensor(v)[:, None, None] for v in (pre.mean, pre.std))
    with torch.no_grad():
        wanted = bare.eval()((pixels - mean) / std)
        torch.testing.assert_close(ours.eval()((pixels - own_mean) / own_std), wanted, rtol=1e-4, atol=1e-4)


def test_they_stand_with_the_head() -> None:
    groups = stages(forked(), "fc")
    assert [name for name, _ in groups[-1]] == [
        "fc.weight", "fc.bias", "side.conv.weight", "side.conv.bias", "side.last.weight", "side.last.bias",
    ]  # fmt: skip
    assert [group[0][0] for group in groups[:-1]] == ["one.0.weight", "two.0.weight", "two.1.weight"]


@pytest.mark.parametrize(
    ("trainable", "frozen", "takes_part"), [("all", 0, True), ("head", 0, False), ("all", 1, False)]
)
def test_they_are_silent_where_they_teach_nothing(trainable: str, frozen: int, takes_part: bool) -> None:
    network = forked()
    set_trainable(network, "fc", trainable, frozen)
    set_training(network, "fc", trainable, frozen)
    assert isinstance(network(torch.randn(2, 1, 9, 9)), Outputs) is takes_part
    assert all(p.requires_grad is takes_part for p in network.side.parameters())
    assert network.training


@pytest.mark.parametrize("name", INCEPTIONS)
def test_frozen_stages_and_their_border(name: str) -> None:
    """With any number of stages frozen, training goes on from the border, with the heads that lie behind it."""
    network, images = inception(name), torch.randn(2, 1, 40, 40)
    head = catalog.find("architectures", name).head(name)
    taking_part = []
    for frozen in range(1, len(stages(network, head)) - 1, 2):
        at = border(network, head, frozen)
        assert can_begin_at(network.eval(), at, images), at
        entering, _ = up_to(network.eval(), at, images)
        set_trainable(network, head, "all", frozen)
        set_training(network, head, "all", frozen)
        with beginning_at(network, at):
            made = network(entering)
        taking_part.append(len(made.others) if isinstance(made, Outputs) else 0)
        main = made.main if isinstance(made, Outputs) else made
        assert main.shape == (2, 3)
    assert taking_part == sorted(taking_part, reverse=True)
    assert taking_part[0] == len(attached(network))
    assert taking_part[-1] == 0


def test_the_loop_trains_them(tmp_path: Path) -> None:
    data = small.drawings(tmp_path)
    network = forked()
    before = {name: p.clone() for name, p in network.named_parameters()}
    stages_ = (
        Stage("head", "head", 1, 0.05, "onecycle", 0.25),
        Stage("all", "all", 2, 0.05, "onecycle", 0.25),
    )
    state = State(network, small.fit_options(stages=stages_))
    moved: dict[str, set[str]] = {}
    train, val = small.batches(data, "train"), small.batches(data, "val")
    for event in fit(state, small.task(), train, val, state.options):
        if isinstance(event, events.Epoch):
            now = dict(network.named_parameters())
            moved[event.stage] = {name for name in before if not torch.equal(before[name], now[name])}
    assert moved["head"] == {"fc.weight", "fc.bias"}
    assert moved["all"] == set(before)
    assert state.evaluation is not None
    assert state.evaluation.headline.value > 0.6


def test_published_heads_are_drawn_anew_for_other_labels() -> None:
    """The last layer of each as the main one: known classes keep their rows, others begin at zero."""
    old, new = forked(1), forked(2, outputs=4)
    done = transplant(
        old.state_dict(), new, "fc", source="x", old_labels=("a", "b", "c"), new_labels=("c", "d", "e", "f")
    )
    last, was = new.side.get_submodule("last"), old.side.get_submodule("last")
    assert torch.equal(last.weight[0], was.weight[2])
    assert not last.weight[1:].any()
    assert torch.equal(new.side.get_submodule("conv").weight, old.side.get_submodule("conv").weight)
    assert set(done.adapted) == {"fc.weight", "fc.bias", "side.last.weight", "side.last.bias"}


def test_weights_without_auxiliary_heads_do() -> None:
    old, new = forked(1), forked(2)
    kept = new.side.get_submodule("conv").weight.clone()
    state = {name: tensor for name, tensor in old.state_dict().items() if not is_in(name, "side")}
    done = transplant(state, new, "fc", source="x")
    assert torch.equal(new.side.get_submodule("conv").weight, kept)
    assert all(is_in(name, "side") for name in done.fresh)


def test_the_share_is_what_moves_the_first_layers() -> None:
    """Gradients of the trunk are those of the summed loss, by hand."""
    network, task = forked().train(), small.task()
    batch = Batch(torch.randn(4, 1, 9, 9), torch.tensor([0, 1, 2, 0]), list("abcd"))
    torch.autograd.backward(task.step(network, batch).loss)
    gradient = network.one[0].weight.grad
    again = forked().train()
    made = again(batch.images)
    smoothed = dataclasses.asdict(task)["label_smoothing"]
    losses = [
        F.cross_entropy(out, batch.truths, label_smoothing=smoothed) for out in (made.main, *made.others)
    ]
    torch.autograd.backward(losses[0] + 0.3 * losses[1])
    assert gradient is not None
    torch.testing.assert_close(gradient, again.one[0].weight.grad)
