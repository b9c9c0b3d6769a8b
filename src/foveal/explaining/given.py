"""What is explained: pictures from wherever they come, and targets held against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from PIL import Image, ImageOps
from torch import Tensor, nn

from ..contracts import Explainable, Task
from ..data.colours import with_channels
from ..data.decoding import open_image
from ..data.seen import Seen, seen_of, seen_square, seen_whole
from ..data.views import is_whole, to_input
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
    return target, replace(target, label=against), replace(target, against=against)


def placed(target: Target, seen: Seen, path: str) -> Target:
    """The target, and where the network sees the place that it speaks of.

    Raises:
        OptionError: it sees nothing of that place, or the place is marked in a picture of another size.
    """
    if target.at is None:
        return target
    x0, y0, x1, y1 = seen.box
    left, right = (min(1.0, max(0.0, (x - x0) / (x1 - x0))) for x in target.at[::2])
    top, bottom = (min(1.0, max(0.0, (y - y0) / (y1 - y0))) for y in target.at[1::2])
    if left >= right or top >= bottom:
        raise OptionError(
            f"--at {','.join(f'{edge:g}' for edge in target.at)} was given: of {path} the network sees nothing there.",
            f"Places with x from {max(0.0, x0):g} to {min(seen.width, x1):g} and y from {max(0.0, y0):g} to "
            f"{min(seen.height, y1):g}, in the picture's pixels.",
            "Give another place.",
        )
    mask = None if target.mask is None else target.mask.shown(seen, path)
    return replace(target, within=(left, top, right, bottom), mask=mask)


def shown_by(
    model: Model, image: Image.Image, at: tuple[float, float, float, float] | None
) -> tuple[Tensor, Seen]:
    """The picture as the network is shown it, uint8 `CHW`, and where that lies on it. Of tasks that see pictures at
    their own scale it is a square of the size that training saw: the one round the place asked for, or the middle."""
    pre, view = model.preprocessing, model.task.view(model.preprocessing)
    if model.task.own_sizes:
        seen = seen_square(*image.size, pre.size, at)
        x0, y0, x1, y1 = map(int, seen.box)
        return to_input(image.crop((x0, y0, x1, y1)), view), seen
    placed = seen_whole if is_whole(view) else seen_of
    return to_input(image, view), placed(*image.size, pre)


def explainable(task: Task) -> Explainable:
    """The task, where it can say what is to be explained.

    Raises:
        OptionError: it cannot.
    """
    if not hasattr(task, "score"):
        raise OptionError(
            f"The model's task is {task.name}, of which nothing can be explained in this way yet.",
            "Models of the tasks that come with Foveal.",
            "See what it makes of pictures with foveal predict.",
        )
    return cast(Explainable, task)


def network_of(model: Model, *, at: bool = False) -> nn.Module:
    """The network that is explained: without the views it looks through, and as its task has it explained; with
    `at`, so that its outputs tell where."""
    network = model.network.network if isinstance(model.network, Views) else model.network
    own = getattr(model.task, "placed" if at else "explained", None)
    return network if own is None else cast(nn.Module, own(network))


def word_of(model: Model, target: Target) -> str:
    """What a target's scores are numbers of: logits, or what a task measures, or what a unit gives."""
    if target.layer:
        return "units of activation"
    if not model.labels:  # a picture that is made
        return "grey levels"
    return target.label if model.task.name == "regress" else "logits"
