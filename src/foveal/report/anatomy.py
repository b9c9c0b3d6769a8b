"""A network taken apart, as a page and as a picture."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ..charts.kinds import Curve, Lines, Tone
from ..charts.network import Drawn, network_parts
from ..structure.anatomy import Anatomy, Layer
from ..structure.lanes import lanes
from ..structure.signal import BARE, SMALL_BARE
from ..values import sees, short_bytes, short_count, span
from .page import environment, text

if TYPE_CHECKING:
    from torch import Tensor

    from ..verbs.anatomy import Dissection

TONE: dict[str, Tone] = {
    "conv": "accent", "linear": "plum", "batchnorm": "muted", "layernorm": "muted", "maxpool": "good",
    "avgpool": "good", "adaptive": "good", "add": "warm", "cat": "warm", "mul": "warm",
}  # fmt: skip
SIGNAL_TONES: tuple[Tone, ...] = ("accent", "warm", "good", "plum")
HEAVIEST = 8
TOGETHER = 10
"""Rows of the drawn network that paper keeps together."""
CELL = 180


def drawing(found: Anatomy, most: int | None = None) -> str:
    """The network as an SVG: a row a layer, connections beside it, bars for parameters and multiply-adds; in
    several of at most so many rows, for paper."""
    places = lanes([layer.inputs for layer in found.layers], found.outputs)
    needed = {n for layer in found.layers for n in layer.inputs} | set(found.outputs)
    heavy = max((layer.parameters for layer in found.layers), default=0) or 1
    work = max((layer.multiply_adds for layer in found.layers), default=0) or 1
    rows = [
        Drawn(
            name=layer.name, kind=kind_of(layer), shape=" x ".join(map(str, layer.output_shape)),
            sees=sees(layer.receptive_field, layer.whole),
            parameters="" if layer.shared or not layer.parameters else short_count(layer.parameters),
            parameters_bar=layer.parameters / heavy,
            work=short_count(layer.multiply_adds) if layer.multiply_adds else "",
            work_bar=layer.multiply_adds / work, lane=place.lane, passing=place.passing, ending=place.ending,
            going=place.going, new=place.new, goes_on=n in needed, tone=_tone(layer), quiet=not layer.multiply_adds
            and _tone(layer) == "muted",
        )
        for n, (layer, place) in enumerate(zip(found.layers, places, strict=True))
    ]  # fmt: skip
    title = f"{len(rows)} layers, {found.parameters:,} parameters"
    return "".join(network_parts(rows, title, most or max(1, len(rows))))


def page(done: Dissection, maps: Mapping[str, Tensor] | None = None, *, whole: bool = True) -> str:
    """The page of a network; with `whole` a document of its own, else a part for a notebook."""
    a = done.anatomy
    by_weight = sorted((n for n in a.layers if n.dense_parameters), key=lambda n: -(n.dense_parameters or 0))
    return environment().get_template("anatomy.html").render(
        whole=whole, css=Markup(text("style.css")), title=done.network, a=a,
        shape=" x ".join(map(str, a.shape)), facts=_facts(a), drawing=Markup(drawing(a, TOGETHER)),
        dense=[
            (n.name, kind_of(n), n.parameters, n.dense_parameters, (n.dense_parameters or 0) / n.parameters)
            for n in by_weight[:HEAVIEST] if n.parameters
        ],
        times=a.dense_parameters / a.parameters if a.parameters else 1,
        slow=_slowest(a), seen=[_seen(a, name, seen, done.effective[name]) for name, seen in (maps or {}).items()],
        signals=_signals(done), pruning=_pruning(done), count=short_count, choices=done.choices,
        ending=done.ending,
    )  # fmt: skip


def _pruning(done: Dissection) -> Lines | None:
    """The headline against the share of parameters that are gone, with its interval."""
    if not done.pruned:
        return None
    name = done.pruned[0].headline.name
    curves = []
    for method, tone in (("magnitude", "accent"), ("channel", "warm")):
        rows = sorted((one for one in done.pruned if one.method == method), key=lambda one: one.gone)
        curves.append(
            Curve(
                {"magnitude": "smallest weights", "channel": "whole channels"}[method],
                tuple(100 * one.gone for one in rows), tuple(one.headline.value for one in rows),
                "accent" if tone == "accent" else "warm", dots=True,
                low=tuple(one.headline.low for one in rows), high=tuple(one.headline.high for one in rows),
            )
        )  # fmt: skip
    return Lines(f"{name} without parameters", "% of the parameters gone", "", tuple(curves))


def _signals(done: Dissection) -> list[Lines]:
    """Spread of activations and gradients by depth, a curve for each way that the network is drawn."""
    charts = []
    for what, title in (
        ("spread", "Spread of what leaves each layer"),
        ("gradient", "Spread of the gradient by it"),
    ):
        curves = tuple(
            Curve(
                name, tuple(range(1, len(levels) + 1)),
                tuple(getattr(one, what) or math.nan for one in levels), tone, dashed=name in (BARE, SMALL_BARE),
                says=tuple(one.layer for one in levels),
            )
            for (name, levels), tone in zip(done.signal.items(), SIGNAL_TONES, strict=False)
        )  # fmt: skip
        if curves:
            charts.append(
                Lines(
                    title,
                    "convolutions and linear layers, in order",
                    "",
                    curves,
                    log_y=True,
                )
            )
    return charts


def _facts(a: Anatomy) -> list[tuple[str, str]]:
    facts = [
        ("Parameters", f"{a.parameters:,}"),
        ("As a file in fp32", short_bytes(4 * a.parameters)),
        ("Multiply-adds a picture", short_count(a.multiply_adds)),
        ("Layers passed", f"{len(a.layers)}"),
        ("Activations kept in training", f"{short_bytes(a.saved_bytes)} a picture"),
        ("Activations at once in use", f"{short_bytes(a.peak_bytes)} a picture"),
    ]
    facts += [(f"Only in training: {name}", f"{count:,} parameters") for name, count in a.unused.items()]
    return facts if a.seconds is None else [*facts, ("One picture on this machine", _ms(a.seconds))]


def _slowest(a: Anatomy) -> list[tuple[str, str, str, float]]:
    """The layers that take longest: name, kind, time, share of the whole."""
    timed = sorted((n for n in a.layers if n.seconds), key=lambda n: -(n.seconds or 0))[:HEAVIEST]
    whole = a.seconds or 1.0
    return [(n.name, kind_of(n), _ms(n.seconds or 0), (n.seconds or 0) / whole) for n in timed]


def _ms(seconds: float) -> str:
    return span(seconds) if seconds >= 1 else f"{1000 * seconds:.2f} ms"


def _seen(a: Anatomy, name: str, seen: Tensor, side: float) -> dict[str, Any]:
    """A heat map of what matters to one layer's unit in the middle, with words."""
    layer = next(n for n in reversed(a.layers) if n.name == name)  # its last pass
    return {
        "name": name,
        "could": sees(layer.receptive_field, layer.whole),
        "side": f"{side:.0f}",
        "picture": _heat(seen),
    }


def _heat(seen: Tensor) -> str:
    """A map `HW` from 0 to 1 as the data of a PNG; the square root makes the faint ones visible."""
    import numpy as np
    from PIL import Image

    light, dark = np.array((246, 248, 249.0)), np.array((184, 76, 20.0))
    share = seen.sqrt().numpy()[..., None]
    pixels = (light + (dark - light) * share).round().astype(np.uint8)
    image = Image.fromarray(pixels).resize(
        (CELL, CELL), Image.Resampling.NEAREST if len(seen) < CELL else Image.Resampling.BOX
    )
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def kind_of(layer: Layer) -> str:
    """A layer's kind with its window: `Conv2d 3x3 /2`."""
    if layer.kernel is None:
        return layer.kind
    stride = "" if layer.stride in (None, (1, 1)) else f" /{layer.stride[0] if layer.stride else 1}"
    groups = f", {layer.groups} groups" if layer.groups not in (None, 1) else ""
    return f"{layer.kind} {layer.kernel[0]}x{layer.kernel[1]}{stride}{groups}"


def _tone(layer: Layer) -> Tone:
    return next((tone for start, tone in TONE.items() if layer.kind.lower().startswith(start)), "muted")
