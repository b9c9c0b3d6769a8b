"""Convolution arithmetic and convolution by hand against torch: sizes, values, and what is refused."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from foveal.charts.sliding import in_ascii
from foveal.errors import OptionError
from foveal.structure.allowed import check
from foveal.structure.arithmetic import Axis, Kind, Setting, same
from foveal.structure.by_hand import convolve, convolve_transposed, pool

F = torch.nn.functional
DIRECT = {1: F.conv1d, 2: F.conv2d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d}
MAX = {1: F.max_pool1d, 2: F.max_pool2d}
AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d}


@st.composite
def any_setting(
    draw: st.DrawFn, kinds: tuple[Kind, ...] = ("convolution", "transposed", "max", "average")
) -> Setting:
    """Settings as a student may type them, impossible ones among them."""
    kind = draw(st.sampled_from(kinds))
    transposed, pools = kind == "transposed", kind in ("max", "average")
    ceil = pools and draw(st.booleans())
    apart = not ceil and draw(st.booleans())
    axes = []
    for _ in range(draw(st.integers(1, 2))):
        size, kernel, stride, padding, dilation, more = draw(
            st.tuples(*(st.integers(*ends) for ends in ((1, 8), (1, 4), (1, 4), (0, 4), (1, 3), (0, 3))))
        )
        after = draw(st.integers(0, 4)) if apart else padding
        dilation = 1 if kind == "average" else dilation
        more = more if transposed else 0
        axes.append(Axis(size, kernel, stride, padding, after, dilation, transposed, more, ceil))
    channels = draw(st.integers(1, 4))
    if pools:
        return Setting(kind, tuple(axes), channels, channels)
    return Setting(
        kind, tuple(axes), channels, draw(st.integers(1, 4)), draw(st.sampled_from((1, 1, 2, 3, 4)))
    )


def numbers(setting: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image, kernels and biases for a setting."""
    dice = np.random.default_rng(list(repr(setting).encode()))
    image = dice.normal(size=(setting.channels, *setting.shape))
    both = (setting.filters, setting.channels // setting.groups)
    if setting.kind == "transposed":
        both = (setting.channels, setting.filters // setting.groups)
    return image, dice.normal(size=(*both, *setting.kernel)), dice.normal(size=setting.filters)


def by_torch(setting: Setting, kind: torch.dtype = torch.float64) -> np.ndarray:
    """What torch makes of it, which pads both sides alike: where they differ, by its own padding of pictures.

    Raises:
        RuntimeError: torch refuses it.
    """
    image, kernels, bias = (torch.from_numpy(one).to(kind) for one in numbers(setting))
    image = image[None]
    dims, axes = len(setting.axes), setting.axes
    stride, padding, dilation = (
        [getattr(a, name) for a in axes] for name in ("stride", "before", "dilation")
    )
    around = [side for a in reversed(axes) for side in (a.before, a.after)]
    if not setting.even:
        if setting.pools:  # which may not lie on padding alone: torch says how much that is
            widest = [max(a.before, a.after) for a in axes]
            MAX[dims](image, list(setting.kernel), stride, widest, dilation)
        padding = [0] * dims
        if setting.kind != "transposed":
            image = F.pad(image, around, value=-math.inf if setting.kind == "max" else 0.0)
    match setting.kind:
        case "convolution":
            made = DIRECT[dims](image, kernels, bias, stride, padding, dilation, setting.groups)
        case "transposed":
            more = [a.output_padding for a in axes]
            made = TRANSPOSED[dims](image, kernels, bias, stride, padding, more, setting.groups, dilation)
            made = made if setting.even else F.pad(made, [-side for side in around])
        case "max":
            made = MAX[dims](image, list(setting.kernel), stride, padding, dilation, axes[0].ceil)
        case "average":
            made = AVERAGE[dims](image, list(setting.kernel), stride, padding, axes[0].ceil)
    if made.numel() == 0:
        raise RuntimeError("nothing is left")
    return made[0].numpy()


def by_hand(setting: Setting) -> np.ndarray:
    image, kernels, bias = numbers(setting)
    if setting.kind in ("max", "average"):
        return pool(image, setting.axes, "max" if setting.kind == "max" else "average")
    work = convolve if setting.kind == "convolution" else convolve_transposed
    return work(image, kernels, setting.axes, bias, setting.groups)


def agree(setting: Setting) -> None:
    try:
        by_torch(setting, torch.float32)  # which refuses some dilated poolings that float64 takes
        theirs = by_torch(setting)
    except RuntimeError:
        with pytest.raises(OptionError):
            check(setting)
        return
    check(setting)
    assert theirs.shape == (setting.filters, *setting.output)
    np.testing.assert_allclose(by_hand(setting), theirs, rtol=1e-10, atol=1e-12)


@given(any_setting())
@settings(max_examples=600)
def test_sizes_values_and_refusals_are_torchs(setting: Setting) -> None:
    agree(setting)


@pytest.mark.slow
@given(any_setting())
@settings(max_examples=10_000)
def test_ten_thousand_settings_are_torchs(setting: Setting) -> None:
    agree(setting)


def allowed(setting: Setting) -> bool:
    try:
        check(setting)
    except OptionError:
        return False
    return True


ALLOWED = any_setting().filter(allowed)


@given(ALLOWED)
def test_the_formula_with_its_numbers_is_the_size(setting: Setting) -> None:
    for axis in setting.axes:
        letters, *steps = (in_ascii(line) for line in axis.formula())
        assert letters.startswith("o = ")
        for step in steps:
            for side in step.removeprefix("= ").split(" = "):
                assert eval(side, {"floor": math.floor, "ceil": math.ceil}) == axis.output, step


@given(any_setting(("convolution", "transposed", "average")).filter(allowed))
def test_a_cell_sees_just_what_changes_it(setting: Setting) -> None:
    axis = setting.axes[0]
    for lit in range(axis.size):
        image = np.zeros((1, axis.size))
        image[0, lit] = 1
        if setting.pools:
            output = pool(image, [axis], "average")[0]
        else:
            work = convolve_transposed if axis.transposed else convolve
            output = work(image, np.ones((1, 1, axis.kernel)), [axis])[0]
        assert [u for u in range(axis.output) if output[u] != 0] == [
            u for u in range(axis.output) if lit in axis.sees(u)
        ]


@given(any_setting(("transposed",)).filter(allowed))
def test_a_transposed_convolution_is_a_direct_one_over_the_stretched_input(setting: Setting) -> None:
    axis = setting.axes[0]
    assert axis.length == len(axis.line)
    dice = np.random.default_rng(0)
    image, kernel = dice.normal(size=axis.size), dice.normal(size=axis.kernel)
    line = [image[cell] if cell >= 0 else 0.0 for cell in axis.line]
    slid = [
        sum(line[p] * w for p, w in zip(axis.places(u), kernel[::-1], strict=True))
        for u in range(axis.output)
    ]
    laid = convolve_transposed(image[None], kernel[None, None], [axis])[0]
    np.testing.assert_allclose(slid, laid, atol=1e-12)


@given(any_setting(("convolution", "max", "average")).filter(allowed))
def test_cells_that_no_window_reaches(setting: Setting) -> None:
    for axis in setting.axes:
        assert axis.places(axis.output - 1)[-1] + 1 + axis.unseen == axis.length == len(axis.line)
        assert ("rounding down" in " ".join(axis.words())) == (axis.unseen > 0 and not axis.left_out)


@given(any_setting(("max", "average")).filter(allowed))
def test_what_rounding_up_adds(setting: Setting) -> None:
    """One window more where cells remain and it begins within the input or the padding before it, which words say."""
    for axis in setting.axes:
        down = replace(axis, ceil=False)
        words = " ".join(axis.words("window"))
        begins, ends = down.output * axis.stride, axis.size + axis.before
        more = axis.ceil and down.unseen > 0 and begins < ends
        if down.output > 0:
            assert axis.output == down.output + more
            assert axis.left_out == (axis.ceil and down.unseen > 0 and begins >= ends)
            assert (f"it would begin at cell {begins}" in words) == bool(axis.left_out)
            assert (f"with cell {ends - 1}, counted from 0" in words) == bool(axis.left_out)
        assert (axis.beyond > 0) == (f"reaches {axis.beyond} cell" in words)
        assert axis.places(axis.output - 1)[0] < ends


@given(any_setting(("convolution", "transposed")))
def test_same_keeps_the_size(setting: Setting) -> None:
    for axis in setting.axes:
        kept = same(axis)
        if kept is None:
            assert axis.transposed
            assert axis.stride == 1, "every other stride has one"
            continue
        made = replace(axis, before=kept.before, after=kept.after, output_padding=kept.output_padding)
        check(Setting(setting.kind, (made,)))
        want = axis.size * axis.stride if axis.transposed else math.ceil(axis.size / axis.stride)
        assert made.output == kept.output == want


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_puts_the_odd_cell_where_torch_does(kernel: int, dilation: int) -> None:
    axis = Axis(9, kernel, dilation=dilation)
    kept = same(axis)
    assert kept is not None
    axis = replace(axis, before=kept.before, after=kept.after)
    image, weights = np.random.default_rng(1).normal(size=(1, 9)), np.arange(1.0, kernel + 1)[None, None]
    theirs = F.conv1d(
        torch.from_numpy(image)[None], torch.from_numpy(weights), padding="same", dilation=dilation
    )
    np.testing.assert_allclose(convolve(image, weights, [axis]), theirs[0].numpy())


@given(ALLOWED)
def test_the_layer_as_torch_writes_it(setting: Setting) -> None:
    layer = eval(setting.torch(), {"torch": torch})
    assert sum(p.numel() for p in layer.parameters()) == setting.parameters
    made = layer(torch.zeros(1, setting.channels, *setting.shape))
    assert tuple(made.shape[1:]) == (setting.filters, *setting.output)
    dense = torch.nn.Linear(
        setting.channels * math.prod(setting.shape), setting.filters * math.prod(setting.output)
    )
    assert sum(p.numel() for p in dense.parameters()) == setting.dense_parameters
    assert dense.weight.numel() == setting.dense_multiplications


@given(any_setting(("convolution", "transposed")).filter(allowed))
@settings(max_examples=50)
def test_multiplications_are_half_of_torchs_operations(setting: Setting) -> None:
    layer = eval(setting.torch(), {"torch": torch})
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(torch.zeros(1, setting.channels, *setting.shape))
    assert counter.get_total_flops() == 2 * setting.multiplications


@given(any_setting().filter(lambda setting: not allowed(setting)))
def test_what_is_advised_helps(setting: Setting) -> None:
    """Each number that a refusal names is one that is taken, and the best of those."""
    one = next(s for axis in setting.axes if not allowed(s := replace(setting, axes=(axis,))))
    (axis,) = one.axes
    with pytest.raises(OptionError) as caught:
        check(one)

    def taken(**changed: int) -> bool:
        return allowed(replace(one, axes=(replace(axis, **changed),)))

    todo = caught.value.todo
    if setting.groups > 1 and re.search(r"--groups (\d+)", todo):
        number = int(re.search(r"--groups (\d+)", todo)[1])  # type: ignore[index]
        assert setting.channels % number == setting.filters % number == 0
        assert all(setting.channels % n or setting.filters % n for n in range(number + 1, 9))
        return
    padding = re.search(r"--padding (\d+)( or more| or less)", todo)
    if padding:
        number, beyond = int(padding[1]), -1 if padding[2] == " or more" else 1
        others = taken(before=number, after=number)
        assert others or (one.pools and replace(axis, before=number, after=number).output < 1)
        assert not taken(before=number + beyond, after=number + beyond)
    kernel = re.search(r"a kernel of at most (\d+)", todo)
    if kernel:
        assert replace(axis, kernel=int(kernel[1])).output > 0
        assert replace(axis, kernel=int(kernel[1]) + 1).output < 1
    size = re.search(r"--input of at least (\d+)", todo)
    if size:
        assert taken(size=int(size[1]))
        assert not taken(size=int(size[1]) - 1)
    more = re.search(r"--output-padding (?:0 to )?(\d+)", todo)
    if more:
        assert not taken(output_padding=int(more[1]) + 1)
    assert padding or kernel or more


def test_the_words_of_a_refusal() -> None:
    with pytest.raises(OptionError) as caught:
        check(Setting("convolution", (Axis(5, 7), Axis(5, 7))))
    assert (
        caught.value.came
        == "A kernel of 7 does not fit an input of 5 with padding 0: the output would have -1 cells."
    )
    assert (
        caught.value.todo == "Give --padding 1 or more, an --input of at least 7, or a kernel of at most 5."
    )
    with pytest.raises(OptionError, match=r"Along the width: A kernel of 4 with dilation 2 covers 7 cells"):
        check(Setting("convolution", (Axis(8, 4), Axis(5, 4, dilation=2))))


def test_the_known_sizes_of_first_layers() -> None:
    """AlexNet's (as torchvision has it) and ResNet's first convolution, VGG's, and an up-sampling by two."""
    assert Axis(224, 11, 4, 2, 2).output == 55
    assert Axis(224, 7, 2, 3, 3).output == 112
    assert Axis(224, 3, 1, 1, 1).output == 224
    assert Axis(7, 4, 2, 1, 1, transposed=True).output == 14
