"""Muon against the record's two optimizers, and its orthogonal steps against singular values."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.architectures import sprintnet
from foveal.architectures.sprintnet import SprintNet
from foveal.loop import muon
from foveal.loop.muon import Muon, orthogonal
from foveal.structure.layers import parameter_groups

SHAPES = [(64, 216), (256, 576), (300, 50), (16, 400)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_singular_values_come_near_one(shape: tuple[int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    some = torch.randn(2, *shape)
    made = orthogonal(some.to(dtype))
    assert made.dtype == dtype
    values = torch.linalg.svdvals(made.float())
    assert values.min() > 0.65
    assert values.max() < 1.25
    before = torch.linalg.svdvals(some)
    assert before.max() / before.min() > 1.3, "they were not alike"


def test_five_steps_lift_smaller_values() -> None:
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(64, 64))[0] for _ in range(2))
    values = torch.logspace(-2, 0, 64)
    matrix = (left * values) @ right
    three, five = (torch.linalg.svdvals(orthogonal(matrix[None], steps))[0] for steps in (3, 5))
    assert three.min() < 0.2
    assert five.min() > 0.65
    assert five.max() < 1.25


def test_directions_stay() -> None:
    """The factors of U S V' are kept: only S changes."""
    torch.manual_seed(0)
    matrix = torch.randn(20, 90)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ orthogonal(matrix[None])[0] @ v.T
    assert (inner - torch.diag(inner.diag())).abs().max() < 1e-4
    assert inner.diag().min() > 0.5


class Record:
    """The optimizers of airbench94_muon from their formulas: gradients are sums over the batch, and
    outputs are divided by 256 where this network divides features by 9."""

    def __init__(self, network: SprintNet, batch: int, steps: int) -> None:
        self.network, self.steps, self.done = network, steps, 0
        kernels = [p for p in network.parameters() if p.dim() == 4]
        norms = [p for n, p in network.named_parameters() if "norm" in n]
        bias = network.whiten.bias
        assert bias is not None
        self.head = nn.Parameter(network.fc.weight.detach() * 256 / 9)
        decay, fast = 2e-6 * batch, 64 * 0.67 * (9 / 256) ** 2
        assert fast == pytest.approx(0.053, rel=1e-4), "the record's rate of biases, to its three digits"
        self.sgd = torch.optim.SGD(
            [
                {"params": [bias], "lr": fast, "weight_decay": decay / fast},
                {"params": norms, "lr": fast, "weight_decay": decay / fast},
                {"params": [self.head], "lr": 0.67, "weight_decay": decay / 0.67},
            ],
            lr=0.0,
            momentum=0.85,
            nesterov=True,
        )
        self.peaks = [group["lr"] for group in self.sgd.param_groups]
        self.kernels = kernels
        self.momenta = [torch.zeros_like(p) for p in kernels]

    def outputs(self, images: Tensor) -> Tensor:
        features: list[Tensor] = []
        hook = self.network.fc.register_forward_pre_hook(lambda _, given: features.append(given[0]))
        self.network(images)
        hook.remove()
        return F.linear(features[0] * 9, self.head) / 256

    def step(self, images: Tensor, truths: Tensor, each: float) -> None:
        """`each` picture stands for so many of the batch."""
        self.network.zero_grad()
        self.head.grad = None
        loss = F.cross_entropy(self.outputs(images), truths, label_smoothing=0.2, reduction="sum")
        torch.autograd.backward(loss * each)
        settled = self.steps * 3 / 8
        for number, (group, peak) in enumerate(zip(self.sgd.param_groups, self.peaks, strict=True)):
            group["lr"] = peak * max(0.0, 1 - self.done / (settled if number == 0 else self.steps))
        self.sgd.step()
        rate = 0.24 * (1 - self.done / self.steps)
        with torch.no_grad():
            for p, momentum in zip(self.kernels, self.momenta, strict=True):
                assert p.grad is not None
                momentum.mul_(0.6).add_(p.grad)
                way = p.grad.add(momentum, alpha=0.6)
                p.mul_(len(p) ** 0.5 / p.norm())
                p.sub_(rate * newton_schulz(way.reshape(len(way), -1)).view(p.shape))
        self.done += 1


def newton_schulz(gradient: Tensor) -> Tensor:
    """Three steps of the quintic, one matrix at a time."""
    x = gradient / gradient.norm()
    if len(x) > x.shape[1]:
        x = x.T
    for _ in range(3):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if len(gradient) > gradient.shape[1] else x


