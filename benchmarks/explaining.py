"""Explanations beside Captum and pytorch-grad-cam: how well maps point, and how long they take.

    python benchmarks/explaining.py [--fruits FOLDER] [--samples FOLDER] [--what pointing two speed]
        [--network efficientnet_lite0] [--rounds 5] [--pairs 20] [--deep 12] [--minutes 12]
        [--keep explaining.jsonl] [--envs FOLDER]

Claims checked: on photographs with boxes, and on two pictures side by side of which one is asked for, our maps
point at least as well as theirs; and the same outputs for 200 pictures take them at least 1.5 times as long as us.

`pointing`: FRUITS has photographs with VOC boxes of apples, bananas and oranges, which ImageNet knows (an apple
counts as its Granny Smith). For each picture and kind in it: whether the map's highest point lies in a box of that
kind (Zhang et al. 2016, without their margin), the share of what is positive in the map that does, and insertion
and deletion (RISE's, in logits of that kind), beside random maps. Boxes are cut to what the network sees.
`two`: SAMPLES has a photograph a class; two of them, both known to the network, stand in opposite quarters of a grey
picture; the share of what is positive in both quarters that lies in the one asked for.
`speed`: 200 pictures, tensors to maps of the pictures' size, each library with all methods that it shares with us.
Sizes are taken where sizes are shown (gradients), else what is positive. All get the same tensors, weights, layer.
Figures are means over questions with 95 % bootstrap intervals; what is said of two is paired, question by question.
Questions come in random order, and stop when --minutes are over; with --keep the next call goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contest import ENVS, answered, available
from measure import Kept, interleaved, machine, ratios, versions, with_interval
from numpy.typing import NDArray

from foveal import catalog
from foveal.data.decoding import open_path
from foveal.data.seen import seen_of
from foveal.data.views import normalise, to_input
from foveal.explaining.given import explainable
from foveal.explaining.soundness import pixels_of, random_maps, start_of, ways
from foveal.machine.pieces import pieces_of, side_by_side
from foveal.model import Model
from foveal.plan.published import model_of
from foveal.structure.look import Look
from foveal.structure.subject import Subject
from foveal.structure.taps import untouched
from foveal.values import Target

KINDS = {"apple": "Granny Smith", "banana": "banana", "orange": "orange"}
LIBRARIES = ("captum", "grad-cam")
METHODS = {
    "captum": (
        "gradcam",
        "gradient",
        "guided_backprop",
        "guided_gradcam",
        "integrated_gradients",
        "occlusion",
    ),
    "grad-cam": ("gradcam", "gradcam_pp", "hirescam", "layercam", "eigencam"),
}
SPEED = {
    "captum": ("gradcam", "guided_backprop", "guided_gradcam"),
    "grad-cam": ("gradcam", "gradcam_pp", "hirescam", "layercam", "eigencam"),
}
DEEP = ("integrated_gradients", "occlusion")
"""Methods of a hundred passes and more for one map: tried on fewer questions, after all others."""
TOGETHER = 6
"""Questions that go to one contestant after the other before the next ones do."""
STEPS = 6
"""Steps of insertion and deletion: the same for all, so that how fine they are hardly counts."""
SIZES = ("gradient", "guided_backprop", "smoothgrad", "deconvolution", "guided_gradcam")
BATCH = 16
Map = NDArray[np.float32]


@dataclass
class Asked:
    """Pictures `BCHW` as the network takes them, the class asked for in each, and where it is (`HW`, bool)."""

    images: torch.Tensor
    labels: list[str]
    inside: list[NDArray[np.bool_]]
    other: list[NDArray[np.bool_]]
    """Where the other object is; empty where nobody says."""


def fruits(folder: Path, model: Model) -> Asked:
    """A row for each picture and kind of fruit in it."""
    size = model.preprocessing.size
    view = model.task.view(model.preprocessing)
    images, labels, inside = [], [], []
    for file in sorted(folder.rglob("*.xml")):
        photograph = next((p for p in file.parent.glob(f"{file.stem}.*") if p.suffix != ".xml"), None)
        if photograph is None:
            continue
        picture = open_path(photograph, 3)
        x0, y0, x1, y1 = seen_of(*picture.size, model.preprocessing).box
        for kind, label in KINDS.items():
            there = np.zeros((size, size), bool)
            for one in ET.parse(file).getroot().iter("object"):
                if one.findtext("name") != kind:
                    continue
                box = [
                    float(one.findtext(f"bndbox/{side}") or 0) for side in ("xmin", "ymin", "xmax", "ymax")
                ]
                left, right = (int(np.clip((v - x0) / (x1 - x0) * size, 0, size)) for v in box[::2])
                top, bottom = (int(np.clip((v - y0) / (y1 - y0) * size, 0, size)) for v in box[1::2])
                there[top:bottom, left:right] = True
            if there.any() and not there.all():
                images.append(to_input(picture, view))
                labels.append(label)
                inside.append(there)
    return Asked(normalise(torch.stack(images), model.preprocessing), labels, inside, [])


def two_objects(folder: Path, model: Model, most: int) -> Asked:
    """Pairs of photographs in opposite quarters, each asked for once, where the network ranks both among its five."""
    size, half = model.preprocessing.size, model.preprocessing.size // 2
    with (folder / "class_index.csv").open(encoding="utf-8") as stream:
        rows = [(row["file"], model.labels[int(row["class_index"])]) for row in csv.DictReader(stream)]
    draw = np.random.default_rng(0)
    images: list[torch.Tensor] = []
    labels: list[str] = []
    inside: list[NDArray[np.bool_]] = []
    other: list[NDArray[np.bool_]] = []
    first, last = np.zeros((size, size), bool), np.zeros((size, size), bool)
    first[:half, :half], last[size - half :, size - half :] = True, True
    while len(images) < most:
        (a, label_a), (b, label_b) = (rows[n] for n in draw.choice(len(rows), 2, replace=False))
        made = torch.full((3, size, size), 128, dtype=torch.uint8)
        for name, where in ((a, first), (b, last)):
            small = open_path(folder / name, 3).resize((half, half))
            made[:, torch.from_numpy(where)] = torch.from_numpy(np.asarray(small)).permute(2, 0, 1).flatten(1)
        seen = normalise(made[None], model.preprocessing)
        with torch.inference_mode():
            best = {model.labels[n] for n in model.network(seen)[0].topk(5).indices.tolist()}
        if {label_a, label_b} <= best and label_a != label_b:
            images += [seen[0], seen[0]]
            labels += [label_a, label_b]
            inside += [first, last]
            other += [last, first]
    return Asked(torch.stack(images), labels, inside, other)


def ours(model: Model, asked: Asked, methods: Sequence[str]) -> tuple[dict[str, Map], float]:
    """Our maps by method, and the seconds they took; passes are shared, pieces are looked at side by side."""
    shape = (1, *asked.images.shape[1:])
    subject = Subject.of(model.network, shape)
    explain = {name: catalog.find("explainers", name).explain for name in methods}

    def piece(numbers: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        chosen = torch.from_numpy(numbers)
        targets = [Target(asked.labels[n]) for n in numbers]
        look = Look(
            subject, asked.images[chosen], targets, explainable(model.task).score, model.preprocessing
        )
        return {name: pixels_of(make(look), subject) for name, make in explain.items()}

    began = time.perf_counter()
    count = max(pieces_of(asked.images, "cpu"), -(-len(asked.images) // BATCH))
    with untouched(subject.network), side_by_side() as run:
        parts = run(piece, np.array_split(np.arange(len(asked.images)), count))
    found = {name: torch.cat([part[name] for part in parts]).numpy() for name in methods}
    return found, time.perf_counter() - began


def theirs(library: str, model: Model, asked: Asked, methods: Sequence[str], args: argparse.Namespace) -> Any:
    """A library's maps by method and the seconds each took, or the reason why there are none."""
    layer = _layer(model, asked)
    with tempfile.TemporaryDirectory() as home:
        np.savez(
            f"{home}/in.npz",
            images=asked.images.numpy(),
            targets=[model.labels.index(n) for n in asked.labels],
        )
        job = {
            "library": library, "methods": list(methods), "network": args.network, "layer": layer,
            "inputs": f"{home}/in.npz", "out": f"{home}/out.npz", "batch": BATCH,
        }  # fmt: skip
        answer = answered(library, job, args.envs, args.timeout)
        maps = {} if "error" in answer else dict(np.load(f"{home}/out.npz"))
    return maps, answer


