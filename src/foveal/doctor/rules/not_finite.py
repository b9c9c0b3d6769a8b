"""The loss, or something inside the network, grew beyond all numbers or became none (inf, NaN)."""

from __future__ import annotations

import math

from ...events import REWOUND, Noticed
from ...finding import Cure, Evidence, Finding
from ..case import Case
from ._course import result
from ._inside import named
from ._parts import part
from ._rates import from_scratch, option, times_usual

SOURCE = (
    "SageMaker Debugger's ExplodingTensor and DeepLocalize (Wardat et al. 2021): any value that is not finite. Steps "
    "that half precision's scaler lets pass are no illness (Lightning issue 9799), and are not counted"
)
LEVEL = "optimizer"
EXPLAINS = ("loss_stuck", "oscillation", "updates_too_small", "stopped_too_early")


def examine(case: Case) -> Finding | None:
    stopped = case.record.stopped
    diverged = stopped is not None and stopped.why == "diverged"
    broken = [n for n, loss in enumerate(case.losses, 1) if not math.isfinite(loss)]
    if not (case.setbacks or diverged or broken):
        return None
    happened = case.setbacks + diverged
    evidence = [Evidence(e.says[0].upper() + e.says[1:] + ".", {"step": e.step}) for e in _rewound(case)]
    if diverged and stopped is not None:
        evidence.append(Evidence(f"Training ended there: {stopped.says}.", {"step": stopped.step}))
    if broken:
        says = f"The validation loss was not finite after {len(broken)} of {len(case.losses)} epochs."
        evidence.append(Evidence(says, {"epochs": broken}))
    evidence += _inside(case)
    says = f"The loss was not finite {happened} time{'' if happened == 1 else 's'}" if happened else (
        f"The validation loss was not finite after {len(broken)} of {len(case.losses)} epochs"
    )  # fmt: skip
    end = "training ended there" if diverged else f"{result(case)}"
    return Finding(
        "not_finite",
        "error" if diverged or broken else "warning",
        f"{says}; {end}.",
        tuple(evidence),
        _cause(case, diverged),
        _cure(case, diverged),
        confidence=0.97,
    )


def _rewound(case: Case) -> list[Noticed]:
    return [e for e in case.record.events if isinstance(e, Noticed) and e.what == REWOUND]


def _inside(case: Case) -> list[Evidence]:
    """The first look at which layers had numbers that are none."""
    for sight in case.sights:
        if sight.norms.get("skipped"):
            continue
        layers = tuple(name for name, row in sight.layers.items() if row.get("nonfinite"))
        if layers:
            says = f"At step {sight.step} {named(layers)} had values or gradients that are not finite."
            return [Evidence(says, {"step": sight.step, "layers": len(layers)}, layers=layers[:8])]
    return []


def _in_the_code(case: Case, diverged: bool) -> bool:
    """Whether a hundredth of a usual rate, from scratch, was no better: then no rate is the cause; or the loss has no
    value even for made-up answers."""
    if not _is_defined(case):
        return True
    times = times_usual(case)
    return diverged and times is not None and times <= 3 and from_scratch(case)


def _is_defined(case: Case) -> bool:
    """Whether the loss is a number for answers that are right and sure, wrong and sure, or undecided."""
    loss = part(case, "loss") or {}
    names = ("right", "wrong", "undecided", "right_in_training", "wrong_in_training")
    return all(math.isfinite(loss.get(name) or 0.0) for name in names)


def _cause(case: Case, diverged: bool) -> str:
    if case.record.fit.get("precision") == "fp16":
        return (
            "Half precision (fp16) has no numbers above 65,504: a large output or gradient becomes infinite, and the "
            "next subtraction of two infinities is no number at all. bf16 and fp32 reach much farther."
        )
    if not _is_defined(case):
        return (
            "The loss has no value even for made-up answers that are right and sure, or wrong and sure: a logarithm of "
            "0 or a division by 0 in its code, as of a softmax that is taken first and its logarithm after."
        )
    if _in_the_code(case, diverged):
        return (
            "A hundredth of a usual rate failed as well, so the steps are not too long: some operation has no finite "
            "value or gradient where it is used (a root or a logarithm at 0, a division by 0, an exponential)."
        )
    return (
        "A step that is too long makes the loss larger, whose gradient is longer still: within a few steps the "
        "numbers outgrow what the computer can hold. Infinities then turn into NaN, and every weight they meet "
        "with them."
    )


def _cure(case: Case, diverged: bool) -> Cure:
    if case.record.fit.get("precision") == "fp16":
        return Cure("Compute in fp32 (or bf16 where the device has it).", {"precision": "fp32"})
    if not _is_defined(case):
        return Cure(
            "In the task's code let the loss take the logarithm and the softmax in one: "
            "`F.cross_entropy(scores, labels)`, or `F.log_softmax(scores, 1)`, in place of "
            "`torch.log(torch.softmax(...))`."
        )
    if _in_the_code(case, diverged):
        return Cure(
            "Look at the layers named here, in the order of the pass, for roots, logarithms, divisions "
            "and exponentials, and keep them from their limits: `torch.log1p(x.clamp_min(0))`, "
            "`torch.sqrt(x.clamp_min(0) + 1e-6)`, `a / (b + 1e-6)`. Pictures that are normalised have "
            "values below 0: take their logarithm before, or leave it out. foveal diagnose RUN --deep "
            "tests the layers one by one."
        )
    lr = option(case, "lr")
    if lr is None:
        return Cure("Find a rate that the network bears by a range test.", {"find_lr": True})
    return Cure(f"Find a rate that the network bears by a range test; {lr:g} is too much.", {"find_lr": True})
