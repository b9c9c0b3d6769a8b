"""Several processes train as one does with the same whole batch; an error of one ends all with one message."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

import ranks
import small
from foveal import events
from foveal.data.together import Together
from foveal.loop.evaluation import _joined, evaluate
from foveal.loop.frozen import Once, Seen
from foveal.loop.mixing import mixed
from foveal.machine.distributed import ALONE, BUCKET, buckets, several
from foveal.machine.interrupt import Interrupt
from foveal.machine.shares import Share
from foveal.options import TrainOptions
from foveal.records.run import OPTIONS, Run
from foveal.training import launch
from foveal.values import Batch, Dataset

KINDS = ("plain", "pieces", "mixed", "synced", "own")
ENDS = ("fails", "breaks", "stops")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawings")


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return small.drawings(folder, ranks.TRAIN, ranks.VAL, 0)


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def together(size: int, out: Path, folder: Path, root: Path, wanted: tuple[str, ...]) -> dict[str, list[Any]]:
    """What each of `size` processes made of each thing wanted."""
    ports = [f"{what}:{port}" for what, port in zip(wanted, free_ports(len(wanted)), strict=True)]
    path = os.pathsep.join([str(root / "src"), str(root / "tests")])
    started = [
        subprocess.Popen(
            [sys.executable, str(root / "tests" / "ranks.py"), str(out), str(folder), *ports],
            env={
                **os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "RANK": str(rank), "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": "0", "CUDA_VISIBLE_DEVICES": "",
            },
        )
        for rank in range(size)
    ]  # fmt: skip
    try:
        assert [one.wait(120) for one in started] == [0] * size
    finally:
        for one in started:
            one.kill()
            one.wait()
    return {what: [json.loads(Path(f"{out}.{what}.{r}").read_text()) for r in range(size)] for what in wanted}


@pytest.fixture(scope="module")
def by_two(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, data: Dataset, root: Path
) -> dict[str, list[Any]]:
    return together(2, tmp_path_factory.mktemp("two") / "out", folder, root, (*KINDS, *ENDS))


def close(one: Any, other: Any) -> bool:
    """Equal but for rounding, through lists and dicts of numbers."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(close(a, b) for a, b in zip(one, other, strict=True))
    return one == other if isinstance(one, str) else bool(np.isclose(one, other, rtol=2e-4, atol=2e-5))


@pytest.mark.parametrize("kind", ["plain", "pieces", "mixed", "synced"])
def test_two_processes_train_as_one(
    kind: str, by_two: dict[str, list[Any]], folder: Path, data: Dataset
) -> None:
    alone, (first, second) = ranks.trained(folder, ALONE, kind), by_two[kind]
    assert close(first, alone), "losses, metrics, the examples' order and the weights"
    assert first["weights"] == second["weights"], "bit for bit the same network everywhere"
    assert first["losses"] == second["losses"]


def test_own_statistics_are_the_same_network_everywhere(by_two: dict[str, list[Any]]) -> None:
    """Without --sync-norm each normalises over its own pictures; what runs along is the mean of all."""
    first, second = by_two["own"]
    assert first["weights"] == second["weights"]
    assert first["epochs"] == second["epochs"]


def test_an_error_is_told_by_the_first(by_two: dict[str, list[Any]]) -> None:
    assert by_two["fails"] == [{"error": "the second met it", "code": 2}, {"elsewhere": 2}]


def test_a_bug_is_told_by_both(by_two: dict[str, list[Any]]) -> None:
    said, own = by_two["breaks"]
    assert "Process 1 of 2" in said["error"]
    assert "ZeroDivisionError: a bug" in said["error"]
    assert said["code"] == 1
    assert own == {"bug": "a bug"}


def test_who_is_asked_to_stop_stops_all(by_two: dict[str, list[Any]]) -> None:
    assert by_two["stops"] == [True, True]


@given(st.integers(0, 200), st.integers(1, 9))
def test_shares_are_all_of_it_in_order(count: int, size: int) -> None:
    spans = [Share(rank, size).span(count) for rank in range(size)]
    assert [n for first, end in spans for n in range(first, end)] == list(range(count))
    lengths = [end - first for first, end in spans]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] - lengths[-1] <= 1


def shared(batches: Any, size: int, **more: Any) -> list[list[Batch]]:
    """Each batch of an epoch as its shares."""
    parts = [dataclasses.replace(batches, share=Share(rank, size, **more)).epoch(3) for rank in range(size)]
    return [list(one) for one in zip(*parts, strict=True)]


