"""What is seen while a study runs: a line a trial that ended, and under them what runs now and the best so far."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..events import Epoch, Step
from ..records.study import Study, Turn
from ..records.trials import Trial, plainly, ranked
from ..values import figure, span
from .console import row, table, text
from .screen import REFRESH_SECONDS, Screen

SHOWN = 5
"""Trials in the live table, the best first."""
STATES = {"finished": "green", "paused": "dim", "diverged": "red", "failed": "red", "interrupted": "yellow"}
WORDS = {"paused": "stopped early", "interrupted": "saved"}


class Board(Screen):
    """A screen that also takes a study's turns."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.study = ""
        self._live: Live | None = None
        self._now: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._turned = 0.0
        self._last: Turn | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_live()
        super().__exit__(kind, error, trace)

    def how_to_resume(self) -> str:
        if not self.study:
            return ""
        return (
            f"What was trained is saved. To go on: {shlex.join(['foveal', 'tune', '--resume', self.study])}"
        )

    def _show(self, message: object) -> None:
        match message:
            case Turn():
                self._turn(message)
            case ("study", folder):
                self.study = str(folder)
                self._line(text(f"The study is {folder}", "bold"))
            case _:
                super()._show(message)

    def _turn(self, turn: Turn) -> None:
        trial, study = turn.trial, turn.study
        if turn.what == "step":
            if isinstance(turn.event, Step) and self._last is not None:
                self._stepped(turn.event)
            return
        assert trial is not None
        assert study is not None
        self._last = turn
        if turn.name:
            self._names[trial.number] = f"trial {turn.name}"
        if turn.what == "ended":
            self._now.pop(trial.number, None)
            self._names.pop(trial.number, None)
            self._line(_ended(trial, study, turn.name))
        elif turn.what == "epoch" and isinstance(turn.event, Epoch):
            value = turn.event.headline.get("value")
            reached = f"{study.metric} {figure(value)}" if isinstance(value, float) else ""
            self._now[trial.number] = f"epoch {turn.event.epoch}/{trial.planned or '?'}  {reached}"
        elif trial.number not in self._now:
            self._now[trial.number] = "begins" if turn.what == "begun" else "goes on"
        self._refresh(force=True)

    def _stepped(self, event: Step) -> None:
        """A step says how far the epoch is; where one trial runs, it is known whose."""
        if len(self._now) == 1:
            number = next(iter(self._now))
            before = self._now[number].partition("  loss")[0]
            self._now[number] = f"{before}  loss {event.loss:.3f}  {100 * event.progress:.0f}%"
        self._refresh()

    def _refresh(self, force: bool = False) -> None:
        """The live table, at most five times a second; none without a terminal."""
        if not self.console.is_terminal or self.console.is_dumb_terminal or self.console.quiet:
            return
        if not force and time.monotonic() - self._turned < REFRESH_SECONDS:
            return
        self._turned = time.monotonic()
        if self._live is None:
            self._end_bar()
            self._live = Live(
                console=self.console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=False,
            )
            self._live.start()
        if self._last is not None and self._last.study is not None:
            self._live.update(board(self._last.study, self._now, self._last.left, self._names), refresh=True)

    def _end_live(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            try:
                live.stop()
            except OSError:
                self.console.quiet = True


def board(study: Study, now: dict[int, str], left: str, names: Mapping[int, str] | None = None) -> Group:
    """What runs, the best trials so far, and what is left of the budget. `names` are of what is trained again."""
    shown = trials(
        study, [t for t in ranked(study.trials, study.higher_is_better) if t.value is not None][:SHOWN]
    )
    again = names or {}
    by_number = {trial.number: trial for trial in ([] if again else study.trials)}
    running = Table.grid(padding=(0, 2, 0, 0))
    for number, said in sorted(now.items()):
        options = by_number[number].described() if number in by_number else ""
        running.add_row(text(again.get(number, f"trial {number}"), "cyan"), text(options), text(said))
    return Group(Text(), shown, running, text(left, "dim"))


def trials(study: Study, rows: list[Trial]) -> Table:
    """Trials, a line each, with the values that differ."""
    names = [one.name for one in study.ranges]
    columns = {"trial": "right", **dict.fromkeys(names, "left"), study.metric: "left", "epochs": "right"}
    shown = table({**columns, "time": "right", "": "left"})
    best = study.best
    for trial in rows:
        state = WORDS.get(trial.state, trial.state)
        note = f"{state}: {trial.says}" if trial.state in ("failed", "diverged") and trial.says else state
        if trial.number == 0:
            note = f"the default, {note}"
        row(
            shown,
            str(trial.number),
            *(plainly(trial.options[name]) if trial.options.get(name) is not None else "" for name in names),
            "" if trial.value is None else figure(trial.value),
            f"{trial.epochs}/{trial.planned or '?'}",
            span(trial.seconds),
            text(note, STATES.get(trial.state, "")),
            style="bold" if best is not None and trial.number == best.number else "",
        )
    return shown


def _ended(trial: Trial, study: Study, name: str = "") -> Text:
    """How a trial ended, and the best so far; `name` where it is one that was trained again."""
    state = WORDS.get(trial.state, trial.state)
    at = "" if trial.state == "finished" else f" at {trial.epochs}/{trial.planned or study.epochs}"
    value = "" if trial.value is None else f"{study.metric} {figure(trial.value)}"
    best = study.best
    so_far = ""
    if not name and best is not None and best.value is not None:
        so_far = f"best {figure(best.value)} (trial {best.number})"
    why = f"  {trial.says}" if trial.state in ("failed", "diverged") and trial.says else ""
    leads = not name and best is not None and best.number == trial.number
    return Text.assemble(
        (f"trial {name or trial.number} ".ljust(10), "bold" if leads else ""),
        text(trial.described().ljust(44)),
        (f"  {value}".ljust(20), "bold" if leads else ""),
        text(f"{state}{at}".ljust(22), STATES.get(trial.state, "")),
        (so_far, "dim"),
        text(why, "red"),
    )
