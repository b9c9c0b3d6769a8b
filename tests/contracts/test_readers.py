"""What every reader owes, over whatever readers there are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from foveal import catalog
from foveal.errors import FovealError
from foveal.options import ReadOptions
from foveal.values import PARTS, Claim, Dataset, labels_of
from labelled import labelled
from pictures import class_folder, shape, split_folder, write_idx

READERS = catalog.names("readers")


@pytest.mark.parametrize("name", READERS)
def test_it_is_a_plug_in(name: str) -> None:
    module = catalog.find("readers", name)
    assert module.__doc__
    assert len(module.__doc__.strip().splitlines()) == 1
    assert module.SOURCE.startswith("http")
    assert callable(module.sniff)
    assert callable(module.read)


@pytest.mark.parametrize("name", READERS)
def test_it_claims_nothing_that_is_not_there_or_empty(name: str, tmp_path: Path) -> None:
    sniff = catalog.find("readers", name).sniff
    (tmp_path / "file.bin").write_bytes(b"\0" * 10)
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "gone", tmp_path / "file.bin", tmp_path):
        assert sniff(path) is None, path


@pytest.mark.parametrize("name", READERS)
def test_broken_input_is_refused_in_three_parts_that_name_it(name: str, tmp_path: Path) -> None:
    read = catalog.find("readers", name).read
    (tmp_path / "broken.csv").write_bytes(b"\xff\x00,\n,,\n")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"broken")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"broken")
    for path in (tmp_path, tmp_path / "broken.csv", tmp_path / "gone"):
        with pytest.raises(FovealError) as caught:
            read(path, ReadOptions(data_home=str(tmp_path / "home")))
        error = caught.value
        assert all((error.came, error.allowed, error.todo))
        assert path.name in error.came or "broken" in error.came or "train-" in error.came
        assert error.exit_code == 2


def sample(name: str, root: Path) -> Path:
    """Data that this reader claims."""
    if name == "folder":
        return split_folder(root, 2, 3, 2, 2)
    if name == "csv":
        class_folder(root / "pictures", 2, 3)
        rows = [f"pictures/{c}/00{n}.png,{c}" for c in ("circle", "square") for n in range(3)]
        (root / "labels.csv").write_text("\n".join(["path,label", *rows]))
        return root / "labels.csv"
    if name == "idx":
        write_idx(root / "train-images-idx3-ubyte", np.arange(16).reshape(4, 2, 2))
        write_idx(root / "train-labels-idx1-ubyte", np.arange(4) % 2)
        return root
    if name == "builtin":
        return Path("digits")
    if name in ("masks", "pairs"):
        other = {"masks": "masks", "pairs": "targets"}[name]
        for folder in ({"masks": "images", "pairs": "inputs"}[name], other):
            (root / folder).mkdir(parents=True)
            for n in range(3):
                shape(n).convert("1" if folder == "masks" else "RGB").save(root / folder / f"{n}.png")
        return root
    if name == "pictures":
        return class_folder(root, 2, 3)
    if name == "torchvision":
        class_folder(root / "home" / "eurosat" / "2750", 2, 3)
        return Path("eurosat")
    if name in ("coco", "voc", "yolo"):
        return labelled(name, root)
    pytest.fail(f"give the reader {name!r} a sample here")


@pytest.mark.parametrize("name", READERS)
def test_what_it_claims_it_reads_and_the_data_round_trips(name: str, tmp_path: Path) -> None:
    module = catalog.find("readers", name)
    path = sample(name, tmp_path / "data")
    claim = module.sniff(path)
    assert isinstance(claim, Claim)
    assert claim.reader == name
    assert claim.why
    home = tmp_path / "data" / "home" if name == "torchvision" else tmp_path / "home"
    data = module.read(path, ReadOptions(data_home=str(home)))
    assert isinstance(data, Dataset)
    assert (data.reader, bool(data.why), bool(data.items)) == (name, True, True)
    assert len({item.id for item in data.items}) == len(data.items)
    assert {item.part for item in data.items} <= {"", *PARTS}
    assert {label for item in data.items for label in labels_of(item.truth)} <= set(data.labels)
    assert all((Path(data.root) / item.path).is_file() and "\\" not in item.path for item in data.items)
    assert Path(data.root).is_absolute()
    assert Dataset.from_json(json.loads(json.dumps(data.to_json()))) == data
    assert module.read(path, ReadOptions(data_home=str(home))) == data


def test_reading_loads_no_torch(tmp_path: Path) -> None:
    root = sample("folder", tmp_path / "d")
    code = (
        "import sys\nfrom foveal.verbs.inspect import inspect\n"
        f"inspect({str(root)!r}, data_home={str(tmp_path / 'h')!r})\n"
        "sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
