"""A careless script: every picture decoded whole, its features computed once in bf16, a linear head fitted.

What a person would write in an hour. Frozen features, scikit-learn's logistic regression with its
defaults, the head saved; no cache, no augmentation, no tuning.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import job as jobs
import torch
from torch.utils.data import DataLoader

from pictures import Pictures, check_transform, network


def main() -> None:
    job = jobs.read()
    from sklearn.linear_model import LogisticRegression

    net: Any = network(job, classes=1000).eval().to(memory_format=torch.channels_last)
    features, truths = {}, {}
    for part in ("train", "val"):
        loader = DataLoader(Pictures(job.part(part), check_transform(job)), 32)
        rows, labels = [], []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for images, targets in loader:
                maps = net.forward_features(images.contiguous(memory_format=torch.channels_last))
                rows.append(net.forward_head(maps, pre_logits=True).float())
                labels.append(targets)
        features[part], truths[part] = torch.cat(rows).numpy(), torch.cat(labels).numpy()
    head = LogisticRegression(max_iter=1000).fit(features["train"], truths["train"])
    accuracy = float(head.score(features["val"], truths["val"]))
    if job.folder:
        file = Path(job.folder, "careless.pt")
        torch.save({"weight": torch.tensor(head.coef_), "bias": torch.tensor(head.intercept_)}, file)
    at = time.time() - job.began
    jobs.say(job, history=[{"at": at, "accuracy": accuracy}], images=len(truths["train"]))


if __name__ == "__main__":
    main()
