"""Objects, masks and classes on pictures: where they should be, in colours that are told apart, none hiding another."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco

from foveal.charts import on_picture, tags
from foveal.charts.on_picture import (
    KINDS,
    class_map,
    classes,
    eroded,
    fitted,
    objects,
    side_by_side,
)
from foveal.charts.run_lengths import decoded

GREY = (128, 128, 128)


def runs(region: np.ndarray) -> dict[str, Any]:
    made = coco.encode(np.asfortranarray(region.astype(np.uint8)))
    return {"size": list(made["size"]), "counts": made["counts"].decode()}


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def plain(width: int = 600, height: int = 400) -> Image.Image:
    return Image.new("RGB", (width, height), GREY)


def test_a_box_is_drawn_on_its_own_edges_and_nothing_else_is_touched() -> None:
    drawn = pixels(objects(plain(), [{"label": "a", "box": [100, 50, 300, 250]}], legend=False))
    tone = tags.colour(0)
    for y, x in ((50, 200), (249, 200), (150, 100), (150, 299)):
        assert tuple(drawn[y, x]) == tone
    changed = (drawn != 128).any(2)
    rows, columns = np.nonzero(changed)
    assert (columns.min(), columns.max()) == (99, 300)
    assert rows.max() == 250
    assert not changed[70:240, 120:290].any(), "what is inside is seen"


def test_a_frame_shows_on_a_ground_of_its_own_colour() -> None:
    ground = Image.new("RGB", (600, 400), tags.colour(0))
    drawn = pixels(objects(ground, [{"label": "a", "box": [100, 50, 300, 250]}], legend=False))
    assert abs(drawn - np.array(tags.colour(0))).sum(2).max() > 200


def test_what_is_true_is_dashed_and_what_is_predicted_whole() -> None:
    box = {"label": "a", "box": [100, 50, 300, 250]}
    whole = pixels(objects(plain(), [box], legend=False))[50, 120:280]
    dashed = pixels(objects(plain(), (), [box], legend=False))[50, 120:280]
    is_tone = (dashed == np.array(tags.colour(0))).all(1)
    assert (whole == np.array(tags.colour(0))).all()
    assert 0.3 < is_tone.mean() < 0.7


def test_a_label_has_one_colour_whatever_else_is_there_and_errors_have_their_own() -> None:
    labels = ["a", "b", "c"]
    one = pixels(objects(plain(), [{"label": "c", "box": [100, 50, 300, 250]}], (), labels, legend=False))
    assert tuple(one[150, 100]) == tags.colour(2)
    for kind, tone in KINDS.items():
        row = {"label": "c", "box": [100, 50, 300, 250], "kind": kind}
        assert tuple(pixels(objects(plain(), [row], (), labels, legend=False))[150, 100]) == tone


def test_colours_are_told_apart() -> None:
    first = [tags.colour(n) for n in range(3 * len(tags.CYCLE))]
    assert len(set(first)) == len(first)
    for one, other in itertools.combinations(first[:7], 2):
        assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 80
    assert len(set(KINDS.values())) == len(KINDS)
    assert tags.readable_on((0, 114, 178)) == tags.LIGHT
    assert tags.readable_on((240, 228, 66)) == tags.DARK


def test_a_mask_is_tinted_where_it_is_and_nowhere_else() -> None:
    region = np.zeros((400, 600), bool)
    region[100:200, 150:350] = True
    row = {"label": "a", "mask": runs(region), "probability": None}
    image = on_picture.objects(plain(), [{**row, "box": [150, 100, 350, 200]}], legend=False)
    changed = (pixels(image) != 128).any(2)
    assert changed[region].all()
    tag = np.zeros_like(changed)
    tag[70:100, 150:260] = True
    assert not changed[~region & ~tag].any()
    middle, edge = pixels(image)[150, 250], pixels(image)[150, 151]
    assert (abs(middle - 128) > 0).any()
    assert (abs(middle - 128) <= abs(np.array(tags.colour(0)) - 128)).all()
    assert tuple(edge) == tags.colour(0)


def test_without_a_box_a_mask_is_enough_and_an_empty_one_harms_nothing() -> None:
    region = np.zeros((40, 60), bool)
    empty = objects(Image.new("RGB", (60, 40)), [{"label": "a", "mask": runs(region)}], legend=False)
    assert empty.size == (480, 320)
    region[10:20, 10:20] = True
    drawn = objects(Image.new("RGB", (60, 40)), [{"label": "a", "mask": runs(region)}], legend=False)
    assert pixels(drawn)[120, 120].any()
    assert not pixels(drawn)[300, 400].any()


@given(st.integers(1, 4), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_eroding_is_what_scipy_does(times: int, seed: int) -> None:
    from scipy import ndimage

    region = np.random.default_rng(seed).random((17, 23)) < 0.8
    assert (eroded(region, times) == ndimage.binary_erosion(region, iterations=times)).all()


@given(st.lists(st.tuples(*[st.integers(0, 580)] * 2, *[st.integers(8, 90)] * 2), max_size=40))
@settings(max_examples=40, deadline=None)
def test_tags_lie_on_the_picture_and_not_on_each_other(boxes: list[tuple[int, int, int, int]]) -> None:
    image = Image.new("RGB", (640, 640))
    there = [
        tags.Tag((x, y, min(x + w, 640), min(y + h, 640)), ("a label 50 %", "50"), (200, 10 + n, 0))
        for n, (x, y, w, h) in enumerate(boxes)
    ]
    written = tags.write_tags(image, there, 14)
    seen = pixels(image)
    areas = [(seen == np.array(tag.ground)).all(2).sum() for tag in there]
    assert written == sum(area > 0 for area in areas)
    assert all(area == 0 or area > 120 for area in areas), "each that is written is whole"


def test_many_objects_have_numbers_alone_and_a_legend() -> None:
    few = [{"label": "cell", "box": [20, 40 * n + 20, 90, 40 * n + 50], "probability": 0.5} for n in range(3)]
    many = [
        {"label": "cell", "box": [60 * m + 5, 40 * n + 20, 60 * m + 50, 40 * n + 50], "probability": 0.5}
        for m in range(9) for n in range(9)
    ]  # fmt: skip
    assert objects(plain(), few).height > 400
    assert objects(plain(), many).height > 400
    assert objects(plain(), many, legend=False).size == (600, 400)
    short = [
        thing.words for thing in (on_picture._thing(r, {"cell": GREY}, False, True, False) for r in many[:1])
    ]
    assert short == [("50",)]


def test_classes_are_painted_where_they_are_with_lines_between() -> None:
    left = np.zeros((400, 600), bool)
    left[:, :200] = True
    right = np.zeros((400, 600), bool)
    right[:, 300:] = True
    rows = [
        {"label": "sky", "share": 1 / 3, "mask": runs(left)},
        {"label": "sea", "share": 0.5, "mask": runs(right)},
    ]
    image = classes(plain(), rows, ["sea", "sky"], legend=False)
    seen = pixels(image)
    expected = [np.array(GREY) + (np.array(tags.colour(n)) - 128) * on_picture.OPAQUE_CLASS for n in (1, 0)]
    assert abs(seen[200, 100] - expected[0]).max() <= 1
    assert abs(seen[200, 500] - expected[1]).max() <= 1
    assert tuple(seen[200, 250]) == GREY, "of no class"
    assert seen[200, 200].sum() < min(seen[200, 250].sum(), seen[200, 100].sum()) - 100
    assert classes(plain(), rows, ["sea", "sky"]).height > 400
    found = class_map(rows, ["sea", "sky"], (600, 400))
    assert [found[0, 0], found[0, 250], found[0, 599]] == [1, 255, 0]


@pytest.mark.parametrize(
    ("size", "made"),
    [((100, 50), (500, 250)), ((600, 400), (600, 400)), ((3200, 100), (1600, 50)), ((1, 1), (480, 480))],
)
def test_small_pictures_are_enlarged_and_large_ones_made_smaller(
    size: tuple[int, int], made: tuple[int, int]
) -> None:
    canvas, factor = fitted(Image.new("L", size))
    assert (canvas.size, canvas.mode) == (made, "RGB")
    assert factor == pytest.approx(made[0] / size[0])
    assert fitted(Image.new("L", (3200, 100)), most=None)[0].size == (3200, 100)


def test_boxes_go_along_with_the_picture_s_size() -> None:
    image = objects(Image.new("RGB", (60, 40), GREY), [{"label": "a", "box": [10, 10, 30, 30]}], legend=False)
    seen = pixels(image)
    assert [tuple(seen[y, 160]) for y in (80, 239)] == [tags.colour(0)] * 2


def test_side_by_side_keeps_both() -> None:
    small, large = Image.new("RGB", (64, 64), (255, 0, 0)), Image.new("RGB", (256, 256), (0, 0, 255))
    image = side_by_side([("as given", small), ("made of it", large)], words=["x4"])
    seen = pixels(image)
    red, blue = ((seen == np.array(tone)).all(2).sum() for tone in ((255, 0, 0), (0, 0, 255)))
    assert red == blue == 256 * 256


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_run_lengths_are_read_as_coco_writes_them(height: int, width: int, share: float, seed: int) -> None:
    region = np.random.default_rng(seed).random((height, width)) < share
    assert (decoded(runs(region)) == region).all()
    counts = [0] if region.T.ravel()[0] else []
    counts += [len(list(group)) for _, group in itertools.groupby(region.T.ravel())]
    assert (decoded({"size": [height, width], "counts": counts}) == region).all()
    with pytest.raises(ValueError, match="in all, for a picture of"):
        decoded({"size": [height, width], "counts": [*counts, 1]})


def test_the_box_round_a_region() -> None:
    region = np.zeros((5, 7), bool)
    assert on_picture.box_of(region) == (0, 0, 0, 0)
    region[1:3, 2:6] = True
    assert on_picture.box_of(region) == (2, 1, 6, 3)


def test_shares_in_words() -> None:
    assert [on_picture.percent(s) for s in (0.0, 0.0031, 0.42, 1.0)] == ["0 %", "0.3 %", "42 %", "100 %"]
