"""The class can be told without looking at the thing: from the border, or the file's size or kind."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ..data.shortcuts import TELLERS
from ._data import NOT_SEEN, score, share, told_aside

SOURCE = (
    "Geirhos et al. 2020, Shortcut Learning in Deep Neural Networks; against the most common class's share (cleanlab "
    "2.9 compares with the class's number instead) and against what the whole picture tells"
)
LEVEL = "data"
EXPLAINS = ("suspiciously_good",)


def examine(case: Case) -> Finding | Unsure | None:
    if case.record.kind != "classes":
        return None
    if "shortcuts" not in case.data:
        return NOT_SEEN
    found = told_aside(case)
    if not found:
        return None
    worst, judged = found[0], score(case)
    what = TELLERS[worst["what"]]
    # a network that tells less than the way around does not live by it: what harms it is something else
    aside = judged is not None and judged["high"] < worst["low"]
    beside = f"; the network itself tells {judged['accuracy']:.1%} from the whole picture" if judged else ""
    return Finding(
        "shortcut",
        "warning",
        f"The class can be told from {what} alone, for {worst['accuracy']:.0%} of the pictures.",
        tuple(
            Evidence(
                f"From {TELLERS[row['what']]} a linear classifier tells {share(row)} of {row['count']} labels of "
                f"pictures that it did not see; chance is {row['chance']:.1%}{beside}.",
                dict(row),
            )
            for row in found
        ),
        "Pictures of different classes came from different places (cameras, scanners, programs, people), which left "
        "their marks.",
        Cure(
            "Make the pictures alike in what tells them apart here: cut the border off (`image.crop((4, "
            "4, w - 4, h - 4))`), bring all to one size, format and colour by one script, or mix the "
            "sources within each class; then judge on pictures from a place that training has not seen."
        ),
        confidence=0.8 if worst["what"] == "border" else 0.7,
        aside=aside,
    )
