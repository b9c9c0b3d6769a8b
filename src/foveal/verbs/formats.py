"""Predictions in the field's formats: COCO JSON, Pascal VOC XML, YOLO text, masks as PNG.

Boxes are x0, y0, x1, y1 in pixels, from the left and upper edge of the first pixel to the right and lower edge of the
last. VOC counts pixels from 1, the last one included, so that `xmin` is x0 + 1 and `xmax` is x1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

SOURCE = (
    "COCO: Lin et al. 2014, cocodataset.org/#format-data; VOC: Everingham et al. 2010, development kit; "
    "YOLO: docs.ultralytics.com/datasets"
)
Row: TypeAlias = Mapping[str, Any]
DECIMALS = 3
MOST_IN_PALETTE = 255
AHEAD = {
    (1, 0): ((0, 0), (0, -1)),
    (0, 1): ((-1, 0), (0, 0)),
    (-1, 0): ((-1, -1), (-1, 0)),
    (0, -1): ((0, -1), (-1, -1)),
}
"""For each way that a line goes from a corner: the pixels (across, down) ahead, at its right hand and at its left."""


class Coco:
    """A COCO file of predictions: as one of truths, with the probability of each as `score`."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, name: str, size: tuple[int, int], rows: Sequence[Row]) -> None:
        """A picture of `size` (width, height) and its rows with `box`, `mask` or both."""
        from ..charts.on_picture import box_of
        from ..charts.run_lengths import decoded

        image = len(self.images) + 1
        self.images.append({"id": image, "file_name": name, "width": size[0], "height": size[1]})
        for row in rows:
            region = decoded(row["mask"]) if "mask" in row else None
            if region is None and "box" not in row:
                continue
            x0, y0, x1, y1 = row["box"] if region is None or "box" in row else box_of(region)
            made: dict[str, Any] = {
                "id": len(self.annotations) + 1,
                "image_id": image,
                "category_id": self.labels.index(str(row["label"])) + 1,
                "bbox": [round(float(value), DECIMALS) for value in (x0, y0, x1 - x0, y1 - y0)],
                "area": round(float((x1 - x0) * (y1 - y0)), DECIMALS)
                if region is None
                else int(region.sum()),
                "iscrowd": 0,
            }
            if region is not None:
                made["segmentation"] = row["mask"]
            if row.get("probability") is not None:
                made["score"] = row["probability"]
            self.annotations.append(made)

    def document(self) -> dict[str, Any]:
        categories = [{"id": n, "name": label} for n, label in enumerate(self.labels, 1)]
        return {"images": self.images, "annotations": self.annotations, "categories": categories}


def voc_xml(path: str, size: tuple[int, int], rows: Sequence[Row]) -> bytes:
    """A picture's boxes as Pascal VOC's XML."""
    top = ElementTree.Element("annotation")
    place = Path(path)
    for name, text in (("folder", place.parent.name), ("filename", place.name)):
        ElementTree.SubElement(top, name).text = _clean(text)
    sides = ElementTree.SubElement(top, "size")
    for name, value in (("width", size[0]), ("height", size[1]), ("depth", 3)):
        ElementTree.SubElement(sides, name).text = str(value)
    for row in rows:
        if "box" not in row:
            continue
        one = ElementTree.SubElement(top, "object")
        ElementTree.SubElement(one, "name").text = _clean(str(row["label"]))
        ElementTree.SubElement(one, "difficult").text = "0"
        box = ElementTree.SubElement(one, "bndbox")
        x0, y0, x1, y1 = row["box"]
        for name, value in (("xmin", x0 + 1), ("ymin", y0 + 1), ("xmax", x1), ("ymax", y1)):
            ElementTree.SubElement(box, name).text = f"{round(float(value), DECIMALS)}".removesuffix(".0")
    ElementTree.indent(top)
    made: bytes = ElementTree.tostring(top, encoding="utf-8", xml_declaration=True)
    return made


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(c if c.isprintable() else "�" for c in text)


