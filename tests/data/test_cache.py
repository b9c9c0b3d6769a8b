"""The cache of decoded pictures: what is in it, what it is called, and what may happen to it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors

import foveal
import small
from foveal.contracts import View
from foveal.data import cache, decoding, pixels
from foveal.data.cache import Kept, keep, working_side, working_view
from foveal.data.decoding import open_image
from foveal.data.views import evaluation_view
from foveal.errors import DataError, DiskError, PictureError
from foveal.tasks.classify import Classify
from foveal.values import Facts, Item, Preprocessing
from pictures import shape

PRE = Preprocessing(40)
SIDE = 68  # 1.7 times 40
OLD = time.time() - 30 * 86400


def items(folder: Path, *names: str) -> list[Item]:
    """Examined, one cross after the other."""
    made = [Item(name, name, "cross", "train") for name in names or sorted(p.name for p in folder.iterdir())]
    return [replace(item, sha256=decoding.look(folder, item).sha256) for item in made]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of every kind, larger and smaller than what is kept."""
    there = tmp_path / "data"
    there.mkdir()
    shape(0, 60).save(there / "a-small.png")
    shape(1, 64).save(there / "b-small.jpg", quality=90)
    shape(2, 200).crop((0, 0, 200, 150)).save(there / "c-large.png")
    shape(3, 90).convert("L").save(there / "d-grey.png")
    see_through = shape(4, 80).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize((80, 80)))
    see_through.save(there / "e-alpha.png")
    shape(5, 160).crop((0, 0, 160, 50)).save(there / "f-wide.png")
    return there


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def kept(folder: Path, home: Path, where: str, pictures: list[Item] | None = None, **more: Any) -> Kept:
    some = items(folder) if pictures is None else pictures
    given: dict[str, Any] = {"described": "d", "shorter": SIDE, "channels": 3} | more
    view, task = given.pop("view", working_view(PRE)), given.pop("task", small.task())
    return keep(str(folder), some, task, view, where=where, data_home=str(home), **given)


def files(home: Path) -> list[Path]:
    there = home / "pixels"
    return sorted(there.iterdir()) if there.exists() else []


WHERE = pytest.mark.parametrize("where", ["memory", "disk"])


@WHERE
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_small_pictures_stay_as_they_are_and_large_ones_become_the_working_side(
    folder: Path, home: Path, where: str, channels: int
) -> None:
    some = items(folder)
    have = kept(folder, home, where, channels=channels)
    assert have.bytes == sum(have[item][0].nbytes for item in some)
    for item in some:
        whole = np.asarray(open_image(folder, item, channels))
        whole = whole if whole.ndim == 3 else whole[..., None]
        array, truth = have[item]
        assert truth == 0
        assert item in have
        assert array.dtype == np.uint8
        assert array.flags.writeable, "torch warns of others"
        if min(whole.shape[:2]) <= SIDE:
            assert np.array_equal(array, whole), "bit for bit, never enlarged"
        else:
            assert min(array.shape[:2]) == SIDE
            assert array.shape[1] / array.shape[0] == pytest.approx(whole.shape[1] / whole.shape[0], abs=0.03)
    assert Item("other", "other", "cross") not in have


def test_pictures_are_reduced_antialiased(tmp_path: Path, home: Path) -> None:
    """One-pixel stripes become grey, as in Pillow's own resize, not other stripes."""
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (200, 150)))
    (tmp_path / "data").mkdir()
    stripes.save(tmp_path / "data" / "a.png")
    (item,) = items(tmp_path / "data")
    array, _ = kept(tmp_path / "data", home, "memory", channels=1)[item]
    assert array.shape == (SIDE, 102, 1)
    assert np.abs(array.astype(int) - 127).max() < 20
    wanted = stripes.resize((102, SIDE), Image.Resampling.BILINEAR)
    assert np.array_equal(array[..., 0], np.asarray(wanted))


def test_the_working_side_covers_what_evaluation_and_crops_see() -> None:
    for size in (8, 33, 224):
        for crop in (1.0, 0.875, 0.5, 0.3):
            side = working_side(Preprocessing(size, crop=crop))
            assert side >= int(size / crop)
            assert 0.35 * side**2 >= 0.98 * size**2
    assert working_side(Preprocessing(224)) == 381


