"""A traced network: what is computed, counted as others count it, and nothing left behind."""

from __future__ import annotations

import gc
import weakref

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from foveal.structure.anatomy import anatomy_of
from foveal.structure.graph import trace


class Tricky(nn.Module):
    """A shared layer, a shortcut, branches, functions, a parameter of its own, and a head only for training."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.shared = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.branch = nn.Conv2d(8, 4, 1)
        self.fc = nn.Linear(12, 5)
        self.extra = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x), inplace=True)
        y = self.shared(self.shared(x)) * self.scale
        x = torch.cat([x + y, self.branch(x)], 1)
        if self.training:
            self.extra(x[:, :8].mean((2, 3)))
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


def test_every_path_and_every_pass_is_a_row_of_its_own():
    found = anatomy_of(net := Tricky(), trace(net, (1, 3, 16, 16)))
    rows = dict(enumerate(found.layers))
    names = [layer.name for layer in found.layers]
    assert names == ["first", "relu", "shared", "shared", "mul", "add", "branch", "cat", "mean", "fc"]
    assert [rows[n].inputs for n in range(10)] == [
        (-1,),
        (0,),
        (1,),
        (2,),
        (3,),
        (1, 4),
        (1,),
        (5, 6),
        (7,),
        (8,),
    ]
    assert found.outputs == (9,)
    assert (rows[2].shared, rows[3].shared) == (False, True)
    assert rows[2].parameters == rows[3].parameters == 8 * 8 * 9
    assert rows[4].parameters == 8  # the network's own parameter, where it is used
    assert found.unused == {"extra": 45}
    assert found.parameters == sum(p.numel() for p in net.parameters())
    assert sum(layer.parameters for layer in found.layers if not layer.shared) + 45 == found.parameters
    assert rows[7].output_shape == (12, 16, 16)


def test_multiply_adds_are_half_of_what_torch_counts():
    net = Tricky().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.randn(1, 3, 16, 16))
    found = anatomy_of(net, trace(net, (1, 3, 16, 16)))
    assert 2 * found.multiply_adds == counter.get_total_flops() > 0
    assert found.layers[0].multiply_adds == 3 * 8 * 9 * 16 * 16


def test_attention_is_counted_whatever_kernel_would_compute_it():
    net = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    wrapped = nn.Sequential(nn.Flatten(2), nn.Linear(16, 16), net)
    found = anatomy_of(wrapped, trace(wrapped, (1, 10, 4, 4)))
    tokens, width, hidden = 10, 16, 32
    per_token = width * width + 3 * width * width + width * width + 2 * width * hidden
    assert found.multiply_adds == tokens * per_token + 2 * tokens * tokens * width


def test_modes_hooks_gradients_and_random_state_stay_as_they_were():
    net = Tricky()
    net.branch.eval()
    before = torch.get_rng_state()
    trace(net, (1, 3, 8, 8))
    assert torch.equal(before, torch.get_rng_state())
    assert net.training
    assert not net.branch.training
    assert all(p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_what_was_computed_is_let_go():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    made: list[weakref.ref[Tensor]] = []
    net[1].register_forward_hook(lambda module, inputs, output: made.append(weakref.ref(output)))
    trace(net, (1, 3, 8, 8))
    gc.collect()
    assert [one() for one in made] == [None]


def test_an_error_in_the_network_leaves_nothing_behind():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(7, 2))
    try:
        trace(net, (1, 3, 8, 8))
    except RuntimeError:
        pass
    else:
        raise AssertionError("8 - 2 is not 7")
    assert net.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_memory_is_what_autograd_keeps_and_what_a_pass_needs_at_once():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(4, 2, 1, bias=False))
    found = anatomy_of(net, trace(net, (1, 3, 8, 8)))
    picture, maps = 4 * 3 * 64, 4 * 4 * 64
    # the first kernel's gradient needs the picture, the rectifier's its result, which the last needs, too
    assert found.saved_bytes == picture + maps
    # at most: picture, what enters the rectifier, what leaves it
    assert found.peak_bytes == picture + 2 * maps
    inplace = nn.Sequential(net[0], nn.ReLU(inplace=True), net[2])
    assert anatomy_of(inplace, trace(inplace, (1, 3, 8, 8))).peak_bytes == picture + maps + 4 * 2 * 64


def test_a_dense_layer_between_the_same_shapes():
    net = nn.Conv2d(3, 4, 3, padding=1)
    found = anatomy_of(net, trace(net, (1, 3, 8, 8)))
    dense = nn.Linear(3 * 8 * 8, 4 * 8 * 8)
    assert found.dense_parameters == sum(p.numel() for p in dense.parameters())


def test_times_are_of_the_layers_that_take_them():
    net = nn.Sequential(nn.Identity(), nn.Conv2d(3, 64, 7), nn.ReLU(), nn.Sequential(nn.Conv2d(64, 64, 7)))
    found = anatomy_of(net, trace(net, (1, 3, 32, 32)), times=True)
    assert found.seconds is not None
    parts = [layer.seconds for layer in found.layers]
    assert [layer.name for layer in found.layers] == ["1", "2", "3.0"]
    assert all(part is not None and part > 0 for part in parts)
    assert sum(part for part in parts if part) <= 1.5 * found.seconds
    assert (parts[2] or 0) > (parts[1] or 0)
