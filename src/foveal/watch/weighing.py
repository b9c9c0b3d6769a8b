"""A network's weights, their gradients and what a step changed, measured together."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from . import EDGES

SOURCE = (
    "Golub & Van Loan, power iteration; McCandlish et al. 2018, An Empirical Model of Large-Batch Training"
)
FIRST, LATER = 6, 1
"""Power iterations at the first look, and at later ones, which go on from what was found."""
SAMPLE = 1 << 15
"""Numbers of a weight that stand for all of it where not its length or largest singular value is asked for."""
LARGE = 1 << 19
"""Numbers of a weight from which its singular value is looked for only now and then."""
KEPT, ENTRIES = 8, 4096
"""Gradients that are held against each other for their noise, and how many entries of each."""


def weights_of(network: nn.Module) -> dict[str, nn.Parameter]:
    """The weight of each layer that has one of its own, by the layer's name."""
    found = {}
    for name, parameter in network.named_parameters():
        layer, _, own = name.rpartition(".")
        if own == "weight":
            found[layer] = parameter
    return found


def matrix(weight: Tensor) -> Tensor:
    """A kernel as the matrix of outputs by all that each output sees."""
    return weight.detach().float().flatten(1) if weight.dim() > 1 else weight.detach().float()[None]


def sampled(weight: Tensor, most: int = SAMPLE) -> Tensor:
    """At most `most` or so of a tensor's numbers, evenly, as they lie in memory; a view where that can be."""
    flat = weight.detach()
    step = -(-flat.numel() // most)
    if step == 1:
        return flat.reshape(-1) if flat.is_contiguous() else flat.as_strided((flat.numel(),), (1,))
    return flat.as_strided((flat.numel() // step,), (step,))  # parameters lie densely, whatever their order


def spectrum(weight: Tensor) -> Tensor:
    """All singular values of a kernel as a matrix, largest first."""
    found: Tensor = torch.linalg.svdvals(matrix(weight))
    return found


@dataclass
class Weighing:
    """What is remembered from look to look: directions of the largest singular values, and gradients."""

    directions: dict[str, Tensor] = field(default_factory=dict)
    gradients: list[tuple[int, Tensor]] = field(default_factory=list)

    def largest(self, name: str, weight: Tensor) -> Tensor:
        """The largest singular value, by a power iteration that goes on from the last look's direction."""
        w = matrix(weight)
        v = self.directions.get(name)
        first = v is None or v.numel() != w.shape[1]
        if v is None or first:
            v = torch.ones(w.shape[1], device=w.device) + torch.linspace(0, 0.5, w.shape[1], device=w.device)
        for _ in range(FIRST if first else LATER):
            v = torch.mv(w.T, torch.mv(w, v))
            v = v / torch.linalg.vector_norm(v).clamp_min(1e-30)
        self.directions[name] = v
        found: Tensor = torch.linalg.vector_norm(torch.mv(w, v))
        return found

    def noise(self, parameters: list[nn.Parameter], pictures: int) -> Tensor | None:
        """The simple noise scale, in pictures: the batch at which the gradient's noise is as long as the gradient.

        Of gradients g of batches of B pictures, the products of different ones are |G|^2 on average, and the squares
        |G|^2 + tr(S)/B; over the last `KEPT` looks, between which weights hardly move (McCandlish et al. 2018).
        """
        grads = [p.grad for p in parameters if p.grad is not None]
        if not grads:
            return None
        each = max(1, ENTRIES // len(grads))
        picked = [sampled(g, each).float() for g in grads]
        new = torch.cat(picked)
        self.gradients = [(b, g) for b, g in self.gradients if b == pictures and g.shape == new.shape]
        self.gradients = [*self.gradients, (pictures, new)][-KEPT:]
        if len(self.gradients) < KEPT:
            return None
        g = torch.stack([gradient for _, gradient in self.gradients])
        products = g @ g.T
        square = products.diagonal().mean()
        signal = (products.sum() - products.diagonal().sum()) / (KEPT * (KEPT - 1))
        noise: Tensor = pictures * (square - signal) / signal.clamp_min(1e-30)
        return noise.where(signal > 0, torch.full_like(noise, torch.nan))

    def measured(
        self, weights: dict[str, nn.Parameter], before: dict[str, Tensor], *, thoroughly: bool
    ) -> dict[str, dict[str, Tensor]]:
        """Measures of each layer's weight; `before` are samples of the weights as they were before the step."""
        found: dict[str, dict[str, Tensor]] = {}
        lengths = torch._foreach_norm([weight.detach() for weight in weights.values()])
        for (name, weight), length in zip(weights.items(), lengths, strict=True):
            values = sampled(weight).float()
            row = found[name] = {"weight_norm": length.float(), "weight_max": values.abs().amax()}
            row["weight_std"], row["weight_mean"] = torch.std_mean(values, unbiased=False)
            if weight.dim() > 1 and (thoroughly or weight.numel() < LARGE):
                row["sigma_max"] = self.largest(name, weight)
            if name in before:
                changed = torch.linalg.vector_norm(values - before[name].float())
                row["update_ratio"] = changed / torch.linalg.vector_norm(before[name].float()).clamp_min(
                    1e-12
                )
        learning = [name for name, weight in weights.items() if weight.grad is not None]
        grads = [weights[name].grad.detach() for name in learning]  # type: ignore[union-attr]
        for name, gradient, length in zip(
            learning, grads, torch._foreach_norm(grads) if grads else (), strict=True
        ):
            row = found[name]
            row["grad_norm"], row["grad_rms"] = length.float(), length.float() / gradient.numel() ** 0.5
            row["grad_zero"] = (sampled(gradient) == 0).float().mean()
        return found


def histogram(values: Tensor) -> Tensor:
    """Shares of sizes without sign in the bins of `EDGES`; all below with the first, all above with the last."""
    sizes = values.detach().float().abs().flatten()
    if sizes.numel() > 1 << 16:
        sizes = sizes[:: sizes.numel() >> 16]
    logs = sizes.clamp_min(1e-30).log10().nan_to_num(EDGES[-1], EDGES[-1], EDGES[0])
    logs = logs.clamp(EDGES[0], EDGES[-1] - 1e-3)
    if logs.device.type == "cpu":
        counts = torch.histc(logs, len(EDGES) - 1, EDGES[0], EDGES[-1])
    else:  # there histc adds up in any order, which a deterministic training may not
        counts = by_comparisons(logs)
    return counts / max(1, sizes.numel())


def by_comparisons(logs: Tensor) -> Tensor:
    """How many lie in each bin of `EDGES`, of numbers within them."""
    reached = torch.stack([(logs >= edge).sum() for edge in EDGES])
    return reached[:-1] - reached[1:]
