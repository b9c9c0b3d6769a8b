"""Tasks posed for the contract tests: each with eight pictures, their truths, and a network small enough to learn
them by heart. A task whose truth lies on the picture has a module NAME.py here with `posed()`; the others share
`labelled`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import nn

import small
from foveal import catalog
from foveal.contracts import Task
from foveal.values import Batch, Dataset, Item, Preprocessing


@dataclass(frozen=True)
class Posed:
    """A task, its eight pictures as a batch that a network takes, and the network, freshly drawn each time."""

    task: Task
    batch: Batch
    network: Callable[[], nn.Module]
    steps: int = 300
    """Steps of Adam in which it learns the eight by heart, at `rate`: the loss is below `ends` then."""
    rate: float = 0.03
    ends: float = 0.05
    good: float = 0.9
    """The headline it then has at least; where lower is better, at most this share of what it was before."""


def module_of(name: str) -> ModuleType:
    return catalog.find("tasks", name)


def posed(name: str) -> Posed:
    """The task of this name with its module's own eight truths."""
    if importlib.util.find_spec(f"posed.{name}") is not None:
        made: Posed = importlib.import_module(f"posed.{name}").posed()
        return made
    return labelled(name)


def stage(name: str, pictures: list[Image.Image], pre: Preprocessing, **told: object) -> tuple[Task, Batch]:
    """The task of a data set with the module's own eight truths for these pictures, and they as one batch, their
    values 0 to 1."""
    module = module_of(name)
    assert len(module.SAMPLE) == len(pictures) == 8
    labels = {t for truth in module.SAMPLE for t in _named(truth)}
    names = tuple(sorted(labels))
    items = tuple(Item(f"{n}", f"{n}.png", truth, "train") for n, truth in enumerate(module.SAMPLE))
    dataset = Dataset("", name, "test", "made for a test", names, items)
    more = module.from_data(dataset) if hasattr(module, "from_data") else {}
    task: Task = module.build(names, **more, **told)
    view = task.view(pre)
    seen = []
    for item, image in zip(items, pictures, strict=True):
        assert task.knows(item.truth)
        seen.append(view(image, task.truth(item, image, "")))
    arrays = [np.array(image) for image, _ in seen]
    images = torch.stack([torch.from_numpy(a if a.ndim == 3 else a[..., None]) for a in arrays])
    images = images.permute(0, 3, 1, 2) / 255
    return task, Batch(images, task.collate([truth for _, truth in seen]), [item.id for item in items])


def noise(side: int, seed: int = 0) -> list[Image.Image]:
    """Eight grey pictures of noise."""
    values = np.random.default_rng(seed).integers(0, 256, (8, side, side), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in values]


def labelled(name: str) -> Posed:
    task, batch = stage(name, noise(12), small.PRE)

    def network() -> nn.Module:
        torch.manual_seed(0)
        made = small.Tiny(task.outputs)
        made.drop.p = 0.0
        return made

    return Posed(task, batch, network, good=0.9 if task.headline.higher_is_better else 0.1)


def _named(truth: object) -> list[str]:
    from foveal.values import labels_of

    return labels_of(truth)
