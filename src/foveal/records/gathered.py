"""What a run's folder holds, read once; whatever is missing or damaged is left out and named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..errors import FovealError
from ..events import Epoch, Event, Step, Stopped, latest
from ..storage import read_json
from ..values import Choice, Dataset, Evaluation, Facts, Item, Score
from .run import Run
from .trained import EVALUATION

FIND_LR = "find_lr.json"
Kind = Literal["classes", "labels", "numbers", "objects", "masks", "pictures"]
ON_PICTURES: Mapping[str, Kind] = {
    "detect": "objects", "instances": "objects", "segment": "masks", "upscale": "pictures", "autoencode": "pictures",
}  # fmt: skip
"""What truths are that lie on pictures, by the task's name."""
T = TypeVar("T")


@dataclass(frozen=True)
class Gathered:
    """Everything a report tells of. What an unfinished or older run does not have is None or empty."""

    folder: Path
    name: str
    status: str
    options: Mapping[str, Any]
    choices: tuple[Choice, ...]
    dataset: Dataset | None
    machine: Mapping[str, Any]
    events: tuple[Event, ...]
    result: Mapping[str, Any]
    evaluation: Evaluation | None
    score: Score | None
    find_lr: Mapping[str, Any]
    damaged: tuple[str, ...] = ()

    @cached_property
    def epochs(self) -> tuple[Epoch, ...]:
        return tuple(e for e in self.events if isinstance(e, Epoch))

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        return tuple(e for e in self.events if isinstance(e, Step))

    @property
    def stopped(self) -> Stopped | None:
        return next((e for e in reversed(self.events) if isinstance(e, Stopped)), None)

    @cached_property
    def best(self) -> Epoch | None:
        """The epoch whose model was kept."""
        return next((e for e in reversed(self.epochs) if e.best), None)

    @property
    def train(self) -> Mapping[str, Any]:
        """The options of `foveal train`, filled in."""
        return _mapping(self.options.get("train"))

    @property
    def fit(self) -> Mapping[str, Any]:
        return _mapping(self.options.get("fit"))

    @property
    def stages(self) -> tuple[Mapping[str, Any], ...]:
        """Training's stages as they were planned."""
        return tuple(stage for stage in self.fit.get("stages") or () if isinstance(stage, Mapping))

    @property
    def frozen_stages(self) -> frozenset[str]:
        """Names of the stages in which the head alone learned."""
        return frozenset(str(s.get("name")) for s in self.stages if s.get("trainable") == "head")

    @property
    def timed(self) -> bool:
        """Whether time was planned rather than epochs."""
        return self.fit.get("seconds") is not None or self.train.get("minutes") is not None

    @property
    def task(self) -> Mapping[str, Any]:
        return _mapping(self.options.get("task"))

    @property
    def trust(self) -> Mapping[str, Any]:
        return _mapping(self.result.get("trust"))

    @property
    def network(self) -> str:
        return str(_mapping(self.options.get("architecture")).get("name") or self.train.get("network") or "")

    @property
    def size(self) -> int | None:
        """Side of the network's input in pixels."""
        found = _mapping(self.options.get("preprocessing")).get("size")
        return int(found) if isinstance(found, int | float) else None

    @property
    def facts(self) -> Facts | None:
        return self.dataset.facts if self.dataset else None

    @property
    def kind(self) -> Kind:
        """What truths are: one class, several labels, a number, or what lies on the picture."""
        own = ON_PICTURES.get(str(self.task.get("name")))
        if own is not None:
            return own
        for truth in self._some_truths():
            if isinstance(truth, list | tuple):
                return "labels"
            return "numbers" if isinstance(truth, int | float) and not isinstance(truth, bool) else "classes"
        return "classes"

    @property
    def dense(self) -> bool:
        """Whether truths lie on the pictures."""
        return self.kind in ON_PICTURES.values()

    def _some_truths(self) -> list[Any]:
        if self.evaluation and self.evaluation.examples:
            return [row.get("truth") for row in self.evaluation.examples[:1]]
        return [item.truth for item in self.dataset.items[:1]] if self.dataset else []

    @cached_property
    def items(self) -> dict[str, Item]:
        """The data's items by their ids."""
        return {item.id: item for item in self.dataset.items} if self.dataset else {}

    @property
    def labels(self) -> tuple[str, ...]:
        told = self.task.get("labels") or (self.dataset.labels if self.dataset else ())
        return tuple(str(label) for label in told)


def gather(run: Run) -> Gathered:
    """Read the folder of `run`."""
    damaged: list[str] = []

    def kept(read: Callable[[], T], otherwise: T, file: str = "") -> T:
        if file and not (run.folder / file).exists():
            return otherwise
        try:
            return read()
        except (FovealError, OSError, TypeError, ValueError, KeyError, AttributeError) as error:
            damaged.append(error.came if isinstance(error, FovealError) else f"{file}: {error}")
            return otherwise

    unheard: list[Event] = []
    history = kept(run.history, unheard)
    nothing: dict[str, Any] = {}
    return Gathered(
        folder=run.folder,
        name=run.folder.resolve().name,
        status=kept(lambda: run.status_of(history), "died"),
        options=kept(lambda: run.options, nothing, "options.json"),
        choices=tuple(kept(lambda: run.choices, [], "options.json")),
        dataset=kept(lambda: run.dataset, None, "data.json"),
        machine=kept(lambda: run.machine, nothing, "machine.json"),
        events=tuple(latest(history)),
        result=kept(lambda: run.result or nothing, nothing, "result.json"),
        evaluation=kept(lambda: _evaluation(run.folder / EVALUATION), None, EVALUATION),
        score=kept(lambda: run.headline_of(latest(history)), None),
        find_lr=kept(lambda: read_json(run.folder / FIND_LR), nothing, FIND_LR),
        damaged=tuple(dict.fromkeys(damaged)),
    )


def _evaluation(file: Path) -> Evaluation:
    data = read_json(file)
    return Evaluation(
        headline=Score(**data["headline"]),
        metrics={str(k): v for k, v in data["metrics"].items() if isinstance(v, int | float)},
        count=int(data["count"]),
        per_class=[dict(row) for row in data["per_class"]],
        confusion=[[int(n) for n in row] for row in data.get("confusion") or []],
        examples=[dict(row) for row in data.get("examples") or []],
        quantity=str(data.get("quantity") or ""),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
