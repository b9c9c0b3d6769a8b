"""foveal explain: which places of a picture a network's answer comes from."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from ..errors import DataError, OptionError, UnknownNameError
from ..explained import Explanation, figure
from ..folders import claim_next, safe_stem
from ..storage import strict, write_whole
from ..values import Choice, Target
from .predict import find_pictures, loaded_model

if TYPE_CHECKING:
    from PIL import Image

    from ..explaining import Wanted
    from ..explaining.given import Given
    from ..model import Model

    Place: TypeAlias = str | os.PathLike[str]
    Picture: TypeAlias = Place | Image.Image

HOME = "explained"
"""Where folders of explanations are made, when no other place is given."""
PAGE, ROWS = "index.html", "explanations.json"
DEFAULT, WITNESS = "gradcam", "occlusion"
OF_UNITS = ("occlusion", "integrated_gradients")
FEW = 4
"""Pictures up to which there is a witness beside the default method."""
SHOWN = 60
"""Pictures that the page shows, and whose maps stay in memory after they were written."""


class Explanations(list[Explanation]):
    """Explanations in the pictures' order, those of one picture together; a notebook shows them as a page."""

    def __init__(
        self, rows: Iterable[Explanation] = (), out: Path | None = None, choices: Sequence[Choice] = (),
        notes: Sequence[str] = (), model: str = "",
    ) -> None:  # fmt: skip
        super().__init__(rows)
        self.out, self.choices, self.notes, self.model = out, tuple(choices), tuple(notes), model

    @property
    def page(self) -> Path | None:
        """The page that shows them, where they were written."""
        return None if self.out is None else self.out / PAGE

    def to_json(self) -> list[dict[str, Any]]:
        """One object a picture, method and target; `path` and `error` for a picture that cannot be read."""
        return [row.to_json() for row in self]

    def _repr_html_(self) -> str:
        from ..report.explain import page

        return page(self, self.model, self.choices, self.notes, whole=False)


