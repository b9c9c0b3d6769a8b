"""Many labels are wrong, as far as the other pictures tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor
from ._data import NOT_SEEN
from ._parts import part, percent
from ._range import look_apart
from ._tags import missing, number

SOURCE = (
    "Northcutt, Jiang & Chuang 2021 (confident learning): ten much used sets have 3.3 % wrong test labels on average; "
    "the threshold is above that, by our own measurements"
)
LEVEL = "data"
EXPLAINS = ("overfitting", "underfitting", "metric_disagrees", "oscillation", "imbalance")
SHARE = 0.03
"""Lower end of the share of labels contradicted surely, above which they are called noisy. Measured: at most 0.017 on
CIFAR-10, flowers and digits as they are (300 to 2,000 pictures), 0.04 to 0.06 with a tenth of the labels changed."""
OF_ERRORS = 0.14
"""And the share of all that the classifier gets wrong; measured: at most 0.13 and at least 0.17."""
LESS, SIGMAS = 0.12, 3.0
"""What a head tells less of training's labels than of validation's, on the same network's features: at least so much,
and so many standard deviations. Measured: at most 0.06 on 110 sound runs, at least 0.25 with 40 % of wrong labels."""
TORN, FEWEST = 0.01, 5
"""Share of the training pictures, and how many, that are there again, pixel for pixel, under another label."""


def examine(case: Case) -> Finding | Unsure | None:
    if case.record.kind == "labels":
        return _tags(case)
    if case.record.kind != "classes":
        return None
    told = case.data.get("labels")
    found = (
        _torn(case)
        or _taken(case)
        or _slipped(case)
        or _swallowed(case)
        or (_doubted(case, told) if told is not None else None)
        or _held(case)
    )
    found = found or _backwards(case)
    if found is not None or told is not None:
        return found
    return NOT_SEEN if not case.data else Unsure(
        "Pixels alone tell too little to doubt a label: foveal diagnose RUN --deep holds labels against features."
    )  # fmt: skip


def _torn(case: Case) -> Finding | None:
    """The same pictures under two labels."""
    pairs = [
        pair
        for pair in case.data.get("twins", ())
        if pair["distance"] == 0
        and not pair["mirrored"]
        and pair["labels"]
        and pair["labels"][0] != pair["labels"][1]
        and pair["parts"] == ["train", "train"]
    ]
    count = sum(case.data.get("counts", {}).get("train", {}).values())
    if len(pairs) < max(FEWEST, TORN * count):
        return None
    names: dict[str, int] = {}
    for pair in pairs:
        key = " and ".join(sorted(pair["labels"]))
        names[key] = names.get(key, 0) + 1
    most = sorted(names, key=lambda name: -names[name])[:3]
    return Finding(
        "labels_noisy",
        "warning",
        f"{len(pairs)} of {count} training pictures are there again, pixel for pixel, under another label.",
        (
            Evidence(
                f"Most often as {'; '.join(f'{name} ({names[name]})' for name in most)}.",
                {"pairs": len(pairs), "labels": names},
                tuple(id for pair in pairs[:6] for id in (pair["first"], pair["second"])),
            ),
        ),
        "One picture cannot be two things: files of one class were copied into another's folder, or labelled twice.",
        Cure(
            "Find out which of the two labels is right, and take the other copy away or put its own "
            "picture back (these pairs are named by foveal inspect DATA)."
        ),
        confidence=0.95,
    )


def _held(case: Case) -> Finding | None:
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
            _longer(case, len(found["doubted"])),
            exclude=tuple(found["doubted"]),
        ),
        confidence=0.8,
    )


ASYMMETRY, GAP = 0.06, 0.15
"""What validation's head must tell less of training's labels than training's head of validation's; or what the network
must know more of the labels that it learned than of the others."""


def _is_the_labels(case: Case, found: Mapping[str, Any]) -> bool:
    """Whether it is training's labels that are worse, and not what the network sees of pictures. Noise in them is
    averaged out where they teach and not where they are asked for; features that tell little, or splits that show
    other things, are as bad both ways. A network that learned what it was taught, and cannot do it elsewhere, has
    features, too."""
    if "forth" not in found or found["forth"] - found["back"] >= ASYMMETRY:
        return True
    splits = part(case, "splits") or {}
    return bool(splits.get("last_train", 0.0) - splits.get("last_val", 1.0) >= GAP)


OWN, AS_GOOD = 0.6, 0.15
"""Share of what validation's labels are told by that a label taking in others has at most, and what the other labels
may lack of it."""


def _swallowed(case: Case) -> Finding | None:
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


def _backwards(case: Case) -> Finding | None:
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


def _doubted(case: Case, told: Mapping[str, Any]) -> Finding | None:
    """Labels that a classifier contradicts which learned from other pictures."""
    few = told["contradicted_low"] <= SHARE or told["contradicted"] <= OF_ERRORS * (1 - told["accuracy"])
    if few or told["low"] <= told["chance"] + 0.05:
        return None
    sure = [row for row in told["wrong"] if row["sure"]]
    gone = tuple(row["id"] for row in told["wrong"] if row.get("part") == "train")
    pairs = [f"{row['first']} and {row['second']}" for row in told["exchanged"][:3]]
    interval = f"[{told['contradicted_low']:.1%}, {told['contradicted_high']:.1%}]"
    evidence = [
        Evidence(
            f"{told['contradicted']:.1%} {interval} of {told['count']} labels are contradicted with at least 90 % "
            "certainty by a classifier that learned from the other pictures.",
            {k: told[k] for k in ("contradicted", "contradicted_low", "contradicted_high", "count")},
            tuple(row["id"] for row in sure[:12]),
        ),
        Evidence(
            f"Confident learning puts the share of wrong labels at {told['share']:.1%} "
            f"[{told['share_low']:.1%}, {told['share_high']:.1%}].",
            {k: told[k] for k in ("share", "share_low", "share_high")},
        ),
    ]
    if pairs:
        evidence.append(
            Evidence(f"Most often exchanged: {'; '.join(pairs)}.", {"exchanged": told["exchanged"]})
        )
    return Finding(
        "labels_noisy",
        "error" if told["contradicted_low"] > 0.3 else "warning",
        f"About {told['contradicted']:.0%} of the labels are wrong {interval}.",
        tuple(evidence),
        "Whoever or whatever gave the labels erred, or labels were changed on the way.",
        Cure(
            f"Leave the {len(gone)} doubtful training pictures out, or go through them and correct their labels: "
            "foveal inspect DATA --deep.",
            _longer(case, len(gone)),
            exclude=gone,
        ),
        confidence=0.85,
    )


SLIPPED, CERTAIN = 0.06, 5.0
"""What the label of another row must tell beyond those of other rows, and in how many standard deviations."""


def _slipped(case: Case) -> Finding | None:
    """Labels stand some rows away from their pictures."""
    slipped = (part(case, "labels_held") or {}).get("slipped")
    if not slipped or slipped["count"] < 50 or not poor(case, 0.1):
        return None
    share, others, by = slipped["share"], slipped["others"], slipped["by"]
    luck = math.sqrt(max(1e-4, others * (1 - others)) / slipped["count"])
    if share - others < max(SLIPPED, CERTAIN * luck):
        return None
    rows = f"{abs(by)} row{'' if abs(by) == 1 else 's'} {'further down' if by > 0 else 'further up'}"
    return Finding(
        "labels_noisy",
        "error",
        f"Labels of training pictures stand beside other pictures: {percent(share)} of what is seen in them is the "
        f"label {rows}, and {percent(others)} that of other rows.",
        (
            Evidence(
                f"Of {slipped['count']} training pictures, in the order of the data, by a head that learned the "
                "validation labels on the network's features.",
                dict(slipped),
            ),
        ),
        "A row was lost or put in twice in the table of labels, or in the list of files: from there on each picture "
        "has its neighbour's label.",
        Cure(
            "Find the row from which labels and pictures part (open a few pictures at the start, in the "
            "middle and at the end of the table), and join labels to files by name, not by place: `label "
            "= dict(zip(table.file, table.label))[path.name]`. `sorted(files)` puts 10 before 2, and a "
            "heading that is read as a row moves all by one."
        ),
        confidence=0.9,
    )


FEWER = 0.1
"""Share of the training pictures from which it is felt that they are gone: an epoch is fewer steps."""


def _longer(case: Case, gone: int) -> dict[str, Any]:
    """More epochs, where many pictures are left out: as many steps as before."""
    dataset, epochs = case.record.dataset, len(case.record.epochs)
    count = len(dataset.part("train")) if dataset is not None else 0
    if not count or not epochs or gone < FEWER * count or gone >= count or case.options.get("minutes"):
        return {}
    return {"epochs": math.ceil(epochs * count / (count - gone))}


SURELY, PART, CALLED = 4.0, 0.25, 0.25
"""Standard deviations by which a class has fewer training pictures than the other splits promise, and another more; the
share of them, at least; the share of the first class's pictures that are then called by the second's name, at least."""


def _taken(case: Case) -> Finding | None:
    """Training has too few pictures of one class and as many too many of another, by whose name the network calls the
    first: many of these were labelled so."""
    counts = case.record.dataset.counts() if case.record.dataset is not None else {}
    train = counts.get("train") or {}
    others = {name: sum((counts.get(p) or {}).get(name, 0) for p in ("val", "test")) for name in train}
    whole, rest = sum(train.values()), sum(others.values())
    called = case.data.get("confused") or (part(case, "splits") or {}).get("called", ())
    if not whole or not rest or len(train) < 3:
        return None
    for row in called:
        name, other = row["truth"], row["called"]
        if name == other or row["share"] < CALLED or not {name, other} <= train.keys():
            continue
        due = {one: whole * others[one] / rest for one in (name, other)}
        luck = {one: math.sqrt(max(1.0, due[one] * (1 + whole / rest))) for one in due}
        few, many = due[name] - train[name], train[other] - due[other]
        if (
            few > max(SURELY * luck[name], PART * due[name])
            and many > SURELY * luck[other]
            and 0.5 < few / many < 2
        ):
            return _as_another(row, train, due, round(min(few, many)))
    return None


def _as_another(
    row: Mapping[str, Any], train: Mapping[str, int], due: Mapping[str, float], moved: int
) -> Finding:
    name, other = row["truth"], row["called"]
    return Finding(
        "labels_noisy",
        "warning",
        f"About {moved} training pictures of {name} are labelled {other}, as far as the other splits tell.",
        (
            Evidence(
                f"Training has {train[name]} pictures of {name} and {train[other]} of {other}; by the shares in the "
                f"other splits {due[name]:.0f} and {due[other]:.0f} are due.",
                {"train": [train[name], train[other]], "due": [due[name], due[other]]},
            ),
            Evidence(
                f"{row['share']:.0%} of the {row['count']} judged pictures labelled {name} are called {other}.",
                dict(row),
            ),
        ),
        "Whoever or whatever labelled the training pictures took the one class for the other, or put its files into "
        "the other's folder.",
        Cure(
            f"Go through the training pictures labelled {other} (foveal inspect DATA --deep shows those in doubt "
            f"first), and give those of {name} their own label back."
        ),
        confidence=0.85,
    )


def _tags(case: Case) -> Finding | None:
    """Of several labels a picture, training's are not as many as those of the other splits, or some are missing."""
    apart, gone = number(case), missing(case)
    if (apart is None and not gone) or not poor(case, 0.1):
        return None
    evidence = [
        Evidence(
            f"{name}: {had} training pictures bear it, and {due:.0f} are due by the other splits.",
            {"had": had, "due": due},
        )
        for name, (had, due) in list(gone.items())[:6]
    ]
    said = f"Training pictures lack labels that other pictures have: {', '.join(list(gone)[:4])}."
    if apart is not None:
        own, other, sure, count, rest = apart
        said = (
            f"Training pictures bear {own:.2f} labels each, and those of the other splits {other:.2f}: "
            f"{'many are missing' if own < other else 'many are too much'}."
        )
        told = (
            f"{count} training pictures and {rest} others; the difference is {sure:.0f} standard deviations."
        )
        evidence.insert(0, Evidence(told, {"train": own, "others": other}))
    return Finding(
        "labels_noisy",
        "error",
        said,
        tuple(evidence),
        "Of several labels a picture the table of training kept the first, or some names were lost on the way: what is "
        "there and bears no label is taught as absent.",
        Cure(
            "Read all labels of the training pictures again: how are several of them parted in the table? "
            "`cell.split(';')` with the sign that stands there, and `.strip()` on each."
        ),
        confidence=0.93,
    )
