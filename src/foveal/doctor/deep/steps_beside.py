"""The first steps of the run's own loop beside the same steps made apart, from gradient, rate, momentum and decay."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import FovealError
from ...loop.fit import descend
from ...loop.state import State
from ...options import FitOptions
from ...structure import layers
from ...values import Batch
from ..patient import SHARE, Patient

SOURCE = (
    "TrainCheck (Jiang et al. 2025): what a step must do to what it is given; SGD as Sutskever et al. 2013, AdamW as "
    "Loshchilov & Hutter 2019, by torch's own optimizers; Stack Overflow 60335387 (zero_grad)"
)
QUICK = True
STEPS, COUNT, SHOWN = 3, 16, 50
FEWEST, PASSES = 4, 24
"""Pictures below which a step says little; what all of it costs a picture, in passes forward."""
KNOWN = ("sgd", "momentum", "adamw", "adam")
LONGEST = 1e3
"""Length of a change beyond which a network is no longer one to compare on."""


def measure(patient: Patient) -> dict[str, Any] | None:
    """By step: how long the change of all weights is beside what is due, and its cosine with that. `still` are
    parameters that are due to move and never do. Of optimizers that are not made apart here that alone is told: what
    plain descent moves, any moves."""
    fits = _fits(patient)
    if fits < FEWEST:
        return None
    batch = patient.batch("train", min(COUNT, fits))
    if not isinstance(batch.truths, Tensor) or len(batch.ids) < FEWEST:
        return None
    options = dataclasses.replace(
        patient.fit, device="cpu", precision="fp32", compiled=False, ema=0.0, cuda_graph=False, sync_norm=False,
        pieces=max(1, min(patient.fit.pieces, len(batch.ids) // 2)),
    )  # fmt: skip
    network, known = patient.fresh(), options.optimizer in KNOWN
    state = State(network, options)
    state.enter(len(options.stages) - 1)
    stage = state.current
    layers.set_training(network, options.head, stage.trainable, stage.frozen)
    beside, optimizer = _apart(network, options)
    moved, due = set[str](), set[str]()
    rows: list[dict[str, float]] = []
    for number in range(STEPS):
        before = {name: p.detach().clone() for name, p in network.named_parameters()}
        wanted = _due(patient, network, beside, optimizer, options, batch, number)
        torch.manual_seed(number)
        descend(state, patient.task, batch, options)
        own = {name: p.detach() - before[name] for name, p in network.named_parameters()}
        moved |= {name for name, change in own.items() if bool(change.any())}
        due |= {name for name, change in wanted.items() if _is_felt(change, before[name])}
        row = _held(own, wanted)
        if not row["due"] < LONGEST or not row["own"] < LONGEST:
            break
        rows.append(row)
    if not rows:
        return None
    parameters = [name for name, p in beside.named_parameters() if p.requires_grad]
    return {
        "count": len(batch.ids),
        "optimizer": options.optimizer,
        "lr": stage.lr,
        "steps": len(rows),
        "rows": rows if known else [],
        "parameters": len(parameters),
        "due": len(due),
        "still": [name for name in parameters if name in due - moved][:SHOWN],
        "gradient": _rounding(patient, network, batch),
    }


def _fits(patient: Patient) -> int:
    """How many pictures there is time for; as many as wanted where the run has saved no network to tell by."""
    try:
        return int(SHARE * patient.time_left / (PASSES * max(1e-9, patient.pace)))
    except FovealError:
        return COUNT


def _apart(network: nn.Module, options: FitOptions) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The network once more, all of it that is to learn learning, and torch's own optimizer of it."""
    stage = options.stages[-1]
    beside = copy.deepcopy(network)
    layers.set_trainable(beside, options.head, stage.trainable, stage.frozen)
    groups = layers.parameter_groups(
        beside, options.head, lr=stage.lr, weight_decay=options.weight_decay, layer_decay=stage.layer_decay
    )
    made: torch.optim.Optimizer
    if options.optimizer not in ("adamw", "adam"):
        momentum = options.momentum if options.optimizer in KNOWN else 0.0
        nesterov = options.optimizer == "sgd" and momentum > 0
        made = torch.optim.SGD(groups, lr=stage.lr, momentum=momentum, nesterov=nesterov)
    else:
        kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
        made = kind(groups, lr=stage.lr, betas=(options.momentum, 0.999))
    return beside, made


def _due(
    patient: Patient,
    network: nn.Module,
    beside: nn.Module,
    optimizer: torch.optim.Optimizer,
    options: FitOptions,
    batch: Batch,
    number: int,
) -> dict[str, Tensor]:
    """What the step is to change, from where the network is now."""
    beside.load_state_dict(network.state_dict())
    stage = options.stages[-1]
    layers.set_training(beside, options.head, stage.trainable, stage.frozen)
    for parameter in beside.parameters():
        parameter.grad = None
    torch.manual_seed(number)
    for piece in batch.split(options.pieces):
        share = len(piece.ids) / len(batch.ids)
        torch.autograd.backward(patient.task.step(beside, piece).loss * share)
    before = {name: p.detach().clone() for name, p in beside.named_parameters()}
    if options.clip:
        learning = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(learning, options.clip)
    optimizer.step()
    return {name: p.detach() - before[name] for name, p in beside.named_parameters()}


def _held(own: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, float]:
    """Over the weights that move, as those that do not are told apart."""
    names = [name for name, change in own.items() if bool(change.any())] or list(own)
    one = torch.cat([own[name].flatten() for name in names]).double()
    two = torch.cat([wanted[name].flatten() for name in names]).double()
    size, length = float(one.norm()), float(two.norm())
    return {
        "own": size,
        "due": length,
        "times": size / max(1e-12, length),
        "cosine": float((one * two).sum()) / max(1e-24, size * length),
    }


def _is_felt(change: Tensor, before: Tensor) -> bool:
    """Whether it is more than rounding swallows."""
    return float(change.abs().max()) > 1e-6 * max(1e-3, float(before.abs().max()))


def _rounding(patient: Patient, network: nn.Module, batch: Batch) -> float:
    """How far apart two gradients of the same pictures are, of their length: what comparing can at most mean."""
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        for parameter in network.parameters():
            parameter.grad = None
        loss = patient.task.step(network, batch).loss
        if not loss.requires_grad:
            return 0.0
        torch.autograd.backward(loss)
        grads = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
        made.append(torch.cat(grads).double())
    return float((made[0] - made[1]).norm() / made[0].norm().clamp_min(1e-30))
