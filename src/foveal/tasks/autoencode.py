"""A picture made again from a short description of it: whole, without noise, or with what is hidden filled in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..contracts import View
from ..data.views import evaluation_view, normalise, to_input
from ..errors import UnknownNameError
from ..machine.device import autocast
from ..structure.layers import evaluating
from ..values import Batch, Dataset, Evaluation, Headline, Item, Preprocessing, Step, Target
from . import _asked
from ._pictures import MOST_DB, as_picture, brightness, evaluation, is_pair, ssim, stacked, target

SOURCE = (
    "autoencoders: Hinton & Salakhutdinov 2006; without noise: Vincent et al. 2010, Stacked Denoising Autoencoders; "
    "filled in: Pathak et al. 2016, Context Encoders; strange pictures by their errors: Japkowicz et al. 1995; the "
    "threshold is split conformal: Vovk et al. 2005"
)
WHY_MSE = (
    "squares are what PSNR counts. The last layer has no activation: through a sigmoid hardly any of their gradient "
    "would pass where pixels are black or white; values beyond are cut off when pictures are judged"
)
DEFAULTS = {
    "loss": ("mse", WHY_MSE),
    "objective": ("reconstruct", "the picture itself: what its description does not hold is lost"),
    "latent": (
        64,
        "numbers that describe a picture: enough for small things in the middle, far fewer than pixels",
    ),
}
LOSSES = ("mse", "l1", "bce")
"""bce: the cross-entropy of a sigmoid's outputs and the pixels taken as shares of white; its gradient is their
difference, so that the sigmoid stops no learning, and no pixel is beyond black and white."""
OBJECTIVES = ("reconstruct", "denoise", "inpaint")
SCALE = (0.0, 1.0)
"""Networks get pictures as 0 to 1, which is what they give."""
SAMPLE: tuple[None, ...] = (None,) * 8
NOISE = 50 / 255
"""Standard deviation of the noise: the strongest of Zhang et al. 2017, DnCNN."""
HOLE, GREY = 0.5, 0.5
"""The side of the square that is hidden, as a share of the picture's (Pathak et al. 2016, section 3.3), and its
colour."""
KEPT = 0.95
"""Share of the validation pictures whose errors are below the threshold."""
MEASURED = ("loss", "PSNR", "SSIM", "mse", "without", "error")
"""`without`: the PSNR of what is to be had without a network."""


@dataclass(frozen=True)
class Autoencode(_asked.OfPictures):
    """An autoencoder. The truth is the picture itself, disturbed as `objective` says before the network sees it; or,
    where the data has pairs, the other picture of each."""

    labels: tuple[str, ...] = ()
    """None: there is nothing to name."""
    loss: str = "mse"
    objective: str = "reconstruct"
    latent: int = 64
    threshold: float | None = None
    """The mean squared error (of values 0 to 1) beyond which a picture is strange, from validation; None: not known."""

    name = "autoencode"
    headline = Headline("PSNR", higher_is_better=True)
    chance = None
    dense = True
    own_sizes = False
    outputs = 1
    """What is explained where only a place is told."""

    def knows(self, truth: Any) -> bool:
        return truth is None or is_pair(truth)

    def truth(self, item: Item, image: Image.Image, root: str) -> Any:
        return None if item.truth is None else target(item, image, root)

    def building(self) -> dict[str, Any]:
        return {"latent": self.latent}

    def view(self, preprocessing: Preprocessing) -> View:
        """The middle square, as for classes."""
        return evaluation_view(preprocessing)

    def collate(self, truths: Sequence[Any]) -> Tensor:
        """The pictures to be made, uint8 `BCHW`; `B0` where those are the batch's own."""
        if any(truth is None for truth in truths):
            return torch.zeros((len(truths), 0), dtype=torch.uint8)
        made: Tensor = stacked(truths)
        return made

    def step(self, network: nn.Module, batch: Batch) -> Step:
        """Forward and loss. In evaluation each picture is disturbed in a way of its own that depends on its id, and
        the outputs are what was measured of it, a row each (`MEASURED`)."""
        own = batch.truths.dim() != 4
        wanted = batch.images if own else batch.truths.float() / 255
        ids = None if network.training else batch.ids
        shown = disturbed(wanted, self.objective, ids) if own else batch.images
        made = network(shown)
        losses = self._losses(made.float(), wanted)
        outputs = made.detach()
        if not network.training:
            same = shown is batch.images
            again = made if same else network(batch.images)
            with autocast(made.device.type, "fp32"):
                seen = [self.pictures(values.float()) for values in (made, again)]
                without = _flat(wanted) if same and own else shown
                outputs = torch.stack(
                    [losses, *_measured(seen[0], wanted, without), squares(seen[1], batch.images)], 1
                )
        return Step(losses.mean(), {}, outputs, losses.detach() if network.training else None)

    def _losses(self, made: Tensor, wanted: Tensor) -> Tensor:
        """The loss of each picture, `B`."""
        if self.loss == "bce":
            each = F.binary_cross_entropy_with_logits(made, wanted, reduction="none")
        else:
            each = (made - wanted).abs() if self.loss == "l1" else (made - wanted).square()
        return each.flatten(1).mean(1)

    def pictures(self, made: Tensor) -> Tensor:
        """What the network made, as pictures in 0..1; black where it has gone wrong."""
        return (made.sigmoid() if self.loss == "bce" else made).nan_to_num(0.0).clamp(0, 1)

    def calibrated(self, outputs: Tensor, truths: Tensor) -> Autoencode:
        """With the threshold below which the errors of `KEPT` of the validation pictures are; without one where they
        are too few to tell, below nineteen."""
        errors = np.sort(outputs[:, -1].double().numpy())
        rank = math.ceil((len(errors) + 1) * KEPT)
        known = rank <= len(errors) and math.isfinite(errors[rank - 1])
        return replace(self, threshold=float(errors[rank - 1]) if known else None)

    def predict(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]] = ()
    ) -> list[list[dict[str, Any]]]:
        """For each picture of `BCHW` one prediction: the `picture` that was made of it (of its middle square, as many
        pixels wide as the network sees), the mean squared `error` between the two, of values 0 to 1, and where the
        threshold is known whether it is an `anomaly`."""
        made = self.pictures(network(images).float())
        errors = squares(made, images.float()).tolist()
        known = self.threshold
        return [
            [{"picture": as_picture(one), "error": e, **({} if known is None else {"anomaly": e > known})}]
            for one, e in zip(made, errors, strict=True)
        ]

    def remade(
        self, network: nn.Module, image: Image.Image, preprocessing: Preprocessing
    ) -> dict[str, Image.Image]:
        """A data set's picture as the network is shown it, what is made of it, and where it was disturbed the picture
        itself. By what they are."""
        weight = next(network.parameters(), torch.zeros(0))
        seen = to_input(image, self.view(preprocessing))[None]
        true = normalise(seen.to(weight.device), preprocessing)
        shown = disturbed(true, self.objective, [""])
        with torch.inference_mode(), evaluating(network):
            made = self.pictures(network(shown).float())
        found = {"given": as_picture(shown[0]), "made": as_picture(made[0])}
        return found if self.objective == "reconstruct" else found | {"true": as_picture(true[0])}

    def mix(self, truths: Tensor, order: Tensor, share: float | Tensor) -> None:
        """None: two pictures in one are like no picture."""

    def score(self, outputs: Tensor, targets: Sequence[Target]) -> Tensor:
        """How much detail the pictures made have in each target's place, or how bright they are there (`_asked`)."""
        return _asked.score(outputs.sigmoid() if self.loss == "bce" else outputs, targets)

    def meter(self) -> AutoencodeMeter:
        return AutoencodeMeter(self)

    def card(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "labels": list(self.labels),
            "loss": self.loss,
            "objective": self.objective,
            "latent": self.latent,
            "threshold": self.threshold,
        }


