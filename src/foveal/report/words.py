"""Numbers and names as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..values import Score

NAMES = {
    "accuracy": "accuracy", "macro_f1": "macro F1", "loss": "loss", "calibration_error": "calibration error",
    "top5": "top-5 accuracy", "mAP": "mean average precision", "micro_f1": "micro F1",
    "exact_match": "exact match", "hamming_loss": "wrong decisions", "mae": "mean absolute error",
    "rmse": "root mean square error", "median_error": "median error", "r2": "R²",
    "average_precision": "average precision", "f1": "F1", "mean_iou": "mean IoU",
    "mIoU": "mean IoU", "iou": "IoU", "dice": "Dice", "boundary_f1": "boundary F1",
    "bicubic_PSNR": "bicubic's PSNR", "bicubic_SSIM": "bicubic's SSIM", "without_PSNR": "PSNR without the network",
}  # fmt: skip
SHARES = frozenset({
    "accuracy", "top5", "exact_match", "hamming_loss", "precision", "recall", "calibration_error",
})  # fmt: skip
"""Metrics that read best in per cent."""


UNIT = frozenset({
    "macro_f1", "micro_f1", "mAP", "mAP50", "mAP75", "average_precision", "f1", "r2", "mean_iou", "mIoU", "iou",
    "dice", "boundary_f1", "SSIM", "loss", "AP", "AP50", "AP75", "AR100",
})  # fmt: skip
"""Metrics that are read in thousandths."""
ORDER = (
    "count", "AP", "AP50", "AP75", "AR100", "iou", "dice", "recall", "precision", "f1", "average_precision",
    "missed", "background", "badly_placed", "wrong_class", "doubled", "both", "threshold", "mae", "bias",
)  # fmt: skip
"""In which a table of classes has its columns."""


def named(metric: str) -> str:
    """A metric's name in words."""
    return NAMES.get(metric, metric.replace("_", " "))


def percent(share: float, count: int | None = None) -> str:
    """A share in per cent; with a decimal unless it stands for few pictures or is whole."""
    if not math.isfinite(share):
        return "–"
    value = share * 100
    if abs(value - round(value)) < 1e-9 or (count is not None and count < 100):
        return f"{value:.0f}%"
    return f"{value:.1f}%"


def metric(name: str, value: Any) -> str:
    """A metric's value."""
    if value is None or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if not math.isfinite(value):
        return "∞" if value > 0 else "–"
    if name in SHARES:
        return percent(value)
    if name.endswith("PSNR"):
        return f"{value:.2f} dB"
    return f"{value:.3f}" if name in UNIT else number(value)


def interval(score: Score) -> str:
    """A score's 95 % interval."""
    return f"{metric(score.name, score.low)} to {metric(score.name, score.high)}"


def split_name(split: str) -> str:
    """A split as an adjective of pictures."""
    return {"val": "validation", "train": "training", "all": ""}.get(split, split)


def pictures(count: int, kind: str = "") -> str:
    """`1 picture`, `1,200 test pictures`."""
    return f"{count:,} {kind + ' ' if kind else ''}picture{'' if count == 1 else 's'}"


def size(count: float) -> str:
    """Bytes as a person says them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("every number of bytes has a unit")


def date(at: float) -> str:
    """Unix seconds as a date and time, UTC."""
    try:
        there = datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):
        return ""
    return f"{there.day} {there:%B %Y}, {there:%H:%M} UTC"


def number(value: float) -> str:
    """A measured number, with three digits that tell."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def label(value: Any) -> str:
    """A truth or prediction: a name, several, or a number."""
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value) or "nothing"
    if isinstance(value, bool) or value is None:
        return "–" if value is None else str(value)
    return number(value) if isinstance(value, float) else str(value)


def plain(value: Any) -> str:
    """An option's value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(one)}" for key, one in value.items())
    return str(value)
