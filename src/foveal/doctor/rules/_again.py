"""What pictures lost between their files and the network, by reading them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..case import Case
from ._parts import part, percent, surely_above

LESS = 0.08
"""What simple features must tell less of what is given than of the files, beside luck. At most 0.05 on 188
sound runs."""
GREY, COLOURED = 0.2, 0.05
"""Share of its colour that is left in a grey picture; colour from which a picture has some."""
BLUR, SHARP = 0.6, 1.6
UNLIKE = 0.8
"""How well shades of a picture go with those of its file, below which it is another picture."""


def lost(case: Case) -> tuple[str, Mapping[str, Any]] | None:
    """What training pictures tell less, as they are given, than in their files, in a sentence; None where nothing."""
    found = part(case, "read_again")
    if found is None or "from_files" not in found:
        return None
    # the same pictures are told both ways, so that luck is less than between two sets
    kept = max(found["as_given"], found.get("as_taught", 0.0))
    if not surely_above(found["from_files"], kept, found["told_of"], LESS):
        return None
    why = how(found["train"]) or "they are other"
    says = (
        f"Between their files and the network pictures lose what tells their classes: {why}. A simple classifier tells "
        f"{percent(found['from_files'])} of {found['told_of']} training pictures from their files, and "
        f"{percent(kept)} from what the network is given."
    )
    return says, found


def how(beside: Mapping[str, float]) -> str:
    """In what pictures as they are given differ from their files; empty where in nothing."""
    told = []
    if beside["colour_in_files"] > COLOURED and beside["colour"] < GREY * beside["colour_in_files"]:
        told.append("they are grey, and their files have colours")
    if beside["alike"] < UNLIKE:
        told.append(
            f"they show something else, or in another place (correlation of shades {beside['alike']:.2f})"
        )
    if beside["detail"] < BLUR:
        told.append(f"they are blurred ({beside['detail']:.0%} of the fine detail)")
    elif beside["detail"] > SHARP:
        told.append(f"they are grainy ({beside['detail']:.1f} times the fine detail)")
    return "; ".join(told)


def unlike_files(case: Case) -> str:
    """How one split's pictures differ from their files where the other's do not; empty where both are alike."""
    found = part(case, "read_again")
    if found is None:
        return ""
    train, judged = how(found["train"]), how(found["val"])
    if bool(train) == bool(judged):
        return ""
    where = "training" if train else "validation"
    return f"{where} pictures are not as in their files ({train or judged}), the others are"
