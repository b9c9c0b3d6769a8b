"""Training labels held against what the network sees, by heads that learned from validation's (`deep.labels_held`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding
from ..case import Case
from ._course import poor
from ._parts import part, percent
from ._range import look_apart

LESS, SIGMAS = 0.12, 3.0
"""What a head tells less of training's labels than of validation's, on the same network's features: at least so much,
and so many standard deviations. Measured: at most 0.06 on 110 sound runs, at least 0.25 with 40 % of wrong labels."""
CERTAIN, SURELY, PART = 5.0, 4.0, 0.25
"""Standard deviations by which two shares differ, and by which a class has more or fewer pictures than the other splits
promise; the share of these, at least."""


def held(case: Case) -> Finding | None:
    """What the network sees goes with validation's labels, and much less with training's."""
    found, inputs = part(case, "labels_held"), part(case, "inputs")
    if found is None or (inputs is not None and look_apart(inputs)):
        return None
    low, high, count = found["train"], found["held"], found["count"]
    luck = ((high * (1 - high) + low * (1 - low)) / count) ** 0.5
    if high - low < max(LESS, SIGMAS * luck) or not _is_the_labels(case, found):
        return None
    share = 1 - low / high
    return Finding(
        "labels_noisy",
        "error" if share > 0.3 else "warning",
        f"About {share:.0%} of the training labels do not go with what the network sees in their pictures, where those "
        "of validation do.",
        (
            Evidence(
                f"On the network's features a linear head tells {percent(high)} of {count} validation labels that it "
                f"did not see, and one for {count} training labels {percent(low)}. A network that learned from "
                "these would have both the other way round.",
                {"train": low, "held": high, "count": count},
                tuple(found["doubted"][:12]),
            ),
        ),
        "Whoever or whatever gave the training labels erred, or they were changed on the way; or training pictures "
        "come from a source that shows their class less well.",
        Cure(
            f"Leave out the {len(found['doubted'])} training pictures whose label is unlikely by the validation "
            "pictures, or go through them and correct their labels.",
            longer(case, len(found["doubted"])),
            exclude=tuple(found["doubted"]),
        ),
        confidence=0.8,
    )


ASYMMETRY, GAP = 0.06, 0.15
"""What validation's head must tell less of training's labels than training's head of validation's; or what the network
must know more of the labels that it learned than of the others (as much as the first the other way round)."""


def _is_the_labels(case: Case, found: Mapping[str, Any]) -> bool:
    """Whether it is training's labels that are worse, and not what the network sees of pictures. Noise in them is
    averaged out where they teach and not where they are asked for; features that tell little, or splits that show
    other things, are as bad both ways. A network that learned what it was taught, and cannot do it elsewhere, has
    features, too."""
    if "forth" not in found or found["forth"] - found["back"] >= ASYMMETRY:
        return True
    splits = part(case, "splits")
    if splits is None or "last_val" not in splits:
        return True
    ahead = splits["last_train"] - splits["last_val"]
    return bool(ahead >= GAP or -ahead >= ASYMMETRY)


OWN, AS_GOOD = 0.6, 0.15
"""Share of what validation's labels are told by that a label taking in others has at most, and what the other labels
may lack of it."""


def swallowed(case: Case) -> Finding | None:
    """One training label takes in pictures of the others, as far as what validation's labels taught tells."""
    found = part(case, "labels_held") or {}
    joint = found.get("joint") or {}
    if len(joint) < 3 or not poor(case, 0.1):
        return None
    counts = {name: sum(row.values()) for name, row in joint.items()}
    name = max(joint, key=lambda one: counts[one] - joint[one].get(one, 0))
    rest, own = sum(counts.values()) - counts[name], joint[name].get(name, 0) / counts[name]
    others = sum(row.get(one, 0) for one, row in joint.items() if one != name) / max(1, rest)
    luck = math.sqrt(max(1e-4, others * (1 - others)) * (1 / counts[name] + 1 / max(1, rest)))
    if others < found["held"] - AS_GOOD or own > OWN * others or others - own < CERTAIN * luck:
        return None
    if not _is_too_common(case, name, counts[name] - sum(row.get(name, 0) for row in joint.values())):
        return None
    moved = round((others - own) / max(1e-6, others) * counts[name])
    seen = sorted((one for one in joint[name] if one != name), key=lambda one: -joint[name][one])
    return Finding(
        "labels_noisy",
        "error",
        f"About {moved} of the {counts[name]} training pictures labelled {name} show something else: "
        f"{', '.join(seen[:4])}.",
        (
            Evidence(
                f"A head that learned the validation labels on the network's features calls {percent(own)} of them "
                f"{name}; of the pictures with other labels it calls {percent(others)} as they are labelled.",
                {"joint": joint[name], "own": own, "others": others},
            ),
        ),
        f"Whoever labelled took {name} where unsure, or it is what a program gives where it finds nothing (the first "
        "class, a default).",
        Cure(f"Go through the training pictures labelled {name}: foveal inspect DATA --deep."),
        confidence=0.9,
        direct=True,
    )


