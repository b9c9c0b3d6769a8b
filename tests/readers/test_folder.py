"""Class folders as people have them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from foveal.errors import DataError
from foveal.options import ReadOptions
from foveal.readers import claims, folder, prepare, read
from foveal.values import Dataset, Issue
from pictures import class_folder, shape, split_folder


def put(root: Path, *places: str) -> Path:
    """A small real picture at each place; a folder where the place ends in a slash."""
    for number, place in enumerate(places):
        path = root / place
        if place.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            shape(number, 8, number).save(path, "PNG")
    return root


def got(root: Path) -> Dataset:
    return read(str(root), ReadOptions())


def truths(data: Dataset) -> dict[str, str]:
    return {item.id: item.truth for item in data.items}


def issues(data: Dataset) -> dict[str, Issue]:
    return {issue.kind: issue for issue in data.issues}


def test_class_folders(tmp_path: Path) -> None:
    data = got(class_folder(tmp_path, 3, 4))
    assert (data.task, data.reader, data.why) == ("classify", "folder", "3 class folders")
    assert data.labels == ("circle", "square", "triangle")
    assert Counter(item.truth for item in data.items) == {"circle": 4, "square": 4, "triangle": 4}
    assert {item.part for item in data.items} == {""}
    assert all((tmp_path / item.path).is_file() and item.id == item.path for item in data.items)
    assert data.issues == ()


@pytest.mark.parametrize("train", ["train", "Training", "TRAIN"])
@pytest.mark.parametrize("val", ["val", "valid", "Validation", "dev", "eval"])
@pytest.mark.parametrize("test", ["test", "Testing"])
def test_splits_beneath(tmp_path: Path, train: str, val: str, test: str) -> None:
    data = got(put(tmp_path, f"{train}/a/1.png", f"{train}/b/1.png", f"{val}/a/2.png", f"{test}/b/3.png"))
    assert [(i.part, i.truth) for i in data.items if "1" not in i.id] == [
        (part, truth)
        for _, part, truth in sorted([(test, "test", "b"), (val, "val", "a")], key=lambda t: t[0].casefold())
    ]
    assert data.labels == ("a", "b")
    assert f"{train}/" in data.why


def test_splits_above(tmp_path: Path) -> None:
    data = got(put(tmp_path, "a/train/1.png", "a/test/2.png", "b/train/1.png", "b/test/2.png"))
    assert [(i.truth, i.part) for i in data.items] == [
        ("a", "test"),
        ("a", "train"),
        ("b", "test"),
        ("b", "train"),
    ]


def test_train_alone_and_flat_test(tmp_path: Path) -> None:
    data = got(put(tmp_path, "train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png"))
    assert {i.part for i in data.items} == {"train"}
    assert issues(data)["unlabelled"].paths == ("test/1.png", "test/2.png")
    assert issues(data)["unlabelled"].severity == "warning"


def test_a_wrapping_folder_is_gone_into_and_said(tmp_path: Path) -> None:
    data = got(put(tmp_path, "images/a/1.png", "images/b/1.png"))
    assert truths(data) == {"images/a/1.png": "a", "images/b/1.png": "b"}
    assert "under images/" in data.why
    data = got(
        put(tmp_path / "x", "data/set/train/a/1.png", "data/set/train/b/1.png", "data/set/val/a/2.png")
    )
    assert {i.part for i in data.items} == {"train", "val"}
    assert "under data/set/" in data.why


def test_deeper_pictures_belong_to_the_top_class(tmp_path: Path) -> None:
    data = got(put(tmp_path, "a/1.png", "a/x/y/2.png", "b/1.png"))
    assert truths(data)["a/x/y/2.png"] == "a"
    assert issues(data)["nested"].paths == ("a/x/y/2.png",)


def test_classes_sort_naturally(tmp_path: Path) -> None:
    data = got(put(tmp_path, *(f"{n}/1.png" for n in (10, 9, 1, 100))))
    assert data.labels == ("1", "9", "10", "100")
    data = got(put(tmp_path / "x", "img10/1.png", "img9/1.png"))
    assert data.labels == ("img9", "img10")


@pytest.mark.parametrize("name", ["train", "test", "val", "Testing"])
def test_a_class_may_be_called_like_a_split(tmp_path: Path, name: str) -> None:
    data = got(put(tmp_path, f"{name}/1.png", "plane/1.png", "car/1.png"))
    assert data.labels == tuple(sorted((name, "plane", "car"), key=str.casefold))
    assert {i.part for i in data.items} == {""}
    data = got(
        put(tmp_path / "x", f"train/{name}/1.png", "train/b/1.png", f"val/{name}/2.png", "val/b/2.png")
    )
    assert set(data.labels) == {name, "b"}


NAMES = ["日本語", "кошка", "قطة", "😀", "a b", "it's", "100%", "#1", "-dash", "ß", "ΑΒΓ", "क"]


def test_class_names_in_every_script(tmp_path: Path) -> None:
    data = got(put(tmp_path, *(f"{name}/{name}{n}.png" for name in NAMES for n in range(2))))
    assert set(data.labels) == set(NAMES)
    assert truths(data)["日本語/日本語1.png"] == "日本語"
    whole, _ = prepare(str(tmp_path), ReadOptions(data_home=str(tmp_path / ".home")), 0)
    assert set(whole.labels) == set(NAMES)
    assert whole.counts()["val"] == dict.fromkeys(NAMES, 1)


def test_composed_and_decomposed_names_are_one_class(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    data = got(
        put(tmp_path, f"train/{composed}/1.png", "train/b/1.png", f"val/{decomposed}/2.png", "val/b/2.png")
    )
    assert data.labels == ("b", composed)
    assert all((tmp_path / item.path).is_file() for item in data.items)


@pytest.mark.skipif(os.name == "nt", reason="Windows allows neither in a name")
def test_names_that_only_some_systems_allow(tmp_path: Path) -> None:
    names = ['quo"te', "new\nline", "back\\slash", "colon:"]
    data = got(put(tmp_path, *(f"{name}/1.png" for name in names)))
    assert set(data.labels) == set(names)
    assert all((tmp_path / item.path).is_file() for item in data.items)


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="only where names are bytes")
def test_a_name_that_is_no_text_is_left_out_and_named(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "1.png").rename(os.fsdecode(os.fsencode(tmp_path / "a") + b"/\xff.png"))
    put(tmp_path, "a/2.png")
    data = got(tmp_path)
    assert set(truths(data)) == {"a/2.png", "b/1.png"}
    assert "UTF-8" in issues(data)["not-usable"].says
    issues(data)["not-usable"].says.encode()


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png", "c/", "a/no_suffix", "7.png")
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "b" / "strange.xyz").write_text("x")
    for junk in (".DS_Store", "a/Thumbs.db", "b/.hidden.png"):
        (tmp_path / junk).write_bytes(b"x")
    put(tmp_path, "__MACOSX/a/1.png")
    data = got(tmp_path)
    assert set(truths(data)) == {"a/1.png", "b/1.png", "a/no_suffix"}
    found = issues(data)
    assert set(found["not-a-picture"].paths) == {"a/notes.txt", "b/strange.xyz"}
    assert found["hidden"].says.startswith("4 hidden")
    assert (found["empty-class"].paths, found["empty-class"].severity) == (("c",), "warning")
    assert (found["unlabelled"].paths, found["unlabelled"].severity) == (("7.png",), "warning")
    assert data.labels == ("a", "b")


def test_other_folders_beside_splits_are_named(tmp_path: Path) -> None:
    data = got(put(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/2.png", "val/b/2.png", "extra/5.png"))
    assert issues(data)["ignored-folder"].paths == ("extra/5.png",)
    assert "neither a class nor a split" in issues(data)["ignored-folder"].says


def test_alike_class_names_are_said(tmp_path: Path) -> None:
    if (tmp_path / "A").mkdir() or (tmp_path / "a").exists():
        pytest.skip("this file system does not tell case")
    data = got(put(tmp_path, "train/Cat/1.png", "train/dog/1.png", "val/cat/1.png", "val/dog/1.png"))
    assert "'Cat' and 'cat'" in issues(data)["similar-classes"].says


def link(path: Path, target: Path) -> None:
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("no right to make links")


def test_loops_of_links(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    link(tmp_path / "a" / "up", tmp_path)
    link(tmp_path / "b" / "self", tmp_path / "b")
    (tmp_path / "b" / "round").symlink_to(tmp_path / "b" / "round")
    (tmp_path / "b" / "round.png").symlink_to(tmp_path / "b" / "round.png")
    data = got(tmp_path)
    assert set(truths(data)) == {"a/1.png", "b/1.png", "b/round.png"}
    assert set(issues(data)["not-usable"].paths) == {"a/up", "b/self"}


def test_linked_classes_and_pictures_are_followed(tmp_path: Path) -> None:
    put(tmp_path, "store/x/1.png", "store/2.png", "data/b/1.png")
    link(tmp_path / "data" / "a", tmp_path / "store" / "x")
    link(tmp_path / "data" / "b" / "2.png", tmp_path / "store" / "2.png")
    link(tmp_path / "data" / "b" / "gone.png", tmp_path / "nowhere.png")
    assert set(truths(got(tmp_path / "data"))) == {"a/1.png", "b/1.png", "b/2.png", "b/gone.png"}


OTHER_TASKS = {
    "pictures and label files": ["images/1.png", "images/2.png", "labels/1.png"],
    "masks": ["train/1.png", "trainannot/1.png", "val/2.png", "valannot/2.png"],
    "VOC": ["JPEGImages/1.png", "Annotations/1.png", "ImageSets/x.png"],
    "YOLO": ["train/images/1.png", "train/labels/1.png", "valid/images/2.png", "valid/labels/2.png"],
    "YOLO the other way": [
        "images/train/1.png",
        "labels/train/1.png",
        "images/val/2.png",
        "labels/val/2.png",
    ],
    "one mask an object": [
        "all/a/images/1.png",
        "all/a/masks/1.png",
        "all/b/images/1.png",
        "all/b/masks/1.png",
    ],
    "pairs": ["input/1.png", "target/1.png"],
}


@pytest.mark.parametrize("places", OTHER_TASKS.values(), ids=OTHER_TASKS)
def test_other_tasks_are_not_taken_for_classes(tmp_path: Path, places: list[str]) -> None:
    put(tmp_path, *places)
    reader = "pairs" if "input/1.png" in places else "masks"
    assert [claim.reader for claim in claims(tmp_path)] == [reader]
    with pytest.raises(DataError, match="side by side") as caught:
        read(str(tmp_path), ReadOptions(reader="folder"))
    assert caught.value.allowed


def test_an_annotation_beside_each_picture_is_no_class(tmp_path: Path) -> None:
    put(tmp_path, "train/1.png", "train/2.png", "test/3.png")
    for name in ("train/1", "train/2", "test/3"):
        (tmp_path / f"{name}.xml").write_text("<annotation/>")
    with pytest.raises(DataError, match="beside each picture"):
        read(str(tmp_path), ReadOptions(reader="folder"))
    assert folder.sniff(tmp_path) is None


def test_folders_named_after_a_split_and_a_year_are_no_classes(tmp_path: Path) -> None:
    put(tmp_path, "train2017/1.png", "val2017/2.png")
    assert folder.sniff(tmp_path) is None
    put(tmp_path / "one", "train2017/1.png")
    assert folder.sniff(tmp_path / "one") is None


@pytest.mark.parametrize(
    ("places", "says"),
    [
        (["1.png", "2.png"], "holds 2 pictures"),
        (["train/1.png", "test/2.png"], "2 folders and 2 pictures"),
        (["images/1.png"], "1 folder and 1 picture"),
        (["empty/"], "1 folder and no files"),
        ([], "holds nothing"),
    ],
)
def test_no_classes(tmp_path: Path, places: list[str], says: str) -> None:
    put(tmp_path, *places)
    for forced in (False, True):
        with pytest.raises(DataError, match=says) as caught:
            read(str(tmp_path), ReadOptions(reader="folder" if forced else None))
        assert all((caught.value.came, caught.value.allowed, caught.value.todo))


def test_sniffing_agrees_with_reading(tmp_path: Path) -> None:
    assert folder.sniff(tmp_path) is None
    claim = folder.sniff(class_folder(tmp_path / "a", 2, 1))
    assert claim is not None
    assert (claim.reader, claim.why) == ("folder", "2 class folders")
    claim = folder.sniff(split_folder(tmp_path / "b", 2, 1, 1, 1))
    assert claim is not None
    assert claim.why == "class folders under train/, val/, test/"
    assert folder.sniff(tmp_path / "a" / "circle" / "000.png") is None


def test_a_val_folder_that_lacks_a_class_and_has_another(tmp_path: Path) -> None:
    put(
        tmp_path,
        *(f"train/{c}/{n}.png" for c in "abc" for n in range(3)),
        "val/a/7.png",
        "val/b/7.png",
        "val/d/7.png",
    )
    whole, _ = prepare(str(tmp_path), ReadOptions(data_home=str(tmp_path / ".home")), 0)
    assert whole.labels == ("a", "b", "c")
    found = issues(whole)
    assert found["class-not-in-train"].paths == ("val/d/7.png",)
    assert "'c' in val" in found["class-missing-in-val"].says
    assert whole.counts()["val"] == {"a": 1, "b": 1}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may list everything")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png", "c/1.png")
    (tmp_path / "c").chmod(0)
    try:
        data = got(tmp_path)
        assert issues(data)["not-usable"].paths == ("c",)
    finally:
        (tmp_path / "c").chmod(0o700)
