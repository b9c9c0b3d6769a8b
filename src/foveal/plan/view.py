"""How training pictures are seen: the one place where the augmentation options become a view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .. import catalog
from ..contracts import Pair, View
from ..options import TrainOptions
from ..values import Facts, Preprocessing

MAGNITUDE = 9
"""RandAugment's usual strength for ImageNet (Cubuk et al. 2020, section 4.3)."""


def training_view(
    preprocessing: Preprocessing, facts: Facts, options: TrainOptions, *, scratch: bool
) -> View:
    """The view of the options' augmentation (none where it is open), at --train-size where that is given."""
    own = replace(preprocessing, size=options.train_size or preprocessing.size)
    strength = MAGNITUDE if options.magnitude is None else options.magnitude
    view: View = catalog.find("augmentations", options.augment or "none").build(
        own, facts, flip=bool(options.flip), scratch=scratch, magnitude=strength
    )
    return view


def training_among(
    preprocessing: Preprocessing, options: TrainOptions
) -> Callable[[list[Pair]], list[Pair]] | None:
    """What varies the viewed pictures of a batch by each other, where the options' augmentation does."""
    family = catalog.find("augmentations", options.augment or "none")
    own = replace(preprocessing, size=options.train_size or preprocessing.size)
    return family.among(own) if hasattr(family, "among") else None
