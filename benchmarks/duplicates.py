"""Near duplicates found: made ones among real photographs, and CIFAR-10's published ones, beside CleanVision's.

    python benchmarks/duplicates.py FOLDER [--cifar PICTURES --list CSV] [--peer PYTHON] [--count N] [--json]

FOLDER holds different photographs, of which N are recompressed, resized, cropped by a tenth, mirrored, and turned by 3
degrees. PICTURES is CIFAR-10 as test/CLASS/INDEX.png and train/CLASS/INDEX.png, CSV is ciFAIR's list of test pictures
that have a near duplicate in train (Barz & Denzler 2020). PYTHON is an interpreter with CleanVision (imagehash), which
takes pictures with equal 64-bit hashes for near duplicates.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from foveal.data.sketches import Pixels, small_of
from foveal.data.twins import find

Row = dict[str, Any]
SUFFIXES = (".jpg", ".jpeg", ".png")
_PEER = """
import json, sys, time
import imagehash
from PIL import Image
began, groups = time.time(), {}
files = json.load(open(sys.argv[1]))
for n, file in enumerate(files):
    groups.setdefault(str(imagehash.phash(Image.open(file))), []).append(n)
print(json.dumps({"seconds": time.time() - began, "groups": [g for g in groups.values() if len(g) > 1]}))
"""


def recompressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file).convert("RGB")


def cropped(image: Image.Image, draws: np.random.Generator) -> Image.Image:
    width, height = (round(0.9 * side) for side in image.size)
    left, top = (
        int(draws.integers(0, whole - part + 1))
        for whole, part in zip(image.size, (width, height), strict=True)
    )
    return image.crop((left, top, left + width, top + height))


def made(kind: str, image: Image.Image, draws: np.random.Generator) -> Image.Image:
    """One picture made of another."""
    return {
        "recompressed": lambda: recompressed(image),
        "resized": lambda: image.resize(
            (round(0.6 * image.width), round(0.6 * image.height)), Image.Resampling.BICUBIC
        ),
        "cropped": lambda: cropped(image, draws),
        "mirrored": lambda: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "turned": lambda: image.rotate(3 * float(draws.choice((-1, 1))), Image.Resampling.BICUBIC),
    }[kind]()


KINDS = ("recompressed", "resized", "cropped", "mirrored", "turned")


def opened(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")


def of_made_ones(folder: Path, count: int, peer: str | None) -> list[Row]:
    """Recall and precision for each way of making them; photographs that are twins themselves, and
    what is made of them, are set aside."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    images = [opened(file) for file in files]
    base = np.stack([small_of(image) for image in images])
    own = {(pair.first, pair.second) for pair in find(base)[0]}
    draws = np.random.default_rng(0)
    some = draws.permutation(len(files))[:count].tolist()
    rows: list[Row] = []
    for kind in KINDS:
        others = [made(kind, images[n], draws) for n in some]
        began = time.perf_counter()
        pairs, _ = find(np.concatenate([base, np.stack([small_of(image) for image in others])]))
        seconds = time.perf_counter() - began
        wanted = {(n, len(files) + place) for place, n in enumerate(some)}
        found = {(pair.first, pair.second) for pair in pairs} - own
        of = {len(files) + place: n for place, n in enumerate(some)}
        found = {pair for pair in found if tuple(sorted(of.get(n, n) for n in pair)) not in own}
        rows.append(
            {"made": kind, "who": "foveal", **figures(found, wanted), "ms": _ms(seconds, len(files) + count)}
        )
        if peer:
            rows.append({"made": kind, "who": "equal hashes", **by_hash(peer, files, others, wanted)})
    return rows


def figures(found: set[tuple[int, int]], wanted: set[tuple[int, int]]) -> Row:
    hits = len(found & wanted)
    return {"recall": round(hits / len(wanted), 3), "precision": round(hits / max(1, len(found)), 3)}


def by_hash(
    python: str, files: Sequence[Path], others: Sequence[Image.Image], wanted: set[tuple[int, int]]
) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        names = [str(file.absolute()) for file in files]
        for n, image in enumerate(others):
            names.append(f"{folder}/{n}.png")
            image.save(names[-1])
        told = hashed(python, names, Path(folder))
    found = {(a, b) for group in told["groups"] for a in group for b in group if a < b}
    return {**figures(found, wanted), "ms": _ms(told["seconds"], len(names))}


def hashed(python: str, names: Sequence[str], folder: Path) -> Row:
    listed = folder / "files.json"
    listed.write_text(json.dumps(list(names)))
    said = subprocess.run([python, "-c", _PEER, str(listed)], check=True, capture_output=True, text=True)
    told: Row = json.loads(said.stdout)
    return told


def _ms(seconds: float, count: int) -> float:
    return round(1000 * seconds / count, 2)


def of_cifar(pictures: Path, listed: Path, peer: str | None) -> list[Row]:
    """How many of the published pairs are found, and how many test pictures have a twin in training by it."""
    files = {(file.parents[1].name, int(file.stem)): file for file in pictures.rglob("*.png")}
    keys = sorted(files)
    small: Pixels = np.stack([small_of(opened(files[key])) for key in keys])
    began = time.perf_counter()
    pairs, _ = find(small)
    seconds = time.perf_counter() - began
    with listed.open() as file:
        known = [
            (("test", int(r["TestID"])), ("train", int(r["TrainID"])), r["Judgment"])
            for r in csv.DictReader(file)
        ]
    found = {(keys[pair.first], keys[pair.second]) for pair in pairs}
    rows = [{"who": "foveal", **_published(found, known), "ms": _ms(seconds, len(keys))}]
    if peer:
        with tempfile.TemporaryDirectory() as folder:
            told = hashed(peer, [str(files[key].absolute()) for key in keys], Path(folder))
        same = {(keys[a], keys[b]) for group in told["groups"] for a in group for b in group if a < b}
        rows.append({"who": "equal hashes", **_published(same, known), "ms": _ms(told["seconds"], len(keys))})
    return rows


def _published(found: set[Any], known: Sequence[tuple[Any, Any, str]]) -> Row:
    test = {one if one[0] == "test" else two for one, two in found if one[0] != two[0]}
    made: Row = {"set": "CIFAR-10", "test pictures": len(test)}
    for judgement, name in (("1", "near duplicates"), ("2", "very similar")):
        hits = [(one, two) in found or (two, one) in found for one, two, said in known if said == judgement]
        made[name] = f"{sum(hits)} of {len(hits)}"
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cifar", type=Path)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--peer")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = of_made_ones(given.folder, given.count, given.peer)
    if given.cifar is not None and given.list is not None:
        rows += of_cifar(given.cifar, given.list, given.peer)
    if given.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print("  ".join(f"{name} {value}" for name, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
