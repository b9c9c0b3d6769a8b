"""What may cure an illness: its finding's own cure first, then what else mends such things."""

from __future__ import annotations

from collections.abc import Iterable

from ..finding import Cure, Finding
from ..loop.optimizers import is_like_sgd
from ..records.gathered import Gathered
from ..storage import to_json
from .proof import HONEST

NORMS = Cure(
    "Put a norm behind each convolution that has none (Ioffe & Szegedy 2015), and draw the weights by He et al. 2015: "
    "whatever the layers do, each is given values of the same size.",
    repairs=("redraw", "normalise"),
)
GROUPS = Cure(
    "Put group norms in the place of batch norms (Wu & He 2018): they need no batch and keep no running statistics.",
    repairs=("group_norms",),
)
ADAM = Cure(
    "Train with AdamW at a rate that a range test finds: its steps are as long whatever the gradient's size.",
    {"optimizer": "adamw", "find_lr": True},
)
RATE = Cure("Find a rate by a range test.", {"find_lr": True})
BALANCE = Cure("Draw every class as often (--balance sampling).", {"balance": "sampling"})
OTHER = Cure(
    "Train a network that is known to be sound (--network resnet9) on the same pictures: where it learns, what is "
    "wrong is in this network's code.",
    {"network": "resnet9"},
)
AFRESH = Cure(
    "Train all layers, from weights that are drawn anew: what these ones know may be of no use here.",
    {"freeze": "never", "weights": None, "pretrained": False},
)
PLAIN = Cure(
    "Show training the pictures as they are: no augmentation, no mirroring, none mixed.",
    {"augment": "none", "flip": False, "mixup": 0.0, "cutmix": 0.0},
)
SMOOTH = Cure(
    "Smooth labels (--label-smoothing 0.2), so that those that are wrong still pull less (Lukasik et al. 2020).",
    {"label_smoothing": 0.2},
)
GIVEN = (
    "optimizer", "lr", "momentum", "weight_decay", "schedule", "warmup", "clip", "patience", "keep", "label_smoothing",
    "dropout", "drop_path", "augment", "flip", "erase", "mixup", "cutmix", "train_size", "grow", "freeze",
    "layer_decay", "balance", "ema", "size",
)  # fmt: skip
"""Options of training that the plan chooses by itself where nobody gives them: all but what is trained, on what, and
for how long, and in which batches."""
UNEVEN = 4
"""Times as many pictures of one class as of another, from which drawing them as often may help."""

_OPTIONS = frozenset({
    "rate_too_high", "rate_too_low", "updates_too_large", "updates_too_small", "oscillation", "schedule_ends_wrongly",
    "stopped_too_early", "clipping_too_strong", "weight_decay_too_strong", "dropout_too_strong", "loss_stuck",
    "underfitting", "overfitting", "augmentation_destroys", "frozen_by_mistake", "batch_of_one", "not_finite",
    "exploding", "imbalance",
})  # fmt: skip
"""Rules of illnesses that options can bring about, whichever of them it is."""
_SIGNAL = (NORMS, OTHER)
_STEPS = (ADAM, NORMS, OTHER)
AFTER: dict[str, tuple[Cure, ...]] = {
    **dict.fromkeys(
        ("bad_initialisation", "exploding", "vanishing", "saturation", "dead_units", "input_ignored", "not_finite"),
        _SIGNAL,
    ),
    **dict.fromkeys(("rate_too_high", "updates_too_large", "oscillation"), (RATE, NORMS)),
    **dict.fromkeys(
        ("updates_too_small", "rate_too_low", "clipping_too_strong", "sum_for_mean", "wrong_loss"), (ADAM, NORMS)
    ),
    "loss_stuck": (BALANCE, *_STEPS),
    "imbalance": (BALANCE,),
    "frozen_by_mistake": (AFRESH,),
    "augmentation_destroys": (PLAIN,),
    **dict.fromkeys(("batchnorm_stale", "batch_of_one", "modes_disagree"), (GROUPS,)),
    **dict.fromkeys(("examples_mix", "dropout_too_strong", "softmax_inside", "cannot_fit", "underfitting"), (OTHER,)),
}  # fmt: skip
"""By rule: what is tried where the finding's own cure is not enough, in this order."""


