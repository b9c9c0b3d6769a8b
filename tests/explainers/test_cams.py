"""Class activation maps against formulas written out plainly, in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import get_model

import looking
from foveal import catalog
from foveal.errors import OptionError
from foveal.structure.placing import Grid
from foveal.structure.subject import Subject
from foveal.values import Target
from looking import LABELS, noise, targets, twins

Array = NDArray[np.float64]


def explained(name: str, network: nn.Module | Subject, images: Tensor, **more: object) -> looking.Maps:
    with looking.looking(network, images, **more) as look:  # type: ignore[arg-type]
        return catalog.find("explainers", name).explain(look)


def halves(network: looking.Modules, images: Tensor) -> tuple[Array, Array, Array, Array]:
    """The last maps `BCHW` and the gradients of the scores by them, the scores and the biases, by hooks and
    plain autograd, in double."""
    kept: list[Tensor] = []
    hook = network.relus[5].register_forward_hook(lambda module, inputs, output: kept.append(output))
    logits = network(images)
    hook.remove()
    rows = torch.eye(len(LABELS), dtype=images.dtype)
    wanted = targets(len(images))
    signs = torch.stack(
        [rows[LABELS.index(t.label)] - (rows[LABELS.index(t.against)] if t.against else 0) for t in wanted]
    )
    scores = (logits * signs).sum(1)
    (gradients,) = torch.autograd.grad(scores.sum(), kept)
    biases = signs @ network.fc.bias
    return tuple(t.detach().numpy() for t in (kept[0], gradients, scores, biases))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def network() -> looking.Modules:
    return twins()[0].double()


@pytest.fixture(scope="module")
def subject(network) -> Subject:
    made = Subject.of(network.float(), (1, 3, 32, 32))
    network.double()
    return made


IMAGES = noise(3).double()


@pytest.mark.parametrize(("precision", "most"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_on_a_pooled_and_linear_head_three_methods_are_one(precision, most):
    network = twins()[0].to(precision)
    images = IMAGES.to(precision)
    cam, grad, hires = (
        looking.raw(explained(name, network.float(), images)) for name in ("cam", "gradcam", "hirescam")
    )
    cells = cam.shape[1] * cam.shape[2]
    assert cells == 64
    for other in (grad, hires):
        assert (cam - cells * other).abs().max() <= most * cam.abs().max()
    assert cam.min() < 0 < cam.max(), "before the rectifier"


@pytest.mark.parametrize("name", ["gradcam", "hirescam"])
def test_cells_add_up_to_the_score_without_the_bias(name, network, subject):
    found = explained(name, subject, IMAGES)
    assert found.cells is not None
    assert found.wanted is not None
    _, _, scores, biases = halves(network, IMAGES)
    assert found.wanted.numpy() == pytest.approx(scores - biases, rel=1e-12)
    assert found.cells.sum((1, 2)).numpy() == pytest.approx(scores - biases, rel=1e-12)


def test_nothing_is_promised_elsewhere(subject):
    early = subject.place_of("relus.2")
    assert explained("hirescam", subject, IMAGES, place=early).wanted is None
    unit = [Target(layer="last", channel=2)] * 3
    assert explained("hirescam", subject, IMAGES, wanted=unit).wanted is None


def test_at_earlier_layers_gradcam_and_hirescam_are_two(subject):
    early = subject.place_of("relus.2")
    grad, hires = (looking.raw(explained(n, subject, IMAGES, place=early)) for n in ("gradcam", "hirescam"))
    alike = np.corrcoef(grad.flatten(), hires.flatten())[0, 1]
    assert alike < 0.9


def test_gradcam_by_its_formula(network, subject):
    a, g, _, _ = halves(network, IMAGES)
    by_hand = np.zeros((3, 8, 8))
    for b in range(3):
        for k in range(a.shape[1]):
            by_hand[b] += g[b, k].sum() / 64 * a[b, k]
    assert same(explained("gradcam", subject, IMAGES), by_hand)


def test_hirescam_and_layercam_by_their_formulas(network, subject):
    a, g, _, _ = halves(network, IMAGES)
    assert same(explained("hirescam", subject, IMAGES), np.einsum("bkij,bkij->bij", a, g))
    assert same(explained("layercam", subject, IMAGES), np.einsum("bkij,bkij->bij", a, np.maximum(g, 0)))


def test_gradcam_pp_by_its_formula(network, subject):
    """Every share has its own denominator: left out, the map is another (which a library does)."""
    a, g, _, _ = halves(network, IMAGES)
    by_hand, without = np.zeros((3, 8, 8)), np.zeros((3, 8, 8))
    for b in range(3):
        for k in range(a.shape[1]):
            weight, careless = 0.0, 0.0
            whole = a[b, k].sum()
            for i in range(8):
                for j in range(8):
                    here = g[b, k, i, j]
                    if here > 0:
                        weight += here**2 / (2 * here**2 + whole * here**3) * here
                        careless += here**2 * here
            by_hand[b] += weight * a[b, k]
            without[b] += careless * a[b, k]
    found = explained("gradcam_pp", subject, IMAGES)
    assert same(found, by_hand)
    assert not same(found, without)
    assert not same(found, without * by_hand.max() / without.max())


def test_eigencam_by_its_formula(network, subject):
    a, _, _, _ = halves(network, IMAGES)
    by_hand = np.zeros((3, 8, 8))
    for b in range(3):
        flat = a[b].reshape(a.shape[1], 64).T
        _, _, right = np.linalg.svd(flat, full_matrices=False)
        projected = flat @ right[0]
        by_hand[b] = (projected * np.sign(projected.sum())).reshape(8, 8)
    found = explained("eigencam", subject, IMAGES)
    assert same(found, by_hand)
    others = [Target("d")] * 3
    assert torch.equal(looking.raw(found), looking.raw(explained("eigencam", subject, IMAGES, wanted=others)))


def test_scorecam_by_its_formula(network, subject):
    a, _, scores, _ = halves(network, IMAGES)
    grid = subject.drawn(subject.last_map or 0)
    by_hand = np.zeros((3, 8, 8))
    for b in range(3):
        blank = score(network, torch.zeros_like(IMAGES[b]), b)
        for k in range(a.shape[1]):
            low, high = a[b, k].min(), a[b, k].max()
            if low == high:
                continue
            mask = enlarged((a[b, k] - low) / (high - low), grid, 32)
            weight = score(network, IMAGES[b] * torch.from_numpy(mask), b) - blank
            by_hand[b] += weight * a[b, k]
    assert score(network, IMAGES[0], 0) == pytest.approx(scores[0])
    assert same(explained("scorecam", subject, IMAGES), by_hand)


def score(network: nn.Module, image: Tensor, which: int) -> float:
    target = targets(3)[which]
    with torch.no_grad():
        logits = network(image[None])[0]
    against = logits[LABELS.index(target.against)] if target.against else 0
    return float(logits[LABELS.index(target.label)] - against)


def enlarged(cells: Array, grid: Grid, side: int) -> Array:
    """By NumPy's own interpolation, one axis after the other."""
    for axis in (0, 1):
        at = (np.arange(side) - grid.centre[axis] - grid.shift[axis]) / grid.jump[axis]
        cells = np.apply_along_axis(lambda row, at=at: np.interp(at, np.arange(len(row)), row), axis, cells)
    return cells


