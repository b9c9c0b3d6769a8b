"""Gradients by another rule at the rectifiers, at the level of operations."""

from __future__ import annotations

from torch import Tensor

from ..errors import OptionError
from ..structure.look import Look
from ..structure.taps import Rule


def by_rule(look: Look, rule: Rule) -> tuple[Tensor, int]:
    """The gradient `BCHW` by the rule, and how many rectifiers followed it.

    Raises:
        OptionError: there is none, so that the rule would change nothing.
    """
    gradient, rectifiers = look.gradient(rule=rule)
    if not rectifiers:
        raise OptionError(
            f"The method ({rule}) is not defined for this network: it has no rectifiers (ReLU, ReLU6, clamp).",
            "A network with rectifiers. With others (SiLU, GELU, ...) the result would equal the plain gradient.",
            "Use the method gradient, integrated_gradients or gradcam.",
        )
    return gradient, rectifiers
