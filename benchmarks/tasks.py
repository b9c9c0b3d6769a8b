"""Detection and segmentation beside peers: the same pictures, split and minutes, in turn, and one judge for all.

    python benchmarks/tasks.py [--what bccd camvid membranes nuclei fruits] [--minutes 10] [--rounds 1]
        [--peers foveal torchvision ultralytics smp] [--data FOLDER] [--keep FILE] [--envs FOLDER]

FOLDER holds the data sets by their usual names (default: FOVEAL_TEST_DATA). `foveal train SET --minutes M` is given
nothing else; the peers (`peers/detect_with_torchvision.py`, `peers/segment_with_smp.py`,
`peers/detect_with_ultralytics.py`) get the same training pictures as truths in a file, the same backbone weights where
they take weights, and the same minutes from the start of their process; what they predict afterwards is not counted.
Foveal chooses its best epoch by the validation pictures, and its minutes hold judging it. All are judged by what they
say of the test pictures (where a set has none, of the validation pictures, which favours Foveal's choice of an epoch):
mAP by COCO's rules, checked against pycocotools here, and mIoU, both with 95 % intervals over pictures. With --keep,
what was measured is not measured again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contest import ENVS, answered, weights_file
from measure import Kept, interleaved, machine, versions
from ours import empty_caches
from PIL import Image

from foveal import catalog
from foveal.data.decoding import open_image
from foveal.data.masks import moving
from foveal.model import Model
from foveal.options import ReadOptions
from foveal.readers import prepare
from foveal.tasks._coco import Judged, Picture, Thing
from foveal.tasks._objects import run_lengths
from foveal.tasks._segment_measures import Counts, boundary_f1, confusion, interval
from foveal.values import Dataset, Item

Row = dict[str, Any]
SETS = {
    "bccd": "bccd",
    "camvid": "CamVid",
    "membranes": "isbi_membrane",
    "nuclei": "nuclei",
    "fruits": "fruits_nuts",
}
PEERS = {
    "detect": ("torchvision", "ultralytics"),
    "instances": ("torchvision", "ultralytics"),
    "segment": ("smp",),
}
SCRIPTS = {"torchvision": "torchvision-detection", "ultralytics": "ultralytics", "smp": "smp"}
"""Their names among `contest.PEERS`."""


@dataclass(frozen=True)
class Posed:
    """A data set with its task, as all are given it."""

    dataset: Dataset
    task: Any
    folder: Path
    """Where the truths of the peers lie."""
    seed: int

    @property
    def judged(self) -> str:
        return "test" if self.dataset.part("test") else "val"

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(self.dataset.part(self.judged))

    @property
    def size(self) -> int:
        """The longer side that Foveal takes by itself."""
        return int(catalog.find("tasks", self.task.name).prefers(self.dataset)["size"][0])

    def opened(self, item: Item) -> Image.Image:
        return open_image(self.dataset.root, item, 3)


def posed(data: Path, folder: Path, seed: int) -> Posed:
    """A data set as `foveal train` reads and splits it; `seed` is what all train with."""
    dataset, _ = prepare(str(data), ReadOptions(), split_seed=0)
    task = catalog.find("tasks", dataset.task).build(dataset.labels)
    made = Posed(dataset, task, folder, seed)
    write_truths(made)
    return made


def write_truths(p: Posed) -> None:
    """The file that peers read (`peers/truths.py`), and masks as class numbers."""
    from foveal.architectures.efficientnet_lite0 import PREPROCESSING

    p.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, item in enumerate(p.dataset.items):
        image = p.opened(item)
        row: Row = {
            "path": str(Path(p.dataset.root, item.path).absolute()), "part": item.part,
            "width": image.width, "height": image.height,
        }  # fmt: skip
        if p.task.name == "segment":
            file = (p.folder / f"mask-{number}.png").absolute()
            Image.fromarray(moving(item.truth, p.dataset.labels, image.size, p.dataset.root).numpy()).save(
                file
            )
            row["mask"] = str(file)
        else:
            row["objects"] = [_plain(one) for one in told_of(p, item, image)]
        rows.append(row)
    made = {
        "labels": list(p.dataset.labels), "mean": PREPROCESSING.mean, "std": PREPROCESSING.std, "pictures": rows,
    }  # fmt: skip
    (p.folder / "truths.json").write_text(json.dumps(made), encoding="utf-8")


def told_of(p: Posed, item: Item, image: Image.Image) -> tuple[Thing, ...]:
    """The true objects of a picture."""
    things: tuple[Thing, ...] = p.task.truth(item, image, p.dataset.root)["known"].things
    return things


def _plain(one: Thing) -> Row:
    row: Row = {"label": one.label, "box": list(one.box), "ignored": one.ignored}
    if one.runs is not None:
        row["runs"] = {"size": list(map(int, one.runs["size"])), "counts": one.runs["counts"].decode()}
    return row


# What is said of the pictures, in one form


def ours(p: Posed, minutes: float, seed: int) -> tuple[Row, Any]:
    """`foveal train` as a person types it, and what its model says of the judged pictures."""
    with tempfile.TemporaryDirectory() as made:
        run, began = Path(made, "run"), time.time()
        words = ["train", p.dataset.root, "--minutes", f"{minutes:g}", "--seed", str(seed), "--out", str(run)]
        done = subprocess.run(
            [sys.executable, "-m", "foveal", *words], capture_output=True, text=True,
            env=empty_caches(Path(made, "caches")),
        )  # fmt: skip
        seconds = time.time() - began
        if done.returncode:
            return {"error": f"foveal train ended with {done.returncode}: {done.stderr[-300:]}"}, None
        model = Model.load(run)
        paths = [str(Path(p.dataset.root, item.path)) for item in p.items]
        said = [one.predictions for one in model.predict(paths, batch=8)]
    network = str(model.card.architecture["name"])
    row = {"seconds": seconds, "network": network, "versions": {"foveal": versions("foveal")}}
    labels = list(model.labels)
    if p.task.name == "segment":
        return row, [_map_of(one, labels, p.opened(item)) for one, item in zip(said, p.items, strict=True)]
    return row, [[_found(one, labels) for one in picture] for picture in said]


def _map_of(rows: Sequence[Row], labels: Sequence[str], image: Image.Image) -> Any:
    from foveal.charts.run_lengths import decoded

    found = np.full((image.height, image.width), 255, np.uint8)
    for row in rows:
        found[decoded(row["mask"])] = labels.index(row["label"])
    return found


def _found(row: Row, labels: Sequence[str]) -> Row:
    said = {"label": labels.index(row["label"]), "score": row["probability"], "box": row["box"]}
    return said | ({"runs": row["mask"]} if "mask" in row else {})


def theirs(name: str, p: Posed, minutes: float, seed: int, weights: Path, envs: Path) -> tuple[Row, Any]:
    """What a peer answers, and what it says of the judged pictures."""
    with tempfile.TemporaryDirectory() as made:
        job = {
            "do": "train", "truths": str(p.folder / "truths.json"), "task": p.task.name, "judged": p.judged,
            "minutes": minutes, "out": made, "weights": str(weights), "size": p.size, "seed": seed,
        }  # fmt: skip
        row = answered(SCRIPTS[name], job, envs, timeout=60 * (3 * minutes + 20))
        if "error" in row:
            return row, None
        if p.task.name == "segment":
            return row, [np.asarray(Image.open(Path(made, f"{n}.png"))) for n in range(len(p.items))]
        return row, json.loads(Path(made, "said.json").read_text(encoding="utf-8"))


# The judge


def judged(p: Posed, said: Any) -> Row:
    """The figures of what was said of the judged pictures, whoever said it."""
    images = [p.opened(item) for item in p.items]
    if p.task.name == "segment":
        return _maps_judged(p, said, images)
    form = "segm" if p.task.name == "instances" else "bbox"
    pictures = [
        Picture(told_of(p, item, image), [_thing(one, image, form) for one in picture])
        for item, image, picture in zip(p.items, images, said, strict=True)
    ]
    found = Judged.of(pictures, len(p.dataset.labels), form)  # type: ignore[arg-type]
    figures = found.figures()
    low, high = found.interval(figures["mAP"])
    if not any(one.ignore for picture in pictures for one in picture.told):  # which COCO's files cannot say
        known = by_pycocotools(pictures, images, len(p.dataset.labels), form)
        if max(abs(known[0] - figures["mAP"]), abs(known[1] - figures["mAP50"])) > 1e-6:
            raise SystemExit(f"pycocotools says mAP {known[0]:.6f}, and not {figures['mAP']:.6f}")
    return {"name": "mAP", "figure": figures["mAP"], "low": low, "high": high, **figures}


def _thing(one: Row, image: Image.Image, form: str) -> Thing:
    x0, y0, x1, y1 = (max(0.0, float(v)) for v in one["box"])
    x1, y1 = min(x1, float(image.width)), min(y1, float(image.height))
    runs = one.get("runs")
    if form == "bbox":
        return Thing(one["label"], (x0, y0, x1, y1), max(0.0, x1 - x0) * max(0.0, y1 - y0), one["score"])
    from pycocotools import mask as coco

    runs = runs or run_lengths(np.zeros((image.height, image.width), bool))
    return Thing(one["label"], (x0, y0, x1, y1), float(coco.area(runs)), one["score"], runs=runs)


def by_pycocotools(
    pictures: Sequence[Picture], images: Sequence[Image.Image], classes: int, form: str
) -> tuple[float, float]:
    """mAP and mAP50 of its own command, from files as COCO's are."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def plain(number: int, one: Thing) -> Row:
        x0, y0, x1, y1 = one.box
        row: Row = {"image_id": number, "category_id": one.label, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        if one.runs is not None:
            counts = one.runs["counts"]
            text = counts.decode() if isinstance(counts, bytes) else counts
            row["segmentation"] = {"size": list(map(int, one.runs["size"])), "counts": text}
        return row

    truth = COCO()
    told = [(n, one) for n, picture in enumerate(pictures) for one in picture.told]
    truth.dataset = {
        "images": [{"id": n, "width": i.width, "height": i.height} for n, i in enumerate(images)],
        "categories": [{"id": n, "name": str(n)} for n in range(classes)],
        "annotations": [
            {**plain(n, one), "id": place + 1, "area": one.area, "iscrowd": int(one.crowd)}
            for place, (n, one) in enumerate(told)
        ],
    }
    said = [{**plain(n, one), "score": one.score} for n, p in enumerate(pictures) for one in p.found]
    if not said:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        if form == "segm":
            said = [{k: v for k, v in row.items() if k != "bbox"} for row in said]
        judge = COCOeval(truth, truth.loadRes(said), form)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0]), float(judge.stats[1])


