"""A split of the data as a plan's network sees it: the same for a run and for what tries a plan out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from .. import catalog
from ..contracts import Task
from ..data.batches import Batches
from ..data.cache import Kept
from ..data.together import Together
from ..machine.shares import WHOLE, Share
from ..options import FitOptions, TrainOptions
from ..values import Dataset, Item, Preprocessing, labels_of
from .view import training_among, training_view

JUDGED_TOGETHER = 64
"""Pictures judged together at least: without gradients there is room."""


def batches(
    dataset: Dataset,
    part: str,
    task: Task,
    preprocessing: Preprocessing,
    options: TrainOptions,
    fit: FitOptions,
    *,
    scratch: bool,
    augment: bool = False,
    kept: Kept | None = None,
    share: Share = WHOLE,
) -> Batches:
    """The pictures of `part`; with `augment` shuffled and varied as the options say, for training. `kept`: what
    `plan.keeping` keeps of the part; `share`: what of them one of several processes makes."""
    items = dataset.part(part)
    same = _same(dataset, preprocessing, options)
    as_kept = kept is not None and (part != "train" or (same and preprocessing.crop == 1 and not augment))
    view = None if as_kept else task.view(preprocessing)
    whole = whole_batches(dataset, preprocessing, options, fit.seed) if augment else None
    if augment and dataset.facts is not None and whole is None:
        view = training_view(preprocessing, dataset.facts, options, scratch=scratch)
    return Batches(
        dataset.root,
        items,
        task,
        view,
        preprocessing,
        fit.batch if augment else 1 if task.own_sizes else max(fit.batch, JUDGED_TOGETHER),
        seed=fit.seed,
        shuffle=augment,
        varied=augment,
        draw=chances(items) if augment and options.balance == "sampling" else (),
        workers=options.workers or 0,
        pin=fit.device.startswith("cuda"),
        kept=kept,
        together=whole,
        among=training_among(preprocessing, options) if augment else None,
        device=fit.device,
        share=replace(share, neighbour=share.of > 1 and augment and bool(fit.mixup or fit.cutmix)),
    )


def whole_batches(
    dataset: Dataset, preprocessing: Preprocessing, options: TrainOptions, seed: int
) -> Together | None:
    """The augmentation for whole batches, where its family has one and every picture has the size already."""
    family = catalog.find("augmentations", options.augment or "none")
    if not _same(dataset, preprocessing, options) or not hasattr(family, "together"):
        return None
    made: Together = family.together(preprocessing, flip=bool(options.flip), seed=seed)
    return made


def _same(dataset: Dataset, preprocessing: Preprocessing, options: TrainOptions) -> bool:
    """Whether every picture has the size already at which the network sees it."""
    facts, size = dataset.facts, preprocessing.size
    return (
        facts is not None and facts.min_side == facts.max_side == size and options.train_size in (None, size)
    )


def chances(items: Sequence[Item]) -> tuple[float, ...]:
    """The chance of each picture, so that every class is drawn as often (Buda et al. 2018, oversampling);
    a picture with several labels counts as its rarest."""
    borne = [labels_of(item.truth) for item in items]
    often = Counter(label for labels in borne for label in labels)
    return tuple(1 / min((often[label] for label in labels), default=len(items)) for labels in borne)