def _layer(model: Model, asked: Asked) -> str:
    subject = Subject.of(model.network, (1, *asked.images.shape[1:]))
    assert subject.last_map is not None
    return subject.name_of(subject.last_map)


def strength(maps: Map, method: str) -> Map:
    return np.abs(maps) if method in SIZES else np.maximum(maps, 0)


def pointing(maps: Map, asked: Asked) -> Iterator[tuple[bool, float]]:
    """For each picture whether the strongest point lies inside, and the share of strength that does."""
    for one, inside in zip(maps, asked.inside, strict=True):
        total = float(one.sum())
        yield (
            bool(total > 0 and inside.flat[int(one.argmax())]),
            float(one[inside].sum()) / total if total > 0 else 0.0,
        )


def between(maps: Map, asked: Asked) -> list[float]:
    """For each picture the share of strength in both objects that lies in the one asked for; half where none is."""
    found = []
    for one, inside, other in zip(maps, asked.inside, asked.other, strict=True):
        both = float(one[inside].sum() + one[other].sum())
        found.append(float(one[inside].sum()) / both if both > 0 else 0.5)
    return found


def of_one(asked: Asked, n: int) -> Asked:
    """One of the questions."""
    return Asked(asked.images[n : n + 1], [asked.labels[n]], [asked.inside[n]], asked.other[n : n + 1])


