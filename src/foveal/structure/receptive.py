"""Theoretical receptive fields: which pixels each unit of a network can see.

Along one axis, the unit at `u` sees the pixels from `u * jump + low` to `u * jump + high`, whatever the
picture's size. A convolution with kernel k, stride s, padding p and dilation d multiplies the jump by s, moves
`low` by -p jumps and `high` by d(k - 1) - p; where paths meet the union is taken (Araujo, Norris & Sim 2019,
Computing Receptive Fields of Convolutional Neural Networks, Distill).

What looks at the whole picture to weigh what others see (squeeze and excitation, attention) is told apart: a
field then is that of the paths that keep places apart, and `whole` says that all is seen through the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any, TypeAlias

from .graph import PICTURE, Graph, Operation, Shape

Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Axis:
    """What units see along one axis, in pixels: `jump` from one unit to the next, and the first and the last
    pixel of the unit at 0. `whole`: all of them, and the others count only where they are kept apart."""

    jump: Fraction = Fraction(1)
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(0)
    whole: bool = False

    @property
    def size(self) -> Fraction:
        return self.high - self.low + 1

    @property
    def centre(self) -> Fraction:
        """Of the unit at 0."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Field:
    """The receptive field of an operation's units. `dims` are the places of height and width in its shape;
    None where there are none left, and each unit sees all that `whole` or the axes say."""

    axes: tuple[Axis, Axis]
    dims: Pair | None

    @property
    def whole(self) -> bool:
        return any(axis.whole for axis in self.axes) or self.dims is None


def fields(graph: Graph) -> list[Field | None]:
    """Of each operation; None from where a function mixes places in a way that is not known here."""
    found: list[Field | None] = []
    start = Field((Axis(), Axis()), (2, 3))
    for operation in graph.operations:
        entering = [start if place == PICTURE else found[place] for place in operation.inputs]
        found.append(_after(operation, entering))
    return found


def _after(operation: Operation, entering: Sequence[Field | None]) -> Field | None:
    known = [field for field in entering if field is not None]
    if len(known) < len(entering):
        return None
    rule = RULES.get(operation.function.rstrip("_").removeprefix("__").removesuffix("__"))
    if rule is not None:
        return rule(operation, known)
    return _together(operation, known)


def _together(operation: Operation, known: Sequence[Field]) -> Field | None:
    """The rule for what computes each place from the same place: it keeps the shape, up to broadcasting."""
    shape = operation.shapes[0]
    kept: Field | None = None
    whole = (False, False)
    for field, entered in zip(known, operation.entering, strict=True):
        places = None if field.dims is None else tuple(entered[d] for d in field.dims)
        if field.dims is None or (
            places == (1, 1) and tuple(shape[d - len(entered)] for d in field.dims) != (1, 1)
        ):
            whole = (True, True)  # one value for all places: a gate that has seen the whole picture
            continue
        from_end = tuple(d - len(entered) + len(shape) for d in field.dims)
        if tuple(shape[d] for d in from_end) != places:
            return None
        moved = replace(field, dims=(from_end[0], from_end[1]))
        kept = moved if kept is None else _union(kept, moved)
        if kept is None:
            return None
    if kept is None:
        return replace(known[0], dims=None) if known else None
    return _seen_whole(kept, whole) if any(whole) else kept


def _union(one: Field, other: Field) -> Field | None:
    """Both fields together; None where their units do not lie on one grid."""
    if one.dims != other.dims or any(a.jump != b.jump for a, b in zip(one.axes, other.axes, strict=True)):
        return None
    first, second = (
        Axis(a.jump, min(a.low, b.low), max(a.high, b.high), a.whole or b.whole)
        for a, b in zip(one.axes, other.axes, strict=True)
    )
    return replace(one, axes=(first, second))


def _seen_whole(field: Field, whole: tuple[bool, bool] = (True, True)) -> Field:
    first, second = (replace(a, whole=a.whole or w) for a, w in zip(field.axes, whole, strict=True))
    return replace(field, axes=(first, second))


def pair(value: Any) -> Pair:
    """An argument that is one number for both axes, or two."""
    if isinstance(value, int):
        return value, value
    numbers = [int(one) for one in value]
    return (numbers[0], numbers[0]) if len(numbers) == 1 else (numbers[-2], numbers[-1])


def window(arguments: Mapping[str, Any], kernel: Pair) -> tuple[Pair, Pair, Pair, Pair]:
    """Kernel, stride, padding (at the low end) and dilation of a convolution or pooling."""
    dilation = pair(arguments.get("dilation", 1))
    stride = arguments.get("stride")
    given = arguments.get("padding", 0)
    if given == "same":
        padding = pair([d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True)])
    else:
        padding = (0, 0) if given == "valid" else pair(given)
    return kernel, pair(stride) if stride not in (None, ()) else kernel, padding, dilation


