"""Near duplicates found: made ones among real photographs, and CIFAR-10's published ones, beside CleanVision's.

    python benchmarks/duplicates.py FOLDER [--cifar PICTURES --list CSV] [--peer PYTHON] [--count N] [--json]

FOLDER holds different photographs, of which N are recompressed, resized, cropped by a tenth, mirrored, and turned by 3
degrees. PICTURES is CIFAR-10 as test/CLASS/INDEX.png and train/CLASS/INDEX.png, CSV is ciFAIR's list of test pictures
that have a near duplicate in train (Barz & Denzler 2020). PYTHON is an interpreter with CleanVision, which
takes pictures with equal perceptual hashes for near duplicates. Cost is a picture's milliseconds from its file to its
twins, by the clock and of the processor, one process each.
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

from foveal.data.sketches import small_of
from foveal.data.twins import find

Row = dict[str, Any]
SUFFIXES = (".jpg", ".jpeg", ".png")
_PEER = """
import contextlib, json, sys, time
from cleanvision import Imagelab
files = json.load(open(sys.argv[1]))
place = {file: n for n, file in enumerate(files)}
began, spent = time.perf_counter(), time.process_time()
with contextlib.redirect_stdout(sys.stderr):
    lab = Imagelab(filepaths=files)
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=1, verbose=False)
told = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - spent}
sets = [s for kind in ("exact_duplicates", "near_duplicates") for s in lab.info[kind]["sets"]]
print(json.dumps({**told, "groups": [[place[file] for file in s] for s in sets]}))
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
    wanted = {(n, len(files) + place) for place, n in enumerate(some)}
    rows: list[Row] = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as home:
            names = [str(file.absolute()) for file in files]
            for place, n in enumerate(some):
                names.append(f"{home}/{place}.png")
                made(kind, images[n], draws).save(names[-1])
            told = ours(names)
            of = {len(files) + place: n for place, n in enumerate(some)}
            found = {
                pair for pair in told["pairs"] if tuple(sorted(of.get(n, n) for n in pair)) not in own
            } - own
            rows.append({"made": kind, "who": "Foveal", **figures(found, wanted), **_cost(told, len(names))})
            if peer:
                told = theirs(peer, names, Path(home))
                rows.append(
                    {
                        "made": kind,
                        "who": "CleanVision",
                        **figures(told["pairs"], wanted),
                        **_cost(told, len(names)),
                    }
                )
    return rows


def figures(found: set[tuple[int, int]], wanted: set[tuple[int, int]]) -> Row:
    hits = len(found & wanted)
    return {"recall": round(hits / len(wanted), 3), "precision": round(hits / max(1, len(found)), 3)}


def ours(names: Sequence[str]) -> dict[str, Any]:
    """The pairs that Foveal finds among these files, and what that takes."""
    began, spent = time.perf_counter(), time.process_time()
    pairs, _ = find(np.stack([small_of(opened(Path(name))) for name in names]))
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    return {"pairs": {(pair.first, pair.second) for pair in pairs}, "seconds": seconds, "cpu": cpu}


def theirs(python: str, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """The same by CleanVision: every pair within one of its sets."""
    listed = folder / "files.json"
    listed.write_text(json.dumps(list(names)))
    said = subprocess.run([python, "-c", _PEER, str(listed)], check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(said.stdout)
    told["pairs"] = {(a, b) for group in told["groups"] for a in group for b in group if a < b}
    return told


def _cost(told: Row, count: int) -> Row:
    return {name: round(1000 * told[key] / count, 2) for name, key in (("ms", "seconds"), ("cpu ms", "cpu"))}


def of_cifar(pictures: Path, listed: Path, peer: str | None) -> list[Row]:
    """How many of the published pairs are found, and how many test pictures have a twin in training by it."""
    files = {(file.parents[1].name, int(file.stem)): file for file in pictures.rglob("*.png")}
    keys = sorted(files)
    names = [str(files[key].absolute()) for key in keys]
    with listed.open() as file:
        known = [
            (("test", int(r["TestID"])), ("train", int(r["TrainID"])), r["Judgment"])
            for r in csv.DictReader(file)
        ]
    found = [("Foveal", ours(names))]
    if peer:
        with tempfile.TemporaryDirectory() as home:
            found.append(("CleanVision", theirs(peer, names, Path(home))))
    rows = []
    for who, told in found:
        pairs = {(keys[a], keys[b]) for a, b in told["pairs"]}
        rows.append({"who": who, **_published(pairs, known), **_cost(told, len(names))})
    return rows


def _published(found: set[Any], known: Sequence[tuple[Any, Any, str]]) -> Row:
    test = {one if one[0] == "test" else two for one, two in found if one[0] != two[0]}
    listed = {one for one, *_ in known}
    made: Row = {"set": "CIFAR-10", "test pictures": len(test), "of them listed": len(test & listed)}
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
