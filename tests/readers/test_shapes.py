"""The built-in shapes, for every task that they pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foveal.data import shapes
from foveal.data.decoding import open_image
from foveal.data.masks import moving
from foveal.options import ReadOptions
from foveal.readers import builtin, prepare, read


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> ReadOptions:
    return ReadOptions(data_home=str(tmp_path_factory.mktemp("home")))


def test_they_are_instances_with_splits(options: ReadOptions) -> None:
    data, choices = prepare("shapes", options, 0)
    assert (data.task, data.labels, data.reader) == ("instances", shapes.KINDS, "builtin")
    assert {part: len(data.part(part)) for part in builtin.PARTS} == builtin.PARTS
    assert not [issue for issue in data.issues if issue.severity != "note"]
    assert [choice.option for choice in choices] == ["split"]
    item = data.part("test")[7]
    image = np.asarray(open_image(data.root, item, 3))
    number = list(shapes.LEVELS).index("shapes")
    again, objects = shapes.render(shapes.LEVELS["shapes"], (builtin.VERSION, number, 357))
    assert np.array_equal(image, again)
    assert len(item.truth) == len(objects)


@pytest.mark.parametrize(
    ("task", "labels", "truth"),
    [
        ("detect", shapes.KINDS, list),
        ("segment", ("background", *shapes.KINDS), list),
        ("classify", shapes.KINDS, str),
        ("multilabel", shapes.KINDS, list),
        ("upscale", (), type(None)),
        ("autoencode", (), type(None)),
    ],
)
def test_every_task(options: ReadOptions, task: str, labels: tuple[str, ...], truth: type) -> None:
    data = read("shapes", options, task)
    assert (data.task, data.labels, len(data.items)) == (task, labels, 400)
    assert all(isinstance(item.truth, truth) for item in data.items)
    if task == "segment":
        mask = moving(data.items[0].truth, data.labels, (96, 96), data.root)
        seen = {data.labels[n] for n in mask.unique().tolist()}
        assert seen == {"background", *(one["label"] for one in data.items[0].truth)}


def test_they_are_written_once_and_mended_when_damaged(
    options: ReadOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read("shapes-one", options)
    with monkeypatch.context() as patched:
        patched.setattr(builtin, "_render", lambda *_: pytest.fail("rendered again"))
        assert read("shapes-one", options) == first
    assert options.data_home
    pictures = Path(options.data_home) / first.items[0].path
    told = pictures.with_suffix(".json")
    whole = pictures.read_bytes(), told.read_bytes()
    for file, data in ((pictures, whole[0]), (told, whole[1])):
        for damage in (b"", data[:-1], data[:2000] + b"\x07" + data[2001:]):
            file.write_bytes(damage)
            assert read("shapes-one", options) == first
            assert (pictures.read_bytes(), told.read_bytes()) == whole
    told.unlink()
    assert read("shapes-one", options) == first


def test_every_level_is_a_name_of_its_own(options: ReadOptions) -> None:
    for name in shapes.LEVELS:
        claim = builtin.sniff(Path(name))
        assert claim is not None
        assert name in claim.why
    assert builtin.named_for(Path("shapes-hard"), "classify") == Path("shapes-hard")
    assert builtin.named_for(Path("digits"), "classify") == Path("digits")
