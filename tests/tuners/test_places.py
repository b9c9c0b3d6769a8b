"""Trials at a time on several GPUs: each process sees one of its own."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foveal import plan
from foveal.options import TrainOptions, TuneOptions, make
from foveal.plan import Plan
from foveal.readers import prepare
from foveal.tuners.begin import _jobs
from foveal.tuners.orders import Died, Order
from foveal.tuners.places import LocalWorkers
from pictures import class_folder

GPUS = ("2", "5", "GPU-8932f937")
"""As the system may name them: some of a machine's, by number or by id."""
reads_processes = pytest.mark.skipif(
    sys.platform != "linux", reason="a process's environment is read from /proc"
)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[LocalWorkers]:
    place = LocalWorkers(tmp_path, len(GPUS), GPUS)
    yield place
    place.close()


def seen(place: LocalWorkers) -> dict[int, str]:
    """What each order's process has for its GPUs, as the system says."""
    found = {}
    for worker in place._workers.values():
        assert worker.order is not None
        environ, until = Path(f"/proc/{worker.process.pid}/environ"), time.monotonic() + 30
        while True:  # a process that is only just begun has none yet
            own = dict(p.split("=", 1) for p in environ.read_bytes().decode().split("\0") if "=" in p)
            if "CUDA_VISIBLE_DEVICES" in own or time.monotonic() > until:
                break
            time.sleep(0.05)
        found[worker.order] = own["CUDA_VISIBLE_DEVICES"]
    return found


@reads_processes
def test_each_trial_has_a_gpu_of_its_own(three: LocalWorkers) -> None:
    for number in range(3):
        three.give(Order(number, {"out": str(three.folder / "none")}))
    assert seen(three) == {0: "2", 1: "5", 2: "GPU-8932f937"}


@reads_processes
def test_who_comes_after_a_killed_process_has_its_gpu(three: LocalWorkers) -> None:
    for number in range(3):
        three.give(Order(number, {"out": str(three.folder / "none")}))
    os.kill(three._workers[1].process.pid, signal.SIGKILL)
    news: list[Any] = []
    until = time.monotonic() + 30
    while not news and time.monotonic() < until:
        news = three.news(1.0)
    assert [type(one) for one in news] == [Died]
    assert news[0].number == 1
    three.give(Order(3, {"out": str(three.folder / "none")}))
    assert seen(three) == {0: "2", 3: "5", 2: "GPU-8932f937"}


@reads_processes
def test_more_trials_than_gpus_are_spread_over_them(tmp_path: Path) -> None:
    place = LocalWorkers(tmp_path, 4, ("0", "1"))
    try:
        for number in range(4):
            place.give(Order(number, {"out": str(tmp_path / "none")}))
        assert sorted(seen(place).values()) == ["0", "0", "1", "1"]
    finally:
        place.close()


@pytest.fixture(scope="module")
def on_gpu(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A plan as it is made where there is a GPU."""
    folder = class_folder(tmp_path_factory.mktemp("places") / "shapes", classes=2, each=10, size=32)
    options = make(TrainOptions, {"network": "resnet9", "pretrained": False, "epochs": 2})
    planned = plan.make(prepare(str(folder), options, 0)[0], options)
    return dataclasses.replace(planned, fit=dataclasses.replace(planned.fit, device="cuda"))


@pytest.mark.parametrize(
    ("given", "jobs", "gpus"),
    [
        ({}, 3, list(GPUS)),
        ({"jobs": 2}, 2, list(GPUS)),
        ({"device": "cuda"}, 3, list(GPUS)),
        ({"device": "cuda:1"}, 1, []),  # all trials there, one at a time
    ],
)
def test_as_many_trials_at_a_time_as_gpus_are_visible(
    on_gpu: Plan, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], jobs: int, gpus: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(GPUS))
    assert _jobs(make(TuneOptions, given), on_gpu) == (jobs, gpus)
