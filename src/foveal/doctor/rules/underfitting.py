"""The network cannot even learn its training pictures: it is too small, sees too little, or is held back too much."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding
from ..case import Case
from ._course import guess, left, poor, result, stuck, trained_share, trend
from ._inside import first, kernels, of_kind, update_ratio
from ._parts import part
from ._rates import from_scratch, option

SOURCE = (
    "Goodfellow, Bengio & Courville 2016, Deep Learning, section 5.2 (training error that stays high); Ng 2018, "
    "Machine Learning Yearning. Ours: named only with its cause (few weights, no activations, shrunk pictures, "
    "smoothed labels), or where the loss has been flat at more than half of a guess's"
)
LEVEL = "generalisation"
EXPLAINS = ("loss_stuck", "updates_too_small", "metric_disagrees", "stopped_too_early", "cannot_fit")
FEW, SHRUNK, SMOOTHED = 1000, 0.6, 0.5
EPOCHS, STEPS = 5, 100
SETTLED, HIGH = 8, 0.5
SHALLOW = 2
LITTLE, COARSE, SMALL = 0.08, 4, 64
"""What must be missing where the first layer is to blame; times by which it shrinks pictures; sides up to which that is
much: networks whose first layers do so are made for 224 px."""
Why = tuple[str, Evidence, str, Cure]


def examine(case: Case) -> Finding | None:
    if len(case.losses) < EPOCHS or case.record.epochs[-1].step < STEPS or case.setbacks:
        return None
    if not poor(case):
        return _finding(case, _coarse(case)) if poor(case, LITTLE) else None
    share = trained_share(case)
    if share is not None and share < 0.25:
        return _finding(case, _coarse(case))
    ratio = update_ratio(case)
    if ratio is not None and not 1e-5 <= ratio <= 0.3:
        return None
    found = (
        _smoothed(case)
        or _straight(case)
        or _few(case)
        or _shallow(case)
        or _shrunk(case)
        or _coarse(case)
        or _settled(case)
    )
    return _finding(case, found)


def _finding(case: Case, found: Why | None) -> Finding | None:
    if found is None:
        return None
    says, evidence, cause, cure = found
    confidence = 0.6 if "flat" in says else 0.8
    return Finding(
        "underfitting",
        "error" if stuck(case) else "warning",
        f"{says}; {result(case)}.",
        (evidence, *_both(case)),
        cause,
        cure,
        confidence=confidence,
    )


def _both(case: Case) -> tuple[Evidence, ...]:
    trained, losses = case.train_losses, case.losses
    says = f"The training loss ended at {trained[-1]:.3f}, the validation loss at {losses[-1]:.3f}"
    blind = guess(case)
    says += f"; a guess's is {blind:.3f}." if blind else "."
    return (Evidence(says, {"train_losses": trained, "losses": losses}),)


def _larger(case: Case) -> Cure:
    network = "resnet18" if case.record.network == "resnet9" else "resnet9"
    return Cure(f"Take a network that can hold more: --network {network}.", {"network": network})


def _smoothed(case: Case) -> Why | None:
    smoothing = option(case, "label_smoothing")
    if smoothing is None or smoothing < SMOOTHED:
        return None
    evidence = Evidence(f"Label smoothing is {smoothing:g}; 0.1 is usual.", {"label_smoothing": smoothing})
    cause = (
        "Smoothed labels ask for the same probability for every class but for a rest. With so little left to gain "
        "the gradient hardly tells the classes apart."
    )
    cure = Cure("Leave label smoothing to the plan.", {"label_smoothing": None})
    return f"Labels are smoothed by {smoothing:g}, which leaves little to learn", evidence, cause, cure


def _straight(case: Case) -> Why | None:
    """No activation between the layers."""
    layers = kernels(case)
    if len(layers) < 2 or of_kind(case, "rectifier", "squash", "smooth", "softmax") or first(case) is None:
        return None
    known = set(case.kinds.values()) <= {"conv", "linear", "norm", "pool", "dropout"}
    if not known:
        return None
    evidence = Evidence(
        f"Between {len(layers)} layers with kernels there is no rectifier, sigmoid or other activation.",
        {"kinds": dict(case.kinds)},
        layers=layers[:8],
    )
    cause = (
        "Layers without activations between them make one linear map, however many they are: it can part classes by "
        "weighted sums of pixels only."
    )
    return "The network has no activations", evidence, cause, _larger(case)


def _weights(case: Case) -> int | None:
    """How many weights the kernels have, from their length and their mean square."""
    seen = first(case) or (case.sights[0] if case.sights else None)
    if seen is None:
        return None
    total = 0.0
    for name in kernels(case):
        row = seen.layers.get(name, {})
        if not {"weight_norm", "weight_std", "weight_mean"} <= row.keys():
            return None
        square = row["weight_std"] ** 2 + row["weight_mean"] ** 2
        if square <= 0:
            return None
        total += row["weight_norm"] ** 2 / square
    return round(total) if total else None


def _few(case: Case) -> Why | None:
    weights = _weights(case)
    if weights is None or weights >= FEW or not from_scratch(case):
        return None
    evidence = Evidence(
        f"All kernels together have {weights:,} weights.", {"weights": weights}, layers=kernels(case)[:8]
    )
    cause = (
        "What a network can tell apart is bounded by its weights and channels. With so few, different pictures "
        "become the same on their way through it."
    )
    return f"The network has only {weights:,} weights", evidence, cause, _larger(case)


def _shallow(case: Case) -> Why | None:
    """One layer, and what decides."""
    layers = kernels(case)
    if not 0 < len(layers) <= SHALLOW or not poor(case, 0.4) or not from_scratch(case):
        return None
    evidence = Evidence(
        f"Layers with kernels are {len(layers)} in all: {', '.join(layers)}.",
        {"layers": len(layers)},
        layers=layers,
    )
    cause = (
        "One layer sees edges and spots of a few pixels, or weighs pixels one by one. What tells most classes apart is "
        "how such parts lie to one another, which takes a layer after that, and more of them for larger pictures."
    )
    return (
        f"The network has {len(layers)} layers with kernels, the head included",
        evidence,
        cause,
        _larger(case),
    )


def _shrunk(case: Case) -> Why | None:
    facts, size = case.record.facts, case.record.size
    if facts is None or size is None:
        return None
    side = min(facts.width, facts.height)
    if size >= SHRUNK * side or side > 256:
        return None
    if size >= 64:
        return None
    evidence = Evidence(
        f"The pictures are {side} px, the network sees {size} px.", {"size": size, "side": side}
    )
    cause = (
        "Made so small the pictures lose what tells their classes apart; no network finds what is not there."
    )
    cure = Cure("Leave the size to the plan: the pictures' own.", {"size": None})
    return f"The pictures are shrunk from {side} to {size} px", evidence, cause, cure


def _settled(case: Case) -> Why | None:
    """Flat for long, high, and the same for training and validation pictures."""
    losses, trained, share = case.losses, case.train_losses, left(case)
    if len(losses) < SETTLED or case.record.epochs[-1].step < 3 * STEPS or share is None or share < HIGH:
        return None
    if stuck(case) or losses[-1] > 1.15 * max(trained[-1], min(losses)):
        return None
    part = trained[len(trained) // 4 : 3 * len(trained) // 4 + 1]
    line, blind = trend(part), guess(case)
    if line is None or blind is None or -line.slope * line.count > 0.03 * blind:
        return None
    evidence = Evidence(
        f"In the middle half of the epochs the training loss changed by {line.slope:+.4f} [{line.low:+.4f}, "
        f"{line.high:+.4f}] an epoch.",
        {"slope": line.slope, "low": line.low, "high": line.high, "left": share},
    )
    cause = (
        "The loss on the very pictures it learns from is high and no longer falls: the network is too small for "
        "the task, or is held back too much (by augmentation, decay, dropout)."
    )
    return f"The loss has been flat at {100 * share:.0f} % of a guess's", evidence, cause, _larger(case)


def _coarse(case: Case) -> Why | None:
    """First layers that were made for large pictures."""
    found = part(case, "activity")
    if found is None or not found.get("sides") or not from_scratch(case) or found["given"] > SMALL:
        return None
    given, sides = found["given"], list(found["sides"].values())
    second = sides[1] if len(sides) > 1 else sides[0]
    if sides[0] * COARSE > given and second * 2 * COARSE > given:
        return None
    names = list(found["sides"])
    evidence = Evidence(
        f"Pictures of {given} px are {sides[0]} px after {names[0]}, and {second} px where the next convolution has "
        f"seen them; {sides[-1]} px at last.",
        {"given": given, "sides": dict(found["sides"])},
        layers=tuple(names[:2]),
    )
    cause = (
        "Large kernels with long strides and pooling at the start spare work on pictures of 224 px. Small pictures "
        "lose their detail in them before anything has looked at it."
    )
    published = case.options.get("stem") == "published"
    cure = Cure(
        "Begin with a convolution of 3x3 that keeps the size, and without pooling"
        + (": --stem small." if published else ", in the network's code; or take --network resnet9."),
        {"stem": "small"} if published else {"network": "resnet9"},
    )
    return (
        f"The first layers shrink pictures of {given} px by {given / max(1, second):.3g} times",
        evidence,
        cause,
        cure,
    )
