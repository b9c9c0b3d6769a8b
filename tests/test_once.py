"""What processes of the suite share is made by one of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor

from once import PLACE, once


def test_one_makes_it_and_the_others_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLACE, str(tmp_path))
    made: list[int] = []

    def make() -> dict[str, Tensor]:
        made.append(1)
        return {"a": torch.arange(3)}

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: once("x", make), range(8)))
    assert len(made) == 1
    assert all(torch.equal(one["a"], torch.arange(3)) for one in found)


def test_what_fails_is_made_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLACE, str(tmp_path))

    def fail() -> dict[str, Tensor]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        once("x", fail)
    assert torch.equal(once("x", lambda: {"a": torch.ones(1)})["a"], torch.ones(1))
