"""Predictions as files: drawn on the pictures, pictures that were made, and the field's formats for labels.

What a folder of predictions holds: `drawn/` and `pictures/` (what the network made of each), `voc/` (an XML file a
picture), `yolo/` (`labels/`, a text file a picture, and `data.yaml`), `masks/` (PNG files of class indices, or of the
numbers of objects), `coco.json`, and `index.html`. Below each folder pictures lie as they lay where they were found. A
name that is taken gets a number; nothing is written over.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FovealError, OptionError
from ..storage import strict, write_whole
from ..values import Prediction
from . import formats
from .told import SURE, above, is_object, told

if TYPE_CHECKING:
    from PIL import Image

    from ..report.predicted import Entry

FORMATS = ("drawn", "coco", "voc", "yolo", "masks")
NEEDS = {"coco": ("box", "mask"), "voc": ("box",), "yolo": ("box",), "masks": ("mask",)}
"""What predictions must hold, one of these, to be written in a format."""
QUALITY = 92
PAGE, COCO = "index.html", "coco.json"
BUDGET = 8_000_000
"""Bytes of pictures that the page holds; those beyond are linked."""


def formats_of(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """The formats asked for, each once.

    Raises:
        OptionError: one that there is not.
    """
    if given is None:
        return ()
    words = given.split(",") if isinstance(given, str) else list(given)
    names = tuple(dict.fromkeys(word.strip().lower() for word in words if word.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise OptionError(
            f"--format was given as {given!r}.", f"Formats, with commas between: {', '.join(FORMATS)}.",
            "Name one or several of these.",
        )  # fmt: skip
    return names


def drawn(
    image: Image.Image,
    rows: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    least: float = SURE,
    *,
    most: int | None = None,
    legend: bool = True,
) -> Image.Image:
    """The picture with what is said of it on it, or below it where it is said of the whole; at most so many pixels
    wide and high, and perhaps without the words below it."""
    from ..charts import on_picture

    if any("picture" in row for row in rows):
        made = next(row["picture"] for row in rows if "picture" in row)
        names = [f"as given, {image.width} x {image.height}", f"made of it, {made.width} x {made.height}"]
        return on_picture.side_by_side(
            list(zip(names, (image, made), strict=True)), words=[told(rows, least)]
        )
    if any(is_object(row) for row in rows):
        shown = above(rows, least)
        words = () if shown or not legend else [told(rows, least)]
        return on_picture.objects(image, shown, (), labels, words=words, most=most, legend=legend)
    if any("mask" in row for row in rows):
        return on_picture.classes(image, rows, labels, most=most, legend=legend)
    words = [told([row], least) for row in rows[:3]] or ["nothing found"]
    return on_picture.captioned(image, words if legend else (), most=most)


class Writer:
    """Writes predictions as they come, a picture at a time; `finish` writes what is of all of them.

    `place` is asked for the folder when there is something to write. `bases` is, for pictures that were found in a
    folder that was given, their path in it.
    """

    def __init__(
        self, place: Callable[[], Path], labels: Sequence[str], asked: Sequence[str], *, default: bool,
        bases: Mapping[str, str] | None = None, least: float | None = None, title: str = "",
    ) -> None:  # fmt: skip
        self.place, self.labels, self.asked = place, tuple(labels), tuple(asked)
        self.default, self.bases, self.title = default, bases or {}, title
        self.least = SURE if least is None else least
        self.folder: Path | None = None
        self.page: Path | None = None
        self.entries: list[Entry] = []
        self._spent, self._checked = 0, False
        self._taken: set[str] = set()
        self._coco, self._coco_file = formats.Coco(self.labels), Path(COCO)
        self._ids: dict[str, list[dict[str, Any]]] = {}
        self._classes = False

    def keep(self, found: Prediction) -> Prediction:
        """Write one picture's predictions; says where they are.

        Raises:
            OptionError: predictions of this kind cannot be written in a format asked for.
            DiskError: there is no space, or no permission.
        """
        from ..data.decoding import open_path

        if found.error is not None:
            return found
        pictures = any("picture" in row for row in found.predictions)
        wanted = self.asked or (("drawn",) if self.default and not pictures else ())
        if not wanted and not pictures:
            return found
        self._check(found.predictions)
        self._begin()
        try:
            image = open_path(found.path, 3)
        except FovealError as error:  # it was there a moment ago
            return Prediction(found.path, error=error.came)
        stem = self._stem(found.path, [*wanted, *(["pictures"] if pictures else [])])
        files = {kind: str(self._one(kind, stem, found, image)) for kind in wanted}
        rows = [self._picture(stem, row, n) for n, row in enumerate(found.predictions)]
        if "drawn" in files or pictures:
            self._enter(found, rows, image, files)
        return dataclasses.replace(found, predictions=rows, files={**found.files, **files})

    def finish(self) -> None:
        """Write what is of all pictures: COCO's file, lists of classes, the page."""
        from ..report.predicted import page

        if self.folder is None:
            if not self.asked:
                return
            self._begin()
        if "coco" in self.asked:
            self._text(self._coco_file, json.dumps(strict(self._coco.document()), allow_nan=False))
        if "yolo" in self.asked:
            self._text(self._free("yolo/data.yaml"), formats.yolo_yaml(self.labels))
        if self._classes:
            self._text(self._free("masks/classes.txt"), "".join(f"{label}\n" for label in self.labels))
        if self._ids:
            self._text(self._free("masks/objects.json"), json.dumps(strict(self._ids), indent=1))
        if self.entries:
            self.page = self._free(PAGE)
            self._text(self.page, page(self.entries, self.title))

    def _begin(self) -> None:
        """Ask for the folder, where that was not done before."""
        if self.folder is None:
            self.folder = self.place()
            self._coco_file = self._free(COCO)

    def _check(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Refuse formats that cannot hold predictions of this kind, once the first are there."""
        if self._checked or not rows:
            return
        self._checked = True
        for name in self.asked:
            needs = NEEDS.get(name)
            if needs and not any(key in row for row in rows for key in needs):
                fit = [
                    n for n in FORMATS if n not in NEEDS or any(k in row for row in rows for k in NEEDS[n])
                ]
                raise OptionError(
                    f"--format {name} was given, and this model's predictions have no {' and no '.join(needs)}.",
                    f"Formats for what it says: {', '.join(fit)}.",
                    "Choose another --format, or another model.",
                )

    def _one(self, kind: str, stem: str, found: Prediction, image: Image.Image) -> Path:
        """Write a picture's predictions in one format; returns the file."""
        assert self.folder is not None
        sure, size = above(found.predictions, self.least), image.size
        if kind == "drawn":
            made = drawn(image, found.predictions, self.labels, self.least)
            return self._image(
                f"drawn/{stem}", made, jpeg=Path(found.path).suffix.lower() in (".jpg", ".jpeg")
            )
        if kind == "coco":
            self._coco.add(_seen_from(self.folder, found.path), size, found.predictions)
            return self._coco_file
        if kind == "voc":
            path = self.folder / f"voc/{stem}.xml"
            write_whole(path, formats.voc_xml(found.path, size, sure))
            return path
        if kind == "yolo":
            path = self.folder / f"yolo/labels/{stem}.txt"
            return self._text(path, formats.yolo_text(sure, size, self.labels))
        return self._masks(stem, found.predictions, sure, size)

    def _masks(
        self,
        stem: str,
        rows: Sequence[Mapping[str, Any]],
        sure: Sequence[Mapping[str, Any]],
        size: tuple[int, int],
    ) -> Path:
        if not any(map(is_object, rows)) and rows:
            self._classes = True
            return self._image(f"masks/{stem}", formats.class_mask(rows, self.labels, size))
        ids, listed = formats.object_mask(sure, size)
        self._ids[f"{stem}.png"] = listed
        return self._image(f"masks/{stem}", ids)

    def _picture(self, stem: str, row: dict[str, Any], rank: int) -> dict[str, Any]:
        """A row whose picture, where it has one, is in a file."""
        if "picture" not in row:
            return row
        path = self._image(f"pictures/{stem}" + (f"-{rank + 1}" if rank else ""), row["picture"])
        return {**{k: v for k, v in row.items() if k != "picture"}, "output": str(path)}

    def _enter(
        self,
        found: Prediction,
        rows: Sequence[Mapping[str, Any]],
        image: Image.Image,
        files: Mapping[str, str],
    ) -> None:
        """The picture's place on the page."""
        from ..report.predicted import SIDE, entry

        assert self.folder is not None
        output = next((row["output"] for row in rows if "output" in row), None)
        made = next((row["picture"] for row in found.predictions if "picture" in row), None)
        target = output or files.get("drawn", "")
        shown = None
        if self._spent < BUDGET:
            shown = made or drawn(image, found.predictions, self.labels, self.least, most=SIDE, legend=False)
        words = _words(image, made, told(found.predictions, self.least))
        before = image if made is not None and shown is not None else None
        added = entry(found.path, words, _seen_from(self.folder, target), shown, before)
        self._spent += added.bytes
        self.entries.append(added)

    def _stem(self, path: str, kinds: Sequence[str]) -> str:
        """Where below the folders of these kinds a picture's files lie, without a suffix: as where it was found."""
        base = Path(self.bases.get(path, Path(path).name)).with_suffix("").as_posix()
        for number in itertools.count(1):
            stem = base if number == 1 else f"{base}-{number}"
            if stem not in self._taken and not any(self._exists(kind, stem) for kind in kinds):
                break
        self._taken.add(stem)
        return stem

    def _exists(self, kind: str, stem: str) -> bool:
        assert self.folder is not None
        below = {"yolo": "yolo/labels"}.get(kind, kind)
        return any(
            (self.folder / below / f"{stem}{end}").exists() for end in (".png", ".jpg", ".xml", ".txt")
        )

    def _free(self, name: str) -> Path:
        assert self.folder is not None
        path = self.folder / name
        for number in itertools.count(2):
            if not path.exists():
                break
            path = (self.folder / name).with_stem(f"{Path(name).stem}-{number}")
        return path

    def _image(self, name: str, image: Image.Image, *, jpeg: bool = False) -> Path:
        assert self.folder is not None
        file, path = io.BytesIO(), self.folder / f"{name}{'.jpg' if jpeg else '.png'}"
        if jpeg:
            image.save(file, "JPEG", quality=QUALITY, subsampling=0)
        else:
            image.save(file, "PNG", compress_level=4)
        write_whole(path, file.getbuffer())
        return path

    def _text(self, path: Path, text: str) -> Path:
        write_whole(path, text.encode("utf-8", errors="backslashreplace"))
        return path


def _words(image: Image.Image, made: Image.Image | None, said: str) -> str:
    """What is said of a picture; of one that was made, how large both are too."""
    if made is None:
        return said
    sides = f"{image.width} x {image.height} pixels, made {made.width} x {made.height}"
    return sides if said == "a picture" else f"{said}; {sides}"


def _seen_from(folder: Path, path: str) -> str:
    """A path as it is written in a file in `folder`; whole where it lies on another drive."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return Path(path).resolve().as_posix()
