"""Trials on a Ray cluster: what each has of it, who is fit, what is refused; and two real nodes, one of them lost."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.card import versions
from foveal.errors import OptionError, RunError
from foveal.events import Started
from foveal.options import TuneOptions, make
from foveal.records.run import Run
from foveal.records.study import Study
from foveal.tuners.cluster import Hand
from foveal.tuners.cluster_join import joined
from foveal.tuners.cluster_nodes import MARK, Share, Wants, faults, only, seen
from foveal.tuners.orders import Died, News, Order
from foveal.tuners.tuner import DEATHS, LOSSES
from foveal.values import Dataset, Item
from pictures import class_folder
from studies import Acted, study, tuned

TOKEN = "0123456789abcdef0123456789abcdef"
SMALL = "layers: [conv 16 3x3, bn, relu, maxpool 2, conv 32 3x3, bn, relu, gap, linear]\n"
PLAN = {
    "--trials": "3", "--epochs": "40", "--size": "8", "--batch": "128", "--augment": "none", "--stop": "none",
    "--search": "random", "--over": "lr=log(1e-3,0.3)", "--threads": "1", "--save-seconds": "0.3",
    "--precision": "fp32",
}  # fmt: skip
FLAGS = ("--no-pretrained", "--no-verdict", "--no-probe", "--no-warm-start", "--json")


def node(cpus: int, gpus: int = 0, alive: bool = True) -> dict[str, Any]:
    """As `ray.nodes()` tells of one."""
    return {"Alive": alive, "NodeID": f"n{cpus}", "Resources": {"CPU": float(cpus), "GPU": float(gpus)}}


MANY = st.lists(st.tuples(st.integers(0, 64), st.integers(0, 8), st.booleans()), min_size=1, max_size=8)


@given(MANY, st.one_of(st.none(), st.integers(1, 80)), st.one_of(st.none(), st.integers(1, 40)))
def test_trials_never_have_more_than_the_nodes(
    rows: list[tuple[int, int, bool]], threads: int | None, jobs: int | None
) -> None:
    nodes = [node(*row) for row in rows]
    try:
        share = Share.of(nodes, threads, None, jobs)
    except OptionError:
        usable = [(cpus, gpus) for cpus, gpus, alive in rows if alive and cpus]
        usable = [one for one in usable if one[1]] or usable
        largest = max((cpus for cpus, _ in usable), default=0)
        assert largest < (threads or 1)
        return
    for one in nodes:
        held = share.held_by(one)
        assert held * share.cpus <= one["Resources"]["CPU"] * one["Alive"]
        assert held * share.gpus <= one["Resources"]["GPU"]
    assert share.room(nodes) >= 1
    assert threads in (None, share.cpus)
    cores = sum(cpus for cpus, gpus, alive in rows if alive)
    if jobs is not None and threads is None and not share.gpus and jobs <= cores:
        assert share.room(nodes) >= min(jobs, sum(1 for cpus, _, alive in rows if alive and cpus))


def test_a_trial_has_a_gpu_where_there_are_some() -> None:
    nodes = [node(16), node(32, 4), node(24, 4), node(8, 8, alive=False)]
    assert Share.of(nodes, None, None, None) == Share(6, 1)
    assert Share(6, 1).room(nodes) == 5 + 4 - 1
    assert Share.of(nodes, None, "cpu", None) == Share(16, 0)
    assert Share.of([node(4), node(8)], None, None, None) == Share(4, 0)
    assert Share.of([node(4), node(8)], None, None, 6) == Share(2, 0)


@pytest.mark.parametrize(
    ("nodes", "threads", "device", "says"),
    [
        ([node(4), node(8)], 16, None, "the largest has 8 CPUs"),
        ([node(4)], None, "cuda", "--device cuda was given"),
        ([node(4, 1)], None, "cuda:1", "--device cuda:1 was given"),
        ([node(4, alive=False)], None, None, "the largest has 0 CPUs"),
    ],
)
def test_what_no_node_has_is_refused(nodes: Any, threads: Any, device: Any, says: str) -> None:
    with pytest.raises(OptionError, match=says) as met:
        Share.of(nodes, threads, device, None)
    assert all(met.value.args)


@pytest.fixture
def wants(tmp_path: Path) -> Wants:
    home = tmp_path / "study"
    home.mkdir()
    items = []
    for number in range(50):
        (tmp_path / f"{number}.png").write_bytes(b"x" * (number + 1))
        items.append(Item(str(number), f"{number}.png", "a"))
    return Wants.of(home, Dataset(str(tmp_path), "classify", "folder", "", ("a",), tuple(items)))


def test_a_node_that_has_all_is_fit(wants: Wants) -> None:
    assert len(wants.pictures) == 20
    assert faults(json.loads(json.dumps(seen(dataclasses.asdict(wants)))), wants) == []


def test_what_a_node_lacks_is_told(wants: Wants) -> None:
    other = dataclasses.asdict(wants)
    Path(wants.folder, MARK).write_text("of another study")
    Path(wants.pictures[3][0]).write_bytes(b"")
    Path(wants.pictures[7][0]).unlink()
    found = seen(other)
    found["versions"] = {**versions(), "torch": "2.9.1+cu128", "python": "3.10.4"}
    told = faults(found, wants)
    mine = versions()
    assert told == [
        f"it has python 3.10.4, and this machine {mine['python']}",
        f"it has torch 2.9.1+cu128, and this machine {mine['torch']}",
    ]
    assert not found["folder"]
    assert found["missing"] == [wants.pictures[3][0], wants.pictures[7][0]]
    assert faults({**seen(other), "code": "another"}, wants)[0].endswith("other code than this machine's")
    assert (
        "No module named 'foveal'"
        in faults({"error": "ModuleNotFoundError: No module named 'foveal'"}, wants)[0]
    )


def test_builds_of_one_version_are_the_same(wants: Wants) -> None:
    Path(wants.folder, MARK).write_text(wants.mark)
    found = seen(dataclasses.asdict(wants))
    mine = versions()
    major, minor, *_ = mine["python"].split(".")
    found["versions"] = {
        **mine,
        "torch": mine["torch"].partition("+")[0] + "+cu999",
        "python": f"{major}.{minor}.99",
    }
    assert faults(found, wants) == []


def test_no_cluster_is_no_cluster() -> None:
    for address in (None, "none"):
        with joined(address) as ray:
            assert ray is None


def test_an_address_where_nobody_is_is_refused_at_once() -> None:
    with (
        pytest.raises(RunError, match="Nothing answers at ray") as met,
        joined("ray://127.0.0.1:1"),
    ):
        pass
    assert "--cluster none" in met.value.todo


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(RunError, match="Ray is not installed") as met, joined("ray"):
        pass
    assert met.value.todo == "pip install 'foveal[cluster]'"


@pytest.mark.parametrize("said", ["dask", "ray://", "ray://head", "ray://head:port", "head:6379", "ray:/x:1"])
def test_what_is_no_cluster_is_refused(said: str) -> None:
    with pytest.raises(OptionError, match="--cluster was given as"):
        make(TuneOptions, {"cluster": said})


def test_nodes_are_named_to_ray_by_their_labels() -> None:
    assert only(["a1"]) == {"ray.io/node-id": "a1"}
    assert only(["a1", "b2"]) == {"ray.io/node-id": "in(a1,b2)"}


def test_an_answer_that_got_lost_is_given_again(tmp_path: Path) -> None:
    hand = Hand.__new__(Hand)  # without Ray
    hand.node, hand.turn, hand.told, hand.place, hand.mirror = "n", 0, [], Acted(), None  # type: ignore[assignment]
    orders = [Order(n, {"out": str(tmp_path / str(n)), "lr": 0.05}).to_json() for n in (0, 1)]
    first = hand.carry(1, orders[0], 0, 0.0, {}, ())
    assert hand.carry(1, orders[0], 0, 0.0, {}, ()) == first
    assert len(hand.place.orders) == 1  # type: ignore[attr-defined]
    assert hand.carry(1, orders[0], len(first[1]), 0.0, {}, ()) == ("n", [], None)
    second = hand.carry(2, orders[1], 0, 0.0, {}, ())
    assert [one.number for one in (*first[1], *second[1])] == [0, 1]


class Losing(Acted):
    """The node of every trial that dies is lost with it."""

    def news(self, seconds: float) -> list[News]:
        found = super().news(seconds)
        return [dataclasses.replace(one, lost=True) if isinstance(one, Died) else one for one in found]


def test_a_trial_is_not_to_blame_for_its_node(tmp_path: Path) -> None:
    left = [DEATHS + 1]

    def dies(number: int, epoch: int) -> bool:
        left[0] -= number == 1 and epoch == 5
        return number == 1 and epoch == 5 and left[0] >= 0

    done = tuned(study(tmp_path / "s", stop="none"), Losing(dies=dies))
    assert {trial.state for trial in done.trials} == {"finished"}
    asked = json.loads((tmp_path / "s" / "trials" / "001.json").read_text())
    assert asked["losses"] == [4] * (DEATHS + 1)
    assert "deaths" not in asked


def test_a_trial_that_takes_every_node_with_it_is_given_up(tmp_path: Path) -> None:
    done = tuned(
        study(tmp_path / "s", stop="none"), Losing(dies=lambda number, epoch: number == 1 and epoch == 5)
    )
    lost = next(trial for trial in done.trials if trial.number == 1)
    assert (lost.state, lost.epochs) == ("failed", 4)
    assert f"died {LOSSES} times at epoch 4" in lost.says


# --- two nodes ---


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A cluster of two nodes of one CPU each on this machine, with a token."""
    for name, value in {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    utils = pytest.importorskip("ray.cluster_utils")
    whole = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        monkeypatch.setenv("RAY_ADDRESS", whole.address)
        yield whole
    finally:
        whole.shutdown()


@contextmanager
def blind(address: str, hidden: Sequence[Path], home: Path) -> Iterator[int]:
    """The process of a node that sees an empty folder where each of these is."""
    mounts = " && ".join(f"mount -t tmpfs none {shlex.quote(str(folder))}" for folder in hidden)
    ray = (
        f"{shlex.quote(sys.executable)} -m ray.scripts.scripts start --address {address} --num-cpus 1 --block"
    )
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", f"{mounts} && cd / && exec {ray}"],
        env={**os.environ, "FOVEAL_DATA_HOME": str(home), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process.pid
        finally:
            for pid in (*below(process.pid), process.pid):
                kill(pid)


def kill(pid: int) -> None:
    """As when the power is gone: nobody saves anything any more."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def below(root: int) -> set[int]:
    """All processes that come of one."""
    import psutil

    try:
        return {child.pid for child in psutil.Process(root).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def raylet(of: Any) -> int:
    return next(found[0].process.pid for name, found in of.all_processes.items() if name == "raylet")


def trained_on(folder: Path, root: int, epochs: int) -> int | None:
    """The trial that is trained by a process below this one, once it has come so far and its state is saved."""
    there = below(root)
    mirrors = Path(tempfile.gettempdir()).glob("foveal-study-*/study")
    for owner in (one for home in (folder, *mirrors) for one in home.glob("trials/[0-9]*/.owner.json")):
        run = Run(folder / "trials" / owner.parent.name)
        try:
            pid = json.loads(owner.read_text())["pid"]
        except (OSError, ValueError):
            continue
        counted = sum(1 for line in run.history() if type(line).__name__ == "Epoch")
        if pid in there and counted >= epochs and (run.folder / "resume.pt").exists():
            return int(run.folder.name)
    return None


def command(folder: Path, data: str, *more: str) -> list[str]:
    network = folder.with_suffix(".yaml")
    network.write_text(SMALL)
    flat = [word for pair in PLAN.items() for word in pair]
    return [
        *(sys.executable, "-m", "foveal", "tune", data, *flat, *FLAGS),
        *("--network", str(network), "--out", str(folder), *more),
    ]


def weights(study: Study) -> list[dict[str, bytes]]:
    """The tensors of every trial's last model."""
    from safetensors.numpy import load_file

    files = [load_file(trial.run / "last.safetensors") for trial in study.trials]
    return [{name: tensor.tobytes() for name, tensor in file.items()} for file in files]


def lost(folder: Path, root: int, data: str, *more: str) -> tuple[str, str, int]:
    """Tune, and lose the node below a process in the middle of a trial. Returns what was printed, and the trial."""
    with subprocess.Popen(
        command(folder, data, "--cluster", "ray", *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        until, number = time.monotonic() + 240, None
        while number is None and time.monotonic() < until and running.poll() is None:
            time.sleep(0.05)
            number = trained_on(folder, root, 5) if folder.exists() else None
        assert number is not None, (
            running.communicate()[1][-3000:] if running.poll() is not None else "too late"
        )
        for pid in (*below(root), root):
            kill(pid)
        out, said = running.communicate(timeout=400)
    assert running.returncode == 0, said[-3000:]
    return out, said, number


def as_if_nothing_had_been(folder: Path, out: str, number: int, data: str) -> None:
    """The study has all trials, one of them in two parts, and the weights of one that nobody disturbed."""
    assert [trial["state"] for trial in json.loads(out)["trials"]] == ["finished"] * 3
    asked = json.loads((folder / "trials" / f"{number:03d}.json").read_text())
    assert len(asked["losses"]) == 1
    assert "deaths" not in asked
    starts = [one for one in Run(folder / "trials" / f"{number:03d}").history() if isinstance(one, Started)]
    assert len(starts) == 2
    assert starts[1].step > 0  # from its saved state, not from nothing
    assert not (folder / MARK).exists()

    whole = folder.with_name("whole")
    done = subprocess.run(command(whole, data), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    have, want = Study.read(folder), Study.read(whole)
    assert [t.options for t in have.trials] == [t.options for t in want.trials]
    assert [t.curve for t in have.trials] == [t.curve for t in want.trials]
    assert weights(have) == weights(want)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(sys.platform != "linux", reason="Ray's clusters on one machine are tried on Linux only")
def test_a_lost_node_loses_no_trial(cluster: Any, tmp_path: Path) -> None:
    folder = tmp_path / "lost"
    root = raylet(cluster.add_node(num_cpus=1))
    out, _, number = lost(folder, root, "digits")
    as_if_nothing_had_been(folder, out, number, "digits")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(
    sys.platform != "linux"
    or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode != 0,
    reason="hiding a folder from a process takes Linux, and its administrator",
)
def test_nodes_need_not_see_the_folders(cluster: Any, tmp_path: Path) -> None:
    pictures, runs = class_folder(tmp_path / "pictures", each=80, size=16), tmp_path / "runs"
    runs.mkdir()
    with blind(cluster.address, (pictures, runs), tmp_path / "node") as root:
        out, said, number = lost(runs / "lost", root, str(pictures))
    assert "the pictures are sent there" in said
    assert sum(1 for file in (tmp_path / "node" / "sent").rglob("*.png")) == 240
    as_if_nothing_had_been(runs / "lost", out, number, str(pictures))
    for trial in Study.read(runs / "lost").trials:
        assert "foveal-study-" not in (trial.run / "options.json").read_text()
        assert Run(trial.run).dataset.root == str(pictures)
