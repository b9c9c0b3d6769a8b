"""Splits: what holds for any data, and every trap of given ones."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.data import splits
from foveal.data.splits import quotas, split
from foveal.errors import DataError
from foveal.values import Dataset, Item


def made(items: list[Item], task: str = "classify") -> Dataset:
    labels = sorted(
        {
            label
            for i in items
            for label in (i.truth if isinstance(i.truth, list) else [i.truth])
            if isinstance(label, str)
        }
    )
    return Dataset("/data", task, "test", "made", tuple(labels), tuple(items))


def plain(counts: dict[str, int], part: str = "") -> list[Item]:
    return [
        Item(f"{part}/{label}/{n}", f"{part}/{label}/{n}", label, part, sha256=f"{part}{label}{n}")
        for label, count in counts.items()
        for n in range(count)
    ]


def places(dataset: Dataset) -> dict[str, str]:
    return {item.id: item.part for item in dataset.items}


@st.composite
def data(draw: st.DrawFn) -> Dataset:
    """Classes of very different sizes, with copies, some of them under two labels."""
    counts = draw(st.lists(st.integers(1, 40), min_size=2, max_size=6))
    items = plain({f"c{n}": count for n, count in enumerate(counts)})
    copies = draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=15))
    for a, b in copies:
        first, second = items[a % len(items)], items[b % len(items)]
        items[b % len(items)] = dataclasses.replace(second, sha256=first.sha256)
    return made(items)


@given(data(), st.integers(0, 2**32 - 1))
@settings(max_examples=150)
def test_what_holds_for_every_split(dataset: Dataset, seed: int) -> None:
    distinct: defaultdict[str, set[str]] = defaultdict(set)
    for item in dataset.items:
        distinct[item.truth].add(item.sha256)
    try:
        got, choices = split(dataset, seed)
    except DataError:  # only where no class has two different pictures
        if any(len(pictures) > 1 for pictures in distinct.values()):
            raise
        return
    named = {id for issue in got.issues for id in issue.paths}
    # nobody is lost, nobody is undecided
    assert {item.id for item in dataset.items} - {item.id for item in got.items} <= named
    assert {item.part for item in got.items} <= {"train", "val", "test"}
    assert got.part("val")
    # copies stay together
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for item in got.items:
        sides[item.sha256].add(item.part)
    assert all(len(parts) == 1 for parts in sides.values())
    # what is asked in val and test was taught in train
    taught = {item.truth for item in got.part("train")}
    assert {item.truth for item in got.items} <= taught
    assert got.labels == tuple(label for label in dataset.labels if label in taught)
    # the same again, however the files come
    shuffled = list(dataset.items)
    random.Random(seed).shuffle(shuffled)
    again, _ = split(dataclasses.replace(dataset, items=tuple(shuffled)), seed)
    assert again.items == got.items
    assert {choice.option for choice in choices} == {"val", "test"}


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(10, 200), min_size=2, max_size=6),
    st.integers(0, 99),
)
@settings(max_examples=60)
def test_shares_are_stratified(counts: dict[str, int], seed: int) -> None:
    got, _ = split(made(plain(counts)), seed)
    total = sum(counts.values())
    for part in ("val", "test"):
        assert len(got.part(part)) == round(0.15 * total)
        for label, count in Counter(item.truth for item in got.part(part)).items():
            assert abs(count - 0.15 * counts[label]) <= 1.5


@given(
    st.dictionaries(st.text("abcd", min_size=1, max_size=2), st.integers(1, 1000), min_size=1),
    st.floats(0, 1),
)
def test_quotas_add_up(sizes: dict[str, int], share: float) -> None:
    total = round(share * sum(sizes.values()))
    got = quotas(sizes, total, {})
    assert sum(got.values()) == total
    assert all(0 <= got[name] <= sizes[name] for name in sizes)
    assert all(abs(got[name] - total * size / sum(sizes.values())) < 1 for name, size in sizes.items())
    least = quotas(sizes, total, dict.fromkeys(sizes, 1))
    assert all(count >= 1 for count in least.values())
    assert sum(least.values()) == max(total, len(sizes))


@pytest.mark.parametrize(
    ("count", "wanted"), [(2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1)), (7, (5, 1, 1))]
)
def test_few_pictures_a_class(count: int, wanted: tuple[int, int, int]) -> None:
    got, _ = split(made(plain({"a": count, "b": count, "c": count})), 3)
    for label in "abc":
        parts = Counter(item.part for item in got.items if item.truth == label)
        assert (parts["train"], parts["val"], parts["test"]) == wanted


def test_a_class_of_one_is_trained_on_and_said() -> None:
    got, _ = split(made(plain({"a": 20, "b": 20, "rare": 1})), 0)
    assert [item.part for item in got.items if item.truth == "rare"] == ["train"]
    said = {issue.kind: issue for issue in got.issues}
    assert "'rare' in val (too few pictures)" in said["class-missing-in-val"].says
    assert said["class-missing-in-val"].severity == "warning"


def test_val_and_test_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    got, choices = split(made(plain({"a": 30_000, "b": 20_000})), 0)
    assert (len(got.part("val")), len(got.part("test"))) == (5000, 5000)
    assert sum(item.truth == "a" for item in got.part("val")) == 3000
    assert "0.7 points" in choices[0].reason


def test_seeds_differ_and_a_seed_is_stable() -> None:
    dataset = made(plain({"a": 50, "b": 50}))
    assert split(dataset, 0)[0].items == split(dataset, 0)[0].items
    assert places(split(dataset, 0)[0]) != places(split(dataset, 1)[0])
    # fixed on every machine and in every version: a changed split would leak test pictures into training
    ten, _ = split(made(plain({"a": 10, "b": 10})), 0)
    assert [i.id for i in ten.part("val")] == PINNED_VAL
    assert [i.id for i in ten.part("test")] == PINNED_TEST


PINNED_VAL = ["/a/0", "/a/1", "/b/5"]
PINNED_TEST = ["/a/4", "/a/8", "/b/8"]


def test_a_large_group_of_copies_does_not_burst_the_share() -> None:
    items = [
        dataclasses.replace(item, sha256="same") if n < 40 else item
        for n, item in enumerate(plain({"a": 100}))
    ]
    got, _ = split(made(items + plain({"b": 100})), 0)
    assert len(got.part("val")) <= 31
    assert len({item.part for item in got.items if item.sha256 == "same"}) == 1


def test_given_splits_stay() -> None:
    items = (
        plain({"a": 5, "b": 5}, "train") + plain({"a": 2, "b": 2}, "val") + plain({"a": 3, "b": 3}, "test")
    )
    got, choices = split(made(items), 0)
    assert places(got) == {item.id: item.part for item in items}
    assert got.issues == ()
    assert [(c.option, c.value, c.automatic) for c in choices] == [("split", "train, val, test", False)]


def test_val_is_carved_from_train_where_a_test_is_given() -> None:
    items = plain({"a": 40, "b": 40}, "train") + plain({"a": 9, "b": 9}, "test")
    got, choices = split(made(items), 0)
    assert {i.id for i in got.part("test")} == {i.id for i in items if i.part == "test"}
    assert Counter(i.truth for i in got.part("val")) == {"a": 6, "b": 6}
    assert [c.option for c in choices] == ["split", "val"]


def test_without_a_test_the_headline_is_said_to_be_optimistic() -> None:
    got, choices = split(made(plain({"a": 5, "b": 5}, "train") + plain({"a": 2, "b": 2}, "val")), 0)
    assert not got.part("test")
    assert "optimistic" in next(c.reason for c in choices if c.option == "test")


def test_train_alone_is_split_like_undivided_data() -> None:
    got, choices = split(made(plain({"a": 20, "b": 20}, "train")), 0)
    assert {part: len(got.part(part)) for part in ("train", "val", "test")} == {
        "train": 28,
        "val": 6,
        "test": 6,
    }
    assert all(choice.automatic for choice in choices)


def test_pictures_without_a_split_train_where_others_have_one() -> None:
    got, choices = split(made(plain({"a": 20, "b": 20}) + plain({"a": 4, "b": 4}, "test")), 0)
    assert len(got.part("test")) == 8
    assert len(got.part("val")) == 6
    assert choices[0].option == "train"


@pytest.mark.parametrize("parts", [("test",), ("val",), ("val", "test")])
def test_nothing_to_train_on(parts: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="none to train on") as caught:
        split(made([item for part in parts for item in plain({"a": 3, "b": 3}, part)]), 0)
    assert "/data/" in caught.value.todo


def test_a_class_that_train_lacks_is_left_out_and_named() -> None:
    items = (
        plain({"cat": 5, "dog": 5}, "train")
        + plain({"cat": 2, "dogs": 2}, "val")
        + plain({"cow": 1, "cat": 1}, "test")
    )
    got, _ = split(made(items), 0)
    assert got.labels == ("cat", "dog")
    assert {i.truth for i in got.part("val")} == {"cat"}
    issues = [i for i in got.issues if i.kind == "class-not-in-train"]
    assert [(i.severity, i.paths) for i in issues] == [
        ("warning", ("test/cow/0",)),
        ("warning", ("val/dogs/0", "val/dogs/1")),
    ]
    assert (
        "'dogs' is in val but not in train: 2 pictures left out. Is it meant to be 'dog'?" in issues[1].says
    )
    missing = [i.says for i in got.issues if i.kind == "class-missing-in-val"]
    assert missing == ["No picture of 'dog' in val: its score says nothing about it."]


def test_a_val_with_no_known_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"No picture for checking(.|\n)*'Dog' is in val") as caught:
        split(made(plain({"cat": 5, "dog": 5}, "train") + plain({"Cat": 2, "Dog": 2}, "val")), 0)
    assert "same names" in caught.value.todo


@pytest.mark.parametrize("part", ["", "train"])
def test_one_class(part: str) -> None:
    with pytest.raises(DataError, match="of one class, 'only'") as caught:
        split(made(plain({"only": 9}, part)), 0)
    assert "two classes" in caught.value.allowed
    assert caught.value.todo


def test_one_picture_a_class() -> None:
    with pytest.raises(DataError, match="3 classes in /data has only one training picture") as caught:
        split(made(plain({"a": 1, "b": 1, "c": 1})), 0)
    assert all((caught.value.allowed, caught.value.todo))
    copies = [dataclasses.replace(item, sha256=str(item.truth)) for item in plain({"a": 3, "b": 3})]
    with pytest.raises(DataError, match="copies count once"):
        split(made(copies), 0)
    few = plain({"a": 1, "b": 1}, "train") + plain({"a": 1, "b": 1}, "val")
    assert len(split(made(few), 0)[0].items) == 4  # one shot, and something to check with


def test_no_pictures() -> None:
    with pytest.raises(DataError, match="no pictures to train on"):
        split(made([]), 0)


def test_several_labels_are_stratified_by_the_rarest() -> None:
    items = [
        Item(f"{n}", f"{n}", ["common", "rare"] if n % 10 == 0 else ["common"], sha256=f"{n}")
        for n in range(200)
    ]
    got, _ = split(made(items, "multilabel"), 0)
    assert sum("rare" in item.truth for item in got.part("val")) == 3
    assert got.labels == ("common", "rare")


def test_several_labels_all_different_and_none() -> None:
    items = [Item(f"{n}", f"{n}", [f"l{n}"] if n else [], sha256=f"{n}") for n in range(20)]
    with pytest.raises(DataError, match="can be spared") as caught:
        split(made(items[1:], "multilabel"), 0)
    assert all((caught.value.allowed, caught.value.todo))
    got, _ = split(made(items, "multilabel"), 0)  # the one without a label can be spared
    assert ([i.id for i in got.part("val")], len(got.items), got.issues) == (["0"], 20, ())


def test_numbers_are_stratified_by_tenths() -> None:
    items = [Item(f"{n}", f"{n}", n / 7, sha256=f"{n}") for n in range(200)]
    got, choices = split(made(items, "regress"), 0)
    assert len(got.part("val")) == len(got.part("test")) == 30
    assert len({int(item.truth * 7) // 20 for item in got.part("val")}) == 10
    assert "stratified by value" in choices[0].reason


def test_other_tasks_are_split_at_random_and_keep_their_truths() -> None:
    items = [Item(f"{n}", f"{n}", f"masks/{n}.png", sha256=f"{n}") for n in range(100)]
    got, choices = split(made(items, "segment"), 0)
    assert (len(got.part("val")), len(got.part("test")), len(got.items)) == (15, 15, 100)
    assert "random" in choices[0].reason
    assert got.labels == made(items).labels


def test_hash_seed_does_not_matter() -> None:
    import subprocess
    import sys

    code = (
        "from foveal.data.splits import split\nfrom foveal.values import Dataset, Item\n"
        "items = tuple(Item(str(n), str(n), 'ab'[n % 2], sha256=str(n)) for n in range(40))\n"
        "d = Dataset('/d', 'classify', 't', 'w', ('a', 'b'), items)\n"
        "print([i.id for i in split(d, 5)[0].part('val')])"
    )
    import os

    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) > 20


def test_constants_are_the_documented_ones() -> None:
    assert (splits.SHARE, splits.CAP) == (0.15, 5000)


def objects(*labels: str) -> list[dict[str, object]]:
    return [{"label": label, "box": [0.0, 0.0, 2.0, 2.0]} for label in labels]


def test_pictures_with_objects_are_split_so_that_training_shows_every_class() -> None:
    items = [Item(f"{n}", f"{n}", objects(*["a"] * (n % 3), "b"), sha256=f"{n}") for n in range(40)]
    items += [Item(f"r{n}", f"r{n}", objects("rare", "a", "rare"), sha256=f"r{n}") for n in range(3)]
    for seed in range(5):
        got, choices = split(Dataset("/d", "detect", "t", "w", ("a", "b", "rare"), tuple(items)), seed)
        assert set(got.counts()["train"]) == {"a", "b", "rare"}
        assert "rare" in got.counts()["val"]
        assert got.labels == ("a", "b", "rare")
        assert "stratified" in choices[0].reason


def test_objects_that_training_lacks_are_left_out_of_their_pictures() -> None:
    parts = {"train": ("a", "b"), "val": ("a", "c"), "test": ("c",)}
    items = [
        Item(f"{p}{n}", f"{p}{n}", objects(*s), p, sha256=f"{p}{n}")
        for p, s in parts.items()
        for n in range(2)
    ]
    got, _ = split(Dataset("/d", "detect", "t", "w", ("a", "b", "c"), tuple(items)), 0)
    assert (len(got.items), got.labels) == (6, ("a", "b"))
    assert {item.part: [one["label"] for one in item.truth] for item in got.items} == {
        "train": ["a", "b"],
        "val": ["a"],
        "test": [],
    }
    says = [issue.says for issue in got.issues]
    assert "Class 'c' is in val but not in train: 2 objects left out." in says
    assert any("'b' in val" in one for one in says)


def test_the_reason_of_a_split_says_only_what_holds() -> None:
    few = {choice.option: choice.reason for choice in split(made(plain({"a": 20, "b": 20})), 0)[1]}
    assert few["test"] == "15% of 40 pictures, stratified by label, seed 0; copies stay together"
    threes = split(made(plain({f"class {n}": 3 for n in range(50)})), 0)[1]
    (own,) = (choice for choice in threes if choice.option == "val")
    assert own.reason.startswith(f"{own.value / 150:.0%} of 150 pictures")
    assert own.value > 40, "each class has one"
    many = {choice.option: choice.reason for choice in split(made(plain({"a": 20_000, "b": 20_000})), 0)[1]}
    assert "at most 5,000" in many["val"]
    none = {choice.option: choice for choice in split(made(plain({"a": 2, "b": 2})), 0)[1]}
    assert none["test"].value == 0
    assert none["test"].reason == "4 pictures are too few for a test split as well"
