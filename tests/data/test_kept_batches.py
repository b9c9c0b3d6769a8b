"""Batches of pictures that were decoded before, and how batches are read and laid out."""

from __future__ import annotations

import dataclasses
import multiprocessing
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

import small
from foveal.augmentations._crop import CropAndFlip, RandomCrop
from foveal.contracts import View
from foveal.data import decoding
from foveal.data.batches import Batches, stacked
from foveal.data.cache import keep, working_view
from foveal.data.decoding import open_image
from foveal.data.together import Together
from foveal.data.views import evaluation_view
from foveal.errors import PictureError
from foveal.tasks.classify import Classify
from foveal.values import Item, Preprocessing
from pictures import shape

WIDE = Preprocessing(20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve files, one of another size than the other."""
    there = tmp_path_factory.mktemp("files")
    for n in range(12):
        shape(n, 22 + n).save(there / f"{n:02}.{'jpg' if n % 2 else 'png'}")
    return there


def files(folder: Path, view: View | None = None, **more: Any) -> Batches:
    items = [
        Item(path.name, path.name, small.LABELS[n % 3], "train", sha256=sha)
        for n, path in enumerate(sorted(folder.iterdir()))
        for sha in [decoding.look(folder, Item(path.name, path.name, "")).sha256]
    ]
    given: dict[str, Any] = {"task": small.task(), "size": 4, "shuffle": True} | more
    task = given.pop("task")
    size = given.pop("size")
    return Batches(str(folder), items, task, view or cropped(), WIDE, size, **given)


def cropped() -> CropAndFlip:
    return CropAndFlip(RandomCrop(20, (0.35, 1.0), v2.InterpolationMode.BILINEAR), flip=True)


def with_kept(batches: Batches, home: Path, where: str) -> Batches:
    kept = keep(
        batches.root, batches.items, batches.task, working_view(WIDE), 3, where=where, described="d",
        data_home=str(home),
    )  # fmt: skip
    return dataclasses.replace(batches, kept=kept)


def same(one: Batches, other: Batches, epochs: int = 2) -> bool:
    pairs = zip(
        (b for n in range(epochs) for b in one.epoch(n)),
        (b for n in range(epochs) for b in other.epoch(n)),
        strict=True,
    )
    return all(
        a.ids == b.ids and torch.equal(a.images, b.images) and torch.equal(a.truths, b.truths)
        for a, b in pairs
    )


@pytest.mark.parametrize("view", ["tensors", "pillow", "whole"])
def test_kept_pictures_give_the_same_batches(folder: Path, tmp_path: Path, view: str) -> None:
    made = {"tensors": cropped(), "pillow": v2.RandomResizedCrop(20), "whole": evaluation_view(WIDE)}[view]
    varied: Any = made if view != "pillow" else v2.Compose([made, v2.RandomRotation(20)])
    more: dict[str, Any] = {"together": Together(2, "random", seed=1)} if view == "whole" else {}
    plain = files(folder, varied, **more)
    for where in ("memory", "disk"):
        assert same(plain, with_kept(plain, tmp_path, where))


def test_workers_read_the_caches_file(folder: Path, tmp_path: Path) -> None:
    """Two of them, of one file; also when the pictures themselves are gone."""
    plain = files(folder)
    kept = with_kept(plain, tmp_path, "disk")
    parallel = dataclasses.replace(kept, workers=2)
    assert same(plain, parallel)
    began = multiprocessing.active_children()
    assert len(began) == 2
    parallel.__dict__["_workers"][1]._iterator._shutdown_workers()


def test_what_is_kept_is_read_and_no_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = with_kept(files(folder), tmp_path, "memory")

    def refuse(*args: object) -> Image.Image:
        raise AssertionError("a file was opened")

    monkeypatch.setattr("foveal.data.batches.open_image", refuse)
    assert len(list(kept.epoch(0))) == 3
    with pytest.raises(AssertionError):
        list(files(folder).epoch(0))


def test_views_that_draw_nothing_are_made_by_threads(folder: Path) -> None:
    """In the pictures' own order, and those that draw by one, in order of their seed."""
    threads: list[str] = []
    view = evaluation_view(WIDE)

    def noted(image: Any, truth: Any) -> Any:
        threads.append(threading.current_thread().name)
        return view(image, truth)

    plain = files(folder, noted, shuffle=False, varied=False)
    found = list(plain.epoch(0))
    assert all(name.startswith("foveal-decode") for name in threads)
    threads.clear()
    again = list(files(folder, noted, shuffle=False).epoch(0))
    assert set(threads) == {threading.main_thread().name}
    for one, other in zip(found, again, strict=True):
        assert one.ids == other.ids
        assert torch.equal(one.images, other.images)
    for batch in found:
        for id, image, truth in zip(batch.ids, batch.images, batch.truths, strict=True):
            item = next(item for item in plain.items if item.id == id)
            wanted, _ = view(open_image(folder, item), 0)
            assert np.array_equal(image.permute(1, 2, 0), np.asarray(wanted))
            assert small.LABELS[int(truth)] == item.truth


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for n in range(8):
        shape(n, 24).save(tmp_path / f"{n}.png")
    batches = files(tmp_path)
    (tmp_path / "5.png").unlink()
    with pytest.raises(PictureError, match=r"5\.png") as caught:
        list(batches.epoch(0))
    assert caught.value.kind == "missing"


def test_seconds_of_decoding_and_of_augmenting(folder: Path) -> None:
    for batch in files(folder).epoch(0):
        read, viewed = batch.seconds
        assert 0 < read < 10
        assert 0 < viewed < 10


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_batch_lies_channels_last(channels: int) -> None:
    """One picture after the other, of either kind, the bytes of a pixel together."""
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    images = [shape(n, 10).resize((12, 10)).convert(mode) for n in range(3)]
    tensors = [v2.functional.pil_to_tensor(image) for image in images]
    first = [tensor.contiguous() for tensor in tensors]  # the channels
    for made in (stacked(images), stacked(tensors), stacked(first), stacked([images[0], *tensors[1:]])):
        assert (made.shape, made.dtype) == ((3, channels, 10, 12), torch.uint8)
        assert torch.equal(made, torch.stack(tensors))
        assert made.permute(0, 2, 3, 1).is_contiguous()
        assert made.is_contiguous(memory_format=torch.channels_last)
    own = stacked(tensors)
    own.zero_()
    assert tensors[0].any(), "a batch is a copy: what is kept stays"


@dataclasses.dataclass(frozen=True)
class Boxed(Classify):
    """A truth that lies on the picture: its left half."""

    def truth(self, item: Item, image: Image.Image, root: str) -> Any:
        wide, high = image.size
        return tv_tensors.BoundingBoxes([[0, 0, wide / 2, high]], format="XYXY", canvas_size=(high, wide))

    def collate(self, truths: Any) -> torch.Tensor:
        return torch.stack([torch.as_tensor(box[0]) for box in truths])


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_truths_on_pictures_go_along_with_kept_ones(folder: Path, tmp_path: Path, where: str) -> None:
    plain = files(folder, task=Boxed(small.LABELS))
    kept = with_kept(plain, tmp_path, where)
    assert same_but_for_a_bit(plain, kept)
    boxes = torch.cat([batch.truths for batch in kept.epoch(0)])
    assert len({tuple(box) for box in boxes.tolist()}) > 4, "moved, each on its own"


def same_but_for_a_bit(one: Batches, other: Batches) -> bool:
    return all(
        (a.images.int() - b.images.int()).abs().max() <= 1 and torch.allclose(a.truths, b.truths)
        for a, b in zip(one.epoch(0), other.epoch(0), strict=True)
    )


@pytest.mark.parametrize("view", [cropped(), evaluation_view(WIDE), None])
def test_batches_stay_as_they_are_when_the_memory_they_were_read_into_is_used_again(
    folder: Path, tmp_path: Path, view: View | None
) -> None:
    plain = dataclasses.replace(files(folder, varied=isinstance(view, CropAndFlip)), view=view)
    where = with_kept(plain, tmp_path, "disk") if view is not None else kept_viewed(plain, tmp_path)
    held = [(batch.images, batch.images.clone()) for batch in where.epoch(0)]
    assert len(held) == 3
    assert all(torch.equal(now, then) for now, then in held)


def kept_viewed(batches: Batches, home: Path) -> Batches:
    """With pictures that are kept as evaluation sees them."""
    kept = keep(
        batches.root, batches.items, batches.task, evaluation_view(WIDE), 3, where="disk", described="v",
        data_home=str(home),
    )  # fmt: skip
    return dataclasses.replace(batches, kept=kept)
