"""Known data sets are recognised by their pictures, whatever these are called and in whatever order they lie."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveal.doctor import published, recognised
from foveal.doctor.recognised import Marks, mark_of, row, seen
from foveal.report.world import published as beside
from foveal.values import Dataset, Facts, Item
from sick.below_published import run


def pictures(count: int, seed: int = 0) -> list[Image.Image]:
    draws = np.random.default_rng(seed)
    return [Image.fromarray(draws.integers(0, 256, (12, 10, 3), dtype=np.uint8)) for _ in range(count)]


def marked(images: list[Image.Image], most: int) -> Marks:
    told = row(images, len(images), most)
    marks = told["test"]
    assert isinstance(marks, list)
    return Marks("own", int(str(told["one_in"])), 1.0, (10, 12), frozenset(marks))


def written(folder: Path, images: list[Image.Image], kind: str) -> Dataset:
    folder.mkdir(exist_ok=True)
    for n, image in enumerate(images):
        image.save(folder / f"{n}.{kind}")
    items = tuple(Item(f"{n}.{kind}", f"{n}.{kind}", "a", "test") for n in range(len(images)))
    width, height = images[0].size
    sides = sorted(images[0].size)
    return Dataset(
        str(folder), "classify", "folder", "", ("a",), items, (), Facts(width, height, *sides, False, 9)
    )


def test_a_mark_is_of_the_pixels_alone(tmp_path: Path) -> None:
    image = pictures(1)[0]
    for name in ("a.png", "b.bmp", "c.tif"):
        image.save(tmp_path / name)
        assert mark_of(Image.open(tmp_path / name)) == mark_of(image)
    image.save(tmp_path / "d.jpg")
    assert mark_of(Image.open(tmp_path / "d.jpg")) != mark_of(image)
    grey = image.convert("L")
    assert mark_of(grey) == mark_of(grey.convert("RGB"))
    assert mark_of(image.transpose(Image.Transpose.ROTATE_90)) != mark_of(image)


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_pictures_are_found_in_any_order_and_any_part(tmp_path: Path, kind: str) -> None:
    images = pictures(400)
    known = marked(images, 50)
    assert 20 < len(known.test) < 100, "of one picture in eight"
    order = np.random.default_rng(1).permutation(400)[:200]
    found = seen(written(tmp_path / "x", [images[n] for n in order], kind), known)
    assert found is not None
    assert (found.known, found.share) == (True, 1.0)
    mixed = [*(images[n] for n in order), *pictures(200, 7)]
    half = seen(written(tmp_path / "y", mixed, kind), known)
    assert half is not None
    assert half.known
    assert 0.25 < half.share < 0.75


def test_others_are_not_found_and_lost_ones_are_not_judged(tmp_path: Path) -> None:
    known = marked(pictures(100), 100)
    data = written(tmp_path / "x", pictures(100, 5), "png")
    found = seen(data, known)
    assert found is not None
    assert (found.met, found.known) == (0, False)
    assert seen(dataclasses.replace(data, root=str(tmp_path / "gone")), known) is None
    assert data.facts is not None
    large = dataclasses.replace(data, facts=dataclasses.replace(data.facts, min_side=500, max_side=900))
    assert recognised.possible(data, known)
    assert not recognised.possible(large, known), "no picture need be opened"


def test_the_table_is_of_known_sets() -> None:
    marks = recognised.table()
    assert set(marks) <= set(published.table()[0])
    for one in marks.values():
        assert len(one.test) >= recognised.FEWEST
        assert all(len(mark) == recognised.LETTERS and recognised.kept(mark, one.one_in) for mark in one.test)
    every = [mark for one in marks.values() for mark in one.test]
    assert len(every) == len(set(every))


@pytest.fixture(scope="module")
def tiles() -> list[Image.Image]:
    """CIFAR-10's test pictures, first those of each class."""
    home = os.environ.get("FOVEAL_TEST_DATA")
    if not home or not Path(home, "cifar10").is_dir():
        pytest.skip("FOVEAL_TEST_DATA names no folder that has cifar10")
    found = []
    for file in sorted(Path(home, "cifar10", "mosaics").glob("test_*.webp")):
        mosaic = Image.open(file).convert("RGB")
        boxes = [(x, y) for y in range(0, 160, 32) for x in range(0, mosaic.width, 32)]
        found += [mosaic.crop((x, y, x + 32, y + 32)) for x, y in boxes]
    return found


def test_cifar10_is_known_under_other_names(tiles: list[Image.Image], tmp_path: Path) -> None:
    data = dataclasses.replace(written(tmp_path / "things", tiles, "bmp"), labels=tuple("abcdefghij"))
    g = dataclasses.replace(run(0.71), dataset=data)
    found = published.benchmark_of(g)
    assert found is not None
    assert (found.benchmark.key, found.why) == ("cifar10", "by its pictures")
    assert found.seen is not None
    assert found.seen.share == 1.0


def test_pictures_that_are_only_called_so_are_held_against_no_figure(tmp_path: Path) -> None:
    g = run(0.71, train=200, val=0, test=400)
    assert g.dataset is not None
    draws = np.random.default_rng(3)
    others = [Image.fromarray(draws.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(400)]
    root = written(tmp_path / "others", others, "png").root
    items = tuple(
        dataclasses.replace(item, path=f"{item.id.removeprefix('test')}.png" if item.part == "test" else "x")
        for item in g.dataset.items
    )
    around = published.world(
        dataclasses.replace(g, dataset=dataclasses.replace(g.dataset, root=root, items=items))
    )
    assert around is not None
    assert around.why == "by the names of its classes"
    assert any("not one of 400 pictures that were looked at" in clause for clause in around.apart)
    page = beside(dataclasses.replace(g, dataset=dataclasses.replace(g.dataset, root=root, items=items)))
    assert page is not None
    assert "Not comparable" in page.says
