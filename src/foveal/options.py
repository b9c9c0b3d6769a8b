"""Every option, once: meaning, range, and where it has one its tuning range.

The command line's flags, the Python signatures, later the lab's forms and the tuner's space come
from these dataclasses. A field that is None is left open; `foveal.plan` chooses and says why.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from .errors import OptionError, nearest


@dataclasses.dataclass(frozen=True, slots=True)
class Tune:
    """A field's range for tuning: the farthest that a search goes by itself. On a logarithmic scale where `log`, on
    the logarithmic one of 1 - value where `rest`; whole numbers where `whole`; of `choices` where there are some.
    `when`: another field, and its values with which this one means anything. `source`: who tunes it so."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    rest: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()
    when: tuple[str, tuple[str, ...]] | None = None
    source: str = ""


_PLAYBOOK = "Godbole et al. 2023, the Deep Learning Tuning Playbook"
_ALGOPERF = "Dahl et al. 2023, AlgoPerf's tuning spaces"
_QUICKTUNE = "Arango et al. 2024, Quick-Tune's space"


_FROZEN = ConfigDict(extra="forbid")
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=_FROZEN)
class ReadOptions:
    """How the data is found and read."""

    reader: str | None = None
    """Layout of the data (folder, csv, idx, ...); found out when not given."""
    path_column: str | None = None
    """CSV: the column with the pictures' paths; guessed when not given."""
    label_column: str | None = None
    """CSV: the column with the labels; guessed when not given."""
    exclude: str | None = None
    """A text file of item ids or paths to leave out, one a line, or the decisions.csv of foveal inspect --deep."""
    data_home: str | None = None
    """Where downloaded and built-in data lies (default: the user's cache folder)."""


