"""foveal anatomy conv: what is typed goes in, an exit code comes out."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter

from ..verbs.convolution import ConvolutionOptions
from .commands import Json, deliver
from .flags import Command, takes

Hint = TypeVar("Hint")


def minus_may_begin(command: Command) -> Command:
    """Let a kernel's values begin with a minus, as in --kernel-values "-1 0 1": it is no option."""
    signature = inspect.signature(command)
    known = signature.parameters["kernel_values"]
    hint = Annotated[known.annotation, Parameter(allow_leading_hyphen=True)]  # type: ignore[name-defined]
    parameters = [p.replace(annotation=hint) if p is known else p for p in signature.parameters.values()]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__["kernel_values"] = hint
    return command


@minus_may_begin
@takes(ConvolutionOptions)
def conv(*, json: Json = False, **options: Any) -> int:
    """Convolution arithmetic without a network: sizes and why, the numbers, what it costs."""
    from ..verbs.convolution import convolution as verb
    from . import show_convolution

    return deliver(json, lambda _: verb(**options).to_json(), show_convolution.draw)
