"""What detection and instance segmentation share: truths, forward passes, predictions, and how they are judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco
from torch import Tensor, nn
from torchvision.ops import box_iou

from ..contracts import View
from ..data import objects
from ..data.views import place_in, whole_view
from ..errors import UnknownNameError
from ..values import Batch, Evaluation, Headline, Item, Preprocessing, Score, Step, Target
from ._coco import Judged, Picture, Thing
from ._mistakes import IGNORED, KINDS, RIGHT, Verdict, best_threshold, costs, missed, verdicts
from ._targets import label_scores, label_target

Form = Literal["bbox", "segm"]
Found = dict[str, Tensor]
LOSSES = ("own",)


@dataclass(frozen=True)
class Known:
    """What is judged by: a picture's sides and its objects in its own pixels, whatever a view does to the rest."""

    width: int
    height: int
    things: tuple[Thing, ...]


def _knows(truth: Any, labels: Sequence[str]) -> bool:
    """Whether a truth is a list of objects of these labels, each with a box or a mask."""
    return isinstance(truth, list | tuple) and all(
        isinstance(one, Mapping) and one.get("label") in labels and ("box" in one or "mask" in one)
        for one in truth
    )


def _truth(item: Item, image: Image.Image, root: str, labels: Sequence[str], form: Form) -> dict[str, Any]:
    """An item's objects as values that the view moves, and as they are, as `known`."""
    moving = objects.moving(item.truth, labels, image.size, root, masks=form == "segm")
    runs: list[Mapping[str, Any] | None] = [None] * len(item.truth)
    if form == "segm":
        runs = [run_lengths(mask.numpy()) for mask in moving["masks"]]
    things = []
    for one, box, label, lengths in zip(
        item.truth, moving["boxes"].tolist(), moving["labels"].tolist(), runs, strict=True
    ):
        area = float(coco.area(lengths)) if lengths else (box[2] - box[0]) * (box[3] - box[1])
        x0, y0, x1, y1 = map(float, one.get("box", box))  # not as rounded to fp32
        things.append(
            Thing(
                label,
                (x0, y0, x1, y1),
                float(one.get("area") or area),
                crowd=bool(one.get("crowd")),
                ignore=bool(one.get("ignore")),
                runs=lengths,
            )
        )
    return {**moving, "known": Known(*image.size, tuple(things))}


def run_lengths(mask: NDArray[Any]) -> dict[str, Any]:
    """A mask `HW` as COCO's compressed run lengths."""
    return dict(coco.encode(np.asfortranarray(mask, dtype=np.uint8)))


