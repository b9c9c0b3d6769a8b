"""What every test may use."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A shared machine may be slow; the same examples every time, so that a failure is found again.
settings.register_profile(
    "foveal", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("foveal")

ROOT = Path(__file__).parents[1]

# As many test processes as cores, each with one thread: before torch is loaded here, or in what tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# What one test process makes and the others need, too (`once`): its parent names the folder, and removes it.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["FOVEAL_SUITE"] = tempfile.mkdtemp(prefix="foveal-suite-")
    atexit.register(shutil.rmtree, os.environ["FOVEAL_SUITE"], True)

# Tests start processes in other folders: what `PYTHONPATH=src pytest` means must hold there too.
if "PYTHONPATH" in os.environ:
    places = os.environ["PYTHONPATH"].split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(place).absolute()) for place in places if place)


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What Foveal keeps between runs (caches, measured speeds) is the suite's own, not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEAL_DATA_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def test_data() -> Callable[[str], Path]:
    """`test_data("flowers5_small")`: a folder of real pictures, or the test is skipped."""

    def find(name: str) -> Path:
        home = os.environ.get("FOVEAL_TEST_DATA")
        if not home:
            pytest.skip("FOVEAL_TEST_DATA is not set: the folder of real pictures to test with")
        folder = Path(home) / name
        if not folder.exists():
            pytest.skip(f"FOVEAL_TEST_DATA has no {name}")
        return folder

    return find