def _maps_judged(p: Posed, said: Any, images: Sequence[Image.Image]) -> Row:
    labels, tables, edges = p.dataset.labels, [], []
    for item, image, found in zip(p.items, images, said, strict=True):
        wanted = moving(item.truth, labels, image.size, p.dataset.root).numpy()
        tables.append(confusion(found, wanted, len(labels)))
        edges.append(boundary_f1(found, wanted, np.unique(wanted[wanted != 255]).tolist()))
    each, total = Counts.of(np.stack(tables)), Counts.of(np.stack(tables).sum(0))
    value = float(total.mean(total.iou))
    low, high = interval(each, value)
    known = [one for one in edges if one is not None]
    return {
        "name": "mIoU", "figure": value, "low": low, "high": high, "dice": float(total.mean(total.dice)),
        "pixel_accuracy": float(total.hits.sum() / total.truly.sum()),
        "boundary_f1": float(np.mean(known)) if known else 0.0,
        "dice_of": dict(zip(labels, total.dice.round(4).tolist(), strict=True)),
    }  # fmt: skip


def measured(name: str, p: Posed, args: argparse.Namespace, weights: Path) -> Row:
    """One contestant: trained, asked and judged."""
    if name == "foveal":
        row, said = ours(p, args.minutes, p.seed)
    else:
        row, said = theirs(name, p, args.minutes, p.seed, weights, args.envs)
    return row if said is None else {**row, **judged(p, said), "on": p.judged, "pictures": len(p.items)}


