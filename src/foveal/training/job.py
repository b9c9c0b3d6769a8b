"""One process's work on a run: the loop's events are written, shown, and saved when due."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .. import events
from ..card import Card
from ..contracts import Task
from ..data.batches import Batches
from ..data.cache import Kept
from ..errors import DivergedError
from ..loop.bottleneck import PHASES, verdict
from ..loop.fit import fit
from ..loop.state import State
from ..machine.device import computing
from ..machine.distributed import current
from ..machine.interrupt import Interrupt
from ..machine.shares import WHOLE, Share
from ..model import Model
from ..options import FitOptions, TrainOptions, make
from ..plan.batches import batches
from ..plan.keeping import judged_again, kept
from ..plan.probe import PARTS, WORTH, Setting, apply, probe
from ..records.journal import Scalars
from ..records.run import Run
from ..records.trained import Trained
from ..structure.views import Views
from ..trust import judge, settle
from ..values import Dataset, Preprocessing, Score
from ..watch.learning import LEARNED, Learned
from ..watch.looking import Watch
from .pausing import Pause, Paused
from .several import Order, agree, give

Screen = Callable[[Any], None]
PROBED = "probe"
"""Under this name a run keeps how fast the settings were that it tried."""
LONG_SECONDS = 120.0
HANDED_ON = 10.0
"""Seconds in which torchrun hands on a signal that a terminal has sent to all already."""
AS_IN = "as in "
"""A choice with such a reason is another run's."""


