"""torchvision's data sets, read through its real classes from files laid out as theirs."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveal.data.decoding import open_image
from foveal.errors import DataError, OfflineError, UnknownNameError
from foveal.options import ReadOptions
from foveal.readers import prepare, read, torchvision
from foveal.values import Dataset
from pictures import shape, write_idx

DRAW = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach the network, whatever there is."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def got(name: str, home: Path) -> Dataset:
    return read(name, ReadOptions(data_home=str(home)))


def mnist(home: Path, cls: str = "MNIST") -> np.ndarray:
    images = DRAW.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    for part in ("train", "t10k"):
        write_idx(home / cls / "raw" / f"{part}-images-idx3-ubyte", images)
        write_idx(home / cls / "raw" / f"{part}-labels-idx1-ubyte", np.arange(30) % 10)
    return images


@pytest.mark.parametrize("name", ["fashion-mnist", "FashionMNIST", "fashion_mnist", "Fashion-MNIST"])
def test_names_as_people_write_them(tmp_path: Path, name: str) -> None:
    images = mnist(tmp_path, "FashionMNIST")
    data = got(name, tmp_path)
    assert (data.reader, len(data.part("train")), len(data.part("test"))) == ("torchvision", 30, 30)
    assert data.part("train")[9].truth == "Ankle boot"
    assert "T-shirt/top" in data.labels
    assert np.array_equal(np.asarray(open_image(data.root, data.part("train")[9], 1)), images[9])


def test_mnists_labels_are_as_its_idx_files_read(tmp_path: Path) -> None:
    mnist(tmp_path)
    assert (
        got("mnist", tmp_path).labels
        == read(str(tmp_path / "MNIST"), ReadOptions()).labels
        == tuple("0123456789")
    )


def test_the_second_read_needs_no_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mnist(tmp_path)
    first = got("mnist", tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(torchvision, "_made", lambda *a: pytest.fail("asked torchvision again"))
        assert got("mnist", tmp_path) == first
    (tmp_path / "arrays" / "mnist-train.npy").write_bytes(b"damaged")
    assert got("mnist", tmp_path) == first
    (tmp_path / "arrays" / "mnist.json").write_text('{"set": "mnist"}')
    assert got("mnist", tmp_path) == first


def cifar(home: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """CIFAR-10's layout, small, with its checksums told to torchvision's class."""
    from torchvision.datasets import CIFAR10

    folder = home / CIFAR10.base_folder
    folder.mkdir(parents=True)
    images = DRAW.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)

    def put(name: str, value: object) -> str:
        (folder / name).write_bytes(pickle.dumps(value))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    batch = {"data": images.reshape(20, -1), "labels": [n % 2 for n in range(20)]}
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", put("data_batch_1", batch)]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", put("test_batch", batch)]])
    meta = {"label_names": ["airplane", "cat"]}
    monkeypatch.setattr(
        CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": put("batches.meta", meta)}
    )
    return images


def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = cifar(tmp_path, monkeypatch)
    whole, _ = prepare("cifar10", ReadOptions(data_home=str(tmp_path)), 0)
    assert whole.labels == ("airplane", "cat")
    assert {part: len(whole.part(part)) for part in ("train", "val", "test")} == {
        "train": 17,
        "val": 3,
        "test": 20,
    }
    item = next(item for item in got("cifar10", tmp_path).items if item.id == "train/00003")
    assert (item.truth, item.path) == ("cat", "arrays/cifar10-train.npy")
    assert np.array_equal(np.asarray(open_image(tmp_path, item)), images[3].transpose(1, 2, 0))


def test_svhn_and_stl10_are_turned_the_right_way(tmp_path: Path) -> None:
    class Found:
        data = DRAW.integers(0, 256, (5, 3, 32, 40), dtype=np.uint8)
        labels = np.array([0, 1, 2, 3, 9])

    rows = torchvision._listed(Found(), tmp_path, "svhn-train")
    assert [row[2] for row in rows] == ["0", "1", "2", "3", "9"]
    stored = np.load(tmp_path / rows[0][0])
    assert np.array_equal(stored, Found.data.transpose(0, 2, 3, 1))


def eurosat(home: Path) -> None:
    for kind, name in enumerate(("Forest", "River")):
        folder = home / "eurosat" / "2750" / name
        folder.mkdir(parents=True)
        for number in range(4):
            shape(kind, 8, number).save(folder / f"{name}_{number}.jpg")


def test_sets_of_files_keep_their_files(tmp_path: Path) -> None:
    eurosat(tmp_path)
    data = got("eurosat", tmp_path)
    assert {(item.truth, item.part) for item in data.items} == {("Forest", ""), ("River", "")}
    assert all((tmp_path / item.path).is_file() for item in data.items)
    assert data.items[0].id == "eurosat/2750/Forest/Forest_0.jpg"
    assert not (tmp_path / "arrays" / "eurosat-all.npy").exists()


def pets(home: Path) -> None:
    folder = home / "oxford-iiit-pet"
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    for split in ("trainval", "test"):
        lines = []
        for kind, breed in enumerate(("Abyssinian", "great_pyrenees")):
            for number in range(3):
                name = f"{breed}_{split}{number}"
                shape(kind, 8, number).save(folder / "images" / f"{name}.jpg")
                lines.append(f"{name} {kind + 1} {kind + 1} 1")
        (folder / "annotations" / f"{split}.txt").write_text("\n".join(lines) + "\n")


def food(home: Path) -> None:
    folder = home / "food-101"
    (folder / "meta").mkdir(parents=True)
    for split in ("train", "test"):
        listed = {kind: [f"{kind}/{split}{n}" for n in range(3)] for kind in ("apple_pie", "sushi")}
        (folder / "meta" / f"{split}.json").write_text(json.dumps(listed))
        for kind, names in listed.items():
            (folder / "images" / kind).mkdir(parents=True, exist_ok=True)
            for number, name in enumerate(names):
                shape(len(kind), 8, number).save(folder / "images" / f"{name}.jpg")


@pytest.mark.parametrize(
    ("name", "make", "labels"),
    [
        ("oxford-pets", pets, ("Abyssinian", "Great Pyrenees")),
        ("OxfordIIITPet", pets, ("Abyssinian", "Great Pyrenees")),
        ("food101", food, ("apple_pie", "sushi")),
    ],
)
def test_pets_and_food(tmp_path: Path, name: str, make, labels: tuple[str, ...]) -> None:
    make(tmp_path)
    data = got(name, tmp_path)
    assert (data.labels, len(data.part("train")), len(data.part("test"))) == (labels, 6, 6)
    assert all((tmp_path / item.path).is_file() for item in data.items)


def test_whatever_else_is_drawn_as_png(tmp_path: Path) -> None:
    class Found(list):  # type: ignore[type-arg]
        classes = ("a", ("b", "c"))

    found = Found([(shape(0, 8), 0), (shape(1, 8), 1)])
    rows = torchvision._listed(found, tmp_path, "other-all")
    assert [(frame, label) for _, frame, label in rows] == [(None, "a"), (None, "b, c")]
    assert Image.open(io.BytesIO((tmp_path / rows[1][0]).read_bytes())).size == (8, 8)


def test_offline_says_where_the_files_could_be_put(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, folder in (
        ("mnist", "MNIST/raw"),
        ("cifar10", "cifar-10-batches-py"),
        ("eurosat", "eurosat/2750"),
    ):
        with pytest.raises(OfflineError) as caught:
            got(name, tmp_path)
        assert f"{name} is not in {tmp_path}" in caught.value.came
        assert str(tmp_path / folder) in caught.value.allowed
        assert "--data-home" in caught.value.todo
    assert capsys.readouterr().out == ""  # stdout may be a JSON document
    assert socket.getdefaulttimeout() is None


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs the package scipy") as caught:
        with torchvision._needing("svhn"):
            raise ModuleNotFoundError("No module named 'scipy'", name="scipy")
    assert caught.value.todo == "pip install scipy"


def test_every_set_is_torchvisions_and_takes_our_arguments() -> None:
    import inspect

    from torchvision import datasets

    for known in torchvision.SETS.values():
        taken = inspect.signature(getattr(datasets, known.cls).__init__).parameters
        assert {"root", "download", *(name for part in known.parts.values() for name in part)} <= set(
            taken
        ), known.cls


def test_unknown_names(tmp_path: Path) -> None:
    (tmp_path / "cifar11").mkdir()
    with pytest.raises(UnknownNameError, match="cifar10"):
        read(str(tmp_path / "cifar11"), ReadOptions(reader="torchvision"))
