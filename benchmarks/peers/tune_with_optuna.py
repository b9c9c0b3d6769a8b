"""The search of benchmarks/tuning.py by hand: Optuna's TPE with successive halving around a bare loop.

    python benchmarks/peers/tune_with_optuna.py DATA SEED TRAININGS

The same pictures, network, schedule, ranges and epochs; prints one line of JSON.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from PIL import Image
from torch import Tensor, nn

EPOCHS, BATCH = 8, 32


def pictures(folder: Path) -> tuple[Tensor, Tensor]:
    """Pictures `N1HW` and their labels."""
    files = sorted(folder.glob("*/*.png"))
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    labels = [int(file.parent.name) for file in files]
    return (torch.from_numpy(images).float()[:, None] / 255 - 0.5) / 0.25, torch.tensor(labels)


def network() -> nn.Sequential:
    """As benchmarks/tuning.py has it, with weights drawn as there (He et al. 2015)."""
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(32, 10),
    )  # fmt: skip
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return net


def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    net.eval()
    with torch.no_grad():
        return float((net(x).argmax(1) == y).float().mean())


def main() -> None:
    data, seed, trainings = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parts = {part: pictures(data / part) for part in ("train", "val", "test")}
    (x, y), budget = parts["train"], trainings * EPOCHS
    spent, best, course = 0, (-1.0, 0.0), list[tuple[int, float]]()
    began = time.perf_counter()
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    )
    study.enqueue_trial({"lr": 0.025, "momentum": 0.9, "weight_decay": 5e-4})
    while spent < budget:
        trial = study.ask()
        lr = trial.suggest_float("lr", 1e-3, 1, log=True)
        momentum = trial.suggest_float("momentum", 0.7, 0.99)
        decay = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
        torch.manual_seed(seed)
        net = network()
        optimizer = torch.optim.SGD(net.parameters(), lr, momentum, weight_decay=decay, nesterov=True)
        steps = len(x) // BATCH
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, lr, total_steps=EPOCHS * steps, pct_start=0.25, cycle_momentum=False
        )
        value, pruned, top, top_test = math.nan, False, -1.0, 0.0
        for epoch in range(1, EPOCHS + 1):
            net.train()
            for places in torch.randperm(len(x))[: steps * BATCH].view(steps, BATCH):
                loss = nn.functional.cross_entropy(net(x[places]), y[places])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
            spent += 1
            value = accuracy(net, *parts["val"])
            if value > top:
                top, top_test = value, accuracy(net, *parts["test"])
            if value > best[0]:
                best = (value, top_test)
                course.append((spent, value))
            trial.report(value, epoch)
            if spent >= budget or trial.should_prune():
                pruned = epoch < EPOCHS
                break
        state: Any = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
        study.tell(trial, None if pruned else value, state=state)
    row = {
        "trials": len(study.trials),
        "epochs": spent,
        "seconds": round(time.perf_counter() - began, 1),
        "val": best[0],
        "test": best[1],
        "course": course,
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
