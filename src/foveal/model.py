"""A model: network, task, preprocessing, distances and card, saved in one `.safetensors` file.

What is loaded was compared with the digest it was saved with; nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from . import catalog
from .card import MAX_HEADER_BYTES, damaged, digest_of, model_file, open_model, read_header
from .card import Card as Card
from .contracts import Architecture, Task, View
from .errors import ModelError, PictureError, UnknownNameError
from .storage import write_whole
from .values import Prediction, Preprocessing

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor, nn

    from .far import Far
    from .machine.pieces import SideBySide

    Picture: TypeAlias = str | os.PathLike[str] | Image.Image
    Answer: TypeAlias = tuple[list[dict[str, Any]], float | None]
    Shown: TypeAlias = tuple[Tensor, tuple[int, int]]

FAR = "far."
"""How the names begin, in the file, of the tensors that are not the network's but its distances'."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network with all that is needed to use it: `Model.load`, `save`, `predict`. `far` is how far from
    what it has seen a picture may lie, where that is known; what the card says of it is filled in by `save`."""

    network: nn.Module
    task: Task
    preprocessing: Preprocessing
    card: Card
    far: Far | None = None

    def __post_init__(self) -> None:
        if self.preprocessing != self.card.preprocessing:
            raise ValueError("the card tells another preprocessing than the model's")

    @property
    def labels(self) -> tuple[str, ...]:
        return self.task.labels

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as one whole file.

        Raises:
            DiskError: it could not be written; a file of that name is untouched.
        """
        from safetensors.torch import save

        # clones, because safetensors refuses tensors that share memory, as tied layers do
        state = self.network.state_dict()
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
        if self.far is not None:
            tensors |= {FAR + name: tensor for name, tensor in self.far.tensors().items()}
        told = dataclasses.replace(self.card, far=None if self.far is None else self.far.card())
        card = json.dumps(told.to_json(), sort_keys=True, allow_nan=False)
        if len(card) > MAX_HEADER_BYTES // 2:
            raise ValueError(f"the card has {len(card)} bytes, more than can be loaded again")
        write_whole(path, save(tensors, {"foveal": card, "sha256": digest_of(card, tensors)}))

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "cpu") -> Model:
        """The model in a `.safetensors` file of ours, or a run folder's best; in evaluation mode.

        Raises:
            ModelError: there is none, or it is damaged, foreign, newer, or needs a missing plug-in.
        """
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load

        from .machine.device import likes_channels_last

        file = model_file(path)
        # read whole, not mapped: the file may be replaced while the model is in use
        with open_model(file) as stream:
            card, text, digest = read_header(stream, file)
            stream.seek(0)
            content = stream.read()
        try:
            tensors = load(content)
        except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
            raise damaged(file, str(error)) from error
        if digest_of(text, tensors) != digest:
            raise damaged(file, "its content does not match the digest it was saved with")
        task, network = _build(card, file)
        far = _far(card, tensors, file)
        _fill(network, tensors, card, file)
        last = likes_channels_last(str(card.architecture["name"]))
        layout = torch.channels_last if last else torch.preserve_format
        network = network.to(device, memory_format=layout)  # type: ignore[call-overload]
        return cls(network.eval(), task, card.preprocessing, card, far)

    def predict(self, images: Picture | Iterable[Picture], batch: int = 32) -> list[Prediction]:
        """What the model says of pictures (paths or Pillow pictures), in their order.

        A picture that cannot be read gets a Prediction with an `error`. The network's mode is as
        before afterwards. `batch` is the most pictures computed at once. Where the model has distances,
        they come from the same pass.
        """

        from .machine.pieces import side_by_side

        one = isinstance(images, str | os.PathLike) or hasattr(images, "getbands")
        sources = cast("list[Picture]", [images] if one else list(cast("Iterable[Picture]", images)))
        modes = [(module, module.training) for module in self.network.modules()]
        found: list[Prediction] = []
        view = self.task.view(self.preprocessing)
        self.network.eval()
        try:
            with side_by_side() as run:
                for start in range(0, len(sources), batch):
                    chunk = sources[start : start + batch]
                    seen = run(lambda source: _seen(source, self.preprocessing.channels, view), chunk)
                    good = [shown for shown in seen if not isinstance(shown, str)]
                    answers = iter(self._answers(good, run))
                    found += [
                        _prediction(source, got, answers) for source, got in zip(chunk, seen, strict=True)
                    ]
        finally:
            for module, training in modes:
                module.training = training
        return found

    def _answers(self, shown: Sequence[Shown], run: SideBySide) -> list[Answer]:
        """Predictions and distances for pictures, in pieces; one by one where each has a size of its own."""
        import torch

        from .machine.pieces import pieces_of

        if not shown:
            return []
        if self.task.own_sizes:
            groups = [shown[n : n + 1] for n in range(len(shown))]
        else:
            images = torch.stack([image for image, _ in shown])
            device = next(self.network.parameters(), images).device
            each = -(-len(shown) // pieces_of(images, device.type))
            groups = [shown[n : n + each] for n in range(0, len(shown), each)]
        pieces = [
            (torch.stack([image for image, _ in group]), [size for _, size in group]) for group in groups
        ]
        return [answer for answers in run(lambda piece: self._piece(*piece), pieces) for answer in answers]

    def _piece(self, images: Tensor, sizes: list[tuple[int, int]]) -> list[Answer]:
        """The answers of one piece, uint8 `BCHW`; in halves where memory does not suffice."""
        import torch

        from .data.views import normalise
        from .far import watched
        from .machine.device import free_memory, is_out_of_memory

        weight = next(self.network.parameters(), torch.zeros(0))
        try:
            with torch.inference_mode(), watched(self.network, self.far.head if self.far else None) as seen:
                inputs = normalise(images.to(weight.device), self.preprocessing).to(weight.dtype)
                said = self.task.predict(self.network, inputs, sizes)
                return list(zip(said, self._distances(seen, len(images)), strict=True))
        except RuntimeError as error:
            if not is_out_of_memory(error) or len(images) < 2:
                raise
        free_memory(str(weight.device))
        half = len(images) // 2
        return self._piece(images[:half], sizes[:half]) + self._piece(images[half:], sizes[half:])

    def _distances(self, seen: list[Tensor], count: int) -> list[float] | list[None]:
        from .far import first

        features = first(seen, count)
        if self.far is None or features is None:
            return [None] * count
        return self.far.distance(features).tolist()


def mended(network: nn.Module, repairs: Sequence[str]) -> nn.Module:
    """The network after these repairs (`foveal.repairs`), in order.

    Raises:
        UnknownNameError: there is no such repair.
        ValueError: one of them does not apply to this network.
    """
    for name in repairs:
        network = catalog.find("repairs", name).mended(network)
    return network


def _build(card: Card, file: Path) -> tuple[Task, nn.Module]:
    """Task and network of a card, freshly initialised; torch's random state stays as it was."""
    import torch

    try:
        options = {k: v for k, v in card.task.items() if k not in ("name", "labels")}
        module = catalog.find("tasks", card.task["name"])
        task: Task = module.build(labels=tuple(card.task["labels"]), **options)
        kind = cast(Architecture, catalog.find("architectures", card.architecture["name"]))
        # checked first, so that a damaged card cannot ask for a network of any size
        asked = dict(card.architecture)
        if (asked["outputs"], asked["channels"]) != (task.outputs, card.preprocessing.channels):
            raise ValueError("its outputs or channels are not those of its labels and preprocessing")
        repairs = asked.pop("repairs", ())
        with torch.random.fork_rng(devices=[]):
            return task, mended(kind.build(asked.pop("name"), **asked), repairs)
    except (UnknownNameError, ImportError) as error:
        came = error.came if isinstance(error, UnknownNameError) else str(error)
        raise ModelError(
            f"{file} needs what is not installed here: {came}",
            "The plug-ins and packages that the model was made with: "
            + ", ".join(f"{k} {v}" for k, v in card.versions.items()),
            "Install the package that brings this name, or use another model.",
        ) from error
    except (ValueError, KeyError, TypeError, RuntimeError, MemoryError, AttributeError) as error:
        raise ModelError(
            f"{file}: its network or task cannot be made again ({type(error).__name__}: {error}).",
            "A card that this Foveal, with its plug-ins, can follow.",
            "Use the versions it was made with: " + ", ".join(f"{k} {v}" for k, v in card.versions.items()),
        ) from error


def _fill(network: nn.Module, tensors: Mapping[str, Tensor], card: Card, file: Path) -> None:
    """Copy the tensors into the network, which takes over their types."""
    for name, own in network.state_dict(keep_vars=True).items():
        if name in tensors and own.dtype != tensors[name].dtype:
            own.data = own.data.to(tensors[name].dtype)
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:4]]
        raise ModelError(
            f"{file}: its tensors do not fit the network {card.architecture['name']}. {' '.join(lines)}",
            "The tensors of that network, as this installation builds it.",
            "Use the versions it was made with: " + ", ".join(f"{k} {v}" for k, v in card.versions.items()),
        ) from error


