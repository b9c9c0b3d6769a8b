"""What a model sees in pictures, and in folders of pictures."""

from __future__ import annotations

import csv as tables
import glob
import html
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, ModelError, OptionError
from ..folders import claim_next, safe_stem
from ..storage import write_whole
from ..values import Prediction, figure
from . import in_tiles
from .named import model_named
from .told import SURE, is_object
from .written import Writer, drawn, formats_of

if TYPE_CHECKING:
    from PIL import Image

    from ..model import Model

HOME = "predicted"
"""Where folders of predictions are made, when no other place is given."""
ROWS_SHOWN = 200  # in a notebook
COLUMNS = (
    *("path", "rank", "label", "probability", "present", "value", "low", "high"),
    *("x0", "y0", "x1", "y1", "share", "output"),
    *("none_of_these", "distance", "error"),
)
ALWAYS = ("path", "rank", "label", "probability", "error")  # of COLUMNS; the others where a task says them
LARGE = ("mask", "picture")
"""What a table has no room for."""
TOGETHER = 32
"""Pictures computed at once, and then written."""


class Predictions(list[Prediction]):
    """Predictions in the pictures' order; a notebook shows them as a table. `labels` are the model's; `out` is the
    folder that they were written to, and `page` its page, where they were."""

    def __init__(
        self, found: Iterable[Prediction] = (), labels: Sequence[str] = (), out: Path | None = None,
        page: Path | None = None,
    ) -> None:  # fmt: skip
        super().__init__(found)
        self.labels, self.out, self.page = tuple(labels), out, page

    def draw(self, place: int = 0, *, min_probability: float = SURE) -> Image.Image:
        """The picture at a place of the list with what was said of it: boxes, masks, classes, words below.

        Raises:
            DataError: it could not be read.
        """
        from ..data.decoding import open_path

        one = self[place]
        return drawn(open_path(one.path, 3), one.predictions, self.labels, min_probability)

    def to_json(self) -> list[dict[str, Any]]:
        """One object a picture: `path` and `predictions`, or `path` and `error`."""
        return [prediction.to_json() for prediction in self]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row a prediction of a picture, best first; one with `error` where there is none."""
        for found in self:
            if found.error is not None:
                yield {"path": found.path, "error": found.error}
            for rank, guess in enumerate(found.predictions, 1):
                yield {"path": found.path, "rank": rank, **_plain(guess), **found.trust()}

    def columns(self) -> tuple[str, ...]:
        """The names of what `rows` hold, in their order: `x0` to `y1` of boxes; masks and pictures are left out."""
        said = dict.fromkeys(
            name for found in self for guess in found.predictions for name in (*_plain(guess), *found.trust())
        )
        if not said:
            return ALWAYS
        own = [name for name in COLUMNS if name in {*said, "path", "rank", "error"}]
        return (*own[:-1], *(name for name in said if name not in COLUMNS), own[-1])

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `rows` as a CSV file in UTF-8.

        Raises:
            DiskError: the file cannot be written.
        """
        text = io.StringIO()
        columns = self.columns()
        writer = tables.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        write_whole(path, text.getvalue().encode("utf-8", errors="backslashreplace"))

    def _repr_html_(self) -> str:
        lines = []
        columns = [name for name in self.columns() if name not in ("path", "rank")]
        for number, row in enumerate(self.rows()):
            if number == ROWS_SHOWN:
                lines.append(f"<tr><td colspan={len(columns) + 1}>... {len(self)} pictures in all</td></tr>")
                break
            path = row["path"] if row.get("rank", 1) == 1 else ""
            cells = [path, *(_cell(row.get(name)) for name in columns)]
            lines.append("<tr>" + "".join(f"<td>{_html(cell)}</td>" for cell in cells) + "</tr>")
        names = ["picture", *("" if name == "error" else name for name in columns)]
        head = "<tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"
        return f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"


