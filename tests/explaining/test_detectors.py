"""What a detector looks at: how sure it is of a label, explained as any other network's answers are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import foveal
from detecting import LABELS, SOME, model_of
from foveal.errors import UnknownNameError


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((240, 180))


@pytest.mark.parametrize("kind", SOME)
def test_the_strongest_logit_is_that_of_what_is_told(kind: str) -> None:
    model = model_of(kind)
    images = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        both = model.task.explained(model.network)(images)  # type: ignore[attr-defined]
        alone = torch.cat([model.task.explained(model.network)(one[None]) for one in images])  # type: ignore[attr-defined]
        found = model.network(images)
    assert both.shape == (2, 3)
    torch.testing.assert_close(both, alone, rtol=1e-4, atol=1e-4)
    if kind == "retinanet":  # its scores are the sigmoids of these logits
        for logits, one in zip(both, found, strict=True):
            for label in set(one["labels"].tolist()):
                best = one["scores"][one["labels"] == label].max()
                torch.testing.assert_close(best, logits[label].sigmoid(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", SOME)
def test_detectors_are_explained(kind: str, picture: Image.Image) -> None:
    model = model_of(kind)
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    rows = foveal.explain(model, picture, method=["gradcam", "gradient"], target="ring", verdict=False)
    for row in rows:
        assert row.error is None
        assert row.target.label == "ring"
        assert row.map.shape == (180, 240)
        assert np.isfinite(row.map).all()
        assert (row.map != 0).any()
    assert "encoder" in rows[0].layer
    own = foveal.explain(model, picture, method="gradient", verdict=False)
    assert own[0].target.label in LABELS
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert not any(module.training for module in model.network.modules())
    with pytest.raises(UnknownNameError):
        foveal.explain(model, picture, target="rong")
