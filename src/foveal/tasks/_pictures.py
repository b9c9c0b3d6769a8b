"""Pictures as truths: how they are made small, and how alike two are (PSNR, SSIM)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision import tv_tensors

from ..data.decoding import open_path
from ..data.views import to_uint8
from ..intervals import bootstrap
from ..values import Evaluation, Item, Score

SOURCE = (
    "SSIM: Wang et al. 2004, Image Quality Assessment, section III-B; the Y channel and the border as in Timofte et "
    "al. 2013 and Lim et al. 2017; bicubic: Keys 1981 with a = -0.5"
)
LOSSES = ("l1", "charbonnier", "mse")
EPSILON = 1e-3
"""Of Charbonnier's loss (Lai et al. 2017, section 3.2)."""
MOST_DB = 100.0
"""What equal pictures get, whose PSNR is infinite."""
WINDOW, SIGMA = 11, 1.5
"""Side and width in pixels of the Gaussian that SSIM looks through."""
LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
"""Shares of red, green and blue in Y of YCbCr (ITU-R BT.601), which goes from 16 to 235."""


def smaller(images: Tensor, factor: int) -> Tensor:
    """Pictures `BCHW` of values 0..1 at a `factor`th of their sides (multiples of it): bicubic with antialiasing, and
    rounded to 8 bit, as files of small pictures are."""
    size = (images.shape[-2] // factor, images.shape[-1] // factor)
    return rounded(bicubic(images, size))


def bicubic(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures `BCHW` at height and width `size`. Antialiasing, which enlarging has no use for, goes with the kernel
    a = -0.5 of MATLAB's `imresize` and of Pillow; torch's other one has a = -0.75."""
    made: Tensor = F.interpolate(images.float(), size, mode="bicubic", antialias=True, align_corners=False)
    return made


def rounded(images: Tensor) -> Tensor:
    """Values cut to 0..1 and rounded to what 8 bit can say."""
    return images.clamp(0, 1).mul(255).round().div(255)


def cut_to_multiple(images: Tensor, factor: int) -> Tensor:
    """Without the last rows and columns of `BCHW` beyond a multiple of `factor`."""
    height, width = images.shape[-2:]
    return images[..., : height - height % factor, : width - width % factor]


def losses(name: str, made: Tensor, true: Tensor) -> Tensor:
    """The loss `B` of each picture, the mean over its values."""
    apart = made.float() - true.float()
    if name == "l1":
        each = apart.abs()
    elif name == "charbonnier":
        each = (apart.square() + EPSILON**2).sqrt()
    else:
        each = apart.square()
    return each.flatten(1).mean(1)


def brightness(images: Tensor) -> Tensor:
    """`BHW`, double, on the scale 0..255: Y of coloured pictures of values 0..1, grey ones as they are."""
    values = images.double()
    if values.shape[1] < 3:
        return values[:, 0] * 255
    weights = torch.tensor(LUMA, dtype=torch.float64, device=images.device)
    return 16 + 255 * torch.einsum("bchw,c->bhw", values[:, :3], weights)


def inner(images: Tensor, border: int) -> Tensor:
    """Without a border of so many pixels, where something is left then."""
    return (
        images[..., border:-border, border:-border]
        if border and min(images.shape[-2:]) > 2 * border
        else images
    )


def psnr(made: Tensor, true: Tensor, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB of two tensors of one shape, at most `MOST_DB`; 0 where `made` is no number."""
    error = float((made.double() - true.double()).square().mean()) / peak**2
    if not math.isfinite(error):
        return 0.0
    return min(MOST_DB, -10 * math.log10(error)) if error > 0 else MOST_DB


def ssim(made: Tensor, true: Tensor, peak: float = 255.0) -> float:
    """Structural similarity of two pictures `HW`, double, the mean over all places where the whole window fits; 0
    where `made` is no number. Pictures smaller than the window are seen through a smaller one."""
    side = min(WINDOW, *made.shape)
    at = torch.arange(side, dtype=torch.float64, device=made.device) - (side - 1) / 2
    line = torch.exp(-(at**2) / (2 * SIGMA**2))
    line = line / line.sum()

    def seen(values: Tensor) -> Tensor:
        across = F.conv2d(values[:, None], line.view(1, 1, 1, -1))
        return F.conv2d(across, line.view(1, 1, -1, 1))[:, 0]

    x, y = made.double(), true.double()
    mean_x, mean_y, xx, yy, xy = seen(torch.stack([x, y, x * x, y * y, x * y]))
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    spread = (xx - mean_x**2) + (yy - mean_y**2)
    alike = (2 * mean_x * mean_y + c1) * (2 * (xy - mean_x * mean_y) + c2)
    apart = (mean_x**2 + mean_y**2 + c1) * (spread + c2)
    value = float((alike / apart).mean())
    return value if math.isfinite(value) else 0.0


def evaluation(split: str, ids: Sequence[str], figures: Mapping[str, NDArray[np.float64]]) -> Evaluation:
    """Figures of each picture (`N`) summed up: their means, the mean `PSNR` with its bootstrap interval, and examples
    with the same figures. A loss that is no number is infinite: the network has gone wrong."""
    table = {**figures, "loss": np.where(np.isfinite(figures["loss"]), figures["loss"], np.inf)}
    metrics = {name: float(values.mean()) for name, values in table.items()}
    each = table["PSNR"]
    # values that are all the same show no spread; they are no shares that bootstrap could judge so
    low, high = bootstrap(each) if np.ptp(each) else (metrics["PSNR"],) * 2
    rows: list[dict[str, Any]] = [
        {"id": id, "truth": None, "predicted": None}
        | {name: float(values[n]) for name, values in table.items()}
        for n, id in enumerate(ids)
    ]
    score = Score("PSNR", metrics["PSNR"], low, high, True, split)
    return Evaluation(score, metrics, len(ids), [], examples=rows)


def as_picture(image: Tensor) -> Image.Image:
    """A picture `CHW` of values 0..1, rounded, as Pillow's; what is no number is black."""
    values = torch.nan_to_num(image.float()).clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
    grid = values.permute(1, 2, 0).numpy()
    return Image.fromarray(grid[..., 0] if grid.shape[-1] == 1 else grid)


def as_values(image: Image.Image) -> Tensor:
    """A Pillow picture as `1CHW`, values 0..1."""
    return to_uint8(image)[None].float() / 255


def is_pair(truth: Any) -> bool:
    """Whether a truth is another picture."""
    return isinstance(truth, Mapping) and isinstance(truth.get("picture"), str)


def target(item: Item, image: Image.Image, root: str) -> tv_tensors.Image:
    """The picture that an item's truth names, uint8 `CHW` with the channels of `image`.

    Raises:
        PictureError: it cannot be read.
    """
    path = Path(root, item.truth["picture"])
    return tv_tensors.Image(to_uint8(open_path(path, len(image.getbands()))))


def stacked(truths: Sequence[Any]) -> Any:
    """Target pictures of a batch as uint8 `BCHW`; a list of None where pictures are their own truths."""
    if any(truth is None for truth in truths):
        return [None] * len(truths)
    plain = [
        truth.as_subclass(Tensor) if isinstance(truth, tv_tensors.TVTensor) else truth for truth in truths
    ]
    return torch.stack([to_uint8(one) if isinstance(one, Image.Image) else one for one in plain])
