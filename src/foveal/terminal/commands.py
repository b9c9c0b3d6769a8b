"""One function a verb: what is typed goes in, an exit code comes out; the work is done by `verbs`."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Annotated, Any, TypeVar

from cyclopts import Group, Parameter
from rich.console import Console

from ..machine.distributed import rank
from ..options import ReadOptions, TrainOptions
from ..verbs.inspect import InspectOptions
from . import brief, show, show_predict
from .app import BEGAN
from .console import error_console, result_console, text
from .flags import given, panel, takes
from .plain import to_json
from .screen import Screen

Result = TypeVar("Result")
ARGUMENTS = Group("Arguments", sort_key=1)

Json = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="Print one JSON document on stdout; all else on stderr."),
]
Quiet = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="Say nothing but the result, in short, and errors."),
]
Data = Annotated[
    str | None,
    Parameter(group=ARGUMENTS, help="A folder, CSV or TSV file, or a name; the digits when not given."),
]
Judged = Annotated[
    str | None,
    Parameter(
        group=ARGUMENTS, help="A folder, CSV or TSV file, or a name; the run's own pictures when not given."
    ),
]
Model = Annotated[
    str,
    Parameter(
        group=ARGUMENTS,
        help="A .safetensors file of Foveal's, a run's folder or its name in --runs-dir, or a network's name.",
    ),
]
RunsDir = Annotated[str, Parameter(group=panel("runs_dir"), help="Where run folders are.")]
DataAt = Annotated[
    str | None,
    Parameter(
        name=("--data", "--data-at"),
        group=panel("data_at"),
        help="Where the run's own pictures are now, if they have moved; they are compared, and the run then knows it.",
    ),
]
Device = Annotated[str | None, Parameter(group=panel("device"), help="cpu, cuda, cuda:1, mps.")]
Batch = Annotated[
    int | None, Parameter(group=panel("device"), help="Pictures computed together; less needs less memory.")
]
Views = Annotated[
    int | None,
    Parameter(
        help="Look at each picture as it is (1), mirrored too (2), both also shifted twice (6): slower, surer."
    ),
]


@takes(InspectOptions)
def inspect(data: Data = None, /, *, json: Json = False, quiet: Quiet = False, **options: Any) -> int:
    """Read a data set, say what it is, check every picture and label."""
    from ..verbs.inspect import inspect as verb

    def work(screen: Screen) -> dict[str, Any]:
        def progress(done: int, total: int) -> None:
            screen(("examining", done, total))

        return verb(data, progress=progress, **options).to_json()

    return deliver(json, work, show.inspection, quiet=quiet, in_short=brief.inspection)


@takes(TrainOptions)
def train(
    data: Data = None,
    /,
    *,
    resume: Annotated[
        str | None,
        Parameter(group=panel("resume"), help="Go on with this interrupted run, where it stopped."),
    ] = None,
    data_at: DataAt = None,
    dry_run: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            group=panel("dry_run"),
            help="Only show what would be done: schedule, time, memory, parameter groups, every choice.",
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Train a network for the task that the data poses."""
    from ..verbs.train import train as verb
    from . import rehearsal, show_runs

    def work(screen: Screen) -> dict[str, Any]:
        asked: dict[str, Any] = {"resume": resume, "dry_run": dry_run, "data_at": data_at, **options}
        return dict(verb(data, screen=screen, began=BEGAN.get(None), **asked).to_json())

    if dry_run:
        return deliver(json, work, rehearsal.rehearsal, quiet=quiet)
    return deliver(json, work, show_runs.trained, quiet=quiet, in_short=brief.training)


@takes(ReadOptions)
def evaluate(
    model: Model,
    data: Judged = None,
    /,
    *,
    split: Annotated[
        str | None, Parameter(group=panel("exclude"), help="Which part to judge: train, val or test.")
    ] = None,
    data_at: DataAt = None,
    runs_dir: RunsDir = "runs",
    views: Views = None,
    batch: Batch = None,
    device: Device = None,
    json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Judge a model on labelled pictures, with confidence intervals."""
    from ..verbs.evaluate import evaluate as verb

    named = {"split": split, "views": views, "batch": batch, "device": device, "data_at": data_at}
    more = given(named) | {"runs_dir": runs_dir} | options

    def work(screen: Screen) -> dict[str, Any]:
        def progress(what: str, done: int, total: int) -> None:
            screen((what, done, total))

        return verb(model, data, progress=progress, **more).to_json()

    return deliver(json, work, show.evaluation, quiet=quiet, in_short=brief.evaluation)


def predict(
    model: Model,
    /,
    *pictures: Annotated[str, Parameter(group=ARGUMENTS, help="Pictures, and folders to look through.")],
    top: Annotated[int, Parameter(help="Labels to show for each picture.")] = 5,
    csv: Annotated[str | None, Parameter(help="Also write the table to this CSV file.")] = None,
    out: Annotated[
        str | None,
        Parameter(
            help="Folder for drawn and made pictures, with a page (default for made ones: predicted/MODEL-N)."
        ),
    ] = None,
    format: Annotated[
        str | None,
        Parameter(help="What to write, with commas between: drawn, coco, voc, yolo, masks. (default: drawn)"),
    ] = None,
    min_probability: Annotated[
        float | None,
        Parameter(help="Leave out objects less probable than this; only 0.5 and more is drawn if not given."),
    ] = None,
    tiles: Annotated[
        int | None,
        Parameter(
            help="See larger pictures in overlapping tiles of so many of their pixels: for small objects."
        ),
    ] = None,
    runs_dir: RunsDir = "runs",
    views: Views = None,
    batch: Batch = None,
    device: Device = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Say what a model sees in pictures and folders of pictures."""
    from ..verbs.predict import new_folder
    from ..verbs.predict import predict as verb

    more = given({"csv": csv, "views": views, "batch": batch, "device": device, "format": format})
    more |= given({"min_probability": min_probability, "tiles": tiles, "runs_dir": runs_dir})
    found: list[dict[str, Any]] = []

    def work(screen: Screen) -> Any:
        def progress(done: int, total: int) -> None:
            screen(("predicting", done, total))

        place = out or (lambda: new_folder(model))
        rows = verb(model, list(pictures), top=top, out=place, progress=progress, **more)
        found.extend(rows.to_json())
        return found if json else rows

    code = deliver(json, work, show_predict.predictions, quiet=quiet)
    return 2 if found and all("error" in row for row in found) else code


def deliver(
    json: bool,
    work: Callable[[Screen], Result],
    draw: Callable[[Console, Result], None],
    seen: type[Screen] = Screen,
    *,
    quiet: bool = False,
    in_short: Callable[[Result], str] | None = None,
) -> int:
    """Do the work, which is `seen` meanwhile, then show its result: drawn, or as the one JSON document. If `quiet`,
    nothing is seen but the result, `in_short` where it can be said so."""
    console = error_console()
    console.quiet = quiet
    with seen(console) as screen:
        try:
            # whatever a library prints is no result
            with redirect_stdout(io.StringIO() if quiet else sys.stderr):
                result = work(screen)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(str(stop) or screen.how_to_resume()) from stop
    if rank():  # process 0 shows it
        return 0
    if json:
        print(to_json(result))  # noqa: T201
    elif quiet and in_short is not None:
        result_console().print(text(in_short(result), keep="\n"), soft_wrap=True)
    else:
        draw(result_console(), result)
    return 130 if screen.interrupted else 0
