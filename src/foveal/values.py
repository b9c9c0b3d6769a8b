"""The plain values that everything is made of. No pixels, no torch at import."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from .data.marked import Marked

PARTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Item:
    """One example: where its picture lies and what is true of it.

    `path` is relative to the data set's root, with `/` (absolute where it lies outside). `frame`
    is the position inside a container (IDX, .npy). `truth` is plain JSON: a class name, a list of
    names, a number, a list of objects (`data.objects`), a mask (`data.masks`), another picture
    ({"picture": path}), or None where the picture itself is the truth. `part` is `train`, `val`,
    `test`, or empty where undecided. `sha256` is the picture's content hash, filled by the examination.
    """

    id: str
    path: str
    truth: Any
    part: str = ""
    frame: int | None = None
    sha256: str = ""


def labels_of(truth: Any) -> list[str]:
    """The labels that a truth names, as often as it does: a class, several, or those of its objects."""
    named = [one.get("label") if isinstance(one, Mapping) else one for one in _listed(truth)]
    return [name for name in named if isinstance(name, str)]


def lies_on_it(truth: Any) -> bool:
    """Whether a truth lies on its picture: objects, a mask, another picture."""
    return isinstance(truth, Mapping) or any(isinstance(one, Mapping) for one in _listed(truth))


def _listed(truth: Any) -> Sequence[Any]:
    return truth if isinstance(truth, list | tuple) else [truth]


@dataclass(frozen=True, slots=True)
class Issue:
    """Something about the data that a person should know; `paths` are the items' ids."""

    kind: str
    severity: Literal["note", "warning", "error"]
    says: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A reader's word that a folder or file is its own, and why."""

    reader: str
    why: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the examination of every picture found. Sides in pixels, medians over pictures."""

    width: int
    height: int
    min_side: int
    max_side: int
    grey: bool
    bytes: int


@dataclass(frozen=True)
class Dataset:
    """What a reader made of a folder: plain values, no pixels inside.

    `why` says why this reader and this task; `labels` are the class names, sorted, and travel by
    name; where truths are numbers, the one name is what they are numbers of. `column` is what a table
    calls the truths. `facts` and `fingerprint` are filled by the examination (`foveal.data.examine`).
    """

    root: str
    task: str
    reader: str
    why: str
    labels: tuple[str, ...]
    items: tuple[Item, ...]
    issues: tuple[Issue, ...] = ()
    facts: Facts | None = None
    fingerprint: str = ""
    column: str = ""

    def part(self, name: str) -> tuple[Item, ...]:
        """The items of one split."""
        return tuple(item for item in self.items if item.part == name)

    def counts(self) -> dict[str, dict[str, int]]:
        """Split -> label -> number of items that bear it."""
        table: dict[str, dict[str, int]] = {}
        for item in self.items:
            row = table.setdefault(item.part, {})
            for label in labels_of(item.truth):
                row[label] = row.get(label, 0) + 1
        return table

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Dataset:
        facts = data.get("facts")
        return cls(
            **{
                **data,
                "labels": tuple(data["labels"]),
                "items": tuple(Item(**item) for item in data["items"]),
                "issues": tuple(Issue(**{**i, "paths": tuple(i["paths"])}) for i in data["issues"]),
                "facts": Facts(**facts) if facts else None,
            }
        )


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes a network's input; travels with the weights.

    The shorter side is resized to `size / crop` pixels and the middle `size` x `size` is taken;
    values in 0..1 are then normalised by `mean` and `std` (one number a channel).
    """

    size: int
    channels: int = 3
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    crop: float = 1.0
    views: int = 1
    """How often each picture is looked at when it counts (`structure.views`)."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Preprocessing:
        """What `dataclasses.asdict` made of it, after a round through JSON."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**plain)


@dataclass
class Batch:
    """Pictures `BCHW`, their truths, and the items' ids, in the same order."""

    images: Tensor
    truths: Any
    ids: list[str]
    seconds: tuple[float, float] = (0.0, 0.0)
    """What it took to decode the pictures and to augment them."""
    whole: int = 0
    """Where several processes share a batch: how many pictures all of it has; 0: it is all here."""
    seats: tuple[int, ...] = ()
    """The places in it of the pictures that are here."""

    def moved(self, move: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with `move` done to every tensor in it, however the truths are nested."""
        images, truths = _moved(self.images, move), _moved(self.truths, move)
        return Batch(images, truths, self.ids, self.seconds, self.whole, self.seats)

    def pin_memory(self) -> Batch:
        """Called by torch's loader, so that copies to a GPU overlap with computing."""
        return self.moved(lambda tensor: tensor.pin_memory())

    def split(self, pieces: int) -> list[Batch]:
        """The batch cut into at most `pieces`, for accumulation; truths are a tensor or a list."""
        size = -(-len(self.ids) // pieces)
        return [
            Batch(self.images[n : n + size], self.truths[n : n + size], self.ids[n : n + size])
            for n in range(0, len(self.ids), size)
        ]


def _moved(value: Any, move: Callable[[Tensor], Tensor]) -> Any:
    if hasattr(value, "is_pinned"):  # a tensor; torch is not loaded for asking
        return move(value)
    if isinstance(value, Mapping):
        return {k: _moved(v, move) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_moved(v, move) for v in value)
    return value


@dataclass
class Step:
    """What a task makes of a batch: the loss to descend (mean over the batch), its named parts
    (0-dimensional tensors), and the network's outputs for the meter."""

    loss: Tensor
    parts: dict[str, Tensor]
    outputs: Any
    each: Tensor | None = None
    """Each picture's own loss `B`, detached, where the task has one; what watching follows picture by picture."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The metric a task is judged by."""

    name: str
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class Score:
    """A headline's value on a split, with its 95 % interval."""

    name: str
    value: float
    low: float
    high: float
    higher_is_better: bool
    split: str

    def __str__(self) -> str:
        return f"{self.name} {figure(self.value)} [{figure(self.low)}, {figure(self.high)}] on {self.split}"

    def better_than(self, other: Score | None) -> bool:
        """Strictly better than `other` (anything is better than nothing)."""
        if other is None:
            return True
        return self.value > other.value if self.higher_is_better else self.value < other.value


@dataclass(frozen=True)
class Evaluation:
    """What an evaluator found: the headline, every metric, one row a class, and one row an
    example (`id`, `truth`, `predicted`, `probability`, `loss`) in the data's order. `quantity` is what
    truths and errors are numbers of, where they are numbers and it is known."""

    headline: Score
    metrics: dict[str, float]
    count: int
    per_class: list[dict[str, Any]]
    confusion: list[list[int]] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)
    issues: tuple[Issue, ...] = ()
    quantity: str = ""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def _repr_html_(self) -> str:
        metrics = "".join(
            f"<tr><td>{escape(k)}</td><td>{figure(v)}</td></tr>" for k, v in self.metrics.items()
        )
        of = f" of {escape(self.quantity)}" if self.quantity else ""
        names = list(self.per_class[0]) if self.per_class else []
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_short(v))}</td>" for v in row.values()) + "</tr>"
            for row in self.per_class
        )
        return (
            f"<p><b>{escape(str(self.headline))}</b>{of}, {self.count} pictures</p><table>{metrics}</table>"
            f"<table><tr>{head}</tr>{rows}</table>"
        )


