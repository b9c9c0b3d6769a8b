"""Painting: pictures changed step by step so that their aims rise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..contracts import Sitting
from ..structure.taps import passed, untouched
from ._aims import Aim
from ._canvas import Palette, moved, moves
from ._shown import like

RATE = 0.05
START = 1.0
"""Strength of the first random waves, as a share of the data's. Measured on a trained network of five layers, 24
channels each of four of them, 64 steps: at 1.0 all 96 end above the best real picture, at 0.3 92, at 2.0 89."""
UNLIKE = 0.5
"""How much a goal's pictures differing from each other counts beside its activation's growth, in shares of it."""
PIECE = 32


class Climb:
    """Pictures for some aims, `each` for every one; `to` climbs, between calls nothing of the network is held."""

    def __init__(self, sitting: Sitting, aims: Sequence[Aim], palette: Palette, each: int) -> None:
        self.sitting, self.aims, self.palette, self.each = sitting, aims, palette, each
        self.draws = [torch.Generator().manual_seed(sitting.seed + n) for n in range(each)]
        self.like = like(sitting)
        blank = palette.blank(1)[0]
        first = torch.stack([torch.randn(blank.shape, generator=draw) for draw in self.draws])
        self.waves = (START * first).repeat(len(aims), 1, 1, 1, 1).to(self.like.device)
        # gradients are as small as activations are, and mean nothing by their size
        self.adam = torch.optim.Adam([self.waves], lr=RATE, eps=1e-16)
        self.step = 0
        self.climbed: list[list[float]] = []
        self.rows: dict[int, list[int]] = defaultdict(list)
        for n, aim in enumerate(self.aims):
            self.rows[aim.place].append(n)

    def to(self, step: int) -> None:
        """Climb until `step` steps are done."""
        with untouched(self.sitting.subject.network):
            while self.step < step:
                scores = self._climb()
                if self.step % 8 == 0:
                    self.climbed.append(scores)
                self.step += 1

    def pictures(self) -> Tensor:
        """The pictures as they are now, `NCHW` from 0 to 1, on the CPU; aim by aim."""
        with torch.no_grad():
            return self.palette.paint(self.waves.detach()).cpu()

    def history(self) -> list[tuple[float, ...]]:
        """Each picture's activation at every eighth step."""
        return [tuple(row) for row in zip(*self.climbed, strict=True)]

    def _climb(self) -> list[float]:
        by = torch.cat([moves(draw, 1) for draw in self.draws]).repeat(len(self.aims), 1, 1)
        waves = self.waves.detach().requires_grad_()
        pictures = moved(self.palette.paint(waves), by, self.palette.mean)
        network, graph = self.sitting.subject.network, self.sitting.subject.graph
        seen = passed(network, as_input(self.sitting, pictures), graph, set(self.rows), whole=False)
        scores = [0.0] * len(waves)
        edges, gradients = [], []
        for place, aims in self.rows.items():
            values = seen.values[place].requires_grad_()
            total = torch.zeros((), dtype=values.dtype, device=values.device)
            for n in aims:
                own = values[n * self.each : (n + 1) * self.each]
                reached = self.aims[n].score(own)
                scores[n * self.each : (n + 1) * self.each] = reached.tolist()
                total = total + self._growth(reached, own)
            edges.append(seen.edges[place])
            gradients.append(torch.autograd.grad(total, values)[0])
        (slope,) = torch.autograd.grad(edges, waves, grad_outputs=gradients)
        self.waves.grad = -slope.nan_to_num(nan=0.0)
        self.adam.step()
        self.waves.copy_(self.palette.held(self.waves))
        self.adam.zero_grad()
        return scores

    def _growth(self, reached: Tensor, values: Tensor) -> Tensor:
        """What is climbed for one aim: its activations, and that its pictures are unlike each other."""
        if self.each == 1:
            return reached.sum()
        size = reached.detach().abs().clamp(min=1e-12)
        return (reached / size).sum() - UNLIKE * self.each * _likeness(values)


def _likeness(values: Tensor) -> Tensor:
    """The mean likeness of pairs of pictures: the cosine of which channels go together in them (Gram matrices,
    Olah et al. 2017, section on diversity)."""
    flat = values.flatten(2) if values.dim() == 4 else values[:, :, None]
    flat = flat - flat.mean(2, keepdim=True) if flat.shape[2] > 1 else flat
    gram = F.normalize((flat @ flat.transpose(1, 2)).flatten(1), dim=1)
    count = len(gram)
    return ((gram @ gram.T).sum() - gram.square().sum()) / (count * (count - 1))


def as_input(sitting: Sitting, pictures: Tensor) -> Tensor:
    """Values from 0 to 1 as the network takes them."""
    to = like(sitting)
    p = sitting.preprocessing
    mean, std = (to.new_tensor(values).view(1, -1, 1, 1) for values in (p.mean, p.std))
    return (pictures.to(to) - mean) / std


@dataclass(frozen=True)
class Judged:
    """Activations of pictures: as they stand, and the mean over moves that they were not painted under."""

    plain: list[float]
    moved: list[float]


class Unseen:
    """Judges pictures under moves of its own, the same for all."""

    MOVES = 16
    SEED = 1_000_003

    def __init__(self, sitting: Sitting, palette: Palette) -> None:
        self.sitting, self.ground = sitting, palette.mean
        self.by = moves(torch.Generator().manual_seed(sitting.seed + self.SEED), self.MOVES)

    def of(self, aims: Sequence[Aim], pictures: Tensor, each: int) -> Judged:
        plain, shifted = [], []
        for n, picture in enumerate(pictures):
            copies = moved(picture.expand(self.MOVES, -1, -1, -1), self.by, self.ground)
            scores = self._scores(aims[n // each], torch.cat([picture[None], copies]))
            plain.append(float(scores[0]))
            shifted.append(float(scores[1:].mean()))
        return Judged(plain, shifted)

    def _scores(self, aim: Aim, pictures: Tensor) -> Tensor:
        subject = self.sitting.subject
        with untouched(subject.network), torch.no_grad():
            inputs = as_input(self.sitting, pictures)
            seen = passed(subject.network, inputs, subject.graph, [aim.place], whole=False)
            return aim.score(seen.values[aim.place])
