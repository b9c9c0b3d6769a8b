"""Convolution arithmetic on a terminal: the formula with its numbers, the grids, what it costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..charts.sliding import in_ascii, number, weight
from .console import row, table, text

Doc = Mapping[str, Any]
TALLEST, APART = 16, 4
"""Rows and columns of a grid that is shown, and spaces between two grids."""
SEEN = "bold magenta"


def draw(console: Console, doc: Doc) -> None:
    """The size and why, the numbers where they are few, what it costs, where pictures are."""
    console.print(text(doc["says"], "bold"))
    for formula in doc["formula"]:
        console.print()
        if len(doc["formula"]) > 1:
            console.print(text(formula["axis"], "bold"))
        letters, *steps = formula["lines"]
        console.print(text(f"  {letters}", "dim"))
        for step in steps[:-1]:
            console.print(text(f"    {step}"))
        console.print(text(f"    {steps[-1]}", "bold"))
        for sentence in formula["words"]:
            console.print(Padding(text(sentence), (0, 0, 0, 2), expand=False))
    if doc["numbers"] is not None:
        _grids(console, doc)
    console.print()
    facts = table({"": "left", " ": "left"})
    facts.show_header = False
    for cost in doc["costs"]:
        row(facts, text(cost["name"], "dim"), cost["says"])
    row(facts, text("same size", "dim"), doc["same_says"])
    row(facts, text("what is seen", "dim"), doc["unit"]["says"])
    row(facts, text("in PyTorch", "dim"), doc["torch"])
    for what in ("svg", "gif"):
        if doc[what]:
            row(facts, text(what, "dim"), text(doc[what], "bold"))
    console.print(facts)


def _grids(console: Console, doc: Doc) -> None:
    """Input, kernel and output beside each other, if they are small enough to be read."""
    numbers, flat = doc["numbers"], len(doc["output_shape"]) == 1
    over, kernel, output = numbers["slid_over"], numbers["kernel"], numbers["output"]
    if flat:
        kernel, output = None if kernel is None else [kernel], [output]
    if max(len(over), len(over[0]), len(output), len(output[0])) > TALLEST:
        return
    turned = doc["kind"] == "transposed"
    rows, columns = ([0], numbers["window"][0]) if flat else numbers["window"]
    window = {(r, c) for r in rows for c in columns}
    unit = (0, doc["unit"]["at"][0]) if flat else tuple(doc["unit"]["at"])
    looks = numbers["looks"]
    sign = {"padded": ".", "stretched": ".", "beyond": "x"}
    spread = [
        [sign.get(look) or in_ascii(number(v)) for v, look in zip(*pair, strict=True)]
        for pair in zip(over, looks, strict=True)
    ]
    around = [look for look in ("stretched", "padded") if any(look in line for line in looks)]
    zero = "-inf" if doc["kind"] == "max" else "0"
    said = [f"{' and '.join(around)}: . is {zero}"] if around else []
    said += ["x is beyond the end"] if any("beyond" in line for line in looks) else []
    name = ", ".join(["input", *said])
    blocks = [(name, _grid(spread, window, looks))]
    if kernel is not None:
        shown = [line[::-1] for line in kernel[::-1]] if turned else kernel
        name = "kernel, turned half round" if turned else "kernel"
        blocks.append((name, _grid([[in_ascii(weight(v)) for v in line] for line in shown], window=())))
    blocks.append(("output", _grid([[in_ascii(number(v)) for v in line] for line in output], {unit})))
    wide = sum(max(len(name), block[0].cell_len) + APART for name, block in blocks)
    if (not flat and wide > console.width) or max(block[0].cell_len for _, block in blocks) > console.width:
        return
    console.print()
    if flat:
        for name, block in blocks:
            console.print(
                Text.assemble(text(f"  {name:<{max(len(n) for n, _ in blocks)}}  ", "dim"), block[0])
            )
        return
    beside = Table(box=None, pad_edge=False, show_header=True, padding=(0, APART, 0, 0))
    for name, _ in blocks:
        beside.add_column(text(name), header_style="dim", no_wrap=True)
    beside.add_row(*(Text("\n").join(block) for _, block in blocks))
    console.print(beside)


def _grid(
    cells: Sequence[Sequence[str]], window: Collection[tuple[int, int]], looks: Sequence[Sequence[str]] = ()
) -> list[Text]:
    """Rows of numbers right under each other: what is in the window coloured, what is padding in dots."""
    width = max(len(cell) for line in cells for cell in line)
    made = []
    for r, line in enumerate(cells):
        said = Text()
        for c, cell in enumerate(line):
            own = not looks or looks[r][c] == "value"
            style = SEEN if (r, c) in window else "" if own else "dim"
            said.append(f" {cell:>{width}}", style)
        made.append(said)
    return made
