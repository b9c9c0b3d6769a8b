"""The score is near perfect on pictures that are hard to tell, and there is a way around looking at them."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._data import NOT_SEEN, score, share, told_aside

SOURCE = (
    "Kaufman et al. 2012, Leakage in Data Mining; UMLAUT (Schoop et al. 2021) warns from 95 % on, and so on most sound "
    "networks for digits: a high score alone is no illness"
)
LEVEL = "data"
EXPLAINS = ()
PERFECT = 0.95
"""Lower end of an accuracy that is near perfect."""
HARD = 0.15
"""What a head on features or pixels must tell less than the network."""
LEAKED = 0.01


def examine(case: Case) -> Finding | Unsure | None:
    judged = score(case)
    if case.record.kind != "classes" or judged is None or judged["low"] < PERFECT:
        return None
    told = case.data.get("labels") or case.data.get("plain")
    if told is None:
        return NOT_SEEN
    ways = []
    leaked = max((len(ids) for ids in case.data.get("leaks", {}).values()), default=0)
    if leaked > LEAKED * judged["count"]:
        ways.append(f"{leaked} judged pictures have a near duplicate in train")
    ways += [f"the {row['what']} alone tells {row['accuracy']:.0%}" for row in told_aside(case)]
    if not ways or told["accuracy"] > judged["accuracy"] - HARD:
        return None
    return Finding(
        "suspiciously_good",
        "warning",
        f"{share(judged)} of {judged['count']} pictures are right, more than such pictures should allow.",
        (
            Evidence(
                f"A linear classifier, made apart from this run, tells {told['accuracy']:.1%} of pictures it did not "
                "see, and none of their twins.",
                {"judged": dict(judged), "apart": told["accuracy"]},
            ),
            Evidence(f"There are ways around looking at the thing: {'; '.join(ways)}.", {"ways": ways}),
        ),
        "The network was judged on what it had seen, or told the classes by what will not be there later.",
        Cure("Mend the leak or the shortcut first, and judge again on pictures from another place."),
        confidence=0.8,
    )
