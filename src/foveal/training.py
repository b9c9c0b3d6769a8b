"""Data -> plan -> fit -> run folder: the one way a network is trained."""

from __future__ import annotations

import copy
import dataclasses
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from . import catalog, device, events, plan
from .card import Card
from .contracts import Task
from .data.batches import Batches
from .data.examine import examine
from .errors import DivergedError, OptionError, RunError
from .evaluation import evaluate
from .fit import fit
from .interrupt import Interrupt
from .journal import Scalars
from .model import Model
from .options import FitOptions, TrainOptions, make
from .plan import Plan
from .run import RESUME, Run
from .state import State
from .storage import previous
from .structure.layers import is_in
from .structure.transplant import transplant
from .trained import Trained
from .values import Choice, Dataset, Preprocessing, Score

Screen = Callable[[Any], None]


def start(
    dataset: Dataset, planned: Plan, name: str, screen: Screen, began: float, split: list[Choice]
) -> Trained:
    """Train by a plan in a new run folder. `name` is the data's; `began` the command's start, Unix seconds."""
    o = planned.options
    network = seeded_network(planned, screen)  # first: weights that do not fit leave no folder behind
    run = Run.create(o.runs_dir, f"{name}-{planned.start.network.replace('/', '-')}", o.out)
    screen(("run", str(run.folder)))
    with run.lock():
        run.write_dataset(dataset)
        # all that a resumed run needs, so that it plans nothing anew
        run.write_options(
            {
                "data": name,
                "train": dataclasses.asdict(o),
                "fit": dataclasses.asdict(planned.fit),
                "task": planned.task.card(),
                "preprocessing": dataclasses.asdict(planned.preprocessing),
                "architecture": planned.architecture,
                "channels_last": planned.channels_last,
                "origin": planned.start.origin,
            },
            [*split, *planned.choices],
        )
        return Job.of(run, dataset, network, planned.task, screen, began).train(None)


def resume(path: str, screen: Screen, began: float) -> Trained:
    """Go on with a run that was stopped or killed, from its last saved state.

    Raises:
        RunError: no such run, in use, damaged, or its pictures have changed.
    """
    run = Run.open(path)
    with run.lock():
        done = Trained.read(run)
        if done is not None:
            screen(
                events.Noticed(what="finished", says=f"{path} was finished already; nothing is left to train")
            )
            return done
        kept, dataset = run.options, run.dataset
        _verify(dataset, path, kept["train"]["data_home"])
        state = run.folder / RESUME
        if not (state.exists() or previous(state).exists()):  # killed before the first: begin again
            planned = plan.make(dataset, make(TrainOptions, kept["train"]))
            network = seeded_network(planned, screen)
            return Job.of(run, dataset, network, planned.task, screen, began).train(None)
        saved, notice = run.load_state()
        if notice:
            screen(events.Noticed(what="state", says=notice))
        card = dict(kept["task"])
        task = catalog.find("tasks", card.pop("name")).build(**card)
        device.choose(kept["fit"]["device"])
        device.seed_all(kept["fit"]["seed"], kept["fit"]["deterministic"])
        network = _built(kept["architecture"])
        return Job.of(run, dataset, network, task, screen, began).train(saved)


def _verify(dataset: Dataset, path: str, data_home: str | None) -> None:
    """Refuse to go on with other pictures than the run began with."""
    now = {item.id: item.sha256 for item in examine(dataset, data_home=data_home).items}
    changed = [item.id for item in dataset.items if now.get(item.id) != item.sha256]
    if changed:
        raise RunError(
            f"The data of {path} has changed since: {len(changed)} pictures are gone or others now "
            f"({', '.join(changed[:5])}).",
            "The pictures that the run began with; other ones would make its results mean nothing.",
            "Put them back, or train a new run: foveal train DATA",
        )


def _built(architecture: dict[str, Any]) -> nn.Module:
    a = architecture
    network: nn.Module = catalog.find("architectures", a["name"]).build(
        a["name"], outputs=a["outputs"], channels=a["channels"], size=a["size"]
    )
    return network


def seeded_network(planned: Plan, screen: Screen) -> nn.Module:
    """The plan's network with its start's weights in it; seeds everything before drawing any."""
    device.seed_all(planned.options.seed, planned.options.deterministic)
    network = _built(planned.architecture)
    _try_out(network, planned)
    s = planned.start
    if s.state is not None:
        done = transplant(
            s.state(),
            network,
            planned.fit.head,
            source=s.source,
            old_labels=s.labels,
            new_labels=planned.task.labels,
        )
        if done.adapted:
            screen(events.Noticed(what="weights", says=f"adapted to this data: {', '.join(done.adapted)}"))
        lost = [name for name in done.fresh if not is_in(name, planned.fit.head)]
        if lost:
            screen(
                events.Noticed(what="weights", says=f"not in {s.source}, so drawn anew: {', '.join(lost)}")
            )
    return network


