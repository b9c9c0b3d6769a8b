"""Pictures in doubt as a page to go through: keep, leave out, or give another label; saves decisions.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from PIL import Image, ImageDraw

from ..data.decoding import open_image
from ..doctor.data.told import Drawn, Row
from ..errors import FovealError
from ..values import Dataset, Issue, Item
from .explain import source_of
from .page import environment, text

CAP = 8_000_000
"""Bytes that a page never passes."""
LEVELS = ((160, 400), (128, 300), (96, 200), (64, 200), (48, 100), (48, 0))
"""Sides of thumbnails in pixels and how many pictures are shown: the first that fits under the cap is written."""
KINDS = {
    "leak": "In training and in what judges",
    "two labels": "The same picture under two labels",
    "label": "Labels in doubt",
    "duplicate": "Near duplicates",
    "outlier": "Like no other picture",
    "overlooked": "Objects that nobody drew",
    "misnamed": "Boxes under another name",
    "misplaced": "Boxes beside their object",
    "unfound": "Boxes in which the network sees nothing",
    "mask": "Regions that look like another class",
}


TOLD, FOUND = (230, 159, 0), (0, 158, 115)
"""Orange: as it was drawn; green: as the network has it (Okabe & Ito 2008, told apart by all eyes)."""
AROUND = 0.6
"""Of a box's larger side that is seen around it, close by."""


def page(
    dataset: Dataset,
    rows: Sequence[Row],
    issues: Sequence[Issue] = (),
    title: str = "data",
    *,
    cap: int = CAP,
    kicker: str = "Inspection",
) -> str:
    """The page as text of at most `cap` bytes: a card a picture with the pictures that it is held against."""
    items = {item.id: item for item in dataset.items}
    made = ""
    for side, count in LEVELS:
        made = _rendered(dataset, items, rows, issues, title, side, count, kicker)
        if len(made.encode("utf-8", "xmlcharrefreplace")) <= cap:
            return made
    return made


def _rendered(
    dataset: Dataset,
    items: Mapping[str, Item],
    rows: Sequence[Row],
    issues: Sequence[Issue],
    title: str,
    side: int,
    count: int,
    kicker: str,
) -> str:
    cards = [_card(dataset, items, row, side) for row in rows[:count]]
    kinds = {
        card["kind"]: KINDS.get(card["kind"], card["kind"].replace("-", " ").capitalize()) for card in cards
    }
    classes = dataset.task == "classify" and all(isinstance(item.truth, str) for item in dataset.items)
    return environment().get_template("findings.html").render(
        css=Markup(text("style.css")), script=Markup(text("findings.js")), title=f"Pictures in doubt: {title}",
        cards=cards, kinds=kinds, issues=issues, labels=dataset.labels if classes else (), count=len(items),
        rest=[row.to_csv() for row in rows[count:]], more=max(0, len(rows) - count), side=side,
        boxes=any(row.drawn for row in rows), kicker=kicker,
    )  # fmt: skip


def _card(dataset: Dataset, items: Mapping[str, Item], row: Row, side: int) -> dict[str, Any]:
    item = items[row.id]
    whole, close = _with_boxes(dataset, item, row.drawn, side) if row.drawn else ("", "")
    return {
        "id": row.id,
        "kind": row.kind,
        "why": row.why,
        "suggested": row.suggested,
        "part": item.part,
        "truth": _named(item),
        "src": whole or _thumb(dataset, item, side),
        "beside": [*([("close by", "", "", close)] if close else []), *(
            (id, items[id].part, _named(items[id]), _thumb(dataset, items[id], side))
            for id in row.beside
            if id in items
        )],
    }  # fmt: skip


def _with_boxes(dataset: Dataset, item: Item, drawn: Sequence[Drawn], side: int) -> tuple[str, str]:
    """The picture with the boxes in doubt, and the first of them close by; empty where it cannot be read."""
    try:
        image = open_image(dataset.root, item, 3)
    except FovealError:
        return "", ""
    first = drawn[0].box
    same = [one.box for one in drawn if _touch(one.box, first)]
    x0, y0 = (min(box[n] for box in same) for n in (0, 1))
    x1, y1 = (max(box[n] for box in same) for n in (2, 3))
    around = AROUND * max(x1 - x0, y1 - y0)
    left, top = max(0, round(x0 - around)), max(0, round(y0 - around))
    right, bottom = min(image.width, round(x1 + around) + 1), min(image.height, round(y1 + around) + 1)
    part = image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
    return _drawn(image, drawn, (0, 0), side), _drawn(part, drawn, (left, top), side)


def _touch(one: Sequence[float], other: Sequence[float]) -> bool:
    return max(one[0], other[0]) < min(one[2], other[2]) and max(one[1], other[1]) < min(one[3], other[3])


def _drawn(image: Image.Image, drawn: Sequence[Drawn], corner: tuple[int, int], side: int) -> str:
    """A picture, or what of one begins at `corner`, at that size with these boxes."""
    scale = 2 * side / max(image.size)  # twice as fine as others: boxes are thin
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX)
    pen = ImageDraw.Draw(small)
    for one in sorted(drawn, key=lambda one: one.found):
        if one.edge:
            _outlined(pen, one, corner, scale)
            continue
        x0, y0, x1, y1 = ((v - corner[n % 2]) * scale for n, v in enumerate(one.box))
        pen.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0), width=1)
        pen.rectangle((x0, y0, x1, y1), outline=FOUND if one.found else TOLD, width=2)
    return source_of(small)


def _outlined(pen: ImageDraw.ImageDraw, one: Drawn, corner: tuple[int, int], scale: float) -> None:
    """The edge of a region, dot by dot, dark beneath so that it is seen on any ground."""
    wide = max(1.0, scale / 2)
    dots = [((x + 0.5 - corner[0]) * scale, (y + 0.5 - corner[1]) * scale) for x, y in one.edge]
    for reach, ink in ((wide + 1, (0, 0, 0)), (wide, FOUND)):
        for x, y in dots:
            pen.rectangle((x - reach, y - reach, x + reach, y + reach), fill=ink)


def _named(item: Item) -> str:
    """The one class that an item is of; empty where its truth is another."""
    return item.truth if isinstance(item.truth, str) else ""


def _thumb(dataset: Dataset, item: Item, side: int) -> str:
    try:
        image = open_image(dataset.root, item, 3, side)
    except FovealError:
        return ""
    if max(image.size) > side:
        image.thumbnail((side, side))
    return source_of(image)
