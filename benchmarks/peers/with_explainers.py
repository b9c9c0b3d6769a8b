"""Captum or pytorch-grad-cam on the job's pictures: their maps of the size of the pictures, or how long they take.

The job names `library`, `methods` (ours' names), `layer` (a module's), `network` (as foveal knows it), `inputs`
(an .npz with `images` BCHW, normalised, and `targets`), `batch`, and `out`, the .npz the maps go to.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foveal.plan.published import model_of

Map: TypeAlias = NDArray[np.float32]
Method: TypeAlias = Callable[[Tensor, list[int]], Map]
AT_ONCE = 16
"""Pictures that integrated gradients pass through the network at a time."""


def captum(network: nn.Module, layer: nn.Module) -> dict[str, Method]:
    """Captum's methods with their defaults; class maps enlarged by its own interpolation."""
    from captum.attr import (
        GuidedBackprop,
        GuidedGradCam,
        IntegratedGradients,
        LayerAttribution,
        LayerGradCam,
        Occlusion,
        Saliency,
    )

    def pixels(made: Callable[..., Tensor]) -> Method:
        return lambda images, targets: made(images, target=targets).detach().sum(1).numpy()

    def gradcam(images: Tensor, targets: list[int]) -> Map:
        cells = LayerGradCam(network, layer).attribute(images, target=targets)
        assert isinstance(cells, Tensor)
        side = (images.shape[-2], images.shape[-1])
        maps: Map = LayerAttribution.interpolate(cells, side, "bilinear")[:, 0].detach().numpy()
        return maps

    def occlusion(images: Tensor, targets: list[int]) -> Map:
        found = Occlusion(network).attribute(
            images, sliding_window_shapes=(3, 32, 32), strides=(3, 16, 16), target=targets, baselines=0
        )
        maps: Map = found.sum(1).numpy()
        return maps

    return {
        "gradient": lambda images, targets: Saliency(network)
        .attribute(images, target=targets).detach().amax(1).numpy(),
        "guided_backprop": pixels(GuidedBackprop(network).attribute),
        "guided_gradcam": pixels(GuidedGradCam(network, layer).attribute),
        # all its 50 steps of all pictures at once do not fit into a small machine's memory
        "integrated_gradients": pixels(partial(IntegratedGradients(network).attribute, internal_batch_size=AT_ONCE)),
        "gradcam": gradcam,
        "occlusion": occlusion,
    }  # fmt: skip


def grad_cam(network: nn.Module, layer: nn.Module) -> dict[str, Method]:
    """pytorch-grad-cam's methods with their defaults; guided backpropagation a picture at a time, as it takes them."""
    import pytorch_grad_cam as cams
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    kinds = {
        "gradcam": cams.GradCAM,
        "gradcam_pp": cams.GradCAMPlusPlus,
        "hirescam": cams.HiResCAM,
        "layercam": cams.LayerCAM,
        "eigencam": cams.EigenCAM,
        "scorecam": cams.ScoreCAM,
    }

    def drawn(kind: Any) -> Method:
        def maps(images: Tensor, targets: list[int]) -> Map:
            with kind(model=network, target_layers=[layer]) as cam:
                found: Map = cam(input_tensor=images, targets=[ClassifierOutputTarget(n) for n in targets])
            return found

        return maps

    def guided(images: Tensor, targets: list[int]) -> Map:
        model = cams.GuidedBackpropReLUModel(model=network, device="cpu")
        one_by_one = zip(images, targets, strict=True)
        return np.stack([model(image[None], target_category=n).sum(-1) for image, n in one_by_one])

    return {name: drawn(kind) for name, kind in kinds.items()} | {"guided_backprop": guided}


def main() -> None:
    job = json.load(sys.stdin)
    if job.get("threads"):
        torch.set_num_threads(job["threads"])
    network = model_of(job["network"]).network
    given = np.load(job["inputs"])
    images, targets = torch.from_numpy(given["images"]), given["targets"].tolist()
    make = captum if job["library"] == "captum" else grad_cam
    known = make(network, network.get_submodule(job["layer"]))
    methods = [name for name in job["methods"] if name in known]
    found: dict[str, list[Map]] = {name: [] for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for name in methods:
        known[name](images[:2], targets[:2])  # what is made at the first call is not counted
        began = time.perf_counter()
        for start in range(0, len(images), job["batch"]):
            part = slice(start, start + job["batch"])
            found[name].append(known[name](images[part], targets[part]))
        seconds[name] = time.perf_counter() - began
    if job.get("out"):
        made: dict[str, Any] = {name: np.concatenate(maps) for name, maps in found.items()}
        np.savez(job["out"], **made)
    print(json.dumps({"methods": methods, "seconds": seconds}))


if __name__ == "__main__":
    main()
