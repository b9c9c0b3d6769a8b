"""Watch: decides which steps of training are looked at, looks, and says what it saw."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..events import Watched
from ..values import Batch
from . import DENSE, SHARE
from .learning import Learned
from .passing import Passing, passing, some
from .probing import Probe
from .weighing import Weighing, histogram, sampled, weights_of

if TYPE_CHECKING:
    from ..contracts import Task
    from ..state import State

LEAST = 1.0
"""Seconds that watching may take in any case, half of them at first: runs of seconds are looked at, too."""
SELDOM = (64, 256)
"""Steps between two looks after the first `DENSE`, and at most, where the share allows."""
LOOKS = 40
"""Looks that a run of known length gets at least, spread over it, where the share allows; and histograms at most."""
DIGITS = 4


@dataclass
class Watch:
    """Looks at single steps of a training; the loop calls `looking` around each, and `told` after it.

    Watching takes at most `share` of the training time (or `least` seconds): it counts its own, and waits where the
    next look would pass that. It changes nothing: no weight, mode, statistic, gradient or random state.
    """

    steps: int | None = None
    """Optimizer steps of the whole training, where they are known."""
    share: float = SHARE
    least: float = LEAST
    spent: float = 0.0
    """Seconds that watching has taken."""
    looks: int = 0
    last: int = -1
    """The step that was looked at last."""
    cost: float = 0.0
    """Seconds that the last look took."""
    epoch: int = -1
    histograms: int = 0
    weighing: Weighing = field(default_factory=Weighing)
    probe: Probe = field(default_factory=Probe)
    learned: Learned = field(default_factory=Learned)
    """How each training picture fared, in every step."""
    _sights: list[_Sight] = field(default_factory=list)

    def due(self, state: State) -> bool:
        """Whether this step is to be looked at, and can be afforded."""
        step = state.step
        far = max(1, (self.steps or 0) // LOOKS) if self.steps else SELDOM[0]
        apart = 1 if step < DENSE else min(SELDOM[1], max(far, 4))
        if self.last >= 0 and step - self.last < apart:
            return False
        done = min(1.0, step / self.steps) if self.steps else 0.0
        return self.spent + self.cost <= max(self.least * (0.5 + 0.5 * done), self.share * state.seconds)

    @contextmanager
    def looking(self, state: State, task: Task, batch: Batch) -> Iterator[None]:
        """Around an optimizer step: looks at it, if it is due."""
        if not self.due(state):
            yield
            return
        began = perf_counter()
        network, weights = state.network, weights_of(state.network)
        first = state.epoch != self.epoch and self.histograms < LOOKS
        probed = self.probe.measured(state, task, batch) if first else {}
        before = {n: sampled(w).clone() for n, w in weights.items() if w.requires_grad}
        spent = perf_counter() - began
        if state.options.compiled:  # hooks would have it compiled again
            yield
            seen = Passing()
        else:
            with passing(network, samples=first) as seen:
                yield
        began = perf_counter()
        with torch.no_grad():
            self._sights.append(self._sight(state, batch, seen, weights, before, probed, first))
        self.cost = spent + seen.seconds + perf_counter() - began
        self.spent += self.cost
        self.looks, self.last, self.epoch = self.looks + 1, state.step, state.epoch
        self.histograms += first

    def _sight(
        self,
        state: State,
        batch: Batch,
        seen: Passing,
        weights: dict[str, nn.Parameter],
        before: dict[str, Tensor],
        probed: dict[str, Tensor],
        first: bool,
    ) -> _Sight:
        layers: dict[str, dict[str, Tensor]] = {name: dict(own) for name, own in seen.measures.items()}
        for name, own in self.weighing.measured(weights, before, thoroughly=first).items():
            layers.setdefault(name, {}).update(own)
        for own in layers.values():
            bad = own.pop("out_bad", None)
            broken = [own[m] for m in ("weight_norm", "grad_norm") if m in own]
            counts = [(~value.isfinite()).long() for value in broken] + ([] if bad is None else [bad])
            own["nonfinite"] = torch.stack([c.long() for c in counts]).sum() if counts else torch.zeros(())
            for name in ("_in", "_out"):
                own.pop(name, None)
        kinds = seen.kinds | {name: "weights" for name in layers if name not in seen.kinds}
        values: dict[str, dict[str, Tensor]] = {}
        if first:
            values = {name: {"activations": histogram(one)} for name, one in seen.samples.items()}
            for name, weight in weights.items():
                own_histograms = values.setdefault(name, {})
                own_histograms["weights"] = histogram(weight)
                if weight.grad is not None:
                    own_histograms["gradients"] = histogram(weight.grad)
        return _Sight.of(
            Watched(
                step=state.step, epoch=state.epoch + 1, stage=state.current.name,
                lr=float(state.optimizer.param_groups[0]["lr"]) if state.optimizer else 0.0,
                kinds={} if self.looks else kinds, order=() if self.looks else tuple(layers),
            ),
            self._norms(state, batch, seen, weights, before, probed), layers, values,
        )  # fmt: skip

    def _norms(
        self,
        state: State,
        batch: Batch,
        seen: Passing,
        weights: dict[str, nn.Parameter],
        before: dict[str, Tensor],
        probed: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """The measures of the whole network."""
        trained = [
            p for group in (state.optimizer.param_groups if state.optimizer else ()) for p in group["params"]
        ]
        found = dict(probed)
        grads = [p.grad.float() for p in trained if p.grad is not None]
        if grads:
            length = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
            whole = length if state.length is None else state.length
            found["grad_norm"] = whole.float()
            clip = state.options.clip
            found["clipped"] = (whole > clip).float() if clip else torch.zeros_like(length)
            noise = self.weighing.noise(trained, batch.whole or len(batch.ids))
            if noise is not None:
                found["grad_noise"] = noise
        if trained:
            found["weight_norm"] = torch.linalg.vector_norm(
                torch.stack(torch._foreach_norm([p.float() for p in trained]))
            )
        changed = [n for n in before if n in weights]
        if changed:  # samples stand for whole weights, each by its size
            size = torch.tensor([weights[n].numel() / before[n].numel() for n in changed])
            now = [sampled(weights[n]) for n in changed]
            change = torch.stack(torch._foreach_norm(torch._foreach_sub(now, [before[n] for n in changed])))
            was = torch.stack(torch._foreach_norm([before[n] for n in changed]))
            size = size.to(was.device)
            ratio = (size * change.float() ** 2).sum() / (size * was.float() ** 2).sum().clamp_min(1e-24)
            found["update_ratio"] = ratio.sqrt()
        if (
            state.scaler is not None and changed
        ):  # half precision's first scale is too large: that step is let pass
            found["skipped"] = (found["update_ratio"] == 0).float()
        if seen.outputs is not None and seen.outputs.numel() > 1:
            values = some(seen.outputs)
            found["outputs_std"], found["outputs_mean"] = torch.std_mean(values)
        return found

    def told(self, state: State, loss: Tensor) -> Watched | None:
        """What was seen, when it has come from the device: at once on the processor, a step later from a GPU."""
        if self._sights and self._sights[-1].event.step == state.step - 1 and self._sights[-1].loss is None:
            self._sights[-1].loss = loss.detach().float().reshape(())
            self._sights[-1].send()
        if not self._sights or not self._sights[0].there:
            return None
        began = perf_counter()
        made = self._sights.pop(0).made(self.spent / max(state.seconds, 1e-9))
        self.spent += perf_counter() - began
        return made


@dataclass
class _Sight:
    """A look's numbers on their way from the device."""

    event: Watched
    names: list[tuple[str, str]]
    values: list[Tensor]
    histograms: list[tuple[str, str, Tensor]]
    loss: Tensor | None = None
    _here: Tensor | None = None
    _rows: Tensor | None = None
    _ready: Any = None

    @classmethod
    def of(
        cls,
        event: Watched,
        norms: dict[str, Tensor],
        layers: dict[str, dict[str, Tensor]],
        histograms: dict[str, dict[str, Tensor]],
    ) -> _Sight:
        rows = [("", name, value) for name, value in norms.items()]
        rows += [(layer, name, value) for layer, own in layers.items() for name, value in own.items()]
        kept = [(layer, kind, value) for layer, own in histograms.items() for kind, value in own.items()]
        return cls(event, [(layer, name) for layer, name, _ in rows], [v for _, _, v in rows], kept)

    def send(self) -> None:
        """Start the one copy to the processor; nothing waits for it."""
        assert self.loss is not None
        device = self.loss.device
        flat = torch.stack(
            [v.detach().to(device, torch.float32).reshape(()) for v in (self.loss, *self.values)]
        )
        rows = torch.stack([h.float() for *_, h in self.histograms]) if self.histograms else None
        if device.type != "cuda":
            self._here, self._rows = flat.cpu(), None if rows is None else rows.cpu()
            return
        self._here = torch.empty(flat.shape, pin_memory=True).copy_(flat, non_blocking=True)
        if rows is not None:
            self._rows = torch.empty(rows.shape, pin_memory=True).copy_(
                rows.cpu() if rows.device != device else rows, non_blocking=True
            )
        self._ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._ready.record()

    @property
    def there(self) -> bool:
        return self._here is not None and (self._ready is None or bool(self._ready.query()))

    def made(self, cost: float) -> Watched:
        """The event with its numbers."""
        import dataclasses

        assert self._here is not None
        loss, *values = self._here.tolist()
        norms: dict[str, float] = {}
        layers: dict[str, dict[str, float]] = {}
        for (layer, name), value in zip(self.names, values, strict=True):
            (layers.setdefault(layer, {}) if layer else norms)[name] = _short(value)
        told: dict[str, dict[str, list[float]]] = {}
        if self._rows is not None:
            for (layer, kind, _), row in zip(self.histograms, self._rows.tolist(), strict=True):
                told.setdefault(layer, {})[kind] = [round(share, 4) for share in row]
        return dataclasses.replace(
            self.event, loss=_short(loss), norms=norms, layers=layers, histograms=told, cost=round(cost, 5)
        )


def _short(value: float) -> float:
    """A number with few digits, as files of thousands of them are read again."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else value
