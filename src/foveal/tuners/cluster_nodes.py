"""The nodes of a Ray cluster: what each trial has of them, and whether they are fit to train.

`ray` is what `cluster_join.joined` gives.
"""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..card import versions
from ..errors import OptionError, RunError
from ..storage import write_whole
from ..values import Dataset
from .cluster_join import AUTH, first_line

Screen = Callable[[Any], None]
Node = Mapping[str, Any]
"""A node as `ray.nodes()` tells of it."""
Send = Callable[[str], str]
"""Sends the pictures to a node, and says what went wrong."""
MARK = ".cluster"
"""A file in a study's folder by which nodes see that it is the same folder for them."""
LOOK_SECONDS = 120.0
"""How long a node may take to say what it has; the first time it imports Foveal."""
FRESH_SECONDS = 2.0
"""How old what is known of the nodes may be."""
SAMPLE = 20
"""Pictures that each node is asked for: all lie in one place, as a rule."""
TOLD = 5
SAME = ("python", "foveal", "torch", "torchvision", "timm")


@dataclass(frozen=True)
class Share:
    """What each trial has of a cluster."""

    cpus: int
    gpus: int

    @classmethod
    def of(cls, nodes: Sequence[Node], threads: int | None, device: str | None, jobs: int | None) -> Share:
        """A GPU a trial where there are some, and the CPUs that come with it; else as many CPUs as every node has, or
        as few as `jobs` trials at once need. `threads` says how many CPUs instead.

        Raises:
            OptionError: no node has so much, or none has a GPU where one was asked for.
        """
        has = [node["Resources"] for node in nodes if node["Alive"]]
        counts = [(int(one.get("CPU", 0)), int(one.get("GPU", 0))) for one in has]
        counts = [(cpus, gpus) for cpus, gpus in counts if cpus]
        device = device or ""
        if ":" in device or (device.startswith("cuda") and not any(gpus for _, gpus in counts)):
            raise OptionError(
                f"--device {device} was given, and --cluster, too.",
                "Each trial has a GPU of its own, where nodes have GPUs that Ray knows of (ray start --num-gpus).",
                "Leave --device out; ray status says what the nodes have.",
            )
        of_gpus = [] if device == "cpu" else [(cpus, gpus) for cpus, gpus in counts if gpus]
        if of_gpus:
            cpus = threads or max(1, min(cpus // gpus for cpus, gpus in of_gpus))
        else:
            cpus = threads or _cpus([cpus for cpus, _ in counts], jobs)
        share = cls(cpus, int(bool(of_gpus)))
        share.room(nodes)
        return share

    def room(self, nodes: Sequence[Node]) -> int:
        """How many trials at once the nodes hold when all of them are free.

        Raises:
            OptionError: none.
        """
        room = sum(self.held_by(node) for node in nodes)
        if not room:
            has = [node["Resources"] for node in nodes if node["Alive"]]
            what = "GPU" if self.gpus and not any(one.get("GPU") for one in has) else "CPU"
            most = max((int(one.get(what, 0)) for one in has), default=0)
            raise OptionError(
                f"No node of the cluster has room for a trial with {self}: the largest has {most} {what}s.",
                "What one node at least has; --threads says how many CPUs a trial has.",
                "See what there is: ray status",
            )
        return room

    def held_by(self, node: Node) -> int:
        """How many trials at once a node holds."""
        if not node["Alive"]:
            return 0
        has = node["Resources"]
        held = int(has.get("CPU", 0)) // self.cpus
        return min(held, int(has.get("GPU", 0)) // self.gpus) if self.gpus else held

    def __str__(self) -> str:
        gpu = "a GPU and " if self.gpus else ""
        return f"{gpu}{self.cpus} CPU{'s' * (self.cpus != 1)}"


def _cpus(counts: Sequence[int], jobs: int | None) -> int:
    """The CPUs of a trial where there are no GPUs: one trial a node, or more where more are asked for."""
    least = min(counts, default=1)
    if not jobs:
        return least
    return next((n for n in range(least, 0, -1) if sum(count // n for count in counts) >= jobs), 1)


@dataclass(frozen=True)
class Wants:
    """What a node must have: the same `versions`, to the last line of Foveal's own (`code`). And what it may see: the
    study's `folder` with this `mark` in it, and `pictures` of these sizes; else they are brought there, the pictures
    by this name (`store`)."""

    folder: str
    mark: str
    pictures: tuple[tuple[str, int], ...]
    versions: Mapping[str, str]
    code: str
    store: str = ""

    @classmethod
    def of(cls, folder: Path, dataset: Dataset) -> Wants:
        """Those of a study; leaves its mark in the folder."""
        mark = secrets.token_hex(8)
        write_whole(folder / MARK, mark.encode())
        step = max(1, len(dataset.items) // SAMPLE)
        files = [os.path.join(dataset.root, one.path) for one in dataset.items[::step]]
        sizes = ((str(Path(file).absolute()), _size(file)) for file in files[:SAMPLE])
        there = tuple((file, size) for file, size in sizes if size >= 0)  # built-in pictures lie nowhere
        return cls(str(folder), mark, there, versions(), code(), dataset.fingerprint[:24])


def seen(wants: Mapping[str, Any]) -> dict[str, Any]:
    """What this machine has of it. Called on a node."""
    from .cluster_pictures import store

    mark = Path(wants["folder"], MARK)
    return {
        "versions": versions(),
        "code": code(),
        "folder": _read(mark) == wants["mark"],
        "missing": [file for file, size in wants["pictures"] if _size(file) != size],
        "sent": store(wants["store"]).is_dir(),
    }


def faults(found: Mapping[str, Any], wants: Wants) -> list[str]:
    """Why a node cannot train this study, from what it has (`seen`)."""
    if "error" in found:
        return [f"Foveal cannot be imported there ({found['error']})"]
    told = []
    for name in SAME:
        there, here = found["versions"].get(name, ""), wants.versions.get(name, "")
        if _public(name, there) != _public(name, here):
            told.append(f"it has {name} {there}, and this machine {here}")
    if not told and found["code"] != wants.code:
        told.append(f"its Foveal {wants.versions['foveal']} has other code than this machine's")
    return told


def _public(name: str, version: str) -> str:
    """What must be the same of a version: not which build it is (+cpu, +cu128), nor Python's last number."""
    return ".".join(version.split(".")[:2]) if name == "python" else version.partition("+")[0]


@functools.cache
def code() -> str:
    """A digest of Foveal's own source: a checkout's version does not tell what was changed in it."""
    home, digest = Path(__file__).parents[1], hashlib.sha256()
    for file in sorted(home.rglob("*.py")):
        digest.update(
            file.relative_to(home).as_posix().encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n")
        )
    return digest.hexdigest()[:16]


def _size(file: str) -> int:
    try:
        return os.stat(file).st_size  # noqa: PTH116
    except (OSError, ValueError):
        return -1


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


class Nodes:
    """The nodes of a joined cluster that are fit to train: looked at when they come, left out when they fail."""

    def __init__(self, ray: Any, wants: Wants, share: Share, screen: Screen, send: Send) -> None:
        self.ray, self.wants, self.share, self.screen, self.send = ray, wants, share, screen, send
        self.apart = False
        """Whether one does not see the study's folder, or its pictures where they lie here."""
        self._fit: set[str] = set()
        self._out: set[str] = set()
        self._looks: dict[str, Any] = {}
        """What nodes were asked (`seen`), which have not answered yet."""
        self._names: dict[str, str] = {}
        self._now: list[Node] = []
        self._at = -FRESH_SECONDS
        self._ask = _asker(ray)

    def check(self) -> None:
        """Look at every node before anything begins.

        Raises:
            RunError: one cannot train this study; or the cluster is open to everybody.
        """
        self._refresh()
        if self._looks:
            asked = [*self._looks.values()]
            self.ray.wait(asked, num_returns=len(asked), timeout=LOOK_SECONDS)
        told = self._answers()
        for node in self._looks:
            self.screen(("says", f"Node {self._names[node]} does not answer: nothing is trained there"))
        if told:
            shown = "".join(f"\n{one}" for one in told[:TOLD])
            more = f"\n... and {len(told) - TOLD} more" * (len(told) > TOLD)
            raise RunError(
                f"Nodes of the cluster cannot train this study:{shown}{more}",
                "On every node the same versions, and the pictures on a disk that it sees under the same path, or room "
                "for them.",
                "Install the same on them, or remove these nodes from the cluster.",
            )
        if not self._fit:
            raise RunError(
                f"None of the cluster's {len(self._looks)} nodes answers within {LOOK_SECONDS:g} s.",
                "One node at least that has room for a trial.",
                "See what it does: ray status",
            )

    def fit(self) -> list[Node]:
        """Those that live and can train, as they are now or were a moment ago."""
        if time.monotonic() - self._at > FRESH_SECONDS:
            self._refresh()
            for said in self._answers():
                self.screen(("says", f"Nothing is trained on a new node: {said}"))
        return [node for node in self._now if node["NodeID"] in self._fit]

    def leave_out(self, node: str) -> None:
        """Give this one nothing more; one that comes back has another number."""
        self._fit.discard(node)
        self._out.add(node)

    def _refresh(self) -> None:
        self._at = time.monotonic()
        self._now = [node for node in self.ray.nodes() if self.share.held_by(node)]
        for node in self._now:
            name = node["NodeID"]
            self._names[name] = node.get("NodeManagerHostname") or node.get("NodeName") or name[:8]
            if name not in self._fit | self._out | self._looks.keys():
                where = self._ask.options(label_selector=only([name]))
                self._looks[name] = where.remote(asdict(self.wants))
        for gone in self._looks.keys() - {node["NodeID"] for node in self._now}:
            del self._looks[gone]

    def _answers(self) -> list[str]:
        """Note who is fit; returns what speaks against the others."""
        told: list[str] = []
        if not self._looks:
            return told
        done, _ = self.ray.wait([*self._looks.values()], num_returns=len(self._looks), timeout=0)
        for node in [node for node, look in self._looks.items() if look in done]:
            try:
                found = self.ray.get(self._looks.pop(node))
            except self.ray.exceptions.RayError as error:
                found = {"error": first_line(error)}
            self._guard(found)
            said = faults(found, self.wants) or self._supplied(node, found)
            (self._out if said else self._fit).add(node)
            told += [f"node {self._names[node]}: {'; '.join(said)}"] if said else []
        return told

    def _supplied(self, node: str, found: Mapping[str, Any]) -> list[str]:
        """See to it that a node has the pictures; why it cannot train, where that did not come off."""
        self.apart = self.apart or not found["folder"] or bool(found["missing"])
        if not found["missing"] or found["sent"]:
            return []
        self.screen(
            (
                "says",
                f"Node {self._names[node]} does not see {found['missing'][0]}: the pictures are sent there",
            )
        )
        said = self.send(node)
        return [f"the pictures could not be sent there: {said}"] if said else []

    def _guard(self, found: Mapping[str, Any]) -> None:
        """Refuse a cluster that runs programs for whoever reaches its ports."""
        if os.environ.get(AUTH, "").lower() == "token" and found.get("auth", "token").lower() != "token":
            raise RunError(
                "The cluster asks for no token: whoever reaches its ports can run programs on its nodes.",
                f"A cluster that was started with {AUTH}=token, and the token in ~/.ray/auth_token on every node.",
                f"Start it so. Or, where the network is closed and its people trusted: {AUTH}=disabled foveal tune ...",
            )


def only(nodes: Sequence[str]) -> dict[str, str]:
    """Ray's label selector for these nodes."""
    return {"ray.io/node-id": nodes[0] if len(nodes) == 1 else f"in({','.join(nodes)})"}


def _asker(ray: Any) -> Any:
    """What asks a node. It travels as a whole, so that it can say that there is no Foveal, or another."""

    def look(wants: dict[str, Any]) -> dict[str, Any]:
        import os

        found: dict[str, Any] = {"auth": os.environ.get("RAY_AUTH_MODE", "")}
        try:
            from foveal.tuners.cluster_nodes import seen
        except Exception as error:  # whatever is wrong with it is to be told, not raised
            return {**found, "error": f"{type(error).__name__}: {error}"}
        return {**found, **seen(wants)}

    return ray.remote(num_cpus=0, max_retries=0)(look)
