"""What foveal explain writes: maps, overlays and figures of each picture, the rows as JSON, and the page."""

from __future__ import annotations

import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..explaining.explained import Explanation, figure
from ..folders import safe_stem
from ..storage import strict, write_whole

if TYPE_CHECKING:
    from .explain import Explanations

PAGE, ROWS = "index.html", "explanations.json"
SHOWN = 60
"""Pictures that the page shows, and whose maps stay in memory after they were written."""


@dataclass(frozen=True)
class Writer:
    """Writes a picture's maps and overlays."""

    out: Path

    def __call__(self, number: int, rows: list[Explanation]) -> list[Explanation]:
        if any(row.error is not None for row in rows):
            return rows
        stem = f"{number + 1:04}-{safe_stem(Path(rows[0].path).stem)[:60]}"
        made: list[Explanation] = []
        for method in dict.fromkeys(row.method for row in rows):
            group = [row for row in rows if row.method == method]
            name = f"{stem}-{method}"
            together = {} if len(group) == 1 else {"figure": self._picture(name, group)}
            for one in group:
                own = name if len(group) == 1 else f"{name}-{safe_stem(str(one.target))[:60]}"
                own += f"-{safe_stem(one.model)[:40]}" if one.model else ""
                files = {"map": self._map(own, one), "overlay": self._picture(own, [one]), **together}
                row = dataclasses.replace(one, files=files)
                made.append(row if number < SHOWN else dataclasses.replace(row, pixels=None, cells=None))
        return made

    def _map(self, name: str, row: Explanation) -> str:
        file = io.BytesIO()
        np.save(file, row.map, allow_pickle=False)
        return self._written(f"{name}.npy", file)

    def _picture(self, name: str, rows: list[Explanation]) -> str:
        file = io.BytesIO()
        figure(rows).save(file, "PNG", compress_level=4)
        return self._written(f"{name}.png", file)

    def _written(self, name: str, file: io.BytesIO) -> str:
        path = self.out / name
        write_whole(path, file.getbuffer())
        return str(path)


def write_page(rows: Explanations) -> None:
    """The page and the rows as JSON, where there is a folder for them."""
    from ..report.explain import page

    if rows.out is None:
        return
    text = json.dumps(strict(rows.to_json()), indent=1, allow_nan=False)
    write_whole(rows.out / ROWS, text.encode())
    html = page(rows, rows.model, rows.choices, rows.notes)
    write_whole(rows.out / PAGE, html.encode("utf-8", "xmlcharrefreplace"))
