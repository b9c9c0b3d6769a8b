"""Exciting examples equal a search through everything, and their crops hold all that excites the cell."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import shapes
import sitters
from foveal.contracts import Sitting
from foveal.data.views import normalise
from foveal.errors import OptionError
from foveal.portraits import examples
from foveal.portraits._ranking import LARGEST, Crops, Ranking
from foveal.portraits._shown import PIECE, Shown
from foveal.portraits.examples import Examples
from foveal.structure.taps import passed, untouched

LAYER = "features.8"


def run(sitting: Sitting, **options: object) -> Examples:
    return list(examples.portray(sitting, **options))[-1]  # type: ignore[arg-type]


def maps_of(sitting: Sitting, pixels: Tensor, layer: str) -> Tensor:
    """All maps; in the same pieces, as kernels round differently for others."""
    subject, place = sitting.subject, sitting.subject.place_of(layer)
    with untouched(subject.network), torch.no_grad():
        parts = [normalise(part, sitting.preprocessing) for part in pixels.split(PIECE)]
        return torch.cat(
            [passed(subject.network, part, subject.graph, [place]).values[place] for part in parts]
        )


def test_equals_a_search_through_everything() -> None:
    """On all of the first 400 training pictures, by the normalised values before the rectifier."""
    sitting = sitters.shapes_sitting()
    pixels, _ = shapes.training_pictures()
    found = run(sitting, layer=LAYER, top=9)
    values = maps_of(sitting, pixels[:400], "features.7")
    peaks = values.flatten(2).max(2)
    assert found.channels == tuple(range(32))
    for channel, row in enumerate(found.best):
        order = sorted(range(400), key=lambda n: (-float(peaks.values[n, channel]), n))[:9]
        assert [one.id for one in row] == [f"picture {n}" for n in order]
        assert [one.value for one in row] == pytest.approx(peaks.values[order, channel].tolist(), rel=1e-5)
        places = peaks.indices[order, channel].tolist()
        assert [one.cell for one in row] == [divmod(place, values.shape[3]) for place in places]
        above = float((peaks.values[:, channel] > 0).float().mean())
        assert found.active[channel] == pytest.approx(above)
    assert found.count == 400
    assert found.arrays()["values"].shape == (32, 9)


def test_crops_are_the_pictures_own_pixels() -> None:
    sitting = sitters.shapes_sitting(128)
    pixels, _ = shapes.training_pictures()
    for row in run(sitting, layer="features.2", top=3).best:
        for one in row:
            x0, y0, x1, y1 = one.box
            assert 0 <= x0 < x1 <= 64
            assert 0 <= y0 < y1 <= 64
            assert max(x1 - x0, y1 - y0) == 5, "the first kernel's side"
            assert torch.equal(one.pixels, pixels[int(one.id.split()[1]), :, y0:y1, x0:x1])


@pytest.mark.parametrize(
    ("kind", "layer"), [("functional", "third"), ("branches", "mix"), ("batch norm", "features.8")]
)
def test_crops_hold_the_support_of_the_gradient(kind: str, layer: str) -> None:
    """Pixels outside of the crop have no influence at all on the value that put it there."""
    pixels = sitters.images(12)
    sitting = sitters.sitting(sitters.made(kind), pixels)
    subject = sitting.subject
    place = subject.place_of(layer)
    for channel, row in enumerate(run(sitting, layer=layer, channels=(0, 3), top=2).best):
        for one in row:
            inputs = normalise(pixels[int(one.id.split()[1])][None], sitting.preprocessing).requires_grad_()
            with untouched(subject.network):
                seen = passed(subject.network, inputs, subject.graph, [place])
                assert one.cell is not None
                ones = torch.zeros_like(seen.values[place])
                ones[0, (0, 3)[channel], one.cell[0], one.cell[1]] = 1
                (slope,) = torch.autograd.grad([seen.edges[place]], [inputs], grad_outputs=[ones])
            x0, y0, x1, y1 = one.box
            support = slope[0].abs().sum(0) > 0
            assert support.any()
            inside = torch.zeros_like(support)
            inside[y0:y1, x0:x1] = True
            assert not (support & ~inside).any()


def test_the_same_picture_counts_once() -> None:
    pixels = sitters.images(10)
    sitting = sitters.sitting(sitters.made("functional"), pixels)
    twice = replace(sitting, pictures=sitters.in_batches(torch.cat([pixels, pixels.flip(0)])), count=20)
    one, other = run(sitting, layer="third", top=4), run(twice, layer="third", top=4)
    assert [[e.to_json() for e in row] for row in one.best] == [
        [e.to_json() for e in row] for row in other.best
    ]
    assert other.active == one.active
    assert other.count == 10
    assert other.says[-1].startswith("10 of 20 pictures are byte for byte the same")


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=2, max_size=2), min_size=1, max_size=30),
    st.integers(1, 5),
    st.integers(1, 9),
)
def test_ranking_by_hypothesis(rows: list[list[int]], top: int, batch: int) -> None:
    """Many equal values, in batches of any size: the largest, of equal ones the earlier."""
    ranking = Ranking(2, top)
    crops = [Crops(None, 1, (2, 2))] * 2
    pixels = torch.arange(len(rows), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    values = torch.tensor(rows, dtype=torch.float32)
    for start in range(0, len(rows), batch):
        part = slice(start, start + batch)
        ids = tuple(map(str, range(len(rows))))[part]
        ranking.add(
            Shown(ids, pixels[part], {}), values[part], torch.full_like(values[part], -1).long(), crops
        )
    for unit in range(2):
        order = sorted(range(len(rows)), key=lambda n: (-rows[n][unit], n))[:top]
        assert [one.id for one in ranking.best[unit]] == [str(n) for n in order]
        assert [int(one.pixels[0, 0, 0]) for one in ranking.best[unit]] == order


def test_large_crops_are_kept_small() -> None:
    ranking = Ranking(1, 1)
    pixels = torch.full((1, 3, 300, 200), 77, dtype=torch.uint8)
    ranking.add(
        Shown(("a",), pixels, {}), torch.ones(1, 1), torch.full((1, 1), -1), [Crops(None, 1, (300, 200))]
    )
    (one,) = ranking.best[0]
    assert one.box == (0, 0, 200, 300)
    assert tuple(one.pixels.shape) == (3, LARGEST, round(200 * LARGEST / 300))
    assert one.pixels.unique().tolist() == [77]


def test_values_that_are_no_numbers_are_passed_over() -> None:
    ranking = Ranking(1, 3)
    pixels = torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1)
    values = torch.tensor([[torch.nan], [1.0], [torch.inf]])
    ranking.add(Shown(("a", "b", "c"), pixels, {}), values, torch.full((3, 1), -1), [Crops(None, 1, (1, 1))])
    assert [one.id for one in ranking.best[0]] == ["b"]


def test_dead_channels() -> None:
    sitting = sitters.shapes_sitting(64)
    norm = sitting.subject.network.features[7]  # type: ignore[index]
    with torch.no_grad():
        norm.bias[5] = -100.0
    found = run(sitting, layer=LAYER)
    assert 5 in found.dead
    assert found.active[5] == 0
    assert "channel 5 (dead)" in [row.name for row in found.sheet().rows]


def test_features_without_places() -> None:
    """Of a linear layer's outputs the whole picture is the crop."""
    found = run(sitters.shapes_sitting(64), layer="fc", top=2)
    assert len(found.channels) == len(shapes.LABELS)
    assert all(one.box == (0, 0, 64, 64) and one.cell is None for row in found.best for one in row)


def test_refusals() -> None:
    sitting = sitters.shapes_sitting(64)
    for options in ({"layer": "no"}, {"channels": (999,)}, {"channels": ()}, {"top": 0}):
        with pytest.raises(OptionError):
            run(sitting, **options)
    with pytest.raises(OptionError, match="No pictures"):
        run(replace(sitting, pictures=None))
