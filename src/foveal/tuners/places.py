"""Trials trained by processes of this machine, one trial a process at a time."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .. import events
from ..errors import RunError
from ..storage import to_json
from .orders import Died, News, Order, Outcome, Said

LAST_SECONDS = 10.0
"""What a process is given to end by itself."""
STARTS = 3
"""Times that a process may die before it is ready, one after the other, until there is no use in starting more."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    order: int | None = None
    ready: bool = False


class LocalWorkers:
    """`count` processes, each with its own GPU where `gpus` are given; each is started when it is first needed. Their
    logs are numbered from `first` on."""

    def __init__(self, folder: Path, count: int = 1, gpus: tuple[str, ...] = (), first: int = 1) -> None:
        self.folder, self.count, self.gpus, self.first = folder, count, gpus, first
        self._workers: dict[int, _Worker] = {}
        self._heard: queue.SimpleQueue[tuple[int, _Worker, dict[str, Any] | None]] = queue.SimpleQueue()
        self._stillborn = 0

    @property
    def room(self) -> int:
        return self.count

    def give(self, order: Order) -> None:
        """Begin to carry out an order.

        Raises:
            RunError: no process can be started.
        """
        place = next(n for n in range(self.count) if n not in self._workers or self._workers[n].order is None)
        worker = self._workers.get(place) or self._started(place)
        worker.order = order.number
        self._say(worker, {"order": order.to_json()})

    def news(self, seconds: float) -> list[News]:
        """What happened since; at least one thing where it did not take longer than `seconds`."""
        found: list[News] = []
        until = time.monotonic() + seconds
        while True:
            left = 0.0 if found else until - time.monotonic()
            try:
                place, worker, message = self._heard.get(timeout=max(0.001, left))
            except queue.Empty:
                return found
            found += self._understood(place, worker, message)
            if not found and time.monotonic() >= until:
                return found

    def _understood(self, place: int, worker: _Worker, message: dict[str, Any] | None) -> list[News]:
        if message is None:
            return self._buried(place, worker)
        if "ready" in message:
            worker.ready, self._stillborn = True, 0
        elif "outcome" in message:
            worker.order = None
            return [Outcome.from_json(message["outcome"])]
        elif (event := events.from_json(message["event"])) is not None:
            return [Said(int(message["trial"]), event)]
        return []

    def _buried(self, place: int, worker: _Worker) -> list[News]:
        """What its end means; the next order finds a new one."""
        code = worker.process.wait()
        _hang_up(worker)
        worker.log.close()
        if self._workers.get(place) is worker:
            del self._workers[place]
        if not worker.ready:
            self._stillborn += 1
        if self._stillborn >= STARTS:
            log = self.folder / f"worker-{place + self.first}.log"
            raise RunError(
                f"The processes that are to train trials end before they are ready ({_how(code)}).",
                "A machine on which foveal train works.",
                f"See {log}, and try: foveal train",
            )
        return [] if worker.order is None else [Died(worker.order, _how(code))]

    def stop(self, says: str) -> None:
        """Have every trial that runs save all and stop."""
        for worker in self._workers.values():
            if worker.order is not None:
                self._say(worker, {"stop": says})

    def close(self) -> None:
        """End all processes: those without work by themselves, the others at once."""
        for worker in self._workers.values():
            _hang_up(worker)
            if worker.order is not None:
                worker.process.kill()
        for worker in self._workers.values():
            try:
                worker.process.wait(LAST_SECONDS)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.log.close()
        self._workers.clear()

    def _started(self, place: int) -> _Worker:
        env = dict(os.environ)
        home = str(Path(__file__).parents[2])
        env["PYTHONPATH"] = os.pathsep.join([home, *filter(None, [env.get("PYTHONPATH")])])
        if self.gpus:
            env["CUDA_VISIBLE_DEVICES"] = self.gpus[place % len(self.gpus)]
        log = (self.folder / f"worker-{place + self.first}.log").open("ab")
        # a group of its own: Ctrl-C is for the tuner, which then asks for an end in good order
        own: dict[str, Any] = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined, unused-ignore]
            if os.name == "nt"
            else {"start_new_session": True}
        )
        command = [sys.executable, "-m", "foveal.tuners.work", str(self.folder)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=env, **own
        )
        worker = self._workers[place] = _Worker(process, log)
        threading.Thread(target=self._listen, args=(place, worker), daemon=True).start()
        return worker

    def _listen(self, place: int, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        with worker.process.stdout as stream:
            for line in stream:
                try:
                    self._heard.put((place, worker, json.loads(line)))
                except ValueError:
                    continue  # torn by its end
        self._heard.put((place, worker, None))

    def _say(self, worker: _Worker, message: dict[str, Any]) -> None:
        assert worker.process.stdin is not None
        try:
            worker.process.stdin.write(to_json(message).encode() + b"\n")
            worker.process.stdin.flush()
        except OSError:
            pass  # it has died, and will be heard of


def _hang_up(worker: _Worker) -> None:
    """Say to a process that there will be nothing more."""
    assert worker.process.stdin is not None
    try:
        worker.process.stdin.close()
    except OSError:
        pass  # what was still to be said to one that has died


def _how(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    full = ", as a system does whose memory is full" if name == "SIGKILL" else ""
    return f"killed by {name}{full}"