def test_steps_are_the_record_s() -> None:
    """Eight steps of the whole network, each part at its rate, momentum and decay, and the schedule."""
    torch.manual_seed(0)
    batch, steps = 2000, 8
    ours = sprintnet.build("sprintnet", outputs=4, channels=1, size=8).train().double()
    assert isinstance(ours, SprintNet)
    nn.init.zeros_(ours.fc.bias)
    ours.fc.bias.requires_grad_(False)  # the record's head has none
    images, truths = torch.randn(24, 1, 12, 12).double(), torch.randint(4, (24,))
    sprintnet.initialise(ours, images)
    record = Record(copy.deepcopy(ours), batch, steps)
    groups = parameter_groups(ours, "fc", lr=muon.LR, weight_decay=muon.DECAY / muon.LR, layer_decay=1.0)
    optimizer = Muon(groups, lr=muon.LR, momentum=muon.MOMENTUM)
    for done in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * max(0.0, 1 - done / steps / group.get("until", 1.0))
        optimizer.zero_grad()
        loss = F.cross_entropy(ours(images), truths, label_smoothing=0.2)
        torch.autograd.backward(loss)
        optimizer.step()
        record.step(images, truths, each=batch / len(images))
    want = dict(record.network.named_parameters())
    for name, p in ours.named_parameters():
        theirs = record.head * 9 / 256 if name == "fc.weight" else want[name]
        torch.testing.assert_close(p, theirs, rtol=1e-6, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}")


def test_kernels_keep_their_length() -> None:
    """As long as the root of their number before each step, whatever they were."""
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.randn(8, 4, 3, 3) * 50)
    optimizer = Muon([kernel], lr=0.0)
    kernel.grad = torch.randn_like(kernel)
    optimizer.step()
    assert float(kernel.detach().norm()) == pytest.approx(8**0.5)


def test_it_turns_alike_in_any_layout_and_company() -> None:
    """Kernels of one shape go through together; memory format and neighbours change nothing."""
    torch.manual_seed(0)
    weights = [torch.randn(8, 4, 3, 3), torch.randn(8, 4, 3, 3), torch.randn(6, 4, 3, 3)]
    gradients = [torch.randn_like(w) for w in weights]

    def moved(layout: torch.memory_format, together: bool) -> list[Tensor]:
        params = [nn.Parameter(w.clone(memory_format=layout)) for w in weights]
        for p, gradient in zip(params, gradients, strict=True):
            p.grad = gradient.clone(memory_format=layout)
        for optimizer in [Muon(params, lr=0.1)] if together else [Muon([p], lr=0.1) for p in params]:
            optimizer.step(), optimizer.step()
        return [p.detach() for p in params]

    plain = moved(torch.contiguous_format, together=False)
    for other in (moved(torch.contiguous_format, True), moved(torch.channels_last, True)):
        for one, two in zip(plain, other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_rates_may_be_tensors_and_kernels_tall() -> None:
    """As a step captured on a GPU needs them; numbers and tensors move alike."""
    torch.manual_seed(0)
    weights = [torch.randn(40, 2, 3, 3), torch.randn(5)]
    gradients = [torch.randn_like(w) for w in weights]
    moved = []
    for rate in (0.1, torch.tensor(0.1)):
        params = [nn.Parameter(w.clone()) for w in weights]
        for p, gradient in zip(params, gradients, strict=True):
            p.grad = gradient
        optimizer = Muon(params, weight_decay=0.1)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        moved.append(params)
    turn = newton_schulz(1.6 * gradients[0].reshape(40, -1)).view(40, 2, 3, 3)
    want = weights[0] * 40**0.5 / weights[0].norm() - 0.1 * turn
    for kernel, shift in moved:
        torch.testing.assert_close(kernel.detach(), want)
        torch.testing.assert_close(shift.detach(), moved[0][1].detach())


def test_what_has_no_gradient_stays_and_a_closure_is_called() -> None:
    one, two = nn.Parameter(torch.ones(3, 2, 2, 2)), nn.Parameter(torch.ones(3))
    two.grad = torch.ones(3)
    optimizer = Muon([one, two], lr=0.1)
    assert optimizer.step(lambda: 5) == 5
    assert torch.equal(one, torch.ones(3, 2, 2, 2))
    assert torch.allclose(two.detach(), torch.full((3,), 1 - 0.1 * muon.OTHERS * 1.85))
