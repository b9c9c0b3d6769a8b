"""Studies without training: a place that writes a trial's run as a training would, with a curve that is reckoned.

All that a tuner sees of a trial is its run folder, so what it decides here it decides in a real study.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from foveal import events
from foveal.folders import STUDY
from foveal.options import TrainOptions
from foveal.ranges import Range
from foveal.records.run import Run, is_run
from foveal.records.study import FORMAT, Study
from foveal.storage import write_json
from foveal.tuners import stops
from foveal.tuners.orders import Died, News, Order, Outcome, folder_of
from foveal.tuners.tuner import Tuner
from foveal.tuners.work import Brake
from foveal.values import Score

RATE = Range("lr", 1e-4, 1.0, "log", least=1e-6, most=2.0)
Curve = Callable[[Mapping[str, Any], int], float]
"""A trial's headline, of its options and the epoch; NaN: it diverges there."""


def peak(options: Mapping[str, Any], epoch: int) -> float:
    """Best at a rate of 0.05; it grows with the epochs, and early values say which will be best."""
    share = RATE.share(options.get("lr") or 0.1)  # the default's
    return (1 - (share - RATE.share(0.05)) ** 2) * (1 - 0.8 ** (epoch + 1))


def study(folder: Path, epochs: int = 9, stop: str = "halving", **changes: Any) -> Path:
    """A study's folder before its first trial."""
    folder.mkdir()
    record = {
        "format": FORMAT, "data": "acted", "fingerprint": "f", "network": "none", "search": "random",
        "search_seed": 0, "stop": stop, "budget": {"trials": 9, "minutes": None, "epochs_total": None},
        "jobs": 1, "gpus": [], "expected": 9, "points": 3, "epochs": epochs, "ahead": 0,
        "rungs": stops.rungs(epochs, stop), "epoch_seconds": 0.01, "metric": "accuracy",
        "higher_is_better": True, "chance": 0.1, "options": dataclasses.asdict(TrainOptions()),
        "defaults": {"lr": 0.1}, "split": [], "ranges": [RATE.to_json()], "notes": [], "mark": "m",
    }  # fmt: skip
    write_json(folder / STUDY, {**record, **changes})
    return folder


class Acted:
    """A `tuners.orders.Place` whose trials take no time. `dies` says before which epochs of which trial its process
    is killed, `fails` why one cannot be trained."""

    def __init__(
        self,
        curve: Curve = peak,
        epochs: int = 9,
        room: int = 1,
        dies: Callable[[int, int], bool] = lambda number, epoch: False,
        fails: Callable[[int], str] = lambda number: "",
        seconds: float = 0.0,
    ) -> None:
        self.curve, self.epochs, self.room = curve, epochs, room
        self.dies, self.fails, self.seconds = dies, fails, seconds
        self.orders: list[Order] = []
        self._waiting: list[Order] = []
        self._word = ""

    def give(self, order: Order) -> None:
        self.orders.append(order)
        self._waiting.append(order)

    def news(self, seconds: float) -> list[News]:
        return [self._acted(self._waiting.pop(0))] if self._waiting else []

    def stop(self, says: str) -> None:
        self._word = says

    def close(self) -> None:
        self._waiting.clear()

    def _acted(self, order: Order) -> News:
        if said := self.fails(order.number):
            return Outcome(order.number, said)
        brake, folder = Brake(order, lambda: self._word), folder_of(order)
        run = Run(folder) if is_run(folder) else Run.create(folder.parent, "t", folder)
        write_json(folder / "options.json", {"format": 1, "options": {"train": {}}, "choices": []})
        start = brake.epoch
        stopped = self._tell(run, brake, events.Started(step=start, epochs=self.epochs))
        for epoch in range(start + 1, self.epochs + 1):
            if stopped:
                break
            if self.dies(order.number, epoch):
                close(run)
                return Died(order.number, "killed by SIGKILL")
            time.sleep(self.seconds)
            value = self.curve(order.options, epoch)
            if math.isnan(value):
                run.append(
                    events.Stopped(step=epoch, why="diverged", says="the loss was not finite", at=time.time())
                )
                stopped = True
                break
            score = Score("accuracy", value, value - 0.01, value + 0.01, True, "val")
            row = {name: getattr(score, name) for name in Score.__slots__}
            stopped = self._tell(run, brake, events.Epoch(step=epoch, epoch=epoch, headline=row))
        if not stopped:
            write_json(folder / "result.json", {"headline": None})
            run.append(events.Stopped(step=self.epochs, why="finished", at=time.time()))
        close(run)
        return Outcome(order.number)

    def _tell(self, run: Run, brake: Brake, event: events.Event) -> bool:
        run.append(dataclasses.replace(event, at=time.time()))
        asked = brake(event)
        if asked is not None:
            run.append(events.Stopped(step=event.step, why=asked[0], says=asked[1], at=time.time()))
        return asked is not None


def close(run: Run) -> None:
    run.journal.close()
    run.watch.close()


def tuned(folder: Path, place: Acted | None = None) -> Study:
    """The study, acted to its end."""
    return Tuner(folder, place or Acted(), lambda message: None, time.time()).run()