@pytest.mark.parametrize("how", ["as they are", "together"])
@pytest.mark.parametrize("size", [2, 3])
def test_shares_of_a_batch_are_the_batch(size: int, how: str, data: Dataset) -> None:
    whole = small.batches(data, "train", 7, seed=5)
    if how == "together":
        whole = dataclasses.replace(whole, together=Together(2, "random", 5))
    for batch, parts in zip(whole.epoch(3), shared(whole, size), strict=True):
        assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
        assert torch.equal(torch.cat([part.truths for part in parts]), batch.truths)
        assert [id for part in parts for id in part.ids] == batch.ids
        assert {part.whole for part in parts} == {7}


def test_pictures_are_varied_alike_by_any_number_of_processes(data: Dataset) -> None:
    def view(image: Any, truth: Any) -> Any:
        return torch.randint(0, 255, (1, 12, 12), dtype=torch.uint8), truth

    whole = small.batches(data, "train", 7, view=view)
    for two, three in zip(shared(whole, 2), shared(whole, 3), strict=True):
        assert torch.equal(torch.cat([p.images for p in two]), torch.cat([p.images for p in three]))
    first, second = shared(whole, 2)[0]
    assert not torch.equal(first.images[0], second.images[0])


def test_what_is_not_shuffled_is_shared_by_batches(data: Dataset) -> None:
    whole = small.batches(data, "val", 6)
    parts = [list(dataclasses.replace(whole, share=Share(r, 3)).epoch(0)) for r in range(3)]
    assert [b.ids for part in parts for b in part] == [b.ids for b in whole.epoch(0)]
    assert [len(part) for part in parts] == [2, 2, 1]


@given(
    st.integers(2, 4), st.integers(0, 50), st.sampled_from([(0.4, 0.0), (0.0, 1.0), (0.5, 1.0), (0.0, 0.0)]),
    st.sampled_from([0.0, 0.7]),
)  # fmt: skip
def test_shares_are_blended_as_the_batch_is(
    size: int, seed: int, mix: tuple[float, float], erase: float
) -> None:
    draw = torch.Generator().manual_seed(seed)
    images, truths = torch.rand(9, 2, 8, 10, generator=draw), torch.randint(3, (9,), generator=draw)
    more = {"mixup": mix[0], "cutmix": mix[1], "erase": erase, "seed": (seed, 1, 2)}
    ids = [str(n) for n in range(9)]
    wanted = mixed(Batch(images, truths, ids), small.task(), **more)  # type: ignore[arg-type]
    parts = []
    for rank in range(size):
        seats = Share(rank, size, neighbour=any(mix)).seats(9)
        part = Batch(images[seats], truths[seats], [ids[s] for s in seats], whole=9, seats=tuple(seats))
        parts.append(mixed(part, small.task(), **more))  # type: ignore[arg-type]
    assert torch.equal(torch.cat([p.images for p in parts]), wanted.images)
    assert torch.equal(torch.cat([p.truths for p in parts]), wanted.truths)
    assert [id for p in parts for id in p.ids] == ids


def test_features_seen_once_are_shared_likewise() -> None:
    ids = [str(n) for n in range(20)]
    seen = Seen(torch.arange(20.0)[:, None], torch.arange(20), ids)
    for shuffle in (True, False):
        whole = Once((seen, seen), 6, seed=3, shuffle=shuffle)
        parts = [list(dataclasses.replace(whole, share=Share(r, 2)).epoch(1)) for r in range(2)]
        every = [p for row in zip(*parts, strict=True) for p in row] if shuffle else [*parts[0], *parts[1]]
        assert [id for p in every for id in p.ids] == [id for b in whole.epoch(1) for id in b.ids]


def test_meters_join(data: Dataset) -> None:
    """Two meters of a half each say what one of all says, whatever the order of their batches' sizes."""
    network, check = ranks.plain().eval(), small.batches(data, "val", 6)
    wanted = evaluate(network, small.task(), check, "val")
    meters = []
    for rank in range(2):
        meter = small.task().meter()
        for batch in dataclasses.replace(check, share=Share(rank, 2)).epoch(0):
            placed = check.to(batch, "cpu", False)
            with torch.no_grad():
                meter.add(small.task().step(network, placed), placed)
        meters.append(meter)
    assert _joined(meters).result("val") == wanted


