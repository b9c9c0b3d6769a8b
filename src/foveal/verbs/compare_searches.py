"""foveal tune --compare-searches: grid, random and adaptive search with the same epochs, each several times."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import plan, training
from ..errors import OptionError, RunError
from ..folders import claim, claim_next, discard, held, is_study, refuse_existing, safe_stem
from ..options import TuneOptions, flag, make
from ..plan.network import built
from ..ranges import Range
from ..readers import prepare
from ..records.run import Run
from ..records.study import Study, Turn
from ..report.searches import write
from ..storage import write_json
from ..tuners import begin, space
from ..tuners import over as wishes
from ..tuners.compared import FILE, FORMAT, SEARCHES, Searches, name_of, record
from ..values import span
from .evaluate import evaluate
from .named import study_named
from .train import check_early, data_name
from .tune import tune

Screen = Callable[[Any], None]
REPEATS = 3
"""The fewest from which anything is said of a difference."""
SEVERAL = space.FEW
"""Trainings of which at least it is chosen what is tuned: over the learning rate alone a grid is as fine as any."""
_OWN = ("out", "trials", "epochs_total", "points", "search", "search_seed", "seed", "verdict", "warm_start")
"""Options that each study is given by the comparison."""


def compare_searches(
    data: str | Path | None = None,
    *,
    over: Sequence[str] | Mapping[str, Any] = (),
    repeats: int | None = None,
    resume: str | Path | None = None,
    screen: Screen | None = None,
    **options: Any,
) -> Searches:
    """Search with grid, random and adaptive search in the same ranges with the same epochs, `repeats` times with other
    seeds, and say whether they differ. Each search is an ordinary study in one folder; none begins with what earlier
    ones found, and none has a verdict. The best of each is judged on the test pictures, where there are any.

    Args:
        data: where the pictures are; the digits when not given.
        over: what to tune, as in `verbs.tune.tune`; nothing is widened. When not given, what a study of as many
            trainings would tune, of ten at least.
        repeats: how often each search is done (default: 3).
        resume: a comparison to go on with instead, its folder or its name in `runs_dir`; only `repeats` may be
            given, to have more.
        screen: called with every choice, issue, event and `study.Turn` as it comes.
        options: see `foveal.options.TuneOptions`. Each study has `epochs_total` epochs, or those of `trials` whole
            trainings (25 when not given); `points` is the grid's; `minutes`, `search`, `warm_start` and `verdict`
            mean nothing here. `seed` and `search_seed` are the first repeat's, and one more in each after it.

    Raises:
        FovealError: the data, an option or the folder cannot be used.
        KeyboardInterrupt: interrupted; what ran was saved before, and it says how to go on.
    """
    show = screen or (lambda message: None)
    if repeats is not None and repeats < 1:
        raise OptionError(f"--repeats {repeats} was given.", "1 or more.", "Give 3 to compare anything.")
    if resume is not None:
        options = dict(options)
        folder = study_named(resume, options.pop("runs_dir", "runs"))
        asked = _asked_again(folder, data, over, repeats, options)
    else:
        folder, asked = _begun(data, over, repeats or REPEATS, options, show)
    with held(folder):
        write_json(folder / FILE, asked)
        try:
            return _compared(folder, asked, show)
        except KeyboardInterrupt:
            how = (
                f'foveal tune --resume "{folder}"' if " " in str(folder) else f"foveal tune --resume {folder}"
            )
            raise KeyboardInterrupt(f"What was trained is saved. To go on: {how}") from None
        except Exception:
            if resume is None and not any(folder.glob("*/trials/*.json")):
                discard(folder)  # it never came to a first trial
            raise


def _begun(
    data: str | Path | None,
    over: Sequence[str] | Mapping[str, Any],
    repeats: int,
    options: Mapping[str, Any],
    screen: Screen,
) -> tuple[Path, dict[str, Any]]:
    """Choose the ranges and the epochs that all have, and make the folder."""
    given = {name: value for name, value in options.items() if value is not None}
    _check(given)
    wanted = make(TuneOptions, given)
    one = begin.training_options(wanted)
    check_early(one, False)
    chosen = wishes.ranges(over)
    if wanted.out is not None:
        refuse_existing(Path(wanted.out))
    source = None if data is None else str(Path(data).resolve()) if Path(data).exists() else str(data)
    dataset, _ = prepare(
        source, one, one.split_seed, lambda done, total: screen(("examining", done, total)), one.task
    )
    planned = plan.make(dataset, one)
    length, _ = begin.length(planned)
    fixed = {name: getattr(wanted, name) for name in given if name not in _OWN}
    total = wanted.epochs_total
    if total is None:
        # a study of few trials would make them shorter
        fixed["epochs"] = planned.options.epochs
        total = (wanted.trials or begin.TRIALS) * length
    if not chosen:
        many = max(SEVERAL, total // length)
        chosen, _ = space.automatic(planned, one, built(planned.architecture, planned.options), many)
    name = data_name(source)
    asked = {
        "format": FORMAT, "data": name, "source": source, "options": fixed, "over": [*in_words(chosen).items()],
        "points": wanted.points, "repeats": repeats, "epochs_total": total, "seed": wanted.seed,
        "search_seed": wanted.search_seed, "pictures": len(dataset.part("test") or dataset.part("val")), "done": {},
    }  # fmt: skip
    if wanted.out is not None:
        folder = claim(Path(wanted.out))
    else:
        folder = claim_next(Path(wanted.runs_dir), safe_stem(f"{name}-searches"))
    screen(("says", f"The comparison is {folder}"))
    said = f"{3 * repeats} studies of {total} epochs each: {', '.join(SEARCHES)}, {repeats} times with other seeds"
    screen(("says", said))
    return folder, asked


def _check(given: Mapping[str, Any]) -> None:
    """Refuse what means nothing where searches are compared."""
    reasons = {
        "minutes": "searches are compared after equal epochs, which do not depend on what else the machine does",
        "search": "all three are compared",
        "warm_start": "what earlier studies found would help one search more than another",
        "verdict": "the searches are compared, not their settings with the default",
        "folds": "a trial is one training",
        "find_lr": "the rate is what a study tunes",
    }
    for name, why in reasons.items():
        if given.get(name):
            raise OptionError(
                f"{flag(name)} was given to a comparison of searches.",
                f"Options that can be the same for all: {why}.",
                f"Leave {flag(name)} out{'; give --trials or --epochs-total' if name == 'minutes' else ''}.",
            )
    if given.get("trials") and given.get("epochs_total"):
        raise OptionError(
            f"--trials {given['trials']} and --epochs-total {given['epochs_total']} were both given.",
            "One budget for all searches: epochs, or those of so many whole trainings.",
            "Leave one of them out.",
        )


def _asked_again(
    folder: Path,
    data: str | Path | None,
    over: Sequence[str] | Mapping[str, Any],
    repeats: int | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """What was asked for when the comparison began, with as many repeats as are wanted now."""
    asked = record(folder)
    others = [*(["DATA"] if data is not None else []), *(["--over"] if over else [])]
    others += [flag(name) for name, value in options.items() if value is not None]
    if others:
        raise OptionError(
            f"--resume {folder} was given together with {', '.join(sorted(others))}.",
            "A comparison goes on with its own data, budget and options; --repeats makes it longer.",
            f"foveal tune --resume {folder}",
        )
    if repeats is not None and repeats < asked["repeats"]:
        raise OptionError(
            f"--repeats {repeats} was given, and this comparison has {asked['repeats']}.",
            f"{asked['repeats']} or more: what is done is not taken back.",
            f"foveal tune --resume {folder}",
        )
    repeats = repeats or int(asked["repeats"])
    begun = folder / name_of(SEARCHES[0], 1)
    if is_study(begun) and len(asked["done"]) < repeats * len(SEARCHES):
        training.verify(Run(begun).dataset, str(folder), asked["options"].get("data_home"))
    return {**asked, "repeats": repeats}


def _compared(folder: Path, asked: dict[str, Any], screen: Screen) -> Searches:
    """Do every study that is not done yet, a repeat of all three after the other."""
    mark = ""
    for repeat, search in itertools.product(range(1, asked["repeats"] + 1), SEARCHES):
        name = name_of(search, repeat)
        if name in asked["done"]:
            mark = mark or Study.read(folder / name).fingerprint
            continue
        screen(("says", f"{search} search, repeat {repeat} of {asked['repeats']}"))
        began, fresh = time.monotonic(), not (folder / name).exists()
        seen = screen if not asked["done"] else _less(screen)
        study = _searched(folder / name, search, repeat, asked, seen)
        mark = mark or study.fingerprint
        if study.fingerprint != mark:
            raise RunError(
                f"The pictures of {asked['data']} are not those with which this comparison began.",
                "The same pictures for all searches.",
                f"Put them back and remove {study.folder}, or begin anew.",
            )
        asked["done"][name] = _on_test(study, asked)
        write_json(folder / FILE, asked)
        if fresh and len(asked["done"]) == 1:
            took, many = time.monotonic() - began, asked["repeats"] * len(SEARCHES)
            screen(("says", f"That took {span(took)}: all {many} studies take about {span(many * took)}"))
    made = Searches.read(folder)
    try:
        screen(("says", f"To look at: {write(made)}"))
    except OSError as error:  # the comparison itself is whole
        screen(("says", f"The report could not be written: {error}"))
    return made


def _searched(folder: Path, search: str, repeat: int, asked: Mapping[str, Any], screen: Screen) -> Study:
    """One study to its end; one that was begun goes on."""
    if is_study(folder):
        return tune(resume=folder, screen=screen)
    if folder.exists():
        discard(folder)  # killed before it was a study
    options = {**asked["options"], "points": asked["points"] if search == "grid" else None}
    return tune(
        asked["source"], over=dict(asked["over"]), search=search, epochs_total=asked["epochs_total"], out=str(folder),
        seed=asked["seed"] + repeat - 1, search_seed=asked["search_seed"] + repeat - 1, warm_start=False,
        verdict=False, screen=screen, **options,
    )  # fmt: skip


def _on_test(study: Study, asked: Mapping[str, Any]) -> float | None:
    """What the study's best has on the test pictures; chance where it has none, None where there are no such
    pictures."""
    if not Run(study.folder).dataset.part("test"):
        return None
    if study.best is None or study.best.score is None:
        return study.chance
    return float(evaluate(study.best.run, split="test", device=asked["options"].get("device")).headline.value)


def _less(screen: Screen) -> Screen:
    """Of a study like the one before only its trials are shown: data, choices and ranges are the same."""

    def show(message: Any) -> None:
        if isinstance(message, Turn) or (isinstance(message, tuple) and message[0] not in ("says", "study")):
            screen(message)

    return show


def in_words(ranges: Sequence[Range]) -> dict[str, Any]:
    """Ranges as `over` takes them, in their order: so all studies have the same, and none is widened."""
    told: dict[str, Any] = {}
    for one in ranges:
        low, high = f"{one.low:.6g}", f"{one.high:.6g}"
        if one.choices:
            numbers = all(isinstance(value, float) for value in one.choices)
            told[one.name] = ",".join(map(str, one.choices)) if numbers else list(one.choices)
        else:
            told[one.name] = f"{low}..{high}" if one.scale == "rest" else f"{one.scale}({low},{high})"
    return told
