"""foveal explain: which places of a picture a network's answer comes from."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..errors import DataError, OptionError, UnknownNameError
from ..explaining.explained import Explanation
from ..folders import claim_next, safe_stem
from ..values import Choice, Target
from .explain_files import PAGE, Writer, write_page
from .named import find_again, model_named
from .predict import find_pictures, loaded_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ..explaining import Explained, Wanted
    from ..explaining.given import Given
    from ..model import Model
    from ..records.run import Run

    Place: TypeAlias = str | os.PathLike[str]
    Picture: TypeAlias = Place | Image.Image
    Where: TypeAlias = Place | Sequence[float] | NDArray[np.bool_]

HOME = "explained"
"""Where folders of explanations are made, when no other place is given."""
DEFAULT, WITNESS = "gradcam", "occlusion"
OF_UNITS = ("occlusion", "integrated_gradients")
FEW = 4
"""Pictures up to which there is a witness beside the default method."""


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
    model: Model | Place, pictures: Picture | Iterable[Picture] | None = None, *,
    method: str | Sequence[str] | None = None, target: str | None = None, against: str | None = None,
    layer: str | None = None, unit: str | None = None, at: Where | None = None,
    baseline: str | Sequence[str] | None = None,
    also: Model | Place | None = None, errors: str | None = None, top: int = 3, verdict: bool = True,
    out: Place | None = None, device: str | None = None, data_at: Place | None = None, runs_dir: Place = "runs",
    progress: Callable[[int, int], None] | None = None,
) -> Explanations:  # fmt: skip
    """Show which places of pictures what a model says of them comes from, and how far that can be believed.

    Args:
        model: a model or its file, a run's folder (its best model) or its name in `runs_dir`, or a published network's.
        pictures: files, folders that are looked through with all their subfolders, and Pillow pictures. When not
            given, the run's most telling ones: its worst mistakes, surest hits and nearest calls.
        method: names of explainers, or `all`; when not given, `gradcam`, and `occlusion` where the pictures are few.
        target: the label whose score is explained; when not given, what the network says of each picture.
        against: a label to hold that against: both maps, and that of their scores' difference, under one scale.
        layer: the layer whose maps class activation methods draw; when not given, the last one that has places.
        unit: one of the network's units to explain instead, `LAYER:CHANNEL` or `LAYER:CHANNEL:ROW:COLUMN`.
        at: where detectors and segmentation are asked about the target: x, y or x0, y0, x1, y1 in the picture, or a
            mask of its size: a file whose white pixels count, or an array of truths `HW`.
        baseline: what integrated gradients are measured beside: `black`, `mean`, `blurred`, or several (default: all).
        also: a second model, or epoch, that explains what the first says of each picture too, under one scale.
        errors: a label whose mistakes in the run are explained and summed; `LABEL>SAID` for those taken for that.
        top: how many pictures of each kind, where none is given.
        verdict: measure how far each map can be believed; takes most of the time for few pictures.
        out: a folder for maps (.npy), overlays (.png), `explanations.json` and a page; without one nothing is written.
        data_at: where the run's own pictures are now, if they have moved; the run then knows it.
        runs_dir: where runs are looked for by name.
        progress: is told (maps of pictures done, maps in all).

    A map is float32 `HW` of the picture's own size, signed. A picture that cannot be read has a row with its `error`.

    Raises:
        DataError: a path that does not exist, or a run that has no judged pictures.
        ModelError: the model's file is damaged, foreign or newer than this Foveal.
        OptionError: an unknown method, label, layer or unit, or a method that is not defined for this network.
        DiskError: nothing can be written to `out`.
    """
    _check(top, also, errors)
    names = _methods(method)
    model, also = model_named(model, runs_dir), None if also is None else model_named(also, runs_dir)
    loaded = loaded_model(model, device, "explain")
    if data_at is not None:
        find_again(model, pictures, data_at, "explain")
    from ..explaining.aim import told_of

    aim = _aim(loaded, target, against, unit, at, also)
    given, chosen = _of_errors(model, errors, pictures, aim) if errors else _given(model, pictures, top, aim)
    wanted, choices = _wanted(loaded, names, aim, against or "", layer or "", given, verdict)
    wanted = dataclasses.replace(wanted, told=told_of(baseline, wanted.methods))
    where, keep = (None, None) if out is None else (Path(out), Writer(Path(out)))
    # what is summed stays in memory until it was
    found, name = _explained(model, loaded, also, device, given, wanted, None if errors else keep, progress)
    rows = Explanations(found.rows, where, [*chosen, *choices], found.notes, name)
    if errors:
        _with_sums(rows, loaded, given, errors, keep)
    write_page(rows)
    return rows


def _explained(
    model: Model | Place,
    loaded: Model,
    also: Model | Place | None,
    device: str | None,
    given: Sequence[Given],
    wanted: Wanted,
    keep: Writer | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[Explained, str]:
    """The explanations by the model, or by both, and what to call it, or both."""
    from .. import explaining
    from ..explaining.beside import explain_both

    name = _named(model, loaded)
    if also is None:
        return explaining.explain_pictures(loaded, given, wanted, keep=keep, progress=progress), name
    other = loaded_model(also, device, "explain")
    both = _apart(name, _named(also, other), model, also)
    found = explain_both((loaded, other), both, given, wanted, keep=keep, progress=progress)
    return found, " and ".join(both)


def _check(top: int, also: object, errors: str | None) -> None:
    """Refuse what does not go together."""
    if top < 1:
        raise OptionError(
            f"--top was given as {top!r}.", "--top takes a whole number from 1.", "Give another value."
        )
    if also is not None and errors is not None:
        raise OptionError(
            "--also and --errors were both given.",
            "Two models beside each other, or one model's mistakes summed.",
            "Leave one out.",
        )


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
    model: Model,
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
        names, why = _default(known, aim, layer, len(given), _alone(model))
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
        choices.append(Choice("target", "the network's own", _own_targets(given)))
    return explaining.Wanted(names, aim, against, layer, verdict, strict_), choices


def _own_targets(given: Sequence[Given]) -> str:
    """What is explained where nothing is named, in words."""
    if any(target.at for one in given for target in one.targets):
        return "of each picture the surest wrong object and the largest missed one, else the surest"
    if given and all(len(one.targets) == 1 and one.targets[0].against for one in given):
        return "what was said rather than what is true"
    both = "; for mistakes what is true as well, and the one rather than the other"
    return f"what it says of each picture{both if any(len(one.targets) > 1 for one in given) else ''}"


def _alone(model: Model) -> str:
    """Why a class activation map would say little of what the model says; nothing where it would say enough."""
    if hasattr(model.task, "explained"):
        return "a detector's head works on several maps, of which a class activation map would see one"
    return "" if model.labels else "the network makes a picture, and has no class whose map could be weighed"


def _default(
    known: Sequence[str], aim: Target | None, layer: str, pictures: int, alone: str
) -> tuple[tuple[str, ...], str]:
    if aim is not None and aim.layer:
        names = tuple(name for name in OF_UNITS if name in known) or ("gradient",)
        return names, "both work on the picture itself, wherever in the network the unit lies"
    if layer:
        return (DEFAULT,), "the layer's maps, weighted by what they do for the score"
    if alone and WITNESS in known:
        return (WITNESS,), f"{alone}; this works on the picture itself"
    if pictures <= FEW and WITNESS in known:
        return (DEFAULT, WITNESS), (
            "the last maps by what they do for the score, in one pass; and as a witness that needs no gradients what "
            "the score loses where a place is covered"
        )
    return (DEFAULT,), f"one pass a picture; {WITNESS} takes many, and is beside it for up to {FEW} pictures"


def _aim(
    model: Model,
    target: str | None,
    against: str | None,
    unit: str | None,
    at: Where | None,
    also: object,
) -> Target | None:
    """What is explained of all pictures, where something is named."""
    from ..explaining.aim import aim_of

    if at is not None and also is not None:
        raise OptionError(
            "--at and --also were both given.",
            "One model's answer at a place, or two models' answers for the whole picture.",
            "Leave one out.",
        )
    return aim_of(model, target, against, unit, at)


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


def _run_of(model: Model | Place, why: str, todo: str) -> Run:
    """The run that a model lies in.

    Raises:
        DataError: it lies in none.
    """
    from ..records.run import Run, is_run

    path = None if not isinstance(model, str | os.PathLike) else Path(model)
    folder = None if path is None else path if path.is_dir() else path.parent
    if folder is None or not is_run(folder):
        raise DataError(
            f"{why}, and the model does not lie in a run folder that knows its own.",
            "A run's folder as the model, or files and folders of pictures.",
            todo,
        )
    return Run.open(folder)


def _of_errors(
    model: Model | Place, errors: str, pictures: object, aim: Target | None
) -> tuple[list[Given], list[Choice]]:
    """The run's mistakes on pictures of one label."""
    from ..explaining.summed import errors_of

    if pictures not in (None, []) or aim is not None:
        raise OptionError(
            f"--errors {errors} was given with pictures, a target or a unit.",
            "A run's own mistakes, each explained as what was said rather than what is true.",
            "Leave one of them out.",
        )
    label, _, said = errors.partition(">")
    run = _run_of(model, "--errors was given", f"foveal explain RUN --errors {label}")
    labels = run.dataset.labels
    for name in filter(None, (label, said)):
        if name not in labels:
            raise UnknownNameError("label", name, labels)
    found = errors_of(run, label, said)
    for_what = f"taken for {said}" if said else "taken for another"
    return found, [
        Choice("pictures", f"{len(found)} of the run's own", f"those of {label} that were {for_what}")
    ]


