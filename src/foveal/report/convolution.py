"""Convolution arithmetic in words, as a drawing and as a part of a notebook's page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ..charts.sliding import SUMS, Grid, Look, Sliding, number, weight
from ..charts.sliding_svg import sliding_svg
from ..structure.arithmetic import BEYOND, PADDED, STRETCHED, Axis, Setting, same
from ..structure.kernels import Array

if TYPE_CHECKING:
    from ..verbs.convolution import Convolution, Numbers

NAMES = {
    "convolution": "Convolution", "transposed": "Transposed convolution", "max": "Max pooling",
    "average": "Average pooling",
}  # fmt: skip
DRAWN = 40
"""Cells of a side at most, for a drawing in which each can be seen."""
WIRED = 24
"""Channels and filters at most that are drawn one by one, and groups at most."""
TERMS = {"convolution": 15, "transposed": 15, "max": 16, "average": 16}
"""Numbers at most of a sum that is written out."""


def title(setting: Setting, word: str = "") -> str:
    """The setting in a line: what is not given differently goes without saying."""
    axes = setting.axes
    parts = [
        f"input {times(setting.shape)}",
        f"{'window' if setting.pools else 'kernel'} {times(setting.kernel)}",
    ]
    if any(a.stride != 1 for a in axes) or setting.pools:
        parts.append(f"stride {short([a.stride for a in axes])}")
    if word == "same" or any(a.before or a.after for a in axes):
        parts.append(f"padding {word if word == 'same' else sides(axes)}")
    if any(a.dilation != 1 for a in axes):
        parts.append(f"dilation {short([a.dilation for a in axes])}")
    if any(a.output_padding for a in axes):
        parts.append(f"output padding {short([a.output_padding for a in axes])}")
    if setting.groups > 1:
        parts.append(f"{setting.groups} groups")
    if any(a.ceil for a in axes):
        parts.append("rounded up")
    return f"{NAMES[setting.kind]}: {', '.join(parts)} → output {times(setting.output)}"


def times(numbers: Sequence[int]) -> str:
    return " × ".join(map(str, numbers))


def short(numbers: Sequence[int]) -> str:
    """One number where all are the same."""
    return str(numbers[0]) if len(set(numbers)) == 1 else times(numbers)


def sides(axes: Sequence[Axis]) -> str:
    """The padding as it is typed: one number where both sides are alike, else before + after."""
    if all(a.before == a.after for a in axes):
        return short([a.before for a in axes])
    return " × ".join(dict.fromkeys(f"{a.before}+{a.after}" for a in axes))


def along(setting: Setting) -> list[tuple[str, Axis]]:
    """The axes by name, both at once where they are alike."""
    axes = setting.axes
    if len(axes) == 1:
        return [("length", axes[0])]
    return (
        [("height and width", axes[0])] if axes[0] == axes[1] else [("height", axes[0]), ("width", axes[1])]
    )


def seen(setting: Setting, at: Sequence[int]) -> str:
    """Which of the input's cells an output cell is made of."""
    names = ("cells",) if len(at) == 1 else ("rows", "columns")
    parts, outside = [], []
    for axis, unit, name in zip(setting.axes, at, names, strict=True):
        parts.append(_run(axis.sees(unit), name))
        if len(axis.sees(unit)) < axis.kernel:
            outside += _outside(axis, unit)
    place = str(at[0]) if len(at) == 1 else f"({', '.join(map(str, at))})"
    said = f"The output's cell {place}, counted from 0, sees {' and '.join(parts)} of the input"
    what = " and ".join(dict.fromkeys(sorted(outside)))
    return f"{said}; the rest of its window lies on {what}." if outside else f"{said}."


