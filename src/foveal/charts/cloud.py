"""Pictures as points: a cloud of thumbnails, as one picture or as a Plotly figure."""

from __future__ import annotations

import base64
import colorsys
import io
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .kinds import TONES
from .lettering import FAINT, LINE, PAPER, cut, width, wrapped, write
from .sheet_of_maps import fitted

MARGIN, TITLE, TEXT, FRAME = 24, 22, 14, 2
MOST_IMAGES = 300
"""Thumbnails in a Plotly figure; the others are dots."""


@dataclass(frozen=True)
class Cloud:
    """Points `N2`, each with a thumbnail uint8 `HW3` and a name; `kinds` colour them, where there are any."""

    title: str
    notes: tuple[str, ...]
    points: NDArray[np.float64]
    thumbs: tuple[NDArray[np.uint8], ...]
    names: tuple[str, ...]
    kinds: tuple[str, ...] = ()


def palette(kinds: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """A colour for each kind, in order: six that the colour-blind can tell apart, then others."""
    names = sorted(set(kinds))
    tones = [tuple(int(text[n : n + 2], 16) for n in (1, 3, 5)) for text in TONES.values()]
    tones.insert(5, tones.pop(2))  # neighbours differ in brightness as well
    colours: dict[str, tuple[int, int, int]] = {}
    for n, name in enumerate(names):
        if len(names) <= len(tones):
            red, green, blue = tones[n]
        else:
            shade = (0.36, 0.56)[n % 2]
            red, green, blue = (round(255 * c) for c in colorsys.hls_to_rgb(n / len(names), shade, 0.62))
        colours[name] = (red, green, blue)
    return colours


def cloud_picture(cloud: Cloud, side: int = 1000, thumb: int = 40) -> Image.Image:
    """The cloud in a square of `side` pixels. Where thumbnails would hide each other one is drawn, and dots for
    the others."""
    notes = [line for note in cloud.notes for line in wrapped(note, TEXT, side)]
    colours = palette(cloud.kinds)
    head = MARGIN + TITLE + 10 + len(notes) * (TEXT + 6) + (26 if colours else 0) + 10
    paper = Image.new("RGB", (side + 2 * MARGIN, head + side + MARGIN), PAPER)
    pen = ImageDraw.Draw(paper)
    write(pen, (MARGIN, MARGIN - 4), cut(cloud.title, TITLE, side), TITLE)
    for n, line in enumerate(notes):
        write(pen, (MARGIN, MARGIN + TITLE + 8 + n * (TEXT + 6)), line, TEXT, FAINT)
    _key(pen, colours, head - 30, side)
    pen.rectangle((MARGIN - 1, head - 1, MARGIN + side, head + side), outline=LINE)
    places = _places(cloud.points, side - thumb)
    drawn = apart(places, thumb)
    for n, (x, y) in enumerate(places):
        if n not in drawn:
            at = (MARGIN + x + thumb / 2, head + y + thumb / 2)
            colour = colours[cloud.kinds[n]] if colours else FAINT
            pen.ellipse((at[0] - 3, at[1] - 3, at[0] + 3, at[1] + 3), fill=colour)
    for n in drawn:
        image = fitted(cloud.thumbs[n], thumb - 2 * FRAME)
        colour = colours[cloud.kinds[n]] if colours else LINE
        framed = Image.new("RGB", (image.width + 2 * FRAME, image.height + 2 * FRAME), colour)
        framed.paste(image, (FRAME, FRAME))
        paper.paste(framed, (MARGIN + round(places[n][0]), head + round(places[n][1])))
    return paper


def _key(pen: ImageDraw.ImageDraw, colours: dict[str, tuple[int, int, int]], top: int, side: int) -> None:
    x = MARGIN
    for n, (name, colour) in enumerate(colours.items()):
        room = width(name, TEXT) + 28
        if x + room > MARGIN + side - 60 and n < len(colours) - 1:
            write(pen, (x, top), f"and {len(colours) - n} more", TEXT, FAINT)
            return
        pen.rectangle((x, top + 3, x + 11, top + 14), fill=colour)
        write(pen, (x + 16, top), name, TEXT)
        x += room


def _places(points: NDArray[np.float64], room: int) -> list[tuple[float, float]]:
    """Points as pixels, one scale for both axes, the second upwards."""
    low, high = points.min(0), points.max(0)
    scale = room / (float((high - low).max()) or 1.0)
    middle = (low + high) / 2
    moved = (points - middle) * scale * np.array([1, -1]) + room / 2
    return [(float(x), float(y)) for x, y in moved]


def apart(places: list[tuple[float, float]], thumb: int) -> list[int]:
    """The points whose thumbnails are drawn: in order, each that hides less than half of one before."""
    taken: dict[tuple[int, int], list[int]] = {}
    drawn = []
    for n, (x, y) in enumerate(places):
        cell = (int(x // thumb), int(y // thumb))
        near = [
            m for dx in (-1, 0, 1) for dy in (-1, 0, 1) for m in taken.get((cell[0] + dx, cell[1] + dy), ())
        ]
        hides = any(
            max(0, thumb - abs(x - places[m][0])) * max(0, thumb - abs(y - places[m][1])) > thumb**2 / 2
            for m in near
        )
        if not hides:
            taken.setdefault(cell, []).append(n)
            drawn.append(n)
    return drawn


def cloud_figure(cloud: Cloud, thumb: int = 40, side: int = 900) -> dict[str, Any]:
    """The cloud as `{"data": [...], "layout": {...}}` for `plotly.graph_objects.Figure`: dots that tell their
    names, and thumbnails where they do not hide each other."""
    colours = palette(cloud.kinds)
    traces = []
    for kind in colours or [""]:
        own = [n for n in range(len(cloud.names)) if not colours or cloud.kinds[n] == kind]
        red, green, blue = colours.get(kind, FAINT)
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": _said(kind), "showlegend": bool(colours),
                "x": cloud.points[own, 0].tolist(), "y": cloud.points[own, 1].tolist(),
                "text": [_said(cloud.names[n]) for n in own],
                "hovertemplate": "%{text}<extra>" + _said(kind) + "</extra>",
                "marker": {"color": f"rgb({red},{green},{blue})", "size": 7},
            }
        )  # fmt: skip
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    layout: dict[str, Any] = {
        "title": {"text": _said(cloud.title)}, "height": side, "showlegend": bool(colours),
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "hovermode": "closest",
        "xaxis": bare, "yaxis": {**bare, "scaleanchor": "x"}, "margin": {"l": 10, "r": 10, "t": 60, "b": 10},
    }  # fmt: skip
    spans = np.ptp(cloud.points, axis=0)
    size = float(spans.max() or 1.0) * thumb / side
    drawn = apart(_places(cloud.points, side - thumb), thumb)[:MOST_IMAGES]
    layout["images"] = [
        {
            "source": _data_uri(fitted(cloud.thumbs[n], thumb)), "xref": "x", "yref": "y", "layer": "below",
            "x": float(cloud.points[n, 0]), "y": float(cloud.points[n, 1]), "sizex": size, "sizey": size,
            "xanchor": "center", "yanchor": "middle",
        }
        for n in drawn
    ]  # fmt: skip
    return {"data": traces, "layout": layout}


def _said(text: str) -> str:
    """Plotly reads a little HTML in its texts; a picture may be called anything."""
    return escape(text, quote=False)


def _data_uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
