"""Who trains, who checks, who is kept apart: seeded, stratified, and blind to file order."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import DataError, nearest
from ..values import PARTS, Choice, Dataset, Issue, Item, labels_of

SHARE, NEARLY = 0.15, 0.02
"""What val and test each get of all pictures, and how near to that counts as such."""
CAP = 5000
_OBJECTS = ("detect", "instances")  # tasks whose truths are lists of objects, each with its class
_NAMED = ("classify", "multilabel", *_OBJECTS)  # tasks whose truths name classes
_CAP_WHY = f"at most {CAP:,}, where an accuracy's standard error is at most 0.7 points"

Group = tuple[Item, ...]
"""Items whose pictures are byte for byte the same; they never part."""


def split(dataset: Dataset, seed: int) -> tuple[Dataset, list[Choice]]:
    """Every item in `train`, `val` or `test`, and the choices that were made.

    Given splits stay as they are; a missing validation split is carved from training, a missing
    test split only where nothing but training was given. What cannot be learned (a class that
    training lacks) is left out and named in the issues: its pictures, or its objects alone.

    Raises:
        DataError: nothing to train on, one class only, or one picture a class.
    """
    items = sorted(dataset.items, key=lambda item: item.id)
    given = {item.part for item in items if item.part}
    choices: list[Choice] = []
    if given and any(not item.part for item in items):
        loose = sum(not item.part for item in items)
        items = [dataclasses.replace(item, part=item.part or "train") for item in items]
        choices.append(Choice("train", loose, f"{loose} pictures without a split count as training pictures"))
        given.add("train")
    if given and "train" not in given:
        raise _no_train(dataset, given)
    _check(dataset, [item for item in items if item.part in ("", "train")], carve="val" not in given)
    items, carved = _carve(items, given, seed, dataset.task)
    choices += carved
    labels, issues = dataset.labels, list[Issue]()
    if dataset.task in _OBJECTS:
        items, issues = _learnable(items)
    if dataset.task in _NAMED:
        items, lacking = _lacking(dataset, items, given)
        issues += lacking
        if not any(item.part == "val" for item in items):
            raise _no_val(dataset, issues)
        learned = _labels(item for item in items if item.part == "train")
        labels = tuple(label for label in dataset.labels if label in learned)
    whole = dataclasses.replace(dataset, items=tuple(items), labels=labels, issues=(*dataset.issues, *issues))
    return whole, choices


def folds(dataset: Dataset, count: int, seed: int) -> list[tuple[Dataset, list[Choice]]]:
    """`count` data sets: in each another part of the pictures is the test split, and of the others some
    are carved for validation, as in `split`. Every picture is in just one test split; copies stay together.

    A test split that the data brought is left out of all of them.

    Raises:
        DataError: fewer different pictures than folds, or what `split` refuses.
    """
    given = [item for item in dataset.items if item.part == "test"]
    pool = sorted((item for item in dataset.items if item.part != "test"), key=lambda item: item.id)
    groups = _groups(pool)
    if len(groups) < 2 * count:
        raise DataError(
            f"{dataset.root} has {len(groups)} different pictures, too few for {count} folds.",
            "At least two different pictures a fold; better twenty or more.",
            "Give fewer --folds, or leave it out.",
        )
    places = _dealt(groups, _strata(groups, dataset.task), count, seed)
    how = "stratified" if dataset.task in (*_NAMED, "regress") else "drawn at random"
    left = f"; the data's own test split ({len(given):,} pictures) is not touched" if given else ""
    made = []
    for number in range(count):
        parts = ["test" if places[item.id] == number else "train" for item in pool]
        items = tuple(dataclasses.replace(item, part=part) for item, part in zip(pool, parts, strict=True))
        whole, choices = split(dataclasses.replace(dataset, items=items), seed)
        why = f"fold {number + 1} of {count} over {len(pool):,} pictures, {how}, seed {seed}{left}"
        test = Choice("test", len(whole.part("test")), why)
        made.append((whole, [test, *(c for c in choices if c.option not in ("split", "test"))]))
    return made


def _dealt(groups: Sequence[Group], name: Mapping[str, str], count: int, seed: int) -> dict[str, int]:
    """Item id -> fold: each group to the fold with least of its stratum, then with least of all."""
    places: dict[str, int] = {}
    whole = [0] * count
    of_stratum: defaultdict[str, list[int]] = defaultdict(lambda: [0] * count)
    # large groups first: what is small fills up what they left uneven
    for group in sorted(groups, key=lambda g: (name[g[0].id], -len(g), _order(seed, "fold", g))):
        filled = of_stratum[name[group[0].id]]
        fold = min(range(count), key=lambda n: (filled[n], whole[n], n))
        filled[fold] += len(group)
        whole[fold] += len(group)
        places.update((item.id, fold) for item in group)
    return places


def _carve(items: list[Item], given: set[str], seed: int, task: str) -> tuple[list[Item], list[Choice]]:
    """The splits that are missing, taken from training."""
    wanted = [part for part in ("test", "val") if part not in given]
    if "val" in given:  # what the person set apart for checking is not thinned out for a test
        wanted = []
    choices = []
    if given - {"train"}:
        kept = ", ".join(part for part in PARTS if part in given)
        choices.append(Choice("split", kept, "the data comes with it", automatic=False))
    if "val" in given and "test" not in given:
        choices.append(
            Choice(
                "test",
                0,
                "the data has no test split: the headline is on val, which also picks the best model, "
                "and is optimistic",
            )
        )
    pool = [item for item in items if item.part in ("", "train")]
    places = _assign(pool, wanted, seed, task) if wanted else {}
    carved = [dataclasses.replace(item, part=places.get(item.id, item.part or "train")) for item in items]
    for part in ("val", "test"):
        if part in wanted:
            count = sum(place == part for place in places.values())
            how = {"regress": "stratified by value"}.get(
                task, "stratified by label" if task in _NAMED else "random"
            )
            share = f"{count / len(pool):.0%}" if abs(count / len(pool) - SHARE) > NEARLY else f"{SHARE:.0%}"
            why = f"{share} of {len(pool)} pictures, {how}, seed {seed}"
            why += f"; {_CAP_WHY}" if count >= CAP else ""
            why += "; copies stay together"
            if not count:
                why = f"{len(pool)} pictures are too few for a {part} split as well"
            choices.append(Choice(part, count, why))
    return carved, choices


def _assign(pool: Sequence[Item], wanted: Sequence[str], seed: int, task: str) -> dict[str, str]:
    """Item id -> `val` or `test`, for those that leave training."""
    groups = _groups(pool)
    places = _draw(groups, _strata(groups, task), wanted, seed)
    if "val" not in places.values():  # every stratum is too small to give one
        places = _draw(groups, _strata(groups, ""), wanted, seed)
    return _taught(groups, places, seed) if task in _NAMED else places


def _taught(groups: Sequence[Group], places: dict[str, str], seed: int) -> dict[str, str]:
    """The same places, less those that would take a class's last picture out of training."""
    order = sorted(groups, key=lambda group: _order(seed, "train", group))
    often = Counter(label for g in order if g[0].id not in places for label in _labels(g))
    for group in order:
        if group[0].id in places and any(often[label] == 0 for label in _labels(group)):
            often.update(_labels(group))
            for item in group:
                del places[item.id]
    if "val" not in places.values():  # one that training can spare
        spare = next((g for g in order if all(often[label] > 1 for label in _labels(g))), ())
        places.update((item.id, "val") for item in spare)
    return places