@given(st.lists(st.integers(1, BUCKET // 2), max_size=12))
def test_buckets_hold_all_once(sizes: list[int]) -> None:
    tensors = [torch.empty(0).expand(0) if not n else torch.empty(1).expand(n) for n in sizes]
    found = list(buckets(tensors))
    assert [id(t) for bucket in found for t in bucket] == [id(t) for t in tensors]
    for bucket in found:
        assert sum(t.numel() * 4 for t in bucket[:-1]) < BUCKET


def test_a_launch_goes_on_with_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = TrainOptions(runs_dir=str(tmp_path))
    launch.note(options, tmp_path / "run-1")
    assert launch.begun(options) is None, "one process needs no note"
    assert not list(tmp_path.iterdir())
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "17")
    assert several()
    (tmp_path / "run-1").mkdir()
    launch.note(options, tmp_path / "run-1")
    assert launch.begun(options) is None, "killed before it was planned"
    assert not (tmp_path / "run-1").exists(), "so that --out can be made again"
    (tmp_path / "run-2").mkdir()
    (tmp_path / "run-2" / OPTIONS).write_text("{}")
    launch.note(options, tmp_path / "run-2")
    assert launch.begun(options) == tmp_path / "run-2"
    monkeypatch.setattr(sys, "argv", ["foveal", "train", "other"])
    assert launch.begun(options) is None, "another command"
    monkeypatch.undo()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "18")
    assert launch.begun(options) is None, "another launch"


def test_what_torchrun_hands_on_is_the_same_signal() -> None:
    interrupt = Interrupt(at_once=lambda: False, same=60.0)
    interrupt._handle(2, None)
    interrupt._handle(15, None)
    assert interrupt.asked
    impatient = Interrupt(at_once=lambda: False)
    impatient._handle(2, None)
    with pytest.raises(KeyboardInterrupt):
        impatient._handle(2, None)


def test_the_clusters_files_are_commands_that_parse(root: Path) -> None:
    """What docs/ tells Kubernetes and Slurm to call: torchrun's own parser takes it, and ours."""
    from torch.distributed.run import get_args_parser

    from foveal.terminal.app import build

    _, job = yaml.safe_load_all((root / "docs" / "kubernetes.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    script = (root / "docs" / "slurm.sbatch").read_text()
    called = (
        script.partition("torchrun \\\n")[2].partition("&\n")[0].replace("\\\n", " ").replace('"$@"', "DATA")
    )
    for words in (container["args"], shlex.split(called.replace("$", ""))):
        place = words.index("-m")
        numbers = {"--nnodes": "2"} if "--nnodes" in words else {}
        own = [numbers.get(before, word) for before, word in itertools.pairwise(["", *words[:place]])]
        asked = get_args_parser().parse_args([*own, "-m", "foveal"])
        assert asked.nproc_per_node == "4"
        assert words[place + 1] == "foveal"
        build().parse_args(words[place + 2 :], print_error=False, exit_on_error=False)
    if (bash := shutil.which("bash")) is not None:
        subprocess.run([bash, "-n", str(root / "docs" / "slurm.sbatch")], check=True)


TRAIN = (
    "train",
    "--network",
    "lenet5",
    "--epochs",
    "5",
    "--batch",
    "32",
    "--augment",
    "none",
    "--precision",
    "fp32",
)


def command(processes: int, root: Path, *more: str) -> subprocess.Popen[bytes]:
    """`foveal train` on the digits, by so many processes."""
    run = ["-m", "foveal", *TRAIN, *more]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "2"]
        run = [*launcher, "--nproc-per-node", str(processes), *run]
    env = {**os.environ, "PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *run], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def epochs(folder: Path) -> list[dict[str, float]]:
    return [
        {**e.metrics, "loss of training": e.train_loss}
        for e in Run(folder).events()
        if isinstance(e, events.Epoch)
    ]


@pytest.fixture(scope="module")
def by_one(tmp_path_factory: pytest.TempPathFactory, root: Path) -> list[dict[str, float]]:
    folder = tmp_path_factory.mktemp("one") / "run"
    assert command(1, root, "--out", str(folder)).wait(300) == 0
    return epochs(folder)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_torchrun_trains_as_one_process(
    processes: int, tmp_path: Path, root: Path, by_one: list[dict[str, float]]
) -> None:
    """A batch of 32 is no equal shares of three."""
    assert command(processes, root, "--out", str(tmp_path / "run")).wait(300) == 0
    assert close(epochs(tmp_path / "run"), by_one)


@pytest.mark.slow
def test_a_killed_process_is_started_again_and_the_run_goes_on(
    tmp_path: Path, root: Path, by_one: list[dict[str, float]]
) -> None:
    started = command(2, root, "--runs-dir", str(tmp_path), "--save-seconds", "0.5")
    folder = tmp_path / "digits-lenet5-1"
    try:
        for _ in range(1200):
            if folder.exists() and len(epochs(folder)) >= 2:
                break
            time.sleep(0.1)
        workers = psutil.Process(started.pid).children()
        (second,) = [one for one in workers if one.environ().get("RANK") == "1"]
        second.kill()
        assert started.wait(300) == 0
    finally:
        started.terminate()
        started.wait()
    assert len(Run(folder).attempts()) == 2
    assert close(epochs(folder), by_one)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name], "one run, and no note is left"