def _outside(axis: Axis, unit: int) -> list[str]:
    """What else a window lies on."""
    if axis.transposed:
        return ["padding and zeros in between"]
    behind = [place >= axis.padded for place in axis.places(unit)]
    beside = [not 0 <= place - axis.before < axis.size for place in axis.places(unit)]
    padding = any(out and not far for out, far in zip(beside, behind, strict=True))
    return (["padding"] if padding else []) + (
        ["what is beyond the end, and not counted"] if any(behind) else []
    )


def _run(cells: Sequence[int], name: str) -> str:
    one = name.removesuffix("s")
    if not cells:
        return f"no {name}"
    if len(cells) == 1:
        return f"{one} {cells[0]}"
    if len(cells) > 2 and cells[-1] - cells[0] == len(cells) - 1:
        return f"{name} {cells[0]} to {cells[-1]}"
    shown = [str(c) for c in cells]
    return f"{name} {', '.join(shown[:-1])} and {shown[-1]}"


def keeping(setting: Setting) -> str:
    """What padding would keep the size, in a sentence."""
    found = [same(axis) for axis in setting.axes]
    if any(one is None for one in found):
        return "No padding keeps the size: the kernel covers an even number of cells and the stride is 1."
    kept = [one for one in found if one is not None]
    made = times([one.output for one in kept])
    there = list(setting.output) == [one.output for one in kept]
    strides = short([axis.stride for axis in setting.axes])
    even = all(k.before == k.after for k in kept)
    each = dict.fromkeys(f"{k.before} before and {k.after} after" for k in kept)
    amount = short([k.before for k in kept]) if even else ", ".join(each)
    if setting.kind == "transposed":
        if there:
            return f"The output is exactly {strides} times the input."
        pads = short([k.output_padding for k in kept])
        more = "" if pads == "0" else f" and output padding {pads}"
        return f"Padding {amount}{more} would give exactly {strides} times the input, {made}."
    if all(axis.stride == 1 for axis in setting.axes):
        if there:
            return 'The size is kept: this is what "same" padding is.'
        torch = "" if even or setting.pools else ', as PyTorch does for padding="same"'
        return f'Padding {amount} would keep the size, {made} ("same"){torch}.'
    rounded = "the input over the stride, rounded up"
    if there:
        return f'The output is {rounded}: "same" in TensorFlow.'
    return f'Padding {amount} would give {made}, {rounded} ("same" in TensorFlow).'


def costs(setting: Setting) -> list[tuple[str, str]]:
    """What it costs, beside a fully connected layer of the same shapes: names and sentences."""
    if setting.pools:
        return [("parameters", "0: there is nothing to learn in pooling")]
    where = "input" if setting.kind == "transposed" else "output"
    over = setting.shape if setting.kind == "transposed" else setting.output
    own = setting.channels // setting.groups
    through = f" × {own} × {setting.filters} channels" if setting.channels * setting.filters > 1 else ""
    many = f"{times(setting.kernel)} for each of {times(over)} {where} cells{through}"
    weights = f"{times(setting.kernel)} weights and a bias"
    if through:
        each = f"{times(setting.kernel)} × {own}"
        weights = f"{each} weights and a bias, for each of {setting.filters} filters"
    ratio = setting.dense_parameters / setting.parameters
    far = f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"
    dense = f"{setting.dense_parameters:,} parameters ({far} times as many) and "
    dense += f"{setting.dense_multiplications:,} multiplications for the same shapes"
    grouped = [("groups", grouping(setting))] if setting.groups > 1 else []
    return [
        ("multiplications", f"{setting.multiplications:,}: {many}"),
        ("parameters", f"{setting.parameters:,}: {weights}"),
        *grouped,
        ("fully connected", dense),
    ]


