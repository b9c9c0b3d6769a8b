"""What a model sees in pictures, and in folders of pictures."""

from __future__ import annotations

import csv as tables
import glob
import html
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, ModelError, OptionError
from ..storage import write_whole
from ..values import Prediction, figure

if TYPE_CHECKING:
    from ..model import Model

ROWS_SHOWN = 200  # in a notebook
COLUMNS = (
    *("path", "rank", "label", "probability", "present", "value", "low", "high"),
    *("none_of_these", "distance", "error"),
)
ALWAYS = ("path", "rank", "label", "probability", "error")  # of COLUMNS; the others where a task says them


class Predictions(list[Prediction]):
    """Predictions in the pictures' order; a notebook shows them as a table."""

    def to_json(self) -> list[dict[str, Any]]:
        """One object a picture: `path` and `predictions`, or `path` and `error`."""
        return [prediction.to_json() for prediction in self]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row a prediction of a picture, best first; one with `error` where there is none."""
        for found in self:
            if found.error is not None:
                yield {"path": found.path, "error": found.error}
            for rank, guess in enumerate(found.predictions, 1):
                yield {"path": found.path, "rank": rank, **guess, **found.trust()}

    def columns(self) -> tuple[str, ...]:
        """The names of what `rows` hold, in their order."""
        said = {name for found in self for guess in found.predictions for name in (*guess, *found.trust())}
        if not said:
            return ALWAYS
        return tuple(name for name in COLUMNS if name in said | {"path", "rank", "error"})

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
    pictures: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    top: int = 5,
    batch: int | None = None,
    device: str | None = None,
    csv: str | os.PathLike[str] | None = None,
    views: int | None = None,
) -> Predictions:
    """What the model says of pictures: for each the `top` labels, most probable first, and all that a
    model of several labels calls present; or the one number of a model of numbers.

    Args:
        model: a model, a model's file, a run's folder (its best model), or a network's name (as published).
        pictures: files, and folders that are looked through with all their subfolders, in the
            order of their names.
        batch: pictures computed together.
        csv: also write the rows to this file.
        views: how often each picture is looked at, see `foveal.structure.views.Views`; when not given, as
            often as when the run was judged.

    A picture that cannot be read is in the list, with its reason as `error`.

    Raises:
        DataError: a path that does not exist, or a folder without pictures.
        ModelError: the model's file is damaged, foreign or newer than this Foveal.
    """
    for name, value in (("--top", top), ("--batch", batch)):
        if value is not None and value < 1:
            raise OptionError(
                f"{name} was given as {value!r}.",
                f"{name} takes a whole number from 1.",
                "Give another value.",
            )
    network = loaded_model(model, device, "predict")
    found = find_pictures([pictures] if isinstance(pictures, str | os.PathLike) else pictures)
    views = network.preprocessing.views if views is None else views
    if views != 1:
        network = _looking(network, views)
    more = {} if batch is None else {"batch": batch}
    said = network.predict(found, **more)
    results = Predictions(replace(one, predictions=_best(one.predictions, top)) for one in said)
    if csv is not None:
        results.to_csv(csv)
    return results


def _best(predictions: list[dict[str, Any]], top: int) -> list[dict[str, Any]]:
    """The first `top`, and whatever else is present."""
    return [guess for rank, guess in enumerate(predictions) if rank < top or guess.get("present")]


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
    from .. import device as devices
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


def _looking(model: Model, views: int) -> Model:
    """The model with a network that looks at each picture so often."""
    from ..structure.views import Views

    return replace(model, network=Views(model.network, views))


def find_pictures(given: Iterable[str | os.PathLike[str]]) -> list[str]:
    """The files given, and the picture files in the folders given, each once and in stable order.

    Hidden files are passed over. A pattern (`*.jpg`) that the shell left as it is, is expanded.

    Raises:
        DataError: nothing was given, a path does not exist, or nothing was found.
    """
    found: dict[str, None] = {}
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
            found.update(dict.fromkeys(inside))
        elif path.exists():
            found[name] = None
        elif any(char in name for char in "*?[") and (matched := sorted(glob.glob(name, recursive=True))):
            found.update(dict.fromkeys(find_pictures(matched)))
        else:
            raise DataError(
                f"There is no picture and no folder at {name}.",
                "Paths of files or folders that exist.",
                f"See what is there, for instance in {path.parent.resolve()}.",
            )
    return list(found)


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
