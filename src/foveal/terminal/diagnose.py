"""foveal diagnose: what is typed goes in, an exit code comes out."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from . import brief, show_diagnose
from .commands import ARGUMENTS, DataAt, Json, Quiet, RunsDir, deliver
from .flags import given
from .screen import Screen


def diagnose(
    run: Annotated[str, Parameter(group=ARGUMENTS, help="A run's folder, or its name in --runs-dir.")],
    /,
    *,
    deep: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Also test the network's parts one by one: can it fit one batch, does the input matter, would more "
            "pictures help, ... Takes minutes.",
        ),
    ] = False,
    prove: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Try the cures: train with and without each, several seeds a side, and say what it brings.",
        ),
    ] = False,
    minutes: Annotated[
        float | None,
        Parameter(help="Time for --deep (if not given: 4) and for --prove (if not given: 10), each."),
    ] = None,
    apply: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            consume_multiple=(0, 1),
            help="Carry a cure out as a new run: that of the finding with this name, or of the first without a name.",
        ),
    ] = None,
    data_at: DataAt = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Say what is wrong with a run, why, and what would cure it; try the cure; carry it out."""
    from ..verbs.diagnose import diagnose as verb

    asked = given({"minutes": minutes, "data_at": data_at})
    if apply is not None:
        asked["apply"] = apply[0] if apply else True

    def work(screen: Screen) -> dict[str, Any]:
        return verb(run, deep=deep, prove=prove, runs_dir=runs_dir, screen=screen, **asked).to_json()

    return deliver(json, work, show_diagnose.diagnosis, quiet=quiet, in_short=brief.diagnosis)
