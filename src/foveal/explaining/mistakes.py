"""Why a run's worst mistakes were made: looked at when the run has ended, kept in its folder, shown by its report."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import catalog
from ..charts import overlay
from ..errors import FovealError
from ..model import Model
from ..records.run import Run
from ..storage import read_json, write_json, write_whole
from . import Wanted, explain_pictures, worst
from .explained import Explanation
from .telling import telling

FILE = "mistakes.json"
METHOD = "gradcam"
MOST = 3
SIDE = 320
"""The longer side in pixels that each map is drawn with."""


@dataclass(frozen=True)
class Why:
    """One mistake: the picture's id, why it was chosen, its maps side by side as a WebP file in the run's `pictures/`
    (for what was said, for what is true, and for the first rather than the second), and the same in words."""

    id: str
    chosen: str
    file: str
    alt: str
    says: tuple[str, ...] = ()


def explain_mistakes(run: Run) -> tuple[Why, ...]:
    """Explain a finished run's worst mistakes with its best model, write them into its folder, and return them; none
    where it made none, or where its network has no maps to draw.

    Raises:
        FovealError: its pictures or its model cannot be read any more.
    """
    given = telling(run, MOST, kinds=("wrong",))
    found: list[Why] = []
    if given:
        model = Model.load(run.folder)
        rows = explain_pictures(model, given, Wanted((METHOD,), verdict=False, strict=False)).rows
        for number, one in enumerate(given, 1):
            own = [row for row in rows if row.path == one.path and row.error is None]
            if own:
                found.append(_written(run, number, own))
    write_json(run.pictures / FILE, {"method": METHOD, "mistakes": [asdict(one) for one in found]})
    return tuple(found)


def kept(folder: Path) -> tuple[Why, ...] | None:
    """What was written before; None where nothing was."""
    file = folder / "pictures" / FILE
    if not file.exists():
        return None
    rows: list[dict[str, Any]] = read_json(file)["mistakes"]
    return tuple(Why(**{**row, "says": tuple(row["says"])}) for row in rows)


def ensure(run: Run) -> None:
    """Explain the mistakes of a run that has ended, or draw its worst pictures where truths lie on them, unless that
    was done; what cannot be explained is left out."""
    try:
        if run.result is None:
            return
        told = dict(run.options["task"])
        if catalog.find("tasks", told.pop("name")).build(**told).dense:
            if worst.kept(run.folder) is None:
                worst.draw_worst(run)
        elif kept(run.folder) is None:
            explain_mistakes(run)
    except FovealError:
        return  # pictures that have gone, for one: the report says so where it misses them


def _written(run: Run, number: int, rows: list[Explanation]) -> Why:
    first = rows[0]
    panels = [overlay.Panel(row.painted(SIDE), str(row.target), row.words) for row in rows]
    file = io.BytesIO()
    overlay.figure(panels, first.shows, first.top, first.scale).save(file, "WEBP", quality=82)
    name = f"mistake-{number}.webp"
    write_whole(run.pictures / name, file.getvalue())
    says = tuple(dict.fromkeys(row.nothing for row in rows if row.nothing))
    return Why(first.path, first.why, name, "; ".join(row.alt for row in rows), says)
