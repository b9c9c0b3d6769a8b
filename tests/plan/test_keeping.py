"""Whether decoded pictures are kept and where; that what is kept is what would be seen without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import foveal
import small
from foveal.augmentations._crop import CropAndFlip
from foveal.data import cache, decoding
from foveal.data.batches import Batches
from foveal.data.cache import Kept
from foveal.data.decoding import open_image
from foveal.errors import OptionError
from foveal.events import Epoch, Step
from foveal.options import FitOptions, Stage, TrainOptions, make
from foveal.plan import batches, keeping
from foveal.plan.choices import Choices
from foveal.records.run import Run
from foveal.values import Choice, Dataset, Facts, Item, Preprocessing
from pictures import shape, split_folder

PRE = Preprocessing(100)
FEW = Stage("train", "all", 3, 0.1, "constant", 0.0)
NEED = 40 * 170 * 226.67 * 3 + 10 * 100 * 100 * 3
"""Forty training pictures of 640 x 480 at a shorter side of 170, ten validation pictures of 100 x 100."""


def pictures(frames: bool = False, width: int = 640) -> Dataset:
    made = [
        Item(str(n), f"{n}.jpg", "ring", "train" if n < 40 else "val", n if frames else None)
        for n in range(50)
    ]
    facts = Facts(width, 480, 480, width, False, 1)
    return Dataset("/", "classify", "folder", "", small.LABELS, tuple(made), (), facts, "f")


def chosen(
    monkeypatch: pytest.MonkeyPatch,
    dataset: Dataset | None = None,
    stages: tuple[Stage, ...] = (FEW,),
    *,
    free: float = 1e12,
    disk: float = 1e12,
    workers: int = 0,
    together: bool = False,
    made: bool = False,
    **given: Any,
) -> Choice:
    """What is chosen with so many bytes free."""
    monkeypatch.setattr(keeping, "free_megabytes", lambda: free / 1e6)
    monkeypatch.setattr(cache, "room", lambda home: int(disk))
    monkeypatch.setattr(cache, "is_made", lambda items, described, channels, home: made)
    choices = Choices(make(TrainOptions, given))
    keeping.choose(choices, dataset or pictures(), PRE, stages, workers, together=together)
    (choice,) = (choice for choice in choices.made if choice.option == "cache")
    return choice


def test_in_memory_where_a_quarter_of_it_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = chosen(monkeypatch, free=4.01 * NEED)
    assert (choice.value, choice.automatic) == ("memory", True)
    assert f"about {NEED / 1e6:,.0f} MB" in choice.reason
    assert chosen(monkeypatch, free=3.99 * NEED).value == "disk"


def test_else_on_the_disk_else_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = chosen(monkeypatch, free=NEED, disk=1.01 * NEED)
    assert (choice.value, "too much for the memory" in choice.reason) == ("disk", True)
    choice = chosen(monkeypatch, free=NEED, disk=0.99 * NEED)
    assert (choice.value, "for the disk" in choice.reason) == ("off", True)


def test_reading_processes_share_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory, each of them would hold all pictures."""
    choice = chosen(monkeypatch, workers=7)
    assert (choice.value, "share" in choice.reason) == ("disk", True)
    assert chosen(monkeypatch, free=33 * NEED, disk=0, workers=7).value == "memory"
    assert chosen(monkeypatch, free=31 * NEED, disk=0, workers=7).value == "off"


def test_pictures_that_are_varied_together_lie_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be they decoded already, in one file of the user's or of ours."""
    for data in (pictures(), pictures(frames=True)):
        assert chosen(monkeypatch, data, together=True, made=True).value == "memory"
    assert chosen(monkeypatch, pictures(), together=True, made=True, free=0).value == "disk"
    assert chosen(monkeypatch, pictures(frames=True), together=True, made=True, free=0).value == "off"


def test_what_an_earlier_run_has_decoded_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ({"free": 1e12}, {"free": 0.0, "disk": 0.0}):
        choice = chosen(monkeypatch, made=True, **room)
        assert (choice.value, "earlier run" in choice.reason) == ("disk", True)


def test_nowhere_where_it_saves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = chosen(monkeypatch, pictures(frames=True), made=True)
    assert (choice.value, "decoded already" in choice.reason) == ("off", True)
    once = replace(FEW, epochs=1)
    choice = chosen(monkeypatch, None, (once,), made=True)
    assert (choice.value, "read once" in choice.reason) == ("off", True)
    assert chosen(monkeypatch, None, (once, once)).value == "memory"
    frozen = replace(FEW, epochs=30, views=1)
    assert chosen(monkeypatch, None, (frozen,)).value == "off", "its epochs see features, not pictures"
    assert chosen(monkeypatch, None, (replace(frozen, views=4),)).value == "memory"
    assert chosen(monkeypatch, None, (once,), minutes=5.0).value == "memory", "epochs are open"


