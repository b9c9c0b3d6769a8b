"""Pictures that look odd: dark, blown out, blurred, empty, of another size, shape or colour than the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...data.sketches import Sketches

SOURCE = (
    "own thresholds, held against photographs of ImageNet and of flowers, of which few may be named (of 4,317 flowers "
    "1.6 % are grey); what is measured as in CleanVision (cleanlab), which names 19 % of photographs for their size"
)
Array = NDArray[np.float64]
DARK, LIGHT = 0.25, 0.93
"""Brightness (0 to 1) that 99 % of a dark picture's pixels stay below, and 95 % of a blown-out one's above."""
EMPTY = 1.0
"""Bits of entropy over 32 grey levels below which a picture holds next to nothing."""
BLUR = 0.03
"""Detail of one pixel (of 96 a side) as a share of the contrast, below which a picture is blurred. Measured: sharp
photographs have 0.09 and more, enlarged ones 0.02 to 0.06; blurred by two pixels 0.04 and less."""
FAR = 6.0
"""Robust standard deviations from the set's middle that make a picture unlike the others."""
RARE = 0.05
"""What more than this share of the pictures is, is no oddity but the set's way."""
SAYS = {
    "dark": "is so dark that hardly anything can be seen",
    "blown-out": "is blown out: nearly all of it is white",
    "blurred": "is blurred: it has no fine detail",
    "empty": "holds next to nothing: almost one brightness throughout",
    "odd-size": "is far smaller or larger than the others",
    "odd-shape": "is far longer or wider than the others",
    "grey": "is grey among pictures in colour",
    "coloured": "is in colour among grey pictures",
}


def odd(sketches: Sketches) -> dict[str, list[int]]:
    """Kind of oddness -> positions of the pictures that have it, the oddest first."""
    if not len(sketches):
        return {}
    m = sketches.measures
    measures: Mapping[str, tuple[Array, NDArray[np.bool_]]] = {
        "dark": (m["bright"], (m["bright"] < DARK) & _low(m["bright"])),
        "blown-out": (-m["dim"], (m["dim"] > LIGHT) & _low(-m["dim"])),
        "empty": (m["entropy"], (m["entropy"] < EMPTY) & _low(m["entropy"])),
        "blurred": (m["sharp"], _blurred(m)),
        "odd-size": _unlike(np.sqrt(m["width"] * m["height"]), least=4.0),
        "odd-shape": _unlike(m["width"] / m["height"], least=2.5),
        **_colours(m["colour"]),
    }
    found = {}
    for kind, (order, which) in measures.items():
        rows = np.flatnonzero(which)
        if 0 < len(rows) <= max(1, RARE * len(sketches)):
            found[kind] = rows[np.argsort(order[rows], kind="stable")].tolist()
    return found


def _low(values: Array) -> NDArray[np.bool_]:
    """Far below the set's middle."""
    return np.asarray(_deviations(values) < -2.5)


def _deviations(values: Array) -> Array:
    """From the median, in standard deviations as the middle half tells them."""
    quarter, middle, three = np.quantile(values, (0.25, 0.5, 0.75))
    return np.asarray((values - middle) / max((three - quarter) / 1.349, 1e-3))


def _blurred(m: Mapping[str, Array]) -> NDArray[np.bool_]:
    sharp = np.log(np.maximum(m["sharp"], 1e-3))
    small = np.minimum(m["width"], m["height"]) < 24
    return (m["sharp"] < BLUR) & (_deviations(sharp) < -2.5) & (m["contrast"] > 0.02) & ~small


def _unlike(values: Array, least: float) -> tuple[Array, NDArray[np.bool_]]:
    """Values that differ from the middle by a factor of `least` and lie far outside the set's own range: sets of many
    sizes have no odd ones."""
    logs = np.log(np.maximum(values, 1e-6))
    quarter, middle, three = np.quantile(logs, (0.25, 0.5, 0.75))
    away = np.abs(logs - middle)
    return -away, (away > np.log(least)) & (away > FAR * (three - quarter) / 1.349)


def _colours(colour: Array) -> dict[str, tuple[Array, NDArray[np.bool_]]]:
    grey = colour < 0.004
    if grey.mean() > 0.5:
        return {"coloured": (-colour, colour > 0.03)}
    return {"grey": (colour, grey)}
