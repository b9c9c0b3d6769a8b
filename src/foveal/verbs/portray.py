"""foveal explain maximize, examples, ..., latent: what a network has learned, for no one picture."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, OptionError, writing
from ..storage import strict, write_whole
from .named import model_named, run_of
from .predict import find_pictures

if TYPE_CHECKING:
    from ..contracts import Portrayal
    from ..explaining.given import Given
    from ..explaining.goals import Mix
    from ..model import Model
    from ..structure.subject import Subject

    Place = str | os.PathLike[str]

PICTURE, ROWS, PAGE = "portrait.png", "portrait.json", "index.html"
START = "start"
"""What `before` calls the run's own model as its training began."""
NEEDS_DATA = ("examples", "space", "latent")


@dataclass(frozen=True)
class Portrayed:
    """A portrait, what its method does not say, and where it was written."""

    kind: str
    portrait: Portrayal
    cannot: str
    source: str
    files: dict[str, str] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "says": [*self.portrait.says, self.cannot],
            "source": self.source,
            "files": self.files,
            "portrait": self.portrait.to_json(),
        }

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.portrait.drawn().save(file, "PNG")
        return file.getvalue()


def portray(
    model: Model | Place, kind: str = "maximize", data: Place | None = None, *,
    picture: Place | None = None, layer: str | None = None, channels: Sequence[int] | str | None = None,
    label: str | None = None, unit: str | None = None, direction: Mix | None = None,
    before: Model | Place | None = None, method: str | None = None, steps: int | None = None,
    each: int | None = None, top: int | None = None, out: Place | None = None, device: str | None = None,
    runs_dir: Place = "runs", progress: Callable[[int, int], None] | None = None,
) -> Portrayed:  # fmt: skip
    """A portrait of what a network has learned.

    Args:
        model: a model or its file, a run's folder (its best model) or its name in `runs_dir`, or a published network's.
        kind: `maximize` paints what excites channels or a class most; `examples` finds the pictures that do;
            `activations` shows all layers' maps of one picture; `filters` the first layer's kernels; `space` the
            data as the network sees it, alike pictures close together; `latent` the pictures nearest to some, and of
            an autoencoder what it makes of points between them and along the main axes.
        data: pictures to learn colours from, to search and to map; when not given, a run's own training pictures.
        picture: for `activations` (default: the first of the data).
        layer: by name (`foveal anatomy` lists them).
        channels: of that layer, counting from 0, `3,8,20`.
        label: for `maximize`: the class whose score is climbed.
        unit: for `maximize`: `LAYER:CHANNEL:ROW:COLUMN`, one cell of a channel's map.
        direction: for `maximize`: a mix of the layer's channels, as their weights `{3: 1, 8: -0.5}` or `3=1,8=-0.5`, or
            one number for each, as a sequence or a .npy file.
        before: for `filters`: the model as it was before, another of the same network, or `start`: the run's own as its
            training began.
        method: for `space`: `pca`, `tsne` or `umap`.
        steps: for `maximize`: 64 for a preview, 256 for good.
        each: for `maximize`: pictures for each goal, unlike each other.
        top: for `examples`: pictures a channel.
        out: a folder for the picture (.png) and the numbers (.json).
        runs_dir: where runs are looked for by name.
        progress: is told (hundredths done, 100).

    Raises:
        UnknownNameError: no such kind of portrait.
        DataError, ModelError, OptionError: what is given cannot be used, or belongs to another kind.
        DiskError: nothing can be written to `out`.
    """
    model = model_named(model, runs_dir)
    if before is not None and (before != START or Path(START).exists()):
        before = model_named(before, runs_dir)
    asked = {
        "picture": picture, "layer": layer, "channels": _channels(channels), "label": label, "unit": unit,
        "direction": direction, "before": before, "method": method, "steps": steps, "each": each, "top": top,
    }  # fmt: skip
    made = _made(model, kind, data, device, asked, progress or (lambda done, total: None))
    if out is None:
        return made
    files = _written(made.portrait, Path(out), kind)
    return dataclasses.replace(
        made, files={**files, "page": _write_page(made, Path(out), _named(model), files)}
    )


def _made(
    model: Model | Place,
    kind: str,
    data: Place | None,
    device: str | None,
    asked: dict[str, Any],
    progress: Callable[[int, int], None],
) -> Portrayed:
    from .. import catalog
    from ..explaining.sitting import sitting_of
    from .predict import loaded_model

    module = catalog.find("portraits", kind)
    loaded = loaded_model(model, device, f"explain {kind}")
    given, kinds = _pictures(model, data, kind)
    sitting = sitting_of(loaded, given)
    options = _options(kind, model, loaded, sitting.subject, **asked, kinds=kinds or None)
    made: Portrayal | None = None
    for made in module.portray(sitting, **options):
        progress(round(100 * made.done), 100)
    assert made is not None, "a portrait gives at least itself"
    return Portrayed(kind, made, module.CANNOT, module.SOURCE)


OF_KIND = {
    "maximize": ("layer", "channels", "label", "unit", "direction", "steps", "each"),
    "examples": ("layer", "channels", "top"),
    "activations": ("picture", "layer"),
    "filters": ("before",),
    "space": ("layer", "method", "kinds"),
    "latent": ("layer",),
}
"""Which options mean something for a kind."""


