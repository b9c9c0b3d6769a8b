"""Crop or shift, mirror, and a blend of the picture with three chains of weak operations: AugMix."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.distributions import Dirichlet
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from .. import catalog
from ..contracts import View
from ..values import Facts, Preprocessing
from ._operations import MOVING, PLACED, Operation, Space, done, drawn, space

SOURCE = (
    "Hendrycks et al. 2020, AugMix, section 3 and algorithm 1 (3 chains of 1 to 3 operations, alpha 1, "
    "severity 3 of 10), without its consistency loss, with the operations that its authors leave out "
    "only because their benchmark tests for them"
)
CHAINS, DEEPEST, SEVERITY, BINS = 3, 3, 3, 10


def build(
    preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int = 9
) -> View:
    """`light`, then the blend. Where the truth has boxes, masks or keypoints, nothing is moved: each chain
    would move them elsewhere. `magnitude` is not used."""
    light = catalog.find("augmentations", "light").build(preprocessing, facts, flip=flip, scratch=scratch)
    weak = space(shear=0.3, translate=preprocessing.size / 3, rotate=30.0, enhance=0.9, posterize=(4, 0))
    view: View = v2.Compose([light, Blend(weak)])
    return view


class Blend(v2.Transform):  # type: ignore[misc]
    """The picture blended with its chains, by weights from a Dirichlet distribution."""

    def __init__(self, choice: Space) -> None:
        super().__init__()
        self.choice = choice
        self.still = {name: ends for name, ends in choice.items() if name not in MOVING}

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        choice = self.still if any(isinstance(x, PLACED) for x in flat_inputs) else self.choice
        of_mix = float(_dirichlet(2)[1])
        weights = [1 - of_mix, *(_dirichlet(CHAINS) * of_mix).tolist()]
        depths = torch.randint(1, DEEPEST + 1, (CHAINS,)).tolist()
        chains = [[drawn(choice, BINS, highest=SEVERITY) for _ in range(depth)] for depth in depths]
        return {"weights": weights, "chains": chains}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, PLACED):
            return inpt
        if isinstance(inpt, torch.Tensor):  # a picture in the truth, varied as the picture itself
            mixed = _blended(F.to_pil_image(inpt), **params)
            return tv_tensors.wrap(F.pil_to_tensor(mixed), like=inpt)
        return _blended(inpt, **params)


def _dirichlet(count: int) -> torch.Tensor:
    """Shares that add up to 1, all combinations as likely."""
    return Dirichlet(torch.ones(count), validate_args=False).sample()


def _blended(image: Image.Image, weights: list[float], chains: list[list[Operation]]) -> Image.Image:
    total = _values(image) * np.float32(weights[0])
    for weight, chain in zip(weights[1:], chains, strict=True):
        varied = image
        for operation in chain:
            varied = done(varied, operation)
        total += _values(varied) * np.float32(weight)
    return Image.fromarray((total + 0.5).clip(0, 255).astype(np.uint8))


def _values(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image, dtype=np.float32)
