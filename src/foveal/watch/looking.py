"""Watch: decides which steps of training are looked at, looks, and says what it saw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
from .timing import Slowing, Stretch, beyond, on_processor, timed
from .weighing import Weighing, histogram, sampled, weights_of

if TYPE_CHECKING:
    from ..contracts import Task
    from ..loop.state import State

LEAST = 1.0
"""Seconds that watching may take in any case: runs of seconds are looked at, too."""
AT_FIRST = 0.4
"""Share of these that may be taken at once; the rest comes as training goes on, where its length is known."""
SELDOM = (64, 256)
"""Steps between two looks after the first `DENSE`, and at most, where the share allows."""
LOOKS = 40
"""Looks that a run of known length gets at least, spread over it, where the share allows; and histograms at most."""
DIGITS = 4


@dataclass
class Watch:
    """Looks at single steps of a training; the loop calls `looking` around each, and `told` after it.

    Watching takes at most `share` of the training time (or `least` seconds): it counts its own, with what a step is
    slower for being looked at and what keeping the numbers takes, and waits where the next look would pass that. It
    changes nothing: no weight, mode, statistic, gradient or random state.
    """

    steps: int | None = None
    """Optimizer steps of the whole training, where they are known."""
    share: float = SHARE
    least: float = LEAST
    spent: float = 0.0
    """Seconds that watching has taken."""
    since: float | None = None
    """Seconds of training that were over when this watch began: those of attempts before it."""
    looks: int = 0
    last: int = -1
    """The step that was looked at last."""
    cost: float = 0.0
    """Seconds that the last look took, without its probe."""
    step_seconds: float = 0.0
    """Seconds of the last step that was looked at, without the looking; 0 before."""
    epoch: int = -1
    histograms: int = 0
    kinds: dict[str, str] = field(default_factory=dict)
    """What each layer is, as it was told."""
    slowing: Slowing = field(default_factory=Slowing)
    stage: int = -1
    weighing: Weighing = field(default_factory=Weighing)
    probe: Probe = field(default_factory=Probe)
    learned: Learned = field(default_factory=Learned)
    """How each training picture fared, in every step."""
    _sights: list[_Sight] = field(default_factory=list)

    def due(self, state: State) -> bool:
        """Whether this step is to be looked at, and can be afforded."""
        step = state.step
        self.since = state.seconds if self.since is None else self.since
        far = max(1, (self.steps or 0) // LOOKS) if self.steps else SELDOM[0]
        apart = 1 if step < DENSE else min(SELDOM[1], max(far, 4))
        if 0 <= step - self.last < apart:  # below 0 where training went back
            return False
        return self.affords(state, self.cost)

    def affords(self, state: State, seconds: float) -> bool:
        """Whether watching may take so many seconds more."""
        done = min(1.0, state.step / self.steps) if self.steps else 0.0
        least = self.least * (AT_FIRST + (1 - AT_FIRST) * done)
        return self.spent + seconds <= max(least, self.share * (state.seconds - (self.since or 0.0)))

    @contextmanager
    def looking(self, state: State, task: Task, batch: Batch) -> Iterator[None]:
        """Around an optimizer step: looks at it, if it is due."""
        entered, device = perf_counter(), state.options.device
        if self.stage != state.stage:
            self.slowing.forget()
            self.stage = state.stage
        if not self.due(state):
            yield
            if device == "cpu":  # elsewhere nothing waits for the step, whose time is not known here
                self.slowing.plain.append(perf_counter() - entered)
                self.spent += self.slowing.due()
            return
        stretches = list[Stretch]()
        network, weights = state.network, weights_of(state.network)
        first = state.epoch != self.epoch and self.histograms < LOOKS
        probed: dict[str, Tensor] = {}
        expected = self.probe.expected(self.step_seconds, len(batch.ids))
        if (
            self.step_seconds
            and self.probe.epoch != state.epoch
            and self.affords(state, self.cost + expected)
        ):
            with timed(device, stretches):
                probed = self.probe.measured(state, task, batch)
            self.probe.epoch, self.probe.cost = state.epoch, on_processor(stretches)
        with timed(device, stretches):
            before = {n: sampled(w).clone() for n, w in weights.items() if w.requires_grad}
        began = perf_counter()
        if state.options.compiled:  # hooks would have it compiled again
            yield
            seen = Passing()
        else:
            with passing(network, samples=first) as seen:
                yield
        step = max(1e-9, perf_counter() - began - seen.seconds)
        self.step_seconds = step
        with timed(device, stretches), torch.no_grad():
            sight = self._sight(state, batch, seen, weights, before, probed, first)
        sight.stretches = stretches
        self._sights.append(sight)
        cost = on_processor(stretches) + seen.seconds
        slower = self.slowing.add(step) if device == "cpu" else 0.0
        self.spent += cost + slower
        self.cost = cost + self.slowing.each - (self.probe.cost if probed else 0.0)
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
            own["nonfinite"] = torch.stack([c.long() for c in counts]).sum()
            for name in ("_in", "_out"):
                own.pop(name, None)
        kinds, order = self._new_kinds(seen, layers, state.network)
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
                kinds=kinds, order=order,
            ),
            self._norms(state, batch, seen, weights, before, probed), layers, values,
        )  # fmt: skip

    def _new_kinds(
        self, seen: Passing, layers: Mapping[str, Any], network: nn.Module
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """What is not told yet of what layers are, and with it their order: of the pass, or where it began within the
        network, behind frozen layers, the order in which the network's parts were made."""
        unseen = [name for name in layers if name not in seen.kinds]
        kinds = {**seen.kinds, **{name: "weights" for name in unseen if name not in self.kinds}}
        new = {name: kind for name, kind in kinds.items() if self.kinds.get(name) != kind}
        self.kinds |= new
        if not new:
            return {}, ()
        names = list(layers)
        if unseen:
            made = {name: n for n, (name, _) in enumerate(network.named_modules())}
            names.sort(key=lambda name: made.get(name.partition(":")[0].partition("#")[0], len(made)))
        return new, tuple(names)

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
            size = [(weights[n].numel() / before[n].numel()) ** 0.5 for n in changed]
            old, now = [before[n] for n in changed], [sampled(weights[n]) for n in changed]
            change, was = (
                torch.linalg.vector_norm(
                    torch.stack(torch._foreach_mul(torch._foreach_norm(each), size)).float()
                )
                for each in (torch._foreach_sub(now, old), old)
            )
            found["update_ratio"] = change / was.clamp_min(1e-12)
        if state.scaler is not None and changed:  # its first scale is too large: such a step is let pass
            found["skipped"] = (found["update_ratio"] == 0).float()
        if seen.outputs is not None and seen.outputs.numel() > 1:
            values = some(seen.outputs)
            found["outputs_std"], found["outputs_mean"] = torch.std_mean(values)
        return found

    def told(self, state: State, loss: Tensor) -> Watched | None:
        """What was seen, when it has come from the device: at once on the processor, a step later from a GPU."""
        if not self._sights:
            return None
        began = perf_counter()
        if self._sights[-1].event.step == state.step - 1 and self._sights[-1].loss is None:
            self._sights[-1].loss = loss.detach().float().reshape(())
            self._sights[-1].send()
        made = None
        if self._sights[0].there:
            sight = self._sights.pop(0)
            self.spent += beyond(sight.stretches)
            made = sight.made(self.spent / max(state.seconds - (self.since or 0.0), self.spent, 1e-9))
        self.spent += perf_counter() - began
        return made

    def telling(self, state: State, loss: Tensor) -> Iterator[Watched]:
        """What `told` has, if anything; the time that whoever hears it takes for keeping it counts, too."""
        made = self.told(state, loss)
        if made is not None:
            began = perf_counter()
            yield made
            self.spent += perf_counter() - began