def test_what_was_given_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("off", "memory", "disk"):
        choice = chosen(monkeypatch, free=0.0 if where == "memory" else 1e12, disk=0, cache=where)
        assert (choice.value, choice.automatic) == (where, False)


def test_copies_for_reading_processes_that_memory_cannot_hold_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chosen(monkeypatch, free=8.1 * NEED, workers=7, cache="memory").value == "memory"
    with pytest.raises(OptionError, match="7 processes") as caught:
        chosen(monkeypatch, free=7.9 * NEED, workers=7, cache="memory")
    assert "--cache disk" in caught.value.todo
    assert chosen(monkeypatch, free=0.0, workers=7, cache="disk").value == "disk"


def test_larger_training_pictures_need_more(monkeypatch: pytest.MonkeyPatch) -> None:
    larger = 4.01 * NEED
    assert chosen(monkeypatch, free=larger, train_size=50).value == "memory"
    assert chosen(monkeypatch, free=larger, train_size=200).value == "disk"


def test_a_real_plan_chooses_memory(tmp_path: Path) -> None:
    """With all parts real: few small files are kept in memory, and the choice fills its option."""
    data = pictures(width=64)
    made = foveal.plan.make(data, make(TrainOptions, {"network": "resnet9", "pretrained": False}))
    choice = next(choice for choice in made.choices if choice.option == "cache")
    assert made.options.cache == choice.value == "memory"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Pictures for training and validation: a photograph of 3000 pixels, turned ones, grey, see-through."""
    folder = tmp_path_factory.mktemp("odd")
    exif = Image.Exif()
    exif[0x0112] = 6
    small_noise = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    large = Image.fromarray(small_noise).resize((3000, 2000), Image.Resampling.BICUBIC)
    names = []

    def save(name: str, image: Image.Image, **more: Any) -> None:
        image.save(folder / name, **more)
        names.append(name)

    save("large.jpg", large, quality=90)
    save("turned.jpg", large.resize((700, 500)), exif=exif)
    save("grey.jpg", large.convert("L").resize((300, 200)))
    see_through = shape(4, 80).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize((80, 80)))
    save("through.png", see_through)
    save("tiny.png", shape(2, 12))
    save("strip.png", shape(1, 90).resize((20, 400)))
    made = tuple(
        Item(f"{part}/{name}", name, small.LABELS[n % 3], part, sha256=sha)
        for n, name in enumerate(names)
        for sha in [decoding.look(folder, Item(name, name, "")).sha256]
        for part in ("train", "val")
    )
    facts = Facts(300, 200, 12, 3000, False, 1)
    return Dataset(str(folder), "classify", "folder", "", small.LABELS, made, (), facts, "f")


def given(home: Path, where: str, **more: Any) -> TrainOptions:
    return make(TrainOptions, {"cache": where, "data_home": str(home), "augment": "light", **more})


def keep(data: Dataset, part: str, pre: Preprocessing, options: TrainOptions) -> Kept | None:
    return keeping.kept(data, part, small.task(), pre, options, lambda done, total: None)


def seen(data: Dataset, part: str, pre: Preprocessing, options: TrainOptions, **more: Any) -> Batches:
    fit: FitOptions = small.fit_options(batch=4)
    have = keep(data, part, pre, options)
    return batches.batches(data, part, small.task(), pre, options, fit, scratch=False, kept=have, **more)


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_evaluation_sees_the_same_bit_for_bit(
    tmp_path: Path, odd: Dataset, where: str, channels: int, interpolation: Any
) -> None:
    flat = (0.5,) * channels
    pre = Preprocessing(24, channels, flat, flat, interpolation, crop=0.875)
    without = list(seen(odd, "val", pre, given(tmp_path, "off")).epoch(0))
    kept = seen(odd, "val", pre, given(tmp_path, where))
    assert kept.kept is not None
    assert (kept.kept.file is None) == (where == "memory")
    found = list(kept.epoch(0))
    assert [batch.ids for batch in found] == [batch.ids for batch in without]
    for one, other in zip(found, without, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.truths, other.truths)
        assert one.images.shape[1:] == (channels, 24, 24)


def test_training_pictures_are_kept_for_crops(tmp_path: Path, odd: Dataset) -> None:
    """The large ones at 1.7 times the size (or the training size, if that is more), small ones as they are."""
    pre = Preprocessing(24)
    for size, side in ((None, 41), (12, 41), (48, 82)):
        for where in ("memory", "disk"):
            kept = keep(odd, "train", pre, given(tmp_path, where, train_size=size))
            assert kept is not None
            for item in odd.part("train"):
                whole = open_image(odd.root, item)
                assert min(kept[item][0].shape[:2]) == min(side, *whole.size)
    assert len(list((tmp_path / "pixels").iterdir())) == 2


@pytest.mark.parametrize("family", ["light", "trivialaugment", "none", "sprint"])
def test_training_batches_of_pictures_that_are_not_reduced_are_the_same(tmp_path: Path, family: str) -> None:
    """Through the augmentation, be it one for tensors, for whole batches, or neither."""
    same = family == "sprint"
    for n in range(12):
        shape(n, 25 if same else 30 + n).save(tmp_path / f"{n}.png")
    made = tuple(
        Item(f"{n}.png", f"{n}.png", "ring", "train", sha256=decoding.look(tmp_path, item).sha256)
        for n in range(12)
        for item in [Item("", f"{n}.png", "")]
    )
    facts = Facts(25, 25, 25, 25, False, 1) if same else Facts(36, 36, 30, 41, False, 1)
    data = Dataset(str(tmp_path), "classify", "folder", "", small.LABELS, made, (), facts, "f")
    pre = Preprocessing(25)
    off, *cached = (
        seen(data, "train", pre, given(tmp_path / "home", where, augment=family, flip=True), augment=True)
        for where in ("off", "memory", "disk")
    )
    assert isinstance(off.view, CropAndFlip) == (family == "light")
    assert (off.together is not None) == same
    for number in range(2):
        for kept in cached:
            for one, other in zip(kept.epoch(number), off.epoch(number), strict=True):
                assert one.ids == other.ids
                assert torch.equal(one.images, other.images)
                assert torch.equal(one.truths, other.truths)


def test_nothing_is_kept_where_nothing_was_asked_for(tmp_path: Path, odd: Dataset) -> None:
    assert keep(odd, "val", PRE, given(tmp_path, "off")) is None
    assert keep(odd, "val", PRE, replace(given(tmp_path, "off"), cache=None)) is None
    assert keep(odd, "test", PRE, given(tmp_path, "disk")) is None, "there are none"


def test_more_than_half_of_the_free_memory_is_never_filled(
    tmp_path: Path, odd: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though memory was chosen by the median of the pictures' sizes, or given."""
    kept = keep(odd, "train", Preprocessing(24), given(tmp_path, "memory"))
    assert kept is not None
    for share, on_disk in ((2.01, False), (1.99, True)):
        monkeypatch.setattr(keeping, "free_megabytes", lambda share=share: share * kept.bytes / 1e6)
        again = keep(odd, "train", Preprocessing(24), given(tmp_path, "memory"))
        assert again is not None
        assert (again.file is not None) == on_disk


