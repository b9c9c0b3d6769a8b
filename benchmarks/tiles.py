"""What tiles give a detector on large pictures: many test pictures laid on one, seen whole and in tiles.

    python benchmarks/tiles.py RUN [--across 4] [--side 640]

RUN is a run of detection with test pictures of one size. As many of these as fill whole canvases are laid side by side,
`across` in each direction, and `foveal predict` is asked for the objects on each canvas, once as it is and once with
`--tiles SIDE`. Said counts what has a probability of 0.5 or more; right is what overlaps a true object of its label by
half or more, each object once.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from measure import machine
from PIL import Image
from torchvision.ops import box_iou

import foveal
from foveal.data.decoding import open_image
from foveal.intervals import wilson
from foveal.records.run import Run
from foveal.values import Dataset, Item

Row = Mapping[str, Any]
SURE = 0.5


def canvas(dataset: Dataset, items: Sequence[Item], across: int) -> tuple[Image.Image, list[Row]]:
    """The pictures on one, row by row, and the objects of all of them there."""
    images = [open_image(dataset.root, item) for item in items]
    width, height = images[0].size
    whole, objects = Image.new("RGB", (width * across, height * across)), list[Row]()
    for place, (item, image) in enumerate(zip(items, images, strict=True)):
        left, top = width * (place % across), height * (place // across)
        whole.paste(image, (left, top))
        for one in item.truth:
            x0, y0, x1, y1 = one["box"]
            objects.append({**one, "box": [x0 + left, y0 + top, x1 + left, y1 + top]})
    return whole, objects


def right(said: Sequence[Row], true: Sequence[Row]) -> int:
    """How many objects are found, the surest first."""
    if not (said and true):
        return 0
    overlaps = box_iou(*(torch.tensor([one["box"] for one in rows]).double() for rows in (said, true)))
    left = set(range(len(true)))
    for row, own in zip(said, overlaps.tolist(), strict=True):
        near = [n for n in left if true[n]["label"] == row["label"] and own[n] >= 0.5]
        left -= {max(near, key=own.__getitem__)} if near else set()
    return len(true) - len(left)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("--across", type=int, default=4)
    parser.add_argument("--side", type=int, default=640)
    args = parser.parse_args()
    dataset, each = Run.open(args.run).dataset, args.across**2
    items = dataset.part("test")
    groups = [items[n : n + each] for n in range(0, len(items) - each + 1, each)]
    print(machine())
    with tempfile.TemporaryDirectory() as home:
        files, truths = [], []
        for number, group in enumerate(groups):
            whole, objects = canvas(dataset, group, args.across)
            files.append(Path(home, f"{number}.png"))
            whole.save(files[-1])
            truths.append(objects)
        print(f"{len(files)} pictures of {whole.width} x {whole.height} px, {sum(map(len, truths))} objects")
        for tiles in (None, args.side):
            found = foveal.predict(args.run, files, tiles=tiles, min_probability=SURE)
            hits = sum(right(one.predictions, true) for one, true in zip(found, truths, strict=True))
            count, said = sum(map(len, truths)), sum(len(one.predictions) for one in found)
            low, high = wilson(hits / count, count)
            how = "as it is" if tiles is None else f"tiles {tiles}"
            print(
                f"{how:10s} recall {hits / count:.3f} [{low:.3f}, {high:.3f}], precision {hits / max(1, said):.3f}"
            )


if __name__ == "__main__":
    main()
