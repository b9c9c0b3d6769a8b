"""A network as it leaves Foveal: pixels go in, and what its task says comes out, in one torch module."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import OptionError
from ..model import Model
from ..structure.views import Views

INPUT = "pictures"
MADE = {
    "classify": ("probabilities", "of the labels, in their order; they sum to 1"),
    "multilabel": (
        "probabilities",
        "of the labels, in their order; each for itself, called present from `thresholds`",
    ),
    "regress": ("value", "in the data's unit"),
    "segment": ("probabilities", "of the labels, in their order, at each pixel of the input"),
    "autoencode": ("made", "the picture that is made of it, values 0 to 1"),
}
"""What comes out, by task: its name, and what it is."""
WHOLE = "the whole picture, its longer side made `size`, at the top left of a square filled with 255 * `mean`"
MIDDLE = "the shorter side resized to int(`size` / `crop`), then the middle `size` x `size`"


class Portable(nn.Module):
    """Pictures uint8 `BCHW`, resized and cut as `preprocessing` says, to what `MADE` names, float32: probabilities and
    values `BC`, maps and pictures `BCHW`. Normalisation, temperature and test-time views are inside.

    Raises:
        OptionError: the task's answers are no one tensor, or depend on the picture's size.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: Model) -> None:
        super().__init__()
        refuse(model)
        pre = model.preprocessing
        self.network = model.network if pre.views == 1 else Views(model.network, pre.views)
        self.task: Any = model.task
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(pre, name)).view(1, -1, 1, 1), persistent=False)
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 `BCHW` to the task's answer."""
        outputs: Tensor = self.network((pictures.float() / 255 - self.mean) / self.std).float()
        return _decoded(self.task, outputs)


def _decoded(task: Any, outputs: Tensor) -> Tensor:
    """What the task makes of the network's outputs, in the network's own places."""
    match task.name:
        case "classify":
            outputs = (outputs / task.temperature).softmax(1)
        case "multilabel":
            outputs = (outputs / task.temperature).sigmoid()
        case "regress":
            outputs = outputs * task.scale + task.mean
        case "segment":
            outputs = outputs.softmax(1)
        case "autoencode":
            outputs = (outputs.sigmoid() if task.loss == "bce" else outputs).clamp(0, 1)
    return outputs


def refuse(model: Model) -> None:
    """Say which models cannot be exported yet, and what can be done instead.

    Raises:
        OptionError: this is one.
    """
    task = model.task
    if task.name in MADE and not task.own_sizes:
        return
    tiled = " on pictures at their own scale" if task.name in MADE else ""
    raise OptionError(
        f"A model that does {task.name}{tiled} cannot be exported yet: its answers are found after the network, "
        "outside of what such a file holds.",
        f"Models that do {', '.join(MADE)}, each picture at the network's size.",
        "Use it from Python: foveal.Model.load(MODEL).predict(...); its network alone is model.network.",
    )


def described(model: Model) -> dict[str, Any]:
    """What stands in the file beside the network, as plain values."""
    task: Any = model.task
    pre = model.preprocessing
    name, meaning = MADE[task.name]
    card = {key: value for key, value in task.card().items() if key not in ("name", "labels")}
    return {
        "task": task.name,
        "labels": list(task.labels),
        "input": {
            "name": INPUT,
            "type": "uint8",
            "shape": ["batch", pre.channels, pre.size, pre.size],
            "colours": {1: "grey", 3: "RGB", 4: "RGBA"}.get(pre.channels, f"{pre.channels} channels"),
            "values": "0 to 255, as they are in the picture; normalisation is inside",
        },
        "preprocessing": {
            "how": WHOLE if task.name == "segment" else MIDDLE,
            "size": pre.size,
            "crop": pre.crop,
            "interpolation": pre.interpolation,
            "mean": list(pre.mean),
        },
        "output": {"name": name, "meaning": meaning},
        "options": card,
        **({"thresholds": list(task.least)} if task.name == "multilabel" else {}),
        "architecture": dict(model.card.architecture),
        "scores": [str(score) for score in model.card.scores],
        "origin": None if model.card.origin is None else dict(model.card.origin),
        "versions": dict(model.card.versions),
    }