def test_a_run_is_the_same_whether_and_wherever_pictures_are_kept(tmp_path: Path) -> None:
    """Pictures that are not reduced: the same losses, bit for bit; a second run reads the first one's files."""
    data = split_folder(tmp_path / "data", train=6, val=3, test=2, size=24)
    found, said = [], []
    for where in ("off", "memory", "disk", "disk"):
        heard: list[object] = []
        done = foveal.train(
            data, cache=where, network="resnet9", size=24, batch=6, epochs=2, probe=False, seed=1, threads=1,
            device="cpu", precision="fp32", augment="light", runs_dir=str(tmp_path / "runs"),
            data_home=str(tmp_path / "home"), screen=heard.append,
        )  # fmt: skip
        run = Run.open(done.run)
        losses = [event.loss if isinstance(event, Step) else event.train_loss for event in run.history()
                  if isinstance(event, Step | Epoch)]  # fmt: skip
        found.append([*losses, done.headline.value, done.headline.low])
        assert next(choice for choice in done.choices if choice.option == "cache").value == where
        said.append({tuple(row) for row in heard if isinstance(row, tuple) and row[0] == "decoding"})
    assert len(found[0]) > 4
    assert all(one == found[0] for one in found)
    assert said[0] == set()
    assert (
        said[1]
        == said[2]
        == {("decoding", 0, 18), ("decoding", 18, 18), ("decoding", 0, 9), ("decoding", 9, 9)}
    )
    assert said[3] == set()
    assert len(list((tmp_path / "home" / "pixels").iterdir())) == 2
