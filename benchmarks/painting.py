"""Feature visualisation beside Lucent: what the same channels reach, and how long it takes.

    python benchmarks/painting.py [--layer blocks.3] [--channels 0 1 2 3] [--steps 64] [--network efficientnet_lite0]
        [--envs FOLDER] [--out FOLDER]

Claim checked: painted in as many steps, our pictures excite a channel at least as much as Lucent's when both are
shifted, zoomed and turned by new draws of the kinds of moves that ours were painted under, which favours ours (Lucent
has its own). Each has its own defaults; Lucent's pictures of
128 pixels are enlarged as it does so itself. Neither sees real pictures. The share of high frequencies is told as
well. Seconds are those of painting alone, in this process and in Lucent's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from contest import ENVS, answered
from measure import machine, with_interval
from PIL import Image
from torch.nn import functional as F

from foveal.contracts import Sitting
from foveal.plan.published import model_of
from foveal.portraits import maximize
from foveal.portraits._aims import aims_of
from foveal.portraits._canvas import Palette, high_share
from foveal.portraits._climb import Unseen
from foveal.structure.subject import Subject
from foveal.values import Target

SIDE = 128
"""Lucent's own size."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layer", default="blocks.3")
    parser.add_argument("--channels", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--envs", type=Path, default=ENVS)
    parser.add_argument("--timeout", type=float, default=1800)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    print(machine(), flush=True)
    model = model_of(args.network)
    pre = model.preprocessing
    sitting = Sitting(Subject.of(model.network, (1, 3, pre.size, pre.size)), pre)
    goals = [Target(layer=args.layer, channel=n) for n in args.channels]
    began = time.perf_counter()
    ours = list(maximize.portray(sitting, goals=goals, steps=args.steps))[-1].pictures
    seconds = {"foveal": time.perf_counter() - began}
    painted = {"foveal": ours}
    with tempfile.TemporaryDirectory() as home:
        job = {
            "network": args.network, "layer": args.layer, "channels": args.channels, "steps": args.steps,
            "size": SIDE, "out": f"{home}/out.npz", "threads": torch.get_num_threads(),
        }  # fmt: skip
        answer = answered("lucent", job, args.envs, args.timeout)
        if "error" in answer:
            print(f"Lucent: {answer['error']}")
        else:
            small = torch.from_numpy(np.load(f"{home}/out.npz")["pictures"])
            large = F.interpolate(small, (pre.size, pre.size), mode="bilinear", align_corners=True)
            painted["lucent"], seconds["lucent"] = large.clamp(0, 1), sum(answer["seconds"])
    palette = Palette.plain(pre.mean, pre.std, (pre.size, pre.size))
    unseen, aims = Unseen(sitting, palette), aims_of(sitting, goals)
    print(f"\n{len(goals)} channels of {args.layer}, {args.network}, {args.steps} steps")
    reached = {who: unseen.of(aims, pictures, 1) for who, pictures in painted.items()}
    for who, found in reached.items():
        high = float(high_share(painted[who]).mean())
        print(
            f"  {who:8} under unseen moves {with_interval(found.moved)}; as it is {with_interval(found.plain)}"
        )
        print(f"           high frequencies {high:.1%}; {seconds[who]:.1f} s", flush=True)
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
            row = torch.cat(list(painted[who]), 2).permute(1, 2, 0)
            Image.fromarray((255 * row).byte().numpy()).save(args.out / f"{who}.png")
    if "lucent" in reached:
        pairs = list(zip(reached["foveal"].moved, reached["lucent"].moved, strict=True))
        print(f"  ours reaches more on {sum(a > b for a, b in pairs)} of {len(pairs)} channels")


if __name__ == "__main__":
    main()