def predict(
    model: Model | str | os.PathLike[str],
    pictures: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *,
    top: int = 5, batch: int | None = None, device: str | None = None,
    csv: str | os.PathLike[str] | None = None, views: int | None = None, tiles: int | None = None,
    out: str | os.PathLike[str] | Callable[[], Path] | None = None, format: str | Sequence[str] | None = None,
    min_probability: float | None = None, runs_dir: str | os.PathLike[str] = "runs",
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:  # fmt: skip
    """What the model says of pictures: for each the `top` labels, most probable first, and all that a model of several
    labels calls present; a number; all objects with boxes and masks; all classes with masks; the picture made of it.

    Args:
        model: a model or its file, a run's folder (its best model) or its name in `runs_dir`, or a published network's.
        pictures: files, and folders that are looked through with all their subfolders, in the order of their names.
        batch: pictures computed together.
        csv: also write the rows to this file.
        views: how often each picture is looked at (`structure.views`); when not given, as when the run was judged.
        tiles: see pictures larger than this (pixels) in overlapping tiles of their own pixels as well (`in_tiles`).
        out: a folder for drawn pictures, pictures that were made, and a page (`verbs.written`); nothing that is there
            is written over. A function is asked for a folder once something must be written: pictures that were
            made, or a `format`. When not given, a `format` goes to a new folder `predicted/MODEL-N`, and pictures
            that were made are in the rows (`picture`, Pillow's).
        format: what is written: `drawn`, `coco`, `voc`, `yolo` and `masks`, with commas between.
        min_probability: leave out objects less probable than this. When not given, all are in the rows and in COCO's
            file, which tells probabilities, and those from 0.5 in the other formats.
        runs_dir: where runs are looked for by name.
        progress: is told (pictures done, pictures in all).

    Boxes are x0, y0, x1, y1 in the picture's own pixels, masks COCO's compressed run lengths. A picture that cannot be
    read is in the list, with its reason as `error`.

    Raises:
        DataError: a path that does not exist, or a folder without pictures.
        ModelError: the model's file is damaged, foreign or newer than this Foveal.
        OptionError: a format that there is not, or that cannot hold what this model says; tiles for another task.
        DiskError: nothing can be written to `out`.
    """
    _check(top, batch, min_probability)
    asked = formats_of(format)
    model = model_named(model, runs_dir)
    network = _looking(loaded_model(model, device, "predict"), views, tiles)
    bases = _bases([pictures] if isinstance(pictures, str | os.PathLike) else list(pictures))
    writer = _writer(model, network, out, asked, bases, min_probability)
    results = Predictions(labels=network.labels)
    for one in _said(network, list(bases), batch or TOGETHER, tiles):
        kept = replace(one, predictions=_best(one.predictions, top, min_probability))
        results.append(kept if writer is None else writer.keep(kept))
        if progress is not None:
            progress(len(results), len(bases))
    if writer is not None:
        writer.finish()
        results.out, results.page = writer.folder, writer.page
    if csv is not None:
        results.to_csv(csv)
    return results


def _check(top: int, batch: int | None, least: float | None) -> None:
    for name, value in (("--top", top), ("--batch", batch)):
        if value is not None and value < 1:
            raise OptionError(
                f"{name} was given as {value!r}.",
                f"{name} takes a whole number from 1.",
                "Give another value.",
            )
    if least is not None and not 0 <= least <= 1:
        raise OptionError(
            f"--min-probability was given as {least!r}.", "A number from 0 to 1.", "Give another value."
        )


def _said(model: Model, paths: Sequence[str], batch: int, tiles: int | None) -> Iterator[Prediction]:
    """What the model says of each picture; so many are computed, and in memory, at a time."""
    if tiles is not None:
        yield from (in_tiles.seen(model, path, tiles, batch) for path in paths)
        return
    for start in range(0, len(paths), batch):
        yield from model.predict(paths[start : start + batch], batch=batch)


def new_folder(model: Model | str | os.PathLike[str]) -> Path:
    """A folder for predictions that no other has: `predicted/<model>-<n>`."""
    return claim_next(Path(HOME), safe_stem(called(model)))


def called(model: Model | str | os.PathLike[str]) -> str:
    """What to call the model: its run's, file's or network's name."""
    if not isinstance(model, str | os.PathLike):
        return str(model.card.architecture["name"])
    path = Path(model)
    in_run = path.suffix == ".safetensors" and path.stem in ("best", "last") and path.parent.name
    return path.parent.name if in_run else path.stem if path.suffix == ".safetensors" else path.name


def _writer(
    model: Model | str | os.PathLike[str], network: Model, out: str | os.PathLike[str] | Callable[[], Path] | None,
    asked: tuple[str, ...], bases: dict[str, str], least: float | None,
) -> Writer | None:  # fmt: skip
    """What writes the predictions, where anything is to be written."""
    if out is None and not asked:
        return None
    given = isinstance(out, str | os.PathLike)
    folder = Path(out) if isinstance(out, str | os.PathLike) else None
    place = out if callable(out) else lambda: new_folder(model) if folder is None else folder
    title = f"What {called(model)} says"
    return Writer(place, network.labels, asked, default=given, bases=bases, least=least, title=title)


def _best(predictions: list[dict[str, Any]], top: int, least: float | None = None) -> list[dict[str, Any]]:
    """The first `top`, whatever else is present, all classes of a map, and all objects that are probable enough."""
    return [guess for rank, guess in enumerate(predictions) if _counts(guess, rank, top, least)]


def _counts(guess: dict[str, Any], rank: int, top: int, least: float | None) -> bool:
    if is_object(guess):
        return least is None or guess.get("probability", 1.0) >= least
    return rank < top or "share" in guess or bool(guess.get("present"))


def _plain(guess: dict[str, Any]) -> dict[str, Any]:
    """A prediction as cells of a table."""
    # an error that a task says is a number, not why a picture cannot be read
    found = {
        "squared_error" if name == "error" else name: value
        for name, value in guess.items()
        if name not in (*LARGE, "box")
    }
    return found | dict(zip(("x0", "y0", "x1", "y1"), guess.get("box", ()), strict=False))


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return figure(value) if isinstance(value, float) else "" if value is None else value


def loaded_model(model: Model | str | os.PathLike[str], device: str | None, verb: str) -> Model:
    """The model itself, of a file or run folder, or as published under a name; on the device, where one is asked for.

    Raises:
        ModelError, OptionError: there is no such model or device; `verb` is what to call for a picture that stands
            in the model's place, as the order of the two is easily mistaken.
    """
    from ..machine import device as devices
    from ..model import Model as Kind
    from ..plan.published import model_of

    if isinstance(model, Kind):
        if device is not None:
            model.network.to(devices.choose(device)[0])
        return model
    if Path(model).suffix.lower() in _suffixes() and Path(model).is_file():
        raise ModelError(
            f"{model} is a picture, where the model belongs.",
            "A model's file, a run's folder or a network's name; then the pictures.",
            f"foveal {verb} MODEL {model}",
        )
    return model_of(model, devices.choose(device)[0])


def _looking(model: Model, views: int | None, tiles: int | None) -> Model:
    """The model with a network that looks at each picture so often (None: as often as when the run was judged).

    Raises:
        OptionError: tiles that mean nothing to it.
    """
    from ..structure.views import Views

    if tiles is not None:
        in_tiles.check(tiles, model.task.name)
    looks = model.preprocessing.views if views is None else views
    return model if looks == 1 else replace(model, network=Views(model.network, looks))


def find_pictures(given: Iterable[str | os.PathLike[str]]) -> list[str]:
    """The files given, and the picture files in the folders given, each once and in stable order; see `_bases`."""
    return list(_bases(given))


def _bases(given: Iterable[str | os.PathLike[str]]) -> dict[str, str]:
    """The files given, and the picture files in the folders given, each once and in stable order; and what each is
    called: its name, or its path in the folder.

    Hidden files are passed over. A pattern (`*.jpg`) that the shell left as it is, is expanded.

    Raises:
        DataError: nothing was given, a path does not exist, or nothing was found.
    """
    found: dict[str, str] = {}
    names = [os.fspath(name) for name in given]
    if not names:
        raise DataError(
            "No picture was given.",
            "Files, and folders of pictures.",
            "foveal predict MODEL picture.jpg folder",
        )
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = list(_walk(path))
            if not inside:
                raise DataError(
                    f"No picture was found in {name}.",
                    f"A folder that holds, at any depth, files ending in {', '.join(sorted(_suffixes()))}.",
                    "Give another folder, or name the files: those are read whatever they are called.",
                )
            found.update({one: os.path.relpath(one, name) for one in inside if one not in found})
        elif path.exists():
            found.setdefault(name, path.name)
        elif any(char in name for char in "*?[") and (matched := sorted(glob.glob(name, recursive=True))):
            found.update({one: base for one, base in _bases(matched).items() if one not in found})
        else:
            raise DataError(
                f"There is no picture and no folder at {name}.",
                "Paths of files or folders that exist.",
                f"See what is there, for instance in {path.parent.resolve()}.",
            )
    return found


def _walk(folder: Path) -> Iterator[str]:
    suffixes = _suffixes()
    for place, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield os.path.join(place, name)


def _unreadable(error: OSError) -> None:
    raise DataError(
        f"The folder {error.filename} cannot be read: {error.strerror}.",
        "Folders that you may read.",
        "Change its permissions, or name the other folders themselves.",
    )


def _suffixes() -> frozenset[str]:
    """How the names of files end that hold pictures of pixels."""
    from PIL import Image

    from ..data.decoding import FORMATS

    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS)


def _html(cell: object) -> str:
    return html.escape(str(cell).encode("utf-8", errors="backslashreplace").decode())
