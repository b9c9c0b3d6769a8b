"""The data in a layer's feature space, as a flat map: pictures that the layer finds alike lie near each other."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..charts.cloud import Cloud, cloud_figure, cloud_picture
from ..contracts import Sitting
from ..errors import OptionError
from ._aims import features_layer
from ._shown import Shown, shown
from ._tiles import tile

SOURCE = (
    "van der Maaten & Hinton 2008, Visualizing Data using t-SNE; McInnes et al. 2018, UMAP; Venna & Kaski 2001, "
    "Neighborhood Preservation in Nonlinear Projection Methods (trustworthiness)"
)
CANNOT = (
    "A flat map cannot keep all distances: those between far groups, and the groups' sizes, mean little in t-SNE and "
    "UMAP."
)
Method = Literal["pca", "tsne", "umap"]
METHODS: tuple[Method, ...] = ("pca", "tsne", "umap")
MOST = 2000
FIRST = 50
"""Principal components that t-SNE and UMAP begin with."""
THUMB = 40
NEIGHBOURS = 10


@dataclass(frozen=True)
class Space:
    """Where each picture lies, `N2`, in a map of a layer's features (means over places) `NC`."""

    layer: str
    method: str
    done: float = 0.0
    points: Tensor = dataclasses.field(default_factory=lambda: torch.zeros((0, 2)))
    features: Tensor = dataclasses.field(default_factory=lambda: torch.zeros((0, 0)))
    ids: tuple[str, ...] = ()
    thumbs: tuple[Tensor, ...] = ()
    kinds: tuple[str, ...] = ()
    explained: tuple[float, ...] = ()
    """The shares of the features' variance along the first principal axes, at most `FIRST`."""
    trust: float | None = None
    """How far neighbours on the map are neighbours in the features, 0 to 1 (trustworthiness); None of too few."""
    pure: float | None = None
    """The share of pictures whose nearest neighbour in the features is of their kind."""
    says: tuple[str, ...] = ()

    def arrays(self) -> dict[str, Tensor]:
        return {"points": self.points, "features": self.features}

    def to_json(self) -> dict[str, Any]:
        kept = ("layer", "method", "done", "ids", "kinds", "explained", "trust", "pure", "says")
        return {**{name: getattr(self, name) for name in kept}, "points": self.points.tolist()}

    def cloud(self) -> Cloud:
        thumbs = tuple(_colour(picture) for picture in self.thumbs)
        title = f"The pictures in the features of {self.layer} ({self.method})"
        return Cloud(title, self.says, self.points.double().numpy(), thumbs, self.ids, self.kinds)

    def drawn(self) -> Image.Image:
        return cloud_picture(self.cloud())

    def figure(self) -> dict[str, Any]:
        """For `plotly.graph_objects.Figure`."""
        return cloud_figure(self.cloud())


def _colour(picture: Tensor) -> Any:
    pixels = tile(picture).pixels
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)


