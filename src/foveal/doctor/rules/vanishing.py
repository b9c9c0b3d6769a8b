"""The gradient all but vanishes on its way back: early layers learn next to nothing."""

from __future__ import annotations

from statistics import median

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor, result, stuck
from ._inside import BEGUN, FEWEST, kernels, of_kind, typical
from ._rates import from_scratch

SOURCE = (
    "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks; AutoTrainer "
    "(Zhang et al. 2021): the first layer's gradient below a thousandth of the last's. Here by the root mean square, "
    "over the looks of a run that learned little"
)
LEVEL = "network"
EXPLAINS = (
    "loss_stuck", "updates_too_small", "rate_too_low", "underfitting", "saturation", "stopped_too_early",
    "updates_too_large", "metric_disagrees", "cannot_fit",
)  # fmt: skip
SHARE = 1e-3
LAYERS = 4


def examine(case: Case) -> Finding | Unsure | None:
    if not from_scratch(case) or not poor(case, 0.4):
        return None
    if len(case.sights) < FEWEST:
        return Unsure(
            "Fewer than three looks inside the network: train again, some steps longer, to see its gradients."
        )
    layers = kernels(case)
    sizes = {name: size for name, size in typical(case.sights, layers, "grad_rms").items() if size > 0}
    if len(sizes) < LAYERS:
        return _forward(case)
    third = max(1, len(sizes) // 3)
    names = list(sizes)
    early, late = (median(sizes[n] for n in part) for part in (names[:third], names[-third:]))
    if early >= SHARE * late:
        return _forward(case)
    squashing = of_kind(case, "squash")
    what = f"through {len(squashing)} layers of sigmoids or tangents" if len(squashing) >= LAYERS else (
        f"through {len(names)} layers"
    )  # fmt: skip
    return Finding(
        "vanishing",
        "error" if stuck(case) else "warning",
        f"On its way back {what} the gradient shrinks {late / early:,.0f} times: the first layers learn next to "
        f"nothing; {result(case)}.",
        (
            Evidence(
                f"Median over {len(case.sights)} looks: the gradient of {names[0]} is {early:.2g} (root mean "
                f"square), that of {names[-1]} {late:.2g}.",
                {"early": early, "late": late, "gradients": list(sizes.values())},
                layers=(*names[:third][:4], *names[-third:][-2:]),
            ),
            *_moves(case, names),
        ),
        "Each layer multiplies what passes back by its weights and by the slope of its activation (a sigmoid's is at "
        "most 1/4). Many factors below 1 leave nothing of it for the layers in front, which stay as they were drawn.",
        Cure(
            "Use rectifiers (ReLU) with a norm after each convolution, paths around blocks, or fewer layers; draw "
            "the weights by He et al. 2015. A network that has all of these: --network resnet9.",
            {"network": "resnet9"},
        ),
        confidence=0.92,
    )


def _moves(case: Case, names: list[str]) -> tuple[Evidence, ...]:
    """How far steps move the first and the last layer."""
    ratios = typical(case.sights, (names[0], names[-1]), "update_ratio")
    if len(ratios) < 2:
        return ()
    first, last = ratios[names[0]], ratios[names[-1]]
    says = f"A step moves {names[0]} by {first:.1g} of its length, {names[-1]} by {last:.1g}."
    return (Evidence(says, {"first": first, "last": last}),)


FADES, NOTHING, MANY = 1 / 100, 0.02, 8
"""What reaches a later layer, of what the first gives (standard deviations); how small it is then; layers with kernels
below which it is no matter of their number."""


def _forward(case: Case) -> Finding | None:
    """On its way to the head the picture itself fades, layer by layer, and nothing makes it large again."""
    layers, begun = kernels(case), [sight for sight in case.sights if sight.step <= BEGUN]
    sizes, gains = typical(begun, layers, "out_std"), typical(begun, layers, "forward_gain")
    given = {
        name: sizes[name] / gains[name] for name in layers[1:] if name in sizes and gains.get(name, 0) > 0
    }
    if len(layers) < MANY or len(given) < MANY - 2 or layers[0] not in sizes:
        return None
    least = min(given, key=lambda name: given[name])
    first, last = sizes[layers[0]], given[least]
    if not 0 < last < min(FADES * first, NOTHING):
        return None
    return Finding(
        "vanishing",
        "error" if stuck(case) else "warning",
        f"On its way through {len(layers)} layers with kernels what is told of a picture fades from {first:.2g} to "
        f"{last:.1g} (standard deviation); {result(case)}.",
        (
            Evidence(
                f"At the first looks {layers[0]} gave {first:.2g}, and {least} was given {last:.1g}: "
                f"{last / first:.1g} of it.",
                {"first": first, "last": last, "outputs": list(sizes.values())},
                layers=(layers[0], least),
            ),
        ),
        "Each layer, or what stands between layers (a gate, a share, a mean), makes what passes smaller, and the "
        "factors multiply: later layers are given next to nothing, and gradients fade as much on their way back.",
        Cure(
            "Put a norm after each layer or gate, or let a path lead around it; draw the weights by He et al. 2015. A "
            "network that has all of these: --network resnet9.",
            {"network": "resnet9"},
        ),
        confidence=0.85,
    )
