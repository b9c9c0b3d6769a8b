"""Pictures that judge the network, or near duplicates of them, were trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor
from ._data import NOT_SEEN, share

SOURCE = (
    "Barz & Denzler 2020, Do We Train on Test Data? (3.3 % of CIFAR-10's and 10 % of CIFAR-100's test pictures); near "
    "duplicates as in foveal.data.twins"
)
LEVEL = "data"
EXPLAINS = ("suspiciously_good",)
MANY = 0.05
"""Share of the judged pictures from which on copies, the same to the eye, are an illness by themselves."""
MOVED = 0.02
"""What the score must fall by without near duplicates, which drawn pictures and simple scenes have in all innocence."""
LITTLE = 0.03
"""What they surely do not add to the score, where other findings matter more."""
SMALL = 0.1
"""What they can add at most, where the score is poor all the same: what harms it is something else."""
FEWEST = 3


def examine(case: Case) -> Finding | Unsure | None:
    leaks: Mapping[str, Any] | None = case.data.get("leaks")
    if leaks is None:
        return NOT_SEEN
    counts = {part: sum(row.values()) for part, row in case.data.get("counts", {}).items()}
    judged = case.data.get("judged") or {}
    whole, apart = judged.get("all"), judged.get("without")
    shares = {part: len(ids) / max(1, counts.get(part) or case.data["count"]) for part, ids in leaks.items()}
    worst = max(shares, key=lambda part: shares[part], default="")
    many = len(leaks[worst]) if worst else 0
    if many < FEWEST:
        return None
    twins = [pair for pair in case.data["twins"] if worst in pair["parts"] and "train" in pair["parts"]]
    copies = len({_judged(pair) for pair in twins if pair["distance"] == 0})
    leaked = {id for ids in leaks.values() for id in ids}
    every = [pair for pair in case.data["twins"] if "train" in pair["parts"] and _judged(pair) in leaked]
    fell, luck = _helped(case, every, leaked)
    helped = fell >= MOVED and shares[worst] >= 0.02 and fell > 3 * luck
    if copies < MANY * max(1, counts.get(worst) or case.data["count"]) and not helped:
        return None
    as_good, most = luck > 0 and fell + 2 * luck < LITTLE, _most(case)
    aside = as_good or most < (SMALL if poor(case) else LITTLE)
    gone = tuple(dict.fromkeys(_in_training(pair) for pair in every))
    total = counts.get(worst) or case.data["count"]
    evidence = [
        Evidence(
            f"{many} of the {total} pictures of {worst} have a near duplicate in train; {_how(twins)}.",
            {"split": worst, "leaked": many, "count": total, "share": shares[worst]},
            tuple(id for pair in twins[:6] for id in (pair["first"], pair["second"])),
        )
    ]
    if whole and apart and apart["count"]:
        says = f"Accuracy is {share(whole)} on all judged pictures, and {share(apart)} on the {apart['count']} without"
        evidence.append(Evidence(f"{says} a twin in train.", {"all": whole, "without": apart}))
    return Finding(
        "leak",
        "error" if shares[worst] > 0.2 else "warning",
        f"{shares[worst]:.1%} of the {worst} pictures were trained on, as copies or near duplicates: "
        + (
            "the score is about as good without them, and says little about new ones of their kind."
            if as_good
            else f"they add {100 * most:.0f} points to the score at most, and what it lacks is not their doing."
            if aside
            else "scores are too good to be believed."
        ),
        tuple(evidence),
        "The split was drawn picture by picture although some belong together: copies, frames of a film, "
        "several pictures of one thing.",
        Cure(
            f"Leave their {len(gone)} twins out of training, so that the score means what it says; better, split by "
            "where pictures come from.",
            exclude=gone,
        ),
        confidence=0.95,
        aside=aside,
    )


def _in_training(pair: Mapping[str, Any]) -> str:
    return str(pair["first"] if pair["parts"][0] == "train" else pair["second"])


def _judged(pair: Mapping[str, Any]) -> str:
    return str(pair["second"] if pair["parts"][0] == "train" else pair["first"])


def _helped(case: Case, twins: Iterable[Mapping[str, Any]], leaked: Iterable[str]) -> tuple[float, float]:
    """How much of the score comes of pictures with a twin in training that bears their label, and its standard
    deviation. They are held against pictures of the same class (Mantel & Haenszel 1959): near duplicates are
    commonest in classes that are simple, and these are easy without them."""
    judged = case.record.evaluation
    rows = judged.examples if judged is not None else []
    if not any(isinstance(row.get("truth"), str) for row in rows):
        return _apart(case)
    same = {_judged(pair) for pair in twins if pair["labels"] is None or len(set(pair["labels"])) == 1}
    same &= set(leaked)
    by_class: dict[Any, tuple[list[bool], list[bool]]] = defaultdict(lambda: ([], []))
    for row in rows:
        by_class[row.get("truth")][row["id"] in same].append(row.get("predicted") == row.get("truth"))
    gain = spread = total = 0.0
    for others, own in by_class.values():
        if not others or not own:
            continue
        weight = len(others) * len(own) / (len(others) + len(own))
        middle = (sum(others) + sum(own)) / (len(others) + len(own))
        gain += weight * (sum(own) / len(own) - sum(others) / len(others))
        spread += weight**2 * max(1e-9, middle * (1 - middle)) * (1 / len(own) + 1 / len(others))
        total += weight
    share = sum(len(own) for _, own in by_class.values()) / max(1, len(rows))
    return (share * gain / total, share * spread**0.5 / total) if total else (0.0, 0.0)


def _most(case: Case) -> float:
    """What they can add to the score at most: all of them are right, and of the others as many as are right."""
    judged = case.data.get("judged") or {}
    whole, apart = judged.get("all"), judged.get("without")
    if not whole or not apart or not apart["count"]:
        return 1.0
    return float((whole["count"] - apart["count"]) / whole["count"] * (1 - apart["low"]))


def _apart(case: Case) -> tuple[float, float]:
    """The same where single answers are not known, without regard to classes."""
    judged = case.data.get("judged") or {}
    whole, apart = judged.get("all"), judged.get("without")
    if not whole or not apart or not apart["count"] or whole["count"] <= apart["count"]:
        return 0.0, 0.0
    middle, count = whole["accuracy"], whole["count"] - apart["count"]
    luck = (max(1e-9, middle * (1 - middle)) * (1 / count + 1 / apart["count"])) ** 0.5
    return middle - apart["accuracy"], luck * count / whole["count"]


def _how(twins: list[Mapping[str, Any]]) -> str:
    same = sum(pair["distance"] == 0 for pair in twins)
    return f"of {len(twins)} pairs {same} are the same, {sum(p['mirrored'] for p in twins)} are mirrored"