def _slide(field: Field, arguments: Mapping[str, Any], kernel: Pair, default_stride: bool = False) -> Field:
    """A window that slides over the places."""
    if default_stride and "stride" not in arguments:
        arguments = {**arguments, "stride": 1}
    axes = []
    for axis, k, s, p, d in zip(field.axes, *window(arguments, kernel), strict=True):
        axes.append(
            replace(
                axis, jump=axis.jump * s, low=axis.low - p * axis.jump, high=axis.high + (d * (k - 1) - p) * axis.jump
            )
        )  # fmt: skip
    return replace(field, axes=(axes[0], axes[1]))


def _convolution(operation: Operation, known: Sequence[Field]) -> Field | None:
    if known[0].dims is None:
        return known[0]
    weight: Shape = operation.arguments["weight"]
    return _slide(known[0], operation.arguments, pair(weight[2:]), default_stride=True)


def _transposed(operation: Operation, known: Sequence[Field]) -> Field | None:
    """The unit at u takes those places i for which u = i s - p + m d, m from 0 to k - 1."""
    field, given = known[0], operation.arguments
    if field.dims is None:
        return field
    kernel = pair(given["weight"][2:])
    _, stride, padding, dilation = window({"stride": 1, **given}, kernel)
    axes = []
    for axis, k, s, p, d in zip(field.axes, kernel, stride, padding, dilation, strict=True):
        first, last = Fraction(p - d * (k - 1), s), Fraction(p, s)
        axes.append(
            replace(
                axis, jump=axis.jump / s, low=axis.low + first * axis.jump, high=axis.high + last * axis.jump
            )
        )
    return replace(field, axes=(axes[0], axes[1]))


def _pooling(operation: Operation, known: Sequence[Field]) -> Field | None:
    if known[0].dims is None:
        return known[0]
    return _slide(known[0], operation.arguments, pair(operation.arguments["kernel_size"]))


