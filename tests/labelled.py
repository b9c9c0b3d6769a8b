"""Pictures with objects, written as COCO, Pascal VOC and YOLO have them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image

Objects = Mapping[str, Sequence[Mapping[str, Any]]]
"""File name -> its objects, as `foveal.data.objects` has them: label, box, perhaps polygons, crowd, ignore."""

SIZE = (64, 48)
SHOWN: Objects = {
    "1.png": [
        {"label": "cat", "box": [4.0, 6.0, 20.0, 30.0]},
        {"label": "dog", "box": [30.0, 2.0, 60.0, 40.0]},
    ],
    "2.png": [{"label": "dog", "box": [0.0, 0.0, 64.0, 48.0]}],
    "3.png": [],
}


def labelled(reader: str, root: Path, shown: Objects = SHOWN, size: tuple[int, int] = SIZE) -> Path:
    """A small data set of this layout; returns its folder."""
    {"coco": coco, "voc": voc, "yolo": yolo}[reader](root, shown, size)
    return root


def draw(folder: Path, names: Sequence[str], size: tuple[int, int] = SIZE) -> None:
    """Plain pictures, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", size, (number % 256, number // 256, 40)).save(folder / name)


def coco(
    root: Path, shown: Objects, size: tuple[int, int] = SIZE, file: str = "labels.json"
) -> dict[str, Any]:
    """images/ and a JSON file; class numbers have gaps, and one class is not used. Returns what was written."""
    draw(root / "images", list(shown), size)
    labels = sorted({one["label"] for objects in shown.values() for one in objects})
    told = {
        "images": [
            {"id": 7 * n + 3, "file_name": name, "width": size[0], "height": size[1]}
            for n, name in enumerate(shown)
        ],
        "categories": [{"id": 10 * n + 1, "name": label} for n, label in enumerate(labels)],
        "annotations": [
            annotation(7 * n + 3, 10 * labels.index(one["label"]) + 1, one)
            for n, objects in enumerate(shown.values())
            for one in objects
        ],
    }
    for number, one in enumerate(told["annotations"]):
        one["id"] = number + 1
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(json.dumps(told))
    return told


def annotation(image: int, category: int, one: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "image_id": image,
        "category_id": category,
        "iscrowd": int(one.get("crowd", False)),
    }
    if "box" in one:
        x0, y0, x1, y1 = one["box"]
        made["bbox"] = [x0, y0, x1 - x0, y1 - y0]
    if "polygons" in one or "rle" in one:
        made["segmentation"] = one.get("polygons") or one["rle"]
    if "area" in one:
        made["area"] = one["area"]
    return made


def voc(root: Path, shown: Objects, size: tuple[int, int] = SIZE) -> None:
    """Annotations/ and JPEGImages/; pictures are PNG all the same."""
    draw(root / "JPEGImages", list(shown), size)
    for name, objects in shown.items():
        xml(root / "Annotations" / Path(name).with_suffix(".xml"), name, objects, size)


def xml(file: Path, name: str, objects: Sequence[Mapping[str, Any]], size: tuple[int, int] = SIZE) -> None:
    """One XML file: pixels counted from 1, the last one included."""
    rows = [
        f"<object><name>{escape(one['label'])}</name><difficult>{int(one.get('ignore', False))}</difficult>\n<bndbox>"
        + "".join(
            f"<{k}>{value:g}</{k}>"
            for k, value in zip(
                ("xmin", "ymin", "xmax", "ymax"),
                (one["box"][0] + 1, one["box"][1] + 1, one["box"][2], one["box"][3]),
                strict=True,
            )
        )
        + "</bndbox></object>\n"
        for one in objects
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    text = f"<annotation>\n<filename>{name}</filename>\n{sides}\n{''.join(rows)}</annotation>\n"
    file.write_text(text, encoding="utf-8")


def yolo(root: Path, shown: Objects, size: tuple[int, int] = SIZE, part: str = "train") -> list[str]:
    """images/PART and labels/PART with data.yaml beside; returns the names of the classes."""
    draw(root / "images" / part, list(shown), size)
    labels = sorted({one["label"] for objects in shown.values() for one in objects})
    folder = root / "labels" / part
    folder.mkdir(parents=True, exist_ok=True)
    for name, objects in shown.items():
        lines = [line(labels.index(one["label"]), one, size) for one in objects]
        (folder / name).with_suffix(".txt").write_text("\n".join(lines))
    (root / "data.yaml").write_text(f"train: images/{part}\nnames: {json.dumps(labels)}\n", encoding="utf-8")
    return labels


def line(number: int, one: Mapping[str, Any], size: tuple[int, int]) -> str:
    if "polygons" in one:
        values = [value / size[place % 2] for place, value in enumerate(one["polygons"][0])]
    else:
        x0, y0, x1, y1 = one["box"]
        values = [(x0 + x1) / 2 / size[0], (y0 + y1) / 2 / size[1], (x1 - x0) / size[0], (y1 - y0) / size[1]]
    return " ".join([str(number), *(f"{value:.8f}" for value in values)])