def judged(look: Look, asked: Asked, maps: Map, start: torch.Tensor) -> dict[str, float]:
    """What a map `1HW` of one question is worth: pointing and energy, insertion and deletion in logits; or of two
    objects the share on the one asked for. `start` is the blurred picture."""
    if asked.other:
        return {"share": between(maps, asked)[0]}
    hit, energy = next(pointing(maps, asked))
    inserted, deleted = ways(look, 0, torch.from_numpy(maps[0]), start, STEPS)
    return {"hit": float(hit), "energy": energy, "insertion": inserted, "deletion": deleted}


def ask_all(what: str, model: Model, asked: Asked, args: argparse.Namespace, kept: Kept, deep: bool) -> None:
    """Ask questions in a random order, the same each time, until all are answered or the time is up; a few at a time
    go to us and to each library, so that wherever it stops all have had the same. Each answer is kept."""
    subject = Subject.of(model.network, (1, *asked.images.shape[1:]))
    order = np.random.default_rng(0).permutation(len(asked.images))[: args.deep if deep else None]
    libraries = available(LIBRARIES, args.envs)
    for start in range(0, len(order), TOGETHER):
        for who in ("foveal", *libraries):
            wanted = tuple(name for name in _methods(who) if (name in DEEP) == deep)
            left = [
                n for n in order[start : start + TOGETHER].tolist()
                if not all(kept.find(what=what, question=n, who=who, method=name) for name in wanted)
            ]  # fmt: skip
            if not left or time.monotonic() > args.until:
                continue
            chosen = Asked(
                asked.images[left], [asked.labels[n] for n in left], [asked.inside[n] for n in left],
                [asked.other[n] for n in left] if asked.other else [],
            )  # fmt: skip
            maps, answer = _made(who, model, chosen, wanted, args)
            if "error" in answer:
                print(f"  {who}: {answer['error']}", flush=True)
            for place, n in enumerate(left):
                own = of_one(chosen, place)
                look = _look(subject, model, own)
                blur = start_of(own.images)[0]
                with untouched(subject.network):
                    found = {
                        m: judged(look, own, strength(v[place : place + 1], m), blur) for m, v in maps.items()
                    }
                    if who == "foveal" and not deep:
                        noise = random_maps(look, "coarse")[0].numpy()[None]
                        kept.add({"what": what, "question": n, "who": "random", "method": "coarse",
                                  **judged(look, own, noise, blur)})  # fmt: skip
                for method, row in found.items():
                    kept.add({"what": what, "question": n, "who": who, "method": method, **row})
                print(f"{what}: question {n}, {who}, {len(found)} maps", file=sys.stderr, flush=True)


def _made(who: str, model: Model, asked: Asked, methods: Sequence[str], args: argparse.Namespace) -> Any:
    return (
        (ours(model, asked, methods)[0], {}) if who == "foveal" else theirs(who, model, asked, methods, args)
    )


def _methods(who: str) -> Sequence[str]:
    return (
        METHODS[who]
        if who in METHODS
        else list(dict.fromkeys(n for names in METHODS.values() for n in names))
    )


def _look(subject: Subject, model: Model, asked: Asked) -> Look:
    score = explainable(model.task).score
    return Look(subject, asked.images, [Target(n) for n in asked.labels], score, model.preprocessing)


