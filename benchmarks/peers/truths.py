"""What peers of detection and segmentation are told, and how they answer. No foveal here, and torch only where asked.

The truths are a JSON file: `labels`, `mean` and `std` of the weights, and `pictures`, each with `path`, `part`,
`width`, `height` and either `objects` (`label` as a number, `box` as x0, y0, x1, y1, `runs` as COCO's run lengths
where there are masks, `ignored`) or `mask`, a grey PNG of class numbers, 255 where nothing is known. The answer lies
in `out`: for objects `said.json`, a list a picture of the part `judged` in the file's order; for classes `N.png`, N
counted from 0.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from job import Job
from PIL import Image

NONE = 255


@dataclass(frozen=True)
class TaskJob(Job):
    """One of these tasks for a peer; it may train for so many minutes from the start of its process."""

    truths: str = ""
    task: str = "detect"
    judged: str = "test"
    """The part that is to be predicted."""
    minutes: float = 10.0
    out: str = ""

    @property
    def over(self) -> float:
        """The share of its minutes that are over."""
        return (time.time() - self.began) / (60 * self.minutes)


@dataclass(frozen=True)
class Told:
    """The truths' file."""

    labels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pictures: tuple[dict[str, Any], ...]

    def of(self, part: str) -> list[dict[str, Any]]:
        return [one for one in self.pictures if one["part"] == part]


def read() -> tuple[TaskJob, Told]:
    """The job on stdin and its truths; the number of threads and the seed are set."""
    import torch

    asked: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in json.load(sys.stdin).items()
    }
    job = TaskJob(**asked)
    if job.threads:
        torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    told = json.loads(Path(job.truths).read_text(encoding="utf-8"))
    Path(job.out).mkdir(parents=True, exist_ok=True)
    return job, Told(tuple(told["labels"]), tuple(told["mean"]), tuple(told["std"]), tuple(told["pictures"]))


def picture(row: dict[str, Any]) -> Image.Image:
    """A picture in colour, upright."""
    from PIL import ImageOps

    with Image.open(row["path"]) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def write_objects(job: TaskJob, said: Sequence[Sequence[dict[str, Any]]]) -> None:
    """What was found on each picture: `label`, `score`, `box`, and `runs` where there are masks."""
    Path(job.out, "said.json").write_text(json.dumps(said), encoding="utf-8")
