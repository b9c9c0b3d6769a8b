"""What is seen while a verb works, all on stderr: choices with reasons, trouble, progress, epochs."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from ..events import Epoch, Noticed, Seen, Started, Step, Stopped
from ..values import Choice, Issue, figure, span
from .console import text
from .plain import quoted

REFRESH_SECONDS = 0.2
NARROW, WIDE, BAR = 72, 100, 24  # columns
PATHS_SHOWN = 5
SEVERITY = {"note": "cyan", "warning": "yellow", "error": "bold red"}
COUNTED = {"judging": "networks", "explaining": "maps", "testing": "parts"}
"""What is counted while it is worked on, where it is no pictures."""


class Screen:
    """Call it with what happens: `Choice`, `Issue`, events, or `(what, done, total)`, `("says", words)`.

    A terminal that has gone away never ends the work: the screen falls silent. Without a terminal
    there are no bars, only lines.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.run = ""
        self.interrupted = False
        self._hint = ""
        self._metric = ""
        self._planned: int | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._what = ""
        self._refreshed = 0.0
        self._heading = False

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bar()

    def __call__(self, message: object) -> None:
        try:
            self._show(message)
        except OSError:
            self.console.quiet = True
            self._bar = None

    def how_to_resume(self) -> str:
        """The command that goes on with the run, as far as this screen knows the run."""
        if self._hint or not self.run:
            return self._hint
        return f"What was trained is saved. To go on: foveal train --resume {quoted(self.run)}"

    def _show(self, message: object) -> None:
        match message:
            case Step():
                self._step(message)
            case Seen():
                share = message.done / message.total
                self._advance(
                    "seeing", share, f"features of {message.done} of {message.total} pictures, once"
                )
            case Epoch():
                self._epoch(message)
            case Choice():
                self._choice(message)
            case Issue():
                self._issue(message)
            case Started():
                self._started(message)
            case Stopped():
                self._stopped(message)
            case Noticed():
                self._line(Text.assemble(("! ", "bold yellow"), text(message.says, "yellow", keep="\n")))
            case ("run", run):
                self.run = str(run)
            case ("says", said):
                self._end_bar()
                self._line(text(said, "bold"))
            case (str(what), int(done), int(total)):
                self._count(what, done, total)

    def _line(self, line: Text | Table) -> None:
        self.console.print(line, soft_wrap=isinstance(line, Text) and not self.console.is_terminal)

    def _choice(self, choice: Choice) -> None:
        if choice.option in ("out", "run"):
            self.run = str(choice.value)
        if not self._heading:
            self._heading = True
            self._end_bar()
            self._line(text("Chosen, and why (each can be set by its flag):", "bold"))
        if self.console.width < NARROW:
            self._line(text(f"  {choice.option}  {_value(choice.value)}", "bold" if choice.automatic else ""))
            self.console.print(Padding(text(choice.reason, "dim"), (0, 0, 0, 6)))
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(min_width=18)
        grid.add_column(min_width=16, overflow="fold", style="bold" if choice.automatic else "")
        grid.add_column(overflow="fold", style="dim")
        grid.add_row(text(f"  {choice.option}"), text(_value(choice.value)), text(choice.reason))
        self._line(grid)

    def _issue(self, issue: Issue) -> None:
        self._end_bar()
        style = SEVERITY[issue.severity]
        self._line(Text.assemble((f"{issue.severity}: ", f"bold {style}"), text(issue.says, style)))
        for path in issue.paths[:PATHS_SHOWN]:
            self._line(text(f"    {path}", "dim"))
        if len(issue.paths) > PATHS_SHOWN:
            self._line(text(f"    ... and {len(issue.paths) - PATHS_SHOWN} more", "dim"))

    def _started(self, event: Started) -> None:
        self._end_bar()
        self._planned = event.epochs
        stages = ", then ".join(event.stages)
        length = (
            f"{_many(event.epochs, 'epoch')} of {_many(event.steps_per_epoch, 'step')}"
            if event.epochs
            else "as time allows"
        )
        verb = "Training goes on" if event.attempt > 1 else "Training"
        after = f" after step {event.step}" if event.attempt > 1 else ""
        said = f"{verb}{after}: {length}{f' ({stages})' if stages else ''}"
        self._line(Text.assemble(text(said, "bold"), ("; scores of epochs are those on val", "dim")))

    def _step(self, event: Step) -> None:
        parts = [
            f"epoch {event.epoch}",
            f"loss {event.loss:.4f}",
            self._metric,
            f"rate {event.lr:.2g}",
            f"{event.images_per_second:.0f} pictures/s",
            "" if event.seconds_left is None else f"{span(event.seconds_left)} left",
        ]
        for droppable in ("", *parts[3:5], parts[2]):  # what a narrow terminal can do without
            parts = [part for part in parts if part and part != droppable]
            if sum(len(part) + 2 for part in parts) <= self.console.width - self._beside():
                break
        self._advance("training", event.progress, "  ".join(parts))

    def _beside(self) -> int:
        """Columns that stand beside the words of the bar."""
        return 8 + (BAR + 1 if self.console.width >= WIDE else 0)

    def _count(self, what: str, done: int, total: int) -> None:
        if total:
            self._advance(what, done / total, f"{what} {done} of {total} {COUNTED.get(what, 'pictures')}")
        if done >= total:
            self._end_bar()

    def _epoch(self, event: Epoch) -> None:
        score = event.headline
        self._metric = f"{score['name']} {_number(score['value'])}" if score else ""
        of = f"/{self._planned}" if self._planned else ""
        line = Text.assemble(
            f"epoch {event.epoch}{of}".ljust(12),
            text(event.stage.ljust(6), "dim"),
            f"  loss {event.train_loss:.4f}  ",
            (headline(score).removesuffix(f" on {score.get('split')}"), "bold" if event.best else ""),
            (f"  {span(event.seconds)}", "dim"),
            ("  best" if event.best else "", "green"),
        )
        self._line(line)

    def _stopped(self, event: Stopped) -> None:
        self._end_bar()
        if event.why == "interrupted":  # `main` says so when all is put away
            self.interrupted = True
            self._hint = event.says
            return
        words = {
            "early": "Stopped early: no epoch was better for a while.",
            "time": "Stopped: the time given is used.",
            "diverged": "Stopped: the loss stayed not finite.",
        }
        said = event.says or words.get(event.why, "")
        said = f"{said[:1].upper()}{said[1:]}{'' if said[-1:] in '.:!' else '.'}" if said else ""
        if said:
            self._line(text(said, "bold yellow" if event.why == "diverged" else "dim", keep="\n"))

    def _advance(self, what: str, share: float, status: str) -> None:
        """Move the bar, at most five times a second; no bar without a terminal."""
        if not self.console.is_terminal or self.console.is_dumb_terminal or self.console.quiet:
            return
        if self._bar is None or self._what != what:
            self._end_bar()
            self._what, self._refreshed = what, 0.0
            self._bar = Progress(
                *([BarColumn(bar_width=BAR)] if self.console.width >= WIDE else []),
                TextColumn("{task.percentage:>3.0f}%"),
                TextColumn("{task.fields[status]}", markup=False),
                console=self.console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
            )
            self._task = self._bar.add_task("", total=1.0, status="")
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=min(1.0, share), status=status)
        if time.monotonic() - self._refreshed > REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            self._bar.refresh()

    def _end_bar(self) -> None:
        if self._bar is not None:
            bar, self._bar = self._bar, None
            try:
                bar.stop()
            except OSError:
                self.console.quiet = True


def headline(score: Mapping[str, Any]) -> str:
    """A score as `accuracy 0.9876 [0.9811, 0.9930] on val`; empty where there is none."""
    if not score:
        return ""
    said = f"{score['name']} {_number(score['value'])}"
    if "low" in score and "high" in score:
        said += f" [{_number(score['low'])}, {_number(score['high'])}]"
    return said + (f" on {score['split']}" if score.get("split") else "")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _number(value: Any) -> str:
    return "?" if value is None else figure(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_value(inner) for inner in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(inner)}" for key, inner in value.items())
    return "none" if value is None else str(value)
