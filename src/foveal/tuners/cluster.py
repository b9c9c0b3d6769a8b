"""Trials trained on the nodes of a Ray cluster.

Each trial at a time has a Ray actor (`Hand`) on some node, which holds its share of the cluster and one
`places.LocalWorkers` of one process: what the process is told and how it ends are the same as on one machine. Actors
stay for the next trial. When a node is lost its trial goes on elsewhere from its last saved state: nodes see the
study's folder, or have a mirror of it (`cluster_mirror`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import FovealError, RunError
from ..records.run import Run
from ..records.study import Shelf
from . import cluster_pictures
from .cluster_join import first_line
from .cluster_mirror import Baggage, Brought, Files, Marks, Mirror, had
from .cluster_nodes import MARK, Nodes, Screen, Share, Wants, only, seen
from .orders import Died, News, Order, Outcome, Said, folder_of
from .places import LocalWorkers

LISTEN_SECONDS = 1.0
"""How long an actor waits for news. It does one thing at a time, so that what it is told may wait so long."""
AGAIN_SECONDS = 0.5
"""Until one that cannot be reached is asked again; Ray finds out in the meantime whether it is lost."""
PATIENCE_SECONDS = 30.0
"""After so long it is said that a trial waits for room."""
ALONE_SECONDS = 300.0
"""How long to wait for a node where none is left."""
CLOSE_SECONDS = 15.0


class Hand:
    """What runs as an actor on a node: it carries out one order at a time with one process. `number` is that of its
    log; `home` the folder that relative paths are meant from; `wants` (`Wants`) and `baggage`, a reference to a
    `Baggage`, tell whether it sees the study's folder and pictures, and are what it has instead."""

    def __init__(self, number: int, home: str, wants: Mapping[str, Any], baggage: Sequence[Any]) -> None:
        import ray

        if os.path.isdir(home):  # noqa: PTH112
            os.chdir(home)
        self.node = str(ray.get_runtime_context().get_node_id())
        self.mirror, there, folder = None, seen(wants), Path(wants["folder"])
        if not there["folder"] or there["missing"]:
            given: Baggage = ray.get(baggage[0])
            lies = str(cluster_pictures.store(given.store)) if there["missing"] else given.root
            self.mirror = Mirror(given, lies)
            folder = self.mirror.study
        self.place = LocalWorkers(folder, 1, first=number)  # Ray itself says which GPU an actor sees
        self.turn, self.told = 0, list[News]()

    def carry(
        self, turn: int, order: Mapping[str, Any], since: int, seconds: float, have: Marks, had: Sequence[Any]
    ) -> tuple[str, list[News], Brought | None]:
        """The node it is on, what has happened to an order after the first `since` things, and what its trial has
        written where that has to be brought; the order is begun with when its `turn` is new, from what the trial
        `had` (a reference to `Files`). Asked twice it answers twice, so that no answer is lost with a connection."""
        if turn != self.turn:
            self.turn, self.told = turn, []
            given = Order.from_json(order)
            self.place.give(given if self.mirror is None else self.mirror.taken(given, _fetched(had)))
        if since >= len(self.told):
            self.told += self.place.news(seconds)
        news = self.told[since:]
        return self.node, news, None if self.mirror is None else self.mirror.brought(have, news)

    def stop(self, says: str) -> None:
        self.place.stop(says)

    def close(self) -> None:
        self.place.close()
        if self.mirror is not None:
            self.mirror.close()


def _fetched(references: Sequence[Any]) -> Files:
    """What a reference stands for. It is in a list, as Ray would fetch it for everybody otherwise."""
    import ray

    return dict(ray.get(references[0])) if references else {}


@dataclass
class _Work:
    """An order, who carries it out, on which of these nodes, and what was heard so far."""

    order: Order
    hand: Any
    nodes: tuple[str, ...]
    turn: int = 0
    heard: int = 0
    asked: Any = None
    began: float = field(default_factory=time.monotonic)
    told: bool = False
    up: bool = False
    """Whether it has answered: until then Ray may still look for room."""
    had: tuple[Any, ...] = ()
    """A reference to what its trial had, where a node may not see that."""
    have: Marks = field(default_factory=dict)
    """What has been brought from there."""


