"""Pictures in doubt as a page to go through: keep, leave out, or give another label; saves decisions.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ..data.decoding import open_image
from ..doctor.data.told import Row
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
}


def page(
    dataset: Dataset,
    rows: Sequence[Row],
    issues: Sequence[Issue] = (),
    title: str = "data",
    *,
    cap: int = CAP,
) -> str:
    """The page as text of at most `cap` bytes: a card a picture with the pictures that it is held against."""
    items = {item.id: item for item in dataset.items}
    made = ""
    for side, count in LEVELS:
        made = _rendered(dataset, items, rows, issues, title, side, count)
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
    )  # fmt: skip


def _card(dataset: Dataset, items: Mapping[str, Item], row: Row, side: int) -> dict[str, Any]:
    item = items[row.id]
    return {
        "id": row.id,
        "kind": row.kind,
        "why": row.why,
        "suggested": row.suggested,
        "part": item.part,
        "truth": _named(item),
        "src": _thumb(dataset, item, side),
        "beside": [
            (id, items[id].part, _named(items[id]), _thumb(dataset, items[id], side))
            for id in row.beside
            if id in items
        ],
    }


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
