"""Ctrl-C, SIGTERM and SIGUSR1 (a cluster's warning before the end), met at a good moment."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    *((signal.SIGUSR1,) if hasattr(signal, "SIGUSR1") else ()),
)
"""What asks a training to save and stop; Slurm's `--signal=USR1@120` is one of them."""


class Interrupt:
    """While active, the first signal only asks; `asked` says so. The second one raises at once.

    `at_once()` says whether the first may raise too: there is nothing to lose at that moment.
    Signals within `same` seconds of the first count as that one: torchrun hands on to its processes what a terminal
    has sent them already. Only the main thread gets signals; elsewhere this does nothing.
    """

    def __init__(self, at_once: Callable[[], bool], same: float = 0.0) -> None:
        self.at_once = at_once
        self.same = same
        self.asked = False
        self._first = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):  # who started us may want it ignored: nohup
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if not again:
            self._first = time.monotonic()
        elif time.monotonic() - self._first < self.same:
            return
        if again or self.at_once():
            raise KeyboardInterrupt
