"""Targets of tasks with one output a label: which logit an explanation explains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import UnknownNameError
from ..values import Target


def label_scores(outputs: Tensor, targets: Sequence[Target], labels: Sequence[str]) -> Tensor:
    """Of outputs `BC` those of the targets' labels, `B`, less those of the labels they are held against."""
    place = {label: n for n, label in enumerate(labels)}
    rows = torch.arange(len(targets), device=outputs.device)
    found = outputs[rows, [place[target.label] for target in targets]]
    against = [place.get(target.against, -1) for target in targets]
    if max(against, default=-1) < 0:
        return found
    held = torch.tensor([n >= 0 for n in against], device=outputs.device)
    return found - torch.where(held, outputs[rows, [max(n, 0) for n in against]], 0)


def label_target(words: str, labels: Sequence[str]) -> Target:
    """The target of a label's name.

    Raises:
        UnknownNameError: there is no such label.
    """
    if words not in labels:
        raise UnknownNameError("label", words, labels)
    return Target(words)
