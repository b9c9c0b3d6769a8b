"""Filters: the kernels that look at the picture itself; which are dead or the same, and what training made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..charts.sheet_of_maps import Row, Sheet, Tile, sheet_picture
from ..contracts import Sitting
from ..errors import OptionError
from ..structure.subject import Subject
from ._aims import SQUASHING, origin
from ._real import Reach
from ._shown import shown
from .activations import NORMS

SOURCE = "Krizhevsky, Sutskever & Hinton 2012, ImageNet Classification with Deep Networks, figure 3"
CANNOT = "Kernels look at the picture only in the first layer; what later ones respond to, maximize and examples show."
TINY = 1e-3
"""A kernel shorter than this share of the median kernel computes next to nothing."""
SAME, FEW, SAME_FEW = 0.95, 8, 0.999
"""Kernels whose cosine is above that are the same; of fewer numbers than `FEW`, as in 1 x 1 kernels, chance alone
often comes so near, and they must be nearer."""
CHANGED = 8
"""How many of the most changed are shown by themselves."""
Pair = tuple[int, int, float]


@dataclass(frozen=True)
class Filters:
    """The first convolution's kernels `OIHW`, as they are stored, and those before training where another network
    was given."""

    name: str
    kernels: Tensor
    before: Tensor | None = None
    done: float = 0.0
    tiny: tuple[int, ...] = ()
    """Kernels that are all but 0."""
    silent: tuple[int, ...] | None = None
    """Kernels that no picture excites; None without pictures."""
    same: tuple[Pair, ...] = ()
    """Pairs of kernels that compute the same but for a factor, with their cosine."""
    opposite: tuple[Pair, ...] = ()
    changed: tuple[float, ...] = ()
    """Of each kernel the length of its change, as a share of its length before."""
    says: tuple[str, ...] = ()

    @property
    def dead(self) -> tuple[int, ...]:
        return tuple(sorted({*self.tiny, *(self.silent or ())}))

    def arrays(self) -> dict[str, Tensor]:
        more = {} if self.before is None else {"before": self.before}
        return {"kernels": self.kernels, **more}

    def to_json(self) -> dict[str, Any]:
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain = {name: value for name, value in plain.items() if name not in ("kernels", "before")}
        return {**plain, "dead": self.dead, "shape": tuple(self.kernels.shape)}

    def sheet(self) -> Sheet:
        """All kernels in their order, then as they were before, then the most changed; one scale for all."""
        both_ = [self.kernels] if self.before is None else [self.kernels, self.before]
        top = max(float(k.abs().max()) for k in both_) or 1.0
        count, channels, *size = self.kernels.shape
        notes = (
            f"{count} kernels of {channels} x {size[0]} x {size[1]}",
            f"mid grey is 0, the ends are -{top:.3g} and {top:.3g}",
        )
        rows = [Row("the kernels", notes, tuple(self._tiles(self.kernels, range(count), top)))]
        if self.before is not None:
            rows.append(Row("before", (), tuple(self._tiles(self.before, range(count), top))))
            most = sorted(range(count), key=lambda n: -self.changed[n])[:CHANGED]
            pairs = [
                tile for n in most
                for tile in (*self._tiles(self.before, [n], top), *self._tiles(self.kernels, [n], top))
            ]  # fmt: skip
            rows.append(Row("most changed", ("before, and after it",), tuple(pairs)))
        return Sheet(f"Filters of {self.name}", self.says, tuple(rows), side=64)

    def _tiles(self, kernels: Tensor, which: Any, top: float) -> Iterator[Tile]:
        twins = {b: a for a, b, _ in reversed(self.same)}
        for n in which:
            words = f"{n} = {twins[n]}" if n in twins else str(n)
            yield Tile(coloured(kernels[n], top), (words,), "dead" if n in self.dead else "")

    def drawn(self) -> Image.Image:
        return sheet_picture(self.sheet())


def coloured(kernel: Tensor, top: float) -> NDArray[np.uint8]:
    """A kernel `IHW` as a picture: colours where it has three channels, else its planes in grey side by side."""
    level = ((kernel / top).clamp(-1, 1) * 127.5 + 127.5).round().byte().cpu()
    if len(level) == 3:
        return level.permute(1, 2, 0).contiguous().numpy()
    planes = level.numpy()
    line = np.full((planes.shape[1], 1), 255, np.uint8)
    parts = [part for plane in planes for part in (plane, line)][:-1]
    return np.concatenate(parts, axis=1)


def portray(sitting: Sitting, *, before: Subject | None = None) -> Iterator[Filters]:
    """The first convolution's kernels.

    Args:
        before: the same network as it was before training, or at another epoch.

    Raises:
        OptionError: the network has no convolution, or the other's is of another shape.
    """
    place, name, kernels = first_kernels(sitting.subject)
    earlier = None
    if before is not None:
        _, _, earlier = first_kernels(before)
        if earlier.shape != kernels.shape:
            raise OptionError(
                f"The first kernels are {_shape(kernels)}, those of the other network {_shape(earlier)}.",
                "The same network at another time.",
                "Give two checkpoints of one run.",
            )
    found = Filters(name, kernels, earlier)
    yield found
    silent = None
    if sitting.pictures is not None:
        at, rectified = _behind(sitting.subject, place)
        reach, seen = Reach(len(kernels)), 0
        for part in shown(sitting, [at]):
            by_channel = part.values[at].transpose(0, 1).flatten(1)
            reach.add(by_channel.amin(1), by_channel.amax(1))
            seen += len(part.ids)
            yield dataclasses.replace(found, done=min(0.99, seen / sitting.count) if sitting.count else 0.5)
        silent = tuple(n for n in range(len(kernels)) if reach.is_dead(n, rectified))
    same, opposite = alike(kernels)
    found = dataclasses.replace(
        found, done=1.0, tiny=_tiny(kernels), silent=silent, same=same, opposite=opposite,
        changed=() if earlier is None else _changes(kernels, earlier),
    )  # fmt: skip
    yield dataclasses.replace(found, says=_says(found))


def first_kernels(subject: Subject) -> tuple[int, str, Tensor]:
    """The first convolution of the pass: its operation, its weights' name, and these as they are stored.

    Raises:
        OptionError: there is none.
    """
    weights = dict(subject.network.named_parameters())
    for place, operation in enumerate(subject.graph.operations):
        names = sorted(name for name in operation.weights if name in weights and weights[name].dim() == 4)
        if operation.function == "conv2d" and names:
            return place, names[0], weights[names[0]].detach().float().cpu().clone()
    raise OptionError(
        "The network has no convolution.",
        "A convolutional network: its first kernels look at the picture itself.",
        "See its layers with: foveal anatomy MODEL",
    )


def _behind(subject: Subject, place: int) -> tuple[int, bool]:
    """The operation that feeds the activation function behind a convolution, through normalisation, and whether
    that function rectifies."""
    operations = subject.graph.operations
    while True:
        after = [n for n, operation in enumerate(operations) if place in operation.inputs]
        if len(after) != 1:
            return place, False
        name = operations[after[0]].function.rstrip("_")
        if name in SQUASHING:
            return place, origin(subject, after[0], 0).rectified
        if name not in NORMS:
            return place, False
        place = after[0]


def _tiny(kernels: Tensor) -> tuple[int, ...]:
    length = kernels.flatten(1).norm(dim=1)
    return tuple((length <= TINY * length.median()).nonzero().flatten().tolist())


def alike(kernels: Tensor) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Pairs of kernels `OIHW` with a cosine of nearly 1, and of nearly -1; tiny ones are left out."""
    flat = kernels.flatten(1).double()
    least = SAME if flat.shape[1] >= FEW else SAME_FEW
    tiny = set(_tiny(kernels))
    cosine = torch.nn.functional.normalize(flat, dim=1)
    table = cosine @ cosine.T
    same: list[Pair] = []
    opposite: list[Pair] = []
    for a, b in torch.combinations(torch.arange(len(flat))).tolist():
        value = float(table[a, b])
        if abs(value) >= least and not {a, b} & tiny:
            (same if value > 0 else opposite).append((a, b, value))
    return tuple(same), tuple(opposite)


