"""Batches: the same for the same seed, startable anywhere, each picture once an epoch."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch

import small
from foveal import catalog
from foveal.data.batches import Batches
from foveal.data.cache import keep
from foveal.data.together import Together
from foveal.data.views import evaluation_view
from foveal.values import Dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small.drawings(tmp_path_factory.mktemp("drawings"), train=50)


@pytest.fixture
def augmented(data: Dataset) -> Batches:
    assert data.facts is not None
    view = catalog.find("augmentations", "light").build(small.PRE, data.facts, flip=True, scratch=True)
    return small.batches(data, "train", 8, view=view)


def test_an_epoch_has_every_picture_once_in_another_order_each_time(data: Dataset) -> None:
    train = small.batches(data, "train", 8)
    orders = []
    for number in range(3):
        ids = [i for batch in train.epoch(number) for i in batch.ids]
        assert len(ids) == len(set(ids)) == 48, "two pictures beyond the last full batch sit out"
        orders.append(ids)
    assert orders[0] != orders[1] != orders[2]
    rested = [{i.id for i in data.part("train")} - set(ids) for ids in orders]
    assert len({frozenset(r) for r in rested}) > 1, "others each time"


def test_evaluation_has_every_picture_in_the_datas_order(data: Dataset) -> None:
    val = small.batches(data, "val", 7)
    assert [i for batch in val.epoch(0) for i in batch.ids] == [item.id for item in data.part("val")]
    assert len(val) == 4


def test_starting_mid_epoch_gives_the_same_batches(augmented: Batches) -> None:
    whole = list(augmented.epoch(4))
    rest = list(augmented.epoch(4, 3))
    assert len(rest) == len(whole) - 3
    for one, other in zip(whole[3:], rest, strict=True):
        assert one.ids == other.ids
        assert torch.equal(one.images, other.images)


def test_augmentation_depends_on_seed_and_epoch_alone(augmented: Batches) -> None:
    torch.manual_seed(1)
    one = next(augmented.epoch(0))
    torch.manual_seed(2)
    other = next(augmented.epoch(0))
    assert torch.equal(one.images, other.images)
    seeded = next(dataclasses.replace(augmented, seed=9).epoch(0))
    assert one.ids != seeded.ids


def test_drawing_batches_leaves_the_random_state_alone(augmented: Batches) -> None:
    before = torch.get_rng_state()
    list(augmented.epoch(0))
    assert torch.equal(before, torch.get_rng_state())


def test_on_the_device_normalised(data: Dataset) -> None:
    train = small.batches(data, "train", 8)
    raw = next(train.epoch(0))
    assert raw.images.dtype == torch.uint8
    there = train.to(raw, "cpu", channels_last=True)
    assert torch.allclose(there.images, (raw.images / 255 - 0.5) / 0.25)
    assert there.images.is_contiguous(memory_format=torch.channels_last)


def test_fewer_pictures_than_a_batch(tmp_path: Path) -> None:
    data = small.drawings(tmp_path, train=3)
    (batch,) = list(small.batches(data, "train", 8).epoch(0))
    assert len(batch.ids) == 3


def test_workers_change_nothing_and_stay_for_the_next_epoch(augmented: Batches) -> None:
    parallel = dataclasses.replace(augmented, workers=1)
    for number, start in ((0, 0), (3, 2)):
        alone, beside = list(augmented.epoch(number, start)), list(parallel.epoch(number, start))
        assert [b.ids for b in alone] == [b.ids for b in beside]
        assert all(torch.equal(a.images, b.images) for a, b in zip(alone, beside, strict=True))
    (worker,) = multiprocessing.active_children()
    next(parallel.epoch(4))  # left in the middle, as after a loss that is not finite
    assert next(parallel.epoch(5)).ids == next(augmented.epoch(5)).ids
    assert multiprocessing.active_children() == [worker]
    if hasattr(os, "killpg"):  # what a terminal sends to all is the parent's to answer
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGINT)
        assert [b.ids for b in parallel.epoch(6)] == [b.ids for b in augmented.epoch(6)]
    parallel.__dict__["_workers"][1]._iterator._shutdown_workers()
    assert multiprocessing.active_children() == []


def test_rare_pictures_are_drawn_as_often_as_common_ones(tmp_path: Path) -> None:
    """With chances, an epoch is that many draws with replacement; the same again for the same seed."""
    data = small.drawings(tmp_path, train=60)
    chances = tuple(9.0 if n < 6 else 1.0 for n in range(60))  # a tenth of the pictures, half of the weight
    made = small.batches(data, "train", 10, draw=chances)
    drawn = [place for epoch in range(20) for batch in made.order(epoch) for place in batch]
    share = sum(place < 6 for place in drawn) / len(drawn)
    assert 0.44 < share < 0.56
    assert made.order(3) == made.order(3)
    assert len(made) == 6


@pytest.mark.parametrize("start", [0, 3])
def test_pictures_that_lie_on_the_device_make_the_same_batches(tmp_path: Path, start: int) -> None:
    """Varied together as one tensor, or gathered one by one: the same, in the same order."""
    data = small.drawings(tmp_path)
    items, task = data.part("train"), small.task()
    view = evaluation_view(small.PRE)
    kept = keep(data.root, items, task, view, 1, where="memory", described="")
    alone = small.batches(data, "train", together=Together(2, "alternating", 5))
    whole = dataclasses.replace(alone, kept=kept, view=None)
    assert whole._whole is not None
    assert alone._whole is None
    for epoch in (0, 1):
        pairs = list(zip(whole.epoch(epoch, start), alone.epoch(epoch, start), strict=True))
        assert len(pairs) == len(alone) - start
        for one, other in pairs:
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.truths, other.truths)
            assert one.ids == other.ids


def test_a_processor_judges_kept_pictures_as_they_come(tmp_path: Path) -> None:
    """On a GPU they lie on it as one tensor; a second copy in the main memory would save nothing."""
    data = small.drawings(tmp_path)
    kept = keep(
        data.root, data.part("val"), small.task(), evaluation_view(small.PRE), 1, where="memory", described=""
    )
    judged = small.batches(data, "val", kept=kept, view=None)
    assert judged._whole is None
    plain = small.batches(data, "val")
    for one, other in zip(judged.epoch(0), plain.epoch(0), strict=True):
        assert torch.equal(one.images, other.images)
