"""foveal explain: what is typed goes in, an exit code comes out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from . import portray, show_explain
from .commands import ARGUMENTS, DataAt, Device, Json, Model, Quiet, RunsDir, deliver
from .flags import given
from .screen import Screen

explain = App(
    name="explain",
    help="Show which places of pictures what a model says of them comes from.\n\n"
    "The commands show what the network has learned, for no one picture.",
    help_format="plaintext",
    group_commands=Group("Commands", sort_key=0),
    group_arguments=ARGUMENTS,
    group_parameters=Group("Output", sort_key=90),
)
PORTRAITS: tuple[Callable[..., int], ...] = portray.COMMANDS
for rank, command in enumerate(PORTRAITS):
    explain.command(command, name=command.__name__, sort_key=rank)


Method = Annotated[
    str | None,
    Parameter(
        help="Methods, with commas between; or all, which takes minutes. (default: gradcam, and occlusion)"
    ),
]
Label = Annotated[str | None, Parameter(help="The label to explain (default: what the network says).")]
Layer = Annotated[
    str | None, Parameter(help="The layer that class activation maps draw (default: the last with places).")
]
Unit = Annotated[
    str | None, Parameter(help="Explain a unit instead: LAYER:CHANNEL or LAYER:CHANNEL:ROW:COLUMN.")
]
Verdict = Annotated[
    bool, Parameter(negative="--no-verdict", help="Measure how far each map can be believed.")
]
At = Annotated[
    str | None,
    Parameter(
        help="Of the target at one place: X,Y or X0,Y0,X1,Y1 in the picture's pixels, or a mask's file, where white "
        "counts (detectors, segmentation)."
    ),
]
Baseline = Annotated[
    str | None,
    Parameter(help="Of integrated gradients: black, mean, blurred, with commas between (default: all)."),
]
Also = Annotated[str | None, Parameter(help="A second model, held beside the first under one scale.")]
Errors = Annotated[
    str | None,
    Parameter(help="A label whose mistakes are explained and summed; LABEL>SAID for those taken so."),
]
Out = Annotated[
    str | None, Parameter(help="Folder for maps, overlays and the page (default: explained/MODEL-N).")
]


@explain.default
def explained(
    model: Model,
    /,
    *pictures: Annotated[
        str,
        Parameter(
            group=ARGUMENTS,
            help="Pictures, and folders to look through; when not given, the run's most telling ones.",
        ),
    ],
    method: Method = None,
    target: Label = None,
    against: Annotated[str | None, Parameter(help="A label to hold that against, under one scale.")] = None,
    layer: Layer = None,
    unit: Unit = None,
    at: At = None,
    baseline: Baseline = None,
    also: Also = None,
    errors: Errors = None,
    top: Annotated[int, Parameter(help="Pictures of each kind, where none is given.")] = 3,
    verdict: Verdict = True,
    out: Out = None,
    data_at: DataAt = None,
    runs_dir: RunsDir = "runs",
    device: Device = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show which places of pictures what a model says of them comes from."""
    from ..verbs.explain import explain as verb
    from ..verbs.explain import new_folder

    named = {"method": method, "target": target, "against": against, "layer": layer, "unit": unit, "at": at}
    others = {"baseline": baseline, "also": also, "errors": errors, "data_at": data_at, "runs_dir": runs_dir}
    more = given({**named, **others})
    found: list[dict[str, Any]] = []

    def work(screen: Screen) -> Any:
        def progress(done: int, total: int) -> None:
            screen(("explaining", done, total))

        folder = new_folder(model) if out is None else Path(out)
        try:
            rows = verb(
                model, list(pictures) or None, top=top, verdict=verdict, out=folder, device=device,
                progress=progress, **more,
            )  # fmt: skip
        except BaseException:
            if out is None:
                with contextlib.suppress(OSError):
                    folder.rmdir()  # only where nothing was written yet
            raise
        found.extend(rows.to_json())
        return found if json else rows

    code = deliver(json, work, show_explain.explanations, quiet=quiet)
    return 2 if found and all("error" in row for row in found) else code