def portray(
    sitting: Sitting,
    *,
    layer: str | None = None,
    method: Method = "pca",
    kinds: Mapping[str, str] | None = None,
    most: int = MOST,
) -> Iterator[Space]:
    """The map; a progress every batch.

    Args:
        layer: by name; by default an autoencoder's latent vector, else the last feature map, as its means over places.
        method: `pca` keeps far distances best, `tsne` near ones; `umap` needs the package umap-learn.
        kinds: what each picture is, by its id; they are told apart by colours.
        most: pictures at most; of more, every second, third, ... where their number is known, else the first.

    Raises:
        OptionError: there is no such layer or method; fewer than three pictures were given.
    """
    name, place = features_layer(sitting, layer)
    shape = sitting.subject.graph.operations[place].shapes[0]
    if method not in METHODS or most < 3 or len(shape) not in (2, 4):
        raise OptionError(
            f"method {method!r}, {most} pictures, a layer that gives {' x '.join(map(str, shape[1:]))}.",
            f"A method of {', '.join(METHODS)}, three pictures or more, a layer of maps or features.",
            "Leave them out for the principal components of the last feature map.",
        )
    found = Space(name, method)
    every = -(-sitting.count // most) if sitting.count else 1
    gathered = _Gathered(place, every, most)
    for part in shown(sitting, [place]):
        gathered.add(part)
        share = gathered.seen / sitting.count if sitting.count else 0.5
        yield dataclasses.replace(found, done=min(0.9, 0.9 * share))
        if len(gathered.ids) >= most:
            break
    if len(gathered.ids) < 3:
        raise OptionError(
            f"{len(gathered.ids)} pictures were given.", "Three or more: a map of fewer says nothing.",
            "Give a folder with more pictures.",
        )  # fmt: skip
    yield _mapped(found, gathered, kinds or {}, sitting.seed)


class _Gathered:
    """Features, thumbnails and ids so far."""

    def __init__(self, place: int, every: int, most: int) -> None:
        self.place, self.every, self.most = place, every, most
        self.features: list[Tensor] = []
        self.thumbs: list[Tensor] = []
        self.ids: list[str] = []
        self.seen = 0

    def add(self, part: Shown) -> None:
        chosen = [n for n in range(len(part.ids)) if (self.seen + n) % self.every == 0]
        chosen = chosen[: self.most - len(self.ids)]
        self.seen += len(part.ids)
        if not chosen:
            return
        values = part.values[self.place][torch.tensor(chosen)].double().cpu()
        self.features.append(values if values.dim() == 2 else values.mean((2, 3)))
        small = F.interpolate(
            part.pixels[torch.tensor(chosen)].float(), (THUMB, THUMB), mode="bilinear", antialias=True
        )
        self.thumbs += small.round().clamp(0, 255).byte().unbind()
        self.ids += [part.ids[n] for n in chosen]


def _mapped(found: Space, gathered: _Gathered, kinds: Mapping[str, str], seed: int) -> Space:
    features = torch.cat(gathered.features)
    scores, shares = principal(features, FIRST)
    points = scores[:, :2]
    if found.method != "pca":
        points = _tsne(scores, seed) if found.method == "tsne" else _umap(scores, seed)
    if points.shape[1] < 2:  # features of one number
        points = F.pad(points, (0, 2 - points.shape[1]))
    named = tuple(kinds.get(id, "?") for id in gathered.ids) if kinds else ()
    found = dataclasses.replace(
        found, done=1.0, points=points, features=features.float(), ids=tuple(gathered.ids),
        thumbs=tuple(gathered.thumbs), kinds=named, explained=tuple(shares.tolist()),
        trust=trustworthy(features, points), pure=_purity(features, named),
    )  # fmt: skip
    return dataclasses.replace(found, says=_says(found, gathered))


def principal(features: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The scores of rows `NC` along their first principal axes, and the axes' shares of the variance. An axis
    points to where its largest loading is positive."""
    centred = features - features.mean(0)
    left, sizes, axes = torch.linalg.svd(centred, full_matrices=False)
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))[:, 0]
    signs = torch.where(largest < 0, -1.0, 1.0).to(sizes)
    total = float(sizes.square().sum())
    shares = sizes.square() / total if total else torch.zeros_like(sizes)
    return (left * sizes * signs)[:, :most], shares[:most]


def _tsne(scores: Tensor, seed: int) -> Tensor:
    with _undrawn():
        from sklearn.manifold import TSNE

        near = min(30.0, (len(scores) - 1) / 3)
        first = "random" if scores.shape[1] < 2 else "pca"
        flat = TSNE(2, perplexity=near, init=first, random_state=seed).fit_transform(scores.numpy())
    return torch.from_numpy(flat.astype(np.float64))


def _umap(scores: Tensor, seed: int) -> Tensor:
    try:
        with _undrawn():
            import umap  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise OptionError(
            "The method umap needs the package umap-learn, which is not installed.",
            f"Here: {METHODS[0]}, {METHODS[1]}.",
            "Choose tsne, or: pip install umap-learn",
        ) from None
    with _undrawn():
        near = min(15, len(scores) - 1)
        flat = umap.UMAP(random_state=seed, n_neighbors=near, n_jobs=1).fit_transform(scores.numpy())
    return torch.from_numpy(np.asarray(flat, dtype=np.float64))


@contextmanager
def _undrawn() -> Iterator[None]:
    """Random states of Python and NumPy are afterwards as before: libraries draw while they are imported."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def trustworthy(features: Tensor, points: Tensor) -> float | None:
    """Venna & Kaski's trustworthiness of a map, for ten neighbours; None of fewer than 5 pictures."""
    near = min(NEIGHBOURS, (len(points) - 1) // 2)
    if near < 2:
        return None
    with _undrawn():
        from sklearn.manifold import trustworthiness
    return float(trustworthiness(features.numpy(), points.numpy(), n_neighbors=near))


def _purity(features: Tensor, kinds: tuple[str, ...]) -> float | None:
    if len(set(kinds)) < 2:
        return None
    nearest: list[int] = torch.cdist(features, features).fill_diagonal_(torch.inf).argmin(1).tolist()
    return sum(kinds[n] == kinds[m] for n, m in enumerate(nearest)) / len(kinds)


def _says(found: Space, gathered: _Gathered) -> tuple[str, ...]:
    count, first = len(found.ids), sum(found.explained[:2])
    says = [f"{count} pictures" + (f" of {gathered.seen}" if gathered.seen > count else "") + "."]
    if found.method == "pca":
        says.append(f"The two axes hold {first:.0%} of the features' variance.")
    if found.trust is not None:
        says.append(f"Neighbours on the map are neighbours in the features to {found.trust:.2f} (1: all).")
    if found.pure is not None:
        kinds = torch.tensor([found.kinds.count(kind) for kind in set(found.kinds)]) / count
        says.append(
            f"{found.pure:.0%} of the pictures have a nearest neighbour of their own kind, "
            f"{float(kinds.square().sum()):.0%} would by chance."
        )
    return tuple(says)