def _try_out(network: nn.Module, planned: Plan) -> None:
    """A forward pass in training, of the smallest batch that may come, on a copy that is thrown away.

    Raises:
        OptionError: the network cannot take this size or batch.
    """
    a, batch = planned.architecture, min(planned.fit.batch, 2)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            copy.deepcopy(network).train()(torch.zeros(batch, a["channels"], a["size"], a["size"]))
    except (RuntimeError, ValueError) as error:
        if device.is_out_of_memory(error):
            raise
        raise OptionError(
            f"{a['name']} cannot train on pictures of {a['size']} px in batches of {planned.fit.batch}: {error}",
            "Pictures large enough for every pooling of the network (most want 32 px, some 64 and more), "
            "and at least two in a batch where it normalises over the batch.",
            "Give a larger --size or --batch, or another --network.",
        ) from error


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
    saved_at: float = 0.0

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

    def train(self, saved: dict[str, Any] | None) -> Trained:
        """Run the loop to its end, and judge the best model."""
        self.state = State(self.network, self._timed())
        if saved is not None:
            self.state.restore(saved)
        self.saved_at = time.monotonic()
        try:
            with Interrupt(at_once=lambda: self.judging or self.state.evaluating) as interrupt:
                try:
                    return self._finish(self._loop(interrupt))
                except KeyboardInterrupt:
                    self._interrupted()
                    raise
                except RuntimeError:
                    if not interrupt.asked:
                        raise
                    # a signal to the whole group ended the reading processes before it was met here
                    self._interrupted()
                    raise KeyboardInterrupt from None
        finally:
            self.scalars.close()

    def _timed(self) -> FitOptions:
        """Minutes count from the command's start: what has passed is gone."""
        if self.options.minutes is None:
            return self.fit
        # two per cent and two seconds are for saving, loading the best model and writing the result
        left = self.options.minutes * 60 * 0.98 - (time.time() - self.began) - 2
        return dataclasses.replace(self.fit, seconds=max(1.0, left))

    def batches(self, part: str, augment: bool = False) -> Batches:
        """A split of the data as the network sees it."""
        o, facts = self.options, self.dataset.facts
        view = self.task.view(self.preprocessing)
        if augment and facts is not None:
            family = catalog.find("augmentations", o.augment or "none")
            view = family.build(self.preprocessing, facts, flip=bool(o.flip), scratch=self.origin is None)
        return Batches(
            self.dataset.root,
            self.dataset.part(part),
            self.task,
            view,
            self.preprocessing,
            self.fit.batch if augment else max(self.fit.batch, 64),
            seed=self.fit.seed,
            shuffle=augment,
            workers=o.workers or 0,
            pin=self.fit.device.startswith("cuda"),
        )

    def _loop(self, interrupt: Interrupt) -> events.Stopped:
        """Consume the loop's events: write, show, save when due, stop when asked."""
        state = self.state
        train, check = self.batches("train", augment=True), self.batches("val")
        for event in fit(state, self.task, train, check, state.options):
            if isinstance(event, events.Stopped):
                self._save_state()
                return event
            if type(event) is not events.Event:
                self._tell(event)
            if isinstance(event, events.Epoch) and event.best:
                self._keep_best(event)
            if interrupt.asked:
                raise KeyboardInterrupt
            if time.monotonic() - self.saved_at >= self.options.save_seconds:
                self._save_state()
        raise AssertionError("the loop says how it ended")

    def _tell(self, event: events.Event) -> None:
        event = dataclasses.replace(event, attempt=self.attempt, at=time.time())
        self.run.append(event)
        self.scalars.add(event)
        self.screen(event)

    def _keep_best(self, event: events.Epoch) -> None:
        self.run.save_model(self._model(self.state.judged), "best")
        if self.first_model is None:
            self.first_model = round(time.time() - self.began, 3)
        self._tell(events.Saved(step=event.step, file="best.safetensors"))
        # beside the best model stands the state it belongs to, so that a resumed run is never older
        self._save_state()

    def _save_state(self) -> None:
        self.run.save_state(self.state.capture())
        self.saved_at = time.monotonic()

    def _interrupted(self) -> None:
        """Save all, and say how to go on. While the best model is judged, all is saved already."""
        if self.state.optimizer is None:
            return
        if not self.judging:
            self._save_state()
            self._save_last()
        how = shlex.join(["foveal", "train", "--resume", str(self.run.folder)])
        self._tell(
            events.Stopped(step=self.state.step, why="interrupted", says=f"all is saved; go on with: {how}")
        )

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
        return Model(self.network, self.task, self.preprocessing, card)

    def _finish(self, end: events.Stopped) -> Trained:
        """Judge the best model on the test split, once, and write the result down."""
        self._save_last()
        if self.state.best is None:
            self._tell(end)
            raise DivergedError(
                f"The run {self.run.folder} ended before any epoch could be judged: {end.says}.",
                "At least one epoch with finite losses, whose model is then kept.",
                "Train again with a smaller --lr (or leave it out).",
            )
        part = "test" if self.dataset.part("test") else "val"
        best = self.run.model("best")
        self.judging = True
        self.network.load_state_dict(best.network.state_dict())
        # in fp32, as `evaluate` and `predict` will compute it
        judged = evaluate(self.network, self.task, self.batches(part), part, self.fit.device)
        self.judging = False
        headline = judged.headline
        others = tuple(score for score in best.card.scores if score.split != part)
        card = dataclasses.replace(best.card, scores=(*others, headline))
        self.run.save_model(dataclasses.replace(best, card=card), "best")
        says, chance = end.says, self.task.chance
        if chance is not None and headline.low <= chance <= headline.high:
            says += f"; it is no better than chance ({chance:.3g}): look at --lr and at the labels"
        done = Trained(
            run=self.run.folder,
            model=self.run.folder / "best.safetensors",
            headline=headline,
            seconds=round(time.time() - self.began, 3),
            first_model_seconds=self.first_model,
            choices=tuple(self.run.choices),
            why=end.why,
            says=says,
        )
        done.write(self.run, judged)
        self._tell(dataclasses.replace(end, says=says))
        return done
