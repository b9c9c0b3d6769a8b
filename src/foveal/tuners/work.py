"""A process that trains trials, one after the other: torch and the data are loaded once.

Started as `python -m foveal.tuners.work STUDY`. It reads orders from stdin, a line of JSON each, and says on stdout
what happens. It ends with its stdin: when the tuner is gone, the trial that runs is saved first.
"""

from __future__ import annotations

import gc
import json
import math
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import events, plan, training
from ..errors import DataError, DiskError, DivergedError, FovealError
from ..folders import discard, is_held, is_study
from ..machine.device import free_memory, is_out_of_memory
from ..options import TrainOptions, make
from ..plan.keeping import between_runs
from ..records.run import OPTIONS, Run, is_run
from ..records.study import Shelf
from ..records.trials import better
from ..storage import to_json
from ..values import Choice, Dataset, Score
from .orders import Order, Outcome, folder_of
from .stops import passes

GONE = "the study's own process has ended"
HELD_SECONDS = 120.0
"""How long to wait for a process that still saves this trial: its tuner was killed a moment ago. Or its machine was
lost: a disk on the network keeps a lock for 90 s then (Linux's NFS 4)."""
SPOKEN_SECONDS = 0.5
"""Steps are told no more often."""


@dataclass
class Shop:
    """What trials of a study have in common."""

    folder: Path
    name: str
    dataset: Dataset
    split: list[Choice]

    @classmethod
    def of(cls, folder: Path) -> Shop:
        record = Shelf(folder).record()
        split = [Choice(**row) for row in record["split"]]
        return cls(folder, str(record["data"]), Run(folder).dataset, split)


class Brake:
    """Asked after every event of a trial whether it stops here (`training.Pause`)."""

    def __init__(self, order: Order, asked: Callable[[], str]) -> None:
        self.order, self.asked = order, asked
        self.planned = math.inf
        self.best: Score | None = None
        self.epoch = 0
        if is_run(folder_of(order)):
            for event in Run(folder_of(order)).events():
                self._note(event)

    def __call__(self, event: events.Event) -> tuple[str, str] | None:
        if isinstance(event, events.Started):
            self.planned = event.epochs or math.inf
        self._note(event)
        if self.epoch >= self.planned:
            return None  # only the judging is left
        if isinstance(event, events.Epoch | events.Started) and self.epoch in self.order.bars:
            bar, reached = self.order.bars[self.epoch], self.best
            if reached is None or not passes(bar, reached.value, reached.higher_is_better):
                return "paused", self._says(bar)
        if word := self.asked():
            return "interrupted", word
        if self.order.until is not None and self.epoch >= self.order.until:
            return "interrupted", "the study's epochs are used"
        if self.order.deadline is not None and time.time() >= self.order.deadline:
            return "interrupted", "the study's time is used"
        return None

    def _note(self, event: events.Event) -> None:
        if not isinstance(event, events.Epoch) or not event.headline:
            return
        self.epoch = event.epoch
        score = Score(**event.headline)
        if not math.isnan(score.value) and (
            self.best is None or better(score.value, self.best.value, score.higher_is_better)
        ):
            self.best = score

    def _says(self, bar: float | None) -> str:
        reached = "no result" if self.best is None else f"{self.best.name} {self.best.value:.4g}"
        wanted = "too few others have come so far" if bar is None else f"more than {bar:.4g} was wanted"
        if bar is not None and self.best is not None and not self.best.higher_is_better:
            wanted = f"less than {bar:.4g} was wanted"
        return f"{reached} after {self.epoch} of {self.planned:g} epochs, and {wanted}"


def work(order: Order, shop: Shop, screen: Callable[[Any], None], asked: Callable[[], str]) -> Outcome:
    """Train a trial, or go on with it. How far it came, its run says.

    Raises:
        KeyboardInterrupt: a signal; all was saved before.
    """
    folder, brake = folder_of(order), None
    try:
        waited = time.monotonic() + HELD_SECONDS
        while is_held(folder) and time.monotonic() < waited:
            time.sleep(0.05)
        if is_run(folder) and not (folder / OPTIONS).exists():
            discard(folder)  # killed before it was planned
        brake = Brake(order, asked)
        began = time.time()
        if is_run(folder):
            training.resume(str(folder), screen, began, brake, shop.dataset)
            return Outcome(order.number)
        planned = plan.make(shop.dataset, make(TrainOptions, order.options))
        lineage = {"study": str(shop.folder.resolve()), "trial": order.number}
        if order.again is not None:
            lineage |= {"trial": order.again, "again": order.number}
        training.start(
            shop.dataset, planned, shop.name, screen, began, shop.split, lineage, None, brake, judged_on="val"
        )
    except (training.Paused, DivergedError):
        pass
    except (DataError, DiskError) as error:
        return Outcome(order.number, error.came, (error.came, error.allowed, error.todo))
    except FovealError as error:
        return Outcome(order.number, error.came)
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or is_out_of_memory(error):
            return Outcome(order.number, "the memory does not hold it, even for small parts of a batch")
        raise
    return Outcome(order.number)


def serve(folder: Path, lines: Any, say: Callable[[dict[str, Any]], None]) -> None:
    """Carry out orders until there are no more lines."""
    orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
    word = [""]

    def listen() -> None:
        for line in lines:
            message = json.loads(line)
            if "stop" in message:
                word[0] = str(message["stop"])
            else:
                orders.put(Order.from_json(message["order"]))
        word[0] = word[0] or GONE
        orders.put(None)

    threading.Thread(target=listen, daemon=True).start()
    shop = Shop.of(folder)
    say({"ready": os.getpid()})
    with between_runs():
        while (order := orders.get()) is not None:
            told = _Teller(order.number, say)
            try:
                outcome = work(order, shop, told, lambda: word[0])
            except (
                Exception
            ) as error:  # a bug, or a device that is broken: this process ends, and one trial with it
                traceback.print_exc()
                said = f"{type(error).__name__}: {error}".splitlines()[0]
                say({"outcome": Outcome(order.number, said).to_json()})
                return
            say({"outcome": outcome.to_json()})
            gc.collect()
            free_memory(str(order.options.get("device") or "cpu"))


class _Teller:
    """Sends a trial's events on, steps not too often."""

    def __init__(self, number: int, say: Callable[[dict[str, Any]], None]) -> None:
        self.number, self.say, self.spoken = number, say, 0.0

    def __call__(self, message: Any) -> None:
        if isinstance(message, events.Step):
            if time.monotonic() - self.spoken < SPOKEN_SECONDS:
                return
            self.spoken = time.monotonic()
        if isinstance(message, events.Started | events.Step | events.Epoch | events.Stopped):
            self.say({"trial": self.number, "event": message.to_json()})


def main() -> int:
    """Serve the study that is named; what libraries print goes to stderr."""
    folder = Path(sys.argv[1])
    if not is_study(folder):
        return 2
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as out:
        os.dup2(2, 1)

        def say(message: dict[str, Any]) -> None:
            try:
                out.write(to_json(message) + "\n")
                out.flush()
            except (OSError, ValueError):
                pass  # nobody listens any more; the next look at stdin ends this

        try:
            serve(folder, sys.stdin, say)
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