class ClusterWorkers:
    """A `Place` on the nodes of a joined cluster. `share` is what each trial has; there is room for as many as the
    living nodes hold, `most` at most."""

    def __init__(
        self,
        ray: Any,
        folder: Path,
        share: Share,
        nodes: Nodes,
        baggage: Baggage,
        screen: Screen,
        most: int | None,
    ) -> None:
        self.ray, self.folder, self.share, self.nodes = ray, folder, share, nodes
        self.baggage, self._baggage = baggage, tuple[Any, ...]()
        """What nodes are given that do not see the folder, and a reference to it once there is such a node."""
        self.screen, self.most = screen, most
        self._work: dict[int, _Work] = {}
        self._idle: list[_Work] = []
        """Actors without an order, as they were left."""
        self._waiting: list[Order] = []
        self._found: list[News] = []
        self._hired = 0
        self._alone = 0.0
        """Since when there has been no node, or nought."""

    @classmethod
    def of(cls, ray: Any, folder: Path, row: Mapping[str, Any], screen: Screen) -> ClusterWorkers:
        """For a study whose record says `row` of its cluster. Every node is looked at first.

        Raises:
            FovealError: a node cannot train this study, or none has room for a trial.
        """
        folder = folder.resolve()
        share = Share(int(row["cpus"]), int(row["gpus"]))
        share.room(ray.nodes())
        dataset, record = Run(folder).dataset, Shelf(folder).record()
        wants = Wants.of(folder, dataset)
        nodes = Nodes(ray, wants, share, screen, partial(cluster_pictures.sent, ray, dataset, wants.store))
        try:
            nodes.check()
        except BaseException:
            (folder / MARK).unlink(missing_ok=True)
            raise
        fit = nodes.fit()
        baggage = Baggage.of(folder, record["options"], dataset.root, wants.store)
        place = cls(ray, folder, share, nodes, baggage, screen, row["jobs"])
        many = f"{len(fit)} node{'s' * (len(fit) != 1)}"
        said = f"Trials are trained on {many} of the cluster, {place.room} at a time, each with {share}"
        if nodes.apart:
            said += ". Not all of them see this folder: what they train is brought here"
        screen(("says", said))
        return place

    @property
    def room(self) -> int:
        """As many as the living nodes hold; one at least, as a node may come back."""
        there = sum(self.share.held_by(node) for node in self.nodes.fit())
        return max(1, min(there, self.most or there))

    def give(self, order: Order) -> None:
        out = str(folder_of(order).resolve())  # a node may have other folders to begin a path in
        self._waiting.append(replace(order, options={**order.options, "out": out}))
        self._begin()

    def news(self, seconds: float) -> list[News]:
        """What happened since the last call, after so many seconds at most.

        Raises:
            RunError: the connection to the cluster is lost, or no node is left and none comes.
        """
        try:
            self._begin()
            self._look_after()
            asked = {work.asked: number for number, work in self._work.items() if work.asked is not None}
            if not asked or self._found:
                time.sleep(0 if self._found else seconds)
                return self._heard()
            done, left = self.ray.wait([*asked], num_returns=1, timeout=seconds)
            if left:
                done += self.ray.wait(left, num_returns=len(left), timeout=0)[0]
            for answer in done:
                self._hear(self._work[asked[answer]])
        except ConnectionError as error:
            raise RunError(
                f"The connection to the cluster is lost: {first_line(error)}",
                "A cluster whose head can be reached until the study is over.",
                f"Each trial's last state is saved. To go on: foveal tune --resume {self.folder}",
            ) from None
        return self._heard()

    def stop(self, says: str) -> None:
        """Have every trial that runs save all and stop; those that still wait for room do not begin."""
        self._found += [Outcome(order.number) for order in self._waiting]
        self._waiting.clear()
        for number, work in [*self._work.items()]:
            if work.up:
                work.hand.stop.remote(says)
            else:
                self._dismiss(work)
                del self._work[number]
                self._found.append(Outcome(number))

    def close(self) -> None:
        """End all actors and their processes; what still runs is ended at once."""
        hands = [work.hand for work in (*self._work.values(), *self._idle)]
        closed = [work.hand.close.remote() for work in (*self._work.values(), *self._idle) if work.up]
        if closed:
            self.ray.wait(closed, num_returns=len(closed), timeout=CLOSE_SECONDS)
        for hand in hands:
            self.ray.kill(hand)
        self._work.clear()
        self._idle.clear()
        (self.folder / MARK).unlink(missing_ok=True)

    # --- giving orders ---

    def _begin(self) -> None:
        """Give what waits to idle actors, or to new ones where there is room."""
        fit = {node["NodeID"]: self.share.held_by(node) for node in self.nodes.fit()} if self._waiting else {}
        while self._waiting:
            work = next((one for one in self._idle if one.nodes[0] in fit), None)
            if work is not None:
                self._idle.remove(work)
            elif sum(fit.values()) > len(self._work):
                work = _Work(self._waiting[0], self._new([*fit]), (*fit,))
            else:
                return
            work = _Work(self._waiting.pop(0), work.hand, work.nodes, work.turn + 1, up=work.up)
            if self.nodes.apart and (files := had(self.folder, work.order)):
                work.had, work.have = (self.ray.put(files),), Brought(files).known({})
            self._work[work.order.number] = work
            self._ask(work)

    def _new(self, nodes: list[str]) -> Any:
        """An actor on one of these nodes, wherever Ray has room first."""
        self._hired += 1
        if self.nodes.apart and not self._baggage:
            self._baggage = (self.ray.put(self.baggage),)
        kind = self.ray.remote(Hand).options(
            num_cpus=self.share.cpus,
            num_gpus=self.share.gpus,
            max_restarts=0,
            scheduling_strategy="SPREAD",
            label_selector=only(nodes),
        )
        return kind.remote(self._hired, os.getcwd(), asdict(self.nodes.wants), self._baggage)  # noqa: PTH109

    def _ask(self, work: _Work) -> None:
        order = work.order.to_json()
        work.asked = work.hand.carry.remote(work.turn, order, work.heard, LISTEN_SECONDS, work.have, work.had)

    def _look_after(self) -> None:
        """See to orders that nobody carries out yet."""
        now = time.monotonic()
        if self._work or not self._waiting:
            self._alone = 0.0
        elif not self._alone:
            self._alone = now
            self.screen(("says", f"No node of the cluster is left: waiting {ALONE_SECONDS:.0f} s for one"))
        elif now - self._alone > ALONE_SECONDS:
            raise RunError(
                f"The cluster has had no node with {self.share} for {ALONE_SECONDS:.0f} s.",
                "One node at least that can train a trial.",
                f"Each trial's last state is saved. To go on: foveal tune --resume {self.folder}",
            )
        for number, work in [*self._work.items()]:
            if work.asked is None and now - work.began > AGAIN_SECONDS:
                self._ask(work)
            if work.up or now - work.began < PATIENCE_SECONDS:
                continue
            if not {node["NodeID"] for node in self.nodes.fit()} & {*work.nodes}:
                self._dismiss(work)  # it may only be where no node is any more
                self._waiting.append(self._work.pop(number).order)
            elif not work.told:
                work.told = True
                self.screen(("says", f"Trial {number} waits for {self.share} in the cluster"))

    # --- what was heard ---

    def _heard(self) -> list[News]:
        found, self._found = self._found, []
        return found

    def _hear(self, work: _Work) -> None:
        """Take an actor's answer, and ask it again while its order is not done."""
        errors = self.ray.exceptions
        try:
            node, news, brought = self.ray.get(work.asked)
        except errors.ActorUnavailableError:
            # a broken connection, or the first sign of a lost node
            work.asked, work.began = None, time.monotonic()
            return
        except errors.RayError as error:
            if isinstance(error, errors.RayTaskError) or getattr(error, "actor_init_failed", False):
                self._unfit(work, error)
            else:
                self._lost(work, "its node is lost")
            return
        if not work.up:
            work.nodes, work.up = (node,), True
        if brought is not None:  # before it is told what happened: that is read from the folder
            brought.laid(self.folder)
            work.have = brought.known(work.have)
        work.heard += len(news)
        self._found += news
        if all(isinstance(one, Said) for one in news):
            self._ask(work)
            return
        del self._work[work.order.number]
        self._idle.append(work)
        _seen_anew(folder_of(work.order))

    def _unfit(self, work: _Work, error: Any) -> None:
        """A node on which processes cannot be started: another one has to do it.

        Raises:
            FovealError: there is no other.
        """
        cause = getattr(error, "cause", error)
        said = (
            cause.came if isinstance(cause, FovealError) else f"{type(cause).__name__}: {first_line(cause)}"
        )
        if work.up:
            self.nodes.leave_out(work.nodes[0])
        if not self.nodes.fit() or not work.up:
            raise RunError(
                f"A node of the cluster cannot train: {said}",
                "Nodes on which foveal train works.",
                f"See {self.folder}/worker-*.log, and try on that node: foveal train",
            )
        self._dismiss(work)
        self._lost(work, f"its node cannot train: {said}")

    def _lost(self, work: _Work, how: str) -> None:
        if work.up:
            self.nodes.leave_out(work.nodes[0])
        del self._work[work.order.number]
        self._found.append(Died(work.order.number, how, lost=True))
        _seen_anew(folder_of(work.order))

    def _dismiss(self, work: _Work) -> None:
        """End an actor, its process with it."""
        self.ray.kill(work.hand)


def _seen_anew(folder: Path) -> None:
    """Look into a folder that another machine wrote to: of a network's disk it may be known how it was a while ago,
    until it is opened."""
    try:
        with os.scandir(folder) as rows:
            list(rows)
    except OSError:
        pass  # not there yet
