"""Where on its way through the layers a picture is lost: what each gives, and whether a gradient comes back to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...finding import Evidence
from ...watch.passing import kind_of
from ..patient import Patient

SOURCE = (
    "TheDeepChecker (Braiek & Khomh 2022): activations and gradients of each layer; Karpathy 2019, A Recipe"
)
QUICK = True
COUNT, SHOWN = 16, 20
NOTHING = 1e-6
"""Size below which a kernel passes nothing on."""


def measure(patient: Patient) -> dict[str, Any] | None:
    network, batch = patient.network("last"), patient.batch("train", COUNT)
    if not isinstance(batch.images, Tensor) or len(batch.ids) < 2:
        return None
    for parameter in network.parameters():
        parameter.requires_grad_()
    with given(network) as gave:
        loss = patient.task.step(network, batch).loss
    if loss.requires_grad:
        torch.autograd.backward(loss)
    same = [name for name, made in gave.items() if _is_same(made, len(batch.ids))]
    first = same[0] if same else ""
    kernel = getattr(network.get_submodule(first), "weight", None) if first else None
    return {
        "count": len(batch.ids),
        "layers": len(gave),
        "same": same[:SHOWN],
        "first": first,
        "place": list(gave).index(first) if first else None,
        "kind": kind_of(network.get_submodule(first)) if first else "",
        "zero": bool(first) and not bool(gave[first].detach().any()),
        "empty": isinstance(kernel, Tensor) and float(kernel.detach().abs().max()) < NOTHING,
        "given": min(batch.images.shape[-2:]),
        "sides": {
            name: min(made.shape[-2:])
            for name, made in gave.items()
            if made.dim() == 4 and _reach(network.get_submodule(name)) > 1
        },
        "without_gradient": [
            name for name, made in gave.items() if made.grad is None or not bool(made.grad.any())
        ][:SHOWN],
    }


def told(found: Mapping[str, Any]) -> Evidence:
    silent = found["same"]
    lost = f"{silent[0]} is the first that gives the same for all" if silent else "all tell pictures apart"
    without = len(found["without_gradient"])
    back = f"{without} get no gradient back" if without else "all get a gradient back"
    return Evidence(f"Of {found['layers']} layers {lost}, and {back}.", dict(found))


@contextmanager
def given(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """What each innermost layer gives when it is first called, in the order of the pass; gradients are kept."""
    gave: dict[str, Tensor] = {}

    def kept(name: str) -> Callable[..., None]:
        def after(module: nn.Module, given: Any, made: Any) -> None:
            if isinstance(made, Tensor) and made.is_floating_point() and name not in gave:
                if made.requires_grad:
                    made.retain_grad()
                gave[name] = made

        return after

    leaves = [(n, m) for n, m in network.named_modules() if n and not any(True for _ in m.children())]
    handles = [module.register_forward_hook(kept(name)) for name, module in leaves]
    try:
        yield gave
    finally:
        for handle in handles:
            handle.remove()


def _reach(module: nn.Module) -> int:
    """Side of a convolution's kernel; 0 of what is none."""
    return max(module.kernel_size) if isinstance(module, nn.Conv2d) else 0


def _is_same(made: Tensor, count: int) -> bool:
    """Whether all pictures have the same in it."""
    return made.dim() > 0 and made.shape[0] == count and bool((made.detach() == made.detach()[:1]).all())