def _options(kind: str, place: Model | Place, model: Model, subject: Subject, **given: Any) -> dict[str, Any]:
    """The options of this kind's `portray`.

    Raises:
        OptionError: one was given that belongs to another kind.
    """
    known = OF_KIND.get(kind, tuple(given))
    wrong = [
        name for name, value in given.items() if value is not None and name not in known and name != "kinds"
    ]
    if wrong:
        mine = ", ".join(f"--{name}" for name in known if name != "kinds") or "none"
        raise OptionError(
            f"--{wrong[0]} was given, which {kind} does not use.", f"Its options: {mine}.", "Leave it out."
        )
    chosen = {name: value for name, value in given.items() if value is not None and name in known}
    if kind == "maximize":
        return _goals(model, subject, chosen)
    if kind == "activations":
        return _of_picture(model, chosen)
    if kind == "filters" and "before" in chosen:
        chosen["before"] = _other(place, model, chosen["before"])
    return chosen


def _goals(model: Model, subject: Subject, chosen: dict[str, Any]) -> dict[str, Any]:
    """What is to be climbed, as `maximize` takes it."""
    from ..explaining.goals import goals_of

    named = ("layer", "channels", "label", "unit", "direction")
    goals = goals_of(model, subject, **{name: chosen.pop(name) for name in named if name in chosen})
    return {**chosen, "goals": goals} if goals else chosen


def _of_picture(model: Model, chosen: dict[str, Any]) -> dict[str, Any]:
    """The one picture whose maps are shown."""
    from ..data.views import to_input
    from ..explaining.given import Given

    made: dict[str, Any] = {}
    if "layer" in chosen:
        made["layers"] = [name.strip() for name in chosen["layer"].split(",") if name.strip()]
    if "picture" in chosen:
        path = os.fspath(chosen["picture"])
        image = Given.file(find_pictures([path])[0]).opened(model.preprocessing.channels, None)
        made |= {"picture": to_input(image, model.task.view(model.preprocessing)), "id": path}
    return made


def _other(place: Model | Place, model: Model, before: Model | Place) -> Subject:
    """The network to hold the filters against: another's, or the run's own as its training began."""
    from ..explaining.given import network_of
    from ..records.run import Run
    from ..structure.subject import Subject
    from .begun import begun_model
    from .predict import loaded_model

    if before == START and not Path(START).exists():
        folder = run_of(place)
        if folder is None:
            raise DataError(
                f"--before {START} was given, and the model lies in no run that knows how it began.",
                "A run's folder as the model, or another model after --before.",
                f"foveal explain filters RUN --before {START}",
            )
        other = begun_model(Run.open(folder))
    else:
        other = loaded_model(before, None, "explain filters")
    pre = model.preprocessing
    return Subject.of(network_of(other), (1, pre.channels, pre.size, pre.size))


def _channels(given: Sequence[int] | str | None) -> list[int] | None:
    """Channels as they are typed: `3,8,20`."""
    if given is None:
        return None
    words = [word.strip() for word in given.split(",")] if isinstance(given, str) else [str(n) for n in given]
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise OptionError(
            f"--channels was given as {given!r}.",
            "Whole numbers from 0, with commas between them.",
            "For example --channels 3,8,20.",
        )
    return [int(word) for word in words]


def _pictures(model: Model | Place, data: Place | None, kind: str) -> tuple[list[Given], dict[str, str]]:
    """The pictures at hand, and what each is, where that is known."""
    from ..explaining.given import Given
    from ..explaining.sitting import of_run
    from ..records.run import Run, is_run

    if data is not None:
        paths = find_pictures([data])
        return [Given.file(path) for path in paths], {path: Path(path).parent.name for path in paths}
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        folder = path if path.is_dir() else path.parent
        if path.exists() and is_run(folder):
            return of_run(Run.open(folder))
    if kind in NEEDS_DATA:
        raise DataError(
            f"{kind} needs pictures, and the model does not lie in a run folder that knows its own.",
            "A folder of pictures after the model.",
            f"foveal explain {kind} MODEL folder",
        )
    return [], {}


def _named(model: Model | Place) -> str:
    """What to call the model on its page."""
    if not isinstance(model, str | os.PathLike):
        return str(model.card.architecture["name"])
    path = Path(model)
    return path.parent.name if path.suffix == ".safetensors" and path.parent.name else path.name


def _write_page(made: Portrayed, out: Path, model: str, files: dict[str, str]) -> str:
    from ..report.portrait import page

    html = page(made.kind, model, made.portrait, made.cannot, made.source, files)
    write_whole(out / PAGE, html.encode("utf-8", "xmlcharrefreplace"))
    return str(out / PAGE)


def _written(made: Portrayal, out: Path, kind: str) -> dict[str, str]:
    """The picture, the animation where there is one, and the numbers."""
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    made.drawn().save(file, "PNG")
    files = {"picture": str(out / PICTURE), "numbers": str(out / ROWS)}
    write_whole(out / PICTURE, file.getvalue())
    animation = getattr(made, "animation", None)
    if animation is not None:
        write_whole(out / "portrait.gif", animation())
        files["animation"] = str(out / "portrait.gif")
    text = json.dumps(
        strict({"kind": kind, "says": list(made.says), **made.to_json()}), indent=1, allow_nan=False
    )
    write_whole(out / ROWS, text.encode())
    return files
