"""Pictures on the disk whose truths lie on them: these stay in memory, as the view left them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from foveal.contracts import Task, View
from foveal.data import cache
from foveal.data.batches import Batches
from foveal.data.cache import Kept, keep, working_view
from foveal.data.examine import examine
from foveal.options import Stage, TrainOptions, make
from foveal.plan import keeping
from foveal.plan.choices import Choices
from foveal.tasks import detect, instances, segment
from foveal.values import Dataset, Item, Preprocessing
from posed.drawn import drawn
from posed.segment import LABELS, painted

PRE = Preprocessing(24, 3, (0.5,) * 3, (0.25,) * 3)


def posed(name: str, root: Path) -> tuple[Task, Dataset]:
    if name == "segment":
        for n, (image, mask) in enumerate(painted(64)):
            image.save(root / f"{n}.jpg", quality=95)
            mask.save(root / f"{n}.png")
        truths: list[object] = [{**truth, "mask": f"{n}.png"} for n, truth in enumerate(segment.SAMPLE)]
        task: Task = segment.build(LABELS)
    else:
        module = instances if name == "instances" else detect
        for n, image in enumerate(drawn(module.SAMPLE)):
            image.save(root / f"{n}.jpg", quality=95)
        truths, task = list(module.SAMPLE), module.build(("cell", "dust"))
    items = tuple(Item(f"{n}", f"{n}.jpg", truth, "train") for n, truth in enumerate(truths))
    return task, examine(Dataset(str(root), name, "test", "made for a test", task.labels, items))


def plain(value: object) -> object:
    """Tensors as arrays, so that truths can be compared."""
    if isinstance(value, Tensor):
        return value.as_subclass(Tensor).numpy().tolist()
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("name", ["detect", "instances", "segment"])
def test_the_disk_gives_what_memory_gives(tmp_path: Path, name: str) -> None:
    root, home = tmp_path / "data", tmp_path / "home"
    root.mkdir()
    task, dataset = posed(name, root)

    def kept(where: str, view: View) -> Kept:
        return keep(
            dataset.root, dataset.items, task, view, 3, where=where, described="d", shorter=24,
            data_home=str(home),
        )  # fmt: skip

    for view in (working_view(PRE), task.view(PRE)):
        memory = kept("memory", view)
        for _ in range(2):  # the second time the file is there
            disk = kept("disk", view)
            assert disk.file is not None
            for item in dataset.items:
                (pixels, truth), (other, wanted) = disk[item], memory[item]
                assert np.array_equal(pixels, other)
                assert plain(truth) == plain(wanted)
        for file in (home / "pixels").glob("*.bin"):
            file.unlink()


def test_batches_are_the_same(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    task, dataset = posed("segment", root)
    made = []
    for where in ("memory", "disk"):
        have = keep(
            dataset.root, dataset.items, task, task.view(PRE), 3, where=where, described="d",
            data_home=str(tmp_path / "home"),
        )  # fmt: skip
        batches = Batches(dataset.root, dataset.items, task, None, preprocessing=PRE, size=4, kept=have)
        made.append(list(batches.epoch(0)))
    for one, other in zip(*made, strict=True):
        assert torch.equal(one.images, other.images)
        assert all(torch.equal(a["mask"], b["mask"]) for a, b in zip(one.truths, other.truths, strict=True))


@pytest.mark.parametrize(("name", "where"), [("detect", "disk"), ("instances", "off")])
def test_the_disk_is_taken_where_only_the_pictures_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, where: str
) -> None:
    """With 0.04 MB of memory: boxes are nothing, eleven masks of 41 px are more than a quarter of it."""
    _, dataset = posed(name, tmp_path)
    monkeypatch.setattr(keeping, "free_megabytes", lambda: 0.04)
    monkeypatch.setattr(cache, "room", lambda home: 10**9)
    choices = Choices(make(TrainOptions, {}))
    keeping.choose(choices, dataset, PRE, (Stage("all", "all", 5, 0.1, "cosine", 0.1),))
    (choice,) = (choice for choice in choices.made if choice.option == "cache")
    assert (choice.value, "what lies on them" in choice.reason) == (where, True)
