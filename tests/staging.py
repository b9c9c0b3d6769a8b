"""Short real trainings on the packaged digits, as the doctor sees them: ill ones for tests/sick, and sound ones."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foveal.data.batches import Batches
from foveal.data.views import evaluation_view
from foveal.doctor.case import Case
from foveal.events import Event, Stopped, Watched, latest
from foveal.loop.fit import fit
from foveal.loop.state import State
from foveal.options import FitOptions, Stage, TrainOptions
from foveal.records.gathered import Gathered
from foveal.tasks import classify
from foveal.tasks.classify import Classify
from foveal.values import Choice, Dataset, Facts, Item, Preprocessing
from foveal.watch.learning import LEARNED
from foveal.watch.looking import Watch

PRE = Preprocessing(8, 1, (0.5,), (0.25,))
LABELS = tuple("0123456789")
COUNTS = {"train": 300, "val": 150}


@functools.cache
def digits() -> Dataset:
    """scikit-learn's handwritten digits, 8 px, in one .npy file."""
    from sklearn.datasets import load_digits

    shades, kinds = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(kinds))[: sum(COUNTS.values())]
    folder = Path(tempfile.mkdtemp(prefix="staged-"))
    np.save(folder / "digits.npy", np.rint(shades[order].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8))
    parts = [part for part, count in COUNTS.items() for _ in range(count)]
    items = tuple(
        Item(f"digits.npy#{n}", "digits.npy", LABELS[kind], part, n)
        for n, (kind, part) in enumerate(zip(kinds[order].tolist(), parts, strict=True))
    )
    facts = Facts(8, 8, 8, 8, True, 64 * len(items))
    return Dataset(str(folder), "classify", "test", "packaged", LABELS, items, (), facts, "staged")


class Net(nn.Module):
    """Convolutions, the mean over all places, dropout, and the head."""

    def __init__(self, *layers: nn.Module, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers, self.drop = nn.Sequential(*layers), nn.Dropout(dropout)
        self.head = nn.Linear(width, len(LABELS))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.drop(self.layers(x).mean((2, 3))))
        return out


Act = Callable[[], nn.Module]


def block(
    inputs: int, outputs: int, act: Act = nn.ReLU, norm: bool = True, stride: int = 1
) -> list[nn.Module]:
    """A 3x3 convolution drawn by He et al. 2015, batch normalisation where wanted, and an activation."""
    conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=not norm)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return [conv, *([nn.BatchNorm2d(outputs)] if norm else []), act()]


def small(act: Act = nn.ReLU, norm: bool = True, dropout: float = 0.0) -> Net:
    """Three convolutions of 12, 24 and 24 channels."""
    layers = [*block(1, 12, act, norm), *block(12, 24, act, norm, 2), *block(24, 24, act, norm)]
    return Net(*layers, width=24, dropout=dropout)


def kernels(network: nn.Module) -> Iterator[nn.Conv2d | nn.Linear]:
    return (m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))


def batches(data: Dataset, task: Classify, part: str, size: int) -> Batches:
    view = evaluation_view(PRE)
    return Batches(data.root, data.part(part), task, view, PRE, size, shuffle=part == "train")