@dataclass(frozen=True, config=_FROZEN)
class TrainOptions(ReadOptions):
    """Everything `foveal train` can be told."""

    out: str | None = None
    """The run's folder, exactly; must not exist (default: a new one under --runs-dir)."""
    runs_dir: str = "runs"
    """Where run folders are made."""
    task: str | None = None
    """What is learned (classify, ...); seen from the data when not given."""
    network: str | None = None
    """The architecture's name (resnet18, timm/convnext_tiny, ...)."""
    weights: str | None = None
    """Where to start from: a model of ours, a weights file, a URL, or a name."""
    pretrained: bool | None = None
    """Start from pretrained weights when they can be had."""
    size: Annotated[int, Field(ge=8, le=2048)] | None = None
    """Side of the network's input in pixels."""
    channels: Literal[1, 3, 4] | None = None
    """Colour channels: 1 grey, 3 RGB, 4 RGBA."""
    stem: Literal["published", "small"] | None = None
    """First layers: as published, or (small) a 3x3 convolution first that keeps the size, for small pictures."""
    batch: Positive | None = None
    """Pictures a step."""
    epochs: Positive | None = None
    """Passes over the training pictures, all stages together."""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """Time for the whole command; the schedule is planned to fit. Not together with --epochs."""
    recipe: str | None = None
    """A published set of choices: default, published (the network's own authors'), linear-probe, fine-tune,
    scratch-small, scratch-large, sprint, resnet-classic, strikes-back-a3. What you give yourself comes before it."""
    optimizer: str | None = None
    """sgd (with Nesterov momentum), momentum (SGD with the classical one), adamw, muon, or one of timm's by name
    (lamb, lion, nadamw, ...)."""
    lr: Annotated[float, Field(gt=0), Tune(1e-6, 2.0, log=True, source=_PLAYBOOK)] | None = None
    """Peak learning rate of the head; earlier layers get less when fine-tuning."""
    momentum: Annotated[float, Field(ge=0, lt=1), Tune(0.7, 0.995, rest=True, source=_ALGOPERF)] | None = None
    """SGD's and Muon's momentum; AdamW's first beta."""
    weight_decay: Annotated[float, Field(ge=0), Tune(1e-6, 1.0, log=True, source=_ALGOPERF)] | None = None
    """Weight decay; never on norms and biases."""
    layer_decay: Annotated[float, Field(gt=0, le=1), Tune(0.5, 1.0, source=_QUICKTUNE)] | None = None
    """Each earlier stage's rate as a share of the next one's."""
    find_lr: bool = False
    """Find the learning rate by a range test first; its curve is kept in the run."""
    schedule: str | None = None
    """How the rate moves: onecycle, cosine, step, late_steps, early_steps, exponential, polynomial, plateau,
    constant."""
    warmup: Annotated[float, Field(ge=0, le=1), Tune(0.02, 0.4, source=_QUICKTUNE)] | None = None
    """Share of the steps in which the rate rises."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.2, source=_ALGOPERF)] | None = None
    """Share of the truth spread over all classes."""
    loss: str | None = None
    """What is descended, by the task: cross-entropy or bce for classes, huber or mse for numbers, ..."""
    scale: Literal[2, 3, 4] | None = None
    """How many times as long the sides of upscaled pictures are."""
    ensemble: bool | None = None
    """Pictures are upscaled as the mean over what their eight mirror images and turns give."""
    tiled: bool | None = None
    """Pictures are segmented at their own scale: learned in patches, large ones seen in overlapping tiles."""
    objective: Literal["reconstruct", "denoise", "inpaint"] | None = None
    """What an autoencoder makes: the picture itself, it without noise, or it with what is hidden filled in."""
    latent: Annotated[int, Field(ge=1, le=4096), Tune(8, 512, log=True, whole=True)] | None = None
    """Numbers that an autoencoder describes a picture by."""
    dropout: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.6, source=_QUICKTUNE)] | None = None
    """Share of activations dropped, where the network has dropout (default: the network's own)."""
    drop_path: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.3, source=_QUICKTUNE)] | None = None
    """Share of residual paths dropped in the last block, less in earlier ones, where the network has them."""
    balance: Literal["none", "weights", "sampling"] | None = None
    """Rare classes: as they are, weighted in the loss, or drawn as often as common ones."""
    augment: (
        Annotated[str, Tune(choices=("none", "light", "trivialaugment", "randaugment"), source=_QUICKTUNE)]
        | None
    ) = None
    """How training pictures are varied: none, light, trivialaugment, randaugment, augmix, sprint."""
    magnitude: (
        Annotated[
            int,
            Field(ge=0, le=30),
            Tune(2, 18, whole=True, when=("augment", ("randaugment",)), source=_QUICKTUNE),
        ]
        | None
    ) = None
    """RandAugment's strength, of 30."""
    flip: bool | None = None
    """Mirror training pictures left to right."""
    erase: Annotated[float, Field(ge=0, le=1), Tune(0.0, 0.5)] | None = None
    """Probability that a rectangle of a training picture is erased."""
    mixup: Annotated[float, Field(ge=0, le=8), Tune(0.0, 1.0, source=_QUICKTUNE)] | None = None
    """Training pictures are blended in pairs, by shares from Beta(this, this); 0: not."""
    cutmix: Annotated[float, Field(ge=0, le=8), Tune(0.0, 1.0, source=_QUICKTUNE)] | None = None
    """A rectangle of another picture is pasted in, its share of the area from Beta(this, this); 0: not."""
    train_size: Annotated[int, Field(ge=8, le=2048)] | None = None
    """Side of training pictures in pixels where it differs from --size (smaller is faster)."""
    grow: Annotated[float, Field(ge=0.25, le=1)] | None = None
    """Training pictures begin at this share of their side and grow to the whole of it (1: whole from the start)."""
    freeze: Literal["never", "first", "always"] | Annotated[int, Field(ge=1)] | None = None
    """Backbone frozen never, in a head-only stage first, or always (linear probe); a number freezes
    that many of its first stages throughout."""
    frozen_views: Annotated[int, Field(ge=0, le=16)] | None = None
    """While layers are frozen: views of each picture that go through them, once for all epochs (the picture
    as it is, and augmented ones); 0: new ones in every epoch."""
    solve: bool | None = None
    """Fit a head over frozen layers at once (L-BFGS) instead of step by step."""
    ema: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Judge and keep a moving average of the weights with this decay a step; 0: the weights themselves."""
    clip: Annotated[float, Field(ge=0)] | None = None
    """Largest norm of the gradient; longer ones are shortened to it. 0: any."""
    accumulate: Positive | None = None
    """Pieces a batch is cut into, to save memory; their gradients are summed, so the effective batch stays."""
    folds: Annotated[int, Field(ge=2, le=50)] | None = None
    """Train that many times, each time judged on another part of all pictures: mean and spread."""
    views: Literal[1, 2, 6] | None = None
    """How often the best model looks at each picture: as it is; and mirrored; and shifted. The average counts."""
    patience: Positive | None = None
    """Epochs without a better headline before stopping early."""
    keep: Literal["best", "last"] | None = None
    """The epoch whose model is kept: the best on validation pictures, or the last, where the schedule ends."""
    cache: Literal["off", "memory", "disk"] | None = None
    """Where decoded pictures are kept: nowhere, in memory, or in one file under --data-home."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of everything random in training."""
    split_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the split where the data has none; apart from --seed, so that all seeds share one test split."""
    deterministic: bool = False
    """Deterministic kernels on the GPU (slower); the CPU always is."""
    device: str | None = None
    """cpu, cuda, cuda:1, mps."""
    precision: Literal["fp32", "bf16", "fp16"] | None = None
    """Arithmetic of the forward pass."""
    layout: Literal["channels_last", "contiguous"] | None = None
    """How pictures and kernels lie in memory."""
    threads: Positive | None = None
    """Threads that compute on the CPU."""
    compile: bool | None = None
    """Compile the network (torch.compile): minutes at first, faster steps on most GPUs, slower on CPUs."""
    cuda_graph: bool | None = None
    """On a CUDA GPU: record a step's passes once and replay them, so that short steps do not wait for the processor."""
    probe: bool = True
    """Try settings that were left open (precision, layout, threads, compile) for a few steps, where training is
    long enough, and take the fastest that computes the same; else the rules decide."""
    watch: bool | None = None
    """Look at single steps (weights, gradients, signals) for the report and the doctor, in 2 % of the time or a
    second."""
    workers: Annotated[int, Field(ge=0, le=64)] | None = None
    """Processes that read pictures beside the training one."""
    sync_norm: bool = False
    """Under torchrun: batch normalisation over the pictures of all processes, not over each one's own."""
    save_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Longest time between two saved resume states."""

    def __post_init__(self) -> None:
        if self.epochs is not None and self.minutes is not None:
            raise ValueError("epochs and minutes were both given; give one of them")


@dataclass(frozen=True, config=_FROZEN)
class TuneOptions(TrainOptions):
    """Everything `foveal tune` can be told; what `foveal train` can be told, too, is the same for all trials."""

    out: str | None = None
    """The study's folder, exactly; must not exist (default: a new one under --runs-dir)."""
    search: Literal["adaptive", "gaussian", "random", "grid"] = "adaptive"
    """How settings are chosen: adaptive or gaussian (from what was tried), random (evenly spread), grid (all)."""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """Time for the whole study; the trial that runs then is paused."""
    trials: Positive | None = None
    """Settings to try (default: 25, where no time or epochs are given)."""
    epochs_total: Positive | None = None
    """Epochs for all trials together."""
    epochs: Positive | None = None
    """Passes over the training pictures in a whole training; the same for all trials, and never tuned."""
    points: Annotated[int, Field(ge=1, le=100)] | None = None
    """Values of each numeric range in a grid."""
    stop: Literal["halving", "median", "none"] | None = None
    """Which trials stop early: all but the best third after a ninth of the epochs and the better half after half of
    them (halving), those below the median, or none (default: halving, where epochs are enough; none in a grid)."""
    warm_start: bool = True
    """Begin with what earlier studies and runs in --runs-dir found for this data or network."""
    verdict: bool = True
    """At the end train the best and the default again with other seeds, to see which is really better."""
    jobs: Positive | None = None
    """Trials at a time (default: one a GPU; one on a processor; all that a cluster has room for)."""
    cluster: Annotated[str, Field(pattern=r"^(none|ray(://[^\s/]+:\d{1,5})?)$")] | None = None
    """Train the trials on a Ray cluster: ray (the one that this machine is a node of), ray://HOST:PORT, or none."""
    search_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the search; apart from --seed, which all trials have in common."""

    def __post_init__(self) -> None:
        pass  # --minutes is the study's: --epochs may stand beside it


Trainable = Literal["head", "all"]


@dataclass(frozen=True, config=_FROZEN)
class Stage:
    """One stretch of training with an optimizer and a schedule of its own."""

    name: str
    trainable: Trainable
    epochs: Positive
    lr: Annotated[float, Field(gt=0)]
    schedule: str
    warmup: Share
    layer_decay: float = 1.0
    frozen: Annotated[int, Field(ge=0)] = 0
    """How many of the backbone's first stages stay frozen, where all else is trained."""
    share: Share = 1.0
    """Share of the time, where minutes are planned rather than epochs."""
    views: Annotated[int, Field(ge=0)] = 0
    """Views of each picture that frozen layers see, once for the whole stage; 0: anew in every epoch."""
    solve: bool = False
    """The head is fitted to these at once (`solver`) instead of step by step."""