def _collate(truths: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each picture what a detector learns from (`boxes` `N4`, `labels` `N`, perhaps `masks` `NHW`): the objects
    that are seen in the view and count; and `known`, where the picture is one and no mosaic."""
    found = []
    for one in truths:
        seen = objects.visible(one)
        kept = objects.chosen(seen, ~seen["ignored"])
        row: dict[str, Any] = {"known": one.get("known")}
        for name in ("boxes", "labels", "masks"):
            if name in kept:
                row[name] = kept[name].as_subclass(Tensor)
        found.append(row)
    return found


def _step(network: nn.Module, batch: Batch) -> Step:
    """Forward and loss: of the batch as the detector has it in training, else the mean of the pictures' own. Outputs
    are, in evaluation, what was found on each picture, in its own pixels, and its loss."""
    if network.training:
        parts = network(batch.images, batch.truths)
        return Step(torch.stack(list(parts.values())).sum(), parts, None)
    found, each = network(batch.images, batch.truths)
    losses = torch.stack(list(each.values())).sum(0)
    side = batch.images.shape[-1]
    things = [
        seen_on(one, side, (known.width, known.height))
        for one, known in zip(found, (row["known"] for row in batch.truths), strict=True)
    ]
    parts = {name: values.mean() for name, values in each.items()}
    return Step(losses.mean(), parts, list(zip(things, losses.tolist(), strict=True)))


def seen_on(found: Mapping[str, Tensor], side: int, size: tuple[int, int]) -> list[Thing]:
    """What was found on a picture of `size` (width, height) that lay on a square of `side` pixels, in its own pixels,
    best first; boxes are cut at its borders, and those beside it left out."""
    width, height = size
    wide, high = place_in(side, width, height)
    boxes = found["boxes"].detach().double().cpu().numpy() * np.tile([width / wide, height / high], 2)
    boxes = np.clip(boxes, 0, [width, height] * 2)
    scores, labels = found["scores"].double().cpu().tolist(), found["labels"].cpu().tolist()
    masks = found["masks"].detach().float().cpu().numpy() if "masks" in found else [None] * len(scores)
    things = []
    for box, score, label, mask in zip(boxes, scores, labels, masks, strict=True):
        if not (box[2:] > box[:2]).all():
            continue
        area = float((box[2:] - box[:2]).prod())
        runs = None
        if mask is not None:
            runs = run_lengths(pasted(mask[0], box, size))
            area = float(coco.area(runs))
        x0, y0, x1, y1 = box.tolist()
        things.append(Thing(label, (x0, y0, x1, y1), area, score, runs=runs))
    return sorted(things, key=lambda thing: -thing.score)


def pasted(mask: NDArray[Any], box: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask's probabilities `MM` within its box, as the pixels `HW` of a picture of `size` (width, height) that are
    at least 0.5: bilinear between the cells' centres, at the pixels' centres (He et al. 2017, appendix A)."""
    width, height = size
    whole = np.zeros((height, width), dtype=np.uint8, order="F")
    x0, y0 = np.floor(box[:2]).astype(int)
    x1, y1 = np.ceil(box[2:]).astype(int)
    cells = mask.shape[-1]

    def shares(first: int, last: int, low: float, high: float) -> NDArray[np.float64]:
        at = (np.arange(first, last) + 0.5 - low) / (high - low) * cells - 0.5
        near: NDArray[np.float64] = np.clip(1 - np.abs(at[:, None] - np.arange(cells)), 0, None)
        return near

    rows, columns = shares(y0, y1, box[1], box[3]), shares(x0, x1, box[0], box[2])
    whole[y0:y1, x0:x1] = (rows @ mask @ columns.T) >= 0.5
    return whole


def predicted(
    network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]], labels: Sequence[str]
) -> list[list[dict[str, Any]]]:
    """What is on each picture, best first: `label`, `probability`, `box`, and where the network draws them `mask`."""
    side = images.shape[-1]
    return [
        [_plain(thing, labels) for thing in seen_on(one, side, size)]
        for one, size in zip(network(images), sizes, strict=True)
    ]


def _plain(thing: Thing, labels: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "label": labels[thing.label],
        "probability": thing.score,
        "box": [round(value, 2) for value in thing.box],
    }
    if thing.runs is not None:
        counts = thing.runs["counts"]
        text = counts.decode("ascii") if isinstance(counts, bytes) else counts
        row["mask"] = {"size": list(map(int, thing.runs["size"])), "counts": text}
    return row