def _draw(
    groups: Sequence[Group], name: Mapping[str, str], wanted: Sequence[str], seed: int
) -> dict[str, str]:
    strata: defaultdict[str, list[Group]] = defaultdict(list)
    for group in groups:
        strata[name[group[0].id]].append(group)
    sizes = {stratum: sum(map(len, members)) for stratum, members in strata.items()}
    total = min(round(SHARE * sum(sizes.values())), CAP)
    places: dict[str, str] = {}
    for part in sorted(wanted, key=PARTS.index):  # val before test, where there are two pictures only
        quota = quotas(sizes, total, {stratum: int(len(members) >= 2) for stratum, members in strata.items()})
        reserve = 1 if part == "test" or len(wanted) == 1 else 2  # what training, and then test, still need
        for stratum, members in strata.items():
            members.sort(key=lambda group: _order(seed, part, group))
            for group in _take(members, quota[stratum], min(reserve, max(1, len(members) - 1))):
                members.remove(group)
                places.update((item.id, part) for item in group)
    return places


def quotas(sizes: Mapping[str, int], total: int, least: Mapping[str, int]) -> dict[str, int]:
    """`total` shared out in proportion to `sizes` by largest remainders, each share at least `least`.

    Where the least shares alone exceed the total, they win.
    """
    whole = sum(sizes.values()) or 1
    exact = {name: total * size / whole for name, size in sizes.items()}
    shares = {name: max(int(value), least.get(name, 0)) for name, value in exact.items()}
    by_rest = sorted(sizes, key=lambda name: (int(exact[name]) - exact[name], name))
    for name in [name for name in by_rest if shares[name] < exact[name]][
        : max(0, total - sum(shares.values()))
    ]:
        shares[name] += 1
    surplus = sum(shares.values()) - total
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        spare = min(surplus, shares[name] - least.get(name, 0), max(0, shares[name] - 1))
        if spare > 0:
            shares[name] -= spare
            surplus -= spare
    return shares