def test_the_forecast_is_near(tmp_path: Path, home: Path) -> None:
    (tmp_path / "data").mkdir()
    for n in range(4):
        shape(n, 300).crop((0, 0, 300, 200)).save(tmp_path / "data" / f"{n}.png")
    have = kept(tmp_path / "data", home, "memory")
    facts = Facts(300, 200, 200, 300, False, 1)
    assert have.bytes == pytest.approx(cache.forecast_bytes(4, facts, PRE), rel=0.02)
    small_ones = Facts(30, 20, 20, 30, False, 1)
    assert cache.forecast_bytes(10, small_ones, PRE) == 10 * 30 * 20 * 3


@WHERE
@pytest.mark.parametrize("orientation", [3, 6])
def test_a_large_jpeg_is_kept_upright(tmp_path: Path, home: Path, where: str, orientation: int) -> None:
    """Scaled while it is decoded, and turned as its EXIF block says."""
    data = tmp_path / "data"
    data.mkdir()
    upright = Image.new("RGB", (900, 600), (20, 30, 200))
    upright.paste((220, 40, 30), (0, 0, 450, 300))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation]
    upright.transpose(turn).save(data / "turned.jpg", exif=exif, quality=95)
    (item,) = items(data)
    array, _ = kept(data, home, where)[item]
    assert array.shape == (SIDE, 102, 3)
    wanted = np.asarray(upright.resize((102, SIDE), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(array - wanted).mean() < 3


def test_a_file_is_named_after_what_is_in_it(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = items(folder)
    kept(folder, home, "disk", some)
    first = set(files(home))
    assert len(first) == 1
    kept(folder, home, "disk", some)
    assert set(files(home)) == first, "nothing else, and nothing again"
    assert cache.is_made(some, "d", 3, str(home))
    seen = {*first}

    def another(**more: Any) -> None:
        kept(folder, home, "disk", **more)
        new = set(files(home)) - seen
        assert len(new) == 1, more
        seen.update(new)

    another(described="other")
    another(channels=1)
    another(pictures=some[::-1])
    another(pictures=some[:2])
    monkeypatch.setattr(cache, "pillow_version", "0.1")
    another()
    monkeypatch.undo()
    monkeypatch.setattr(decoding, "VERSION", 99)
    another()
    monkeypatch.undo()
    shape(5, 60).save(folder / "a-small.png")
    another(pictures=items(folder))
    assert not cache.is_made([replace(some[0], sha256="")], "d", 3, str(home)), "not examined"


def test_a_file_that_is_there_is_read_and_no_picture(folder: Path, home: Path) -> None:
    some = items(folder)
    before = kept(folder, home, "disk", some)
    for item in some:
        (folder / item.path).unlink()
    after = kept(folder, home, "disk", some)
    assert all(np.array_equal(before[item][0], after[item][0]) for item in some)


def test_a_picture_that_was_changed_since_is_refused(folder: Path, home: Path) -> None:
    some = items(folder)
    shape(5, 60).save(folder / "a-small.png")
    with pytest.raises(DataError, match=r"a-small\.png was changed") as caught:
        kept(folder, home, "disk", some)
    assert caught.value.exit_code == 2
    assert files(home) == [], "nor is anything left"


def test_a_picture_that_changes_while_it_is_read_is_refused(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(root: str, item: Item, channels: int, shorter: int | None) -> Image.Image:
        """Someone saves another picture between hashing and decoding."""
        shape(5, 61).save(Path(root, item.path))
        return open_image(root, item, channels, shorter)

    some = items(folder, "a-small.png")
    monkeypatch.setattr(decoding, "open_image", late)
    with pytest.raises(DataError, match="was changed"):
        kept(folder, home, "disk", some)
    assert files(home) == []


def test_a_container_that_was_changed_since_is_refused(tmp_path: Path, home: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 9, 9), dtype=np.uint8)
    np.save(tmp_path / "a.npy", noise)
    made = [Item(f"a.npy#{n}", "a.npy", "ring", "train", n) for n in range(3)]
    some = [replace(item, sha256=decoding.look(tmp_path, item).sha256) for item in made]
    have = kept(tmp_path, home, "disk", some, channels=1)
    assert np.array_equal(have[some[2]][0][..., 0], noise[2])
    np.save(tmp_path / "a.npy", noise[:, ::-1])
    with pytest.raises(DataError, match=r"a\.npy#0 was changed"):
        kept(tmp_path, home, "disk", some, channels=1, described="other")


@WHERE
def test_pictures_that_cannot_be_read_any_more(folder: Path, home: Path, where: str) -> None:
    """Said of the picture, not of the cache's file."""
    some = items(folder)
    (folder / "c-large.png").write_bytes((folder / "c-large.png").read_bytes()[:2000])
    with pytest.raises(PictureError, match=r"c-large\.png") as caught:
        kept(folder, home, where, some)
    assert caught.value.kind == "truncated"
    (folder / "c-large.png").unlink()
    with pytest.raises(PictureError) as caught:
        kept(folder, home, where, some)
    assert caught.value.kind == "missing"
    assert files(home) == []


DAMAGE = {
    "empty": lambda b: b"",
    "short": lambda b: b[:5],
    "cut": lambda b: b[: len(b) // 2],
    "cut by a byte": lambda b: b[:-1],
    "begun later": lambda b: b[1:],
    "longer": lambda b: b + bytes(8),
    "large numbers": lambda b: b"\xff" * len(b),
    "another number": lambda b: b[:-8] + (2**63).to_bytes(8, "little"),
    "a number": lambda b: b"5" + (1).to_bytes(8, "little"),
    "null": lambda b: b"[[0,null,1,1]]" + (14).to_bytes(8, "little"),
    "pairs": lambda b: b"[[0,1]]" + (7).to_bytes(8, "little"),
    "text": lambda b: b'["abcd"]' + (8).to_bytes(8, "little"),
    "deep": lambda b: b"[" * 100_000 + (100_000).to_bytes(8, "little"),
    "none": lambda b: b"[]" + (2).to_bytes(8, "little"),
    "backwards": lambda b: bytes(6) + b"[[3,1,1,3],[0,1,1,3]]" + (21).to_bytes(8, "little"),
    "negative": lambda b: bytes(12) + b"[[0,-2,-2,3],[12,1,1,3]]" + (24).to_bytes(8, "little"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_made_anew(folder: Path, home: Path, damage: str) -> None:
    some = items(folder, "a-small.png", "b-small.jpg")
    kept(folder, home, "disk", some)
    (file,) = files(home)
    whole = file.read_bytes()
    file.unlink()  # Windows overwrites no open file
    file.write_bytes(DAMAGE[damage](whole))
    assert not cache.is_made(some, "d", 3, str(home))
    have = kept(folder, home, "disk", some)
    assert file.read_bytes() == whole
    assert np.array_equal(have[some[0]][0], np.asarray(open_image(folder, some[0])))


def test_threads_may_make_it_at_once(folder: Path, home: Path) -> None:
    some = items(folder)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: kept(folder, home, "disk", some), range(4)))
    assert [file.suffix for file in files(home)] == [".bin"]
    for have in made:
        assert all(np.array_equal(have[item][0], made[0][item][0]) for item in some)


PROCESS = """
import hashlib, sys
from foveal.data.cache import keep, working_view
from foveal.data.decoding import look
from foveal.tasks.classify import Classify
from foveal.values import Item, Preprocessing
folder, home, *names = sys.argv[1:]
some = [Item(name, name, "cross", "train", sha256=look(folder, Item(name, name, "")).sha256) for name in names]
print("ready", flush=True)
sys.stdin.readline()
have = keep(folder, some, Classify(("cross",)), working_view(Preprocessing(40)), 3, where="disk", described="d",
            shorter=68, data_home=home)
print(hashlib.sha256(b"".join(have[item][0].tobytes() for item in some)).hexdigest())
"""


def test_processes_may_make_it_at_once(folder: Path, home: Path) -> None:
    for n in range(60):
        shape(n % 8, 120, n).save(folder / f"more-{n:02}.png")
    some = items(folder)
    command = [sys.executable, "-c", PROCESS, str(folder), str(home), *[item.path for item in some]]
    began = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in began:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in began:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0] for process in began]
    assert [process.returncode for process in began] == [0, 0]
    assert said[0] == said[1] != ""
    (file,) = files(home)
    assert cache.is_made(some, "d", 3, str(home)), "and this one is theirs"
    assert kept(folder, home, "disk", some).file == file


def a_file(home: Path, name: str, size: int, age_days: float) -> Path:
    file = home / "pixels" / f"{name}.bin"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    when = time.time() - age_days * 86400
    os.utime(file, (when, when))
    return file


def test_room_is_made_by_the_files_used_least_lately(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have = kept(folder, home, "disk")
    monkeypatch.setattr(cache, "MOST_BYTES", have.bytes + 2500)
    (mine,) = files(home)
    oldest, older, recent = (a_file(home, n, 1000, age) for n, age in (("c", 9), ("b", 8), ("a", 7)))
    other = a_file(home, "notes.txt", 9999, 99).rename(home / "pixels" / "notes.txt")
    cache.make_room(home / "pixels")
    assert set(files(home)) == {mine, recent, older, other}
    assert not oldest.exists()
    younger = a_file(home, "d", have.bytes + 10_000, 0)
    cache.make_room(home / "pixels")
    assert set(files(home)) == {mine, younger, other}, "used just now: their runs may not hold them yet"


def test_room_is_made_before_a_file_is_written_and_after(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = items(folder)
    size = kept(folder, home, "memory", some).bytes
    monkeypatch.setattr(cache, "MOST_BYTES", size + 2500)
    first, second, third = (a_file(home, n, 1000, age) for n, age in (("c", 9), ("b", 8), ("a", 7)))
    fourth = a_file(home, "d", size, 6)
    real, seen = cache.write, []

    def write(file: Path, arrays: Any) -> Any:
        seen.append(set(files(home)))
        return real(file, arrays)

    monkeypatch.setattr(cache, "write", write)
    have = kept(folder, home, "disk", some)
    assert seen == [{second, third, fourth}]
    assert set(files(home)) == {have.file}
    assert not first.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses to remove it, as the next test tries")
def test_no_file_goes_while_it_is_read(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = items(folder)
    have = kept(folder, home, "disk", some)
    (mine,) = files(home)
    monkeypatch.setattr(cache, "MOST_BYTES", 10)
    os.utime(mine, (OLD, OLD))
    cache.make_room(mine.parent)
    assert mine.exists()
    del have
    cache.make_room(mine.parent)
    assert not mine.exists()


def test_what_cannot_be_removed_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where another run reads it."""
    first, second = a_file(home, "a", 100, 5), a_file(home, "b", 100, 6)
    monkeypatch.setattr(cache, "MOST_BYTES", 10)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "in use", str(path))

    with monkeypatch.context() as m:
        m.setattr(Path, "unlink", refuse)
        cache.make_room(home / "pixels")
    assert first.exists()
    assert second.exists()


def test_what_killed_processes_left_goes_with_them(folder: Path, home: Path) -> None:
    left, young = home / "pixels" / ".foveal-1-aa.tmp", home / "pixels" / ".foveal-2-bb.tmp"
    left.parent.mkdir(parents=True)
    for file in (left, young):
        file.write_bytes(bytes(100))
    os.utime(left, (OLD, OLD))
    kept(folder, home, "disk")
    assert not left.exists()
    assert young.exists(), "it may be written just now"


@pytest.mark.parametrize("found", [False, True])
def test_another_runs_file_that_may_not_be_replaced_is_taken(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch, found: bool
) -> None:
    """As on Windows, where a file that the other run has open cannot be replaced."""
    some, other = items(folder), home.with_name("other")
    kept(folder, other, "disk", some)
    (made,) = files(other)

    def replace_it(source: Path, target: Path) -> None:
        if found:
            target.write_bytes(made.read_bytes())
        raise PermissionError(13, "in use", str(target))

    monkeypatch.setattr("foveal.storage._replace", replace_it)
    if found:
        have = kept(folder, home, "disk", some)
        assert np.array_equal(have[some[0]][0], np.asarray(open_image(folder, some[0])))
    else:
        with pytest.raises(DiskError):
            kept(folder, home, "disk", some)
    assert [file.suffix for file in files(home)] == [".bin"] * found


def test_where_nothing_can_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DiskError, match="in the way") as caught:
        kept(folder, tmp_path / "file", "disk")
    assert "--cache off" in caught.value.todo
    assert "--data-home" in caught.value.todo
    assert cache.room(str(tmp_path / "file")) == 0 or os.access(tmp_path / "file", os.W_OK)


def test_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < cache.room(str(home / "a" / "b")) <= cache.MOST_BYTES
    assert not home.exists(), "looking makes nothing"
    monkeypatch.setattr(cache, "MOST_BYTES", 12_345)
    assert cache.room(str(home)) == 12_345
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert cache.room(str(home)) == 0


def test_somebody_elses_file_may_be_read(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(folder, home, "disk")

    def refuse(*args: object, **more: object) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(cache, "write", refuse)
    kept(folder, home, "disk")


def test_it_is_marked_as_used(folder: Path, home: Path) -> None:
    kept(folder, home, "disk")
    (file,) = files(home)
    os.utime(file, (OLD, OLD))
    assert list(cache.stale(str(home), 86400)) == [file]
    kept(folder, home, "disk")
    assert cache.stale(str(home), 86400) == {}
    assert time.time() - file.stat().st_mtime < 60


def test_clean_removes_what_is_not_used_any_more(folder: Path, tmp_path: Path, home: Path) -> None:
    kept(folder, home, "disk")
    (file,) = files(home)
    stale = a_file(home, "stale", 1000, 365)
    left = home / "pixels" / ".foveal-1-aa.tmp"
    left.write_bytes(bytes(10))
    os.utime(left, (OLD, OLD))
    would = foveal.clean(tmp_path / "runs", data_home=str(home), dry_run=True)
    assert {row.path for row in would} == {str(stale), str(left)}
    assert any("not used for 365 days" in row.why for row in would)
    foveal.clean(tmp_path / "runs", data_home=str(home))
    assert files(home) == [file]


def test_it_pickles_as_a_path(folder: Path, home: Path) -> None:
    for n in range(20):
        shape(n % 8, 90, n).save(folder / f"more-{n:02}.png")
    some = items(folder)
    have = kept(folder, home, "disk", some)
    _ = have[some[0]]  # with its mapping open
    data = pickle.dumps(have)
    assert len(data) < 4000 < have.bytes / 50
    again = pickle.loads(data)
    assert all(np.array_equal(have[item][0], again[item][0]) for item in some)
    assert again.bytes == have.bytes
    in_memory = pickle.loads(pickle.dumps(kept(folder, home, "memory", some)))
    assert all(np.array_equal(have[item][0], in_memory[item][0]) for item in some)


def test_a_file_that_is_gone_or_cut_short_is_said_so(folder: Path, home: Path) -> None:
    some = items(folder)
    have = kept(folder, home, "disk", some)
    (file,) = files(home)
    there = pickle.loads(pickle.dumps(have))
    os.truncate(file, 1000)
    for one in (have, there):
        with pytest.raises(DiskError, match="cannot be read any more") as caught:
            _ = one[some[0]]
        assert "--resume" in caught.value.todo
    del have, there, one
    again = kept(folder, home, "disk", some)  # as a resumed run does
    data = pickle.dumps(again)
    assert again[some[0]][0].any()
    del again
    file.unlink()
    with pytest.raises(DiskError, match="cannot be read any more"):
        _ = pickle.loads(data)[some[0]]
    with pytest.raises(DiskError):
        pickle.loads(data).hold()


def test_writing_into_a_picture_leaves_the_file_alone(folder: Path, home: Path) -> None:
    some = items(folder)
    have = kept(folder, home, "disk", some)
    (file,) = files(home)
    before = file.read_bytes()
    have[some[0]][0][:] = 7
    del have
    assert file.read_bytes() == before


def test_a_file_is_read_by_threads_in_parts_and_where_places_cannot_be_given(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last as on Windows: two calls, between which no other thread may come."""
    some = items(folder)
    wanted, have = kept(folder, home, "memory", some), kept(folder, home, "disk", some)

    def all_are_right() -> None:
        with ThreadPoolExecutor(4) as pool:
            for item, image in zip(some * 20, pool.map(lambda item: have[item][0], some * 20), strict=True):
                assert np.array_equal(torch.from_numpy(image), wanted[item][0])  # torch warns if read-only

    if hasattr(os, "preadv"):
        all_are_right()
        real = os.preadv
        monkeypatch.setattr(os, "preadv", lambda handle, into, start: real(handle, [into[0][:1000]], start))
        all_are_right()
        monkeypatch.delattr(os, "preadv")
    all_are_right()


def test_pictures_larger_than_reckoned_go_to_the_disk(folder: Path, home: Path) -> None:
    some = items(folder)
    enough = kept(folder, home, "memory", some)
    assert enough.file is None
    again = kept(folder, home, "memory", some, most=enough.bytes)
    assert (again.file, files(home)) == (None, [])
    more = kept(folder, home, "memory", some, most=enough.bytes - 1)
    assert files(home) == [more.file]
    assert all(np.array_equal(enough[item][0], more[item][0]) for item in some)


@dataclass(frozen=True)
class Boxed(Classify):
    """A truth that lies on the picture: its left half, as a box, beside a picture of it."""

    def truth(self, item: Item, image: Image.Image, root: str) -> Any:
        wide, high = image.size
        box = tv_tensors.BoundingBoxes([[0, 0, wide / 2, high]], format="XYXY", canvas_size=(high, wide))
        return {"boxes": [box], "label": 1}


def test_truths_on_pictures_are_moved_and_kept_in_memory(folder: Path, home: Path) -> None:
    some = items(folder)
    view: View = evaluation_view(PRE)
    have = kept(folder, home, "disk", some, view=view, task=Boxed(small.LABELS), most=1)
    assert files(home) == [have.file], "only the pictures lie on the disk"
    for item in some:
        image = open_image(folder, item)
        seen, wanted = view(image, Boxed(small.LABELS).truth(item, image, str(folder)))
        array, truth = have[item]
        assert np.array_equal(array, np.asarray(seen))
        assert torch.equal(truth["boxes"][0], wanted["boxes"][0])
        assert truth["label"] == 1


def test_what_lies_on_a_picture() -> None:
    box = tv_tensors.BoundingBoxes([[0, 0, 1, 1]], format="XYXY", canvas_size=(2, 2))
    assert cache.lies_on_picture(({"a": [box]}, 1))
    assert cache.lies_on_picture([Image.new("L", (2, 2))])
    assert not cache.lies_on_picture([1, "a", None, {"b": 2.5}, torch.zeros(3), np.zeros(3)])


@WHERE
def test_progress_and_no_thread_is_left(folder: Path, home: Path, where: str) -> None:
    for n in range(70):
        shape(0, 10, n).save(folder / f"more-{n:02}.png")
    heard: list[tuple[int, int]] = []
    kept(folder, home, where, progress=lambda done, total: heard.append((done, total)))
    assert (heard[0], heard[-1]) == ((0, 76), (76, 76))
    assert all(one < two for one, two in pairwise(heard))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("foveal-keep")]


def test_an_interrupt_ends_the_threads_and_leaves_nothing(folder: Path, home: Path) -> None:
    def interrupted(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    for n in range(70):
        shape(0, 10, n).save(folder / f"more-{n:02}.png")
    for where in ("memory", "disk"):
        with pytest.raises(KeyboardInterrupt):
            kept(folder, home, where, progress=interrupted)
    assert files(home) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("foveal-keep")]


def test_only_a_few_pictures_are_decoded_ahead() -> None:
    """So a slow disk does not fill the memory; and those not begun stay so when all ends."""
    made: list[str] = []

    def decode(item: Item) -> tuple[pixels.Pixels, int]:
        made.append(item.id)
        time.sleep(0.002)
        return np.zeros((1, 1, 1), np.uint8), 0

    many, threads = [Item(str(n), "", "cross") for n in range(5000)], os.cpu_count() or 1
    for wait in (True, False):
        made.clear()
        pairs = cache._parallel(decode, many, lambda done, total: None)
        for _ in range(10):
            next(pairs)
        if wait:
            time.sleep(0.2)
            assert len(made) <= 10 + 8 * threads
        before = len(made)
        pairs.close()
        assert len(made) <= before + 3 * threads


def test_nothing_to_keep(folder: Path, home: Path) -> None:
    for where in ("memory", "disk"):
        assert kept(folder, home, where, []).bytes == 0