def build(
    labels: Sequence[str] = (),
    *,
    loss: str = "mse",
    objective: str = "reconstruct",
    latent: int = 64,
    threshold: float | None = None,
) -> Autoencode:
    """The task for pictures to be made again from `latent` numbers.

    Raises:
        UnknownNameError: an unknown loss or objective.
    """
    if loss not in LOSSES:
        raise UnknownNameError("loss for pictures", loss, LOSSES)
    if objective not in OBJECTIVES:
        raise UnknownNameError("objective of autoencoders", objective, OBJECTIVES)
    return Autoencode((), loss, objective, latent, threshold)


def prefers(dataset: Dataset) -> dict[str, tuple[Any, str]]:
    """A network of its own, Adam, and pictures as they are."""
    count = max(1, len(dataset.part("train")))
    epochs = max(20, min(200, round(300_000 / count)))
    return {
        "network": ("autoencoder", "strided convolutions down to a short vector, and up again"),
        "optimizer": ("adamw", "Adam, as in Radford et al. 2016"),
        "weight_decay": (0.0, "the short vector is what keeps it from learning by heart"),
        "augment": ("none", "what is turned or cut would be made again as well, and be strange no more"),
        "epochs": (epochs, f"about 300,000 pictures seen, between 20 and 200 epochs of {count:,}"),
    }


