"""Distances from what was seen, against the plain formula and on features whose answer is known."""

from __future__ import annotations

import pytest
import torch

from foveal.far import FARTHEST, fit_far, pooled


def test_features_of_maps_and_tokens_are_pooled() -> None:
    maps = torch.rand(2, 5, 3, 4)
    torch.testing.assert_close(pooled(maps), maps.mean((2, 3)))
    torch.testing.assert_close(pooled(maps.flatten(2).mT), maps.mean((2, 3)))


def test_distances_are_mahalanobis_to_the_nearest_class() -> None:
    """Against the plain formula, with all axes kept and features for which the root is the identity."""
    made = torch.Generator().manual_seed(0)
    classes = torch.arange(600) % 3
    points = torch.eye(3, 8)[classes] * 2 + 0.5 * torch.randn(600, 8, generator=made).abs()
    unit = points / points.norm(dim=1, keepdim=True)
    far = fit_far(unit**2, classes, unit[:200] ** 2, "fc")
    assert far is not None
    assert len(far.axes) == 7
    x = unit.double()
    means = torch.stack([x[classes == c].mean(0) for c in range(3)])
    apart = x - means[classes]
    values, vectors = torch.linalg.eigh(apart.T @ apart / 600)
    values[1:] += values[0].clone()  # the rest's variance is in every direction
    inverse = vectors @ torch.diag(1 / values) @ vectors.T
    expected = torch.stack([((x - m) @ inverse * (x - m)).sum(1) for m in means], 1).min(1).values.sqrt()
    torch.testing.assert_close(far.distance(unit**2).double() * far.threshold, expected, rtol=0.02, atol=0.02)


def test_the_threshold_lets_95_in_100_through() -> None:
    made = torch.Generator().manual_seed(0)
    points = torch.randn(9000, 40, generator=made).abs()
    seen, val, test = points[:1000], points[1000:5000], points[5000:]
    far = fit_far(seen, None, val, "fc")
    assert far is not None
    assert float((far.distance(val) > 1).double().mean()) == pytest.approx(0.05, abs=0.001)
    judged = far.judged(far.distance(test), "test").refused
    assert judged is not None
    assert judged.low < 0.05 < judged.high
    assert (judged.count, judged.split) == (4000, "test")


def test_other_channels_lie_far_however_strongly_they_answer() -> None:
    made = torch.Generator().manual_seed(0)
    mask = torch.cat([torch.ones(20), torch.zeros(20)])
    points = (torch.rand(500, 40, generator=made) + 0.1) * (mask + 0.01)
    seen, val = points[:400], points[400:]
    far = fit_far(seen, None, val, "fc")
    assert far is not None
    others = (torch.rand(50, 40, generator=made) + 0.1) * (1.01 - mask)
    assert all((far.distance(strength * others) > 1).all() for strength in (0.01, 1.0, 100.0))
    torch.testing.assert_close(far.distance(val), far.distance(7 * val), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("count", [0, 5, 19])
def test_few_pictures_give_no_reference(count: int) -> None:
    many = torch.rand(200, 10)
    assert fit_far(many, None, many[:count], "fc") is None
    assert fit_far(many[:count], None, many, "fc") is None


def test_features_that_tell_nothing_give_no_reference() -> None:
    assert fit_far(torch.ones(100, 10), None, torch.ones(50, 10), "fc") is None
    assert fit_far(torch.full((100, 10), torch.nan), None, torch.rand(50, 10), "fc") is None
    assert fit_far(torch.rand(100, 10), None, torch.full((50, 10), torch.nan), "fc") is None


def test_what_is_not_finite_lies_far() -> None:
    far = fit_far(torch.rand(100, 10), None, torch.rand(50, 10), "fc")
    assert far is not None
    assert far.distance(torch.full((1, 10), torch.nan)).tolist() == [FARTHEST]


def test_many_classes_have_one_centre_and_stay_small() -> None:
    classes = torch.arange(900) % 150
    far = fit_far(torch.rand(900, 1280), classes, torch.rand(60, 1280), "fc")
    assert far is not None
    assert len(far.centres) == 1
    assert sum(t.numel() * t.element_size() for t in far.tensors().values()) < 200_000