def _short(value: object) -> str:
    return figure(value) if isinstance(value, float) else "" if value is None else str(value)


def span(seconds: float) -> str:
    """A time for people: `8.2 s`, `45 s`, `3 min 20 s`, `2 h 05 min`."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def figure(value: float) -> str:
    """A number for people: with four decimals where those tell it, else with four digits that do."""
    size = abs(value)
    if size == 0 or 0.001 <= size < 1000:
        return f"{value:.4f}"
    return f"{value:.1f}" if 1000 <= size < 1e7 else f"{value:.4g}"


def both(pair: Sequence[float]) -> str:
    """Height and width as one number where they are equal: `7`, `1x5`."""
    first, second = (f"{value:.4g}" for value in pair)
    return first if first == second else f"{first}x{second}"


def sees(field: Sequence[float] | None, whole: bool) -> str:
    """A receptive field in pixels, `?` where it is not known, `+ all` where a gate sees the whole picture too."""
    return "?" if field is None else both(field) + (" + all" if whole else "")


def short_count(count: float) -> str:
    """A count for people, three digits: `64`, `9.41 k`, `25.6 M`, `4.09 G`, `2.6 T`."""
    for factor, sign in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= 0.9995 * factor:
            return f"{count / factor:#.3g}".rstrip(".") + sign
    return f"{count:g}"


def short_bytes(count: float) -> str:
    """A size for people: `420 B`, `9.4 kB`, `86 MB`."""
    return f"{short_count(count)}B" if count >= 999.5 else f"{count:g} B"


@dataclass(frozen=True)
class Prediction:
    """What a model says of one picture: `predictions` best first, or why there are none.

    `distance` is how far the picture lies from all that the model has seen, where the model knows: 1 is
    the farthest that 95 % of known pictures stay within, and `far` whether it lies beyond.
    """

    path: str
    predictions: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    far: bool | None = None
    distance: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    """Where it was written, by format (`drawn`, `voc`, ...)."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; a picture that is in no file is left out."""
        if self.error is not None:
            return {"path": self.path, "error": self.error}
        rows = [{name: value for name, value in row.items() if name != "picture"} for row in self.predictions]
        files = {"files": dict(self.files)} if self.files else {}
        return {"path": self.path, "predictions": rows, **self.trust(), **files}

    def trust(self) -> dict[str, Any]:
        """`none_of_these` and `distance`, where they are known."""
        known = {"none_of_these": self.far, "distance": self.distance}
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Target:
    """What an explanation explains: the network's output for `label` before softmax or sigmoid, less that for
    `against` where it is given; or, with `layer`, one of its units: the mean of a channel's map, or its value at
    `cell` (row, column). Channels and cells count from 0. With `at`, what it says there alone: x0, y0, x1, y1 in the
    picture's pixels, from edge to edge; `within` is the same in shares of what the network sees. `mask` says which of
    the pixels in there count, where not all do."""

    label: str = ""
    against: str = ""
    layer: str = ""
    channel: int | None = None
    cell: tuple[int, int] | None = None
    at: tuple[float, float, float, float] | None = None
    within: tuple[float, float, float, float] | None = None
    mask: Marked | None = None

    @property
    def unit(self) -> str:
        """The unit in words."""
        at = "" if self.cell is None else f", row {self.cell[0]}, column {self.cell[1]}"
        return f"channel {self.channel or 0}{at}"

    def __str__(self) -> str:
        if self.layer:
            return f"{self.layer}, {self.unit}"
        there = "" if self.at is None else f" at {', '.join(f'{edge:g}' for edge in self.at)}"
        there = there if self.mask is None else f" in {self.mask.name}"
        return f"{self.label} rather than {self.against}{there}" if self.against else f"{self.label}{there}"


@dataclass(frozen=True, slots=True)
class Choice:
    """An option's value and why it has it. `automatic` is False where the user gave it."""

    option: str
    value: Any
    reason: str
    automatic: bool = True
