"""What a plug-in fulfils. A plug-in is a module with the fixed names below; no base classes.

Every module has a one-line docstring and `SOURCE`, the paper or document it follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .values import Batch, Claim, Dataset, Evaluation, Facts, Headline, Item, Preprocessing, Step, Target

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor, nn

    from .options import ReadOptions
    from .structure.look import Look
    from .structure.subject import Subject

# A view of an example: a PIL picture of any size and its truth become `size` x `size` and truth.
View = Callable[["Image.Image", Any], "tuple[Image.Image, Any]"]


# A picture and its truth, viewed.
Pair = tuple["Image.Image", Any]


class Reader(Protocol):
    """readers/NAME.py

    A module may also have `ASKED`, the tasks one of which must be asked for, for it to be heard, and then only where
    no other reader claims the data; and `named_for(path, task)`, the name of that of its own sets that suits a task.
    """

    SOURCE: str

    def sniff(self, path: Path) -> Claim | None:
        """Why this folder or file is this reader's own, or None. Cheap: looks, reads no pictures."""

    def read(self, path: Path, options: ReadOptions) -> Dataset:
        """The data set, without splitting it or opening pictures.

        Raises:
            DataError: naming the file and line that cannot be used.
        """


class Source(Protocol):
    """Pictures of a split in batches, as the loop and the evaluator take them."""

    @property
    def count(self) -> int: ...

    def __len__(self) -> int:
        """Batches an epoch."""

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number`, from batch `start` on."""

    def to(self, batch: Batch, device: str, channels_last: bool) -> Batch:
        """The batch on the device, as the network wants it."""


class Meter(Protocol):
    """Gathers what a task needs to be judged, batch by batch, in attributes that are lists and nothing else: those
    of several processes are put one after the other (`evaluation.evaluate`)."""

    def add(self, step: Step, batch: Batch) -> None: ...

    def result(self, split: str) -> Evaluation: ...


class Task(Protocol):
    """What is learned. tasks/NAME.py has `build(labels, **options)`, which returns one, a frozen
    dataclass; `DEFAULTS`: for each training option that is the task's own, (value, reason); and
    `SAMPLE`: eight truths as a reader gives them, unlike enough to be told apart. Where a task must look at
    the training pictures' truths, `from_data(dataset)` returns those options of `build` that only they tell.

    A module may also have `prefers(dataset)`: for options that all tasks have (`network`, `size`, `batch`,
    `augment`, `freeze`, ...), (value, reason) where its pictures want others than classification's;
    `SCALE`, the (mean, std) of pictures, each number for all channels, where networks from scratch want these;
    `weighed(dataset, balance)`, the `class_weights` of `build` for `--balance`, where its truths are no labels; and
    `remarks(dataset, size)`: sentences on what the training pictures lose at `size` pixels.

    A task may also be `Calibrating`, and `Explainable`, and have `wants`: what else its own options make it prefer.
    """

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def outputs(self) -> int:
        """How many outputs the network's head has."""

    @property
    def headline(self) -> Headline: ...

    @property
    def chance(self) -> float | None:
        """The headline's value for a network that has learned nothing (labels uniform), where it has one."""

    def knows(self, truth: Any) -> bool:
        """Whether an item's truth is one that this task can be judged by: a class it has, a number."""

    def truth(self, item: Item, image: Image.Image, root: str) -> Any:
        """An item's truth as the value that the view varies along with the picture and that `collate`
        takes: a class index, tv_tensors boxes on the canvas of `image`, a mask read from `root`, or,
        for tasks that make their own targets, something of `image` itself."""

    @property
    def dense(self) -> bool:
        """Whether what is true lies on the picture (boxes, masks, pictures), so that nothing may be done to a
        picture alone: not its growing, blending, erasing, nor the averaging of views."""

    @property
    def own_sizes(self) -> bool:
        """Whether pictures keep their sizes in evaluation, so that they are seen one at a time."""

    def building(self) -> dict[str, Any]:
        """What else an architecture's `build` is told than its outputs, channels and size: a factor of scale, ..."""

    def view(self, preprocessing: Preprocessing) -> View:
        """How pictures and truths are seen in evaluation: `data.views.evaluation_view` for labels, `whole_view`
        for what lies on the picture."""

    def collate(self, truths: Sequence[Any]) -> Any:
        """Truths of a batch as tensors, in order."""

    def step(self, network: nn.Module, batch: Batch) -> Step:
        """Forward and loss, the mean over the batch's pictures; in both modes, with outputs for the meter."""

    def predict(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> list[list[dict[str, Any]]]:
        """For each picture of `BCHW` its predictions, best first: plain values, on pictures of these sizes (width,
        height), which are the files' own. What lies on the picture is in its own pixels: `box` as x0, y0, x1, y1,
        `mask` as COCO's compressed run lengths ({"size": [height, width], "counts": text}), `picture` as a Pillow
        picture, which the verb writes to a file."""

    def meter(self) -> Meter: ...

    def mix(self, truths: Any, order: Tensor, share: float | Tensor) -> Any:
        """Truths of pictures blended with those at `order` (`B`, int64), of which `1 - share` is seen.
        None where blended pictures have no truth (plan refuses MixUp and CutMix then)."""

    def card(self) -> dict[str, Any]:
        """The task's options, plain JSON: `build(**card)` makes it again."""


class Calibrating(Protocol):
    """A task whose outputs are one tensor with a row a picture, and which has something to learn from them."""

    def calibrated(self, outputs: Tensor, truths: Any) -> Task:
        """The task with what only validation outputs can tell filled in: a temperature, thresholds.
        `outputs` are those of `step` in evaluation (logits), of all validation pictures, on the CPU."""


class Explainable(Protocol):
    """A task that can say what an explanation is to explain. It may also have `explained(network)`: the network, of
    the same layers, whose outputs are what `score` and `targets` take, where they are not the network's own; and
    `placed(network)`, whose outputs tell where as well, so that `score` heeds a target's `within`; and `usual`, the
    target where a place is told and no other."""

    def score(self, outputs: Any, targets: Sequence[Target]) -> Tensor:
        """The number `B` that an explanation explains, differentiable, of the network's outputs for a batch and
        a target for each of its pictures: before softmax or sigmoid, as those hide how the others matter."""

    def targets(self, outputs: Any) -> list[Target]:
        """What the network says of each picture, as a target to be explained: its most probable label, ..."""

    def target(self, words: str) -> Target:
        """The target that a person calls so: a label's name.

        Raises:
            UnknownNameError: there is none of that name.
        """


class Weights(Protocol):
    """Pretrained weights that can be had: what they are, and how they want their pictures."""

    name: str
    source: str
    licence: str
    labels: tuple[str, ...]
    """The head's classes in its order; empty where they are not known."""
    preprocessing: Preprocessing

    def state(self) -> Mapping[str, Tensor]:
        """The tensors, by this architecture's own parameter names.

        Raises:
            OfflineError: they would have to be downloaded, and could not be.
            ModelError: the file is damaged.
        """


@dataclass(frozen=True)
class About:
    """What is to be said of a network: the year it was first published in, its idea in a sentence, its
    parameters with 1,000 classes and 3 channels, its published top-1 accuracy on ImageNet (0 to 1; None: nobody
    published one), where both come from, and what is not as published here."""

    year: int
    idea: str
    parameters: int
    accuracy: float | None
    source: str
    note: str = ""


class Architecture(Protocol):
    """architectures/NAME.py, or a family with NAMES

    A module may also have:
    `about(name)`, which returns an `About`;
    `sizes(name)`: the least and the largest side of pictures for training from scratch, where none is given;
    `small_stem(name)`: the side below which a network from scratch gets a stem for small pictures, 0 where it
    has none; such a network's `build` also takes `stem`, "published" or "small";
    `remarks(architecture)`: sentences on what building adds to what was asked for (a card's `architecture`);
    `tasks(name)`: the tasks that the network is for, where they are not those with one output a label or number;
    `told(name, dataset, size)`: options of `build` that the training pictures tell, plain JSON (anchors);
    `renamed(name, state)`: the tensors of a weights file from elsewhere by the network's own names;
    `initialise(network, images)`: what a network from scratch takes from some training pictures, float `BCHW`,
    normalised, before it learns.
    """

    SOURCE: str

    def build(self, name: str, *, outputs: int, channels: int, size: int, **options: Any) -> nn.Module:
        """The network, randomly initialised from torch's global generator. In training mode it may give
        `structure.auxiliary.Outputs`, else one tensor. `options` are what else the card's `architecture` has."""

    def head(self, name: str) -> str:
        """The prefix of the last layer's parameters (`fc`, `classifier`, ...)."""

    def weights(self, name: str, wanted: str | None) -> Weights | None:
        """The pretrained weights called `wanted` (None: the best that are to be had), or None."""


class Augmentation(Protocol):
    """augmentations/NAME.py"""

    SOURCE: str

    def build(
        self, preprocessing: Preprocessing, facts: Facts, *, flip: bool, scratch: bool, magnitude: int
    ) -> View:
        """The training view. Draws from torch's global generator only; pickles. `magnitude` 0..30 is for
        families that have a strength.

        A family may also have `together(preprocessing, flip=, seed=)`, which returns the same for whole
        batches of pictures that have the size already: (images uint8 `BCHW`, positions, epoch, place) -> images.
        """


class Schedule(Protocol):
    """schedules/NAME.py"""

    SOURCE: str

    def factor(self, progress: float, warmup: float) -> float:
        """The learning rate as a share of its peak, at `progress` 0..1; `warmup` is a share too.

        A schedule that answers to results has also `react(memory, loss) -> memory`, called with the
        validation loss after each epoch; `memory` (plain numbers, empty at a stage's beginning, saved
        with the run) may hold `scale`, by which the factor is multiplied from then on.
        """


@dataclass(frozen=True)
class Maps:
    """What an explainer found in a batch: maps, signed, in logits.

    Either `pixels` `BHW` on the network's input, or `cells` `Bhw` on the feature map of operation `place`, which
    are drawn at the centres of what they see. `shows` is what counts in them: what speaks for the target
    (`for`), both ways (`both`), or the size alone (`size`).
    """

    shows: Literal["for", "both", "size"]
    unit: str
    """What a value says, in words: `logits`, `logits for a step from black to white`."""
    pixels: Tensor | None = None
    cells: Tensor | None = None
    place: int | None = None
    wanted: Tensor | None = None
    """What each map should add up to, `B`, where the method promises that."""
    rectifiers: int | None = None
    """How many followed another rule than their own, for methods that work so."""
    says: tuple[str, ...] = ()
    """What a person should know of these maps in particular."""


class Explainer(Protocol):
    """explainers/NAME.py: which places of a picture a score of the network comes from.

    Leaves the network, its modes, gradients and random state as they were (it works through the `Look`, inside
    `structure.taps.untouched`); draws only from `look.generator()`; a batch gives what its pictures give alone.

    It may also have `coarse(look)`: its maps in fewer passes, by which its dependence on the weights is measured.
    """

    SOURCE: str
    CANNOT: str
    """What its maps do not say, a sentence for those who look at them."""
    LAYER: bool
    """Whether it draws the maps of a layer, which may be chosen."""

    def explain(self, look: Look) -> Maps:
        """The maps of the pictures.

        Raises:
            OptionError: the method is not defined for this network, and which is.
        """


Pictures = Callable[[], "Iterator[tuple[Sequence[str], Tensor]]"]
"""A data set's pictures, from the first on at each call: batches of ids and pictures uint8 `BCHW`, as the
evaluation view shows them. Of a `Source`: `lambda: ((b.ids, b.images) for b in source.epoch(0))`."""


@dataclass(frozen=True)
class Sitting:
    """What a portrait is made from: the network, how it wants its pictures, and a data set's pictures, all of
    the size that the subject was traced with. `count` is how many they are, 0 where that is not known; `labels`
    are the names of its outputs; `seed` is that of all that is drawn."""

    subject: Subject
    preprocessing: Preprocessing
    pictures: Pictures | None = None
    count: int = 0
    labels: tuple[str, ...] = ()
    seed: int = 0
    pictured: Callable[[Tensor], Tensor] | None = None
    """Of a network that makes pictures: its outputs as pictures 0..1."""


class Portrayal(Protocol):
    """A portrait as far as it is done."""

    @property
    def done(self) -> float:
        """The share of the work, 1 at the last."""

    @property
    def says(self) -> tuple[str, ...]:
        """What it shows in words, and what a person should know of it."""

    def arrays(self) -> dict[str, Tensor]:
        """What it is made of, for a file."""

    def to_json(self) -> dict[str, Any]:
        """Names and numbers, plain."""

    def drawn(self) -> Image.Image: ...


class Portrait(Protocol):
    """portraits/NAME.py: what a network has learned, for no picture and target in particular.

    Leaves the network, its modes, gradients, hooks and all random states as they were, between two progresses
    too; draws from `sitting.seed` only.
    """

    SOURCE: str
    CANNOT: str
    """What it does not say, a sentence for those who look at it."""

    def portray(self, sitting: Sitting, **options: Any) -> Iterator[Portrayal]:
        """The portrait as it comes along, the last one whole.

        Raises:
            OptionError: it cannot be made of this network, or without pictures.
        """
