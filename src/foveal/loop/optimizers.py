"""What moves the weights: SGD and AdamW from torch, Muon, and timm's optimizers by their names."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import OptionError, UnknownNameError
from .muon import Muon

SOURCE = (
    "SGD with momentum: Polyak 1964; with Nesterov's: Sutskever et al. 2013; "
    "AdamW: Loshchilov & Hutter 2019; Muon: Jordan 2024; "
    "the others: each with its paper in timm.optim's documentation"
)
OWN = ("sgd", "momentum", "adamw", "muon")
# Rates that each family's own publications use are far apart, so the rule needs to know the family.
LIKE_SGD = ("momentum", "nesterov", "lars", "larc", "nlars", "nlarc")
# Second derivatives, kernels of other packages, or a state that plain numbers cannot hold.
_NOT_HERE = ("adahessian", "bnb", "fused", "kron", "adafactorbv", "cadafactorbv")
BETAS = (0.9, 0.999)


def names() -> tuple[str, ...]:
    """What --optimizer can be, sorted; loads timm."""
    return tuple(sorted({*OWN, *(name for name in _timm() if _fits(name))}))


def check(name: str) -> None:
    """Refuse a name before anything is read.

    Raises:
        UnknownNameError: nobody knows it (the nearest are given).
        OptionError: it needs more than one gradient a step, or a package that is not here.
    """
    if name in OWN:
        return
    if name not in _timm():
        raise UnknownNameError("optimizer", name, names())
    if not _fits(name):
        raise OptionError(
            f"--optimizer {name} needs second derivatives or another package, or cannot be resumed safely.",
            f"Here: {', '.join(names())}.",
            "Choose one of these.",
        )


def is_like_sgd(name: str) -> bool:
    """Whether its rates are those of SGD with momentum, a hundred times those of Adam's family."""
    return "sgd" in name or name.startswith(LIKE_SGD)


def usual_rates(name: str) -> tuple[float, float]:
    """The lowest and the highest rate that it is usually given."""
    return (1e-4, 1.0) if is_like_sgd(name) or name == "muon" else (1e-6, 0.01)


def build(
    name: str, groups: list[dict[str, Any]], *, lr: float, momentum: float, weight_decay: float, device: str
) -> torch.optim.Optimizer:
    """The optimizer over parameter groups, which carry rates and decays of their own.

    `momentum` is SGD's and Muon's, and the first beta of Adam's family.
    """
    fused = device.partition(":")[0] in ("cpu", "cuda", "mps")
    if name in ("sgd", "momentum"):
        nesterov = name == "sgd" and momentum > 0
        made = torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=fused)
        if momentum and device.startswith("cuda"):
            # the fused kernel leaves them as they lie in memory where half precision's scaler lets a first step pass
            for p in (p for group in made.param_groups for p in group["params"]):
                made.state[p]["momentum_buffer"] = torch.zeros_like(p)
        return made
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=(momentum, BETAS[1]), fused=fused)
    if name == "muon":
        return Muon(groups, lr=lr, momentum=momentum)
    return _of_timm(name, groups, lr=lr, momentum=momentum, weight_decay=weight_decay)


def _of_timm(
    name: str, groups: list[dict[str, Any]], *, lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    from timm.optim import create_optimizer_v2, get_optimizer_info  # type: ignore[attr-defined]

    more: dict[str, Any] = {}
    info = get_optimizer_info(name)
    if info.has_betas and info.num_betas == 2:
        more["betas"] = (momentum, 0.99 if "lion" in name else BETAS[1])
    made = create_optimizer_v2(
        groups,
        opt=name,
        lr=lr,
        weight_decay=weight_decay,
        momentum=momentum,
        filter_bias_and_bn=False,
        **more,
    )
    assert isinstance(made, torch.optim.Optimizer)
    return made


def _timm() -> list[str]:
    from timm.optim import list_optimizers  # type: ignore[attr-defined]

    return [str(name) for name in list_optimizers()]


def _fits(name: str) -> bool:
    return not name.startswith(_NOT_HERE)
