"""What `train` refuses before it reads a single picture."""

from __future__ import annotations

from pathlib import Path

import pytest

import foveal
from foveal.errors import FovealError
from pictures import class_folder


@pytest.mark.parametrize(
    ("option", "value", "todo"),
    [
        ("network", "resnet99", "resnet9"),
        ("schedule", "cosin", "cosine"),
        ("augment", "lihgt", "light"),
        ("device", "gpu", "This machine has cpu"),
        ("task", "clasify", "classify"),
        ("out", "", "Choose another name."),
    ],
)
def test_at_once(tmp_path: Path, option: str, value: str, todo: str) -> None:
    data = class_folder(tmp_path / "data", classes=2, each=3, size=16)
    heard: list[object] = []
    with pytest.raises(FovealError) as error:
        foveal.train(data, screen=heard.append, **{option: value or str(data)})
    assert todo in error.value.todo
    assert heard == [], "no picture was looked at"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"hello", "no file of torch.save"),
        (b"cposix\nsystem\n(S'exit 1'\ntR.", "a program (posix.system)"),
        (b"", "cannot be read as weights"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_no_weights_file(tmp_path: Path, content: bytes, why: str) -> None:
    """Said in a sentence, without torch's advice to switch its safety off."""
    data = class_folder(tmp_path / "data", classes=2, each=4, size=16)
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(FovealError) as error:
        foveal.train(
            data, network="resnet9", size=16, weights=str(tmp_path / "w.pt"), out=str(tmp_path / "r")
        )
    assert why in error.value.came
    assert "weights_only" not in str(error.value)
    assert not (tmp_path / "r").exists()
