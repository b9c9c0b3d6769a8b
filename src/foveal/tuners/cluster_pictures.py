"""A study's pictures on nodes that do not see them: sent once, and kept there for the next study."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import data
from ..errors import FovealError
from ..values import Dataset
from .cluster_join import first_line
from .cluster_mirror import Files, packed, unpacked
from .cluster_nodes import only

KEPT = "sent"
"""Where below the data home of a node such pictures lie, each data set in a folder of its own."""
PARCEL_BYTES = 32 * 2**20
"""Of one message: small enough that several of them fit into any node's memory."""


def files(dataset: Dataset) -> list[str] | None:
    """Every file of a data set, by its path below the root; None where one lies elsewhere, so that it cannot be sent.
    Besides the pictures these are the files that their truths name, such as masks."""
    found = dict.fromkeys(item.path for item in dataset.items)
    others = dict.fromkeys(name for item in dataset.items for name in _named(item.truth))
    found |= dict.fromkeys(n for n in others if os.path.isfile(os.path.join(dataset.root, n)))  # noqa: PTH113
    if any(Path(path).is_absolute() or ".." in Path(path).parts for path in found):
        return None
    return [*found]


def parcels(root: str, names: list[str]) -> Iterator[Files]:
    """The files in messages of about `PARCEL_BYTES` each."""
    now, held = list[str](), 0
    for name in names:
        now.append(name)
        held += os.path.getsize(os.path.join(root, name))  # noqa: PTH202
        if held >= PARCEL_BYTES:
            yield packed(Path(root), now)
            now, held = [], 0
    if now:
        yield packed(Path(root), now)


def store(name: str) -> Path:
    """Where on this machine the pictures of a data set of this name lie, or would."""
    return data.home() / KEPT / name


def receive(name: str, sender: str, parcel: Files | None) -> str:
    """Take a message of pictures; after the last one (None) they are there. Called on a node.

    Returns:
        What went wrong; empty if nothing did.
    """
    whole = store(name)
    beside = whole.with_name(f"{name}.{sender}")
    try:
        if parcel is not None:
            unpacked(beside, parcel)
        elif whole.exists():  # another study was sooner
            shutil.rmtree(beside, ignore_errors=True)
        else:
            beside.rename(whole)
    except FovealError as error:
        shutil.rmtree(beside, ignore_errors=True)
        return error.came
    except OSError as error:
        return str(error)
    return ""


def sent(ray: Any, dataset: Dataset, name: str, node: str) -> str:
    """Send the pictures to a node, where their folder is called `name`.

    Returns:
        What went wrong; empty if nothing did.
    """
    names = files(dataset)
    if names is None:
        return f"not all of them lie in {dataset.root}"
    take = ray.remote(num_cpus=0, max_retries=0)(receive).options(label_selector=only([node]))
    sender = secrets.token_hex(4)
    try:
        for parcel in itertools.chain(parcels(dataset.root, names), [None]):
            if said := str(ray.get(take.remote(name, sender, parcel))):
                return said
    except (OSError, ray.exceptions.RayError) as error:
        return first_line(error)
    return ""


def _named(truth: Any) -> Iterator[str]:
    """Every text in a truth, however deep."""
    if isinstance(truth, str):
        yield truth
    elif isinstance(truth, dict):
        for value in truth.values():
            yield from _named(value)
    elif isinstance(truth, list | tuple):
        for value in truth:
            yield from _named(value)
