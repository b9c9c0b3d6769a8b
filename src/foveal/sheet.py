"""The contact sheet: what an augmentation makes of the data's own pictures, for a person to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision import tv_tensors

from .charts import on_picture, tags
from .charts.lettering import FAINT, INK, LINE, PAPER, cut, write
from .charts.lettering import width as breadth
from .contracts import Pair, Task, View
from .data import objects
from .data.decoding import open_image
from .data.views import normalise, to_uint8
from .loop.mixing import mixed
from .machine.device import seeded
from .values import Batch, Dataset, Item, Preprocessing, labels_of

BLENDED_COLUMNS = 3
CHECKS = ((255, 255, 255), (226, 226, 226))
SMALLEST, LARGEST, DENSE = 112, 168, 288
"""Sides of a cell in pixels: smaller pictures are enlarged by whole factors, larger ones made smaller; those that
something true lies on are larger."""
MARGIN, GAP, BETWEEN = 28, 5, 22
TITLE, TEXT, SMALL = 24, 15, 13
Among = Callable[[list[Pair]], list[Pair]]


@dataclass(frozen=True)
class Column:
    """Pictures one below the other, one a row, with words under each where there are some."""

    images: list[Image.Image]
    words: tuple[str, ...] = ()


def sheet(
    dataset: Dataset,
    task: Task,
    view: View,
    preprocessing: Preprocessing,
    *,
    title: str,
    notes: Sequence[str] = (),
    rows: int = 6,
    columns: int = 8,
    seed: int = 0,
    erase: float = 0.0,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    among: Among | None = None,
) -> Image.Image:
    """A picture with one training picture a row, from classes as different as there are.

    First as evaluation sees it, then `columns` times through `view` (the training view) and, with the other rows as
    its batch, through `among`, erased as in training, and then, where `mixup` or `cutmix` is given, blended with the
    row above. What is true and lies on the picture is drawn as training is told it. The same `seed` gives the same
    sheet.

    Raises:
        PictureError: a picture cannot be read.
    """
    items = chosen(dataset, rows, seed)
    pictures = [open_image(dataset.root, item, preprocessing.channels) for item in items]
    truths = [task.truth(i, p, dataset.root) for i, p in zip(items, pictures, strict=True)]
    examples = list(zip(pictures, truths, strict=True))
    plain = task.view(preprocessing)
    with seeded(seed):
        side = _side(preprocessing.size, DENSE if task.dense else LARGEST)
        first = Column([with_truth(*plain(*example), task.labels, side) for example in examples])
        groups = [("in evaluation", [first])]
        maker = _Maker(items, examples, view, preprocessing, task, seed, among, side)
        groups.append(("varied for training", maker.columns(columns, erase=erase, mixup=0.0, cutmix=0.0)))
        if mixup:
            blends = maker.columns(BLENDED_COLUMNS, erase=erase, mixup=mixup, cutmix=0.0)
            groups.append(("MixUp with the row above", blends))
        if cutmix:
            blends = maker.columns(BLENDED_COLUMNS, erase=erase, mixup=0.0, cutmix=cutmix)
            groups.append(("CutMix with the row above", blends))
    paper = _drawn(groups, [_name(item) for item in items], title, notes, side)
    keys = [tags.Key(tags.colour(n), label, patch=True) for n, label in enumerate(task.labels)]
    return tags.with_legend(paper, keys if task.dense else ())


def with_truth(image: Image.Image, truth: Any, labels: Sequence[str], side: int) -> Image.Image:
    """A viewed picture with its truth drawn on it, where that lies on it: boxes, masks, a map of classes."""
    if isinstance(truth, Mapping) and isinstance(truth.get("boxes"), tv_tensors.BoundingBoxes):
        rows = _rows(objects.visible(truth), labels)
        return on_picture.objects(image, rows, (), labels, legend=False, tagged=False, least=side, most=side)
    mask = truth.get("mask") if isinstance(truth, Mapping) else truth
    if isinstance(mask, tv_tensors.Mask) and mask.dim() == 2:
        tones = [tags.colour(n) for n in range(len(labels))]
        found = mask.as_subclass(Tensor).to(torch.uint8).numpy()
        return on_picture.painted(image, found, tones, least=side, most=side)
    return image


def _rows(truth: Mapping[str, Any], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Objects as the drawing takes them; those that neither teach nor count are told apart."""
    boxes, places, ignored = (truth[name].tolist() for name in ("boxes", "labels", "ignored"))
    rows = [
        {"label": labels[place], "box": box} | ({"kind": "ignored"} if passed else {})
        for box, place, passed in zip(boxes, places, ignored, strict=True)
    ]
    if "masks" in truth:
        regions = truth["masks"].as_subclass(Tensor).bool().numpy()
        rows = [{**row, "region": region} for row, region in zip(rows, regions, strict=True)]
    return rows


