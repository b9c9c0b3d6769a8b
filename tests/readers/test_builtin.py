"""The built-in digits are scikit-learn's, exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foveal.data import containers
from foveal.data.decoding import open_image
from foveal.errors import DataError, DiskError
from foveal.options import ReadOptions
from foveal.readers import builtin, read


def test_digits_are_the_real_ones(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    shades, labels = load_digits(return_X_y=True)
    data = read(None, ReadOptions(data_home=str(tmp_path)))
    assert (data.reader, data.task, data.labels, len(data.items)) == (
        "builtin",
        "classify",
        tuple("0123456789"),
        1797,
    )
    assert [item.truth for item in data.items] == [str(label) for label in labels]
    assert len({item.id for item in data.items}) == 1797
    for number in (0, 7, 1796):
        image = np.asarray(open_image(data.root, data.items[number], 1))
        assert np.array_equal(image, np.rint(shades[number].reshape(8, 8) * 255 / 16))
    assert containers.pictures(tmp_path / "digits" / "images.npy").max() == 255


def test_they_are_written_once_and_mended_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ReadOptions(data_home=str(tmp_path))
    first = read("digits", options)
    with monkeypatch.context() as patched:
        patched.setattr(builtin, "_write", lambda root: pytest.fail("written again"))
        assert read("digits", options) == first
    images = tmp_path / "digits" / "images.npy"
    whole = images.read_bytes()
    for damage in (b"", whole[:-1], whole[:-1] + b"\x07"):
        images.write_bytes(damage)
        assert read("digits", options) == first
        assert images.read_bytes() == whole
    assert not [file for file in images.parent.iterdir() if file.suffix != ".npy"]


def test_the_name_is_met_in_any_case_and_a_folder_of_that_name_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pictures import class_folder

    monkeypatch.chdir(tmp_path)
    assert read("Digits", ReadOptions(data_home=str(tmp_path / "home"))).reader == "builtin"
    class_folder(tmp_path / "digits", 2, 2)
    assert read("digits", ReadOptions()).reader == "folder"
    assert read(None, ReadOptions(data_home=str(tmp_path / "home"))).reader == "builtin"


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DiskError) as caught:
        read(None, ReadOptions(data_home=str(tmp_path / "file" / "home")))
    assert "--data-home" in caught.value.todo


def test_other_names(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(DataError, match="not built in"):
        read(str(tmp_path / "x"), ReadOptions(reader="builtin"))
