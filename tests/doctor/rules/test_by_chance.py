"""Answers that are drawn anew at each look, and answers that training made blind."""

from __future__ import annotations

import dataclasses

import pytest
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.doctor.case import Case
from foveal.doctor.rules import examples_mix, input_ignored, modes_disagree
from foveal.finding import Finding
from patients import posed
from sick.input_ignored import Deaf
from staging import small


class Thrown(nn.Module):
    """Dropout by a function that does not know of evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small()
        self.head = self.body.head

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(F.dropout(x, 0.5))
        return out


def test_answers_by_chance_are_not_taken_for_mixed_pictures() -> None:
    case = posed("mixing", made=Thrown, epochs=2)
    assert examples_mix.examine(case) is None
    found = modes_disagree.examine(case)
    assert isinstance(found, Finding)
    assert "two answers" in found.says


@pytest.fixture(scope="module")
def deaf() -> Case:
    return posed("blind", "activity", made=Deaf, epochs=4)


def test_a_network_that_saw_pictures_when_it_was_drawn_did_not_ignore_them(deaf: Case) -> None:
    assert isinstance(input_ignored.examine(deaf), Finding)
    lost = {**deaf.tests, "blind": {**deaf.tests["blind"], "fresh": 0.1}}
    assert input_ignored.examine(dataclasses.replace(deaf, tests=lost)) is None