def chosen(dataset: Dataset, count: int, seed: int) -> list[Item]:
    """`count` training items (or all), spread over the classes as evenly as possible, class by class."""
    draw = np.random.default_rng((seed, 5))
    items = dataset.part("train") or dataset.items
    kinds: dict[str, list[Item]] = {}
    for place in draw.permutation(len(items)).tolist():
        kinds.setdefault(_kind(items[place]), []).append(items[place])
    order = [kind for kind in dataset.labels if kind in kinds]
    order += sorted(kind for kind in kinds if kind not in dataset.labels)
    if len(order) > count:
        order = [order[n] for n in sorted(draw.choice(len(order), count, replace=False).tolist())]
    taken = dict.fromkeys(order, 0)
    while sum(taken.values()) < min(count, sum(len(kinds[kind]) for kind in order)):
        kind = min((k for k in order if taken[k] < len(kinds[k])), key=taken.__getitem__)
        taken[kind] += 1
    return [item for kind in order for item in kinds[kind][: taken[kind]]]


def _kind(item: Item) -> str:
    return next(iter(labels_of(item.truth)), "")


def _name(item: Item) -> str:
    """What stands beside a row: the class, the classes, or the number."""
    truth = item.truth
    if isinstance(truth, list | tuple):
        named = dict.fromkeys(labels_of(truth))
        return ", ".join(named) if all(isinstance(one, str) for one in truth) else Path(item.id).name
    return (
        f"{truth:g}" if isinstance(truth, float) else str(truth) if isinstance(truth, str | int) else item.id
    )


@dataclass(frozen=True)
class _Maker:
    """Makes columns of varied pictures, as training would make its batches."""

    items: list[Item]
    examples: list[tuple[Image.Image, Any]]
    view: View
    preprocessing: Preprocessing
    task: Task
    seed: int
    among: Among | None
    side: int

    def columns(self, count: int, *, erase: float, mixup: float, cutmix: float) -> list[Column]:
        return [self._column(n, erase, mixup, cutmix) for n in range(count)]

    def _column(self, number: int, erase: float, mixup: float, cutmix: float) -> Column:
        seen = [self.view(*example) for example in self.examples]
        if self.among is not None:
            seen = self.among(seen)
        if not (erase or mixup or cutmix):
            return Column([with_truth(image, truth, self.task.labels, self.side) for image, truth in seen])
        images = torch.stack([to_uint8(image) for image, _ in seen])
        truths = self.task.collate([truth for _, truth in seen])
        batch = Batch(normalise(images, self.preprocessing), truths, [item.id for item in self.items])
        where = (self.seed, 0, number)
        batch = mixed(batch, self.task, mixup=mixup, cutmix=cutmix, erase=erase, seed=where)
        shares = _shares(batch.truths, self.task.labels) if mixup or cutmix else ()
        return Column(shown(batch.images, self.preprocessing), shares)