def _with_sums(
    rows: Explanations, model: Model, given: Sequence[Given], errors: str, keep: Writer | None
) -> None:
    """The sums over mistakes before what they are sums of; all of it is written now."""
    from ..explaining.beside import by_picture
    from ..explaining.summed import summed

    pictures = by_picture(rows, given)
    found = [summed(model, given, list(rows), errors.partition(">")[0]), *pictures]
    if keep is not None:
        found = [keep(number, group) if group else group for number, group in enumerate(found, -1)]
    rows[:] = [row for group in found for row in group]


def _apart(first: str, second: str, model: Model | Place, also: Model | Place) -> tuple[str, str]:
    """Names that tell two models apart: those of their files, where the folders' are the same."""
    if first != second:
        return first, second
    files = [
        Path(m).stem if isinstance(m, str | os.PathLike) and Path(m).suffix else "best" for m in (model, also)
    ]
    return (
        f"{first} ({files[0]})",
        f"{second} ({files[1]})" if files[0] != files[1] else f"{second} (again)",
    )


def _of_run(model: Model | Place, top: int, aim: Target | None) -> tuple[list[Given], list[Choice]]:
    from ..explaining.telling import is_dense, telling

    run = _run_of(model, "No picture was given", "foveal explain MODEL picture.jpg folder")
    found = telling(run, top)
    if aim is not None:
        found = [dataclasses.replace(one, targets=()) for one in found]
    why = "the worst mistakes, the surest hits and the nearest calls"
    why = f"none was given: {'the worst and the best' if is_dense(run) else why}, {top} of each at most"
    return found, [Choice("pictures", f"{len(found)} of the run's own", why)]
