"""Features of pictures by the bundled backbone, and probabilities that were made without the picture's own label."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ... import catalog
from ...data.decoding import open_image
from ...data.views import evaluation_view, normalise, to_uint8
from ...loop.frozen import up_to
from ...values import Dataset, Item

SOURCE = "Kornblith et al. 2019: a linear head on ImageNet features; out of sample by 5 folds, as Northcutt et al. 2021"
BACKBONE = "efficientnet_lite0"
FOLDS = 5
SMALL, SIDES = 96, (160, 224)
"""Pictures up to this side are looked at in 160 pixels, larger ones in 224."""
BATCH = 32
DECAYS = (0.003, 0.03, 0.1, 0.3)
"""Weights of the L2 penalty that are tried."""
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """A row of unit variance a picture `ND`, and the pictures that they are of, in order."""

    items: tuple[Item, ...]
    rows: Array


def features(
    dataset: Dataset,
    items: Sequence[Item],
    seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Features:
    """What the bundled backbone makes of pictures. Where `seconds` would not do for all, of the first ones: give
    them in an order drawn by chance."""
    family = catalog.find("architectures", BACKBONE)
    published = family.weights(BACKBONE, None)
    facts = dataset.facts
    small = facts is not None and max(facts.width, facts.height) <= SMALL
    size = SIDES[0] if small else SIDES[1]
    network = family.build(BACKBONE, outputs=1000, channels=3, size=size)
    network.load_state_dict(published.state(), strict=False)
    network.eval()
    preprocessing = replace(published.preprocessing, size=size, crop=1.0)
    view = evaluation_view(preprocessing)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device)

    def picture(item: Item) -> torch.Tensor:
        image, _ = view(open_image(dataset.root, item, 3, size), None)
        return to_uint8(image)

    began, made, done = time.monotonic(), [], 0
    with ThreadPoolExecutor() as pool, torch.inference_mode():
        for start in range(0, len(items), BATCH):
            raw = torch.stack(list(pool.map(picture, items[start : start + BATCH]))).to(device)
            entering, _ = up_to(network, family.head(BACKBONE), normalise(raw, preprocessing))
            made.append(entering.float().cpu().numpy())
            done += len(raw)
            if progress is not None:
                progress(done, len(items))
            if seconds is not None and time.monotonic() - began > seconds:
                break
    rows = np.concatenate(made)
    return Features(tuple(items[:done]), scaled(rows))


def scaled(rows: NDArray[np.floating]) -> Array:
    """Columns without mean, of unit spread."""
    spread = rows.std(0)
    return np.asarray((rows - rows.mean(0)) / np.where(spread > 1e-6, spread, 1), np.float32)


def out_of_sample(
    rows: Array,
    labels: NDArray[np.int64],
    classes: int,
    groups: NDArray[np.int64] | None = None,
    trusted: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Probabilities `NC` of each picture by a linear head that did not see it, nor any of its group (its twins), and
    that learned from `trusted` labels alone."""
    folds = fold_of(labels, groups, seed)
    made = np.zeros((len(labels), classes))
    data, truth = torch.from_numpy(np.ascontiguousarray(rows)), torch.from_numpy(labels)
    decay: float | None = None
    for fold in range(FOLDS):
        held = torch.from_numpy(folds == fold)
        sound = torch.ones_like(held) if trusted is None else torch.from_numpy(trusted)
        seen, asked = ~held & sound, held & sound
        if not asked.any() or not seen.any():
            continue
        found = None
        for one in DECAYS if decay is None else (decay,):
            logits = _head(data[seen], truth[seen], classes, one)(data[held])
            loss = float(F.cross_entropy(logits[sound[held]], truth[asked]))
            if found is None or loss < found[0]:
                found = (loss, one, logits)
        assert found is not None
        decay = found[1]  # the first fold chooses for all
        made[folds == fold] = found[2].softmax(1).double().numpy()
    return made


def fold_of(labels: NDArray[np.int64], groups: NDArray[np.int64] | None, seed: int) -> NDArray[np.int64]:
    """A fold a picture, as many of each label in each; groups stay together."""
    draws = np.random.default_rng(seed)
    folds = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        rows = draws.permutation(np.flatnonzero(labels == label))
        folds[rows] = (np.arange(len(rows)) + draws.integers(FOLDS)) % FOLDS
    if groups is not None:
        _, first, back = np.unique(groups, return_index=True, return_inverse=True)
        folds = folds[first][back]
    return folds


def _head(
    rows: torch.Tensor, labels: torch.Tensor, classes: int, decay: float
) -> Callable[[torch.Tensor], torch.Tensor]:
    """A linear head by L-BFGS, with L2 on its weights."""
    weight = torch.zeros(classes, rows.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    descent = torch.optim.LBFGS(
        [weight, bias], max_iter=50, tolerance_change=1e-6, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        descent.zero_grad()
        loss = F.cross_entropy(rows @ weight.T + bias, labels) + 0.5 * decay * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        descent.step(closure)  # type: ignore[no-untyped-call]
    return lambda more: (more @ weight.T + bias).detach()
