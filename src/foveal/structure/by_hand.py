"""Convolution and pooling in NumPy, written as a textbook writes them: slow, and easy to check by hand.

Arrays are `CHW`, or `CW` over one axis; an `Axis` says for each axis how the kernel slides. As in every
library of deep learning the kernel is not turned round (mathematics would call it a cross-correlation). After
Dumoulin & Visin 2016, A guide to convolution arithmetic for deep learning, arXiv:1603.07285.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .arithmetic import Axis

Array: TypeAlias = NDArray[np.float64]


def convolve(
    image: Array, kernels: Array, axes: Sequence[Axis], bias: Array | None = None, groups: int = 1
) -> Array:
    """Each cell of the output is the sum, over the window that it sees, of cells times the kernel's weights.

    Args:
        image: `CHW`.
        kernels: one for each channel of the output, `FCHW`; with groups, C is the channels of one.
        axes: height and width.
        bias: a number added to each channel of the output, `F`.
        groups: parts of the channels; the first part of the filters sees the first part of them, and so on.
    """
    padded = pad(image, axes, 0.0)
    output = np.zeros((len(kernels), *(axis.output for axis in axes)))
    for f, kernel in enumerate(kernels):
        first = f * groups // len(kernels) * len(kernel)
        own = padded[first : first + len(kernel)]
        for place in np.ndindex(output.shape[1:]):
            output[(f, *place)] = np.sum(window(own, place, axes) * kernel)
    return output if bias is None else output + bias.reshape(-1, *[1] * len(axes))


def convolve_transposed(
    image: Array, kernels: Array, axes: Sequence[Axis], bias: Array | None = None, groups: int = 1
) -> Array:
    """Each cell of the input lays the kernel, times its value, on the output; what overlaps is added up.

    Args:
        image: `CHW`.
        kernels: `CFHW`, as torch has them: first the channels of the input, then of the output; with groups, F
            is the filters of one.
        axes: height and width, transposed.
        bias: a number added to each channel of the output, `F`.
        groups: parts of the channels, each with its own part of the filters.
    """
    whole = [axis.output + axis.before + axis.after for axis in axes]
    output = np.zeros((kernels.shape[1] * groups, *whole))
    for c, kernel in enumerate(kernels):
        first = c * groups // len(kernels) * len(kernel)
        own = output[first : first + len(kernel)]
        for place in np.ndindex(image.shape[1:]):
            window(own, place, axes)[...] += image[(c, *place)] * kernel
    kept = [slice(axis.before, axis.before + axis.output) for axis in axes]
    output = output[(slice(None), *kept)]
    return output if bias is None else output + bias.reshape(-1, *[1] * len(axes))


def pool(image: Array, axes: Sequence[Axis], how: Literal["max", "average"]) -> Array:
    """Each cell of the output is the largest, or the mean, of the window that it sees, channel by channel.

    Padding never is the largest; in a mean it counts as zeros, as it does in torch unless told otherwise. A
    last window that reaches beyond the padding, where the size is rounded up, ends where the padding does.
    """
    padded = pad(image, axes, -np.inf if how == "max" else 0.0)
    output = np.zeros((len(image), *(axis.output for axis in axes)))
    over = tuple(range(1, image.ndim))
    for place in np.ndindex(output.shape[1:]):
        seen = window(padded, place, axes)
        output[(slice(None), *place)] = seen.max(axis=over) if how == "max" else seen.mean(axis=over)
    return output


def pad(image: Array, axes: Sequence[Axis], value: float) -> Array:
    """The image with `value` put around it, channels left as they are."""
    around = [(0, 0), *((axis.before, axis.after) for axis in axes)]
    return np.pad(image, around, constant_values=value)


def window(array: Array, place: Sequence[int], axes: Sequence[Axis]) -> Array:
    """The cells below the kernel when it stands at `place`: from place times stride, every d-th, as far as there
    are any. A view."""
    cut: list[Any] = [slice(None)]
    for at, axis in zip(place, axes, strict=True):
        start = at * axis.stride
        cut.append(slice(start, start + axis.reach, axis.dilation))
    below: Array = array[tuple(cut)]
    return below
