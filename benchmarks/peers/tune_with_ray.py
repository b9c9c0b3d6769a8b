"""The search of benchmarks/tuning.py with Ray Tune: random settings, stopped early by ASHA, one at a time.

    python benchmarks/peers/tune_with_ray.py DATA SEED TRAININGS

The same pictures, network, schedule, ranges and epochs as in tune_with_optuna.py; prints one line of JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from ray import init, tune
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from tune_with_optuna import BATCH, EPOCHS, accuracy, network, pictures


def trained(setting: dict[str, Any]) -> None:
    """One trial; Ray stops it where its scheduler says so."""
    torch.set_num_threads(1)
    parts = {part: pictures(Path(setting["data"]) / part) for part in ("train", "val", "test")}
    (x, y), lr = parts["train"], setting["lr"]
    torch.manual_seed(setting["seed"])
    net = network()
    optimizer = torch.optim.SGD(
        net.parameters(), lr, setting["momentum"], weight_decay=setting["weight_decay"], nesterov=True
    )
    steps = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=EPOCHS * steps, pct_start=0.25, cycle_momentum=False
    )
    for _ in range(EPOCHS):
        net.train()
        for places in torch.randperm(len(x))[: steps * BATCH].view(steps, BATCH):
            loss = nn.functional.cross_entropy(net(x[places]), y[places])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        tune.report(
            {"val": accuracy(net, *parts["val"]), "test": accuracy(net, *parts["test"]), "at": time.time()}
        )


def main() -> None:
    data, seed, trainings = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    began = time.perf_counter()
    init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    space = {
        "lr": tune.loguniform(1e-3, 1),
        "momentum": tune.uniform(0.7, 0.99),
        "weight_decay": tune.loguniform(1e-6, 1e-2),
        "seed": seed,
        "data": str(data.resolve()),
    }
    with tempfile.TemporaryDirectory() as home:
        tuner = tune.Tuner(
            trained,
            param_space=space,
            tune_config=tune.TuneConfig(
                metric="val",
                mode="max",
                num_samples=10 * trainings,
                max_concurrent_trials=1,
                scheduler=tune.schedulers.ASHAScheduler(max_t=EPOCHS, grace_period=1, reduction_factor=3),
            ),
            run_config=tune.RunConfig(storage_path=home, verbose=0, stop=Spent(trainings * EPOCHS)),
        )
        results = tuner.fit()
        rows = [row for n in range(len(results)) for row in _rows(results[n])]
    rows.sort(key=lambda row: row[0])
    best, course = (-1.0, 0.0), list[tuple[int, float]]()
    for spent, (_, val, test) in enumerate(rows, 1):
        if val > best[0]:
            best = (val, test)
            course.append((spent, val))
    told = {"trials": len(results), "epochs": len(rows), "seconds": round(time.perf_counter() - began, 1)}
    print(json.dumps({**told, "val": best[0], "test": best[1], "course": course}))


class Spent(tune.Stopper):  # type: ignore[misc, unused-ignore]
    """Ends everything when so many epochs are spent."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self.left -= 1
        return self.left <= 0

    def stop_all(self) -> bool:
        return self.left <= 0


def _rows(result: Any) -> list[tuple[float, float, float]]:
    frame = result.metrics_dataframe
    return [] if frame is None else list(zip(frame["at"], frame["val"], frame["test"], strict=True))


if __name__ == "__main__":
    main()