def _take(members: Sequence[Group], quota: int, reserve: int) -> list[Group]:
    """Groups in their drawn order that fit into the quota, with `reserve` groups left over."""
    taken: list[Group] = []
    filled = 0
    for group in members:
        if len(members) - len(taken) <= reserve or filled >= quota:
            break
        if filled + len(group) <= quota:
            taken.append(group)
            filled += len(group)
    if not taken and quota > 0 and len(members) > reserve:
        taken = [min(members, key=len)]
    return taken


def _groups(items: Iterable[Item]) -> list[Group]:
    twins: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        twins[item.sha256 or f"id {item.id}"].append(item)
    return [tuple(sorted(group, key=lambda item: item.id)) for group in twins.values()]


def _order(seed: int, part: str, group: Group) -> bytes:
    """A group's place in the draw: by hash, the same on every machine and blind to what else there is."""
    return hashlib.sha256(f"{seed} {part} {group[0].id}".encode()).digest()


def _strata(groups: Sequence[Group], task: str) -> dict[str, str]:
    """First item's id -> stratum: its class, its rarest class, or its tenth of the numbers."""
    first = [group[0] for group in groups]
    if task == "regress":
        ranked = sorted(first, key=lambda item: (item.truth, item.id))
        return {item.id: f"tenth {rank * 10 // len(ranked)}" for rank, item in enumerate(ranked)}
    if task not in _NAMED:
        return {item.id: "" for item in first}
    often = Counter(label for item in first for label in _names(item.truth))
    return {
        item.id: min(_names(item.truth), key=lambda label: (often[label], label), default="")
        for item in first
    }


def _names(truth: Any) -> list[str]:
    """The classes that a truth names, each once."""
    if isinstance(truth, list | tuple):
        return list(dict.fromkeys(labels_of(truth)))
    return [truth if isinstance(truth, str) else json.dumps(truth, sort_keys=True)]


def _labels(items: Iterable[Item]) -> set[str]:
    return {label for item in items for label in _names(item.truth)}


def _check(dataset: Dataset, train: Sequence[Item], carve: bool) -> None:
    """What no split can mend."""
    if not train:
        raise DataError(
            f"{dataset.root} has no pictures to train on.",
            "At least two pictures of at least two classes.",
            "Check the path.",
        )
    if dataset.task != "classify":
        return
    distinct: defaultdict[str, set[str]] = defaultdict(set)
    for item in train:
        distinct[str(item.truth)].add(item.sha256 or item.id)
    if len(distinct) == 1:
        only = next(iter(distinct))
        raise DataError(
            f"All {len(train)} training pictures in {dataset.root} are of one class, {only!r}.",
            "At least two classes, such as a folder for each: DATA/cat/1.jpg, DATA/dog/1.jpg.",
            "Add pictures of what it is to be told apart from, or give the folder that holds all classes.",
        )
    if carve and all(len(pictures) == 1 for pictures in distinct.values()):
        raise DataError(
            f"Each of the {len(distinct)} classes in {dataset.root} has only one training picture"
            f"{' (copies count once)' if len(train) > len(distinct) else ''}.",
            "At least two different pictures a class, to train on and to check with; better ten or more.",
            "Add pictures, or check that folders are named after classes and not after pictures.",
        )


