"""Erasing, MixUp and CutMix, against references made by hand from what came out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from foveal.loop.mixing import mixed
from foveal.tasks.classify import build
from foveal.values import Batch

SEED = (3, 1, 4)
COUNT, CHANNELS, HEIGHT, WIDTH = 6, 3, 20, 28
TASK = build([str(n) for n in range(COUNT)])


def batch(seed: int = 0, count: int = COUNT, height: int = HEIGHT, width: int = WIDTH) -> Batch:
    """Every picture of a class of its own, so that the truths tell what was mixed."""
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(count, CHANNELS, height, width, generator=draw)
    return Batch(images, torch.arange(count) % COUNT, [str(n) for n in range(count)])


def mix(own: Batch, seed: tuple[int, int, int] = SEED, **wanted: float) -> Batch:
    return mixed(own, TASK, **({"mixup": 0.0, "cutmix": 0.0, "erase": 0.0} | wanted), seed=seed)


def share_of(made: Batch) -> float:
    """What is left of each picture, by the truths; the same for all, and the rest is the neighbour's."""
    wanted = torch.zeros(COUNT, COUNT)
    share = float(made.truths[0, 0])
    for n in range(COUNT):
        wanted[n, n] = share
        wanted[n, n - 1] += 1 - share
    torch.testing.assert_close(made.truths, wanted)
    return share


def neighbours(images: Tensor) -> Tensor:
    return torch.stack([images[n - 1] for n in range(len(images))])


def test_nothing_asked_nothing_done() -> None:
    own = batch()
    made = mix(own)
    assert made.images is own.images
    assert made.truths is own.truths


def test_mixup_is_equation_one() -> None:
    own = batch()
    for seed in range(5):
        made = mix(own, (0, 0, seed), mixup=0.7)
        share = share_of(made)
        torch.testing.assert_close(made.images, share * own.images + (1 - share) * neighbours(own.images))
        assert made.ids == own.ids


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_from_beta(alpha: float) -> None:
    own = batch(height=2, width=2)
    shares = [share_of(mix(own, (0, 1, n), mixup=alpha)) for n in range(600)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
    assert np.var(shares) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.2)


def test_cutmix_pastes_a_rectangle_and_counts_its_pixels() -> None:
    own = batch()
    other, pasted = neighbours(own.images), []
    for seed in range(300):
        made = mix(own, (1, 2, seed), cutmix=1.0)
        changed = (made.images != own.images).any(1)
        assert (changed == changed[0]).all()
        rows, columns = changed[0].any(1).nonzero().flatten(), changed[0].any(0).nonzero().flatten()
        if len(rows):
            top, bottom, left, right = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
            assert changed[0, top : bottom + 1, left : right + 1].all()
        wanted = torch.where(changed[:, None], other, own.images)
        assert torch.equal(made.images, wanted)
        area = int(changed[0].sum()) / (HEIGHT * WIDTH)
        assert share_of(made) == pytest.approx(1 - area, abs=1e-6)
        pasted.append(area)
    # a rectangle of area 1 - share, uniform, is cut off at the edges: a third of a half is lost on average
    assert 0.25 < np.mean(pasted) < 0.5
    assert max(pasted) > 0.7


def test_where_both_are_given_each_batch_is_one_of_them() -> None:
    own = batch()
    cut = 0
    for seed in range(200):
        made = mix(own, (2, 0, seed), mixup=1.0, cutmix=1.0)
        whole = (made.images == own.images) | (made.images == neighbours(own.images))
        cut += bool(whole.all())
        if not whole.all():
            share = share_of(made)
            torch.testing.assert_close(made.images, share * own.images + (1 - share) * neighbours(own.images))
    assert 70 < cut < 130


