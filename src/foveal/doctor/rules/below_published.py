"""The result is far below what others have published for this network on this data, in this setting."""

from __future__ import annotations

from typing import Literal

from ...finding import Cure, Evidence, Finding, Unsure
from ...values import Score
from ..case import Case
from ..published import GAP, RATIO, World, world

SOURCE = (
    "Karpathy 2019, A Recipe for Training Neural Networks: hold a run against known results first; each figure has its "
    f"own source. Thresholds are Foveal's: {100 * GAP[0]:g} points and {RATIO[0]:g} times the published error"
)
LEVEL: Literal["generalisation"] = "generalisation"
EXPLAINS: tuple[str, ...] = ()


def examine(case: Case) -> Finding | Unsure | None:
    """Silent where the data are not known, where the setting is another, and where training was too short for it."""
    around, judged = world(case.record), case.record.evaluation
    if around is None or around.nearest is None or judged is None:
        return None
    if around.apart:
        return Unsure(f"{around.benchmark.title} is known, but not comparable: {'; '.join(around.apart)}")
    score = judged.headline
    gap = around.shortfall(score.high)
    return None if gap is None else _finding(around, score, gap)


def _finding(around: World, score: Score, gap: float) -> Finding:
    row, title = around.nearest, around.benchmark.title
    assert row is not None
    published, reached = told(row.metric, row.value), told(row.metric, score.value)
    between = f"[{told(row.metric, score.low)}, {told(row.metric, score.high)}]"
    return Finding(
        "below_published",
        "warning",
        f"Published {published} for this network on {title}; this run has {reached} {between}: look for an error, not "
        "for a better network.",
        (
            Evidence(
                f"{row.network}, {row.recipe or 'as published'}: {published} ({row.source}).",
                {"published": row.value, "value": score.value, "low": score.low, "high": score.high, "gap": gap},
            ),
            Evidence(
                f"{title} is known {around.why}; data, pictures, first layers and start are as there, and training was "
                + ("as long." if around.length == "long" else "long enough for so large a gap."),
                {"epochs_published": row.epochs},
            ),
        ),
        "The same network has learned the same pictures much better elsewhere, so neither is at fault. Something in "
        "between is: how the pictures are prepared, the labels, the loss, the rate, or what is trained at all.",
        Cure(
            "Test the parts one by one (foveal diagnose RUN --deep), and compare options with the published recipe: "
            f"{row.recipe or row.source}."
        ),
        confidence=0.8,
    )  # fmt: skip


def told(metric: str, value: float) -> str:
    """A value as publications give it: in per cent, or in decibels."""
    return f"{value:.2f} dB" if metric == "PSNR" else f"{100 * value:.1f}"
