"""Lucent paints pictures for a layer's channels, one after the other, by its own defaults.

The job names `network` (as foveal knows it), `layer` (a module's name), `channels`, `steps`, `size` (its default is
128, enlarged for the network) and `out`, the .npz that the pictures `NCHW` from 0 to 1 go to.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foveal.plan.published import model_of


def main() -> None:
    job = json.load(sys.stdin)
    if job.get("threads"):
        torch.set_num_threads(job["threads"])
    warnings.simplefilter("ignore")
    from lucent.optvis import param, render, transform

    model = model_of(job["network"])
    pre, network = model.preprocessing, model.network.eval().requires_grad_(False)
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (pre.mean, pre.std))

    def normalised(images: Tensor) -> Tensor:
        return (images - mean) / std

    torch.manual_seed(0)
    np.random.seed(0)
    made, seconds = [], []
    for channel in job["channels"]:
        began = time.perf_counter()
        painted: list[Any] = render.render_vis(
            network, f"{job['layer'].replace('.', '_')}:{channel}", lambda: param.image(job["size"]),
            transforms=[*transform.standard_transforms, normalised], thresholds=(job["steps"],), preprocess=False,
            progress=False, show_image=False,
        )  # fmt: skip
        seconds.append(time.perf_counter() - began)
        made.append(painted[-1][0].transpose(2, 0, 1))
    np.savez(job["out"], pictures=np.stack(made))
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
