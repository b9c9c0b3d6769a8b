"""foveal explain maximize, examples, ..., latent: what is typed goes in, an exit code comes out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from ..verbs.portray import Portrayed
from .commands import ARGUMENTS, Device, Json, Model, Quiet, RunsDir, deliver
from .console import text
from .flags import given
from .screen import Screen

Pictures = Annotated[
    str | None, Parameter(group=ARGUMENTS, help="A folder of pictures; when not given, a run's own.")
]
Layer = Annotated[str | None, Parameter(help="A layer by its name (foveal anatomy MODEL lists them).")]
Channels = Annotated[str | None, Parameter(help="Channels of that layer, counting from 0: 3,8,20.")]
Out = Annotated[str | None, Parameter(help="Folder for picture and numbers (default: explained/MODEL-N).")]


def maximize(
    model: Model,
    data: Pictures = None,
    /,
    *,
    layer: Layer = None,
    channels: Channels = None,
    label: Annotated[str | None, Parameter(help="Climb the score of this class instead.")] = None,
    unit: Annotated[str | None, Parameter(help="Climb one unit instead: LAYER:CHANNEL:ROW:COLUMN.")] = None,
    direction: Annotated[
        str | None,
        Parameter(
            help="Climb a mix of the layer's channels: 3=1,8=-0.5, or a .npy file with one number each."
        ),
    ] = None,
    steps: Annotated[
        int | None, Parameter(help="64 for a preview, 256 for good.", show_default=False)
    ] = None,
    each: Annotated[int | None, Parameter(help="Pictures for each, unlike each other (default: 1).")] = None,
    out: Out = None,
    device: Device = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Paint pictures that excite channels, a class or a whole layer most, beside the real ones that do."""
    named = {"layer": layer, "channels": channels, "label": label, "unit": unit, "direction": direction}
    more = given({**named, "steps": steps, "each": each})
    return _portray(
        "maximize", model, data, out, (json, quiet), runs_dir, {**more, **given({"device": device})}
    )


def examples(
    model: Model,
    data: Pictures = None,
    /,
    *,
    layer: Layer = None,
    channels: Channels = None,
    top: Annotated[int | None, Parameter(help="Pictures a channel (default: 9).")] = None,
    out: Out = None,
    device: Device = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Find the pictures that excite each channel most, cut to what it sees of them."""
    more = given({"layer": layer, "channels": channels, "top": top, "device": device})
    return _portray("examples", model, data, out, (json, quiet), runs_dir, more)


def activations(
    model: Model,
    picture: Annotated[
        str | None, Parameter(group=ARGUMENTS, help="A picture; when not given, the run's first.")
    ] = None,
    /,
    *,
    layer: Annotated[
        str | None, Parameter(help="Layers by name, with commas between (default: all).")
    ] = None,
    out: Out = None,
    device: Device = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show every layer's feature maps of one picture, the strongest first."""
    more = given({"picture": picture, "layer": layer, "device": device})
    return _portray("activations", model, None, out, (json, quiet), runs_dir, more)


def filters(
    model: Model,
    /,
    *,
    before: Annotated[
        str | None,
        Parameter(help="A model to hold it against; start is the run's own as its training began."),
    ] = None,
    out: Out = None,
    device: Device = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show the first layer's kernels, and which of them are dead or twice there."""
    return _portray(
        "filters", model, None, out, (json, quiet), runs_dir, given({"before": before, "device": device})
    )


def space(
    model: Model,
    data: Pictures = None,
    /,
    *,
    layer: Layer = None,
    method: Annotated[str | None, Parameter(help="pca (default), tsne or umap.")] = None,
    out: Out = None,
    device: Device = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Draw the data as the network sees it: pictures that are alike to it lie close together."""
    more = given({"layer": layer, "method": method, "device": device})
    return _portray("space", model, data, out, (json, quiet), runs_dir, more)


def latent(
    model: Model,
    data: Pictures = None,
    /,
    *,
    layer: Layer = None,
    out: Out = None,
    device: Device = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Find the pictures that it takes for alike; of an autoencoder, walk through its latent space."""
    return _portray(
        "latent", model, data, out, (json, quiet), runs_dir, given({"layer": layer, "device": device})
    )


COMMANDS: tuple[Callable[..., int], ...] = (maximize, examples, activations, filters, space, latent)


def _portray(
    kind: str,
    model: str,
    data: str | None,
    out: str | None,
    told: tuple[bool, bool],
    runs_dir: str,
    options: dict[str, Any],
) -> int:
    """Make a portrait and show it; `told`: as JSON, and quietly."""
    from ..verbs.explain import new_folder
    from ..verbs.portray import portray

    def work(screen: Screen) -> Any:
        def progress(done: int, total: int) -> None:
            screen(("explaining", done, total))

        folder = new_folder(model) if out is None else Path(out)
        try:
            made = portray(model, kind, data, out=folder, progress=progress, runs_dir=runs_dir, **options)
        except BaseException:
            if out is None:
                with contextlib.suppress(OSError):
                    folder.rmdir()  # only where nothing was written yet
            raise
        return made.to_json() if told[0] else made

    return deliver(told[0], work, _shown, quiet=told[1])


def _shown(console: Console, made: Portrayed) -> None:
    """What the portrait says, what it does not, and where it lies."""
    for said in made.portrait.says:
        console.print(text(said))
    console.print(text(made.cannot, "dim"))
    for what, path in made.files.items():
        console.print(Text.assemble(f"{what.capitalize()}: ", text(path, "bold")))
