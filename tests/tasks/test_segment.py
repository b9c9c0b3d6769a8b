"""Segmentation: losses and figures equal the references', and everything is in the pictures' own pixels."""

from __future__ import annotations

import base64
import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation, distance_transform_edt
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassJaccardIndex
from torchmetrics.segmentation import DiceScore

from foveal.charts.run_lengths import decoded
from foveal.data.views import IGNORED
from foveal.errors import OptionError, UnknownNameError
from foveal.tasks import _segment_losses, _segment_maps, _segment_measures, segment
from foveal.tasks._segment_maps import Whole
from foveal.values import Batch, Dataset, Evaluation, Facts, Item, Preprocessing, Target

LABELS = ("road", "sky", "tree", "van")


class Given(nn.Module):
    """Gives the logits that it was made with, picture by picture."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        return self.logits[images[:, 0, 0, 0].long()]


def truths_of(masks: Tensor) -> list[dict[str, Any]]:
    """Masks `BSS` as the task collates them, of pictures that are seen as they are."""
    return [{"mask": mask, "whole": Whole(None, (mask.shape[1], mask.shape[0]), "")} for mask in masks]


def judged(logits: Tensor, masks: Tensor, labels: tuple[str, ...] = LABELS) -> Evaluation:
    task = segment.build(labels)
    meter = task.meter()
    images = torch.arange(len(logits)).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).float()
    batch = Batch(images, truths_of(masks), [str(n) for n in range(len(logits))])
    for piece in batch.split(2):
        meter.add(task.step(Given(logits).eval(), piece), piece)
    return meter.result("test")


def random_maps(seed: int, count: int = 5, side: int = 24, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Logits in blotches, and truths near them with what is ignored."""
    draw = torch.Generator().manual_seed(seed)
    logits = F.interpolate(torch.randn(count, classes, 5, 5, generator=draw) * 3, side, mode="bicubic")
    blurred = logits + 2 * torch.randn(logits.shape, generator=draw)
    masks = blurred.argmax(1).to(torch.uint8)
    masks[torch.rand(masks.shape, generator=draw) < 0.1] = IGNORED
    return logits, masks


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.booleans())
def test_measures_as_torchmetrics(seed: int, without_one: bool) -> None:
    logits, masks = random_maps(seed)
    if without_one:
        masks[masks == 2] = IGNORED
    said, wanted = logits.argmax(1), masks.long()
    how = {"num_classes": 4, "ignore_index": IGNORED}
    occurs = torch.tensor([(masks == c).any() for c in range(4)])
    iou = MulticlassJaccardIndex(**how, average="none")(said, wanted)
    f1 = MulticlassF1Score(**how, average="none")(said, wanted)
    recall = MulticlassAccuracy(**how, average="none")(said, wanted)
    found = judged(logits, masks)
    m = found.metrics
    assert m["mIoU"] == pytest.approx(float(iou[occurs].mean()), abs=1e-6)
    assert m["dice"] == pytest.approx(float(f1[occurs].mean()), abs=1e-6)
    assert m["mean_accuracy"] == pytest.approx(float(recall[occurs].mean()), abs=1e-6)
    assert m["pixel_accuracy"] == pytest.approx(
        float(MulticlassAccuracy(**how, average="micro")(said, wanted)), abs=1e-6
    )
    for c, row in enumerate(found.per_class):
        assert row["label"] == LABELS[c]
        assert row["count"] == int((masks == c).sum())
        assert row["iou"] == pytest.approx(float(iou[c]), abs=1e-6)
        assert row["dice"] == pytest.approx(float(f1[c]), abs=1e-6)
    assert sum(row["share"] for row in found.per_class) == pytest.approx(1)
    for n, example in enumerate(found.examples):
        here = torch.tensor([(masks[n] == c).any() for c in range(4)])
        own = MulticlassJaccardIndex(**how, average="none")(said[n : n + 1], wanted[n : n + 1])
        assert example["score"] == pytest.approx(float(own[here].mean()), abs=1e-6)