class ObjectsMeter:
    """Gathers what is on pictures and what was found there, and judges it."""

    def __init__(self, labels: Sequence[str], form: Form) -> None:
        self.labels, self.form = labels, form
        self.pictures: list[Picture] = []
        self.losses: list[float] = []
        self.ids: list[str] = []

    def add(self, step: Step, batch: Batch) -> None:
        for (things, loss), row in zip(step.outputs, batch.truths, strict=True):
            self.pictures.append(Picture(row["known"].things, things))
            self.losses.append(loss if math.isfinite(loss) else math.inf)  # a network gone wrong
        self.ids += batch.ids

    def result(self, split: str) -> Evaluation:
        """COCO's figures (of masks where these are judged, those of boxes then as `box_mAP` and so on), the mAP with
        its interval over pictures; F1 at the probability where it is best; how many mistakes of each kind are made
        from that on, and what the AP at 0.5 would gain without them; a row a class; examples."""
        classes = len(self.labels)
        judged = Judged.of(self.pictures, classes, self.form)
        figures = {"mAP": 0.0, **judged.figures()}
        low, high = judged.interval(figures["mAP"])
        if self.form == "segm":
            boxes = Judged.of([_by_boxes(picture) for picture in self.pictures], classes, "bbox").figures()
            figures |= {f"box_{name}": value for name, value in boxes.items()}
        found = verdicts(judged)
        least = best_threshold(self.pictures, found)
        rows = [
            self._example(*parts, least.score)
            for parts in zip(self.ids, self.pictures, found, self.losses, strict=True)
        ]
        per_class = self._per_class(judged, found, least.score)
        metrics = {
            **figures,
            "loss": float(np.mean(self.losses)),
            "f1": least.f1,
            "threshold": least.score,
            **{kind: float(sum(row[kind] for row in per_class)) for kind in KINDS},
            **{f"cost_{kind}": gain for kind, gain in costs(judged, found).items()},
        }
        score = Score("mAP", figures["mAP"], low, high, True, split)
        return Evaluation(score, metrics, len(self.ids), per_class, examples=rows)

    def _example(
        self, name: str, picture: Picture, verdict: Verdict, loss: float, least: float
    ) -> dict[str, Any]:
        said = [
            {**_bare(one, self.labels), "probability": one.score, "kind": kind}
            for one, kind in zip(picture.found, verdict.kinds, strict=True)
            if one.score >= least
        ]
        lost = set(missed(picture, verdict, least))
        told = []
        for place, one in enumerate(picture.told):
            kind = IGNORED if one.ignored else RIGHT if verdict.hit[place] >= least else "nearly"
            told.append({**_bare(one, self.labels), "kind": "missed" if place in lost else kind})
        right = sum(row["kind"] == RIGHT for row in said)
        total = sum(row["kind"] != IGNORED for row in [*said, *told])
        return {
            "id": name,
            "truth": told,
            "predicted": said,
            "loss": loss,
            "score": 2 * right / total if total else 1.0,
        }

    def _per_class(self, judged: Judged, found: Sequence[Verdict], least: float) -> list[dict[str, Any]]:
        """AP and its like, None without objects; precision and recall of what is said, 0 where undefined; mistakes
        by the class that was said, missed objects by their own."""
        rows: list[dict[str, Any]] = []
        for label, name in enumerate(self.labels):
            counts = dict.fromkeys((RIGHT, IGNORED, *KINDS), 0)
            for picture, verdict in zip(self.pictures, found, strict=True):
                for one, kind in zip(picture.found, verdict.kinds, strict=True):
                    counts[kind] += one.label == label and one.score >= least
                lost = missed(picture, verdict, least)
                counts["missed"] += sum(picture.told[place].label == label for place in lost)
            there = int(judged.curves["all"][label].there.sum())
            said = sum(counts[kind] for kind in (RIGHT, *KINDS[:-1]))
            rows.append(
                {
                    "label": name,
                    "count": there,
                    **judged.of_class(label),
                    "precision": counts[RIGHT] / said if said else 0.0,
                    "recall": counts[RIGHT] / there if there else 0.0,
                    **{kind: counts[kind] for kind in KINDS},
                }
            )
        return rows


def _by_boxes(picture: Picture) -> Picture:
    """The same for boxes alone: what was found has its box's area, what was told keeps its own, as COCO has it."""
    found = [
        Thing(one.label, one.box, (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]), one.score)
        for one in picture.found
    ]
    return Picture(picture.told, found)


def _bare(one: Thing, labels: Sequence[str]) -> dict[str, Any]:
    return {"label": labels[one.label], "box": [round(value, 1) for value in one.box]}


