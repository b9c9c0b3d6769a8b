"""foveal runs and its commands: what is typed goes in, an exit code comes out."""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated, Any, Literal

from cyclopts import App, Group, Parameter

from ..errors import OptionError
from ..options import ReadOptions, TrainOptions
from . import brief, show, show_runs
from .app import BEGAN
from .commands import ARGUMENTS, DataAt, Json, Quiet, RunsDir, deliver
from .console import error_console
from .flags import panel, takes
from .screen import Screen

FIRST = (
    "Alone it lists what has been trained here. A RUN is a run's folder, or just its name "
    "where it lies in --runs-dir."
)
runs = App(
    name="runs",
    help=f"List what has been trained here; fork, resume, compare and delete it.\n\n{FIRST}",
    help_format="plaintext",
    group_commands=Group("Commands", sort_key=0),
    group_arguments=ARGUMENTS,
    group_parameters=Group("Output", sort_key=90),
)

Run = Annotated[str, Parameter(group=ARGUMENTS, help="A run's folder, or its name in --runs-dir.")]
DataHome = Annotated[
    str | None,
    Parameter(group=panel("data_home"), help="Where downloaded and built-in data and caches lie."),
]
# A fork has its parent's data; these are answered with why.
OF_DATA = tuple(f.name for f in dataclasses.fields(ReadOptions) if f.name != "data_home")
OF_DATA += ("split_seed", "folds")
Yes = Annotated[bool, Parameter(negative="", show_default=False, help="Do not ask.")]


@runs.default
def listed(*, runs_dir: RunsDir = "runs", data_home: DataHome = None, json: Json = False) -> int:
    """List what has been trained here; fork, resume, compare and delete it."""
    from ..data import home
    from ..verbs.runs import runs as verb
    from ..verbs.runs import size

    there = verb(runs_dir)
    if json:
        return deliver(True, lambda _: there.to_json(), show_runs.runs)
    cache = home(data_home)
    places = [(there.runs_dir, there.bytes), (str(cache), size(cache))]
    return deliver(False, lambda _: there.to_json(), lambda c, rows: show_runs.runs(c, rows, places))


@runs.command(sort_key=0)
@takes(TrainOptions, hidden=OF_DATA, show_default=False)
def fork(
    run: Run,
    /,
    *,
    from_: Annotated[
        Literal["start", "best", "last"],
        Parameter(
            name="--from",
            group=panel("out"),
            help="Begin as the run itself began (start), or with its best or last model's weights.",
        ),
    ] = "start",
    data_at: DataAt = None,
    json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Train a run again with some options changed, on its very pictures and split.

    Each option not given is as it was there; only choices that depend on what is changed are made anew.
    """
    from ..verbs.fork import fork as verb

    def work(screen: Screen) -> dict[str, Any]:
        return verb(
            run, from_=from_, data_at=data_at, screen=screen, began=BEGAN.get(None), **options
        ).to_json()

    return deliver(json, work, show.training, quiet=quiet, in_short=brief.training)


@runs.command(sort_key=1)
def resume(
    run: Run,
    /,
    *,
    data_at: DataAt = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Go on with an interrupted run where it stopped, as foveal train --resume does."""
    from ..verbs.train import train as verb

    def work(screen: Screen) -> dict[str, Any]:
        asked: dict[str, Any] = {"resume": run, "data_at": data_at, "runs_dir": runs_dir}
        return dict(verb(screen=screen, began=BEGAN.get(None), **asked).to_json())

    return deliver(json, work, show_runs.trained, quiet=quiet, in_short=brief.training)


@runs.command(sort_key=2)
def diff(a: Run, b: Run, /, *, runs_dir: RunsDir = "runs", json: Json = False) -> int:
    """In what two runs differ (options, data, versions, results), and which is better."""
    from ..verbs.diff import diff as verb

    return deliver(json, lambda _: verb(a, b, runs_dir=runs_dir).to_json(), show_runs.difference)


@runs.command(sort_key=3)
def report(run: Run, /, *, runs_dir: RunsDir = "runs", json: Json = False) -> int:
    """Write a run's report.html anew."""
    from ..verbs.report import report as verb

    return deliver(json, lambda _: verb(run, runs_dir=runs_dir).to_json(), show_runs.report)


@runs.command(sort_key=4)
def delete(
    run: Run,
    /,
    *more: Annotated[str, Parameter(group=ARGUMENTS, help="More of them.")],
    yes: Yes = False,
    runs_dir: RunsDir = "runs",
    json: Json = False,
) -> int:
    """Remove runs with all that is in their folders, for good; shows what would go and asks first."""
    from ..verbs.delete import Removal, deletable
    from ..verbs.delete import delete as verb

    doomed = deletable(run, *more, runs_dir=runs_dir)
    agreed = yes or _agreed(doomed.to_json())
    done = verb(run, *more, runs_dir=runs_dir) if agreed else Removal((), done=True)
    return deliver(json, lambda _: done.to_json(), lambda c, doc: show_runs.removal(c, doc, brief=not yes))


@runs.command(sort_key=5)
def clean(
    *,
    dry_run: Annotated[
        bool, Parameter(negative="", show_default=False, help="Only show what would go.")
    ] = False,
    yes: Yes = False,
    runs_dir: RunsDir = "runs",
    data_home: DataHome = None,
    json: Json = False,
) -> int:
    """Free space without losing a result; shows what would go and asks first.

    These go: states to resume finished runs from, half-written files, runs that never began, stale caches.
    """
    from ..verbs.clean import clean as verb
    from ..verbs.delete import Removal

    found = verb(runs_dir, data_home=data_home, dry_run=True)
    if not dry_run and found:
        agreed = yes or _agreed(found.to_json())
        found = verb(runs_dir, data_home=data_home) if agreed else Removal((), done=True)
    elif not dry_run:
        found = Removal((), done=True)
    brief = not (yes or dry_run)
    return deliver(json, lambda _: found.to_json(), lambda c, doc: show_runs.removal(c, doc, brief))


def _agreed(doomed: dict[str, Any]) -> bool:
    """Show what would go and ask; only a clear yes is one.

    Raises:
        OptionError: there is no terminal to ask on.
    """
    console = error_console()
    show_runs.removal(console, doomed)
    if sys.stdin is None or not sys.stdin.isatty():
        raise OptionError(
            "Nothing was removed: there is no terminal to ask on whether this may go.",
            "A yes on the terminal, or --yes.",
            "Look at the list above, and call again with --yes.",
        )
    console.print("Remove this for good? [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