def test_the_dice_of_a_foreground_is_torchmetrics() -> None:
    logits, masks = random_maps(3, classes=2)
    masks[masks == IGNORED] = 0
    theirs = DiceScore(2, average="none", input_format="index", aggregation_level="global")(
        logits.argmax(1), masks.long()
    )
    for labels, front in (
        (("background", "cell"), 1),
        (("cell", "background"), 0),
        (("cell", "membrane"), 1),
    ):
        found = judged(logits, masks, labels).metrics["foreground_dice"]
        assert found == pytest.approx(float(theirs[front]), abs=1e-6)


def by_distances(predicted: NDArray[np.uint8], truth: NDArray[np.uint8], classes: list[int]) -> float | None:
    """Csurka's figure by distance transforms over the whole picture."""
    counted = truth != IGNORED
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)

    def boundary(values: NDArray[np.uint8], place: int) -> NDArray[np.bool_]:
        return (values == place) & counted & binary_dilation((values != place) & counted, cross)

    near, scores = 0.0075 * np.hypot(*truth.shape), []
    for place in classes:
        ours, theirs = boundary(predicted, place), boundary(truth, place)
        if not ours.any() and not theirs.any():
            continue
        if not ours.any() or not theirs.any():
            scores.append(0.0)
            continue
        right = (distance_transform_edt(~theirs)[ours] <= near + 1e-9).mean()
        found = (distance_transform_edt(~ours)[theirs] <= near + 1e-9).mean()
        scores.append(2 * right * found / (right + found) if right + found else 0.0)
    return float(np.mean(scores)) if scores else None


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from([(40, 300), (250, 60), (7, 5)]))
def test_measures_as_distance_transforms(seed: int, size: tuple[int, int]) -> None:
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randn(2, 4, 4, 6, generator=draw)
    coarse[1] = coarse[0] + 0.4 * coarse[1]
    predicted, truth = F.interpolate(coarse, size, mode="bicubic").argmax(1).to(torch.uint8).numpy()
    truth[: size[0] // 5, : size[1] // 3] = IGNORED
    there = np.unique(truth[truth != IGNORED]).tolist()
    found = _segment_measures.boundary_f1(predicted, truth, there)
    assert found == pytest.approx(by_distances(predicted, truth, there))
    own = _segment_measures.boundary_f1(truth, truth, there)
    assert own in (None, 1.0)


@given(st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_losses_are_torchs_and_the_librarys(seed: int) -> None:
    logits, masks = random_maps(seed, count=2, side=16)
    wanted = masks.long()
    weights = torch.rand(4)
    counted = (masks != IGNORED).flatten(1).sum(1)

    def summed(power: float, weight: Tensor | None = None) -> Tensor:
        each = F.cross_entropy(logits, wanted, ignore_index=IGNORED, reduction="none")
        own = torch.ones_like(each) if weight is None else weight[wanted.clamp_max(3)]
        return (own * (1 - torch.exp(-each)) ** power * each).flatten(1).sum(1) / counted

    def dice() -> Tensor:
        loss = smp.losses.DiceLoss("multiclass", ignore_index=IGNORED)
        rows = []
        for one, mask in zip(logits, wanted, strict=True):
            there = sum(bool((mask == c).any()) for c in range(4))
            rows.append(loss(one[None], mask[None]) * 4 / there)  # the library divides by all classes
        return torch.stack(rows)

    torch.testing.assert_close(_segment_losses.losses("cross-entropy", logits, masks), summed(0))
    torch.testing.assert_close(_segment_losses.losses("focal", logits, masks), summed(2))
    torch.testing.assert_close(_segment_losses.losses("dice", logits, masks), dice())
    both = _segment_losses.losses("cross-entropy+dice", logits, masks, weights)
    torch.testing.assert_close(both, summed(0, weights) + dice())
    both = _segment_losses.losses("focal+dice", logits, masks)
    torch.testing.assert_close(both, summed(2) + dice())


@pytest.mark.parametrize("name", segment.LOSSES)
def test_what_is_ignored_teaches_nothing(name: str) -> None:
    logits, masks = random_maps(1)
    masks[0] = IGNORED
    logits.requires_grad_()
    each = _segment_losses.losses(name, logits, masks)
    assert each[0] == 0
    each.sum().backward()
    assert logits.grad is not None
    ignored = (masks == IGNORED)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).float().mean() > 0.99


def test_class_weights_count_in_training_only() -> None:
    logits, masks = random_maps(2, count=2)
    images = torch.arange(2).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).float()
    batch = Batch(images, truths_of(masks), ["a", "b"])
    plain = segment.build(LABELS, loss="cross-entropy")
    heavy = segment.build(LABELS, loss="cross-entropy", class_weights=[2, 2, 2, 2])
    network = Given(logits)
    torch.testing.assert_close(heavy.step(network.train(), batch).loss, 2 * plain.step(network, batch).loss)
    torch.testing.assert_close(heavy.step(network.eval(), batch).loss, plain.step(network, batch).loss)


