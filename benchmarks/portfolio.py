"""Settings that do well elsewhere, for adaptive search to begin with: `src/foveal/tuners/portfolio.json`.

    python benchmarks/portfolio.py measure --data FOLDER [--settings 48] [--out FILE]   # about 20 minutes of one core
    python benchmarks/portfolio.py choose [--out FILE] [--write]

Each of the tasks of portfolio_tasks.py is trained with the same quasi-random settings, which are told as what they
are to the default that `foveal train` would plan: the rate and weight decay as multiples of it. A smooth surface over
the settings (a Gaussian process, its noise fitted) takes chance out of each task. Then settings are chosen one after
another, each so that the best of the default and those chosen comes as near as possible to the best there is on each
task, on average (greedily, as Pfisterer et al. 2018 and Winkelmolen et al. 2020). How many are worth having is told by
choosing without the tasks of one set of pictures after another, and looking at these.

--data is a folder that holds the sets of pictures by the names of portfolio_tasks.SETS, CIFAR-10 as class folders. What
is measured is kept in --out: the same command again goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import machine
from numpy.typing import NDArray
from portfolio_tasks import NETWORKS, TASKS, Parts, Task
from scipy.stats import qmc
from sklearn.gaussian_process import GaussianProcessRegressor, kernels
from torch import nn

from foveal.intervals import student
from foveal.plan.recipe import usual_rate
from foveal.storage import write_json
from foveal.tuners import space
from foveal.tuners.portfolio import FILE

DEFAULT = {"lr": 1.0, "momentum": 0.9, "weight_decay": 1.0}
DECAY = 5e-4
"""The default weight decay from scratch."""
LOW = {"lr": math.log10(1 / 30), "momentum": -math.log10(0.3), "weight_decay": -2.0}
HIGH = {"lr": 1.0, "momentum": 2.0, "weight_decay": 1.3}
"""Of the settings: logarithms of the multiples, of 1 - momentum its negative; rate and momentum as a study has them."""
NAMES = tuple(LOW)
TUNED = (("lr",), ("lr", "momentum"), ("lr", "weight_decay"), NAMES)
"""What a study may tune; the rest stays at the default, and a portfolio is another then."""
MOST = 8
CANDIDATES = 2000
NEAR = 0.03
"""Loss that a setting must make up for that lies as far from the default as the space is wide: what matters little, and
is told by chance alone, stays near the default."""
LITTLE = 0.05
"""Of accuracy: where all settings are nearly as good, chance is not told as if it were large."""
Setting = Mapping[str, float]
Floats = NDArray[np.float64]


def settings(count: int) -> list[dict[str, float]]:
    """The default, then evenly spread settings."""
    points = qmc.Halton(len(NAMES), scramble=True, seed=np.random.default_rng(0)).random(count)
    return [dict(DEFAULT), *(setting_at(point) for point in points)]


def setting_at(point: Sequence[float] | Floats) -> dict[str, float]:
    """The setting at a point of the unit cube, in three digits."""
    at = {n: LOW[n] + (HIGH[n] - LOW[n]) * float(share) for n, share in zip(NAMES, point, strict=True)}
    return {
        "lr": float(f"{10 ** at['lr']:.3g}"),
        "momentum": round(1 - float(f"{10 ** -at['momentum']:.3g}"), 6),
        "weight_decay": float(f"{10 ** at['weight_decay']:.3g}"),
    }


def point_of(setting: Setting) -> list[float]:
    """Where a setting lies in the unit cube."""
    at = {n: math.log10(setting[n]) for n in NAMES} | {"momentum": -math.log10(1 - setting["momentum"])}
    return [(at[n] - LOW[n]) / (HIGH[n] - LOW[n]) for n in NAMES]


def trained(task: Task, setting: Setting, parts: Parts) -> list[float]:
    """The accuracy on validation after each epoch of the second half, in which all but bad settings are best; chance
    from where the loss is not finite."""
    torch.manual_seed(0)
    x, y, val_x, val_y = parts
    classes, made = int(y.max()) + 1, NETWORKS[task.network]
    net = made.make(x.shape[1], classes)
    rate = setting["lr"] * usual_rate("sgd", made.like, task.batch, scratch=True)
    decay = setting["weight_decay"] * DECAY
    # none on norms and biases, as the plan has it
    heavy = [p for p in net.parameters() if p.ndim > 1]
    light = [p for p in net.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": heavy}, {"params": light, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, rate, setting["momentum"], weight_decay=decay, nesterov=True)
    steps, values = len(x) // task.batch, list[float]()
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=task.epochs * steps, pct_start=0.25, cycle_momentum=False
    )
    for epoch in range(task.epochs):
        net.train()
        for places in torch.randperm(len(x))[: steps * task.batch].view(steps, task.batch):
            loss = nn.functional.cross_entropy(net(x[places]), y[places])
            if not math.isfinite(float(loss)):
                return [*values, 1 / classes]
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        if epoch < task.epochs // 2:
            continue
        net.eval()
        with torch.no_grad():
            values.append(float((net(val_x).argmax(1) == val_y).float().mean()))
    return values


def measure(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    done: dict[str, list[dict[str, Any]]] = json.loads(args.out.read_text()) if args.out.exists() else {}
    for task in TASKS:
        rows = done.setdefault(task.name, [])
        if len(rows) > args.settings:
            continue
        parts = task.parts(args.data)
        for setting in settings(args.settings)[len(rows) :]:
            rows.append({"setting": setting, "values": trained(task, setting, parts)})
        write_json(args.out, done)
        best = max(rows, key=lambda row: max(row["values"]))
        print(
            task.name,
            f"default {max(rows[0]['values']):.3f}, best {max(best['values']):.3f}",
            best["setting"],
            flush=True,
        )


def surfaces(done: Mapping[str, list[dict[str, Any]]], points: Floats) -> Floats:
    """What each task loses at each point of the unit cube `(P, 3)`: 0 at the best that the surface has there, 1 at the
    median of what was measured, or `LITTLE` below the best where that is more, and beyond. `(T, P)`."""
    found = []
    for task in TASKS:
        rows = done[task.name]
        values = np.array([max(row["values"]) for row in rows])
        loss = np.minimum(1.0, (values.max() - values) / max(LITTLE, values.max() - np.median(values)))
        places = np.array([point_of(row["setting"]) for row in rows])
        shape = kernels.Matern(np.ones(len(NAMES)), (0.1, 10.0), 2.5)
        surface = GaussianProcessRegressor(
            kernels.ConstantKernel(0.2, (0.01, 2.0)) * shape + kernels.WhiteKernel(0.01, (1e-4, 0.3)),
            normalize_y=True, n_restarts_optimizer=2, random_state=0,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a length at its bound: the parameter does not matter there
            surface.fit(places, loss)
        smooth = surface.predict(points)
        found.append(np.clip(smooth - smooth.min(), 0.0, 1.0))
    return np.array(found)


def greedy(loss: Floats, first: int, count: int) -> list[int]:
    """Places of the settings, each the one that helps the mean over tasks most; `first` is there already."""
    chosen, best = list[int](), loss[:, first]
    for _ in range(count):
        chosen.append(int(np.minimum(loss, best[:, None]).mean(0).argmin()))
        best = np.minimum(best, loss[:, chosen[-1]])
    return chosen


def candidates(tuned: Sequence[str]) -> Floats:
    """The default, then evenly spread points in what is tuned, all else as in the default, where a study's own ranges
    hold them. `(P, 3)`."""
    at = point_of(DEFAULT)
    points = np.tile(at, (CANDIDATES + 1, 1))
    spread = qmc.Halton(len(tuned), scramble=True, seed=np.random.default_rng(1)).random(CANDIDATES)
    points[1:, [NAMES.index(name) for name in tuned]] = spread
    decays = [setting_at(point)["weight_decay"] for point in points]
    return points[[1 / space.DOWN <= decay <= space.UP for decay in decays]]


def left_out(loss: Floats, far: Floats) -> list[list[float]]:
    """The loss on each task after the default and so many settings that were chosen without its set of pictures; and
    after as many evenly spread ones, on average."""
    sets = [task.data for task in TASKS]
    rows = []
    for place, name in enumerate(sets):
        others = [n for n, other in enumerate(sets) if other != name]
        chosen = [0, *greedy(loss[others] + far, 0, MOST)]
        rows.append([float(loss[place, chosen[: k + 1]].min()) for k in range(MOST + 1)])
    return rows


def spread(loss: Floats) -> list[float]:
    """The mean loss over tasks after the default and so many random points: the yardstick."""
    dice = np.random.default_rng(0)
    draws = [[0, *dice.integers(1, loss.shape[1], MOST)] for _ in range(500)]
    return [
        statistics.fmean(float(loss[:, d[: k + 1]].min(1).mean()) for d in draws) for k in range(MOST + 1)
    ]


def choose(args: argparse.Namespace) -> None:
    done = json.loads(args.out.read_text())
    table: dict[str, list[dict[str, float]]] = {}
    for tuned in TUNED:
        points = candidates(tuned)
        loss, far = surfaces(done, points), NEAR * np.abs(points - points[0]).mean(1)
        chosen = greedy(loss + far, 0, args.size)
        table[" ".join(tuned)] = [
            {name: value for name, value in setting_at(points[n]).items() if name in tuned} for n in chosen
        ]
        print(
            f"\n{', '.join(tuned)}: {machine()}\n| settings after the default | chosen without the set | random |"
        )
        print("|---|---|---|")
        rows, even = left_out(loss, far), spread(loss)
        for k in range(MOST + 1):
            each = np.array([row[k] for row in rows])
            low, high = student(each)
            print(f"| {k} | {each.mean():.3f} [{low:.3f}, {high:.3f}] | {even[k]:.3f} |")
        for row in table[" ".join(tuned)]:
            print(row)
    if args.write:
        tasks = [task.name for task in TASKS]
        steps = max(task.epochs * (task.count // task.batch) for task in TASKS)
        how = (
            "benchmarks/portfolio.py: rate and weight decay as multiples of the default's, momentum as it is"
        )
        doc = {
            "made": how, "task": "classify", "start": "from scratch", "optimizers": ["sgd"],
            "steps": steps, "parameters": list(NAMES), "settings": table, "tasks": tasks,
        }  # fmt: skip
        FILE.write_text(json.dumps(doc, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["measure", "choose"])
    parser.add_argument("--data", type=Path, help="the folder with the sets of pictures")
    parser.add_argument("--settings", type=int, default=48)
    parser.add_argument("--size", type=int, default=4, help="settings that the table has")
    parser.add_argument("--out", type=Path, default=Path("portfolio-measured.json"))
    parser.add_argument("--write", action="store_true", help="write the table into the package")
    args = parser.parse_args()
    {"measure": measure, "choose": choose}[args.what](args)


if __name__ == "__main__":
    main()
