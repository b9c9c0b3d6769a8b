"""The product's own parts as the benchmarks use them in their process: plan, pictures, network.

All that must follow when the plan or the cache changes stands in this file.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from foveal import plan
from foveal.data.batches import Batches
from foveal.options import FitOptions, Stage, TrainOptions, make
from foveal.plan import Plan, keeping
from foveal.plan.batches import batches
from foveal.plan.network import seeded_network
from foveal.readers import prepare

SCRATCH = ("resnet18", "resnet34", "resnet50")
"""Networks whose weights no package brings: they begin anew."""


@dataclass(frozen=True)
class Planned:
    """A plan for some data, and the pictures by it: cached where and if the plan says so."""

    plan: Plan
    train: Batches
    check: Batches

    @property
    def settings(self) -> dict[str, Any]:
        """What was chosen, in the words of a peer's job."""
        o = self.plan.fit
        return {
            "batch": o.batch,
            "precision": o.precision,
            "channels_last": self.plan.channels_last,
            "compiled": o.compiled,
            "threads": o.threads or 0,
            "fused": True,
        }

    def network(self) -> nn.Module:
        """A fresh network as the loop gets it: on its device, in its layout, compiled where that was chosen."""
        layout = torch.channels_last if self.plan.channels_last else torch.preserve_format
        made: nn.Module = seeded_network(self.plan, lambda message: None)
        made = made.to(self.plan.fit.device, memory_format=layout)  # type: ignore[call-overload]
        torch.set_num_threads(self.plan.fit.threads or torch.get_num_threads())
        if self.plan.fit.compiled:
            made.compile()
        return made

    def one_stage(self, epochs: int) -> FitOptions:
        """All layers trained at one rate for so many epochs, all else as chosen, without what the bare loop
        has not: mixing, an average of the weights, clipping."""
        stage = Stage("all", "all", epochs, 0.01, "constant", 0.0)
        plain = {"mixup": 0.0, "cutmix": 0.0, "erase": 0.0, "clip": 0.0, "ema": 0.0}
        return dataclasses.replace(self.plan.fit, stages=(stage,), patience=99, **plain)  # type: ignore[arg-type]


def begin(network: str) -> dict[str, Any]:
    """Where a network begins: the bundled weights, or none."""
    return {"network": network} | ({"pretrained": False} if network in SCRATCH else {})


def planned_for(data: Path, network: str, size: int, **options: Any) -> Planned:
    """The plan that `foveal train` would make of this data, and training and validation pictures by it."""
    wanted = make(TrainOptions, {**begin(network), "size": size, **options})
    dataset, _ = prepare(str(data), wanted, 0)
    made = plan.make(dataset, wanted)

    def see(part: str) -> Batches:
        kept = keeping.kept(
            dataset, part, made.task, made.preprocessing, made.options, lambda done, total: None
        )
        return batches(
            dataset, part, made.task, made.preprocessing, made.options, made.fit,
            scratch=made.start.state is None, augment=part == "train", kept=kept,
        )  # fmt: skip

    return Planned(made, see("train"), see("val"))