def _no_train(dataset: Dataset, given: set[str]) -> DataError:
    found = " and ".join(sorted(given))
    return DataError(
        f"{dataset.root} has pictures for {found}, but none to train on.",
        "A split called train, with or without val and test beside it; or no splits at all.",
        f"To train on these pictures, give the folder below, such as {dataset.root}/{sorted(given)[0]}.",
    )


def _no_val(dataset: Dataset, issues: Sequence[Issue]) -> DataError:
    if not issues:
        return DataError(
            f"No picture in {dataset.root} can be spared to check with: each is the only one of some class.",
            "At least two different pictures of some class.",
            "Add pictures, or check the labels.",
        )
    told = "\n".join(f"  {issue.says}" for issue in issues[:5])
    return DataError(
        f"No picture for checking is left in {dataset.root}:\n{told}",
        "A validation split with classes of the same names as in the training split.",
        "Give the class folders the same names, or take val away: it is then carved from train.",
    )


def _learnable(items: Sequence[Item]) -> tuple[list[Item], list[Issue]]:
    """The items less the objects of classes that no training picture shows, which are named."""
    learned = _labels(item for item in items if item.part == "train")
    strange: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    kept = []
    for item in items:
        known = [one for one in item.truth if one["label"] in learned]
        for one in item.truth:
            if one["label"] not in learned:
                strange[item.part, one["label"]].append(item.id)
        kept.append(item if len(known) == len(item.truth) else dataclasses.replace(item, truth=known))
    issues = []
    for (part, label), ids in sorted(strange.items()):
        near = nearest(label, learned, 1)
        meant = f" Is it meant to be {near[0]!r}?" if near else ""
        count = f"{len(ids)} object{'s' * (len(ids) != 1)}"
        says = f"Class {label!r} is in {part} but not in train: {count} left out.{meant}"
        issues.append(Issue("class-not-in-train", "warning", says, tuple(dict.fromkeys(ids))))
    return kept, issues


def _lacking(dataset: Dataset, items: Sequence[Item], given: set[str]) -> tuple[list[Item], list[Issue]]:
    """Classes present in some splits only: named, and left out where training lacks them."""
    learned = _labels(item for item in items if item.part == "train")
    kept, issues = [], []
    strange: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for item in items:
        unknown = [label for label in _names(item.truth) if label not in learned]
        if unknown and item.part != "train":
            strange[item.part, unknown[0]].append(item.id)
        else:
            kept.append(item)
    for (part, label), ids in sorted(strange.items()):
        near = nearest(label, learned, 1)
        meant = f" Is it meant to be {near[0]!r}?" if near else ""
        count = f"{len(ids)} picture{'s' * (len(ids) != 1)}"
        says = f"Class {label!r} is in {part} but not in train: {count} left out.{meant}"
        issues.append(Issue("class-not-in-train", "warning", says, tuple(ids)))
    for part in ("val", "test"):
        there = _labels(item for item in kept if item.part == part)
        lacks = [label for label in dataset.labels if label in learned and label not in there]
        if there and lacks:
            shown = ", ".join(map(repr, lacks[:10])) + (
                f" and {len(lacks) - 10} more" if len(lacks) > 10 else ""
            )
            why = "" if part in given else " (too few pictures)"
            whom = "it" if len(lacks) == 1 else "them"
            says = f"No picture of {shown} in {part}{why}: its score says nothing about {whom}."
            issues.append(Issue(f"class-missing-in-{part}", "warning", says))
    return kept, issues
