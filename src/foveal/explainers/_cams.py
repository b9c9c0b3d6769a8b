"""What class activation maps have in common."""

from __future__ import annotations

from torch import Tensor

from ..structure.look import Look

CELL = "logits a cell"


def by_head(look: Look) -> tuple[Tensor, Tensor] | None:
    """For a linear head on the mean of the last map: the weights `BC` that it gives each channel for the score,
    and the score `B` without what the head adds whatever it sees (its bias). None for other heads, and where a
    unit is explained."""
    name = look.subject.linear_on_pooled
    if name is None or look.unit is not None:
        return None
    network = look.subject.network
    outputs, counts = look.by_outputs()
    bias = dict(network.named_parameters()).get(name.removesuffix("weight") + "bias")
    seen = outputs if bias is None else outputs - bias.detach()
    return counts @ network.get_parameter(name).detach(), (counts * seen).sum(1)


def promised(look: Look, place: int) -> Tensor | None:
    """What gradients times the last map before a pooled and linear head add up to, `B`: the score without the
    head's bias. None for other layers and heads."""
    head = by_head(look) if place == look.subject.last_map else None
    return None if head is None else head[1]
