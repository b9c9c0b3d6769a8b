"""Prediction at batch 1 and 32, beside ONNX Runtime in fp32 on the same network and weights.

    python benchmarks/prediction.py [--networks resnet18 efficientnet_lite0] [--rounds 10] [--seconds 3]
        [--threads N] [--keep prediction.jsonl] [--envs FOLDER]

`network` is tensors to logits; `pictures` is files to labels, decoding and resizing included: ours by
`Model.predict`, the peer's by Pillow, torchvision's transforms and ONNX Runtime, as one would serve it. The
peer exports the network with torch.onnx for each batch size and compares its logits with torch's (the
widest difference is printed); labels of the two on the same files are compared here. Beside them stands
our bare network channels last, and in bf16, which `Model.predict` does not use. Each contestant is a
process of its own, once a round, in turn (its seconds are
printed as it ends).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from contest import ENVS, Row, answered, available, weights_file
from measure import Kept, interleaved, machine, median_interval, ratios, versions, with_interval
from photographs import synthetic, written
from planned import SCRATCH

BATCHES = (1, 32)
PEER = "onnxruntime"


def model_of(job: Row) -> Any:
    """A model of ours with the job's weights and 1,000 classes, as if it had been trained and loaded."""
    from safetensors.torch import load_file

    from foveal import catalog
    from foveal.card import Card
    from foveal.model import Model
    from foveal.values import Preprocessing

    task = catalog.find("tasks", "classify").build(tuple(f"class {n:04d}" for n in range(1000)))
    about = {"outputs": 1000, "channels": 3, "size": job["size"]}
    name = job["network"]
    module = catalog.find("architectures", name)
    network = module.build(name, **about)
    network.load_state_dict({**network.state_dict(), **load_file(job["weights"])})
    see = Preprocessing(job["size"], 3, tuple(job["mean"]), tuple(job["std"]), "bicubic", 0.875)
    card = Card(task=task.card(), architecture={"name": name, **about}, preprocessing=see)
    return Model(network.eval(), task, see, card)


def rate(call: Callable[[], object], images: int, seconds: float) -> float:
    """Pictures per second by the median call, after two that warm up."""
    call(), call()
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(times) < 3:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return images / median_interval(times, 10)[0]


def ours_here(job: Row) -> Row:
    """In this process: rates by kind and batch size, and the labels of the first 32 files."""
    import torch

    from foveal.data.views import normalise, to_input

    if job["threads"]:
        torch.set_num_threads(job["threads"])
    model = model_of(job)
    files = [path for path, _, part in json.loads(Path(job["rows"]).read_text()) if part == "val"]
    from PIL import Image

    view, seconds, found = model.task.view(model.preprocessing), job["seconds"], {}
    for batch in job["batches"]:
        some = [files[n % len(files)] for n in range(batch)]
        seen = torch.stack([to_input(Image.open(f).convert("RGB"), view) for f in some])
        images = normalise(seen, model.preprocessing)
        last = images.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            found[f"network {batch}"] = rate(partial(model.network, images), batch, seconds)
        found[f"pictures {batch}"] = rate(partial(model.predict, some, batch=batch), batch, seconds)
        turned = model_of(job).network.to(memory_format=torch.channels_last)
        with torch.inference_mode():
            found[f"network channels last {batch}"] = rate(partial(turned, last), batch, seconds)
            with torch.autocast("cpu", torch.bfloat16):
                found[f"network channels last bf16 {batch}"] = rate(partial(turned, last), batch, seconds)
    said = [p.predictions[0]["label"] for p in model.predict(files[:32])]
    return {"rates": found, "labels": [int(label.split()[1]) for label in said]}


def ours_apart(job: Row) -> Row:
    environ = {**os.environ, **({"OMP_NUM_THREADS": str(job["threads"])} if job["threads"] else {})}
    words = [sys.executable, __file__, "--as", json.dumps(job)]
    began = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, env=environ)
    if done.returncode:
        return {"error": done.stderr.strip()[-300:]}
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return {**found, "wall": time.perf_counter() - began}


def report(network: str, found: dict[str, list[Row]]) -> None:
    """Each kind and batch size: both rates, and ours over the peer's."""
    good = {name: [row for row in rows if "rates" in row] for name, rows in found.items()}
    print(f"\n{network}: pictures per second (latency of batch 1 in ms is 1000 over it)")
    for name, rows in found.items():
        if not good[name]:
            print(f"  {name}: {rows[0].get('error', 'no figure') if rows else 'not run'}")
    flat = {
        name: [{"round": row["round"], **row["rates"]} for row in rows] for name, rows in good.items() if rows
    }
    for kind in flat.get("foveal", [{}])[0]:
        if kind == "round":
            continue
        print(f"  {kind:32} ours {with_interval([row[kind] for row in flat['foveal']])}")
        same = kind.replace(" channels last", "").replace(" bf16", "")
        if PEER in flat:
            theirs = [{"round": row["round"], kind: row[same]} for row in flat[PEER]]
            print(f"  {'':32} ONNX Runtime {with_interval([row[kind] for row in theirs])}")
            print(f"  {'':32} ours / theirs {with_interval(ratios(flat['foveal'], theirs, kind))}")
    if good.get(PEER):
        row = good[PEER][0]
        print(f"  the exported network's logits differ from torch's by at most {row['widest']:.2e}")
        if good.get("foveal"):
            pairs = list(zip(good["foveal"][0]["labels"], row["labels"], strict=True))
            print(f"  labels of {len(pairs)} files: {sum(a == b for a, b in pairs)} the same")
        print(f"  {row['versions']}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["resnet18", "efficientnet_lite0"])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--side", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of both; 0: as they are")
    parser.add_argument("--timeout", type=float, default=900)
    parser.add_argument("--envs", type=Path, default=ENVS)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--as", dest="job", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        print(json.dumps(ours_here(json.loads(args.job))))
        return
    kept = Kept(args.keep)
    peers = available([PEER], args.envs)
    with tempfile.TemporaryDirectory() as home:
        _, listed = written(synthetic(Path(home), 0, args.side, classes=1, val=64), Path(home))
        for network in args.networks:
            half = network not in SCRATCH
            job = {
                "do": "predict", "rows": str(listed), "network": network, "size": args.size,
                "weights": str(weights_file(network, Path(home))), "batches": list(BATCHES),
                "seconds": args.seconds, "threads": args.threads,
                "mean": [0.5] * 3 if half else [0.485, 0.456, 0.406],
                "std": [0.5] * 3 if half else [0.229, 0.224, 0.225],
            }  # fmt: skip
            contestants: dict[str, Callable[[], Row]] = {"foveal": partial(ours_apart, job)}
            contestants |= {peer: partial(answered, peer, job, args.envs, args.timeout) for peer in peers}
            key = {"network": network, "size": args.size, "threads": args.threads}
            report(network, interleaved(contestants, args.rounds, kept, key, "wall"))
    print(f"\n{machine()}\n{versions('torchvision', 'timm', 'pillow', 'foveal')}")


if __name__ == "__main__":
    main()
