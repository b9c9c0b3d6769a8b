"""foveal tune: what is typed goes in, an exit code comes out."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from ..errors import OptionError
from ..options import TuneOptions
from . import brief, show_tune
from .app import BEGAN
from .board import Board
from .commands import Data, Json, Quiet, deliver
from .flags import panel, takes
from .screen import Screen

OF_ONE = ("folds", "find_lr")
"""Options of one training that mean nothing to a study."""
Resume = Annotated[
    str | None,
    Parameter(
        group=panel("resume"),
        help="Go on with this study; --minutes, --trials or --epochs-total make its budget larger. Or with this "
        "comparison; --repeats makes it longer.",
    ),
]


@takes(TuneOptions, hidden=OF_ONE)
def tune(
    data: Data = None,
    /,
    *,
    over: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            group=panel("search"),
            help="What to tune, once an option: lr=log(1e-4,1e-1), momentum=0.8..0.99, network=resnet18,densenet121 "
            "(default: what the budget is worth, around the default recipe).",
        ),
    ] = (),
    resume: Resume = None,
    compare_searches: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            group=panel("compare_searches"),
            help="Do grid, random and adaptive search with the same epochs each, and say whether they differ.",
        ),
    ] = False,
    repeats: Annotated[
        int | None,
        Parameter(
            group=panel("repeats"),
            help="How often --compare-searches does each search, with other seeds (default: 3).",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Search for settings that train a better network; every trial is a run of its own."""
    from ..tuners.compared import is_comparison
    from ..verbs.named import study_named

    if resume is not None:
        resume = str(study_named(resume, options.pop("runs_dir", "runs")))
    if compare_searches or (resume is not None and is_comparison(resume)):
        return _searches((json, quiet), data, over=over, repeats=repeats, resume=resume, **options)
    if repeats is not None:
        raise OptionError(
            f"--repeats {repeats} was given to one search.",
            "How often --compare-searches does each search.",
            "Add --compare-searches, or leave it out.",
        )
    from ..verbs.tune import tune as verb

    def work(screen: Screen) -> dict[str, Any]:
        asked: dict[str, Any] = {"over": over, "resume": resume, **options}
        return verb(data, screen=screen, began=BEGAN.get(None), **asked).to_json()

    return deliver(json, work, show_tune.study, Board, quiet=quiet, in_short=brief.study)


def _searches(told: tuple[bool, bool], data: str | None, **asked: Any) -> int:
    """Compare searches; `told`: as JSON, and quietly."""
    from ..verbs.compare_searches import compare_searches as verb
    from . import show_searches

    def work(screen: Screen) -> dict[str, Any]:
        return verb(data, screen=screen, **asked).to_json()

    return deliver(told[0], work, show_searches.searches, Board, quiet=told[1], in_short=brief.comparison)