def same(found: looking.Maps, by_hand: Array) -> bool:
    assert found.cells is not None
    gap = np.abs(found.cells.numpy() - by_hand).max()
    return bool(gap <= 1e-10 * np.abs(by_hand).max())


def test_places_without_a_gradient_weigh_nothing():
    """0 / 0 is 0, where a channel does not matter; no map is broken by it."""
    module = catalog.find("explainers", "gradcam_pp")
    values = torch.rand(2, 3, 4, 4)
    gradients = torch.zeros(2, 3, 4, 4)
    gradients[0, 1, 2, 2] = 0.5
    shares = module.shares(values, gradients)
    assert torch.isfinite(shares).all()
    assert (shares != 0).sum() == 1


@pytest.mark.parametrize("make", [looking.Smooth, lambda: get_model("squeezenet1_1", num_classes=5)])
def test_cam_is_refused_where_the_head_is_another(make):
    with looking.looking(make(), noise(1, 64)) as look:
        with pytest.raises(OptionError, match="CAM is not defined here: its head") as error:
            catalog.find("explainers", "cam").explain(look)
    assert "gradcam" in error.value.todo


def test_cam_is_refused_for_a_unit(subject):
    unit = [Target(layer="relus.2", channel=1)] * 3
    with pytest.raises(OptionError, match="a unit is explained"):
        explained("cam", subject, IMAGES, wanted=unit)


@pytest.mark.parametrize("name", ["gradcam", "hirescam", "layercam", "eigencam", "scorecam", "gradcam_pp"])
def test_no_maps_of_a_network_without_places(name):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8), nn.ReLU(), nn.Linear(8, 5))
    with looking.looking(network, noise(1)) as look:
        with pytest.raises(OptionError, match="mixes all places"):
            catalog.find("explainers", name).explain(look)