def _adaptive(operation: Operation, known: Sequence[Field]) -> Field | None:
    """Windows as even as they can be; where they are not, the widest is taken."""
    field, before, after = known[0], operation.entering[0], operation.shapes[0]
    if field.dims is None:
        return field
    axes = []
    for axis, dim in zip(field.axes, field.dims, strict=True):
        jump, size = Fraction(before[dim], after[dim]), before[dim]
        widest = max(-(-(n + 1) * size // after[dim]) - n * size // after[dim] for n in range(after[dim]))
        whole = axis.whole or after[dim] == 1
        axes.append(Axis(axis.jump * jump, axis.low, axis.high + (widest - 1) * axis.jump, whole))
    return replace(field, axes=(axes[0], axes[1]))


def _over_dims(operation: Operation, known: Sequence[Field]) -> Field | None:
    """Means, sums and the like over some of the dimensions."""
    field, entered = known[0], operation.entering[0]
    asked = operation.arguments.get("dim")
    if field.dims is None:
        return field
    if asked is None:
        return replace(_seen_whole(field), dims=None)
    over = {int(d) % len(entered) for d in (asked if isinstance(asked, tuple) else (asked,))}
    axes = list(field.axes)
    for n, dim in enumerate(field.dims):
        if dim in over:
            axes[n] = replace(axes[n], high=axes[n].high + (entered[dim] - 1) * axes[n].jump, whole=True)
    made = replace(field, axes=(axes[0], axes[1]))
    if len(operation.shapes[0]) == len(entered):
        return made
    if over & set(field.dims):
        return replace(made, dims=None)
    first, second = (dim - sum(o < dim for o in over) for dim in field.dims)
    return replace(made, dims=(first, second))


def _linear(operation: Operation, known: Sequence[Field]) -> Field | None:
    field, entered = known[0], operation.entering[0]
    if field.dims is None or len(entered) - 1 not in field.dims:
        return field
    return None


def _concatenated(operation: Operation, known: Sequence[Field]) -> Field | None:
    dim = operation.arguments.get("dim", 0)
    dims = known[0].dims
    if dims is not None and isinstance(dim, int) and dim % len(operation.shapes[0]) in dims:
        return None
    found: Field | None = known[0]
    for field in known[1:]:
        found = None if found is None else _union(found, field)
    return found


def _viewed(operation: Operation, known: Sequence[Field]) -> Field | None:
    """Another shape for the same numbers: places stay apart where their two dimensions do."""
    field, before, after = known[0], operation.entering[0], operation.shapes[0]
    if field.dims is None:
        return field
    dims = []
    for dim in field.dims:
        same = [
            n for n in range(len(after)) if after[n] == before[dim] and prod(after[:n]) == prod(before[:dim])
        ]
        dims.append(same[-1] if same else None)
    if dims[0] is not None and dims[1] is not None and dims[0] != dims[1]:
        return replace(field, dims=(dims[0], dims[1]))
    if prod(before[d] for d in field.dims) == 1 or len(after) == 2:
        return _flat(field, before)
    return None


def _flat(field: Field, shape: Shape) -> Field:
    """All places in one row: what follows may see any of them."""
    assert field.dims is not None
    first, second = (
        replace(a, high=a.high + (shape[d] - 1) * a.jump) for a, d in zip(field.axes, field.dims, strict=True)
    )
    return Field((first, second), None)


def _permuted(operation: Operation, known: Sequence[Field]) -> Field | None:
    """The dimensions in another order."""
    field, entered, asked = known[0], operation.entering[0], operation.arguments
    if field.dims is None:
        return field
    count = len(entered)
    if operation.function == "permute":
        given = asked.get("dims", asked.get("1"))
        flat = (
            given
            if isinstance(given, tuple)
            else tuple(v for k, v in asked.items() if k.isdigit() and k != "0")
        )
        order = [int(d) % count for d in flat]
    else:
        one, other = (int(asked[k]) % count for k in (("dim0", "dim1") if "dim0" in asked else ("1", "2")))
        order = list(range(count))
        order[one], order[other] = other, one
    first, second = (order.index(dim) for dim in field.dims)
    return replace(field, dims=(first, second))


def _part(operation: Operation, known: Sequence[Field]) -> Field | None:
    """Some of the channels; a part of the places has another origin, which is not followed."""
    field, before, after = known[0], operation.entering[0], operation.shapes[0]
    if field.dims is None:
        return field
    if len(before) != len(after) or any(before[d] != after[d] for d in field.dims):
        return None
    return field


def _padded(operation: Operation, known: Sequence[Field]) -> Field | None:
    """Padding moves the origin; it is given from the last dimension backwards."""
    field, entered = known[0], operation.entering[0]
    pad = operation.arguments["pad"]
    if field.dims is None:
        return field
    axes = []
    for axis, dim in zip(field.axes, field.dims, strict=True):
        place = 2 * (len(entered) - 1 - dim)
        before = pad[place] if place < len(pad) else 0
        axes.append(replace(axis, low=axis.low - before * axis.jump, high=axis.high - before * axis.jump))
    return replace(field, axes=(axes[0], axes[1]))


def _interpolated(operation: Operation, known: Sequence[Field]) -> Field | None:
    """Resizing: nearest neighbours see one place, bilinear two on each axis, bicubic four."""
    field, before, after = known[0], operation.entering[0], operation.shapes[0]
    if field.dims is None:
        return field
    reach = {"nearest": 0, "nearest-exact": 0, "bicubic": 2}.get(
        str(operation.arguments.get("mode", "nearest")), 1
    )
    axes = []
    for axis, dim in zip(field.axes, field.dims, strict=True):
        if before[dim] == 1 and after[dim] > 1:
            return _seen_whole(field)
        jump = axis.jump * Fraction(before[dim], after[dim])
        axes.append(
            replace(
                axis,
                jump=jump,
                low=axis.low - max(0, reach - 1) * axis.jump,
                high=axis.high + reach * axis.jump,
            )
        )
    return replace(field, axes=(axes[0], axes[1]))


def _everywhere(operation: Operation, known: Sequence[Field]) -> Field | None:
    """What mixes all places: products of tokens, attention."""
    return replace(_seen_whole(known[0]), dims=None)


def _statistics(operation: Operation, known: Sequence[Field]) -> Field | None:
    """Normalisation by the picture's own mean and spread: through them every place sees all."""
    return known[0] if known[0].dims is None else _seen_whole(known[0])


def _layer_norm(operation: Operation, known: Sequence[Field]) -> Field | None:
    field, entered = known[0], operation.entering[0]
    over = len(tuple(operation.arguments.get("normalized_shape", operation.arguments.get("1", ()))))
    normed = range(len(entered) - over, len(entered))
    return _seen_whole(field) if field.dims is not None and set(field.dims) & set(normed) else field


Rule = Callable[[Operation, Sequence[Field]], "Field | None"]
RULES: dict[str, Rule] = {
    **dict.fromkeys(("conv2d", "conv1d"), _convolution),
    "conv_transpose2d": _transposed,
    **dict.fromkeys(("max_pool2d", "avg_pool2d", "lp_pool2d", "max_pool2d_with_indices"), _pooling),
    **dict.fromkeys(
        ("adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices"), _adaptive
    ),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "std", "norm"), _over_dims),
    "linear": _linear,
    **dict.fromkeys(("cat", "concat", "concatenate"), _concatenated),
    **dict.fromkeys(("view", "reshape", "flatten", "squeeze", "unsqueeze", "unflatten"), _viewed),
    **dict.fromkeys(("permute", "transpose", "swapaxes"), _permuted),
    **dict.fromkeys(("chunk", "split", "getitem", "narrow", "tensor_split", "unbind"), _part),
    "pad": _padded,
    **dict.fromkeys(("interpolate", "upsample"), _interpolated),
    **dict.fromkeys(
        ("matmul", "bmm", "einsum", "scaled_dot_product_attention", "multi_head_attention_forward"),
        _everywhere,
    ),
    **dict.fromkeys(("group_norm", "instance_norm"), _statistics),
    "layer_norm": _layer_norm,
    **dict.fromkeys(
        ("roll", "fft2", "rfft2", "irfft2", "unfold", "fold", "grid_sample"), lambda operation, known: None
    ),
}
"""By the function's name; all others must keep the shape, and compute each place from the same place."""
