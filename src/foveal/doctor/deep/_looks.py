"""How pictures look, each in a few numbers, and whether two sets of them look alike."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...values import Batch
from ..patient import Patient, spread

SOURCE = (
    "Mann & Whitney 1947: how often a picture of one set is above one of the other; Rabanser, Günnemann & Lipton 2019, "
    "Failing Loudly: tests of single numbers show most shifts"
)
CARD = 16
"""Pictures that are held against what the run's card says."""


def looks(images: Tensor) -> dict[str, Tensor]:
    """By name a number `B` of each picture `BCHW`."""
    x = images.float()
    grey = x.mean(1)
    deviation = x.flatten(1).std(1).clamp_min(1e-6)
    across = (grey[:, :, 1:] - grey[:, :, :-1]).abs().mean((1, 2))
    down = (grey[:, 1:] - grey[:, :-1]).abs().mean((1, 2))
    middle, half = (s // 2 for s in grey.shape[1:])
    found = {
        "brightness": grey.mean((1, 2)),
        "contrast": deviation,
        "detail": (across + down) / deviation,
        "direction": (across + 1e-6) / (across + down + 2e-6),
        "upright": (grey[:, :middle].mean((1, 2)) - grey[:, middle:].mean((1, 2))) / deviation,
        "side": (grey[:, :, :half].mean((1, 2)) - grey[:, :, half:].mean((1, 2))) / deviation,
    }
    if x.shape[1] == 3:
        found["colour"] = (x - grey[:, None]).abs().mean((1, 2, 3)) / deviation
        found["redness"] = (x[:, 0] - x[:, 2]).mean((1, 2)) / deviation
    if min(grey.shape[1:]) > 4:
        bend = 4 * grey[:, 1:-1, 1:-1] - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2]
        bend = bend - grey[:, 1:-1, 2:]
        found["grain"] = bend.abs().flatten(1).median(1).values / deviation
        edge = torch.cat([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], 1)
        found["margin"] = (edge.mean(1) - grey.mean((1, 2))) / deviation
    return found


def apart(first: Tensor, second: Tensor) -> dict[str, float]:
    """By name how often a picture of the second set is above one of the first: 0.5 where both look alike."""
    one, two = looks(first), looks(second)
    found = {}
    for name in one.keys() & two.keys():
        above = (two[name][:, None] > one[name][None]).float().mean()
        same = (two[name][:, None] == one[name][None]).float().mean()
        found[name] = float(above + same / 2)
    return found


def by_the_card(patient: Patient, part: str, augment: bool) -> dict[str, Any] | None:
    """What the network is given of some pictures beside what the run's card would make of the same pixels: the line
    that leads from the one to the other, `slope` and `offset` in deviations of the card, and how well it fits. None
    where pixels are not at hand."""
    source = patient.pictures(part, augment, spread(patient.dataset.part(part), CARD))
    pre, given, wanted = patient.preprocessing, [], []
    for raw in source.epoch(0):
        made: Batch = source.to(raw, "cpu", False)
        if raw.images.dtype != torch.uint8 or made.images.shape != raw.images.shape:
            return None
        mean, deviation = (torch.tensor(v).view(-1, 1, 1) for v in (pre.mean, pre.std))
        wanted.append((raw.images.float() / 255 - mean) / deviation)
        given.append(made.images.float())
    if not given:
        return None
    x, y = torch.cat(wanted).flatten().double(), torch.cat(given).flatten().double()
    dx, dy = x - x.mean(), y - y.mean()
    if not bool(torch.isfinite(y).all()) or float(dx.square().sum()) == 0:
        return None
    turned = torch.cat(wanted).flip(1).flatten().double() - x.mean()
    slope = float((dx * dy).sum() / dx.square().sum())
    fit = float((dx * dy).sum() / math.sqrt(max(1e-30, float(dx.square().sum() * dy.square().sum()))))
    other = float((turned * dy).sum() / math.sqrt(max(1e-30, float(dx.square().sum() * dy.square().sum()))))
    return {"slope": slope, "offset": float(y.mean() - slope * x.mean()), "fit": fit, "reversed": other}
