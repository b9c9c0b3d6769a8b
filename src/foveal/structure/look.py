"""A batch of pictures, looked at to explain what a network says of them; passes that several methods need are
made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from ..errors import OptionError
from ..values import Preprocessing, Target
from .subject import Subject
from .taps import Pass, Rule, passed

Scorer: TypeAlias = Callable[[Any, Sequence[Target]], Tensor]
"""A task's `score`: the network's outputs and a target for each picture -> `B`, in logits."""
MOST = 16
"""Pictures at once where many varied ones are scored."""


@dataclass(frozen=True)
class Seen:
    """A layer's maps `BCHW` for a batch, and how much each of their values matters to the score: its gradient."""

    values: Tensor
    gradients: Tensor


@dataclass
class Look:
    """`images` `BCHW` as the network takes them (normalised), a target for each, and what methods ask of both.

    Use it inside `taps.untouched`. `place` is the operation whose maps layer methods take. `seed` is that of all
    that is drawn: the same for each picture, so that a batch gives what its pictures give one by one.
    """

    subject: Subject
    images: Tensor
    targets: Sequence[Target]
    scorer: Scorer
    preprocessing: Preprocessing
    place: int | None = None
    seed: int = 0
    passes: int = 0
    """Pictures that were passed through the network so far."""
    _seen: dict[int, Seen] = field(default_factory=dict)
    _slopes: dict[Rule | None, tuple[Tensor, int]] = field(default_factory=dict)
    _scores: Tensor | None = None
    _outputs: Any = None

    def __post_init__(self) -> None:
        units = {(target.layer, target.channel, target.cell) for target in self.targets if target.layer}
        if len(self.targets) != len(self.images) or len(units) > 1 or (units and not self._unit_only()):
            raise ValueError("one target a picture, and units all the same")

    @classmethod
    def at_own(
        cls, subject: Subject, images: Tensor, say: Callable[[Any], Sequence[Target]], scorer: Scorer,
        preprocessing: Preprocessing, place: int | None = None, seed: int = 0, *, maps: bool = True,
    ) -> Look:  # fmt: skip
        """A look at what the network itself says of each picture: `say` makes targets of its outputs. With `maps` the
        layer's maps and gradients come from the same pass."""
        layer = (subject.last_map if place is None else place) if maps else None
        places = [] if layer is None else [layer]
        with torch.set_grad_enabled(maps):
            seen = passed(
                subject.network, images.detach().clone().requires_grad_(maps), subject.graph, places
            )
        look = cls(subject, images, say(seen.outputs), scorer, preprocessing, place, seed)
        look._note(seen)
        if layer is not None:
            look._seen[layer] = look._taken(seen, layer)
        return look

    def _unit_only(self) -> bool:
        return all(target.layer for target in self.targets)

    @property
    def device(self) -> torch.device:
        return self.images.device

    def generator(self) -> torch.Generator:
        """A new source of random numbers, always the same ones; on the CPU, as devices draw differently."""
        return torch.Generator().manual_seed(self.seed)

    # what is explained

    @property
    def scores(self) -> Tensor:
        """The score `B` of each picture as it is."""
        if self._scores is None:
            self._scores = self.score(self.images)
        return self._scores

    def score(self, images: Tensor, which: Sequence[int] | None = None) -> Tensor:
        """The scores `N` of other pictures `NCHW`, normalised, without gradients; `which` tells for each the
        picture of this batch whose target it is judged by (None: one each, in order)."""
        targets = list(self.targets) if which is None else [self.targets[n] for n in which]
        found = []
        with torch.no_grad():
            for start in range(0, len(images), MOST):
                chunk = images[start : start + MOST]
                found.append(self._score(self._pass(chunk), targets[start : start + MOST]).detach())
        return torch.cat(found)

    def _pass(self, images: Tensor, places: Sequence[int] = (), rule: Rule | None = None) -> Pass:
        unit = self.unit
        self.passes += len(images)
        kept = {*places, *(() if unit is None else (unit,))}
        return passed(self.subject.network, images, self.subject.graph, kept, rule=rule, whole=unit is None)

    @property
    def unit(self) -> int | None:
        """The operation whose unit is the target, where it is one."""
        layer = self.targets[0].layer if self.targets else ""
        return self.subject.place_of(layer, maps=False) if layer else None

    def _score(self, seen: Pass, targets: Sequence[Target]) -> Tensor:
        unit = self.unit
        if unit is None:
            return self.scorer(seen.outputs, targets)
        return _of_unit(seen.values[unit], targets[0])

    def _note(self, seen: Pass) -> None:
        """Keep what a pass of these pictures has said."""
        self._scores = self._score(seen, self.targets).detach()
        if isinstance(seen.outputs, Tensor):
            self._outputs = seen.outputs.detach()

    def _gradients(
        self, seen: Pass, inputs: Sequence[Tensor | GradientEdge], shapes: Sequence[Tensor]
    ) -> list[Tensor]:
        """The gradients of all scores by `inputs`; zeros where a score does not depend on one."""
        unit = self.unit
        if unit is None:
            said: Sequence[Tensor | GradientEdge] = [self._score(seen, self.targets).sum()]
            by = None
        elif unit not in seen.edges:
            return [torch.zeros_like(like) for like in shapes]
        else:
            values = seen.values[unit].clone().requires_grad_()
            by = list(torch.autograd.grad(_of_unit(values, self.targets[0]).sum(), [values]))
            said = [seen.edges[unit]]
        if isinstance(said[0], Tensor) and not said[0].requires_grad:
            return [torch.zeros_like(like) for like in shapes]
        found = torch.autograd.grad(said, inputs, grad_outputs=by, allow_unused=True)  # type: ignore[arg-type]
        return [torch.zeros_like(like) if g is None else g for g, like in zip(found, shapes, strict=True)]

    # what methods are made of

    @property
    def layer(self) -> int:
        """The operation whose maps are drawn: the one asked for, else the last map before the head, or of what
        the unit to be explained is computed from (its own, where it is a unit of a map).

        Raises:
            OptionError: the network has no feature maps that lie on the picture.
        """
        place = self.place
        if place is None:
            subject = self.subject
            place = subject.last_map if self.unit is None else subject.last_map_of([self.unit])
        if place is None:
            raise OptionError(
                "The network has no layer whose units lie on the picture: what it computes mixes all places.",
                "Class activation maps need feature maps, as convolutional networks have.",
                "Use a method of pixels: integrated_gradients, occlusion or rise.",
            )
        return place

    def at(self, place: int) -> Seen:
        """A layer's maps and their gradients, made once."""
        if place not in self._seen:
            if self.unit is not None and place not in self.subject.before([self.unit]):
                raise OptionError(
                    "The layer lies behind the unit that is to be explained, or beside it.",
                    "A layer that the unit is computed from.",
                    "Choose an earlier layer, or none: then the last one is taken that the unit is computed from.",
                )
            images = self.images.detach().clone().requires_grad_()  # frozen weights ask for no gradient
            seen = self._pass(images, [place])
            self._note(seen)
            self._seen[place] = self._taken(seen, place)
        return self._seen[place]

    def _taken(self, seen: Pass, place: int) -> Seen:
        value = seen.values[place]
        edges = [seen.edges[place]] if place in seen.edges else []
        gradients = self._gradients(seen, edges, [value]) if edges else [torch.zeros_like(value)]
        return Seen(value, gradients[0].detach())

    def by_outputs(self) -> tuple[Tensor, Tensor]:
        """The network's outputs `BC`, and how much each of them counts in the score: its gradient by them.

        Raises:
            ValueError: the score is that of a unit.
        """
        if self.unit is not None:
            raise ValueError("a unit's score is not made of the network's outputs")
        if self._outputs is None:
            with torch.no_grad():
                self._note(self._pass(self.images))
        outputs: Tensor = self._outputs
        leaf = outputs.clone().requires_grad_()
        (found,) = torch.autograd.grad(self._score(Pass(leaf), self.targets).sum(), [leaf])
        return outputs, found

    def gradient(
        self, images: Tensor | None = None, rule: Rule | None = None, which: Sequence[int] | None = None
    ) -> tuple[Tensor, int]:
        """The gradient of each score by the pixels `NCHW`, in logits for a step from 0 to 255 of one channel of
        one pixel, and how many rectifiers followed `rule`. `images` and `which` as for `score`; of the look's own
        pictures it is made once for each rule."""
        if images is None and which is None:
            if rule not in self._slopes:
                self._slopes[rule] = self._slope(self, self.images, rule)
            return self._slopes[rule]
        look = self if which is None else self._others(which)
        found = self._slope(look, self.images if images is None else images, rule)
        self.passes += 0 if look is self else look.passes
        return found

    def _slope(self, look: Look, pictures: Tensor, rule: Rule | None) -> tuple[Tensor, int]:
        pixels = pictures.detach().clone().requires_grad_()
        seen = look._pass(pixels, rule=rule)
        (found,) = look._gradients(seen, [pixels], [pixels])
        if look is self and pictures is self.images:
            self._note(seen)
        return found.detach() / self._row(self.preprocessing.std), seen.rectifiers

    def _others(self, which: Sequence[int]) -> Look:
        """A look at pictures that are judged by these pictures' targets."""
        chosen = torch.tensor(list(which), device=self.device)
        targets = [self.targets[n] for n in which]
        return Look(self.subject, self.images[chosen], targets, self.scorer, self.preprocessing)

    # pixels

    def pixels(self, images: Tensor | None = None) -> Tensor:
        """Pictures as values from 0 to 1, of normalised ones."""
        given = self.images if images is None else images
        return given * self._row(self.preprocessing.std) + self._row(self.preprocessing.mean)

    def normalised(self, pixels: Tensor) -> Tensor:
        """Values from 0 to 1 as the network takes them."""
        return (pixels - self._row(self.preprocessing.mean)) / self._row(self.preprocessing.std)

    def _row(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=self.images.dtype, device=self.device).view(1, -1, 1, 1)


def _of_unit(values: Tensor, target: Target) -> Tensor:
    """A channel's mean over its places, or its value at a cell, `B`, of maps `BCHW` or features `BC`."""
    if values.dim() not in (2, 4):
        raise OptionError(
            f"The layer {target.layer} gives tensors of {values.dim()} dimensions.",
            "A unit of a layer that gives maps of channels, height and width, or one row of features.",
            "Choose another layer; see them with: foveal anatomy MODEL",
        )
    channel = 0 if target.channel is None else target.channel
    inside = 0 <= channel < values.shape[1]
    if target.cell is not None and values.dim() == 4:
        inside = inside and all(0 <= c < n for c, n in zip(target.cell, values.shape[2:], strict=True))
    if not inside or (target.cell is not None and values.dim() == 2):
        raise OptionError(
            f"The layer {target.layer} has no unit {target.unit}.",
            f"Its output is {' x '.join(map(str, values.shape[1:]))}; counting begins at 0.",
            "Give a channel (and a row and a column) inside of that.",
        )
    maps = values[:, channel]
    if values.dim() == 2:
        return maps
    return maps.mean((1, 2)) if target.cell is None else maps[:, target.cell[0], target.cell[1]]
