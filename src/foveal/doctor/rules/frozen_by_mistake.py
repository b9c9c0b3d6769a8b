"""Layers get no gradient at all, although nobody asked for them to be frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor
from ._inside import FEWEST, kernels, measured, named
from ._parts import part
from ._rates import from_scratch

SOURCE = (
    "TrainCheck (Jiang et al. 2025); Karpathy 2019: check what is trained; DeepLocalize: gradients that are 0"
)
LEVEL = "network"
EXPLAINS = (
    "loss_stuck", "underfitting", "updates_too_small", "rate_too_low", "stopped_too_early", "vanishing",
    "overfitting", "metric_disagrees", "schedule_ends_wrongly", "below_published", "bad_initialisation",
    "cannot_fit", "optimizer_lacks_parameters",
)  # fmt: skip


PASSES = 0.01
"""Times as far apart as with weights drawn by He et al. 2015 that answers lie where pictures do pass."""
SURELY = 0.45
"""Share of wrong answers, of a guess's, that a frozen backbone leaves even at the upper end of its score's interval."""


def examine(case: Case) -> Finding | Unsure | None:
    stages = {s["name"]: s for s in case.record.stages}
    whole = {n for n, s in stages.items() if s.get("trainable") == "all" and not s.get("frozen")}
    asked = case.options.get("freeze") not in (None, "never", "first")
    sights = [s for s in case.sights if s.stage in whole]
    if asked:
        return _weak(case)
    if (flat := _flat(case)) is not None:
        return flat
    if len(sights) < FEWEST:
        return _tried(case)
    layers = kernels(case)
    # no gradient at all: one that is 0 is an illness of what comes after
    cut = [
        layer
        for layer in layers
        if len(measured(sights, layer, "weight_norm")) >= FEWEST and not measured(sights, layer, "grad_norm")
    ]
    if not cut or not poor(case, 0.05):
        return None
    return _finding(
        f"{len(cut)} of {len(layers)} layers got no gradient at any of {len(sights)} looked-at steps",
        cut,
        Evidence(
            "They were part of each pass, and nothing was frozen by the options.",
            {"looks": len(sights)},
            layers=tuple(cut),
        ),
    )


def _flat(case: Case) -> Finding | None:
    """Pictures pass the first layers, and the gradient that comes back to these is 0, at the start and at the end."""
    began, ended, drawn = part(case, "moves"), part(case, "activity"), part(case, "drawn")
    if began is None or ended is None or drawn is None or ended["same"] or not poor(case, 0.1):
        return None
    none, layers = began.get("zero_gradient") or (), kernels(case)
    cut = [n for n in layers if f"{n}.weight" in none and n in ended["without_gradient"]]
    passes = drawn["own"] > PASSES * drawn["redrawn"] > 0
    if not cut or cut != list(layers[: len(cut)]) or len(cut) == len(layers) or not passes:
        return None
    return dataclasses.replace(
        _finding(
            f"The gradient of {len(cut)} of {len(layers)} layers is 0, although what they give reaches the answers",
            cut,
            Evidence(
                f"So it is in the first step of a fresh network, for {began['count']} pictures, and in the run's last; "
                f"answers of the fresh one differ by {drawn['own']:.2g} between pictures.",
                {"zero_gradient": list(none), "apart": drawn["own"]},
                layers=tuple(cut),
            ),
        ),
        direct=True,
    )


def _tried(case: Case) -> Finding | None:
    """Where training was not watched: what of a fresh network gets no gradient in a step."""
    found = part(case, "moves")
    if found is None or found["frozen"] or not found["without_gradient"] or not poor(case, 0.05):
        return None
    names = tuple(found["without_gradient"])
    return _finding(
        f"{len(names)} of {found['parameters']} parameters got no gradient in a step of a fresh network",
        names,
        Evidence(
            f"{found['with_gradient']} got one, of {found['count']} pictures.",
            {"with_gradient": found["with_gradient"]},
            layers=names,
        ),
    )


def _finding(which: str, names: Sequence[str], told: Evidence) -> Finding:
    return Finding(
        "frozen_by_mistake",
        "error",
        f"{which}: {named(names)}.",
        (told,),
        "A parameter that asks for no gradient, or an operation that cuts the graph (detach, no_grad, a "
        "rounding), keeps these layers as they were drawn.",
        Cure(
            "In the code of the network, at or after the last of these layers, and wherever it is built: "
            "delete `requires_grad = False`, `.detach()`, `.data` and `with torch.no_grad():`. A "
            "comparison (`x > 0`), a rounding, sign or argmax lets no gradient through either: put a "
            "rectifier or a sigmoid in its place."
        ),
        confidence=0.95,
    )


def _weak(case: Case) -> Finding | None:
    """A backbone that was frozen on purpose, and does not know enough for these pictures."""
    freeze = case.options.get("freeze")
    drawn = from_scratch(case)  # what was drawn and never learns knows nothing
    if freeze in (None, "never", "first") or not poor(case, 0.15 if drawn else 0.55) or not case.train_losses:
        return None
    from ._course import commonest, left, result

    base, scores = commonest(case), case.headlines
    if not drawn and base is not None and scores and (1 - max(s.high for s in scores)) / (1 - base) < SURELY:
        return None  # few pictures judged it: it may well know more

    share = left(case)
    what = "these classes apart" if case.record.kind == "classes" else "what is asked for"
    return Finding(
        "frozen_by_mistake",
        "warning",
        f"{'The whole backbone was' if freeze == 'always' else 'Layers were'} frozen (--freeze {freeze})"
        f"{' as drawn by chance' if drawn else ''}, and what it gives does not tell {what}: "
        f"{result(case)}.",
        (
            Evidence(
                f"The validation loss came down to {100 * (share or 1):.0f} % of a guess's, with only the head "
                "learning.",
                {"losses": case.losses},
            ),
        ),
        "A linear head can only use what the frozen layers already show. Where their weights were learned on "
        "other kinds of pictures, or hardly at all, that is too little.",
        Cure("Let all layers learn after the head has.", {"freeze": "never"}),
        confidence=0.85,
    )
