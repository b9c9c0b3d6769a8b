"""foveal compare: what is typed goes in, an exit code comes out."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from ..errors import OptionError
from ..verbs.compare import OF_ONE, CompareOptions
from . import brief, show_compare
from .app import BEGAN
from .commands import ARGUMENTS, Json, Quiet, deliver
from .flags import panel, takes
from .screen import Screen


@takes(CompareOptions, hidden=OF_ONE)
def compare(
    *runs: Annotated[
        str,
        Parameter(
            name="RUN",
            group=ARGUMENTS,
            help="Run folders, or names in --runs-dir; with --train the one DATA.",
        ),
    ],
    train: Annotated[
        str | None,
        Parameter(
            group=panel("network"),
            help="Networks to be trained first, each from scratch with its published recipe: lenet5,resnet18. "
            "Finished ones are kept: the same command again goes on where it was stopped.",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Set runs side by side, or train several networks first: which is better, and is that sure?"""
    from ..verbs.compare import compare as verb

    if train is not None and len(runs) > 1:
        raise OptionError(
            f"--train was given with {len(runs)} other words: {' '.join(runs)}.",
            "One data set: foveal compare --train NETWORK,NETWORK DATA.",
            "Write the networks without spaces between them: --train lenet5,resnet18",
        )
    asked: dict[str, Any] = {"runs": runs}
    if train is not None:
        asked = {"train": train, "data": runs[0] if runs else None}

    def work(screen: Screen) -> dict[str, Any]:
        return verb(screen=screen, began=BEGAN.get(None), **asked, **options).to_json()

    return deliver(json, work, show_compare.comparison, quiet=quiet, in_short=brief.comparison)
