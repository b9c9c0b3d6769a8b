"""The least cover that changes the answer: it does change it, none of its cells can be spared, it lies on the thing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import shapes
from foveal.data.views import normalise
from foveal.explainers import occlusion
from foveal.explaining.flips import CELLS, Flip, flips
from foveal.structure.look import Look
from foveal.structure.subject import Subject
from foveal.structure.taps import untouched

Found = tuple[Look, Tensor, list[Flip | None]]


@pytest.fixture(scope="module")
def found() -> Found:
    """Twelve pictures of one shape each, their boxes, and what was found."""
    network, task, preprocessing = shapes.trained()
    images, _, boxes = shapes.pictures(12, seed=5)
    inputs = normalise(images, preprocessing)
    subject = Subject.of(network, (1, *inputs.shape[1:]))
    with untouched(network):
        with torch.no_grad():
            targets = task.targets(network(inputs))
        look = Look(subject, inputs, targets, task.score, preprocessing)
        maps = occlusion.explain(look).pixels
        assert maps is not None
        return look, boxes[:, 0], flips(look, maps, task.targets)


def said(look: Look, image: Tensor) -> str:
    with torch.no_grad():
        outputs = look.subject.network(image[None])
    return shapes.LABELS[int(outputs.argmax())]


def test_what_is_covered_changes_the_answer_and_no_cell_of_it_can_be_spared(found: Found) -> None:
    look, _, flipped = found
    there = [(n, flip) for n, flip in enumerate(flipped) if flip is not None]
    assert len(there) >= 10
    side = shapes.SIDE
    lines = [(-(-n * side // CELLS), -(-(n + 1) * side // CELLS)) for n in range(CELLS)]
    for n, flip in there:
        image, covered = look.images[n], flip.covered
        assert said(look, image) == flip.before != flip.after
        assert said(look, image.masked_fill(covered, 0.0)) == flip.after
        cells = [(y, x) for y in lines for x in lines if bool(covered[y[0], x[0]])]
        assert cells
        for (top, bottom), (left, right) in cells:
            assert bool(covered[top:bottom, left:right].all())
            fewer = covered.clone()
            fewer[top:bottom, left:right] = False
            assert said(look, image.masked_fill(fewer, 0.0)) == flip.before
        assert flip.share == pytest.approx(float(covered.float().mean()))


def test_the_cover_lies_on_the_thing(found: Found) -> None:
    _, boxes, flipped = found
    shares = []
    for (x0, y0, x1, y1), flip in zip(boxes.tolist(), flipped, strict=True):
        if flip is not None:
            inside = flip.covered[y0:y1, x0:x1].float().sum()
            shares.append(float(inside / flip.covered.float().sum()))
    assert sum(shares) / len(shares) > 0.5  # the boxes are a tenth of the picture
    assert all(flip.share < 0.2 for flip in flipped if flip is not None)


def test_a_network_that_always_says_the_same_is_never_turned(found: Found) -> None:
    look, _, flipped = found
    _, task, _ = shapes.trained()
    always = [task.targets(torch.eye(5))[2]]
    same = Look(look.subject, look.images, always * len(flipped), look.scorer, look.preprocessing)
    maps = torch.rand(len(flipped), shapes.SIDE, shapes.SIDE)
    with untouched(look.subject.network):
        assert flips(same, maps, lambda outputs: always * len(outputs)) == [None] * len(maps)


def test_only_the_answer_itself_is_turned(found: Found) -> None:
    look, _, _ = found
    _, task, _ = shapes.trained()
    other = [task.target(next(label for label in shapes.LABELS if label != str(t))) for t in look.targets]
    asked = Look(look.subject, look.images, other, look.scorer, look.preprocessing)
    with untouched(look.subject.network):
        assert flips(asked, torch.rand(len(other), shapes.SIDE, shapes.SIDE), task.targets) == [None] * len(
            other
        )