def explain(
    model: Model | Place,
    pictures: Picture | Iterable[Picture] | None = None,
    *,
    method: str | Sequence[str] | None = None,
    target: str | None = None,
    against: str | None = None,
    layer: str | None = None,
    unit: str | None = None,
    top: int = 3,
    verdict: bool = True,
    out: Place | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Explanations:
    """Show which places of pictures what a model says of them comes from, and how far that can be believed.

    Args:
        model: a model, a model's file, a run's folder (its best model), or a network's name (as published).
        pictures: files, folders that are looked through with all their subfolders, and Pillow pictures. When not
            given, the run's most telling ones: its worst mistakes, surest hits and nearest calls.
        method: names of explainers, or `all`; when not given, `gradcam`, and `occlusion` where the pictures are few.
        target: the label whose score is explained; when not given, what the network says of each picture.
        against: a label to hold that against: the target's map, this label's, and that of the difference of their
            scores are made, and shown under one scale.
        layer: the layer whose maps class activation methods draw; when not given, the last one that has places.
        unit: one of the network's units to explain instead, `LAYER:CHANNEL` or `LAYER:CHANNEL:ROW:COLUMN`.
        top: how many pictures of each kind, where none is given.
        verdict: measure how far each map can be believed; takes most of the time for few pictures.
        out: a folder for maps (.npy), overlays (.png), `explanations.json` and a page; when not given, nothing is
            written, and all maps stay in memory.
        progress: is told (maps of pictures done, maps in all).

    A map is float32 `HW` of the picture's own size, signed. A picture that cannot be read has a row with its `error`.

    Raises:
        DataError: a path that does not exist, or a run that has no judged pictures.
        ModelError: the model's file is damaged, foreign or newer than this Foveal.
        OptionError: an unknown method, label, layer or unit, or a method that is not defined for this network.
        DiskError: nothing can be written to `out`.
    """
    from .. import explaining

    if top < 1:
        raise OptionError(
            f"--top was given as {top!r}.", "--top takes a whole number from 1.", "Give another value."
        )
    names = _methods(method)
    loaded = loaded_model(model, device, "explain")
    aim = _target(loaded, target, against, unit)
    given, chosen = _given(model, pictures, top, aim)
    wanted, choices = _wanted(names, aim, against or "", layer or "", given, verdict)
    where = None if out is None else Path(out)
    keep = None if where is None else _Writer(where)
    found = explaining.explain_pictures(loaded, given, wanted, keep=keep, progress=progress)
    rows = Explanations(found.rows, where, [*chosen, *choices], found.notes, _named(model, loaded))
    _write_page(rows)
    return rows


def new_folder(model: Place) -> Path:
    """A folder for explanations that no other has: `explained/<model>-<n>`."""
    return claim_next(Path(HOME), safe_stem(_stem(model)))


def _named(model: Model | Place, loaded: Model) -> str:
    """What to call the model: its run's, file's or network's name."""
    return _stem(model) if isinstance(model, str | os.PathLike) else str(loaded.card.architecture["name"])


def _stem(model: Place) -> str:
    path = Path(model)
    in_run = path.suffix == ".safetensors" and path.stem in ("best", "last") and path.parent.name
    return path.parent.name if in_run else path.name


# what is asked for


def _methods(method: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """The names of the methods asked for, each once."""
    from .. import explaining

    if method is None:
        return None
    known = explaining.explainers()
    words = method.split(",") if isinstance(method, str) else list(method)
    names = tuple(dict.fromkeys(word.strip().replace("-", "_").lower() for word in words if word.strip()))
    if names == ("all",):
        return names
    for name in names:
        if name not in known:
            raise UnknownNameError("method", name, (*known, "all"))
    if not names:
        raise OptionError(
            "--method was given without a name.", f"Known: {', '.join(known)}, all.", "Name one."
        )
    return names


def _wanted(
    names: tuple[str, ...] | None,
    aim: Target | None,
    against: str,
    layer: str,
    given: Sequence[Given],
    verdict: bool,
) -> tuple[Wanted, list[Choice]]:
    from .. import catalog, explaining

    known, choices, strict_ = explaining.explainers(), [], True
    if names is None:
        names, why = _default(known, aim, layer, len(given))
        choices.append(Choice("method", ", ".join(names), why))
        strict_ = False
    elif names == ("all",):
        names, strict_ = known, False
    drawing = [name for name in names if catalog.find("explainers", name).LAYER]
    if layer and not drawing:
        having = [name for name in known if catalog.find("explainers", name).LAYER]
        raise OptionError(
            f"--layer {layer} was given, and {', '.join(names)} {'draws' if len(names) == 1 else 'draw'} no layer.",
            f"Methods that draw a layer's maps: {', '.join(having)}.",
            "Add one of them with --method, or leave --layer out.",
        )
    if aim is None:
        both = "; for mistakes what is true as well, and the one rather than the other"
        why = f"what it says of each picture{both if any(len(one.targets) > 1 for one in given) else ''}"
        choices.append(Choice("target", "the network's own", why))
    return explaining.Wanted(names, aim, against, layer, verdict, strict_), choices


def _default(
    known: Sequence[str], aim: Target | None, layer: str, pictures: int
) -> tuple[tuple[str, ...], str]:
    if aim is not None and aim.layer:
        names = tuple(name for name in OF_UNITS if name in known) or ("gradient",)
        return names, "both work on the picture itself, wherever in the network the unit lies"
    if layer:
        return (DEFAULT,), "the layer's maps, weighted by what they do for the score"
    if pictures <= FEW and WITNESS in known:
        return (DEFAULT, WITNESS), (
            "the last maps by what they do for the score, in one pass; and as a witness that needs no gradients what "
            "the score loses where a place is covered"
        )
    return (DEFAULT,), f"one pass a picture; {WITNESS} takes many, and is beside it for up to {FEW} pictures"


def _target(model: Model, target: str | None, against: str | None, unit: str | None) -> Target | None:
    """The one target of all pictures, where one is given; labels are checked."""
    from ..explaining.given import explainable

    if unit is not None:
        if target is not None or against is not None:
            raise OptionError(
                "--unit was given with --target or --against.",
                "A label's score, or one unit of a layer.",
                "Leave one of them out.",
            )
        return _unit(unit)
    held = None if against is None else explainable(model.task).target(against)
    aim = None if target is None else explainable(model.task).target(target)
    if held is not None and (held == aim or len(model.labels) < 2):
        raise OptionError(
            f"--against {against} was given, which is the target itself.",
            f"Another of the model's labels: {', '.join(model.labels[:20])}.",
            "Name another label, or leave --against out.",
        )
    return aim


def _unit(words: str) -> Target:
    layer, *numbers = words.split(":")
    if layer and len(numbers) in (1, 3) and all(n.strip().isascii() and n.strip().isdigit() for n in numbers):
        channel, *cell = (int(n) for n in numbers)
        return Target(layer=layer, channel=channel, cell=(cell[0], cell[1]) if cell else None)
    raise OptionError(
        f"--unit was given as {words!r}.",
        "LAYER:CHANNEL for a channel's mean, LAYER:CHANNEL:ROW:COLUMN for one cell; counting begins at 0.",
        "For example --unit layer3:17, with a layer that foveal anatomy MODEL lists.",
    )


def _given(
    model: Model | Place, pictures: Picture | Iterable[Picture] | None, top: int, aim: Target | None
) -> tuple[list[Given], list[Choice]]:
    """The pictures, and what is to be said of their choice."""
    from ..explaining.given import Given

    if (
        pictures is not None
        and not isinstance(pictures, str | os.PathLike)
        and not hasattr(pictures, "getbands")
    ):
        pictures = list(pictures)
    if pictures is None or pictures == []:
        return _of_run(model, top, aim)
    one = isinstance(pictures, str | os.PathLike) or hasattr(pictures, "getbands")
    listed = cast("list[Picture]", [pictures] if one else pictures)
    found: list[Given] = []
    for picture in listed:
        if isinstance(picture, str | os.PathLike):
            found += [Given.file(path) for path in find_pictures([picture])]
        else:
            found.append(Given.image(picture))
    named = {one.path: one for one in found if one.path}
    return [*named.values(), *(one for one in found if not one.path)], []


def _of_run(model: Model | Place, top: int, aim: Target | None) -> tuple[list[Given], list[Choice]]:
    from ..explaining.telling import telling
    from ..run import Run, is_run

    path = None if not isinstance(model, str | os.PathLike) else Path(model)
    folder = None if path is None else path if path.is_dir() else path.parent
    if folder is None or not is_run(folder):
        raise DataError(
            "No picture was given, and the model does not lie in a run folder that knows its own.",
            "Files, and folders of pictures; or a run's folder as the model.",
            "foveal explain MODEL picture.jpg folder",
        )
    found = telling(Run.open(folder), top)
    if aim is not None:
        found = [dataclasses.replace(one, targets=()) for one in found]
    why = f"none was given: the worst mistakes, the surest hits and the nearest calls, {top} of each at most"
    return found, [Choice("pictures", f"{len(found)} of the run's own", why)]


# what is written


@dataclass(frozen=True)
class _Writer:
    """Writes a picture's maps and overlays."""

    out: Path

    def __call__(self, number: int, rows: list[Explanation]) -> list[Explanation]:
        if any(row.error is not None for row in rows):
            return rows
        stem = f"{number + 1:04}-{safe_stem(Path(rows[0].path).stem)[:60]}"
        made: list[Explanation] = []
        for method in dict.fromkeys(row.method for row in rows):
            group = [row for row in rows if row.method == method]
            name = f"{stem}-{method}"
            together = {} if len(group) == 1 else {"figure": self._picture(name, group)}
            for one in group:
                own = name if len(group) == 1 else f"{name}-{safe_stem(str(one.target))[:60]}"
                files = {"map": self._map(own, one), "overlay": self._picture(own, [one]), **together}
                row = dataclasses.replace(one, files=files)
                made.append(row if number < SHOWN else dataclasses.replace(row, pixels=None, cells=None))
        return made

    def _map(self, name: str, row: Explanation) -> str:
        file = io.BytesIO()
        np.save(file, row.map, allow_pickle=False)
        return self._written(f"{name}.npy", file)

    def _picture(self, name: str, rows: list[Explanation]) -> str:
        file = io.BytesIO()
        figure(rows).save(file, "PNG", compress_level=4)
        return self._written(f"{name}.png", file)

    def _written(self, name: str, file: io.BytesIO) -> str:
        path = self.out / name
        write_whole(path, file.getbuffer())
        return str(path)


def _write_page(rows: Explanations) -> None:
    """The page and the rows as JSON, where there is a folder for them."""
    from ..report.explain import page

    if rows.out is None:
        return
    text = json.dumps(strict(rows.to_json()), indent=1, allow_nan=False)
    write_whole(rows.out / ROWS, text.encode())
    html = page(rows, rows.model, rows.choices, rows.notes)
    write_whole(rows.out / PAGE, html.encode("utf-8", "xmlcharrefreplace"))