@dataclass
class _Sight:
    """A look's numbers on their way from the device."""

    event: Watched
    names: list[tuple[str, str]]
    values: list[Tensor]
    histograms: list[tuple[str, str, Tensor]]
    loss: Tensor | None = None
    stretches: list[Stretch] = field(default_factory=list)
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
        flat = torch.stack([self.loss, *(_plain(value, device) for value in self.values)])
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
        assert self._here is not None
        loss, *values = self._here.tolist()
        norms: dict[str, float] = {}
        layers: dict[str, dict[str, float]] = {}
        for (layer, name), value in zip(self.names, values, strict=True):
            if value or name != "nonfinite":
                (layers.setdefault(layer, {}) if layer else norms)[name] = _short(value)
        told: dict[str, dict[str, list[float]]] = {}
        if self._rows is not None:
            for (layer, kind, _), row in zip(self.histograms, self._rows.tolist(), strict=True):
                told.setdefault(layer, {})[kind] = [round(share, 3) or 0 for share in row]
        return replace(
            self.event, loss=_short(loss), norms=norms, layers=layers, histograms=told, cost=round(cost, 5)
        )


def _plain(value: Tensor, device: torch.device) -> Tensor:
    """A number as those beside it are, without work where it is so already: there are hundreds in a look."""
    if (
        value.dtype is torch.float32
        and not value.shape
        and not value.requires_grad
        and value.device == device
    ):
        return value
    return value.detach().to(device, torch.float32).reshape(())


def _short(value: float) -> float:
    """A number with few digits, as files of thousands of them are read again."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else value
