"""Layers have gradients and are never moved: the optimizer was not given them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._beside import still as unmoved
from ._inside import FEWEST, kernels, measured, named, of_kind
from ._parts import part

SOURCE = "TrainCheck (Jiang et al. 2025): what has gradients must change in a step; PyTorch forum 84911"
LEVEL = "optimizer"
EXPLAINS = (
    "loss_stuck", "underfitting", "updates_too_small", "rate_too_low", "stopped_too_early", "vanishing",
    "overfitting", "metric_disagrees", "schedule_ends_wrongly", "below_published", "bad_initialisation",
)  # fmt: skip
WHERE_SEEN = (
    "frozen_by_mistake",
    "dead_units",
    "saturation",
    "input_ignored",
    "updates_too_large",
    "cannot_fit",
    "suspiciously_good",  # a model without some of its layers is what is saved
    "examples_mix",
    "modes_disagree",
    "labels_swapped",  # nor can what learned nothing, or is not what learned, tell of labels
    "labels_noisy",
    "labels_shuffled",
)


def examine(case: Case) -> Finding | Unsure | None:
    # a first step may be let pass by half precision, and a warm-up may begin at 0
    sights = [s for s in case.sights if s.lr > 0 and not s.norms.get("skipped") and s.step > 0]
    if strange := (part(case, "moves") or {}).get("unknown"):
        return _unknown(strange)
    if names := unmoved(case):
        return _beside(case, names)
    if len(sights) < FEWEST:
        return _tried(case) or (
            Unsure("Too few steps were watched to see what moves.") if case.sights else None
        )
    layers = (*kernels(case), *of_kind(case, "norm"))
    still = []
    for layer in layers:
        grads, moved = measured(sights, layer, "grad_norm"), measured(sights, layer, "update_ratio")
        if len(grads) >= FEWEST and len(moved) >= FEWEST and min(grads) > 1e-8 and max(moved) == 0:
            still.append(layer)
    if not still:
        return None
    told = Evidence(
        f"At each of {len(sights)} looked-at steps their gradients were not 0, and their weights were the same before "
        "and after the step.",
        {"looks": len(sights), "layers": len(layers)},
        layers=tuple(still),
    )
    return _finding(f"{len(still)} of {len(layers)} layers", still, told)


def _unknown(shapes: Sequence[str]) -> Finding:
    """Parameters that the network uses, and torch does not know as the network's."""
    many = f"{len(shapes)} parameter{'s that it uses are' if len(shapes) > 1 else ' that it uses is'}"
    return Finding(
        "optimizer_lacks_parameters",
        "error",
        f"{many} not the network's own, as far as torch knows: they are never moved, and not saved with the model.",
        (
            Evidence(
                f"The loss of a fresh network depends on parameters of {', '.join(shapes[:4])} values, which "
                "`network.parameters()` does not name.",
                {"shapes": list(shapes)},
            ),
        ),
        "Layers that lie in a plain Python list, tuple or dict, or are made anew inside `forward`, are not found: they "
        "stay as they were drawn, and a model that is loaded draws others.",
        Cure(
            "In the network's code put layers into nn.ModuleList or nn.ModuleDict, made once in "
            "`__init__`: `self.blocks = nn.ModuleList(blocks)`; a lone tensor into nn.Parameter."
        ),
        confidence=0.97,
        direct=True,
    )


def _tried(case: Case) -> Finding | None:
    """What a step of a fresh network does not move, made by the run's own optimizer."""
    found = part(case, "moves")
    if found is None or not found["unmoved"]:
        return None
    names = tuple(found["unmoved"])
    told = Evidence(
        f"In a step of a fresh network with {found['count']} pictures {found['with_gradient']} of "
        f"{found['parameters']} parameters that are to learn got a gradient, and these did not move; "
        f"{len(found['not_given'])} were not given to the optimizer.",
        {"with_gradient": found["with_gradient"], "not_given": found["not_given"]},
        layers=names,
    )
    return _finding(f"{len(names)} of {found['parameters']} parameters", names, told)


def _beside(case: Case, names: Sequence[str]) -> Finding:
    """What three steps of the run's own loop do not move, and the same steps made apart do."""
    found = part(case, "steps_beside") or {}
    steps = found.get("steps", len(found["rows"]))
    told = Evidence(
        f"In {steps} steps of a fresh network by the run's own loop they stayed as they were; the same "
        f"steps made apart, from gradient and rate, move {found['due']} of {found['parameters']} parameters.",
        {"due": found["due"], "parameters": found["parameters"]},
        layers=tuple(names),
    )
    which = f"{len(names)} of {found['parameters']} parameters"
    return dataclasses.replace(_finding(which, names, told), direct=True)


def _finding(which: str, names: Sequence[str], told: Evidence) -> Finding:
    return Finding(
        "optimizer_lacks_parameters",
        "error",
        f"{which} get gradients and are never moved: {named(names)}.",
        (told,),
        "The optimizer moves only the parameters that it was given. These stay as they were drawn, and all others must "
        "make do with what they give.",
        Cure(
            "Make the optimizer after the network is whole, and with all that is to learn: "
            "`torch.optim.SGD(network.parameters(), lr)`, no part of it (`network.head.parameters()`) and "
            "nothing that is replaced afterwards; delete `requires_grad_(False)` on layers that were "
            "drawn and never trained. In the loop keep the order `optimizer.zero_grad()`, "
            "`loss.backward()`, `optimizer.step()`: gradients that are set to 0 between the last two move "
            "nothing."
        ),
        confidence=0.97,
    )