def grouping(setting: Setting) -> str:
    """Which filters see which channels, and what that saves, in a sentence."""
    own, made = setting.channels // setting.groups, setting.filters // setting.groups
    part = "one channel" if own == 1 else f"{own} channels"
    said = f"each filter sees {part} of {setting.channels}"
    if own == 1:
        said += " (a depthwise convolution)"
    sees = "sees" if made == 1 else "see"
    first, second = (
        f"{_run(range(n * made, (n + 1) * made), 'filters')} {sees} {_run(range(n * own, (n + 1) * own), 'channels')}"
        for n in (0, 1)
    )
    on = ", and so on" if setting.groups > 2 else ""
    return (
        f"{setting.groups}: {said}; {first}, {second}{on}. Weights and multiplications are a "
        f"{ordinal(setting.groups)} of those without groups."
    )


def ordinal(number: int) -> str:
    """A part's name: half, third, 4th, 21st."""
    if number in (2, 3):
        return ("half", "third")[number - 2]
    end = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{end}"


def channels(setting: Setting) -> Grid | None:
    """Which filters see which channels; a cell is a whole group where there are many. None without groups."""
    groups = setting.groups
    shape = (setting.filters, setting.channels)
    name = "filters (rows) see channels"
    if max(shape) > WIRED:
        shape, name = (groups, groups), f"{name}, in groups"
    if groups == 1 or groups > WIRED:
        return None
    group = [[n * groups // count for n in range(count)] for count in shape]
    there = [[row == column for column in group[1]] for row in group[0]]
    return Grid(
        name, tuple(tuple(float(one) for one in row) for row in there), "signed", 1.0,
        tuple(tuple("value" if one else "stretched" for one in row) for row in there),
    )  # fmt: skip


def drawable(setting: Setting) -> bool:
    """Whether its cells can be drawn so that each is seen."""
    return max(max(a.length, a.output) for a in setting.axes) <= DRAWN


def sliding(setting: Setting, numbers: Numbers, word: str, at: Sequence[int]) -> Sliding:
    """What `foveal.charts` draws: the padded or stretched input, the kernel over it, the output."""
    flat = len(setting.axes) == 1
    rows = ((0,),) if flat else tuple(setting.axes[0].places(r) for r in range(setting.output[0]))
    columns = tuple(setting.axes[-1].places(c) for c in range(setting.output[-1]))
    cells, looks = spread(setting, numbers.input)
    output = np.atleast_2d(numbers.output)
    names = {"convolution": "kernel", "transposed": "kernel, turned half round"}
    kernel, kernel_grid = None, None
    if numbers.kernel is not None:
        kernel = np.atleast_2d(numbers.kernel)
        kernel = kernel[::-1, ::-1] if setting.kind == "transposed" else kernel
        kernel_grid = Grid(
            names[setting.kind], _rows(kernel), "signed", float(np.abs(kernel).max()), fractions=True
        )
    top = 9.0 if numbers.input.max() <= 9 else 255.0
    signed = bool(output.min() < 0)
    highest = float(np.abs(output[np.isfinite(output)]).max(initial=0.0))
    around = [look for look in ("stretched", "padded") if any(look in row for row in looks)]
    if any("beyond" in row for row in looks):
        around.append("what is beyond in dots")
    return Sliding(
        title(setting, word),
        caption(setting),
        Grid(f"input, {' and '.join(around)}" if around else "input", _rows(cells), "grey", top, looks),
        kernel_grid,
        Grid(
            "output", _rows(output), "signed" if signed else "grey", highest if signed else max(top, highest)
        ),
        rows,
        columns,
        _sums(setting, cells, looks, kernel, output, rows, columns),
        (at[0] if not flat else 0, at[-1]),
        f"{title(setting, word)}. {' '.join(caption(setting))}. {seen(setting, at)}",
        channels(setting),
    )


def caption(setting: Setting) -> tuple[str, ...]:
    """The formula in two lines for each axis: letters, then numbers."""
    lines: list[str] = []
    for name, axis in along(setting):
        letters, filled, *_, last = axis.formula()
        if not lines:
            lines.append(letters)
        start = "" if len(along(setting)) == 1 else f"{name}: "
        result = last.rpartition("= ")[2]
        lines.append(f"{start}{filled if not start else filled.removeprefix('= ')} = {result}")
    return tuple(lines)


def spread(setting: Setting, values: Array) -> tuple[Array, tuple[tuple[Look, ...], ...]]:
    """What the window slides over, as rows and columns: the input with what is put around and in between."""
    lines = [a.line for a in setting.axes] if len(setting.axes) == 2 else [(0,), setting.axes[0].line]
    values = np.atleast_2d(values)
    outside = -np.inf if setting.kind == "max" else 0.0
    cells = np.full([len(line) for line in lines], outside)
    looks: list[tuple[Look, ...]] = []
    for r, row in enumerate(lines[0]):
        kinds: list[Look] = []
        for c, column in enumerate(lines[1]):
            if row >= 0 and column >= 0:
                cells[r, c] = values[row, column]
            padded, between = PADDED in (row, column), STRETCHED in (row, column)
            beyond = BEYOND in (row, column)
            kinds.append("beyond" if beyond else "padded" if padded else "stretched" if between else "value")
        looks.append(tuple(kinds))
    return cells, tuple(looks)


def _rows(values: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in row) for row in values)


def _sums(
    setting: Setting,
    cells: Array,
    looks: Sequence[Sequence[Look]],
    kernel: Array | None,
    output: Array,
    rows: Sequence[Sequence[int]],
    columns: Sequence[Sequence[int]],
) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Each output cell as the sum that it is, a line for each of the kernel's rows."""
    taps = len(rows[0]) * len(columns[0])
    quiet = output.size > SUMS or taps > TERMS[setting.kind] or len(rows[0]) > 4
    made: list[list[tuple[str, ...]]] = [[() for _ in columns] for _ in rows]
    for (r, row), (c, column) in product(enumerate(rows), enumerate(columns)):
        if quiet:
            break
        seen = cells[np.ix_(row, column)]
        result = number(float(output[r, c]))
        if kernel is None:
            counted = np.array([[looks[y][x] != "beyond" for x in column] for y in row])
            numbers = [number(float(v)) for v in seen[counted]]
            largest = setting.kind == "max"
            said = f"max({', '.join(numbers)})" if largest else f"({' + '.join(numbers)}) / {len(numbers)}"
            made[r][c] = (f"{said} = {result}",)
        else:
            lines = [
                " + ".join(_term(v, w) for v, w in zip(*pair, strict=True))
                for pair in zip(seen, kernel, strict=True)
            ]
            lines = [("+ " if n else "") + line for n, line in enumerate(lines)]
            lines[-1] += f" = {result}"
            made[r][c] = tuple(lines)
    return tuple(tuple(row) for row in made)


def _term(value: float, factor: float) -> str:
    by = weight(float(factor))
    return f"{number(float(value))}·{f'({by})' if factor < 0 or '/' in by else by}"


def html(done: Convolution) -> str:
    """A part of a page: the moving picture where it can be drawn, the formula, and what it costs."""
    setting = done.setting
    if done.numbers is not None and drawable(setting):
        parts = [sliding_svg(sliding(setting, done.numbers, done.word, done.at))]
    else:
        parts = [f"<p><b>{escape(title(setting, done.word))}</b></p>"]
    for name, axis in along(setting):
        formula = "<br>".join(escape(line) for line in axis.formula())
        words = " ".join(axis.words("window" if setting.pools else "kernel"))
        parts.append(f"<p><b>{name}</b><br>{formula}</p><p>{escape(words)}</p>")
    rows = [
        *costs(setting),
        ("same", keeping(setting)),
        ("sees", seen(setting, done.at)),
        ("PyTorch", setting.torch(done.word)),
    ]
    cells = "".join(
        f"<tr><th align=left>{name}</th><td align=left>{escape(said)}</td></tr>" for name, said in rows
    )
    return f"<div>{''.join(parts)}<table>{cells}</table></div>"
