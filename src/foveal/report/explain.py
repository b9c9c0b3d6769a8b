"""Explanations as a page: each picture with its maps side by side, the verdict under each, and each method's own."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from PIL import Image

from ..charts import overlay
from ..errors import FovealError
from ..explaining.explained import Explanation
from ..explaining.soundness import mean_of
from ..explaining.verdicts import percent
from ..values import Choice
from .page import environment, text

CAP = 6_000_000
"""Bytes that a page never passes."""
LEVELS = ((320, 60), (260, 40), (200, 30), (160, 20), (120, 12), (120, 4), (0, 0))
"""Sides of thumbnails in pixels and how many pictures are shown: the first that fits under the cap is written."""
QUALITY = 82
STOPS = 13


@dataclass(frozen=True)
class Group:
    """One picture's explanations, or why it has none."""

    path: str
    rows: tuple[Explanation, ...]
    error: str = ""

    @property
    def first(self) -> Explanation:
        return self.rows[0]

    @property
    def several(self) -> bool:
        """Whether each method has several maps."""
        return len({(str(row.target), row.model) for row in self.rows}) > 1


def page(
    found: Sequence[Explanation],
    model: str,
    choices: Sequence[Choice] = (),
    notes: Sequence[str] = (),
    *,
    whole: bool = True,
    cap: int = CAP,
) -> str:
    """The page as text of at most `cap` bytes; with `whole` a document of its own, else a part for a notebook."""
    groups = list(grouped(found))
    made = ""
    for side, count in LEVELS:
        made = _rendered(groups, model, choices, notes, side, count, whole)
        if len(made.encode("utf-8", "xmlcharrefreplace")) <= cap:
            return made
    return made


def grouped(found: Sequence[Explanation]) -> Iterator[Group]:
    """Explanations by picture, in order."""
    rows: list[Explanation] = []
    for row in found:
        same = rows and row.seen is not None and row.path == rows[0].path
        if same and (row.seen == rows[0].seen or row.model != rows[0].model):
            rows.append(row)
            continue
        if rows:
            yield Group(rows[0].path, tuple(rows))
        rows = []
        if row.error is not None:
            yield Group(row.path, (), row.error)
        else:
            rows = [row]
    if rows:
        yield Group(rows[0].path, tuple(rows))


def figures(rows: Sequence[Explanation], side: int) -> list[dict[str, Any]]:
    """What a page shows of one picture's explanations: data URIs and words."""
    return [
        {
            "row": row,
            "src": source_of(row.painted(side)) if not row.empty else "",
            "ends": overlay.ends(row.shows, row.top),
            "bar": _bar(row.shows),
        }
        for row in rows
    ]


def source_of(image: Image.Image) -> str:
    """A picture as a data URI; pixels only."""
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY, method=4, exif=b"")
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _bar(shows: overlay.Shows) -> str:
    """The scale's colours as a CSS gradient."""
    table = overlay.scale(shows, STOPS, 1)[0]
    return "linear-gradient(90deg," + ",".join(f"rgb({r},{g},{b})" for r, g, b in table.tolist()) + ")"


def _rendered(
    groups: Sequence[Group],
    model: str,
    choices: Sequence[Choice],
    notes: Sequence[str],
    side: int,
    count: int,
    whole: bool,
) -> str:
    shown = [(group, *_shots(group, side)) for group in groups[:count]]
    methods = _methods(groups)
    measured = any(m["dependence"] or m["areas"] or m["gap"] for m in methods)
    sums = sum(bool(group.rows) and group.first.summed for group in groups)
    return environment().get_template("explain.html").render(
        whole=whole, css=Markup(text("style.css")), title=f"What {model} looks at", model=model, choices=choices,
        notes=notes, shown=shown, more=len(groups) - len(shown), methods=methods, count=len(groups) - sums,
        side=side, measured=measured,
    )  # fmt: skip


def _shots(group: Group, side: int) -> tuple[str, list[dict[str, Any]]]:
    """The picture itself, and its maps; nothing where the picture has gone since."""
    if not group.rows:
        return "", []
    try:
        picture = group.first.painted(side)
        plain = (
            group.first.picture(min(picture.size)).convert("RGB").resize(picture.size, _kind(picture, group))
        )
        return source_of(plain), figures(group.rows, side)
    except (FovealError, OSError):
        return "", []


def _kind(picture: Image.Image, group: Group) -> Image.Resampling:
    seen = group.first.seen
    enlarged = seen is not None and picture.width > seen.width
    return Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS


def _methods(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """What was measured of each method, over the pictures that it was measured on."""
    rows = [row for group in groups for row in group.rows]
    found = []
    for name in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == name]
        first = own[0]
        measured = [
            r.verdict.areas for r in own if r.verdict.areas is not None and r.verdict.areas.pictures == 1
        ]
        gaps = [row.verdict.gap for row in own if row.verdict.gap is not None]
        found.append(
            {
                "name": name, "source": first.source, "cannot": first.cannot, "areas": mean_of(measured),
                "dependence": first.verdict.dependence, "gap": percent(max(gaps)) if gaps else "",
                "rectifiers": first.verdict.rectifiers, "badges": _badges(own),
            }
        )  # fmt: skip
    return found


def _badges(rows: Sequence[Explanation]) -> list[str]:
    """Each warning with the number of maps that bear it."""
    said = [badge for row in rows for badge in row.verdict.badges]
    return [
        badge if said.count(badge) == len(rows) else f"{badge} ({said.count(badge)} of {len(rows)} maps)"
        for badge in dict.fromkeys(said)
    ]
