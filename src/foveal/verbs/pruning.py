"""foveal anatomy MODEL --prune: how good a trained model is without some of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..loop.evaluation import evaluate
from ..options import ReadOptions
from ..plan.published import model_of
from ..structure.graph import trace
from ..structure.prune import METHODS, SHARES, share_gone
from ..values import Score
from .evaluate import pictures_for

BATCH = 64


@dataclass(frozen=True)
class Pruned:
    """A model without `share` of its weights (method `magnitude`: the smallest) or of each layer's filters
    (`channel`): the share of all parameters that it could do without, and how good it is, untrained since."""

    method: str
    share: float
    gone: float
    headline: Score


def pruned(
    model: str | Path, data: str | Path | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[Pruned, ...]:
    """Judge a model, pruned by both methods to several shares, on its own data or on other.

    Raises:
        FovealError: the model or the data cannot be used.
    """
    loaded = model_of(model)
    part, batches, _ = pictures_for(loaded, model, data, None, BATCH, ReadOptions())
    pre = loaded.preprocessing
    shape = (pre.channels, pre.size, pre.size)
    graph = trace(loaded.network, (1, *shape))
    found = []
    for method, prune in METHODS.items():
        for share in SHARES:
            less = prune(loaded.network, graph, share)
            judged = evaluate(less, loaded.task, batches, part)
            found.append(Pruned(method, share, share_gone(less, shape), judged.headline))
            if progress is not None:
                progress(len(found), len(METHODS) * len(SHARES))
    return tuple(found)