@dataclass(frozen=True, config=_FROZEN)
class FitOptions:
    """What the loop needs to know, everything filled in."""

    stages: tuple[Stage, ...]
    optimizer: str
    momentum: float
    weight_decay: float
    patience: int
    seed: int
    device: str
    precision: Literal["fp32", "bf16", "fp16"]
    head: str
    """Prefix of the head's parameters."""
    batch: Positive = 32
    """Pictures a step."""
    keep: Literal["best", "last"] = "best"
    """The epoch whose model is kept."""
    after: int = 0
    """Pictures to be judged after training, whose time is kept free."""
    pieces: int = 1
    """Pieces a batch is cut into for accumulation; grows when memory runs out."""
    ema: float = 0.0
    """Decay of the weights' moving average a step; 0: none is kept."""
    clip: float = 0.0
    """Largest norm of the gradient; 0: any."""
    mixup: float = 0.0
    cutmix: float = 0.0
    erase: float = 0.0
    grow: float = 1.0
    threads: int | None = None
    """Threads that compute on the CPU; None: as many as torch takes."""
    compiled: bool = False
    """Whether the network's code is compiled."""
    cuda_graph: bool = False
    """Whether a CUDA GPU replays the passes of a step that it has recorded."""
    seconds: float | None = None
    """Time for all stages, or None: the stages' epochs count."""
    deterministic: bool = False
    sync_norm: bool = False
    """Whether batch normalisation is over the pictures of all processes, where there are several."""