def test_the_interval_draws_pictures_and_counts_their_pixels_again() -> None:
    logits, masks = random_maps(5, count=6)
    said = logits.argmax(1).to(torch.uint8).numpy()
    pairs = zip(said, masks.numpy(), strict=True)
    tables = np.stack([_segment_measures.confusion(one, other, 4) for one, other in pairs])
    each = _segment_measures.Counts.of(tables)
    found = judged(logits, masks)
    low, high = _segment_measures.interval(each, found.headline.value, resamples=300)
    times = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), 300)
    means = []
    for row in times:
        total = np.repeat(tables, row, axis=0).sum(0)
        hits, truly, said = np.diag(total[:, :-1]), total.sum(1), total[:, :-1].sum(0)
        means.append((hits / (truly + said - hits))[truly > 0].mean())
    assert (low, high) == pytest.approx(tuple(np.quantile(means, (0.025, 0.975))))
    assert found.headline.low < found.headline.value < found.headline.high
    alone = judged(logits[:1], masks[:1]).headline
    assert alone.low < alone.value < alone.high  # one picture: no certainty


def large(tmp_path: Path) -> tuple[Dataset, NDArray[np.uint8]]:
    """A picture of 150 x 100 and its mask, with what is ignored and a value that the legend lacks."""
    values = np.zeros((100, 150), np.uint8)
    values[30:70, 20:101] = 3
    values[10:20] = 9
    values[:5] = 200
    Image.fromarray(values).save(tmp_path / "m.png")
    Image.fromarray(values).convert("RGB").save(tmp_path / "p.png")
    truth = {"mask": "m.png", "legend": {"0": "road", "3": "van", "9": None}}
    items = (Item("p.png", "p.png", truth, "train"),)
    facts = Facts(150, 100, 100, 150, False, 1)
    return Dataset(str(tmp_path), "segment", "test", "", LABELS, items, (), facts), values


@pytest.mark.parametrize("side", [64, 200])
def test_pictures_are_judged_and_predicted_in_their_own_pixels(tmp_path: Path, side: int) -> None:
    dataset, values = large(tmp_path)
    item, task = dataset.items[0], segment.build(LABELS)
    image = Image.open(tmp_path / "p.png")
    view = task.view(Preprocessing(side))
    seen, truth = view(image, task.truth(item, image, dataset.root))
    assert seen.size == (side, side)
    batch = Batch(torch.zeros(1, 3, side, side), task.collate([truth]), ["p.png"])
    mask = batch.truths[0]["mask"]
    high = round(side * 100 / 150)
    assert (mask[high:] == IGNORED).all()
    logits = 9.0 * F.one_hot(torch.where(mask == IGNORED, 0, mask).long(), 4).permute(2, 0, 1)[None].float()
    meter = task.meter()
    meter.add(task.step(Given(logits).eval(), batch), batch)
    found = meter.result("test")
    assert [row["count"] for row in found.per_class] == [int((values == 0).sum()), 0, 0, 40 * 81]
    assert found.metrics["mIoU"] > 0.93

    (rows,) = task.predict(Given(logits).eval(), batch.images, [(150, 100)])
    assert [row["label"] for row in rows] == ["road", "van"]
    regions = np.stack([decoded(row["mask"]) for row in rows])
    assert regions.shape == (2, 100, 150)
    assert (regions.sum(0) == 1).all()
    assert [row["share"] for row in rows] == pytest.approx(regions.mean((1, 2)).tolist())
    whole = F.interpolate(logits[..., :high, :], (100, 150), mode="bilinear", antialias=side > 150)
    assert (whole[0].argmax(0).numpy() == np.where(regions[1] == 1, 3, 0)).all()
    sure = whole[0].softmax(0).amax(0).numpy()
    assert rows[1]["probability"] == pytest.approx(sure[regions[1] == 1].mean(), abs=1e-5)