def yolo_text(rows: Sequence[Row], size: tuple[int, int], labels: Sequence[str]) -> str:
    """A picture's objects as YOLO's lines: the class's number, then the box's middle and sides, or the points of an
    outline round its mask's largest part, all as shares of the picture's sides."""
    wide, high = size
    lines = []
    for row in rows:
        if "box" not in row:
            continue
        x0, y0, x1, y1 = row["box"]
        numbers: list[float] = [
            (x0 + x1) / 2 / wide,
            (y0 + y1) / 2 / high,
            (x1 - x0) / wide,
            (y1 - y0) / high,
        ]
        if "mask" in row:
            from ..charts.run_lengths import decoded

            points = outline(decoded(row["mask"]))
            if len(points) > 2:
                numbers = [value for x, y in points for value in (x / wide, y / high)]
        lines.append(
            f"{list(labels).index(str(row['label']))} " + " ".join(f"{value:.6f}" for value in numbers)
        )
    return "".join(f"{line}\n" for line in lines)


def yolo_yaml(labels: Sequence[str]) -> str:
    """The file that names YOLO's classes."""
    import yaml

    told = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(labels))}
    text: str = yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
    return text


def outline(region: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The corners (x, y) of the line round a region's largest part, along the edges of its pixels; holes and other
    parts are left out."""
    from scipy import ndimage

    parts, count = ndimage.label(region)
    if not count:
        return []
    largest = int(np.bincount(parts.ravel())[1:].argmax()) + 1
    inside = np.pad(parts == largest, 1)
    rows, columns = np.nonzero(inside)
    start = (int(columns[0]), int(rows[0]))  # the upper left corner of the first row's first pixel
    corners, heading = [start], (1, 0)
    x, y = start[0] + 1, start[1]
    while (x, y) != start:
        turned = _turned(inside, x, y, heading)
        if turned != heading:
            corners.append((x, y))
            heading = turned
        x, y = x + heading[0], y + heading[1]
    return [(x - 1, y - 1) for x, y in corners]


def _turned(inside: NDArray[np.bool_], x: int, y: int, heading: tuple[int, int]) -> tuple[int, int]:
    """Where a line goes on at a corner, with the region on its right hand."""
    across, down = heading
    right, left = AHEAD[heading]
    if not inside[y + right[1], x + right[0]]:
        return -down, across
    return (down, -across) if inside[y + left[1], x + left[0]] else heading


def class_mask(rows: Sequence[Row], labels: Sequence[str], size: tuple[int, int]) -> Image.Image:
    """A PNG of class indices with a palette; 255 where no class lies."""
    from ..charts.on_picture import class_map

    return _indexed(class_map(rows, labels, size), len(labels))


def object_mask(rows: Sequence[Row], size: tuple[int, int]) -> tuple[Image.Image, list[dict[str, Any]]]:
    """A PNG of objects' numbers from 1, the surest above the others, and what each is; 0 is none of them."""
    from PIL import Image

    from ..charts.run_lengths import decoded

    ids = np.zeros((size[1], size[0]), np.uint16)
    listed = [row for row in rows if "mask" in row]
    told = [
        {"id": n, "label": row["label"], "probability": row.get("probability")}
        for n, row in enumerate(listed, 1)
    ]
    for number, row in reversed(list(enumerate(listed, 1))):
        ids[decoded(row["mask"])] = number
    if len(listed) >= MOST_IN_PALETTE:
        return Image.fromarray(ids), told
    return _indexed(ids.astype(np.uint8), len(listed) + 1, ground=True), told


def _indexed(values: NDArray[np.uint8], count: int, ground: bool = False) -> Image.Image:
    """Indices `HW` as a picture with a palette; with `ground`, 0 is black."""
    from PIL import Image

    from ..charts.tags import colour

    tones = [colour(n) for n in range(256)]
    tones = [(0, 0, 0), *tones][:256] if ground else tones
    image = Image.fromarray(values).convert("P")
    image.putpalette(
        [value for n, tone in enumerate(tones) for value in (tone if n < count else (255, 255, 255))]
    )
    return image