@dataclass(frozen=True)
class ObjectsTask:
    """Objects on pictures, judged by their boxes (detection) or by their masks (instance segmentation). What ends in
    which activation, and why, stands in `DEFAULTS` of `detect` and `instances`."""

    labels: tuple[str, ...]
    form: Form
    loss: str = "own"

    headline = Headline("mAP", higher_is_better=True)
    chance = 0.0  # boxes drawn at random hit next to nothing
    dense = True
    own_sizes = False

    @property
    def name(self) -> str:
        return "detect" if self.form == "bbox" else "instances"

    @property
    def outputs(self) -> int:
        return len(self.labels)

    def knows(self, truth: Any) -> bool:
        return _knows(truth, self.labels)

    def truth(self, item: Item, image: Image.Image, root: str) -> dict[str, Any]:
        return _truth(item, image, root, self.labels, self.form)

    def building(self) -> dict[str, Any]:
        return {}

    def view(self, preprocessing: Preprocessing) -> View:
        return whole_view(preprocessing)

    def collate(self, truths: Sequence[Any]) -> list[dict[str, Any]]:
        """For each picture `boxes` `N4` (pixels of the view), `labels` `N` (int64), of instances `masks` `NHW`
        (bool), and `known`."""
        return _collate(truths)

    def step(self, network: nn.Module, batch: Batch) -> Step:
        return _step(network, batch)

    def predict(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> list[list[dict[str, Any]]]:
        """At most a hundred objects a picture, best first: `label`, `probability`, `box` (x0, y0, x1, y1), and of
        instances `mask`."""
        return predicted(network, images, sizes, self.labels)

    def explained(self, network: Any) -> nn.Module:
        """What is explained of a detector: how sure it is of each label, where it is surest of it."""
        made: nn.Module = network.strongest()
        return made

    def placed(self, network: Any) -> nn.Module:
        """The same of every place, with its box: what is explained of one object."""
        made: nn.Module = network.placed()
        return made

    def score(self, outputs: Tensor, targets: Sequence[Target]) -> Tensor:
        """The strongest logit `B` of the targets' labels, less those of the labels they are held against. Of a target
        within a box, at the places whose own box has half of both in common; where none has, at the one that has
        most."""
        if outputs.dim() == 3:
            logits, boxes = outputs[..., :-4], outputs[..., -4:].detach()
            outputs = torch.stack(
                [
                    one[_near(own, t.within)].amax(0)
                    for one, own, t in zip(logits, boxes, targets, strict=True)
                ]
            )
        return label_scores(outputs, targets, self.labels)

    def targets(self, outputs: Tensor) -> list[Target]:
        """The label of the surest object of each picture."""
        logits = outputs[..., :-4].amax(1) if outputs.dim() == 3 else outputs
        return [Target(self.labels[place]) for place in logits.argmax(1).tolist()]

    def target(self, words: str) -> Target:
        return label_target(words, self.labels)

    def mix(self, truths: Any, order: Tensor, share: float | Tensor) -> Any:
        """None: a blend of two pictures has the objects of neither."""
        return None

    def meter(self) -> ObjectsMeter:
        return ObjectsMeter(self.labels, self.form)

    def card(self) -> dict[str, Any]:
        return {"name": self.name, "labels": list(self.labels), "loss": self.loss}


def _near(boxes: Tensor, within: tuple[float, float, float, float] | None) -> Tensor:
    """Which of boxes `N4` count for an object within this one, bool `N`: all, where there is none."""
    if within is None:
        return torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    common = box_iou(boxes, boxes.new_tensor([within]))[:, 0]
    near: Tensor = (common >= 0.5) | (common == common.max())
    return near


def task(labels: Sequence[str], form: Form, loss: str) -> ObjectsTask:
    """The task for these labels.

    Raises:
        UnknownNameError: an unknown loss.
    """
    if loss not in LOSSES:
        raise UnknownNameError("loss for objects", loss, LOSSES)
    return ObjectsTask(tuple(labels), form, loss)
