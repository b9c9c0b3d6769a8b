"""Training sees its pictures class after class: batches hold few of the classes."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor, result
from ._parts import part, untested

SOURCE = (
    "Bengio 2012, Practical Recommendations for Gradient-Based Training of Deep Architectures, section 3.1.1: shuffle "
    "the pictures. Ours: half of the classes that batches by chance would hold, or fewer, and harm"
)
LEVEL = "input"
EXPLAINS = (
    "oscillation", "batchnorm_stale", "loss_stuck", "underfitting", "overfitting", "metric_disagrees", "modes_disagree",
    "stopped_too_early", "rate_too_high", "updates_too_large", "schedule_ends_wrongly", "below_published",
    "split_preprocessing", "cannot_fit", "dead_units", "rate_too_low", "suspiciously_good",
)  # fmt: skip
SHARE = 0.5


def examine(case: Case) -> Finding | Unsure | None:
    found = part(case, "batch_mix")
    if found is None:
        return untested(case, "batch_mix", "what a batch holds")
    held, due = found["classes"], found["by_chance"]
    if held > SHARE * due or held >= found["least_by_chance"] or not poor(case, 0.05):
        return None
    return Finding(
        "batches_sorted",
        "error" if poor(case, 0.4) else "warning",
        f"Training batches of {found['size']} pictures hold {held:.3g} classes, and {due:.3g} by chance; "
        f"{result(case)}.",
        (
            Evidence(
                f"So it was in the first {found['batches']} batches of an epoch; of 50 draws by chance the poorest "
                f"held {found['least_by_chance']} classes.",
                dict(found),
            ),
        ),
        "Pictures come in the order of the data, class after class. Each batch then draws the network to its few "
        "classes and away from those before, and norms take their statistics from these alone.",
        Cure(
            "In the code that makes batches, draw a new order for each epoch: `DataLoader(train, "
            "shuffle=True)`, or `torch.randperm(len(train))` where it says `range(len(train))`."
        ),
        confidence=0.93,
    )
