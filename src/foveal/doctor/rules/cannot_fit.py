"""The network cannot learn a dozen pictures by heart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor
from ._parts import part, percent
from ._rates import tried

SOURCE = "Karpathy 2019, A Recipe: overfit a single batch; CS231n: twenty examples to zero cost"
LEVEL = "network"
EXPLAINS = (
    "loss_stuck", "rate_too_low", "updates_too_small", "stopped_too_early",
    "below_published", "schedule_ends_wrongly",
)  # fmt: skip
ENOUGH, FEWEST = 0.9, 100
"""Share of the pictures, and steps before it is said that they were not enough."""
LEARNED = 0.6
"""Of the first loss, what a fresh network leaves at most at some rate where it does learn."""


def examine(case: Case) -> Finding | Unsure | None:
    found = part(case, "one_batch")
    if found is None:
        if poor(case) and case.record.kind == "classes" and case.tests and "one_batch" not in case.tests:
            return Unsure(
                "Whether the network can learn a dozen pictures was not tried: foveal diagnose RUN --deep does."
            )
        return None
    plain, own = found["plain"], found["own"]
    if not poor(case, 0.2):
        return None
    if plain["accuracy"] >= ENOUGH:
        return _some(part(case, "subset"))
    if plain["steps"] < FEWEST or min(tried(case).values(), default=1.0) < LEARNED:
        return None
    return Finding(
        "cannot_fit",
        "error",
        f"{found['count']} pictures are not learned by heart in {plain['steps']} steps: "
        f"{percent(plain['accuracy'])} are right, and the loss went from {plain['first']:.3f} to "
        f"{plain['last']:.3f}.",
        (
            Evidence(
                f"With Adam at a rate of 0.001, on the same {found['count']} pictures in each step.",
                dict(plain),
            ),
            Evidence(
                f"With the run's own optimizer the loss went from {own['first']:.3f} to {own['last']:.3f}.",
                dict(own),
            ),
        ),
        "Any sound network, loss and optimizer can learn so few pictures. This one cannot, so the cause is in the "
        "network or the loss, and no other data or schedule will help.",
        Cure(
            "Try a known network on the same pictures; if that learns them, look at your own layer by layer.",
            {"network": "resnet9"},
        ),
        confidence=0.9,
    )


def _some(found: Mapping[str, Any] | None) -> Finding | None:
    """A dozen pictures are learned, and a few of each class are not."""
    if found is None or not found["whole"] or found["accuracy"] >= ENOUGH or found["steps"] < FEWEST:
        return None
    return Finding(
        "cannot_fit",
        "warning",
        f"{found['count']} pictures of {found['classes']} classes are not learned by heart in {found['steps']} steps: "
        f"{percent(found['accuracy'])} are right.",
        (
            Evidence(
                f"With Adam at a rate of 0.001; always answering the commonest class gives "
                f"{percent(found['commonest'])}. A dozen pictures are learned.",
                dict(found),
            ),
        ),
        "The network can hold or tell apart too little: a layer that is too narrow, pictures shrunk too far, or "
        "features that are frozen or cut off.",
        Cure("Take a network that can hold more.", {"network": "resnet9"}),
        confidence=0.75,
    )
