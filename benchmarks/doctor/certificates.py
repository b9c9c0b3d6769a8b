"""Whether a fault truly hurts, and a control is truly healthy: measured, and kept beside this file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from scipy import stats

from .rows import BASES, Control, Fault
from .runs import ROWS, Home, digest, setting_of

FILE = Path(__file__).with_name("certificates.json")
SEEDS = (0, 1, 2)
MORE = (3, 4)
"""Added where three tell a loss, but not surely."""
POINTS = 0.02
"""Of the score that a fault costs at least."""
REACH = 0.05
"""Of accuracy that a healthy run may lie below the best of its group; a fifth of what is no share."""


def read() -> dict[str, Any]:
    """The kept certificates, by row."""
    if not FILE.exists():
        return {}
    kept: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["rows"]
    return {name: row for name, row in kept.items() if name in ROWS and row["digest"] == digest(name)}


def write(rows: Mapping[str, Any], machine: str) -> None:
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items()))
    FILE.write_text(f'{{"machine": {json.dumps(machine)}, "rows": {{\n{lines}\n}}}}\n', encoding="utf-8")


def harm(sound: Sequence[float], ill: Sequence[float]) -> dict[str, float]:
    """How much more one side scores than the other: the difference of the means with its 95 % interval (Welch 1947),
    the t-test's p, and Cohen's d."""
    a, b = np.asarray(sound, float), np.asarray(ill, float)
    gap = float(a.mean() - b.mean())
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    pooled = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    if va + vb == 0:
        return {
            "points": gap,
            "low": gap,
            "high": gap,
            "p": 0.0 if gap else 1.0,
            "d": math.copysign(99.0, gap),
        }
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    half = float(stats.t.ppf(0.975, freedom)) * math.sqrt(va + vb)
    p = 2 * float(stats.t.sf(abs(gap) / math.sqrt(va + vb), freedom))
    d = gap / pooled if pooled else math.copysign(99.0, gap)
    return {"points": gap, "low": gap - half, "high": gap + half, "p": p, "d": min(99.0, d)}


def fault(row: Fault, home: Home) -> dict[str, Any]:
    """The certificate of a fault, whose runs are trained where they are not kept."""
    found = _measured(row, home, SEEDS)
    if found["points"] >= POINTS and found["low"] <= 0:
        found = _measured(row, home, (*SEEDS, *MORE))
    return {
        "digest": digest(row.name),
        "kind": "fault",
        "base": row.base,
        "harm": row.harm,
        **found,
        "certified": bool(found["low"] > 0 and found["points"] >= POINTS),
    }


def _measured(row: Fault, home: Home, seeds: Sequence[int]) -> dict[str, Any]:
    """Both sides under these seeds, and what lies between."""
    ill = [home.outcome(row.name, seed) for seed in seeds]
    if row.harm == "honesty":
        promised, true = [one.score for one in ill], [one.honest or 0.0 for one in ill]
        found, sound = harm(promised, true), true
    else:
        sound = [home.outcome(row.base, seed).score for seed in seeds]
        found = harm(sound, [one.score for one in ill])
    return {
        "seeds": list(seeds),
        "ill": _rounded([one.score for one in ill]),
        "sound": _rounded(sound),
        **{key: round(value, 5) for key, value in found.items()},
    }


def control(row: Control, home: Home) -> dict[str, Any]:
    """The certificate of a control: its score beside the best of its group."""
    own = home.outcome(row.name, row.seed)
    others = {r.name: home.outcome(r.name, r.seed).score for r in ROWS.values()
              if isinstance(r, Control) and r.group == row.group}  # fmt: skip
    for name in BASES:
        if setting_of(name).data == row.group and name != "weak-hues":
            others[name] = fmean(home.outcome(name, seed).score for seed in SEEDS)
    best = (max if own.higher_is_better else min)(others, key=lambda name: others[name])
    gap = abs(others[best] - own.score)
    share = own.metric in ("accuracy", "mean_average_precision", "macro_f1")
    return {
        "digest": digest(row.name), "kind": "control", "group": row.group, "seed": row.seed,
        "metric": own.metric, "score": round(own.score, 5), "best": best, "best_score": round(others[best], 5),
        "certified": bool(gap <= (REACH if share else 0.2 * abs(others[best]))),
    }  # fmt: skip


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 5) for value in values]