def candidates(finding: Finding, record: Gathered) -> tuple[Cure, ...]:
    """The cures of a finding that Foveal can carry out, the finding's own first; none where there is none."""
    own = (finding.cure,) if finding.cure.can_be_tried else ()
    if finding.rule in HONEST:
        return own
    if finding.cure.exclude:
        smooth = record.kind == "classes" and (record.train.get("label_smoothing") or 0.0) < 0.2
        own = (*own, combined(finding.cure, SMOOTH)) if smooth and finding.rule == "labels_noisy" else own
        if not compares(finding.cure, record):
            return own
    after = [cure for cure in AFTER.get(finding.rule, ()) if _fits(cure, record)]
    if finding.rule in _OPTIONS and (plain := as_planned(record)) is not None:
        kept = [cure for cure in after if not (cure.repairs or "network" in cure.changes)]
        after = [*kept, plain, *(cure for cure in after if cure not in kept)]
    return distinct((*own, *after))


def compares(cure: Cure, record: Gathered) -> bool:
    """Whether a run with the cure is judged on the same pictures as the run itself: nothing but training pictures is
    left out."""
    if not cure.exclude or record.dataset is None:
        return not cure.exclude
    return set(cure.exclude) <= {item.id for item in record.dataset.part("train")}


def as_planned(record: Gathered) -> Cure | None:
    """The same network on the same pictures for as long, all else as Foveal plans it by itself; None where nobody gave
    an option, so that this is what was trained."""
    given = [choice.option for choice in record.choices if not choice.automatic and choice.option in GIVEN]
    if not given:
        return None
    told = ", ".join(f"--{name.replace('_', '-')}" for name in given)
    return Cure(f"Leave to the plan what was given by hand: {told}.", dict.fromkeys(given))


def _fits(cure: Cure, record: Gathered) -> bool:
    """Whether a cure that was not written for this run may mean something to it."""
    if cure is ADAM:
        return is_like_sgd(str(record.train.get("optimizer")))
    if cure is BALANCE:
        each = (
            [n for n in (record.dataset.counts().get("train") or {}).values() if n] if record.dataset else []
        )
        plain = record.train.get("balance") in (None, "none")
        return record.kind == "classes" and plain and len(each) > 1 and max(each) >= UNEVEN * min(each)
    if cure is PLAIN:
        return any(record.train.get(name) not in (None, off) for name, off in PLAIN.changes.items())
    if cure is AFRESH:
        return record.options.get("origin") is not None
    if cure in (OTHER, NORMS):
        drawn = record.options.get("origin") is None
        return drawn and record.kind in ("classes", "labels", "numbers") and record.network != "resnet9"
    return True


def combined(first: Cure, second: Cure) -> Cure:
    """Both cures in one, where the second is for what the first left; its options count."""
    changes = {**first.changes, **second.changes}
    if {"find_lr", "lr"} <= changes.keys():
        del changes["lr" if "find_lr" in second.changes else "find_lr"]
    other = "network" in second.changes
    repairs = () if other else tuple(dict.fromkeys((*first.repairs, *second.repairs)))
    exclude = tuple(dict.fromkeys((*first.exclude, *second.exclude)))
    source = first.source if first.source == second.source else "start"
    return Cure(f"{first.says} Then: {second.says}", changes, repairs, exclude, source)


def same(first: Cure, second: Cure) -> bool:
    """Whether two cures do the same, however they say it."""
    return _does(first) == _does(second)


def distinct(cures: Iterable[Cure]) -> tuple[Cure, ...]:
    """Each cure once."""
    found: dict[str, Cure] = {}
    for cure in cures:
        found.setdefault(_does(cure), cure)
    return tuple(found.values())


def _does(cure: Cure) -> str:
    told = cure.to_json()
    del told["says"]
    return str(to_json(told))
