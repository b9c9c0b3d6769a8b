"""Classification's losses against their definitions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.errors import UnknownNameError
from foveal.tasks.classify import build
from foveal.values import Batch

LABELS = ("a", "b", "c")


class Fixed(nn.Module):
    """Gives the pictures' own numbers as logits."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def batch(seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    return Batch(torch.randn(5, 3, generator=draw), torch.tensor([0, 1, 2, 1, 0]), list("01234"))


def test_cross_entropy_weighs_classes_by_picture() -> None:
    one, weights = batch(), torch.tensor([0.5, 1.0, 2.0])
    loss = build(LABELS, class_weights=weights.tolist()).step(Fixed().train(), one).loss
    each = -F.log_softmax(one.images, 1)[range(5), one.truths]
    assert loss == pytest.approx(float((each * weights[one.truths]).mean()))
    judged = build(LABELS, class_weights=weights.tolist()).step(Fixed().eval(), one).loss
    assert judged == pytest.approx(float(each.mean())), "judging weighs every picture the same"


def test_bce_is_the_mean_over_classes_of_each_ones_own_cross_entropy() -> None:
    one = batch()
    loss = build(LABELS, loss="bce").step(Fixed().train(), one).loss
    p = one.images.sigmoid()
    wanted = F.one_hot(one.truths, 3)
    by_hand = -(wanted * p.log() + (1 - wanted) * (1 - p).log())
    assert loss == pytest.approx(float(by_hand.mean()))


@pytest.mark.parametrize("loss", ["cross-entropy", "bce"])
def test_blended_pictures_have_blended_truths(loss: str) -> None:
    """The loss of shares is the shares of the losses (Zhang et al. 2018, section 2)."""
    one, task = batch(), build(LABELS, loss=loss)
    order = torch.tensor([4, 2, 0, 1, 3])
    mixed = Batch(one.images, task.mix(one.truths, order, 0.7), one.ids)
    assert mixed.truths.sum(1).tolist() == pytest.approx([1] * 5)
    other = Batch(one.images, one.truths[order], one.ids)
    network = Fixed().train()
    want = 0.7 * task.step(network, one).loss + 0.3 * task.step(network, other).loss
    assert task.step(network, mixed).loss == pytest.approx(float(want))


def test_its_card_makes_it_again() -> None:
    task = build(LABELS, label_smoothing=0.2, loss="bce", class_weights=[0.5, 1.0, 1.5], temperature=1.7)
    card = task.card()
    assert build(**{k: v for k, v in card.items() if k != "name"}) == task


def test_an_unknown_loss() -> None:
    with pytest.raises(UnknownNameError, match="bce"):
        build(LABELS, loss="bse")
