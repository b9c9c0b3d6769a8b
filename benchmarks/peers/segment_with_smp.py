"""segmentation-models-pytorch as its example for street scenes has it: U-Net, Dice loss, Adam, albumentations.

Its example (`examples/camvid_segmentation_multiclass.ipynb`) with the job's backbone: crops of 320 pixels (at most the
pictures' own), scaled, moved, mirrored, in other colours and sharpness; Adam with 2e-4, down to 1e-5 by a cosine over
the time; pictures of any size are predicted whole, filled up to a multiple of 32. Batches of 8 where it has 32, as
there are fewer pictures.
"""

from __future__ import annotations

import math
import random
import warnings
from pathlib import Path
from typing import Any

import albumentations as A
import job as jobs
import numpy as np
import segmentation_models_pytorch as smp
import torch
import truths
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

CROP, BATCH, FIRST, LAST = 320, 8, 2e-4, 1e-5
STEP = 32


def augmentation(side: int) -> Any:
    none = truths.NONE
    return A.Compose([
        A.HorizontalFlip(p=0.5),
        A.Affine(scale=(0.5, 1.5), translate_percent=(-0.1, 0.1), fill_mask=none, p=1),
        A.PadIfNeeded(side, side, fill_mask=none),
        A.RandomCrop(side, side),
        A.GaussNoise(p=0.2),
        A.Perspective(fill_mask=none, p=0.5),
        A.OneOf([A.CLAHE(p=1), A.RandomBrightnessContrast(p=1), A.RandomGamma(p=1)], p=0.9),
        A.OneOf([A.Sharpen(p=1), A.Blur(blur_limit=3, p=1), A.MotionBlur(blur_limit=3, p=1)], p=0.9),
        A.OneOf([A.RandomBrightnessContrast(p=1), A.HueSaturationValue(p=1)], p=0.9),
    ])  # fmt: skip


def built(job: truths.TaskJob, told: truths.Told) -> Any:
    network = smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, classes=len(told.labels))
    lacking, _ = network.encoder.model.load_state_dict(load_file(job.weights), strict=False)
    assert all(name.endswith("num_batches_tracked") for name in lacking), lacking
    return network


def pixels(row: dict[str, Any]) -> NDArray[np.uint8]:
    return np.asarray(truths.picture(row))


def normalised(images: Tensor, told: truths.Told) -> Tensor:
    """uint8 `BHWC` as the weights want it, `BCHW`."""
    mean, std = torch.tensor(told.mean), torch.tensor(told.std)
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def trained(job: truths.TaskJob, told: truths.Told, network: Any, watch: jobs.Watch) -> float:
    """Until the minutes are over; the last loss."""
    rows = told.of("train")
    side = min(CROP, *(STEP * (min(row["width"], row["height"]) // STEP) for row in rows)) or STEP
    varied, batch, loss = augmentation(side), min(BATCH, len(rows)), float("nan")
    pairs = [(pixels(row), np.asarray(Image.open(row["mask"]))) for row in rows]
    optimizer = torch.optim.Adam(network.parameters(), FIRST)
    criterion = smp.losses.DiceLoss(smp.losses.MULTICLASS_MODE, from_logits=True, ignore_index=truths.NONE)
    network.train()
    while job.over < 1:
        order = random.sample(pairs, len(pairs))
        for start in range(0, len(order) - batch + 1, batch):
            for group in optimizer.param_groups:
                group["lr"] = LAST + (FIRST - LAST) * (1 + math.cos(math.pi * min(1.0, job.over))) / 2
            made = [varied(image=image, mask=mask) for image, mask in order[start : start + batch]]
            images = torch.from_numpy(np.stack([one["image"] for one in made]))
            masks = torch.from_numpy(np.stack([one["mask"] for one in made])).long()
            total = criterion(network(normalised(images, told)), masks)
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            loss = float(total.detach())
            watch.step(batch)
            if job.over >= 1:
                break
        watch.epoch()
    return loss


@torch.inference_mode()
def predicted(network: Any, row: dict[str, Any], told: truths.Told) -> Image.Image:
    """The most probable class of each pixel of a whole picture."""
    image = normalised(torch.from_numpy(pixels(row).copy())[None], told)
    height, width = image.shape[-2:]
    whole = F.pad(image, (0, -width % STEP, 0, -height % STEP), mode="constant")
    logits = network.eval()(whole)[0, :, :height, :width]
    return Image.fromarray(logits.argmax(0).byte().numpy())


def main() -> None:
    warnings.simplefilter("ignore")
    job, told = truths.read()
    random.seed(job.seed)
    np.random.seed(job.seed)
    network, watch = built(job, told), jobs.Watch(job)
    loss = trained(job, told, network, watch)
    trained_at = job.over
    for number, row in enumerate(told.of(job.judged)):
        predicted(network, row, told).save(Path(job.out, f"{number}.png"))
    watch.answer(loss=loss, used=trained_at)


if __name__ == "__main__":
    main()