def disturbed(images: Tensor, objective: str, ids: Sequence[str] | None) -> Tensor:
    """Pictures `BCHW` in 0..1 as the network is shown them: with noise, or a square of them hidden. Drawn from torch's
    global generator, or where `ids` are given for each picture from its own."""
    if objective == "reconstruct":
        return images
    if ids is None:
        return _disturbed(images, objective, None)
    each = [_disturbed(image[None], objective, _dice(id)) for image, id in zip(images, ids, strict=True)]
    return torch.cat(each)


def _dice(id: str) -> torch.Generator:
    seed = int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(seed)


def _disturbed(images: Tensor, objective: str, dice: torch.Generator | None) -> Tensor:
    if objective == "denoise":
        noise = (
            torch.randn_like(images) if dice is None else torch.randn(images.shape, generator=dice).to(images)
        )
        return (images + NOISE * noise).clamp(0, 1)
    height, width = images.shape[-2:]
    sides = torch.tensor([max(1, round(HOLE * side)) for side in (height, width)])
    room = torch.tensor([height, width]) - sides + 1
    first = (torch.rand((len(images), 2), generator=dice) * room).long()
    down, across = (
        (torch.arange(n) >= first[:, k, None]) & (torch.arange(n) < first[:, k, None] + sides[k])
        for k, n in enumerate((height, width))
    )
    hidden = (down[:, None, :, None] & across[:, None, None, :]).to(images.device)
    return images.masked_fill(hidden, GREY)


def squares(one: Tensor, other: Tensor) -> Tensor:
    """Mean squared difference of each picture, `B`."""
    return (one - other).square().flatten(1).mean(1)


def _flat(images: Tensor) -> Tensor:
    """Each picture in its mean colour: what one number a channel tells."""
    return images.mean((2, 3), keepdim=True).expand_as(images)


def _measured(made: Tensor, wanted: Tensor, without: Tensor) -> list[Tensor]:
    """PSNR over all channels, SSIM on Y, mean squared error; and the PSNR of what there is without a network."""
    pairs = zip(brightness(made), brightness(wanted), strict=True)
    alike = made.new_tensor([ssim(one, other) for one, other in pairs])
    return [_psnr(made, wanted), alike, squares(made, wanted), _psnr(without, wanted)]


def _psnr(one: Tensor, other: Tensor) -> Tensor:
    """Of each picture, `B`, in dB."""
    return (-10 * torch.log10(squares(one, other))).clamp(max=MOST_DB)


class AutoencodeMeter:
    """Gathers what was measured of each picture."""

    def __init__(self, task: Autoencode) -> None:
        self.task = task
        self.rows: list[Tensor] = []
        self.ids: list[str] = []

    def add(self, step: Step, batch: Batch) -> None:
        # left on the device until the end: fetching each batch would wait for the GPU
        self.rows.append(step.outputs.detach())
        self.ids += batch.ids

    def result(self, split: str) -> Evaluation:
        """Mean PSNR with its bootstrap interval, mean SSIM, squared error and loss; `without_PSNR`, of what is to be
        had without a network: each picture in its mean colour, or the disturbed picture as it is; with a threshold
        the share of pictures called strange; a row a picture."""
        values = torch.cat(self.rows).cpu().double().numpy()
        names = [f"{name}_PSNR" if name == "without" else name for name in MEASURED]
        found = evaluation(split, self.ids, dict(zip(names, values.T, strict=True)))
        known = self.task.threshold
        for row in found.examples:
            row.update(score=row["PSNR"], anomaly=None if known is None else row["error"] > known)
        strange = {} if known is None else {"anomalies": float((values[:, -1] > known).mean())}
        return replace(found, metrics={**found.metrics, **strange})
