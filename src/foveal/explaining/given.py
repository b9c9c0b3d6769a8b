"""What is explained: pictures from wherever they come, and targets held against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from PIL import Image, ImageOps
from torch import nn

from ..contracts import Explainable, Task
from ..data.colours import with_channels
from ..data.decoding import open_image
from ..errors import OptionError
from ..model import Model
from ..structure.views import Views
from ..values import Item, Target


@dataclass(frozen=True)
class Given:
    """A picture to be explained: `opened(channels, shorter)` is the picture, upright. Without `targets` what the
    network says of it is explained."""

    path: str
    opened: Callable[[int, int | None], Image.Image]
    targets: tuple[Target, ...] = ()
    truth: Any = None
    why: str = ""

    @classmethod
    def file(cls, path: str) -> Given:
        return cls(path, partial(_open, "", Item(path, path, None)))

    @classmethod
    def item(cls, root: str, item: Item, **more: Any) -> Given:
        return cls(item.id, partial(_open, root, item), truth=item.truth, **more)

    @classmethod
    def image(cls, image: Image.Image) -> Given:
        return cls(str(getattr(image, "filename", "")), partial(_upright, image))


def _open(root: str, item: Item, channels: int, shorter: int | None) -> Image.Image:
    return open_image(root, item, channels, shorter)


def _upright(image: Image.Image, channels: int, shorter: int | None) -> Image.Image:
    return with_channels(ImageOps.exif_transpose(image), channels)


def compared(target: Target, against: str) -> Iterable[Target]:
    """A target; where another is given too, that one, and the first less the second."""
    if not against or target.label in ("", against):
        return (target,)
    return target, Target(against), Target(target.label, against)


def explainable(task: Task) -> Explainable:
    """The task, where it can say what is to be explained.

    Raises:
        OptionError: it cannot.
    """
    if not hasattr(task, "score"):
        raise OptionError(
            f"The model's task is {task.name}, of which nothing can be explained in this way yet.",
            "Models that say labels or numbers: classify, multilabel, regress, detect, instances, segment.",
            "See what it makes of pictures with foveal predict.",
        )
    return cast(Explainable, task)


def network_of(model: Model) -> nn.Module:
    """The network that is explained: without the views it looks through, and as its task has it explained."""
    network = model.network.network if isinstance(model.network, Views) else model.network
    own = getattr(model.task, "explained", None)
    return network if own is None else cast(nn.Module, own(network))


def word_of(model: Model, target: Target) -> str:
    """What a target's scores are numbers of: logits, or what a task measures, or what a unit gives."""
    if target.layer:
        return "units of activation"
    return target.label if model.task.name == "regress" else "logits"
