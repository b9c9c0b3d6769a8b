"""Device, precision, memory layout, seeds."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from ..errors import OptionError, UnknownNameError
from .depthwise import fast_depthwise

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose(wanted: str | None = None) -> tuple[str, str]:
    """The device to use and why.

    Raises:
        OptionError: the wanted device is not on this machine.
    """
    there = ["cpu"]
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if wanted is not None:
        if wanted not in there:
            if wanted.partition(":")[0] in ("cuda", "mps", "xpu"):
                raise OptionError(
                    f"--device {wanted} was asked for, and this machine (or this build of torch) has none.",
                    f"Here: {', '.join(there)}.",
                    "Leave --device out, or install a torch build for your GPU (see the README).",
                )
            raise UnknownNameError(
                "device",
                wanted,
                {*there, "cuda", "mps"},
                f"This machine has {', '.join(there)}; leave --device out to take the fastest.",
            )
        return wanted, "given"
    for name in ("cuda", "mps"):
        if name in there:
            return name, "the fastest on this machine"
    return "cpu", "no GPU that torch can use was found"


def fast_bf16(device: str) -> bool:
    """Whether bfloat16 products are done by the hardware; emulated ones are slower than fp32."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability(torch.device(device)) >= (8, 0)
    if device == "cpu":
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, check, bool)() for check in checks)
    return False


# Mostly grouped convolutions, which channels-last halves (timm's tables, RTX 3090, AMP training)
_CHANNELS_FIRST = ("regnet", "timm/regnet", "timm/nfnet", "timm/repvgg")


def likes_channels_last(network: str) -> bool:
    """Whether networks of this name are usually faster with their channels last in memory."""
    return not network.startswith(_CHANNELS_FIRST)


@contextmanager
def autocast(device: str, precision: str) -> Iterator[None]:
    """Forward passes inside are computed in `precision`. Never yield to a consumer from inside."""
    kind, lower = device.partition(":")[0], precision != "fp32"
    with torch.autocast(kind, DTYPES[precision], enabled=lower, cache_enabled=True):
        with fast_depthwise(device) if lower else nullcontext():
            yield


@contextmanager
def computing(threads: int | None) -> Iterator[None]:
    """Inside, so many threads compute; None: as many as before."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads or before)
        yield
    finally:
        torch.set_num_threads(before)


def seed_all(seed: int, deterministic: bool = False) -> None:
    """Seed python, NumPy and torch; with `deterministic`, refuse kernels that are not."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False


def random_state(device: str) -> dict[str, Any]:
    """Torch's generators as tensors: the CPU's and, on a GPU, the device's."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if device.startswith("cuda"):
        state["cuda"] = torch.cuda.get_rng_state(torch.device(device))
    return state


def set_random_state(state: dict[str, Any], device: str) -> None:
    """Put the generators back as `random_state` found them."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and device.startswith("cuda"):
        torch.cuda.set_rng_state(state["cuda"], torch.device(device))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's CPU generator seeded inside, and as it was afterwards."""
    before = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(before)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch ran out of memory, on any device."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    signs = ("out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def free_memory(device: str) -> None:
    """Give cached blocks back to the device."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
