"""Training pictures by quarter turns, for what has no up and down: cells, satellite pictures."""

from typing import Any

import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from foveal.contracts import View
from foveal.data.views import evaluation_view
from foveal.values import Facts, Preprocessing

SOURCE = "an example of an augmentation of one's own"


class QuarterTurns(v2.Transform):
    """Boxes and masks turn with the picture. All chance comes from torch, so that seeds hold."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"turns": int(torch.randint(4, ()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.rotate(inpt, 90 * params["turns"])


def build(preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int) -> View:
    """From a picture (Pillow's, of any size) and its truth to both as the network is to see them."""
    view: View = v2.Compose([evaluation_view(preprocessing), QuarterTurns()])
    return view
