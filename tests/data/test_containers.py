"""Pictures inside one file."""

from __future__ import annotations

import gzip
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from foveal.data import containers
from foveal.data.decoding import look, open_image
from foveal.errors import DataError, PictureError
from foveal.values import Item


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(np.uint8).tobytes()


def some(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, values: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        path.write_bytes(gzip.compress(idx(values)) if path.suffix == ".gz" else idx(values))
    return path


@pytest.mark.parametrize("name", ["a.npy", "a-idx3-ubyte", "a-idx3-ubyte.gz"])
@pytest.mark.parametrize(
    ("shape", "mode"), [((5, 7, 9), "L"), ((5, 7, 9, 1), "L"), ((5, 7, 9, 3), "RGB"), ((5, 7, 9, 4), "RGBA")]
)
def test_frames_are_the_array(tmp_path: Path, name: str, shape: tuple[int, ...], mode: str) -> None:
    values = some(*shape)
    path = save(tmp_path / name, values)
    assert containers.count(path) == 5
    for number in (0, 4):
        image = containers.frame(path, number)
        assert (image.mode, image.size) == (mode, (9, 7))
        assert np.array_equal(
            np.asarray(image), values[number].squeeze(-1) if shape[3:] == (1,) else values[number]
        )
    for number in (-1, 5):
        with pytest.raises(PictureError, match=r"no picture number .*\n.*5 pictures"):
            containers.frame(path, number)


@pytest.mark.parametrize("name", ["a.npy", "a-idx3-ubyte"])
def test_large_files_are_mapped(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAPPED", 100)
    path = save(tmp_path / name, some(5, 7, 9))
    assert isinstance(containers.pictures(path), np.memmap)
    assert np.array_equal(containers.pictures(path), some(5, 7, 9))
    with pytest.raises(ValueError):
        containers.pictures(path)[0, 0, 0] = 1


def test_frames_have_every_mode_and_a_hash_of_their_own(tmp_path: Path) -> None:
    values = some(3, 4, 4)
    values[2] = values[0]
    save(tmp_path / "a.npy", values)
    items = [Item(str(n), "a.npy", None, frame=n) for n in range(3)]
    assert [open_image(tmp_path, items[0], channels).mode for channels in (1, 3, 4)] == ["L", "RGB", "RGBA"]
    first, second, third = (look(tmp_path, item) for item in items)
    assert first == third != second
    assert (first.width, first.height, first.grey, first.bytes) == (4, 4, True, 16)
    # the same bytes in another shape are another picture
    save(tmp_path / "b.npy", values.reshape(3, 2, 8))
    assert look(tmp_path, Item("b", "b.npy", None, frame=0)).sha256 != first.sha256


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    import os

    path = save(tmp_path / "a.npy", some(5, 7, 9))
    containers.frame(path, 0)
    save(path, some(5, 7, 9)[::-1])
    os.utime(path, ns=(1, 1))
    assert np.array_equal(np.asarray(containers.frame(path, 0)), some(5, 7, 9)[4])


def test_threads_share_containers(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{n}.npy", some(4, 5, 6) + n) for n in range(12)]  # more than are kept open
    with ThreadPoolExecutor(4) as pool:
        jobs = [(path, number) for _ in range(20) for path in paths for number in range(4)]
        got = list(pool.map(lambda job: np.asarray(containers.frame(*job)).sum(), jobs))
    assert got == [np.asarray(containers.frame(path, number)).sum() for path, number in jobs]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "first bytes"),
        (b"\0\0\x08", "first bytes"),
        (b"\0\0\x0d\x03" + bytes(100), "first bytes"),  # floats
        (b"hello world, no IDX", "first bytes"),
        (idx(some(5, 7, 9))[:-1], "315 bytes|5 x 7 x 9 bytes, but 314 follow"),
        (idx(some(5, 7, 9)) + b"x", "but 316 follow"),
        (idx(some(5)), "no pictures"),
        (idx(some(5, 4)), "no pictures"),
        (idx(some(5, 7, 9, 2)), "no pictures"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1), "follow"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_idx_names_the_file(tmp_path: Path, content: bytes, says: str, zipped: bool) -> None:
    path = tmp_path / ("a-idx3-ubyte.gz" if zipped else "a-idx3-ubyte")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(DataError) as caught:
        containers.pictures(path)
    assert str(path) in caught.value.came
    if not zipped:
        import re

        assert re.search(says, caught.value.came)


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(idx(some(5, 7, 9)))[:-30], b"\x1f\x8b"])
def test_damaged_gzip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.gz cannot be read") as caught:
        containers.pictures(tmp_path / "a.gz")
    assert "again" in caught.value.todo


def test_a_gzip_bomb_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_BYTES", 1000)
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(some(5, 20, 20))))
    with pytest.raises(DataError, match="more than 1000"):
        containers.pictures(tmp_path / "a.gz")


def test_pickles_in_npy_are_never_loaded(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    np.save(tmp_path / "a.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy cannot be read"):
        containers.pictures(tmp_path / "a.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "values", [some(4, 4), some(4, 3, 8, 8), np.zeros((2, 4, 4), np.float32), np.zeros((2, 0, 4), np.uint8)]
)
def test_arrays_that_are_no_pictures(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(DataError, match="no pictures") as caught:
        containers.count(tmp_path / "a.npy")
    assert str(values.dtype) in caught.value.came


def test_labels(tmp_path: Path) -> None:
    path = save(tmp_path / "labels-idx1-ubyte", np.array([3, 1, 2]))
    assert containers.numbers(path).tolist() == [3, 1, 2]
    with pytest.raises(DataError, match="3 dimensions"):
        containers.numbers(save(tmp_path / "b", some(2, 2, 2)))
    with pytest.raises(DataError, match="gone cannot be read"):
        containers.numbers(tmp_path / "gone")
