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
GAP, SIGMAS = 0.1, 4.0
"""What the test pictures must lack of what the validation pictures promised: at least so much, and so many standard
deviations (the best of many epochs is a little too good by luck alone)."""


def examine(case: Case) -> Finding | Unsure | None:
    if (promised := _promised(case)) is not None:
        return promised
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
        Cure(
            "Mend the leak or the shortcut first (foveal inspect DATA names the pictures), and judge "
            "again on pictures from another place."
        ),
        confidence=0.8,
    )


def _promised(case: Case) -> Finding | None:
    """The validation score is far above that of the test pictures."""
    judged, scores = case.record.evaluation, case.headlines
    if judged is None or judged.headline.split != "test" or judged.headline.name != "accuracy" or not scores:
        return None
    dataset = case.record.dataset
    count = sum((dataset.counts().get("val") or {}).values()) if dataset is not None else 0
    promised, held = max(s.value for s in scores), judged.headline.value
    if case.record.kind != "classes" or not count or not judged.count:
        return None
    middle = (promised * count + held * judged.count) / (count + judged.count)
    luck = (max(1e-9, middle * (1 - middle)) * (1 / count + 1 / judged.count)) ** 0.5
    if promised - held < max(GAP, SIGMAS * luck):
        return None
    says = f"{promised:.1%} of {count} validation pictures were right, and of {judged.count} test pictures {held:.1%}"
    return Finding(
        "suspiciously_good",
        "error",
        f"The validation score does not hold on the test pictures: {says}.",
        (
            Evidence(
                f"{says}; luck would part the two by {luck:.1%} (a standard deviation).",
                {"val": promised, "test": held, "counts": [count, judged.count]},
            ),
        ),
        "Training and validation pictures have something in common that the test pictures lack: a mark, a border or a "
        "background that goes with the class, or the same source; or the test pictures or their labels are of another "
        "kind.",
        Cure(
            "Look at what the network looks at (foveal explain RUN PICTURE) in pictures of both splits, take out what "
            "does not belong to the thing, and draw validation pictures from where test pictures come from."
        ),
        confidence=0.9,
    )