@dataclass
class Job:
    """One process's work on a run."""

    run: Run
    dataset: Dataset
    network: nn.Module
    task: Task
    screen: Screen
    began: float
    fit: FitOptions
    options: TrainOptions
    preprocessing: Preprocessing
    architecture: dict[str, Any]
    origin: dict[str, Any] | None
    attempt: int
    scalars: Scalars
    state: State = field(init=False)
    first_model: float | None = None
    judging: bool = False
    probing: bool = False
    saved_at: float = 0.0
    prepared: float = 0.0
    decoding: float = 0.0
    saving: float = 0.0
    kept: dict[str, Kept | None] = field(default_factory=dict)
    pause: Pause | None = None

    @classmethod
    def of(
        cls, run: Run, dataset: Dataset, network: nn.Module, task: Task, screen: Screen, began: float
    ) -> Job:
        """The work that a run's own record asks for; the network goes to its device and layout."""
        kept = run.options
        options, fit_options = make(TrainOptions, kept["train"]), make(FitOptions, kept["fit"])
        layout = torch.channels_last if kept["channels_last"] else torch.preserve_format
        network.to(fit_options.device, memory_format=layout)  # type: ignore[call-overload]
        run.write_machine(device=fit_options.device, seed=options.seed)
        return cls(
            run,
            dataset,
            network,
            task,
            screen,
            began,
            fit_options,
            options,
            Preprocessing.from_json(kept["preprocessing"]),
            kept["architecture"],
            kept["origin"],
            attempt=len(run.attempts()) + 1,
            scalars=Scalars(run.folder, run.history()),
        )

    def train(self, saved: dict[str, Any] | None, pause: Pause | None = None) -> Trained:
        """Run the loop to its end, or until `pause` says so, and judge the best model."""
        self.pause = pause
        self._keep("train")
        self._keep("val")
        with closing(self.scalars), computing(self.fit.threads):
            if self.fit.compiled:
                self.network.compile()
            self.state = State(self.network, self._timed(), crew=current())
            if saved is not None:
                self.state.restore(saved)
            crew = self.state.crew
            give(lambda: Order.of(self, saved), crew, self.network)
            if crew.rank == 0 and self.options.watch is not False:
                self.state.watch = Watch(learned=Learned.read(self.run.folder / LEARNED))
            self.saved_at, self.prepared = time.monotonic(), time.time() - self.began
            with Interrupt(
                at_once=lambda: not crew.busy and (self.judging or self.probing or self.state.evaluating),
                same=0.0 if crew.alone else HANDED_ON,
            ) as interrupt:
                crew.asked = lambda: interrupt.asked
                try:
                    return self._finish(self._loop(interrupt))
                except Paused as stop:
                    self._put_away(stop.why, stop.says)
                    raise
                except KeyboardInterrupt:
                    self._interrupted()
                    raise
                except RuntimeError:
                    if not interrupt.asked:
                        raise
                    # a signal to the whole group ended the reading processes before it was met here
                    self._interrupted()
                    raise KeyboardInterrupt from None

    def _keep(self, part: str) -> None:
        """Have the pictures of a split decoded, where the options keep them."""
        with self._decoding():
            made = self.kept[part] = kept(
                self.dataset, part, self.task, self.preprocessing, self.options,
                lambda done, total: self.screen(("decoding", done, total)),
            )  # fmt: skip
        if self.options.cache == "memory" and made is not None and made.file is not None:
            says = f"the pictures are larger than most of them told: they are kept in {made.file}"
            self.screen(events.Noticed(what="cache", says=says))

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """The time inside counts as decoding."""
        began = time.perf_counter()
        yield
        passed = time.perf_counter() - began
        self.decoding, self.prepared = self.decoding + passed, self.prepared + passed

    def _timed(self) -> FitOptions:
        """Minutes count from the command's start: what has passed is gone."""
        if self.options.minutes is None:
            return self.fit
        # two per cent and two seconds are for saving, loading the best model and writing the result
        left = self.options.minutes * 60 * 0.98 - (time.time() - self.began) - 2
        return dataclasses.replace(self.fit, seconds=max(1.0, left))

    def batches(self, part: str, augment: bool = False, share: Share = WHOLE) -> Batches:
        """A split of the data as the network sees it; with `share` what this process makes of it."""
        return batches(
            self.dataset,
            part,
            self.task,
            self.preprocessing,
            self.options,
            self.fit,
            scratch=self.origin is None,
            augment=augment,
            kept=self.kept.get(part),
            share=share,
        )

    def _loop(self, interrupt: Interrupt) -> events.Stopped:
        """Consume the loop's events: write, show, save when due, stop when asked."""
        state, crew = self.state, self.state.crew
        with self._decoding():
            train = self.batches("train", True, crew.share).laid()
            check = self.batches("val", share=crew.share).laid()
        if state.watch is not None and state.options.seconds is None:
            state.watch.steps = sum(stage.epochs for stage in state.options.stages) * len(train)
        for event in fit(state, self.task, train, check, state.options):
            if isinstance(event, events.Stopped):
                self._save_state()
                return event
            if type(event) is not events.Event:
                self._tell(event)
            if isinstance(event, events.Epoch) and event.best:
                self._keep_best(event)
            if isinstance(event, events.Stage):
                agree(state, self._find_setting(train))
            if interrupt.asked if crew.alone else crew.stop:
                raise KeyboardInterrupt
            if self.pause is not None and (asked := self.pause(event)) is not None:
                raise Paused(*asked)
            begun = state.optimizer is not None
            if begun and time.monotonic() - self.saved_at >= self.options.save_seconds:
                self._save_state()
        raise AssertionError("the loop says how it ended")

    def _find_setting(self, train: Batches) -> Setting | None:
        """Once a run, when its first steps on pictures are due: how they are computed fastest. Kept with the
        run, so that a resumed one goes on in the same way."""
        kept, state = self.run.options, self.state
        if PROBED in kept or state.current.views:
            return None
        self.probing = True
        found = probe(state, self.task, train, self._open(), self._steps_ahead(len(train)), self.architecture)
        self.probing = False
        passed = state.tick()  # of the run's time, and none of the stage's
        state.stage_began += passed
        self.prepared += passed
        self._save_state()  # first: what was computed before the settings changed is not computed again
        choices = list(self.run.choices)
        if found is not None:
            apply(state, found.setting)
            decided = {choice.option for choice in found.choices}
            choices = [choice for choice in choices if choice.option not in decided] + list(found.choices)
            for choice in found.choices:
                self.screen(choice)
            kept["fit"] = dataclasses.asdict(dataclasses.replace(state.options, seconds=None))
            kept["channels_last"] = found.setting.channels_last
            kept["train"] |= {choice.option: choice.value for choice in found.choices}
        kept[PROBED] = None if found is None else dict(found.speeds)
        self.run.write_options(kept, choices)
        return None if found is None else found.setting

    def _open(self) -> TrainOptions:
        """The options, those open that the rules decided for this run, which a probe may decide again."""
        by_rule = {c.option for c in self.run.choices if c.automatic and not c.reason.startswith(AS_IN)}
        none: dict[str, Any] = dict.fromkeys(by_rule & PARTS.keys())
        return dataclasses.replace(self.options, **none)

    def _steps_ahead(self, each: int) -> int:
        """Optimizer steps still to come; where minutes are planned, enough if there are two or more."""
        o, s = self.state.options, self.state
        if o.seconds is not None:
            return WORTH if o.seconds - s.seconds > LONG_SECONDS else 0
        return sum(stage.epochs for stage in o.stages[s.stage :] if not stage.solve) * each - s.stage_step

    def _tell(self, event: events.Event) -> None:
        event = dataclasses.replace(event, attempt=self.attempt, at=time.time())
        self.run.append(event)
        self.scalars.add(event)
        self.screen(event)

    def _keep_best(self, event: events.Epoch) -> None:
        with self._saving():
            self.run.save_model(self._model(self.state.judged), "best")
        if self.first_model is None:
            self.first_model = round(time.time() - self.began, 3)
        self._tell(events.Saved(step=event.step, file="best.safetensors"))
        # beside the best model stands the state it belongs to, so that a resumed run is never older
        self._save_state()

    @contextmanager
    def _saving(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.saving += time.perf_counter() - began

    def _save_state(self) -> None:
        with self._saving():
            self.run.save_state(self.state.capture())
            if self.state.watch is not None:
                self.state.watch.learned.write(self.run.folder / LEARNED)
        self.saved_at = time.monotonic()

    def _interrupted(self) -> None:
        """Save all, and say how to go on. While the best model is judged, all is saved already."""
        how = shlex.join(["foveal", "train", "--resume", str(self.run.folder)])
        self._put_away("interrupted", f"All is saved. To go on: {how}")

    def _put_away(self, why: str, says: str) -> None:
        if self.state.optimizer is None:
            return
        if not self.judging:
            self._save_state()
            self._save_last()
        self._tell(events.Stopped(step=self.state.step, why=why, says=says))

    def _save_last(self) -> None:
        # in the middle of an epoch the network is not the one that was judged
        judged = self.state.judged if self.state.batch == 0 else None
        self.run.save_model(self._model(judged), "last")

    def _model(self, judged: Score | None) -> Model:
        """The network as it is, with its card."""
        card = Card(
            task=self.task.card(),
            architecture=self.architecture,
            preprocessing=self.preprocessing,
            scores=() if judged is None else (judged,),
            data={
                "fingerprint": self.dataset.fingerprint,
                "reader": self.dataset.reader,
                "count": len(self.dataset.items),
            },
            origin=self.origin,
        )
        return Model(self.state.judged_network, self.task, self.preprocessing, card)

    def _finish(self, end: events.Stopped) -> Trained:
        """Judge the best model on the test split, once, and write the result down; a trial of a search on
        validation, as the test split is for what the search comes to."""
        self._save_last()
        if self.state.best is None:
            self._tell(end)
            raise DivergedError(
                f"The run {self.run.folder} ended before any epoch could be judged: {end.says}.",
                "At least one epoch with finite losses, whose model is then kept.",
                "Train again with a smaller --lr (or leave it out).",
            )
        on_test = self.dataset.part("test") and self.run.options.get("judged_on") != "val"
        part = "test" if on_test else "val"
        if on_test and judged_again():
            self._keep(part)
        best = self.run.model("best", self.fit.device)
        began, self.judging = time.perf_counter(), True
        # the model as it was saved, in fp32: as `evaluate` and `predict` will compute it
        looking = best.network
        if self.preprocessing.views > 1:
            looking = Views(best.network, self.preprocessing.views)
        settled = settle(
            looking, self.task, self.batches("train"), self.batches("val"),
            self.fit.head, self.fit.device, self.state.options.precision,
        )  # fmt: skip
        settling = time.perf_counter() - began
        with self._decoding():
            tested = self.batches(part).laid()
        began = time.perf_counter()
        judged, far = judge(looking, settled.task, tested, part, self.fit.device, settled.far)
        self.judging = False
        judging = time.perf_counter() - began
        headline = judged.headline
        others = tuple(score for score in best.card.scores if score.split != part)
        card = dataclasses.replace(best.card, task=settled.task.card(), scores=(*others, headline))
        with self._saving():
            self.run.save_model(dataclasses.replace(best, task=settled.task, card=card, far=far), "best")
        says, chance = end.says, self.task.chance
        reached = headline.low if headline.higher_is_better else -headline.high
        if chance is not None and reached <= (chance if headline.higher_is_better else -chance):
            worse = headline.value <= chance if headline.higher_is_better else headline.value >= chance
            what = "it is no better than chance" if worse else "that it is better than chance is not sure"
            says += f"; {what} ({chance:.3g}): train longer, or look at --lr and at the labels"
        spent, seconds = self._spent(settle=settling, judge=judging), round(time.time() - self.began, 3)
        done = Trained(
            run=self.run.folder,
            model=self.run.folder / "best.safetensors",
            headline=headline,
            seconds=seconds,
            first_model_seconds=self.first_model,
            choices=tuple(self.run.choices),
            why=end.why,
            says=says,
            spent=spent,
            bottleneck=self._bottleneck(spent, max(seconds, self.state.seconds)),
            trust=settled.numbers | ({} if far is None else {"far": far.card()}),
        )
        done.write(self.run, judged)
        self._tell(dataclasses.replace(end, says=says))
        return done

    def _spent(self, **ending: float) -> dict[str, float]:
        """Seconds a phase, the phases apart from each other."""
        spent = self.state.spent
        decoding = self.decoding + spent.get("decode", 0.0)
        phases = {"prepare": self.prepared - self.decoding, "save": self.saving}
        phases = {**spent, **phases, **ending, "decode": decoding}
        return {name: round(phases[name], 3) for name in PHASES if phases.get(name)}

    def _bottleneck(self, spent: dict[str, float], total: float) -> str:
        o = self.options
        epochs = Counter(event.stage for event in self.run.events() if isinstance(event, events.Epoch))
        passes = sum(stage.views or epochs[stage.name] for stage in self.fit.stages if epochs[stage.name])
        refused = any(c.option == "cache" and not c.automatic for c in self.run.choices)
        # where the plan keeps none, none can be kept
        cache = "off" if refused and o.cache == "off" else "kept"
        return verdict(
            spent, total, cache=cache, passes=passes, workers=o.workers or 0, device=self.fit.device,
            augment=o.augment or "",
        )  # fmt: skip