T = TypeVar("T")


def make(kind: type[T], values: Mapping[str, Any]) -> T:
    """Options of this kind from a mapping, validated.

    Raises:
        OptionError: an unknown name (nearest given) or a value out of range.
    """
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            near = nearest(name, known)
            raise OptionError(
                f"There is no option {flag(name)}.",
                f"Known: {', '.join(flag(k) for k in sorted(known))}",
                f"Did you mean {' or '.join(flag(n) for n in near)}?" if near else "See --help.",
            )
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if not name:
            said = str(first["msg"]).removeprefix("Value error, ")
            raise OptionError(
                f"These options do not go together: {said}.",
                "See each one's meaning with --help.",
                "Leave one out.",
            ) from None
        raise OptionError(
            f"{flag(name)} was given as {first['input']!r}.",
            f"{flag(name)}: {meaning(kind, name)} {first['msg']!s}.",
            f"Give another value, or leave {flag(name)} out.",
        ) from None


def flag(name: str) -> str:
    """An option's name as it is typed: `label_smoothing` -> `--label-smoothing`."""
    return "--" + name.replace("_", "-")


def meaning(kind: type, name: str) -> str:
    """The line of meaning that stands under a field."""
    for base in kind.__mro__:
        if name in getattr(base, "__annotations__", {}):
            return _lines(base).get(name, "")
    return ""


@functools.cache
def _lines(kind: type) -> dict[str, str]:
    """Field -> the string under it, read from the class's source."""
    import ast
    import inspect
    import textwrap

    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def tuning_ranges(kind: type) -> dict[str, Tune]:
    """The fields that can be tuned, and their ranges."""
    found: dict[str, Tune] = {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        for part in (hint, *typing.get_args(hint)):
            for mark in getattr(part, "__metadata__", ()):
                if isinstance(mark, Tune):
                    found[name] = mark
    return found