def show_maps(
    what: str, title: str, model: Model, asked: Asked, args: argparse.Namespace, kept: Kept
) -> None:
    """A line for each method: ours, and how much better it is than each library's on the same questions."""
    print(f"\n{title}: {len(asked.images)} questions; {_layer(model, asked)} of {args.network}")
    better = {"share": 1, "hit": 1, "energy": 1, "insertion": 1, "deletion": -1}
    random = {row["question"]: row for row in kept.find(what=what, who="random")}
    names = [name for name in better if any(name in row for row in random.values())]
    _told("random", "coarse", [random[n] for n in sorted(random)], names)
    for method in _methods("foveal"):
        own = {row["question"]: row for row in kept.find(what=what, who="foveal", method=method)}
        _told("foveal", method, [own[n] for n in sorted(own)], names)
        for library in LIBRARIES:
            other = {row["question"]: row for row in kept.find(what=what, who=library, method=method)}
            both = sorted(own.keys() & other.keys())
            _told(library, method, [other[n] for n in sorted(other)], names)
            if both:
                gains = {k: [better[k] * (own[n][k] - other[n][k]) for n in both] for k in names}
                told = ", ".join(f"{k} {_mean(v, '+')}" for k, v in gains.items())
                print(f"      ours is better by: {told}", flush=True)


def _told(who: str, method: str, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    if rows:
        told = ", ".join(f"{name} {_mean([row[name] for row in rows])}" for name in names)
        print(f"  {who:9} {method:20} n={len(rows):<3} {told}", flush=True)


def _mean(values: Sequence[float], sign: str = "") -> str:
    """A mean with its 95 % bootstrap interval over questions."""
    draws = np.random.default_rng(0).choice(np.asarray(values), (5000, len(values))).mean(1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return f"{np.mean(values):{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def show_speed(model: Model, asked: Asked, args: argparse.Namespace, kept: Kept) -> None:
    """Seconds for the methods that a library shares with us, in turn, and their ratio."""
    for library in available(LIBRARIES, args.envs):
        methods = SPEED[library]

        def mine(methods: Sequence[str] = methods) -> dict[str, Any]:
            return {"seconds": ours(model, asked, methods)[1]}

        def other(library: str = library, methods: Sequence[str] = methods) -> dict[str, Any]:
            answer = theirs(library, model, asked, methods, args)[1]
            return answer if "error" in answer else {"seconds": sum(answer["seconds"].values())}

        mine()
        found = interleaved(
            {"foveal": mine, library: other}, args.rounds, kept, {"library": library}, "seconds"
        )
        print(f"\n{', '.join(methods)} of {len(asked.images)} pictures, seconds")
        for who, rows in found.items():
            print(f"  {who:9} {with_interval([row['seconds'] for row in rows if 'seconds' in row], ' s')}")
        print(f"  {library} / foveal  {with_interval(ratios(found[library], found['foveal'], 'seconds'))}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fruits", type=Path)
    parser.add_argument("--samples", type=Path)
    parser.add_argument(
        "--what", nargs="+", choices=("pointing", "two", "speed"), default=["pointing", "two", "speed"]
    )
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument(
        "--deep", type=int, default=12, help="questions for methods of a hundred passes and more"
    )
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=1800)
    parser.add_argument("--envs", type=Path, default=ENVS)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    print(f"{machine()}, {versions('captum', 'grad-cam')}", flush=True)
    model = model_of(args.network)
    kept = Kept(args.keep)
    args.until = time.monotonic() + 60 * args.minutes
    known: dict[str, tuple[str, Asked]] = {}
    if "pointing" in args.what and args.fruits:
        known["pointing"] = ("Boxes of fruits", fruits(args.fruits, model))
    if "two" in args.what and args.samples:
        known["two"] = ("Two objects in one picture", two_objects(args.samples, model, 2 * args.pairs))
    for deep in (False, True):
        for what, (_, asked) in known.items():
            ask_all(what, model, asked, args, kept, deep)
    for what, (title, asked) in known.items():
        show_maps(what, title, model, asked, args, kept)
    if "speed" in args.what:
        draw = torch.Generator().manual_seed(0)
        size = model.preprocessing.size
        images = torch.randn((args.pictures, 3, size, size), generator=draw)
        names = [model.labels[n % len(model.labels)] for n in range(args.pictures)]
        show_speed(model, Asked(images, names, [], []), args, kept)


if __name__ == "__main__":
    main()
