"""The examination: everything unreadable is left out and named, everything odd is said, nothing twice."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from foveal.data import decoding, home, looks
from foveal.data.decoding import Look
from foveal.data.examine import examine
from foveal.errors import DataError
from foveal.values import Dataset, Issue, Item
from pictures import class_folder, odd, shape, unreadable


@pytest.fixture(autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FOVEAL_DATA_HOME", str(place))
    return place


def dataset(root: Path, *items: Item) -> Dataset:
    if not items:
        found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))
        items = tuple(Item(name, name, name.split("/")[0]) for name in found)
    return Dataset(
        str(root), "classify", "test", "made", tuple(sorted({str(i.truth) for i in items})), tuple(items)
    )


def issues(data: Dataset) -> dict[str, Issue]:
    return {issue.kind: issue for issue in data.issues}


def test_facts_hashes_and_progress(tmp_path: Path) -> None:
    class_folder(tmp_path, 2, 40, 20)
    shape(0, 90).save(tmp_path / "circle" / "wide.png")
    told: list[tuple[int, int]] = []
    got = examine(dataset(tmp_path), lambda done, total: told.append((done, total)))
    assert got.facts is not None
    assert dataclasses.replace(got.facts, bytes=0) == dataclasses.replace(
        got.facts, width=20, height=20, bytes=0
    )
    assert (got.facts.min_side, got.facts.max_side, got.facts.grey) == (20, 90, False)
    assert got.facts.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.png"))
    assert all(len(item.sha256) == 64 for item in got.items)
    assert told[0] == (0, 81)
    assert told[-1] == (81, 81)
    assert got.issues == ()


def test_unreadable_pictures_are_left_out_and_every_one_is_named(tmp_path: Path) -> None:
    class_folder(tmp_path, 2, 60, 12)
    kinds = unreadable(tmp_path / "circle")
    got = examine(dataset(tmp_path))
    assert len(got.items) == 120
    found = issues(got)
    assert set(found) == set(kinds.values())
    for kind, issue in found.items():
        assert issue.severity == "warning"
        assert set(issue.paths) == {f"circle/{name}" for name, k in kinds.items() if k == kind}
        assert all(id in issue.says for id in issue.paths[:3])
        assert "left out" in issue.says


def test_more_than_a_tenth_unreadable_is_an_error_with_reasons(tmp_path: Path) -> None:
    class_folder(tmp_path, 2, 45, 12)
    for number in range(10):
        (tmp_path / "circle" / f"e{number}.png").write_bytes(b"")
    assert len(examine(dataset(tmp_path)).items) == 90  # a tenth, not more
    (tmp_path / "circle" / "page.png").write_text("<html>")
    with pytest.raises(DataError, match="11 of 101 pictures") as caught:
        examine(dataset(tmp_path))
    assert "circle/e0.png: the file is empty" in caught.value.came
    assert "and 6 more" in caught.value.came
    assert "tenth" in caught.value.allowed
    assert caught.value.todo


def test_no_pictures_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no pictures"):
        examine(dataset(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"")
    with pytest.raises(DataError, match="1 of 1"):
        examine(dataset(tmp_path))


def test_odd_pictures_are_kept_and_said_by_kind(tmp_path: Path) -> None:
    kinds = odd(tmp_path / "a")
    got = examine(dataset(tmp_path))
    assert len(got.items) == len(kinds)
    found = {kind: issue for kind, issue in issues(got).items() if issue.severity == "note"}
    assert set(found) == set().union(*kinds.values())
    for kind, issue in found.items():
        assert set(issue.paths) == {f"a/{name}" for name, notes in kinds.items() if kind in notes}
        assert issue.says.startswith(
            "1 picture " if len(issue.paths) == 1 else f"{len(issue.paths)} pictures "
        )


def test_grey_is_a_fact_of_all_pictures(tmp_path: Path) -> None:
    for number in range(3):
        shape(number).convert("L").save(tmp_path / f"{number}.png")
    facts = examine(dataset(tmp_path)).facts
    assert facts is not None
    assert facts.grey
    shape(1).save(tmp_path / "colour.png")
    facts = examine(dataset(tmp_path)).facts
    assert facts is not None
    assert not facts.grey


def test_rare_classes_are_named(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "d", 3, 20, 16)
    assert "imbalance" not in issues(examine(dataset(root)))
    for file in sorted((root / "square").iterdir())[2:]:
        file.unlink()
    found = issues(examine(dataset(root)))["imbalance"]
    assert found.severity == "note"
    assert found.says.startswith("1 class has at most a tenth of the pictures of circle (20): square (2).")


def test_copies(tmp_path: Path) -> None:
    class_folder(tmp_path, 2, 3)
    for source, target in (
        ("circle/000", "circle/copy"),
        ("circle/001", "square/copy"),
        ("square/002", "square/late"),
    ):
        shutil.copy(tmp_path / f"{source}.png", tmp_path / f"{target}.png")
    items = [dataclasses.replace(item, part="train") for item in dataset(tmp_path).items]
    items = [dataclasses.replace(item, part="val") if "late" in item.id else item for item in items]
    got = examine(dataset(tmp_path, *items))
    assert len(got.items) == 9
    found = issues(got)
    assert (found["duplicates"].severity, set(found["duplicates"].paths)) == (
        "note",
        {"circle/000.png", "circle/copy.png"},
    )
    labels = found["duplicate-labels"]
    assert (labels.severity, set(labels.paths)) == ("warning", {"circle/001.png", "square/copy.png"})
    assert "1 picture stands under two labels" in labels.says
    leak = found["duplicate-splits"]
    assert (leak.severity, set(leak.paths)) == ("warning", {"square/002.png", "square/late.png"})
    assert "1 in train and val" in leak.says


def test_fingerprint_is_of_content_and_truth_not_of_names_or_place(tmp_path: Path) -> None:
    first, second = class_folder(tmp_path / "a"), class_folder(tmp_path / "b")
    (second / "circle" / "000.png").rename(second / "circle" / "renamed.png")
    one, two = examine(dataset(first)), examine(dataset(second))
    assert one.fingerprint == two.fingerprint
    assert len(one.fingerprint) == 64
    (second / "circle" / "renamed.png").rename(second / "square" / "moved.png")
    assert examine(dataset(second)).fingerprint != one.fingerprint
    shape(5).save(second / "circle" / "new.png")
    assert examine(dataset(second)).fingerprint not in (one.fingerprint, two.fingerprint)


def never(*args: object) -> Look:
    raise AssertionError("decoded again")


def test_the_second_time_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folder(tmp_path / "d")
    np.save(tmp_path / "d" / "z.npy", np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4))
    frames = [Item(f"z{n}", "z.npy", "z", frame=n) for n in range(3)]
    data = dataset(tmp_path / "d", *frames, *(i for i in dataset(tmp_path / "d").items if i.path != "z.npy"))
    first = examine(data)
    with monkeypatch.context() as patched:
        patched.setattr(decoding, "look", never)
        assert examine(data) == first
    shape(7).save(tmp_path / "d" / "circle" / "000.png")  # a changed file is seen
    os.utime(tmp_path / "d" / "circle" / "000.png", ns=(5, 5))
    assert examine(data).fingerprint != first.fingerprint


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xfe\x00", b'x\ny\n[["a",1,2]]', None])
def test_a_damaged_memory_is_ignored(tmp_path: Path, data_home: Path, damage: bytes | None) -> None:
    class_folder(tmp_path)
    first = examine(dataset(tmp_path))
    (file,) = (data_home / "looks").glob("*.json")
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"circle/000.png", b"circle/00X.png") if damage is None else damage)
    assert examine(dataset(tmp_path)) == first
    assert file.read_bytes() == whole


def test_the_memory_of_another_version_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folder(tmp_path)
    examine(dataset(tmp_path))
    monkeypatch.setattr(looks, "_FORM", "later")
    monkeypatch.setattr(decoding, "look", never)
    with pytest.raises(AssertionError, match="decoded again"):
        examine(dataset(tmp_path))


def test_memory_is_bounded(tmp_path: Path, data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "MAX_FILES", 2)
    for name in ("a", "b", "c"):
        examine(dataset(class_folder(tmp_path / name, 2, 2)))
    assert len(list((data_home / "looks").iterdir())) == 2
    root = class_folder(tmp_path / "many", 1, 30)
    examine(dataset(root))
    for file in sorted(root.rglob("*.png"))[3:]:
        file.unlink()
    shape(3).save(root / "circle" / "new.png")
    examine(dataset(root))  # what is gone is kept only as often as what is there
    assert len(looks.Known(str(root), None).entries) == 8


def test_a_home_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FOVEAL_DATA_HOME", str(tmp_path / "file" / "home"))
    root = class_folder(tmp_path / "d")
    assert len(examine(dataset(root)).items) == 30
    assert len(examine(dataset(root), data_home=str(tmp_path / "other")).items) == 30
    assert (tmp_path / "other" / "looks").is_dir()


def test_two_at_once_do_each_other_no_harm(tmp_path: Path) -> None:
    class_folder(tmp_path, 3, 30, 12)
    got: list[Dataset] = []
    threads = [threading.Thread(target=lambda: got.append(examine(dataset(tmp_path)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [got[0]] * 4
    assert len(looks.Known(str(tmp_path), None).entries) == 90


def test_interrupted_it_stops_and_keeps_what_it_knows(tmp_path: Path) -> None:
    class_folder(tmp_path, 2, 200, 12)

    def interrupt(done: int, total: int) -> None:
        if done >= 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(dataset(tmp_path), interrupt)
    assert not [t for t in threading.enumerate() if t.name.startswith("foveal-examine")]
    assert 64 <= len(looks.Known(str(tmp_path), None).entries) < 400


def test_a_broken_container_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"a\.npy cannot be read"):
        examine(dataset(tmp_path, Item("0", "a.npy", "x", frame=0)))


def test_home_is_the_option_then_the_environment_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_DATA_HOME", str(tmp_path / "env"))
    assert home(str(tmp_path / "option")) == tmp_path / "option"
    assert home() == tmp_path / "env"
    monkeypatch.delenv("FOVEAL_DATA_HOME")
    assert home().name in ("foveal", "Cache")
    assert home("~/x") == Path.home() / "x"


def test_a_dataset_survives_json(tmp_path: Path) -> None:
    got = examine(dataset(class_folder(tmp_path)))
    assert Dataset.from_json(json.loads(json.dumps(got.to_json()))) == got


def test_a_folder_that_has_gone_is_said_to_have_gone(tmp_path: Path) -> None:
    class_folder(tmp_path / "data", 2, 3)
    found = dataset(tmp_path / "data")
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(DataError, match="is no longer there, and with it its 6 pictures") as error:
        examine(found)
    assert "Put them back" in error.value.todo


def test_pictures_of_a_single_pixel_are_named(tmp_path: Path) -> None:
    class_folder(tmp_path, 2, 3, 16)
    for name, size in (("dot", (1, 1)), ("line", (9, 1)), ("thin", (2, 9))):
        shape(0, 16).resize(size).save(tmp_path / "circle" / f"{name}.png")
    issue = issues(examine(dataset(tmp_path)))["tiny"]
    assert issue.paths == ("circle/dot.png", "circle/line.png")
    assert issue.says.startswith("2 pictures are a single pixel wide or high")
    assert issue.severity == "warning"
