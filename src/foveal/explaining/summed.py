"""Explanations summed over a class's mistakes: where, over all of them, what was wrongly said comes from."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.seen import Seen
from ..data.views import to_input
from ..errors import DataError, FovealError
from ..model import Model
from ..records.run import Run
from ..values import Target
from .explained import WRONG, Explanation, strongest
from .given import Given
from .telling import examples_of
from .verdicts import Verdict

MOST = 200
"""Mistakes that are summed; of more the worst."""
BORDER = 0.15
"""The outer part of the view, as a share of its side, that a sum is asked about."""


def errors_of(run: Run, label: str, said: str = "") -> list[Given]:
    """A class's judged pictures that were taken for another, the worst first; each asks for what was said rather than
    for what is true. With `said` only those that were taken for that one.

    Raises:
        DataError: the run was not judged yet, or has no such mistakes.
    """
    rows = [row for row in examples_of(run) if row["truth"] == label and row["predicted"] != label]
    taken = Counter(str(row["predicted"]) for row in rows)
    wrong = [row for row in rows if said in ("", row["predicted"])]
    if not wrong:
        known = ", ".join(f"{name} ({n})" for name, n in taken.most_common(10)) or "none of its pictures"
        raise DataError(
            f"{run.folder} took no judged picture of {label!r} for {said or 'another label'}.",
            f"What it took {label!r} for: {known}.",
            "Name another label with --errors; the report's table of confusions shows which there are.",
        )
    items = {item.id: item for item in run.dataset.items}
    wrong.sort(key=lambda row: float("inf") if row.get("loss") is None else -float(row["loss"]))
    return [
        Given.item(
            run.dataset.root, items[row["id"]], targets=(Target(str(row["predicted"]), label),),
            why=f"{row['predicted']} was said, {label} is true",
        )
        for row in wrong[:MOST] if row["id"] in items
    ]  # fmt: skip


def summed(
    model: Model, given: Sequence[Given], rows: Sequence[Explanation], label: str
) -> list[Explanation]:
    """For each method the mean of its maps over all these pictures, on what the network sees, over their mean."""
    good = [row for row in rows if row.error is None and row.pixels is not None]
    picture = _mean_picture(model, given)
    if not good or picture is None:
        return []
    found = []
    for method in dict.fromkeys(row.method for row in good):
        own = [row for row in good if row.method == method]
        maps = np.stack([row.pixels for row in own if row.pixels is not None])
        mean: NDArray[np.float32] = maps.mean(0, dtype=np.float64).astype(np.float32)
        first, (height, width) = own[0], mean.shape
        peak = strongest(mean, first.shows, fine=first.cells is None)
        found.append(
            dataclasses.replace(
                first, path=f"the mean of {len(own)} mistakes", target=Target(WRONG, label),
                score=float(np.mean([row.score for row in own])), seen=Seen.whole(width, height), pixels=mean,
                cells=None, peak=peak, top=peak, verdict=Verdict(first.cannot, first.verdict.word),
                says=_says(maps, mean, own),
                why=f"summed over pictures of {label} that were taken for others", truth=None,
                opened=partial(_shown, picture), files={},
            )
        )  # fmt: skip
    return found


def _shown(picture: Image.Image, shorter: int | None = None) -> Image.Image:
    return picture


def _says(
    maps: NDArray[np.float32], mean: NDArray[np.float32], own: Sequence[Explanation]
) -> tuple[str, ...]:
    """What the sum shows, in sentences with numbers."""
    shown = np.clip(mean, 0, None)
    said = [f"The mean of {len(own)} maps, each of what was said rather than what is true."]
    if shown.sum() > 0:
        height, width = mean.shape
        y, x = max(1, round(BORDER * height)), max(1, round(BORDER * width))
        middle = shown[y : height - y, x : width - x]
        outer, area = 1 - float(middle.sum() / shown.sum()), 1 - middle.size / mean.size
        said.append(
            f"{100 * outer:.0f} % of what speaks for the wrong answers lies in the outer {100 * BORDER:.0f} % of the "
            f"view, which is {100 * area:.0f} % of its area"
            + (": look at what stands at the border." if outer > 1.5 * area else ".")
        )
    sums = np.clip(maps, 0, None).reshape(len(own), -1).sum(1)
    if len(own) > 2 and sums.sum() > 0:
        most = int(sums.argmax())
        share = float(sums[most] / sums.sum())
        said.append(f"The picture that gives most of it, {own[most].path}, gives {100 * share:.0f} %.")
    return tuple(said)


def _mean_picture(model: Model, given: Sequence[Given]) -> Image.Image | None:
    """What the network sees, averaged over these pictures, those left out that cannot be read."""
    pre, view = model.preprocessing, model.task.view(model.preprocessing)
    total: NDArray[np.float64] | None = None
    count = 0
    for one in given:
        try:
            seen = to_input(one.opened(pre.channels, None), view).numpy().astype(np.float64)
        except (FovealError, OSError):
            continue
        total = seen if total is None else total + seen
        count += 1
    if total is None:
        return None
    mean = np.rint(total / count).astype(np.uint8)
    return Image.fromarray(mean[0]) if len(mean) == 1 else Image.fromarray(mean[:3].transpose(1, 2, 0))
