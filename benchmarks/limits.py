"""The limits that a machine sets, beside which other figures stand.

    python benchmarks/limits.py [--seconds 3] [--rounds 5] [--device cpu] [--threads 1 2]

Measured: the rate of matrix products in fp32 and bf16, of copying memory (bytes read and written), and of
decoding JPEG files of 500 px and of 12 megapixels (whole, and scaled while decoding), by one thread and by
so many processes as there are cores. Derived: how many pictures a second could be trained at most.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import time
from collections.abc import Callable

import torch
from measure import machine, versions, with_interval
from photographs import drawn
from PIL import Image

GIGA = 1e9
NETWORKS = {"resnet18": (1.814, 2.48), "resnet50": (4.089, 11.1)}
"""Giga multiply-adds and million activations of a forward pass at 224 px."""
PASSES = 12
"""How often training moves each activation, about (forward, backward, normalisation, ReLU, sums)."""


def rate(call: Callable[[], object], work: float, seconds: float, device: str = "cpu") -> float:
    """`work` per second, by as many calls as fit into `seconds`, after a quarter of it for warming."""
    wait: Callable[[], object] = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    for share in (0.25, 1.0):
        began, calls = time.perf_counter(), 0
        while time.perf_counter() - began < share * seconds or not calls:
            for _ in range(4):
                call()
            wait()
            calls += 4
        passed = time.perf_counter() - began
    return calls * work / passed


def products(dtype: torch.dtype, device: str, seconds: float) -> float:
    """Floating-point operations per second of a square matrix product."""
    side = 8192 if device.startswith("cuda") else 1536
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    return rate(lambda: torch.mm(a, b, out=out), 2.0 * side**3, seconds, device)


def bandwidth(device: str, seconds: float) -> float:
    """Bytes per second, read and written, of copying a block that no cache holds."""
    size = 2**30 if device.startswith("cuda") else 2**28
    a = torch.ones(size, dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    return rate(lambda: b.copy_(a), 2.0 * size, seconds, device)


def jpeg(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    drawn(width, height, 0).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def decode(data: bytes, scaled: int | None = None) -> None:
    """Decode a JPEG, at a fraction of its size no smaller than `scaled` where that is given."""
    with Image.open(io.BytesIO(data)) as image:
        if scaled:
            image.draft("RGB", (scaled, scaled))
        image.convert("RGB")


def decoding(data: bytes, scaled: int | None, seconds: float) -> float:
    """Pictures per second of one thread."""
    return rate(lambda: decode(data, scaled), 1, seconds)


def everywhere(data: bytes, seconds: float) -> float:
    """Pictures per second of as many processes as there are cores, together."""
    count = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        pool.starmap(decoding, [(data, None, 0.1)] * count)
        return sum(pool.starmap(decoding, [(data, None, seconds)] * count))


def measured(device: str, seconds: float, rounds: int) -> tuple[float, float]:
    """Print the arithmetic's limits; returns the best products and bandwidth."""
    best = 0.0
    for dtype in (torch.float32, torch.bfloat16):
        found = [products(dtype, device, seconds) / GIGA for _ in range(rounds)]
        best = max(best, *found)
        name = str(dtype).removeprefix("torch.")
        print(f"  {name:10} products {with_interval(found, ' GFLOP/s')}", flush=True)
    copies = [bandwidth(device, seconds) / GIGA for _ in range(rounds)]
    print(f"  copying    {with_interval(copies, ' GB/s')}", flush=True)
    for network, (macs, activations) in NETWORKS.items():
        by_products = best / (6 * macs)  # three passes of two operations a multiply-add
        moved = activations * 1e6 * 2 * PASSES / GIGA
        by_memory = max(copies) / moved
        print(
            f"  {network} training at 224 px: at most {by_products:.1f} pictures/s by the products, "
            f"{by_memory:.1f} by the memory ({moved:.2f} GB a picture in bf16)"
        )
    return best, max(copies)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, os.cpu_count() or 1}))
    args = parser.parse_args()
    for threads in args.threads if args.device == "cpu" else args.threads[:1]:
        torch.set_num_threads(threads)
        print(f"{args.device}, {threads} threads")
        measured(args.device, args.seconds, args.rounds)
    small, large = jpeg(500, 375), jpeg(4000, 3000)
    print(f"JPEG, one thread (drawn pictures of {len(small) // 1000} and {len(large) // 1000} kB)")
    for name, data, scaled in (
        ("500 px", small, None),
        ("12 megapixels", large, None),
        ("12 megapixels, scaled to 381 px or more", large, 381),
    ):
        found = [decoding(data, scaled, args.seconds) for _ in range(args.rounds)]
        print(f"  {name}: {with_interval(found, ' pictures/s')}", flush=True)
    together = [everywhere(small, args.seconds) for _ in range(args.rounds)]
    print(f"  500 px, {os.cpu_count()} processes: {with_interval(together, ' pictures/s')}")
    print(f"{machine()}\n{versions('pillow', 'numpy')}")


if __name__ == "__main__":
    main()
