"""A loader that begins anew for each batch: every one is the first."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import staging
from foveal.data.batches import Batches
from foveal.doctor.case import Case
from patients import posed

batches = staging.batches


class Stuck(Batches):
    """The same pictures in every batch and epoch."""

    def order(self, epoch: int) -> list[list[int]]:
        return [list(range(self.size))] * len(self)


def stuck(*given: Any) -> Batches:
    made = batches(*given)
    return (
        Stuck(
            **{
                name: getattr(made, name)
                for name in ("root", "items", "task", "view", "preprocessing", "size", "shuffle")
            }
        )
        if made.shuffle
        else made
    )


def staged() -> Case:
    with patch.object(staging, "batches", stuck):
        return posed("shown", epochs=6, at=Path(tempfile.mkdtemp(prefix="staged-")))
