"""Verdicts: what is sound is called so, and what is not is found out."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

import shapes
from foveal import catalog
from foveal.contracts import Maps
from foveal.data.views import normalise
from foveal.explaining.soundness import (
    Redrawn,
    Ways,
    averaged,
    dependence,
    grain_of,
    mean_of,
    pixels_of,
    random_maps,
    rank_correlation,
    redrawn,
    start_of,
    sums,
)
from foveal.explaining.verdicts import HARDLY, Areas, Dependence, Verdict
from foveal.structure.look import Look
from foveal.structure.subject import Subject
from foveal.structure.taps import untouched
from foveal.values import Target

COUNT = 16


@pytest.fixture(scope="module")
def look() -> Iterator[Look]:
    """Pictures of one shape each, on the trained network."""
    network, task, pre = shapes.trained()
    images, kinds, _ = shapes.pictures(COUNT, seed=5)
    targets = [Target(shapes.LABELS[int(kind)]) for kind in kinds[:, 0]]
    subject = Subject.of(network, (1, 3, pre.size, pre.size))
    with untouched(network):
        yield Look(subject, normalise(images, pre), targets, task.score, pre)


@pytest.fixture(scope="module")
def others(look: Look) -> Redrawn:
    return redrawn(look)


def maps_of(name: str, look: Look) -> Maps:
    maps: Maps = catalog.find("explainers", name).explain(look)
    return maps


def edges(look: Look) -> Maps:
    """A made-up explainer that never asks the network: where the picture has edges."""
    grey = look.pixels().mean(1)
    across, down = grey.diff(dim=2).abs(), grey.diff(dim=1).abs()
    return Maps("size", "nothing", pixels=F.pad(across, (0, 1)) + F.pad(down, (0, 0, 0, 1)))


def noise(look: Look) -> Maps:
    """Another: smooth noise, another for each picture."""
    cells = torch.rand((len(look.images), 1, 8, 8), generator=torch.Generator().manual_seed(77))
    return Maps("both", "nothing", pixels=F.interpolate(cells, look.subject.size, mode="bilinear")[:, 0])


# dependence


@given(st.lists(st.integers(-4, 4), min_size=3, max_size=40), st.integers(0, 99))
def test_rank_correlations_are_spearmans(values: list[int], seed: int) -> None:
    one = np.array(values, np.float32)
    other = np.round(np.random.default_rng(seed).normal(size=len(values)) + one / 3).astype(np.float32)
    found = rank_correlation(one, other)
    if one.std() == 0 or other.std() == 0:
        assert found is None
    else:
        assert found == pytest.approx(scipy.stats.spearmanr(one, other).statistic, abs=1e-9)


def test_only_the_last_layer_is_drawn_anew_or_all(look: Look, others: Redrawn) -> None:
    own = look.subject.network.state_dict()
    last, every = others.last_layer.network.state_dict(), others.all_weights.network.state_dict()
    assert {name for name in own if not torch.equal(own[name], last[name])} == {"fc.weight", "fc.bias"}
    assert {name for name in own if torch.equal(own[name], every[name])} == set()
    spread, theirs = own["features.0.weight"].std(), every["features.0.weight"].std()
    assert float(theirs / spread) == pytest.approx(1, abs=0.1), "as large as it was"
    assert sorted(own["features.1.weight"].tolist()) == sorted(every["features.1.weight"].tolist())


def test_batch_normalisation_is_measured_anew(look: Look, others: Redrawn) -> None:
    """What leaves it has again mean 0 and spread 1 before gain and bias, on the pictures that it was measured on."""
    network = copy.deepcopy(others.all_weights.network)
    seen: list[torch.Tensor] = []
    network.features[3].register_forward_hook(lambda module, given, given_back: seen.append(given_back))
    norm = network.features[4]
    images = torch.cat([look.images, look.images.flip(-1)])
    with torch.no_grad():
        network(images)
    assert torch.allclose(norm.running_mean, seen[0].mean((0, 2, 3)), atol=1e-4)
    assert torch.allclose(norm.running_var, seen[0].var((0, 2, 3)), rtol=1e-3)
    assert not any(module.training for module in network.modules())


def test_the_last_layer_before_a_unit(look: Look) -> None:
    network = look.subject.network
    unit = Look(
        look.subject,
        look.images[:2],
        [Target(layer="features.7", channel=1)] * 2,
        look.scorer,
        look.preprocessing,
    )
    last = redrawn(unit).last_layer.network.state_dict()
    changed = {name for name, own in network.state_dict().items() if not torch.equal(own, last[name])}
    assert changed == {"features.6.weight"}, "features.7 is the normalisation behind it"


@pytest.mark.parametrize("name", ["gradcam", "hirescam", "occlusion"])
def test_sound_methods_depend_on_the_weights(name: str, look: Look, others: Redrawn) -> None:
    few = Look(look.subject, look.images[:8], look.targets[:8], look.scorer, look.preprocessing)
    found = dependence(catalog.find("explainers", name).explain, few, others)
    assert found.pictures == 8
    assert found.last_layer is not None
    assert found.all_weights is not None
    assert found.most < 0.3
    assert Verdict(dependence=found).badges == []


def test_an_explainer_that_ignores_the_network_is_found_out(look: Look, others: Redrawn) -> None:
    found = dependence(edges, look, others)
    assert found.last_layer == pytest.approx(1)
    assert found.all_weights == pytest.approx(1)
    verdict = Verdict(dependence=found)
    assert verdict.badges == ["hardly depends on the trained weights"]
    assert verdict.says[0].startswith("Hardly depends")


def test_guided_backpropagation_hardly_depends_on_the_last_layer(look: Look, others: Redrawn) -> None:
    """As measured on this network; its maps without their sign, as they are shown."""
    found = dependence(catalog.find("explainers", "guided_backprop").explain, look, others)
    assert found.last_layer is not None
    assert found.last_layer > HARDLY
    assert found.signed_last_layer is not None
    assert "hardly depends on the trained weights" in Verdict(dependence=found).badges


def test_empty_maps_tell_nothing(look: Look, others: Redrawn) -> None:
    def nothing(look: Look) -> Maps:
        return Maps("for", "nothing", pixels=torch.zeros(len(look.images), *look.subject.size))

    found = dependence(nothing, look, others)
    assert (found.last_layer, found.all_weights) == (None, None)
    assert Verdict(dependence=found).badges == []
    assert "cannot be told" in Verdict(dependence=found).says[0]


# sums


def test_what_should_add_up_is_told(look: Look) -> None:
    maps = maps_of(
        "integrated_gradients",
        Look(look.subject, look.images[:2], look.targets[:2], look.scorer, look.preprocessing),
    )
    told = sums(maps)
    assert told is not None
    assert maps.pixels is not None
    for n, (total, wanted) in enumerate(told):
        assert total == pytest.approx(float(maps.pixels[n].sum()), rel=1e-4)
        verdict = Verdict(total=total, wanted=wanted)
        assert verdict.complete
        assert verdict.says[0].startswith("It adds up")
    assert sums(edges(look)) is None
    broken = Verdict(total=3.0, wanted=4.0)
    assert broken.gap == pytest.approx(0.25)
    assert broken.badges == ["does not add up"]


# insertion and deletion


def test_noise_is_fine_and_what_is_smooth_coarse(look: Look) -> None:
    assert {grain_of(m) for m in random_maps(look, "fine")} == {"fine"}
    assert {grain_of(m) for m in random_maps(look, "coarse")} == {"coarse"}
    assert grain_of(torch.zeros(8, 8)) == "coarse"


def test_a_blurred_picture_keeps_its_colours_and_loses_its_shapes(look: Look) -> None:
    soft = start_of(look.images)
    assert soft.shape == look.images.shape
    assert torch.allclose(soft.mean((2, 3)), look.images.mean((2, 3)), atol=0.1)
    assert float(soft.diff(dim=3).abs().mean()) < 0.2 * float(look.images.diff(dim=3).abs().mean())
    flat = torch.full((1, 1, 12, 12), 3.0)
    assert torch.allclose(start_of(flat), flat, atol=1e-5), "also where it is as wide as the picture"


def areas_of(name: str, look: Look) -> Areas:
    ways = Ways(look)
    maps = noise(look) if name == "noise" else maps_of(name, look)
    pixels = pixels_of(maps, look.subject)
    found = mean_of([ways.areas(n, pixels[n], maps.shows) for n in range(COUNT)])
    assert found is not None
    return found


def test_a_random_map_beats_no_sound_method(look: Look) -> None:
    good, bad = areas_of("gradcam", look), areas_of("noise", look)
    assert good.pictures == COUNT
    assert good.insertion > good.random_insertion + 1
    assert good.deletion < good.random_deletion - 1
    assert good.better == (True, True)
    assert good.insertion > bad.insertion + 1
    assert good.deletion < bad.deletion - 1
    # random maps are as good as random maps: both figures are the mean of a few
    span = good.insertion - good.random_insertion
    assert abs(bad.insertion - bad.random_insertion) < 0.5 * span


def test_both_ways_begin_and_end_where_they_should(look: Look) -> None:
    """With every place as strong as the others the mean lies between the ends."""
    one = Look(look.subject, look.images[:1], look.targets[:1], look.scorer, look.preprocessing)
    ways = Ways(one)
    flat = ways.areas(0, torch.zeros(one.subject.size), "for")
    ends = one.score(
        torch.cat([one.images, start_of(one.images), torch.zeros_like(one.images)]), which=[0, 0, 0]
    )
    assert float(ends.min()) - 3 < flat.deletion < float(ends.max()) + 3
    assert flat.grain == "coarse"
    assert flat.steps == 24


def test_words_say_which_way_is_better() -> None:
    def areas(put: float, taken: float) -> Verdict:
        return Verdict(areas=Areas(put, taken, 1.0, 1.0, 24, "coarse"))

    assert areas(2, 0).says[0].startswith("Better than a random map both ways")
    assert "not at taking away" in areas(2, 2).says[0]
    assert "not at putting in" in areas(0, 0).says[0]
    assert areas(0, 2).badges == ["no better than a random map"]
    told = Verdict(
        "It sees nothing.", dependence=Dependence(0.1, -0.2, 2), areas=Areas(2, 0, 1, 1, 24, "fine", 8)
    )
    assert told.says[-1] == "It sees nothing."
    assert "0.10" in told.says[0]
    assert "8 pictures" in told.says[1]
    plain = told.to_json()
    assert plain["dependence"] == {
        "last_layer": 0.1,
        "all_weights": -0.2,
        "pictures": 2,
        "redraws": 1,
    }
    assert plain["areas"]["random_insertion"] == 1
    assert plain["says"] == told.says


def test_several_redraws_are_averaged() -> None:
    found = averaged([Dependence(0.8, None, 1), Dependence(-0.2, 0.4, 1, 0.5, None)], 2)
    assert found == Dependence(pytest.approx(0.3), 0.4, 2, 0.5, None, redraws=2)
    assert "2 redraws" in Verdict(dependence=found).says[0]


def test_each_turn_draws_other_weights(look: Look) -> None:
    first, second, again_ = (redrawn(look, turn).last_layer.network.state_dict() for turn in (0, 1, 0))
    name = next(key for key in first if key.endswith("fc.weight"))
    assert not torch.equal(first[name], second[name])
    assert torch.equal(first[name], again_[name])
