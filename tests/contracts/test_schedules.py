"""Every schedule equals the formula of its source."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

from foveal import catalog
from foveal.schedules import constant, cosine, onecycle


@pytest.mark.parametrize("name", catalog.names("schedules"))
def test_contract(name: str) -> None:
    """Between 0 and 1, at its peak once the warm-up is over, defined for no and for all warm-up."""
    schedule = catalog.find("schedules", name)
    for warmup in (0.0, 0.1, 0.5, 1.0):
        values = [schedule.factor(n / 200, warmup) for n in range(201)]
        assert all(0 <= v <= 1 + 1e-12 for v in values)
        assert max(values) == pytest.approx(1, abs=0.02)
        rising = values[: round(200 * warmup)]
        assert rising == sorted(rising)


def _rates(scheduler_of: object, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    scheduler = scheduler_of(optimizer)  # type: ignore[operator]
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's scheduler wants an optimizer step before it
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    return rates


def test_onecycle_is_torchs_with_fastais_divisors() -> None:
    steps = 400
    want = _rates(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o,
            1.0,
            total_steps=steps + 1,
            pct_start=0.25,
            div_factor=25,
            final_div_factor=4000,
            cycle_momentum=False,
        ),
        steps,
    )
    # torch ends its rise one step early, at 0.25 * steps - 1 of steps
    got = [onecycle.factor(n / steps, (0.25 * (steps + 1) - 1) / steps) for n in range(steps)]
    assert got == pytest.approx(want, abs=1e-6)


def test_cosine_is_torchs() -> None:
    want = _rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 100), 100)
    assert [cosine.factor(n / 100, 0) for n in range(100)] == pytest.approx(want, abs=1e-6)
    assert cosine.factor(0.05, 0.1) == pytest.approx(0.5)
    assert cosine.factor(0.55, 0.1) == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))


def test_constant() -> None:
    assert [constant.factor(p, 0.2) for p in (0, 0.1, 0.2, 1)] == pytest.approx([0, 0.5, 1, 1])