def _is_too_common(case: Case, name: str, beyond: int) -> bool:
    """Whether training has many more pictures of a class than the other splits promise, and than look like it: a class
    that is merely hard to tell is taken for others as often as others for it."""
    counts = case.record.dataset.counts() if case.record.dataset is not None else {}
    train = counts.get("train") or {}
    whole, own = sum(train.values()), train.get(name, 0)
    others = [counts.get(p) or {} for p in ("val", "test")]
    rest = sum(sum(one.values()) for one in others)
    if not whole or not rest:
        return False
    due = whole * sum(one.get(name, 0) for one in others) / rest
    luck = math.sqrt(max(1.0, due * (1 + whole / rest)))
    return own - due > max(SURELY * luck, PART * due) and beyond > max(SURELY * math.sqrt(own), PART * due)


BACKWARDS = 0.1
"""What a network may know less of its training labels than of validation's, beside three standard deviations."""


def backwards(case: Case) -> Finding | None:
    """The network is right more often on validation pictures than on those that it learned from, both as they are."""
    splits, inputs = part(case, "splits"), part(case, "inputs")
    if splits is None or "last_val" not in splits or (inputs is not None and look_apart(inputs)):
        return None
    low, high, count = splits["last_train"], splits["last_val"], splits["count"]
    luck = ((high * (1 - high) + low * (1 - low)) / count) ** 0.5
    if not poor(case, 0.1) or high - low < max(BACKWARDS, SIGMAS * luck):
        return None
    return Finding(
        "labels_noisy",
        "error" if low < 0.7 * high else "warning",
        f"The network is right for {percent(low)} of {count} training pictures, which it learned from, and for "
        f"{percent(high)} of as many validation pictures: many training labels are wrong.",
        (
            Evidence(
                "Both are shown as they are, in evaluation mode. A network knows at least as much of what it learned "
                "from, if the labels of both mean the same.",
                {"train": low, "val": high, "count": count},
            ),
        ),
        "Whoever or whatever gave the training labels erred, or they were changed on the way: moved by a row of a "
        "table, drawn anew, put to other files.",
        Cure(
            "Hold the training labels against their pictures: foveal inspect DATA --deep names those in "
            "doubt. Where they come from a table, compare its first, middle and last rows with the files; "
            "where they are joined to files in the order of a list, join them by name: `label = "
            "dict(zip(table.file, table.label))[path.name]`."
        ),
        confidence=0.8,
    )


FEWER = 0.1
"""Share of the training pictures from which it is felt that they are gone: an epoch is fewer steps."""


def longer(case: Case, gone: int) -> dict[str, Any]:
    """More epochs, where many pictures are left out: as many steps as before."""
    dataset, epochs = case.record.dataset, len(case.record.epochs)
    count = len(dataset.part("train")) if dataset is not None else 0
    if not count or not epochs or gone < FEWER * count or gone >= count or case.options.get("minutes"):
        return {}
    return {"epochs": math.ceil(epochs * count / (count - gone))}