def test_a_report_gets_the_worst_maps() -> None:
    logits, masks = random_maps(7, count=3)
    found = judged(logits, masks)
    for n, row in enumerate(found.examples):
        with Image.open(io.BytesIO(base64.b64decode(row["map"]))) as image:
            assert (np.asarray(image) == logits[n].argmax(0).numpy()).all()
        counts = torch.bincount(masks[n][masks[n] != IGNORED].flatten().long(), minlength=4)
        assert row["truth"] == [LABELS[c] for c in counts.argsort(descending=True, stable=True) if counts[c]]
    many = judged(logits.repeat(40, 1, 1, 1), masks.repeat(40, 1, 1))
    assert sum("map" in row for row in many.examples) == 100
    without = [row["score"] for row in many.examples if "map" not in row]
    assert min(without) >= max(row["score"] for row in many.examples if "map" in row)


def test_an_explanation_is_of_a_label_where_it_is_seen() -> None:
    task = segment.build(("background", "cell", "dust"))
    logits = torch.zeros(2, 3, 4, 4)
    logits[0, 0] = 1.0
    logits[0, 1, :2, :2] = 5.0
    logits[0, 2, 3, 3] = 7.0
    logits[1, 0] = 2.0
    assert task.targets(logits) == [Target("cell"), Target("background")]
    logits.requires_grad_()
    scores = task.score(logits, [Target("cell"), Target("cell", "background")])
    assert scores.tolist() == [5.0, -2.0]  # where no pixel is given to it, all count
    scores[0].backward()
    wanted = torch.zeros(3, 4, 4)
    wanted[1, :2, :2] = 0.25
    assert torch.equal(logits.grad[0], wanted)
    assert task.target("dust") == Target("dust")
    with pytest.raises(UnknownNameError, match="cell"):
        task.target("sell")


def test_weights_are_inverse_to_pixels(tmp_path: Path) -> None:
    dataset, values = large(tmp_path)
    found = segment.weighed(dataset, "weights")
    road, van = int((values == 0).sum()), 40 * 81
    assert found == pytest.approx((((road + van) / 2 / road), 1.0, 1.0, (road + van) / 2 / van))
    assert found[0] * road == pytest.approx(found[3] * van)
    assert _segment_maps.pixels(dataset, 400) == [road, 0, 0, van]
    with pytest.raises(OptionError, match="--balance weights"):
        segment.weighed(dataset, "sampling")


@pytest.mark.parametrize(("count", "batch"), [(3, 3), (17, 4), (5000, 8)])
def test_small_data_gets_enough_steps(tmp_path: Path, count: int, batch: int) -> None:
    dataset, _ = large(tmp_path)
    dataset = dataclasses.replace(dataset, items=dataset.items * count)
    wants = segment.prefers(dataset)
    assert wants["batch"][0] == batch
    assert wants["size"][0] == 160
    assert wants["epochs"][0] * max(1, count // batch) >= 300
    assert all(isinstance(reason, str) and len(reason) > 20 for _, reason in wants.values())


def test_objects_are_known_too() -> None:
    task = segment.build(("background", "cell"))
    assert task.knows([{"label": "cell", "box": [0, 0, 1, 1]}])
    assert not task.knows([{"label": "owl", "box": [0, 0, 1, 1]}])
    assert not task.knows({"mask": "m.png", "legend": {"1": "owl"}})
