"""Charts as plain values, drawn two ways: `svg` as it stands on a page, `plotly` for zooming and hovering."""

from __future__ import annotations

from .figures import plotly
from .kinds import TONES, Band, Bars, Chart, Curve, Heat, Lines, Mark, Strip, Tone
from .scales import finite
from .svg import svg

__all__ = [
    "TONES",
    "Band",
    "Bars",
    "Chart",
    "Curve",
    "Heat",
    "Lines",
    "Mark",
    "Strip",
    "Tone",
    "finite",
    "plotly",
    "svg",
]