def _changes(kernels: Tensor, before: Tensor) -> tuple[float, ...]:
    change = (kernels - before).flatten(1).norm(dim=1)
    return tuple((change / before.flatten(1).norm(dim=1).clamp(min=1e-12)).tolist())


def _shape(kernels: Tensor) -> str:
    return " x ".join(map(str, kernels.shape))


def _says(found: Filters) -> tuple[str, ...]:
    count = len(found.kernels)
    says = []
    if found.tiny:
        says.append(f"{len(found.tiny)} of {count} kernels are all but 0: {_list(found.tiny)}.")
    if found.silent:
        says.append(f"{len(found.silent)} of {count} are excited by no picture: {_list(found.silent)}.")
    if found.silent is not None and not found.dead:
        says.append("Each kernel is excited by some picture.")
    twins = {b for _, b, _ in found.same}
    if twins:
        pairs = ", ".join(f"{a} and {b}" for a, b, _ in found.same[:6])
        more = f" and {len(found.same) - 6} more pairs" if len(found.same) > 6 else ""
        says.append(f"{len(twins)} of {count} repeat another but for a factor: {pairs}{more}.")
    if found.opposite:
        says.append(f"{len(found.opposite)} pairs are each other's negative.")
    if found.changed:
        still = sum(change < 0.05 for change in found.changed)
        middle = sorted(found.changed)[count // 2]
        says.append(
            f"Training changed the median kernel by {middle:.0%} of its length; {still} changed by less than 5 %."
        )
    return tuple(says) or ("No kernel is all but 0, and none repeats another.",)


def _list(numbers: tuple[int, ...]) -> str:
    more = f" and {len(numbers) - 12} more" if len(numbers) > 12 else ""
    return ", ".join(map(str, numbers[:12])) + more
