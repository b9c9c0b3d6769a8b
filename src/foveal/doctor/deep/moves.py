"""Whether one step of training moves every parameter that is to learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...finding import Evidence
from ...loop.state import State
from ...structure.layers import set_training
from ..patient import Patient

SOURCE = "TrainCheck (Jiang et al. 2025): what has a gradient must change in a step; PyTorch forum 84911"
QUICK = True
COUNT, SHOWN = 8, 50
NOTHING = 1e-6
"""Of the largest weight: steps below it may be lost in rounding."""


def measure(patient: Patient) -> dict[str, Any] | None:
    """A fresh network, frozen and given to the optimizer as the run's last stage has it, makes one step at the highest
    rate."""
    batch = patient.batch("train", COUNT)
    network = patient.fresh()
    options = dataclasses.replace(
        patient.fit, device="cpu", precision="fp32", compiled=False, ema=0.0, clip=0.0
    )
    state = State(network, options)
    state.enter(len(options.stages) - 1)
    assert state.optimizer is not None
    set_training(network, options.head, state.current.trainable, state.current.frozen)
    learn = {name: p for name, p in network.named_parameters() if p.requires_grad}
    given = {id(p) for group in state.optimizer.param_groups for p in group["params"]}
    before = {name: p.detach().clone() for name, p in learn.items()}
    loss = patient.task.step(network, batch).loss
    unknown = _unknown(loss, network)
    torch.autograd.backward(loss)
    state.optimizer.step()
    led = [name for name, p in learn.items() if p.grad is not None and bool(p.grad.any())]
    rates = {id(p): float(group["lr"]) for group in state.optimizer.param_groups for p in group["params"]}
    far = [
        name
        for name in led
        if _is_felt(before[name], learn[name], rates.get(id(learn[name]), state.current.lr))
    ]
    return {
        "count": len(batch.ids),
        "stage": state.current.name,
        "frozen": sum(1 for p in network.parameters() if not p.requires_grad),
        "parameters": len(learn),
        "with_gradient": len(led),
        "without_gradient": [name for name, p in learn.items() if p.grad is None][:SHOWN],
        "zero_gradient": [name for name, p in learn.items() if p.grad is not None and not bool(p.grad.any())][
            :SHOWN
        ],
        "not_given": [name for name, p in learn.items() if id(p) not in given][:SHOWN],
        "unmoved": [name for name in far if torch.equal(before[name], learn[name])][:SHOWN],
        "unknown": unknown,
    }


def told(found: Mapping[str, Any]) -> Evidence:
    still = len(found["unmoved"])
    moved = f"{still} of those do not move" if still else "each of those moves"
    return Evidence(
        f"In one step {found['with_gradient']} of {found['parameters']} parameters that are to learn have a gradient; "
        f"{moved}. {found['frozen']} are frozen.",
        dict(found),
    )


def _unknown(loss: Tensor, network: nn.Module) -> list[str]:
    """Shapes of the parameters that the loss depends on and that are none of the network's, as far as torch knows."""
    known = {id(p) for p in network.parameters()}
    left, seen, found = [loss.grad_fn], set(), {}
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, nn.Parameter) and id(leaf) not in known:
            found[id(leaf)] = " x ".join(str(side) for side in leaf.shape) or "1"
        left += [before for before, _ in node.next_functions]
    return sorted(found.values())[:SHOWN]


def _is_felt(before: Tensor, parameter: nn.Parameter, rate: float) -> bool:
    """Whether a step along the gradient is larger than what rounding swallows."""
    assert parameter.grad is not None
    return rate * float(parameter.grad.abs().max()) > NOTHING * float(before.abs().max())
