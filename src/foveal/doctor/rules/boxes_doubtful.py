"""Objects that nobody drew a box around, boxes under another name, or beside what they are of."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ..data.boxes import held

SOURCE = (
    "Tkachenko, Thyagarajan & Mueller 2023, ObjectLab: overlooked, swapped and badly located boxes. The limits are by "
    "our own measurements, on sound boxes and on the same with some taken away, moved or renamed"
)
LEVEL = "data"
EXPLAINS = ("underfitting", "metric_disagrees", "overfitting", "below_published")
LEAST = {"overlooked": 0.06, "misnamed": 0.01, "misplaced": 0.025}
"""Lower end of the share of boxes in doubt from which a kind counts. Measured with eight detectors that find half of
the boxes or more (blood cells, nuclei, shapes): at most 0.051, 0.000 and 0.016 as they are; with 15 % of the boxes
spoiled at least 0.069, 0.043 and 0.049."""
COUNT = 5
KNOWS, BOXES = 0.5, 40
"""Share of the boxes that the network must find as they were drawn to be asked at all, and how many there must be."""
WORDS = {
    "overlooked": "{count} of {of} objects that the network is sure of have no box ({share:.1%} [{low:.1%}, "
    "{high:.1%}]).",
    "misnamed": "{count} of {of} boxes bear another name than the network is sure of ({share:.1%} [{low:.1%}, "
    "{high:.1%}]).",
    "misplaced": "{count} of {of} boxes lie beside what the network finds of the same name ({share:.1%} [{low:.1%}, "
    "{high:.1%}]).",
}
SHORT = {
    "overlooked": "objects were left without a box",
    "misnamed": "boxes bear the wrong name",
    "misplaced": "boxes lie beside their object",
}


def examine(case: Case) -> Finding | Unsure | None:
    found = held(case)
    if not found:
        return None
    known = [told for told in found if told["boxes"] >= BOXES and told["right"] >= KNOWS * told["boxes"]]
    if not known:
        boxes, right = (sum(told[name] for told in found) for name in ("boxes", "right"))
        return Unsure(
            f"The network finds {right} of {boxes} boxes as they were drawn: too few of them to doubt one."
        )
    ill = {
        (told["part"], kind): told["shares"][kind]
        for told in known
        for kind in WORDS
        if told["shares"][kind]["low"] > LEAST[kind] and told["shares"][kind]["count"] >= COUNT
    }
    if not ill:
        return None
    kinds = [kind for kind in WORDS if any(kind == other for _, other in ill)]
    by_part = {told["part"]: told for told in known}
    worst = max(share["share"] for share in ill.values())
    gone = tuple(
        dict.fromkeys(row["id"] for (name, kind) in ill if name == "train" for row in by_part[name][kind])
    )
    says = " and ".join(SHORT[kind] for kind in kinds)
    return Finding(
        "boxes_doubtful",
        "error" if worst > 0.25 else "warning",
        f"{says[:1].upper()}{says[1:]}: {worst:.0%} of them by what the network finds, where most counts.",
        tuple(
            Evidence(
                f"{name.capitalize()}: {WORDS[kind].format(**share)}",
                {**share, "split": name},
                tuple(dict.fromkeys(row["id"] for row in by_part[name][kind]))[:12],
            )
            for (name, kind), share in ill.items()
        ),
        "Whoever drew the boxes left objects out, mistook them, or drew hastily. Each object without a box teaches the "
        "network that nothing is there, and in judging counts as a mistake of its own when it is found.",
        Cure(
            "Go through the pictures in doubt (boxes.html in the run's folder, written by foveal diagnose RUN --deep) "
            "and draw the boxes anew; or leave out "
            + (
                f"the {len(gone)} training pictures that have such boxes."
                if gone
                else "the training pictures that have such boxes."
            ),
            exclude=gone,
        ),
        confidence=0.75,
    )