def test_erasing_puts_noise_into_rectangles() -> None:
    own = batch(count=400, height=40, width=60)
    own.images.fill_(9.0)
    made = mix(own, erase=0.3)
    assert made.truths is own.truths
    assert own.images.eq(9.0).all()
    areas, shapes, noise = [], [], []
    for image in made.images:
        changed = image != 9.0
        if not changed.any():
            continue
        assert (changed == changed[0]).all()
        rows, columns = changed[0].any(1).sum(), changed[0].any(0).sum()
        assert changed[0].sum() == rows * columns
        areas.append(float(rows * columns) / (40 * 60))
        shapes.append(float(rows / columns))
        noise.append(image[:, changed[0]])
    assert 90 < len(areas) < 150
    assert min(areas) > 0.015
    assert max(areas) < 0.345
    assert np.mean(areas) == pytest.approx((0.02 + 0.33) / 2, abs=0.03)
    assert 0.25 < min(shapes) < 0.45
    assert 2.2 < max(shapes) < 4
    assert np.mean(np.log(shapes)) == pytest.approx(0, abs=0.2)
    values = torch.cat(noise, 1)
    torch.testing.assert_close(values.mean(1), torch.zeros(CHANNELS), atol=0.02, rtol=0)
    torch.testing.assert_close(values.std(1), torch.ones(CHANNELS), atol=0.02, rtol=0)
    assert torch.corrcoef(values).triu(1).abs().max() < 0.02


def test_all_or_none_are_erased() -> None:
    own = batch(count=50)
    assert (mix(own, erase=1.0).images != own.images).flatten(1).any(1).all()
    assert torch.equal(mix(own, erase=1e-12).images, own.images)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_erasing_comes_first(kind: str) -> None:
    own = batch()
    erased = mix(own, erase=0.8).images
    assert not torch.equal(erased, own.images)
    made = mix(own, erase=0.8, **{kind: 1.0})
    share = share_of(made)
    if kind == "mixup":
        torch.testing.assert_close(made.images, share * erased + (1 - share) * neighbours(erased))
    else:
        assert ((made.images == erased) | (made.images == neighbours(erased))).all()


def test_the_seed_decides_and_nothing_else() -> None:
    own, wanted = batch(), {"mixup": 0.5, "cutmix": 0.5, "erase": 0.5}
    before = own.images.clone()
    torch.manual_seed(1)
    np.random.seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    one = mix(own, **wanted)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    torch.manual_seed(2)
    other = mix(own, **wanted)
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.truths, other.truths)
    assert torch.equal(own.images, before)
    for seed in ((4, 1, 4), (3, 2, 4), (3, 1, 5)):
        assert not torch.equal(mix(own, seed, **wanted).images, one.images)


def test_the_memory_layout_stays() -> None:
    own = batch()
    own.images = own.images.contiguous(memory_format=torch.channels_last)
    for wanted in ({"mixup": 1.0}, {"cutmix": 1.0}, {"erase": 1.0}):
        assert mix(own, **wanted).images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 8), (3, 50)])
def test_small_pictures_and_a_batch_of_one(height: int, width: int) -> None:
    for count in (1, 2):
        own = batch(count=count, height=height, width=width)
        for seed in range(10):
            made = mix(own, (0, 0, seed), cutmix=1.0, erase=1.0)
            assert made.images.shape == own.images.shape
            assert made.images.isfinite().all()
            torch.testing.assert_close(made.truths.sum(1), torch.ones(count))


def test_a_network_can_learn_from_it() -> None:
    """The mixed truths fit the task's loss, and pieces of the batch can be made of them."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(CHANNELS * HEIGHT * WIDTH, COUNT))
    made = mix(batch(), mixup=1.0)
    whole = TASK.step(network, made).loss
    parts = torch.stack([TASK.step(network, piece).loss * len(piece.ids) for piece in made.split(3)])
    torch.testing.assert_close(parts.sum() / COUNT, whole)
    share, own = share_of(made), TASK.step(network, Batch(made.images, batch().truths, made.ids)).loss
    other = TASK.step(network, Batch(made.images, batch().truths.roll(1), made.ids)).loss
    torch.testing.assert_close(whole, share * own + (1 - share) * other)


def test_a_task_without_truths_for_blends() -> None:
    class Unblended(type(TASK)):  # type: ignore[misc]
        def mix(self, truths: Tensor, order: Tensor, share: float | Tensor) -> None:
            return None

    with pytest.raises(ValueError, match="classify has no truth"):
        mixed(batch(), Unblended(TASK.labels), mixup=1.0, cutmix=0.0, erase=0.0, seed=SEED)
