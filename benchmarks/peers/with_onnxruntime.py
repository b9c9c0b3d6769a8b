"""ONNX Runtime on the job's network, exported here by torch.onnx: parity, then pictures per second.

`network` is tensors to logits; `pictures` is files to labels, with Pillow and torchvision's resize and
crop before it, as a person would serve them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import job as jobs
import numpy as np
import onnxruntime
import torch

from pictures import Pictures, check_transform, network


def session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def exported(net: torch.nn.Module, sample: torch.Tensor, file: Path) -> None:
    """The network for batches of the sample's size; fixed shapes are the fastest."""
    torch.onnx.export(
        net, (sample,), str(file), input_names=["images"], output_names=["logits"], verbose=False
    )


def rate(call: Callable[[], Any], images: int, seconds: float) -> float:
    """Pictures per second, after two calls that warm up; the median of the calls."""
    call(), call()
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(times) < 3:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return images / float(np.median(times))


def measured(job: jobs.Job, net: torch.nn.Module, batch: int) -> tuple[dict[str, float], float, bool]:
    """Rates at this batch size, the widest difference of a logit to torch's, and whether labels agree."""
    paths = job.part("val")
    files = Pictures([paths[n % len(paths)] for n in range(batch)], check_transform(job))

    def seen() -> torch.Tensor:
        return torch.stack([files[n][0] for n in range(batch)])

    images = seen()
    with tempfile.TemporaryDirectory() as home, torch.inference_mode():
        file = Path(home, "network.onnx")
        exported(net, images, file)
        run, wanted = session(file, job.threads).run, net(images).numpy()
    ready = images.numpy()
    got = run(None, {"images": ready})[0]
    rates = {
        f"network {batch}": rate(lambda: run(None, {"images": ready}), batch, job.seconds),
        f"pictures {batch}": rate(
            lambda: run(None, {"images": seen().numpy()})[0].argmax(1), batch, job.seconds
        ),
    }
    return rates, float(np.abs(got - wanted).max()), bool((got.argmax(1) == wanted.argmax(1)).all())


def labels(job: jobs.Job, net: torch.nn.Module) -> list[int]:
    """What it says of the first 32 validation files."""
    files = Pictures(job.part("val")[:32], check_transform(job))
    images = torch.stack([files[n][0] for n in range(len(files))])
    with tempfile.TemporaryDirectory() as home, torch.inference_mode():
        file = Path(home, "network.onnx")
        exported(net, images, file)
        said: list[int] = (
            session(file, job.threads).run(None, {"images": images.numpy()})[0].argmax(1).tolist()
        )
    return said


def main() -> None:
    job = jobs.read()
    net = network(job, classes=1000).eval()
    rates: dict[str, float] = {}
    widest, same = 0.0, True
    for batch in job.batches:
        found, difference, equal = measured(job, net, batch)
        rates |= found
        widest, same = max(widest, difference), same and equal
    jobs.say(job, rates=rates, widest=widest, same_labels=same, labels=labels(job, net))


if __name__ == "__main__":
    main()
