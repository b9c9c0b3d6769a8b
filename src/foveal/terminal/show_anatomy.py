"""A network taken apart, drawn on a terminal: a table with its connections beside it, then the totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from ..structure.lanes import lanes
from ..structure.lanes import text as lane_text
from ..values import both, sees, short_bytes, short_count
from .console import row, table, text

Doc = Mapping[str, Any]
QUIET = ("relu", "dropout", "batchnorm", "identity", "silu", "gelu", "hardswish", "sigmoid", "flatten")
WIDEST = 12
"""Lanes that are drawn at most; a network with more is drawn without."""


def anatomy(console: Console, doc: Doc) -> None:
    """Every layer, then what it all comes to."""
    layers = doc["layers"]
    places = lanes([layer["inputs"] for layer in layers], doc["outputs"])
    width = max(place.width for place in places)
    timed = doc["seconds"] is not None
    columns = {"": "left", "layer": "left", "kind": "left", "kernel": "left", "output": "left"}
    columns |= dict.fromkeys(("parameters", "mult-adds", "sees", "jump"), "right")
    shown = table(columns | ({"ms": "right"} if timed else {}))
    for layer, place in zip(layers, places, strict=True):
        quiet = layer["kind"].lower().startswith(QUIET)
        cells = [
            text(lane_text(place, width) if width <= WIDEST else "", "cyan"),
            text(layer["name"], "dim" if quiet else "bold" if layer["parameters"] else ""),
            layer["kind"],
            kernel(layer),
            " x ".join(map(str, layer["output_shape"])),
            "(shared)"
            if layer["shared"]
            else short_count(layer["parameters"])
            if layer["parameters"]
            else "",
            short_count(layer["multiply_adds"]) if layer["multiply_adds"] else "",
            sees(layer["receptive_field"], layer["whole"]),
            both(layer["jump"]) if layer["jump"] else "",
        ]
        if timed:
            cells.append("" if layer["seconds"] is None else f"{1000 * layer['seconds']:.2f}")
        row(shown, *cells, style="dim" if quiet else "")
    console.print(shown)
    console.print()
    _totals(console, doc)


def _totals(console: Console, doc: Doc) -> None:
    channels, height, width = doc["input_shape"]
    own, dense, bytes_ = doc["parameters"], doc["dense_parameters"], doc["activation_bytes"]
    console.print(
        Text.assemble(
            (doc["network"], "bold"), f" for {channels} x {height} x {width}: ",
            (f"{own:,} parameters", "bold"), f" ({short_bytes(4 * own)} in fp32), ",
            (f"{short_count(doc['multiply_adds'])} multiply-adds", "bold"), " a picture",
        )
    )  # fmt: skip
    for choice in doc["choices"]:
        console.print(text(f"  {choice['option']} {choice['value']}: {choice['reason']}"))
    if doc["ending"]:
        loss = "its own losses" if doc["ending"]["value"] == "own" else doc["ending"]["value"]
        console.print(text(f"  learns by {loss}: {doc['ending']['reason']}"))
    for name, count in doc["parameters_not_passed"].items():
        console.print(
            text(f"  of which {count:,} in {name}: only training passes it, predictions do without")
        )
    if dense > own:
        console.print(
            text(
                f"  with fully connected layers in the place of its convolutions: {short_count(dense)} parameters, "
                f"{dense / own:,.0f} times as many; sharing weights and looking at places nearby saves the rest"
            )
        )
    kept, most = short_bytes(bytes_["training"]), short_bytes(bytes_["inference"])
    console.print(
        text(f"  activations of one picture: {kept} kept for training's gradients, {most} at once without")
    )
    if doc["seconds"] is not None:
        console.print(text(f"  one picture takes {1000 * doc['seconds']:.1f} ms here"))
    for name, side in doc["effective_receptive_fields"].items():
        layer = next(layer for layer in reversed(doc["layers"]) if layer["name"] == name)  # its last pass
        could = sees(layer["receptive_field"], layer["whole"])
        console.print(
            text(f"  {name} could see {could} pixels; those that matter are {side:.0f} x {side:.0f}")
        )
    for name, levels in doc["signal"].items():
        told = ", ".join(
            f"{what} {levels[0][key]:.2g} to {levels[-1][key]:.2g}"
            for key, what in (("spread", "activations"), ("gradient", "gradients"))
        )
        console.print(text(f"  {name}: spread of {told} from the first layer to the last"))
    if doc["pruned"]:
        _pruned(console, doc["pruned"])
    for what in ("html", "svg"):
        if doc[what]:
            console.print(Text.assemble(f"  {what}: ", text(doc[what], "bold")))


def _pruned(console: Console, rows: Sequence[Doc]) -> None:
    """How good the model is without some of its parameters."""
    name = rows[0]["headline"]["name"]
    shown = table(
        {"without": "left", "of": "left", "parameters gone": "right", name: "right", "95 %": "right"}
    )
    for one in rows:
        what = "the smallest weights" if one["method"] == "magnitude" else "filters, in each layer"
        h = one["headline"]
        row(
            shown, f"{100 * one['share']:.0f} %", what, f"{100 * one['gone']:.1f} %", f"{h['value']:.4f}",
            f"{h['low']:.4f} to {h['high']:.4f}",
        )  # fmt: skip
    console.print()
    console.print(shown)
    console.print(text("judged as pruned, without training again", "dim"))


def kernel(layer: Doc) -> str:
    """How a window slides, in words: `3x3 /2 pad 1`."""
    if layer["kernel"] is None:
        return ""
    said = "x".join(map(str, layer["kernel"]))
    for name, sign, usual in (
        ("stride", "/", (1, 1)),
        ("padding", "pad ", (0, 0)),
        ("dilation", "dilated ", (1, 1)),
    ):
        if tuple(layer[name]) != usual:
            said += f" {sign}{both(layer[name])}"
    if layer["groups"] not in (None, 1):
        said += f" groups {layer['groups']}"
    return said


def known(console: Console, rows: Sequence[Doc]) -> None:
    """A line a network: when, how large, how good, and the idea."""
    shown = table(
        {"network": "left", "year": "right", "parameters": "right", "ImageNet top-1": "right", "idea": "left"}
    )
    for one in rows:
        accuracy = "" if one["accuracy"] is None else f"{100 * one['accuracy']:.1f} %"
        note = f" ({one['note']})" if one["note"] else ""
        row(
            shown,
            text(one["name"], "bold"),
            one["year"],
            short_count(one["parameters"]),
            accuracy,
            one["idea"] + note,
        )
    console.print(shown)
    console.print(text("and everything that timm has, as timm/NAME", "dim"))
    for source in dict.fromkeys(one["source"] for one in rows):
        console.print(text(f"from {source}", "dim"))
