"""What lies on pictures in numbers: objects and their sizes, classes and their pixels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from foveal.data.masks import indices, open_mask
from foveal.terminal import show
from foveal.terminal.console import result_console
from foveal.values import Dataset, Item
from foveal.verbs.inspect import Inspection
from foveal.verbs.inspected import area_of, classes_of, counts_in, objects_of

LABELS = ("sea", "sky")


def dataset(root: Path, task: str, truths: list[Any], parts: list[str]) -> Dataset:
    items = tuple(
        Item(f"{n}.png", f"{n}.png", truth, part)
        for n, (truth, part) in enumerate(zip(truths, parts, strict=True))
    )
    return Dataset(str(root), task, "test", "made for a test", LABELS, items)


def thing(label: str, side: float, **more: Any) -> dict[str, Any]:
    return {"label": label, "box": [3, 5, 3 + side, 5 + side], **more}


def test_objects(tmp_path: Path) -> None:
    truths = [
        [thing("sea", 10), thing("sky", 31.9)],
        [thing("sky", 32), thing("sky", 96, crowd=True), thing("sea", 50, area=100.0)],
        [],
        [{"label": "sea", "mask": "x.png"}],
    ]
    data = dataset(tmp_path, "instances", truths, ["train", "train", "val", "val"])
    said = objects_of(data)
    assert said is not None
    assert (said["count"], said["ignored"]) == (6, 1)
    assert (said["small"], said["medium"], said["large"]) == (3, 1, 1)
    assert said["empty"] == {"train": 0, "val": 1}
    assert (said["per_picture"]["train"]["min"], said["per_picture"]["train"]["max"]) == (2, 3)
    assert (said["sides"]["sea"]["count"], said["sides"]["sea"]["max"]) == (2, 10)
    assert said["sides"]["sky"]["median"] == 32
    assert Inspection(data).to_json()["objects"] == said
    assert Inspection(data).splits() == {"train": {"sea": 2, "sky": 3}, "val": {"sea": 1}}
    show.inspection(result_console(), Inspection(data).to_json())


def test_what_has_no_objects(tmp_path: Path) -> None:
    assert objects_of(dataset(tmp_path, "multilabel", [["sea"]], ["train"])) is None
    assert objects_of(dataset(tmp_path, "upscale", [None], ["train"])) is None
    assert classes_of(dataset(tmp_path, "detect", [[thing("sea", 3)]], ["train"])) is None
    assert area_of({"label": "sea", "mask": "x.png"}) is None
    assert area_of(thing("sea", 4, area=0)) == 16


def test_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    legend = {"0": "sea", "1": "sky", "9": None}
    for n, rows in enumerate(([0, 0, 1, 9], [0, 0, 0, 0], [1, 1, 1, 7])):
        Image.fromarray(np.array([rows], np.uint8)).save(tmp_path / f"{n}-mask.png")
    truths = [{"mask": f"{n}-mask.png", "legend": legend} for n in range(3)]
    data = dataset(tmp_path, "segment", truths, ["train", "train", "test"])
    said = classes_of(data)
    assert said == {
        "pictures": {"train": {"sea": 2, "sky": 1}, "test": {"sea": 0, "sky": 1}},
        "shares": {"train": {"sea": 6 / 7, "sky": 1 / 7}, "test": {"sea": 0.0, "sky": 1.0}},
        "ignored": 2 / 12,
    }
    assert Inspection(data).to_json()["splits"] == said["pictures"]
    show.inspection(result_console(), Inspection(data).to_json())
    shown = capsys.readouterr().out
    assert "85.71 %" in shown
    assert "16.67 % of all pixels do not count" in shown
    assert "<td>2</td><td>0</td>" in Inspection(data)._repr_html_()


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "grey", "I;16", "1"])
@given(st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_masks_are_counted_as_training_reads_them(
    tmp_path_factory: pytest.TempPathFactory, mode: str, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 4, (6, 7), dtype=np.uint8)
    tones = np.array([(0, 0, 0), (255, 0, 10), (9, 99, 200), (255, 255, 255)], np.uint8)
    legend: dict[str, str | None] = {"0": "sea", "2": "sky", "3": None}
    if mode == "1":
        legend = {"0": "sea", "255": "sky"}
        image = Image.fromarray((values > 1).astype(np.uint8) * 255).convert("1")
    elif mode == "RGB":
        legend = {"#000000": "sea", "#0963c8": "sky", "#ffffff": None}
        image = Image.fromarray(tones[np.where((values == 0).all(), 1, values)])
        legend |= {"0": "sea", "255": None}  # where all are grey
    elif mode == "grey":
        image = Image.fromarray(np.repeat(values[..., None], 3, 2))
    elif mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16))
    else:
        image = Image.fromarray(values)
        if mode == "P":
            image = image.convert("P")
            image.putpalette(tones.ravel().tolist())
    folder = tmp_path_factory.mktemp("masks")
    image.save(folder / "m.png")
    found = indices(open_mask(folder / "m.png"), legend, LABELS)
    counts, ignored = counts_in(str(folder), {"mask": "m.png", "legend": legend})
    assert [counts["sea"], counts["sky"], ignored] == [(found == n).sum() for n in (0, 1, 255)]


def test_a_mask_that_cannot_be_read_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_text("no picture")
    for name in ("m.png", "gone.png"):
        counts, ignored = counts_in(str(tmp_path), {"mask": name, "legend": {}})
        assert (counts.total(), ignored) == (0, 0)


def test_counting_loads_no_torch(tmp_path: Path) -> None:
    code = "import sys, foveal.verbs.inspected, foveal.verbs.inspect; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
