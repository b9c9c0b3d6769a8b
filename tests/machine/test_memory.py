"""Memory: the machine's, or what the groups of processes leave that this one is in."""

from __future__ import annotations

import types
from pathlib import Path

import psutil
import pytest

from foveal.machine import memory

GB = 10**9


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """64 GB, 40 of them free, and no group; their folder."""
    seen = types.SimpleNamespace(total=64 * GB, available=40 * GB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: seen)
    monkeypatch.setattr(memory, "_OWN", tmp_path / "own")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    return tmp_path / "groups"


def group(folder: Path, limit: object, used: int, idle: int | None = 0, old: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if old else ("memory.max", "memory.current")
    for name, value in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").unlink(missing_ok=True)
    if idle is not None:
        # the older kind counts those of the groups inside apart
        lines = [f"inactive_file {0 if old else idle}", "active_file 7", f"total_inactive_file {idle}"]
        (folder / "memory.stat").write_text("\n".join(lines) + "\n")


def own(groups: Path, *rows: str) -> None:
    (groups.parent / "own").write_text("".join(f"{row}\n" for row in rows))


def sizes() -> tuple[float, float]:
    return memory.machine_megabytes("cpu"), memory.free_megabytes("cpu")


def test_without_groups(machine: Path) -> None:
    assert sizes() == (64_000, 40_000)
    own(machine, "0::/user.slice")
    assert sizes() == (64_000, 40_000)


def test_a_container(machine: Path) -> None:
    own(machine, "0::/")
    group(machine, 8 * GB, 3 * GB)
    assert sizes() == (8000, 5000)
    group(machine, 8 * GB, 7 * GB, idle=4 * GB)  # files that were read can go
    assert sizes() == (8000, 5000)
    group(machine, 8 * GB, 7 * GB, idle=None)
    assert sizes() == (8000, 1000)
    group(machine, 8 * GB, 9 * GB)
    assert sizes() == (8000, 0)
    group(machine, 80 * GB, 3 * GB)
    assert sizes() == (64_000, 40_000), "no more than there is"
    group(machine, "max", 3 * GB)
    assert sizes() == (64_000, 40_000)
    (machine / "memory.max").write_text("")
    assert sizes() == (64_000, 40_000)


def test_groups_in_groups(machine: Path) -> None:
    """The narrowest counts, be it a unit of systemd or what is around it."""
    own(machine, "0::/user.slice/job.scope")
    group(machine / "user.slice", 32 * GB, 30 * GB)
    group(machine / "user.slice" / "job.scope", 4 * GB, 1 * GB)
    assert sizes() == (4000, 2000)


def test_the_older_kind_of_groups(machine: Path) -> None:
    """As batch systems and older containers still have it; inside, only the outermost folder may be seen."""
    own(machine, "5:cpu,cpuacct:/a", "4:memory:/docker/abc", "0::/")
    group(machine / "memory", 16 * GB, 12 * GB, idle=5 * GB, old=True)
    assert sizes() == (16_000, 9000)
    group(machine / "memory" / "docker" / "abc", 9223372036854771712, GB, old=True)
    assert sizes() == (16_000, 9000)
    group(machine / "memory" / "docker" / "abc", 2 * GB, GB, old=True)
    assert sizes() == (2000, 1000)


@pytest.mark.parametrize("row", ["", "nonsense", "0::/../..", "0::/../other", "::", "x:memory:"])
def test_what_is_written_of_groups_may_be_anything(machine: Path, row: str) -> None:
    own(machine, row)
    machine.mkdir()
    assert sizes() == (64_000, 40_000)


def test_this_machine() -> None:
    whole, free = sizes()
    assert 200 < free < whole < 1e8
    assert whole <= psutil.virtual_memory().total / 1e6
