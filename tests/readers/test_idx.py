"""IDX files as MNIST ships them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foveal.data.decoding import open_image
from foveal.errors import DataError
from foveal.options import ReadOptions
from foveal.readers import claims, idx, prepare, read
from pictures import write_idx


def mnist(root: Path, end: str = "", dash: str = "-", before: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Sixty training and twenty test pictures; returns the training ones."""
    draw = np.random.default_rng(0)
    made = []
    for part, count in (("train", 60), ("t10k", 20)):
        images = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        write_idx(root / f"{before}{part}-images{dash}idx3-ubyte{end}", images)
        write_idx(root / f"{before}{part}-labels{dash}idx1-ubyte{end}", labels)
        made.append((images, labels))
    return made[0]


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("dash", ["-", "."])
def test_mnist(tmp_path: Path, end: str, dash: str) -> None:
    images, labels = mnist(tmp_path, end, dash)
    assert [claim.reader for claim in claims(tmp_path)] == ["idx"]
    data = read(str(tmp_path), ReadOptions())
    assert (data.task, data.reader, data.labels) == ("classify", "idx", tuple("0123456789"))
    assert (len(data.part("train")), len(data.part("test"))) == (60, 20)
    for number, item in enumerate(data.part("train")):
        assert (item.id, item.truth, item.frame) == (f"train/{number:05d}", str(labels[number]), number)
        assert np.array_equal(np.asarray(open_image(data.root, item, 1)), images[number])
    whole, _ = prepare(str(tmp_path), ReadOptions(data_home=str(tmp_path / ".home")), 0)
    assert (len(whole.part("train")), len(whole.part("val")), len(whole.part("test"))) == (50, 10, 20)
    assert whole.facts is not None
    assert whole.facts.grey


def test_one_file_raw_folders_and_plain_before_gzip(tmp_path: Path) -> None:
    mnist(tmp_path / "raw")
    mnist(tmp_path / "raw", ".gz")
    data = read(str(tmp_path), ReadOptions())
    assert {Path(item.path).suffix for item in data.items} == {""}
    assert data.root == str(tmp_path / "raw")
    assert len(read(str(tmp_path / "raw" / "train-images-idx3-ubyte"), ReadOptions()).items) == 80


def test_training_files_alone(tmp_path: Path) -> None:
    mnist(tmp_path)
    for file in tmp_path.glob("t10k*"):
        file.unlink()
    assert {item.part for item in read(str(tmp_path), ReadOptions()).items} == {"train"}


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read(str(path), ReadOptions(reader="idx"))
    assert all((caught.value.came, caught.value.allowed, caught.value.todo))
    return caught.value


def test_errors_name_the_file(tmp_path: Path) -> None:
    assert "no IDX files" in refusal(tmp_path).came
    mnist(tmp_path)
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    whole = images.read_bytes()
    images.write_bytes(whole[:-5])
    assert (
        f"{images} cannot be read: its header tells of 60 x 28 x 28 bytes, but 47035 follow"
        in refusal(tmp_path).came
    )
    images.write_bytes(b"\x08" + whole[1:])
    assert "first bytes are 08 00 08 03" in refusal(tmp_path).came
    images.write_bytes(whole)
    write_idx(labels, np.arange(59))
    assert "60 pictures, but train-labels-idx1-ubyte 59 labels" in refusal(tmp_path).came
    labels.unlink()
    assert "train-images-idx3-ubyte has no labels beside it" in refusal(tmp_path).came
    images.unlink()
    write_idx(labels, np.arange(60))
    assert "train-labels-idx1-ubyte has no images beside it" in refusal(tmp_path).came


def test_two_sets_in_a_folder(tmp_path: Path) -> None:
    mnist(tmp_path, before="emnist-letters-")
    mnist(tmp_path, before="emnist-digits-")
    error = refusal(tmp_path)
    assert "2 data sets: emnist-digits-, emnist-letters-" in error.came
    data = read(str(tmp_path / "emnist-digits-train-images-idx3-ubyte"), ReadOptions())
    assert {item.path[:13] for item in data.items} == {"emnist-digits"}


def test_other_folders_are_not_claimed(tmp_path: Path) -> None:
    assert idx.sniff(tmp_path) is None
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.arange(3))
    assert idx.sniff(tmp_path) is None
    assert idx.sniff(tmp_path / "gone") is None