def trained(
    made: Callable[[], nn.Module] = small,
    *,
    epochs: int = 8,
    lr: float = 0.1,
    batch: int = 32,
    schedule: str = "onecycle",
    warmup: float = 0.25,
    optimizer: str = "sgd",
    smoothing: float = 0.1,
    data: Dataset | None = None,
    build: Callable[..., Classify] = classify.build,
    result: dict[str, Any] | None = None,
    said: dict[str, Any] | None = None,
    keep: list[nn.Module] | None = None,
    at: Path | None = None,
    **more: Any,
) -> Case:
    """Train `made()` by the loop, and gather what a run's folder would hold of it. `more` are fields of `FitOptions`;
    `said` are options of training that the loop is not told, `result` what result.json would hold; the network is put
    into `keep`, and what was noted of each picture into the folder `at`."""
    data = data or digits()
    torch.manual_seed(0)
    task = build(LABELS, label_smoothing=smoothing)
    stage = Stage("train", "all", epochs, lr, schedule, warmup)
    options = FitOptions(**{
        "stages": (stage,), "optimizer": optimizer, "momentum": 0.9, "weight_decay": 5e-4, "patience": 99, "seed": 0,
        "device": "cpu", "precision": "fp32", "head": "head", "batch": batch, **more,
    })  # fmt: skip
    shown = batches(data, task, "train", batch)
    state = State(made(), options)
    state.watch = Watch(steps=epochs * len(shown))
    told: list[Event] = [
        event
        for event in fit(state, task, shown, batches(data, task, "val", 64), options)
        if type(event) is not Event
    ]
    if keep is not None:
        keep.append(state.network)
    if at is not None:
        state.watch.learned.write(at / LEARNED)
    counted = latest(told)
    given = {
        "lr": lr, "batch": batch, "schedule": schedule, "warmup": warmup, "optimizer": optimizer, "epochs": epochs,
        "label_smoothing": smoothing, "momentum": options.momentum, "weight_decay": options.weight_decay,
        "clip": options.clip, "patience": options.patience, **(said or {}),
    }  # fmt: skip
    stopped = next((e for e in reversed(counted) if isinstance(e, Stopped)), None)
    record = Gathered(
        folder=Path("runs/digits-staged-1"),
        name="digits-staged-1",
        status="diverged" if stopped is not None and stopped.why == "diverged" else "finished",
        options={
            "train": dataclasses.asdict(TrainOptions(**given)), "fit": dataclasses.asdict(options), "task": task.card(),
            "architecture": {"name": "own/staged"}, "preprocessing": dataclasses.asdict(PRE), "origin": None,
        },
        choices=tuple(Choice(name, value, "given", automatic=False) for name, value in given.items()),
        dataset=data, machine={}, events=tuple(e for e in counted if not isinstance(e, Watched)),
        result=result or {}, evaluation=None, score=None, find_lr={},
    )  # fmt: skip
    return Case(record, tuple(e for e in counted if isinstance(e, Watched)))


class Branch(nn.Module):
    """A residual block whose last norm begins at 0, so that its branch gives 0 at first (Goyal et al. 2017)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*block(channels, channels), *block(channels, channels)[:2])
        last = self.body[-1]
        assert isinstance(last, nn.BatchNorm2d)
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (x + self.body(x)).relu()
        return out


def residual() -> Net:
    return Net(*block(1, 16), Branch(16), *block(16, 24, stride=2), Branch(24), width=24)


HEALTHY: dict[str, Callable[[], Case]] = {
    "usual": trained,
    "nothing normalises": lambda: trained(lambda: small(norm=False), optimizer="adamw", lr=4e-3, batch=8),
    "branches of 0": lambda: trained(residual),
    "tangents": lambda: trained(lambda: small(nn.Tanh)),
    "half dropped": lambda: trained(lambda: small(dropout=0.5), said={"dropout": 0.5}),
    "blended": lambda: trained(mixup=0.4, epochs=10),
    "smoothed": lambda: trained(smoothing=0.3),
    "long warm-up": lambda: trained(warmup=0.6),
    "a constant rate": lambda: trained(schedule="constant", warmup=0.0),
    "a rate soon gone": lambda: trained(schedule="exponential"),
    "clipped": lambda: trained(clip=1.0),
    "averaged": lambda: trained(ema=0.9),
    "two epochs": lambda: trained(epochs=2, batch=8),
    "AdamW, GELU": lambda: trained(lambda: small(nn.GELU), optimizer="adamw", lr=4e-3, weight_decay=0.05),
}
"""Sound runs that look ill to naive rules."""
QUICK = ("usual", "nothing normalises", "branches of 0", "half dropped", "a constant rate")
"""Those that the quick tests are made on."""
