"""torchvision's reference recipe for detection (`references/detection`): Faster R-CNN or Mask R-CNN as the package
builds them, on the job's backbone.

The script is no part of the package; what is here is its order: mirror images alone, batches of 2, SGD with 0.0025
(0.02 for 8 devices), momentum 0.9 and weight decay 1e-4, a first epoch that warms up from a thousandth, and a tenth of
the rate at 16 and at 22 of 26 epochs, here shares of the time. Batch normalisation of the backbone stays as it was
learned, as there. Pictures are as large as ours.
"""

from __future__ import annotations

import random
from typing import Any, cast

import job as jobs
import numpy as np
import timm
import torch
import truths
from pycocotools import mask as coco
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from torchvision.transforms.functional import to_tensor

BATCH, RATE = 2, 0.0025
DROPS = (16 / 26, 22 / 26)
WIDTH = 256


class Backbone(nn.Module):
    """EfficientNet-Lite0 with a feature pyramid, as torchvision's detectors take it; no statistics change."""

    def __init__(self, weights: str) -> None:
        super().__init__()
        body = cast(
            Any, timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(1, 2, 3, 4))
        )
        lacking, _ = body.load_state_dict(load_file(weights), strict=False)
        assert all(name.endswith("num_batches_tracked") for name in lacking), lacking
        self.body: nn.Module = body
        self.fpn = FeaturePyramidNetwork(body.feature_info.channels(), WIDTH, LastLevelMaxPool())
        self.out_channels = WIDTH

    def train(self, mode: bool = True) -> Backbone:
        super().train(mode)
        for module in self.body.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, images: Tensor) -> Any:
        return self.fpn({str(n): level for n, level in enumerate(self.body(images))})


def built(job: truths.TaskJob, told: truths.Told) -> Any:
    made = MaskRCNN if job.task == "instances" else FasterRCNN
    return made(
        Backbone(job.weights), len(told.labels) + 1, min_size=job.size, max_size=job.size,
        image_mean=list(told.mean), image_std=list(told.std),
    )  # fmt: skip


def example(row: dict[str, Any], task: str) -> tuple[Tensor, dict[str, Tensor]]:
    """A picture and its objects, mirrored half of the time; what does not count is left out, as there."""
    image, kept = to_tensor(truths.picture(row)), [one for one in row["objects"] if not one["ignored"]]
    boxes = torch.tensor([one["box"] for one in kept], dtype=torch.float32).reshape(-1, 4)
    target = {"boxes": boxes, "labels": torch.tensor([one["label"] + 1 for one in kept], dtype=torch.int64)}
    if task == "instances":
        masks = [coco.decode(one["runs"]) for one in kept]
        empty = np.zeros((0, *image.shape[-2:]), np.uint8)
        target["masks"] = torch.from_numpy(np.stack(masks) if masks else empty)
    if random.random() < 0.5:
        image = image.flip(-1)
        target["boxes"] = torch.stack(
            [image.shape[-1] - boxes[:, 2], boxes[:, 1], image.shape[-1] - boxes[:, 0], boxes[:, 3]], 1
        )
        if "masks" in target:
            target["masks"] = target["masks"].flip(-1)
    whole = (target["boxes"][:, 2:] > target["boxes"][:, :2]).all(1)
    return image, {name: value[whole] for name, value in target.items()}


def trained(job: truths.TaskJob, told: truths.Told, network: Any, watch: jobs.Watch) -> float:
    """Until the minutes are over; the last loss."""
    rows, step, loss = told.of("train"), 0, float("nan")
    optimizer = torch.optim.SGD(network.parameters(), RATE, momentum=0.9, weight_decay=1e-4)
    warm = max(1, min(1000, len(rows) // BATCH - 1))
    network.train()
    while job.over < 1:
        order = random.sample(rows, len(rows))
        for start in range(0, max(1, len(rows) - BATCH + 1), BATCH):
            rate = RATE * 0.1 ** sum(job.over >= drop for drop in DROPS)
            for group in optimizer.param_groups:
                group["lr"] = rate * max(1e-3, min(1.0, step / warm))
            images, targets = zip(
                *(example(row, job.task) for row in order[start : start + BATCH]), strict=True
            )
            total = sum(network(list(images), list(targets)).values())
            loss = float(total.detach())
            if not np.isfinite(loss):
                raise SystemExit(f"the loss is {loss} after {step} steps")
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            step += 1
            watch.step(len(images))
            if job.over >= 1:
                break
        watch.epoch()
    return loss


@torch.inference_mode()
def found(network: Any, row: dict[str, Any]) -> list[dict[str, Any]]:
    """What is said of a picture; masks from a probability of one half on."""
    (one,) = network.eval()([to_tensor(truths.picture(row))])
    said = []
    for n, (label, score, box) in enumerate(
        zip(one["labels"].tolist(), one["scores"].tolist(), one["boxes"].tolist(), strict=True)
    ):
        thing = {"label": label - 1, "score": score, "box": box}
        if "masks" in one:
            runs = coco.encode(np.asfortranarray(one["masks"][n, 0].numpy() >= 0.5, dtype=np.uint8))
            thing["runs"] = {"size": list(runs["size"]), "counts": runs["counts"].decode()}
        said.append(thing)
    return said


def main() -> None:
    job, told = truths.read()
    random.seed(job.seed)
    network, watch = built(job, told), jobs.Watch(job)
    loss = trained(job, told, network, watch)
    trained_at = job.over
    truths.write_objects(job, [found(network, row) for row in told.of(job.judged)])
    watch.answer(loss=loss, used=trained_at, batch=BATCH)


if __name__ == "__main__":
    main()
