"""The map of the data: principal axes as scikit-learn has them, kinds apart that the network tells apart."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import shapes
import sitters
from foveal.contracts import Sitting
from foveal.errors import OptionError
from foveal.portraits import space
from foveal.portraits.space import Space, principal


def run(sitting: Sitting, **options: object) -> Space:
    return list(space.portray(sitting, **options))[-1]  # type: ignore[arg-type]


def kinds(count: int) -> dict[str, str]:
    _, truths = shapes.training_pictures()
    return {f"picture {n}": shapes.LABELS[int(truths[n])] for n in range(count)}


def test_equals_scikit_learns_principal_components() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(60, 12)) @ draw.normal(size=(12, 12)) + 5
    scores, shares = principal(torch.from_numpy(features), 4)
    theirs = PCA(4, svd_solver="full").fit(features)
    assert shares.numpy() == pytest.approx(theirs.explained_variance_ratio_)
    assert np.abs(scores.numpy()) == pytest.approx(np.abs(theirs.transform(features)), abs=1e-8)
    axes = np.linalg.lstsq(features - features.mean(0), scores.numpy(), rcond=None)[0]
    assert (axes[np.abs(axes).argmax(0), range(4)] > 0).all(), "the sign is fixed"


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_kinds_lie_apart(method: space.Method) -> None:
    """On the map the nearest picture is of the same kind much more often than by chance (0.2)."""
    made = run(sitters.shapes_sitting(256), method=method, kinds=kinds(256))
    distance = torch.cdist(made.points, made.points).fill_diagonal_(torch.inf)
    nearest = distance.argmin(1).tolist()
    same = sum(made.kinds[n] == made.kinds[m] for n, m in enumerate(nearest)) / len(nearest)
    assert same > (0.5 if method == "pca" else 0.8)
    assert made.pure is not None
    assert made.pure > 0.8
    assert made.trust is not None
    assert made.trust > 0.8
    assert made.points.shape == (256, 2)
    assert len(made.thumbs) == 256
    assert any("nearest neighbour of their own kind" in words for words in made.says)


def test_features_are_means_over_places() -> None:
    sitting = sitters.shapes_sitting(64)
    made = run(sitting)
    pixels, _ = shapes.training_pictures()
    network = sitting.subject.network
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (shapes.PRE.mean, shapes.PRE.std))
    with torch.no_grad():
        wanted = network.features((pixels[:64].float() / 255 - mean) / std).mean((2, 3))  # type: ignore[operator]
    assert made.features.allclose(wanted, rtol=1e-4, atol=1e-5)
    assert made.layer == "features"
    assert run(sitting, layer="flatten").features.allclose(wanted, rtol=1e-4, atol=1e-5)


def test_of_many_pictures_every_few() -> None:
    sitting = sitters.shapes_sitting(128)
    made = run(sitting, most=32)
    assert made.ids == tuple(f"picture {n}" for n in range(0, 128, 4))
    assert made.says[0].startswith("32 pictures of ")
    unknown = run(replace(sitting, count=0), most=32)
    assert unknown.ids == tuple(f"picture {n}" for n in range(32))


def test_pictures_that_are_all_the_same() -> None:
    same = sitters.images(1).expand(6, -1, -1, -1)
    made = run(sitters.sitting(sitters.made("functional"), same))
    assert made.points.abs().max() < 1e-6
    assert made.drawn().size[0] > 500


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    sitting = sitters.sitting(sitters.made("functional"), sitters.images(2))
    with pytest.raises(OptionError, match="2 pictures"):
        run(sitting)
    for options in ({"layer": "no"}, {"method": "lda"}, {"most": 2}):
        with pytest.raises(OptionError):
            run(sitters.sitting(sitters.made("functional"), sitters.images(6)), **options)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(OptionError, match="umap-learn"):
        run(sitters.sitting(sitters.made("functional"), sitters.images(6)), method="umap")


def test_plotly_takes_the_figure() -> None:
    from plotly.graph_objects import Figure

    made = run(sitters.shapes_sitting(64), kinds=kinds(64))
    figure = Figure(made.figure())
    assert sum(len(trace.x) for trace in figure.data) == 64
    assert {trace.name for trace in figure.data} == set(made.kinds)
    assert 10 < len(figure.layout.images) <= 64
