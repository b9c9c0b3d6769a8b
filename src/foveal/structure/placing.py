"""Cells of a feature map on the picture: each drawn in the middle of what it really sees.

That is the centre of its receptive field, moved by as much as its weights look to one side of it (`effective.shift`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .receptive import Field

SOURCE = (
    "Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional Neural Networks, Distill; "
    "Luo, Li, Urtasun & Zemel 2016, Understanding the Effective Receptive Field in Deep CNNs (NeurIPS)"
)


@dataclass(frozen=True)
class Grid:
    """Where the cells of a feature map lie: the centre of cell 0 and the step to the next, in pixels of the
    network's input, for height and width. Pixel n has its centre at n. `size` is the field's, in pixels."""

    centre: tuple[float, float]
    jump: tuple[float, float]
    size: tuple[float, float]
    whole: bool = False
    """Each cell sees all of the picture as well, through gates or attention."""
    shift: tuple[float, float] = (0.0, 0.0)
    """How far beside their centres cells are drawn, in pixels down and to the right."""

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """The receptive field of a cell: its first and last pixels x0, y0, x1, y1, also outside the picture."""
        y, x = (c + n * j for c, n, j in zip(self.centre, (row, column), self.jump, strict=True))
        high, wide = ((s - 1) / 2 for s in self.size)
        return x - wide, y - high, x + wide, y + high


def grid_of(field: Field | None, cells: tuple[int, int], picture: tuple[int, int]) -> Grid:
    """The grid of a map of `cells` (height, width) over a picture of `picture` pixels: by its receptive field
    where that is known, else spread evenly, as resizing would spread it."""
    if field is not None and field.dims is not None:
        first, second = field.axes
        return Grid(
            (float(first.centre), float(second.centre)),
            (float(first.jump), float(second.jump)),
            (float(first.size), float(second.size)),
            field.whole,
        )
    jump = (picture[0] / cells[0], picture[1] / cells[1])
    return Grid(
        ((jump[0] - 1) / 2, (jump[1] - 1) / 2), jump, (float(picture[0]), float(picture[1])), whole=True
    )


def spread(maps: Tensor, grid: Grid, picture: tuple[int, int]) -> Tensor:
    """Maps of cells `Bhw` as maps of pixels `BHW`: each cell's value stands where the cell is drawn, in between
    values are interpolated linearly, and beyond the outermost cells they stay."""
    axes = []
    middles = [c + s for c, s in zip(grid.centre, grid.shift, strict=True)]
    for count, pixels, middle, jump in zip(maps.shape[-2:], picture, middles, grid.jump, strict=True):
        place = (torch.arange(pixels, dtype=maps.dtype, device=maps.device) - middle) / jump
        axes.append(2 * place / max(count - 1, 1) - 1 if count > 1 else torch.zeros_like(place))
    where = torch.stack([part.expand(*picture) for part in (axes[1][None, :], axes[0][:, None])], dim=-1)
    return F.grid_sample(
        maps[:, None], where.expand(len(maps), -1, -1, -1), mode="bilinear", padding_mode="border",
        align_corners=True,
    )[:, 0]  # fmt: skip
