"""A run's worst pictures where truths lie on them: drawn at its end, with what is true and what was said."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..charts import on_picture
from ..charts.tags import colour
from ..data import masks
from ..data.decoding import open_image
from ..data.objects import region
from ..errors import FovealError
from ..model import Model
from ..records.run import Run
from ..storage import read_json, write_json, write_whole
from ..values import Item
from .pictured import numbers
from .telling import examples_of

FILE = "worst.json"
MOST = 8
SIDE = 900
"""The longer side in pixels that a picture is drawn with at most."""


@dataclass(frozen=True)
class Worst:
    """One picture: its id, the WebP file in the run's `pictures/`, its sides, and what it shows in words."""

    id: str
    file: str
    width: int
    height: int
    says: str


def draw_worst(run: Run) -> tuple[Worst, ...]:
    """Draw the pictures on which a finished run's best model is worst, write them into its folder, and return them.

    Raises:
        FovealError: its pictures or its model cannot be read any more.
    """
    dataset, found = run.dataset, list[Worst]()
    items = {item.id: item for item in dataset.items}
    rows = [row for row in examples_of(run) if row["id"] in items]
    rows.sort(key=lambda row: (row["score"], -_loss(row)) if "score" in row else (0.0, -_loss(row)))
    model = Model.load(run.folder)
    for row in rows[:MOST]:
        item = items[row["id"]]
        try:
            image = open_image(dataset.root, item, model.preprocessing.channels)
            drawn, says = _drawn(model, dataset.root, item, image, row)
        except FovealError:
            continue
        drawn.thumbnail((2 * SIDE, SIDE), Image.Resampling.LANCZOS)
        name = f"worst-{len(found) + 1}.webp"
        file = io.BytesIO()
        drawn.convert("RGB").save(file, "WEBP", quality=80)
        write_whole(run.pictures / name, file.getvalue())
        found.append(Worst(item.id, name, drawn.width, drawn.height, says))
    write_json(run.pictures / FILE, {"worst": [asdict(one) for one in found]})
    return tuple(found)


def kept(folder: Path) -> tuple[Worst, ...] | None:
    """What was drawn before; None where nothing was."""
    file = folder / "pictures" / FILE
    if not file.exists():
        return None
    rows: list[dict[str, Any]] = read_json(file)["worst"]
    return tuple(Worst(**row) for row in rows)


def _loss(row: Mapping[str, Any]) -> float:
    return float("inf") if row.get("loss") is None else float(row["loss"])


def _drawn(
    model: Model, root: str, item: Item, image: Image.Image, row: Mapping[str, Any]
) -> tuple[Image.Image, str]:
    """A picture with what is true and what was said, and the same in words."""
    labels = model.labels
    if hasattr(model.task, "remade"):
        made: dict[str, Image.Image] = model.task.remade(model.network, image, model.preprocessing)
        return on_picture.side_by_side(list(made.items())), f"{item.id}: {numbers(row)}"
    if any(isinstance(one, str) for one in row["predicted"]):  # labels of a map, and no objects
        return _maps(model, root, item, image), f"{item.id}: {numbers(row)}"
    said, true = (_worded(row[name]) for name in ("predicted", "truth"))
    if model.task.name == "instances":
        said, true = _outlined(model, image, said), _true(root, item, image, true)
    return on_picture.objects(image, said, true, labels, most=SIDE), f"{item.id}: {_kinds(said, true)}"


def _worded(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Objects with their kinds in words."""
    return [
        {**row, "kind": str(row["kind"]).replace("_", " ")} if "kind" in row else dict(row) for row in rows
    ]


def _outlined(model: Model, image: Image.Image, said: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Objects that were said with their masks, which the model draws once more: that of the same label whose box is
    nearest."""
    (again,) = model.predict(image)
    rows = []
    for row in said:
        alike = [one for one in again.predictions if one["label"] == row["label"]]
        near = min(alike, key=lambda one: _apart(one["box"], row["box"]), default={})
        rows.append({**row, **({"mask": near["mask"]} if "mask" in near else {})})
    return rows


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def _true(
    root: str, item: Item, image: Image.Image, true: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """True objects with their pixels."""
    return [
        {**row, "region": region(one, image.size, root)} for row, one in zip(true, item.truth, strict=True)
    ]


def _maps(model: Model, root: str, item: Item, image: Image.Image) -> Image.Image:
    """The picture, its true map of classes, and the one that was said."""
    labels = model.labels
    tones = [colour(n) for n in range(len(labels))]
    true = masks.moving(item.truth, labels, image.size, root).numpy()
    (said,) = model.predict(image)
    rows = [row for row in said.predictions if "mask" in row]
    return on_picture.side_by_side(
        [
            ("picture", image),
            ("true", on_picture.painted(image, true, tones, most=SIDE)),
            ("predicted", on_picture.classes(image, rows, labels, most=SIDE, legend=False)),
        ]
    )


def _kinds(said: Sequence[Mapping[str, Any]], true: Sequence[Mapping[str, Any]]) -> str:
    """How many objects are right, and how many mistakes of each kind there are."""
    counts: dict[str, int] = {}
    for row in (*said, *(one for one in true if one.get("kind") == "missed")):
        counts[str(row.get("kind", "predicted"))] = counts.get(str(row.get("kind", "predicted")), 0) + 1
    return (
        ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing is there, nothing was said"
    )
