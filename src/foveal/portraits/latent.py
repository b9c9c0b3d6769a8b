"""Pictures that are near each other in a layer's features; of an autoencoder also what lies between and around them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..charts.sheet_of_maps import Row, Sheet, sheet_picture
from ..contracts import Sitting
from ..errors import OptionError
from ..structure.taps import untouched
from ._aims import features_layer
from ._shown import like, shown
from ._tiles import tile

SOURCE = (
    "nearest pictures: Hadsell et al. 2006, Dimensionality Reduction by Learning an Invariant Mapping; walks between "
    "and along axes of a latent space: Radford et al. 2016, DCGAN, section 6.1; axes of most variance: Pearson 1901"
)
CANNOT = (
    "What is near here is near to this network, not to a person; and a point between pictures need not stand for any "
    "picture that there could be."
)
ROWS, NEAR = 6, 8
"""Pictures whose nearest are shown, and how many of these."""
AXES, BETWEEN = 4, 3
"""Principal axes that are walked along, and pairs of pictures that are walked between."""
STEPS = (-2.0, -4 / 3, -2 / 3, 0.0, 2 / 3, 4 / 3, 2.0)
"""Places along an axis, in standard deviations of the data from its mean."""
SHARES = tuple(n / 6 for n in range(7))
"""Places between two pictures."""
MOST, LARGEST = 2000, 96
"""Pictures at most, and the side in pixels that they are kept at."""


@dataclass(frozen=True)
class Latent:
    """Nearest pictures by the Euclidean distance of a layer's features `NC`, and pictures made of chosen features."""

    layer: str
    done: float = 0.0
    ids: tuple[str, ...] = ()
    features: Tensor = dataclasses.field(default_factory=lambda: torch.zeros((0, 0)))
    thumbs: tuple[Tensor, ...] = ()
    asked: tuple[int, ...] = ()
    """The pictures, by their place in `ids`, whose nearest were sought."""
    nearest: tuple[tuple[int, ...], ...] = ()
    distances: tuple[tuple[float, ...], ...] = ()
    shares: tuple[float, ...] = ()
    """The shares of the features' variance along the axes that were walked along."""
    walks: Tensor = dataclasses.field(default_factory=lambda: torch.zeros(0))
    """Pictures 0..1 along axes, `axes, steps, CHW`; empty where the network makes no pictures of its features."""
    pairs: tuple[tuple[int, int], ...] = ()
    between: Tensor = dataclasses.field(default_factory=lambda: torch.zeros(0))
    """Pictures 0..1 on the straight way from one of a pair to the other, `pairs, shares, CHW`."""
    says: tuple[str, ...] = ()

    def arrays(self) -> dict[str, Tensor]:
        made = {"features": self.features, "walks": self.walks, "between": self.between}
        return {name: value for name, value in made.items() if value.numel()}

    def to_json(self) -> dict[str, Any]:
        kept = ("layer", "done", "ids", "asked", "nearest", "distances", "shares", "pairs", "says")
        return {name: getattr(self, name) for name in kept}

    def sheet(self) -> Sheet:
        """A picture and its nearest a row; then a walk a row."""
        rows = [self._near(n) for n in range(len(self.asked))]
        for n, walk in enumerate(self.walks):
            words = [("the mean",) if step == 0 else (f"{step:+.1f} sd",) for step in STEPS]
            tiles = tuple(tile(one, said, "made") for one, said in zip(walk, words, strict=True))
            rows.append(Row(f"along axis {n + 1}", (f"{self.shares[n]:.0%} of the variance",), tiles))
        for (one, other), walk in zip(self.pairs, self.between, strict=True):
            made = [tile(step, (f"{share:.0%}",), "made") for step, share in zip(walk, SHARES, strict=True)]
            ends = (tile(self.thumbs[one], ("given",)), tile(self.thumbs[other], ("given",)))
            rows.append(
                Row("from one to another", (self.ids[one], self.ids[other]), (ends[0], *made, ends[1]))
            )
        return Sheet(f"Near each other in {self.layer}", self.says, tuple(rows), side=96, columns=9)

    def _near(self, n: int) -> Row:
        first = self.asked[n]
        tiles = [tile(self.thumbs[first], ("this one",), "made")]
        for place, far in zip(self.nearest[n], self.distances[n], strict=True):
            tiles.append(tile(self.thumbs[place], (f"{far:.3g}",)))
        return Row("nearest to", (self.ids[first],), tuple(tiles))

    def drawn(self) -> Image.Image:
        return sheet_picture(self.sheet())


