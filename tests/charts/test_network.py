"""A network drawn in one piece and in several: the same rows, each once, and nothing between the pieces."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from foveal.charts.network import ROW, TOP, Drawn, network_parts, network_svg

SVG = "{http://www.w3.org/2000/svg}"


def chain(count: int, lane: int = 0) -> list[Drawn]:
    return [
        Drawn(
            name=f"layer<{n}>", kind="Conv2d", shape="8 x 4 x 4", sees="3", parameters="1 k", parameters_bar=0.5,
            work="2 k", work_bar=1.0, lane=lane, passing=(), ending=(), going=(), new=n == 0, goes_on=n + 1 < count,
        )
        for n in range(count)
    ]  # fmt: skip


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 3))
def test_pieces_are_the_whole_cut_between_rows(count: int, most: int, lane: int) -> None:
    rows = chain(count, lane)
    whole = ET.fromstring(network_svg(rows, "all"))
    parts = [ET.fromstring(part) for part in network_parts(rows, "all", most)]
    assert len(parts) == -(-count // most)
    assert {part.get("width") for part in parts} == {whole.get("width")}
    assert sum(int(part.get("height", 0)) for part in parts) == int(whole.get("height", 0))
    titles = [title.text for part in parts for title in part.iter(f"{SVG}title")]
    assert titles == [title.text for title in whole.iter(f"{SVG}title")]
    for n, part in enumerate(parts):
        heights = [float(c.get("cy", 0)) for c in part.iter(f"{SVG}circle")]
        top = 0 if n else TOP
        assert heights == [top + ROW * k + ROW // 2 for k in range(len(heights))]
    words = [text.text for part in parts for text in part.iter(f"{SVG}text")]
    assert words == [text.text for text in whole.iter(f"{SVG}text")], "heads stand over the first piece only"
    assert len({part.get("aria-label") for part in parts}) == len(parts)


def test_it_is_dark_on_screens_only() -> None:
    assert re.findall(r"@media[^{]*", network_svg(chain(2), "all")) == [
        "@media screen and (prefers-color-scheme:dark)"
    ]