def shown(images: Tensor, preprocessing: Preprocessing) -> list[Image.Image]:
    """Normalised `BCHW` as pictures again; what left the range of colours is cut off."""
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (preprocessing.mean, preprocessing.std))
    values = (images.cpu() * std + mean).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(one[..., 0] if one.shape[-1] == 1 else one) for one in values]


def _shares(truths: Any, labels: Sequence[str]) -> tuple[str, ...]:
    """The two largest shares of each row, where truths are shares of the classes."""
    if not (isinstance(truths, Tensor) and truths.dim() == 2 and truths.shape[1] == len(labels)):
        return ()
    largest = truths.float().topk(min(2, len(labels)), dim=1)
    return tuple(
        "\n".join(
            f"{round(v * 100)} % {labels[p]}" for v, p in zip(values, places, strict=True) if v >= 0.005
        )
        for values, places in zip(largest.values.tolist(), largest.indices.tolist(), strict=True)
    )


def _drawn(
    groups: list[tuple[str, list[Column]]], names: list[str], title: str, notes: Sequence[str], side: int
) -> Image.Image:
    """The sheet itself."""
    words = max((text.count("\n") + 1 for _, g in groups for c in g for text in c.words), default=0)
    high = side + GAP + words * (SMALL + 4) + (GAP if words else 0)
    beside = 12 + min(190, max(breadth(name, TEXT) for name in names))
    lefts, x = [], MARGIN + beside
    for _, columns in groups:
        lefts.append([x + n * (side + GAP) for n in range(len(columns))])
        x = lefts[-1][-1] + side + BETWEEN
    width = max(x - BETWEEN, MARGIN + max(breadth(line, TEXT) for line in (title, *notes))) + MARGIN
    head = MARGIN + TITLE + 12 + len(notes) * (TEXT + 7) + 14
    top = head + TEXT + 10
    paper = Image.new("RGB", (width, top + len(names) * high + MARGIN - GAP), PAPER)
    pen = ImageDraw.Draw(paper)
    write(pen, (MARGIN, MARGIN - 4), title, TITLE, INK)
    for n, line in enumerate(notes):
        write(pen, (MARGIN, MARGIN + TITLE + 10 + n * (TEXT + 7)), line, TEXT, FAINT)
    for (heading, columns), places in zip(groups, lefts, strict=True):
        write(pen, (places[0], head), cut(heading, SMALL, places[-1] + side - places[0]), SMALL, FAINT)
        for column, left in zip(columns, places, strict=True):
            for row, image in enumerate(column.images):
                y = top + row * high
                paper.paste(_cell(image, side), (left, y))
                pen.rectangle((left - 1, y - 1, left + side, y + side), outline=LINE)
                if column.words:
                    for n, line in enumerate(column.words[row].split("\n")):
                        below = (left, y + side + 3 + n * (SMALL + 4))
                        write(pen, below, cut(line, SMALL, side), SMALL, FAINT)
    for row, name in enumerate(names):
        y = top + row * high + side // 2 - TEXT // 2 - 2
        write(pen, (MARGIN, y), cut(name, TEXT, beside - 12), TEXT, INK)
    return paper


def _side(size: int, largest: int) -> int:
    """A cell's side for pictures of this size, in pixels."""
    return min(largest, size * max(1, -(-SMALLEST // size)))


def _cell(image: Image.Image, side: int) -> Image.Image:
    """The picture as it is pasted; what is transparent lies on a chequered ground."""
    share = side / max(image.size)
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    kind = Image.Resampling.NEAREST if image.width < size[0] else Image.Resampling.LANCZOS
    image = image.resize(size, kind) if image.size != size else image
    if image.mode != "RGBA":
        return image.convert("RGB")
    y, x = np.mgrid[: size[1], : size[0]] // 8
    ground = Image.fromarray(np.array(CHECKS, np.uint8)[(x + y) % 2])
    ground.paste(image, mask=image.getchannel("A"))
    return ground
