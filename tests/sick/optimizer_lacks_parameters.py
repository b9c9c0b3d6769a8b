"""A kernel that is not among what the optimizer was given: its gradient comes, and no step."""

from __future__ import annotations

import torch
from torch import nn

from foveal.doctor.case import Case
from patients import posed
from staging import small


class Still(nn.Conv2d):
    """Its weight is put back before each pass."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not hasattr(self, "kept"):
            self.kept = self.weight.detach().clone()
        self.weight.data.copy_(self.kept)
        return super().forward(x)


def made() -> nn.Module:
    network = small()
    for n in (0, 3):
        old = network.layers[n]
        assert isinstance(old, nn.Conv2d)
        new = Still(old.in_channels, old.out_channels, 3, old.stride, 1, bias=False)  # type: ignore[arg-type]
        new.weight.data.copy_(old.weight.data)
        network.layers[n] = new
    return network


def staged() -> Case:
    case = posed(made=made, epochs=4)
    # a step's change is undone only at the next pass: what was watched is told as a run without these layers has it
    for sight in case.sights:
        for layer in ("layers.0", "layers.3"):
            if "update_ratio" in sight.layers.get(layer, {}):
                sight.layers[layer]["update_ratio"] = 0.0  # type: ignore[index]
    return case
