"""How far training is and how long it will take; what is said of it, and when."""

from __future__ import annotations

import math

from .. import events
from ..options import FitOptions, Stage
from .state import State

SPOKEN_SECONDS = 0.25
"""Steps are reported at most this often: reading a loss waits for the GPU."""
EARLY = 50
"""Each of so many first steps is reported, too; on a GPU where steps are watched, which is told that dense."""


class Clock:
    """How far training is: by steps, or by time where a number of seconds was given."""

    def __init__(self, state: State, options: FitOptions, steps_per_epoch: int, check_count: int) -> None:
        self.state, self.options, self.steps = state, options, steps_per_epoch
        self.check_count = check_count
        self.check_seconds: float | None = None

    def evaluated(self, seconds: float) -> None:
        """Remember what one evaluation of the validation pictures costs."""
        self.check_seconds = seconds

    def _reserve(self) -> float:
        """Seconds to keep free at the end: one check, and the pictures judged after training."""
        s, count = self.state, max(1, self.check_count)
        each = self.check_seconds
        if each is None and s.stage_step < 5:  # the first steps warm up, and tell nothing
            return 0.0
        if each is None:  # not seen yet: a forward pass is about a third of a step through all layers
            spent = s.seconds - s.stage_began
            passes = 3 if s.current.trainable == "all" else 1
            each = spent / (s.stage_step * self.options.batch) * count / passes
        return each * (1 + self.options.after / count)

    def _stage_seconds(self) -> float:
        """Planned length of the current stage."""
        o, s = self.options, self.state
        assert o.seconds is not None
        later = sum(stage.share for stage in o.stages[s.stage :])
        left = o.seconds - s.stage_began - self._reserve()
        return max(1e-3, left * s.current.share / later)

    def stage_progress(self) -> float:
        """Share of the current stage that is done, 0..1."""
        s = self.state
        if self.options.seconds is None:
            return min(1.0, s.stage_step / self._steps_of(s.current))
        return min(1.0, (s.seconds - s.stage_began) / self._stage_seconds())

    def time_is_up(self) -> bool:
        """Whether the stage's time is over (never, where epochs count)."""
        return self.options.seconds is not None and self.stage_progress() >= 1

    def is_too_late(self) -> bool:
        """Whether a stage that has not begun has no time left for more than being judged."""
        if self.options.seconds is None or self.state.best is None or self.state.stage_step:
            return False
        return self._stage_seconds() <= max(1.0, self.check_seconds or 0.0)

    def half_is_up(self) -> bool:
        """Whether half of the time for all is used: what comes before training must end."""
        o = self.options
        return o.seconds is not None and self.state.seconds > (o.seconds - self._reserve()) / 2

    def stage_is_over(self) -> bool:
        """Whether the stage has no epoch left; an epoch still to be judged counts as left."""
        return self.state.batch == 0 and self.state.stage_step > 0 and self.stage_progress() >= 1

    def progress(self) -> float:
        """Share of all stages that is done, 0..1."""
        o, s = self.options, self.state
        if o.seconds is not None:
            return min(1.0, s.seconds / max(1e-3, o.seconds - self._reserve()))
        return min(1.0, s.step / sum(self._steps_of(stage) for stage in o.stages))

    def _steps_of(self, stage: Stage) -> int:
        """Optimizer steps of a stage; a head that is solved takes one."""
        return 1 if stage.solve else stage.epochs * self.steps

    def seconds_left(self) -> float | None:
        """Forecast of the time still to come, evaluations between the epochs included."""
        o, s, done = self.options, self.state, self.progress()
        if o.seconds is not None:
            return max(0.0, o.seconds - s.seconds)
        # by this stage's pace: one before it may have had frozen layers, or a head to solve
        each = (s.seconds - s.stage_began) / s.stage_step if s.stage_step else 0.0
        return each * sum(self._steps_of(stage) for stage in o.stages) * (1 - done) if each else None


class Voice:
    """Says what the steps did, now and then, as an average over them."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.since = state.seconds
        self.images = 0
        self.heard = (float(state.loss_sum), state.loss_count)

    def speak(self, images: int, rate: float, clock: Clock, *, last: bool) -> events.Step | None:
        """An event when it is time for one, else None. Only then is the loss read from the device."""
        s = self.state
        self.images += images
        passed, on_cpu = s.seconds - self.since, s.options.device == "cpu"
        early = s.step <= EARLY and (on_cpu or s.watch is not None)
        if not (last or early or passed >= SPOKEN_SECONDS or (on_cpu and self._broken())):
            return None
        total, count = float(s.loss_sum), s.loss_count
        before, counted = self.heard if self.heard[1] < count else (0.0, 0)
        event = events.Step(
            step=s.step,
            epoch=s.epoch + 1,
            stage=s.current.name,
            loss=(total - before) / (count - counted),
            lr=rate,
            progress=clock.progress(),
            images_per_second=self.images / passed if passed > 0 else 0.0,
            seconds_left=clock.seconds_left(),
        )
        self.heard, self.since, self.images = (total, count), s.seconds, 0
        return event

    def _broken(self) -> bool:
        return not math.isfinite(float(self.state.loss_sum))
