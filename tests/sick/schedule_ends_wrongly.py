"""The rate has fallen to nothing after a twelfth of the training."""

from __future__ import annotations

import pytest

from foveal.doctor.case import Case
from foveal.schedules import onecycle
from staging import trained

factor = onecycle.factor


def staged() -> Case:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onecycle, "factor", lambda progress, warmup: factor(min(1.0, 12 * progress), warmup))
        return trained(epochs=10, lr=0.03)