def portray(
    sitting: Sitting, *, layer: str | None = None, near: int = NEAR, rows: int = ROWS
) -> Iterator[Latent]:
    """Go through the pictures once; a progress every batch.

    Args:
        layer: by name; by default an autoencoder's latent vector, else the last feature map, as means over places.
        near: how many of the nearest of each.
        rows: of how many pictures, evenly taken.

    Raises:
        OptionError: there is no such layer, or fewer than two pictures were given.
    """
    name, place = features_layer(sitting, layer)
    shape = sitting.subject.graph.operations[place].shapes[0]
    if near < 1 or rows < 1 or len(shape) not in (2, 4):
        raise OptionError(
            f"{near} nearest of {rows} pictures, in a layer that gives {' x '.join(map(str, shape[1:]))}.",
            "At least 1 of each, and a layer of maps or of features.",
            "Leave them out for the nearest eight of six pictures.",
        )
    found, every = Latent(name), -(-sitting.count // MOST) if sitting.count else 1
    features: list[Tensor] = []
    thumbs: list[Tensor] = []
    ids: list[str] = []
    seen = 0
    for part in shown(sitting, [place]):
        chosen = [n for n in range(len(part.ids)) if (seen + n) % every == 0][: MOST - len(ids)]
        seen += len(part.ids)
        if chosen:
            at = torch.tensor(chosen)
            values = part.values[place][at].double().cpu()
            features.append(values if values.dim() == 2 else values.mean((2, 3)))
            thumbs += _small(part.pixels[at])
            ids += [part.ids[n] for n in chosen]
        yield dataclasses.replace(found, done=min(0.8, 0.8 * seen / sitting.count) if sitting.count else 0.5)
        if len(ids) >= MOST:
            break
    if len(ids) < 2:
        raise OptionError(
            f"{len(ids)} pictures were given.",
            "Two or more: one is near to nothing.",
            "Give a folder with more pictures.",
        )  # fmt: skip
    found = dataclasses.replace(
        found, ids=tuple(ids), thumbs=tuple(thumbs), features=torch.cat(features).float()
    )
    yield _told(sitting, place, _nearest(found, torch.cat(features), near, rows), torch.cat(features))


def _small(pixels: Tensor) -> list[Tensor]:
    """Pictures uint8 `BCHW` at most `LARGEST` pixels wide and high."""
    share = LARGEST / max(pixels.shape[-2:])
    if share < 1:
        size = [max(1, round(side * share)) for side in pixels.shape[-2:]]
        small = F.interpolate(pixels.float(), size, mode="bilinear", antialias=True)
        pixels = small.round().clamp(0, 255).byte()
    return list(pixels.unbind())


def _spread(count: int, most: int) -> tuple[int, ...]:
    """At most so many places, evenly taken."""
    some = min(count, most)
    return tuple(n * count // some for n in range(some))


def _nearest(found: Latent, features: Tensor, near: int, rows: int) -> Latent:
    asked = _spread(len(features), rows)
    apart = torch.cdist(features[list(asked)], features)
    for n, place in enumerate(asked):
        apart[n, place] = torch.inf
    best = apart.topk(min(near, len(features) - 1), largest=False)
    return dataclasses.replace(
        found,
        asked=asked,
        nearest=tuple(tuple(row) for row in best.indices.tolist()),
        distances=tuple(tuple(row) for row in best.values.tolist()),
    )


def _told(sitting: Sitting, place: int, found: Latent, features: Tensor) -> Latent:
    """With the walks, where the network makes pictures of these features, and with words."""
    maker = _maker(sitting, place)
    if maker is not None:
        mean = features.mean(0)
        _, sizes, axes = torch.linalg.svd(features - mean, full_matrices=False)
        count = min(AXES, len(sizes))
        spread = sizes[:count] / max(1, len(features) - 1) ** 0.5
        total = float(sizes.square().sum()) or 1.0
        steps = torch.tensor(STEPS, dtype=features.dtype)
        along = mean + steps[None, :, None] * (spread[:, None] * axes[:count])[:, None]
        ends = _spread(len(features), 2 * BETWEEN)
        pairs = tuple(zip(ends[::2], ends[1::2], strict=False))
        shares = torch.tensor(SHARES, dtype=features.dtype)[None, :, None]
        first, last = (features[[pair[k] for pair in pairs]][:, None] for k in (0, 1))
        found = dataclasses.replace(
            found,
            shares=tuple(float(size) ** 2 / total for size in sizes[:count]),
            walks=_made(sitting, maker, along),
            pairs=pairs,
            between=_made(sitting, maker, first + shares * (last - first)),
        )
    return dataclasses.replace(found, done=1.0, says=_says(found, features))


def _maker(sitting: Sitting, place: int) -> nn.Module | None:
    """The part of the network that makes pictures of what this operation gives: an autoencoder's decoder, where the
    operation is what its encoder ends with."""
    network: Any = sitting.subject.network
    if sitting.pictured is None or not {"encoder", "decoder"} <= {
        name for name, _ in network.named_children()
    }:
        return None
    maker: nn.Module = network.decoder
    return maker if sitting.subject.names.get("encoder") == place else None


def _made(sitting: Sitting, maker: nn.Module, points: Tensor) -> Tensor:
    """Pictures 0..1 of points `..., C` of the latent space, `..., CHW`, on the CPU."""
    assert sitting.pictured is not None
    with untouched(sitting.subject.network), torch.no_grad():
        made = sitting.pictured(maker(points.flatten(0, 1).to(like(sitting))).float())
    return made.clamp(0, 1).cpu().reshape(*points.shape[:2], *made.shape[1:])


def _says(found: Latent, features: Tensor) -> tuple[str, ...]:
    """How much nearer the nearest are than any: what a space that keeps alike pictures together has."""
    says = [f"{len(found.ids)} pictures, {features.shape[1]} numbers each."]
    some = features[list(_spread(len(features), 500))]
    apart = torch.pdist(some)
    usual = float(apart.median()) if len(apart) else 0.0
    if usual:
        first = sorted(row[0] for row in found.distances)
        nearest = first[len(first) // 2] / usual
        says.append(
            f"The nearest picture is {nearest:.0%} as far away as two pictures drawn at random (medians)."
        )
    if found.walks.numel():
        most = sum(found.shares)
        says.append(
            f"The network's decoder was given points on the {len(found.shares)} axes that hold {most:.0%} of the "
            "variance, and on straight lines between pictures; what it makes of them is framed."
        )
    else:
        says.append(
            "This network makes no pictures of its features, so that none can be made of points between."
        )
    return tuple(says)