def line(name: str, row: Row) -> str:
    if "error" in row:
        return f"  {name:12s} {row['error']}"
    more = ("mAP50", "mAP75") if row["name"] == "mAP" else ("dice", "boundary_f1")
    said = "  ".join(f"{key} {row[key]:.3f}" for key in more if key in row)
    where = f"{row['pictures']} {row['on']} pictures"
    return f"  {name:12s} {row['name']} {row['figure']:.3f} [{row['low']:.3f}, {row['high']:.3f}]  {said}  ({where})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--what", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=1, help="each with a seed of its own")
    parser.add_argument("--peers", nargs="+", choices=["foveal", *SCRIPTS], default=["foveal", *SCRIPTS])
    parser.add_argument("--data", type=Path, default=os.environ.get("FOVEAL_TEST_DATA"))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--envs", type=Path, default=ENVS)
    args = parser.parse_args()
    if args.data is None:
        parser.error("give the folder of the data sets with --data, or set FOVEAL_TEST_DATA")
    kept = Kept(args.keep)
    print(machine())
    with tempfile.TemporaryDirectory() as home:
        weights = weights_file("efficientnet_lite0", Path(home))
        for what in args.what:
            print(f"\n{what}, {args.minutes:g} minutes each", flush=True)
            for number in range(args.rounds):
                p = posed(args.data / SETS[what], Path(home, f"{what}-{number}"), number)
                names = [n for n in args.peers if n == "foveal" or n in PEERS[p.task.name]]
                names = names if number % 2 == 0 else names[::-1]
                who = {n: lambda n=n, p=p: measured(n, p, args, weights) for n in names}
                key = {"what": what, "minutes": args.minutes, "seed": number}
                found = interleaved(who, 1, kept, key, "figure")
                for name in names:
                    print(line(name, found[name][-1]), flush=True)


if __name__ == "__main__":
    main()
