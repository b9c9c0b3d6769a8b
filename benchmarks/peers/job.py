"""What a peer is asked, and how it answers: a JSON object on stdin, a JSON line on stdout. No torch here."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

PACKAGES = (
    "torch", "torchvision", "timm", "lightning", "fastai", "keras", "jax", "onnxruntime", "onnx", "pillow",
    "ffcv", "scikit-learn",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One task for a peer."""

    peer: str
    began: float
    """When its process was started, Unix seconds."""
    do: Literal["train", "fine-tune", "load", "predict"] = "train"
    preset: Literal["same", "own"] = "same"
    """`same`: the settings below are everybody's; `own`: the peer's defaults, where it has any."""
    rows: str = ""
    """A JSON file with [path, label, part] of every picture."""
    network: str = "resnet18"
    weights: str = ""
    """A safetensors file with the starting weights, by torchvision's and timm's names."""
    size: int = 224
    batch: int = 32
    epochs: int = 2
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    smoothing: float = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False
    fused: bool = False
    compiled: bool = False
    """Compiled code (the bare loop only)."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    threads: int = 0
    """Threads of the arithmetic; 0: what the peer takes by itself."""
    seconds: float = 10.0
    """How long to measure, where nothing else says it."""
    batches: tuple[int, ...] = (1, 32)
    """Batch sizes to predict with."""
    seed: int = 0
    folder: str = ""
    """A place for files of the peer's own."""

    def part(self, name: str) -> list[tuple[str, int]]:
        """Path and class index of the part's pictures."""
        rows = json.loads(Path(self.rows).read_text(encoding="utf-8"))
        labels = sorted({label for _, label, _ in rows})
        return [(path, labels.index(label)) for path, label, part in rows if part == name]

    @property
    def classes(self) -> int:
        return len({label for _, label, _ in json.loads(Path(self.rows).read_text(encoding="utf-8"))})


def read() -> Job:
    """The job on stdin; the number of threads is set where it says one."""
    asked: dict[str, Any] = json.load(sys.stdin)
    asked = {k: tuple(v) if isinstance(v, list) else v for k, v in asked.items()}
    job = Job(**asked)
    if job.threads and os.environ.get("KERAS_BACKEND") != "jax":
        import torch

        torch.set_num_threads(job.threads)
    return job


@dataclass
class Watch:
    """Notes when steps and epochs ended, so that all contestants are timed by one rule.

    The steady rate counts the pictures after each epoch's first step, over the time since that step
    was done; the first epoch warms up, where there are more. What happens between epochs is not in it.
    """

    job: Job
    epochs: list[list[tuple[float, int]]] = field(default_factory=lambda: [[]])
    history: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def step(self, images: int) -> None:
        """An optimizer step on so many pictures is done."""
        self.epochs[-1].append((time.perf_counter(), images))

    def epoch(self, accuracy: float | None = None) -> None:
        """An epoch is over, with its validation."""
        at = time.time() - self.job.began
        self.history.append({"at": at} | ({} if accuracy is None else {"accuracy": float(accuracy)}))
        self.epochs.append([])

    def steady(self) -> tuple[int, float]:
        """Pictures and seconds that the steady rate is made of."""
        full = [steps for steps in self.epochs if len(steps) > 1]
        counted = full[1:] or full
        images = sum(sum(n for _, n in steps[1:]) for steps in counted)
        return images, sum(steps[-1][0] - steps[0][0] for steps in counted)

    def answer(self, **more: Any) -> None:
        """Print the result."""
        images, seconds = self.steady()
        whole = sum(n for steps in self.epochs for _, n in steps)
        say(
            self.job,
            images=images,
            seconds=seconds,
            images_per_second=images / seconds if seconds else None,
            all_images=whole,
            history=self.history,
            **more,
        )


def say(job: Job, **result: Any) -> None:
    """Print a result as one line of JSON, with what it was made by."""
    print(
        json.dumps(
            {
                "peer": job.peer,
                "preset": job.preset,
                "done": time.time() - job.began,
                "peak_bytes": peak_bytes(),
                "cpu_seconds": time.process_time(),
                "versions": versions(),
                **result,
            }
        ),
        flush=True,
    )


def versions() -> dict[str, str]:
    """The versions of what this process has loaded."""
    there = {
        package
        for package in PACKAGES
        if {"pillow": "PIL", "scikit-learn": "sklearn"}.get(package, package) in sys.modules
    }
    return {package: metadata.version(package) for package in sorted(there)}


def peak_bytes() -> int | None:
    """Most memory this process has held at once (resident set), or None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the process that began this one, too
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
