"""The contact sheet: which pictures, how they are shown, and that it is the same again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from foveal import catalog, sheet
from foveal.contracts import View
from foveal.data.views import normalise, to_uint8
from foveal.sheet import GAP, LARGEST, MARGIN, PAPER, SMALLEST, chosen, shown
from foveal.tasks.classify import build
from foveal.values import Dataset, Facts, Item, Preprocessing

FACTS = Facts(16, 16, 16, 16, False, 1)


@pytest.fixture
def frames(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Forty noisy colour frames in one file."""
    folder = tmp_path_factory.mktemp("frames")
    noise = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    np.save(folder / "f.npy", noise)
    return str(folder)


def data(root: str, truths: list[str], part: str = "train") -> Dataset:
    items = tuple(Item(f"{n}", "f.npy", truth, part, n) for n, truth in enumerate(truths))
    labels = tuple(sorted(set(truths)))
    return Dataset(root, "classify", "test", "made for a test", labels, items, (), FACTS, "f")


def view(name: str, channels: int = 3, size: int = 16) -> tuple[View, Preprocessing]:
    pre = Preprocessing(size, channels, (0.5,) * channels, (0.25,) * channels)
    return catalog.find("augmentations", name).build(pre, FACTS, flip=True, scratch=True, magnitude=9), pre


def make(
    dataset: Dataset, name: str = "light", channels: int = 3, size: int = 16, **more: object
) -> Image.Image:
    how, pre = view(name, channels, size)
    return sheet.sheet(dataset, build(dataset.labels), how, pre, title=name, **more)  # type: ignore[arg-type]


def count(items: list[Item]) -> dict[str, int]:
    kinds = [item.truth for item in items]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def test_rows_are_spread_over_the_classes() -> None:
    many = data("", [str(n % 10) for n in range(40)])
    assert set(count(chosen(many, 4, 0)).values()) == {1}
    assert len({tuple(count(chosen(many, 4, seed))) for seed in range(9)}) > 3
    two = data("", ["a", "b"] * 20)
    assert count(chosen(two, 6, 0)) == {"a": 3, "b": 3}
    assert count(chosen(two, 5, 0)) == {"a": 3, "b": 2}
    rare = data("", ["a"] + ["b"] * 39)
    assert count(chosen(rare, 6, 0)) == {"a": 1, "b": 5}
    assert chosen(rare, 6, 0) == chosen(rare, 6, 0)
    assert chosen(rare, 6, 0) != chosen(rare, 6, 1)
    assert len(chosen(data("", ["a", "b"]), 6, 0)) == 2


def test_training_pictures_where_there_is_a_split() -> None:
    train, val = data("", ["a"] * 5), data("", ["a"] * 30, "val")
    both = Dataset("", "classify", "t", "", ("a",), train.items + val.items, (), FACTS)
    assert {item.part for item in chosen(both, 20, 0)} == {"train"}
    assert len(chosen(val, 20, 0)) == 20


def test_the_first_column_is_what_evaluation_sees_enlarged(frames: str) -> None:
    dataset = data(frames, ["a", "b"] * 20)
    made = np.asarray(make(dataset, "none", rows=2, columns=3))
    frame = np.load(f"{frames}/f.npy")
    scale = -(-SMALLEST // 16)
    for item in chosen(dataset, 2, 0):
        enlarged = np.kron(frame[item.frame], np.ones((scale, scale, 1), np.uint8))
        found = [
            (y, x)
            for y in range(made.shape[0] - len(enlarged) + 1)
            for x in np.flatnonzero((made[y, :, :] == enlarged[0, 0]).all(1)).tolist()
            if np.array_equal(made[y : y + len(enlarged), x : x + len(enlarged)], enlarged)
        ]
        # as in evaluation, and three times "varied" by none, in one row
        assert len(found) == 4
        assert len({y for y, _ in found}) == 1


def test_the_same_seed_the_same_sheet(frames: str) -> None:
    dataset = data(frames, ["a", "b"] * 20)
    wanted: dict[str, object] = {"rows": 3, "columns": 2, "erase": 0.5, "mixup": 0.5, "cutmix": 1.0}
    torch.manual_seed(0)
    state = torch.get_rng_state()
    one = make(dataset, "trivialaugment", **wanted)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(1)
    assert make(dataset, "trivialaugment", **wanted).tobytes() == one.tobytes()
    assert make(dataset, "trivialaugment", **wanted, seed=1).tobytes() != one.tobytes()
    plain = make(dataset, "trivialaugment", rows=3, columns=2)
    assert one.width > plain.width + 6 * SMALLEST
    assert one.height > plain.height


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_come_back_from_normalised(channels: int) -> None:
    values = np.random.default_rng(1).integers(0, 256, (5, 7, 6, channels), dtype=np.uint8)
    pictures = [Image.fromarray(one[..., 0] if channels == 1 else one) for one in values]
    pre = Preprocessing(7, channels, (0.4,) * channels, (0.3,) * channels)
    back = shown(normalise(torch.stack([to_uint8(p) for p in pictures]), pre), pre)
    assert [p.mode for p in back] == [p.mode for p in pictures]
    assert [p.tobytes() for p in back] == [p.tobytes() for p in pictures]


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (8, 4), (100, 4), (224, 3)])
def test_any_size_and_channels(frames: str, size: int, channels: int) -> None:
    dataset = data(frames, ["a", "b"] * 20)
    made = make(dataset, "augmix", channels, size, rows=2, columns=2, mixup=0.3, erase=1.0)
    side = min(LARGEST, size * -(-SMALLEST // size))
    assert made.mode == "RGB"
    assert made.width > MARGIN * 2 + 6 * (side + GAP)
    assert made.getpixel((0, 0)) == PAPER


def test_names_of_any_kind_fit(frames: str) -> None:
    truths = ["花と木", "a name " * 40, "", "line\nbreak"] * 3
    made = make(data(frames, truths), rows=4, columns=2, mixup=1.0, notes=["わ"])
    assert made.width < 1500


def test_what_is_blended_is_said(frames: str) -> None:
    truths = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.0, 1.0], [0.996, 0.004, 0.0]])
    assert sheet._shares(truths, ("ant", "bee", "cat")) == ("70 % ant\n30 % bee", "100 % cat", "100 % ant")
    assert sheet._shares(torch.tensor([1.5, 2.0]), ("number",)) == ()


def test_truths_that_are_no_class_are_named() -> None:
    said = {"a": "a", 1: "1", 0.123456789: "0.123457"}
    for truth, name in said.items():
        assert sheet._name(Item("x", "x", truth)) == name
    assert sheet._name(Item("x", "x", ["b", "c"])) == "b, c"
    assert sheet._name(Item("id", "x", {"mask": 1})) == "id"
