"""Loading alone with FFCV: its file is written once (JPEG as they are), then read with its own decoder.

Random resized crops are FFCV's: resampled with OpenCV's area filter where pictures shrink.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import job as jobs
from ffcv.fields import IntField, RGBImageField
from ffcv.fields.decoders import IntDecoder, RandomResizedCropRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import RandomHorizontalFlip, ToTensor, ToTorchImage
from ffcv.writer import DatasetWriter

from pictures import Pictures


def main() -> None:
    job = jobs.read()
    with tempfile.TemporaryDirectory(dir=job.folder or None) as home:
        file = str(Path(home, "pictures.beton"))
        writer = DatasetWriter(
            file, {"image": RGBImageField(write_mode="jpg"), "label": IntField()}, num_workers=1
        )
        wrote = time.perf_counter()
        writer.from_indexed_dataset(Pictures(job.part("train")))
        wrote = time.perf_counter() - wrote
        crop = RandomResizedCropRGBImageDecoder((job.size, job.size))
        loader = Loader(
            file, batch_size=job.batch, num_workers=job.threads or 1, order=OrderOption.RANDOM, os_cache=True,
            pipelines={"image": [crop, RandomHorizontalFlip(), ToTensor(), ToTorchImage()],
                       "label": [IntDecoder(), ToTensor()]},
        )  # fmt: skip
        for _ in loader:  # compiles, and warms the file
            pass
        began, cpu, count = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began < job.seconds:
            for images, _ in loader:
                count += len(images)
        jobs.say(
            job,
            images=count,
            seconds=time.perf_counter() - began,
            loading_cpu_seconds=time.process_time() - cpu,
            write_seconds=wrote,
            filter="area (OpenCV)",
        )


if __name__ == "__main__":
    main()