def _far(card: Card, tensors: dict[str, Tensor], file: Path) -> Far | None:
    """The distances that the card tells of; their tensors are taken out of `tensors`."""
    from .far import TENSORS, Far

    if card.far is None:
        return None
    try:
        return Far.from_parts(card.far, {name: tensors.pop(FAR + name) for name in TENSORS})
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(file, f"its distances cannot be read ({type(error).__name__}: {error})") from error


def _seen(source: Picture, channels: int, view: View) -> Shown | str:
    """A picture as the network sees it, uint8 `CHW`, and its own width and height; or why it cannot be read."""
    from PIL import ImageOps

    from .data.colours import with_channels
    from .data.decoding import open_path
    from .data.views import to_input

    try:
        if isinstance(source, str | os.PathLike):
            image = open_path(Path(source), channels)
        else:
            image = with_channels(ImageOps.exif_transpose(source), channels)
        return to_input(image, view), image.size
    except PictureError as error:
        return error.came
    except (OSError, ValueError, TypeError, SyntaxError, AttributeError) as error:  # loads only now
        return f"The picture cannot be read: {error or type(error).__name__}"


def _prediction(source: Picture, seen: Shown | str, answers: Iterator[Answer]) -> Prediction:
    """The next of the answers, or the reason why a picture has none."""
    if isinstance(seen, str):
        return Prediction(_name(source), error=seen)
    said, distance = next(answers)
    return Prediction(_name(source), said, far=None if distance is None else distance > 1, distance=distance)


def _name(source: Picture) -> str:
    """The picture's path; empty where it never was a file."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return str(getattr(source, "filename", ""))
