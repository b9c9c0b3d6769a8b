"""The run folder, with a real model in it."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from foveal import catalog
from foveal.errors import DiskError, ModelError, RunError
from foveal.events import Epoch, Event, Saved, Started, Step, Stopped
from foveal.model import Card, Model
from foveal.records.run import RESULT, Run, is_run
from foveal.storage import write_json
from foveal.values import Choice, Dataset, Facts, Issue, Item, Preprocessing, Score

SRC = str(Path(__file__).parents[2] / "src")
SCORE = Score("accuracy", 0.5, 0.4, 0.6, True, "val")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "runs", "digits-resnet9")


def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": SRC, "OMP_NUM_THREADS": "1"},
    )


def epoch(number: int, value: float, **more: Any) -> Epoch:
    score = dataclasses.replace(SCORE, value=value)
    return Epoch(epoch=number, step=number * 10, headline=dataclasses.asdict(score), **more)


def tell(run: Run, *told: Event) -> None:
    for event in told:
        run.append(event)
    run.journal.close()


def a_model() -> Model:
    task = catalog.find("tasks", "classify").build(labels=("a", "b"))
    network = catalog.find("architectures", "resnet9").build("resnet9", outputs=2, channels=1, size=8)
    way = Preprocessing(8, 1, (0.5,), (0.25,))
    architecture = {"name": "resnet9", "outputs": 2, "channels": 1, "size": 8}
    return Model(network, task, way, Card(task=task.card(), architecture=architecture, preprocessing=way))


def a_dataset(count: int) -> Dataset:
    items = [
        Item(f"猫/{n:05}.jpg", f"猫/{n:05}.jpg", "猫" if n % 2 else ["a", "b"], "train", sha256=f"{n:064x}")
        for n in range(count)
    ]
    odd = Item("odd", "/else/where.idx", {"x": 1.5}, "test", frame=3)
    return Dataset(
        root="/data/flowers",
        task="classify",
        reader="folder",
        why="a folder of class folders",
        labels=("猫", "a", "b"),
        items=(*items, odd),
        issues=(Issue("truncated", "warning", "one is cut short", ("x", "\udc80")),),
        facts=Facts(320, 240, 20, 4000, False, 123),
        fingerprint="ab" * 32,
    )


# --- making and finding ---


def test_create_names_and_numbers(tmp_path: Path) -> None:
    names = [Run.create(tmp_path, stem).name for stem in ("a-timm/x", "a-timm/x", "../b", "nul")]
    assert names == ["a-timm-x-1", "a-timm-x-2", "b-1", "_nul-1"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    assert all(is_run(p) for p in tmp_path.iterdir())


def test_out_is_taken_exactly_and_must_be_new(tmp_path: Path) -> None:
    assert Run.create("elsewhere", "stem", out=tmp_path / "my run").folder == tmp_path / "my run"
    with pytest.raises(RunError, match="exists already"):
        Run.create("elsewhere", "stem", out=tmp_path / "my run")
    assert not Path("elsewhere").exists()


@pytest.mark.parametrize("out", ["a\0b", "x" * 5000])
def test_an_impossible_name_is_a_run_error(tmp_path: Path, out: str) -> None:
    with pytest.raises(RunError, match="No folder can be made"):
        Run.create(tmp_path, "stem", out=tmp_path / out)


def test_a_file_in_the_way_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(DiskError, match="in the way"):
        Run.create(tmp_path / "runs", "stem")


def test_open_finds_or_names_the_nearest(run: Run) -> None:
    home = run.folder.parent
    assert Run.open(str(run.folder)).folder == run.folder
    with pytest.raises(RunError, match=r"Did you mean .*digits-resnet9-1"):
        Run.open(home / "digit-resnet9-1")
    with pytest.raises(RunError, match=r"Did you mean .*runs.digits-resnet9-1"):
        Run.open(home.parent / "digits-resnet9-1")
    with pytest.raises(RunError, match="See the runs with"):
        Run.open(home / "nothing like it")
    with pytest.raises(RunError, match="holds no run"):
        Run.open(home)
    with pytest.raises(RunError, match="Give the run's folder"):
        Run.open(run.folder / "events.jsonl")
    (home / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        Run.open(home / "file")


# --- what is kept ---


def test_options_and_choices_come_back(run: Run) -> None:
    options = {"train": {"lr": 1 / 3, "stages": ("head", "all"), "path": Path("x")}, "猫": None}
    choices = [Choice("lr", 0.1, "a rule", True), Choice("size", 32, "given", False)]
    run.write_options(options, choices)
    assert run.options == {"train": {"lr": 1 / 3, "stages": ["head", "all"], "path": "x"}, "猫": None}
    assert run.choices == choices


@pytest.mark.parametrize("content", ["", "[]", '{"options": 3}', '{"options": {}, "choices": [{"a": 1}]}'])
def test_damaged_options_are_a_run_error(run: Run, content: str) -> None:
    (run.folder / "options.json").write_text(content)
    with pytest.raises(RunError, match=r"options\.json is damaged"):
        run.options, run.choices


def test_the_data_set_comes_back(run: Run) -> None:
    for dataset in (a_dataset(3), dataclasses.replace(a_dataset(0), items=(), facts=None, issues=())):
        run.write_dataset(dataset)
        assert run.dataset == dataset
        assert run.data_root == "/data/flowers"


def test_fifty_thousand_items_are_small_and_quick(run: Run) -> None:
    dataset, began = a_dataset(50_000), time.perf_counter()
    run.write_dataset(dataset)
    back = run.dataset
    assert time.perf_counter() - began < 15
    assert back == dataset
    path = run.folder / "data.json"
    assert path.stat().st_size / 50_000 < 160  # of which 64 are the hash, and 2 x 23 the escaped names
    assert len(path.read_bytes().splitlines()) == 50_003
    assert json.loads(path.read_text())["format"] == 1


@pytest.mark.parametrize(
    "change", [("fields", ["id"]), ("items", [[1]]), ("items", None), ("labels", None), ("surprise", 1)]
)
def test_a_damaged_data_set_is_a_run_error(run: Run, change: tuple[str, Any]) -> None:
    run.write_dataset(a_dataset(2))
    data = json.loads((run.folder / "data.json").read_text())
    (run.folder / "data.json").write_text(json.dumps({**data, change[0]: change[1]}))
    with pytest.raises(RunError, match=r"data\.json is damaged"):
        run.dataset
    (run.folder / "data.json").write_text("nonsense")
    with pytest.raises(RunError, match=r"data\.json is damaged"):
        run.data_root


def test_the_machine_and_its_earlier_attempts(run: Run) -> None:
    run.write_machine(device="cpu", seed=3, command=["foveal", "train"], attempt=1)
    run.write_machine(device="cpu", seed=3, attempt=2)
    (run.folder / "machine.json").write_text((run.folder / "machine.json").read_text())
    run.write_machine(device="cpu", seed=3, attempt=3)
    machine = run.machine
    assert machine["attempt"] == 3
    assert [m["attempt"] for m in machine["earlier"]] == [1, 2]
    assert machine["earlier"][0]["command"] == ["foveal", "train"]
    assert machine["versions"]["python"] == sys.version.split()[0]
    assert machine["torch_build"] == torch.__version__
    assert machine["threads"] == torch.get_num_threads()
    assert machine["processor"]
    (run.folder / "machine.json").write_text("{")
    run.write_machine(device="cpu", seed=3)
    assert run.machine["earlier"] == []


# --- what happened ---


def test_attempts_and_the_events_that_count(run: Run) -> None:
    assert run.attempts() == []
    tell(run, Started(), Step(step=1), Step(step=2, loss=9.0))
    tell(run, Started(attempt=2, step=1), Step(attempt=2, step=2, loss=1.0))
    assert [start.step for start in run.attempts()] == [0, 1]
    assert len(run.history()) == 5
    assert [(e.step, e.loss) for e in run.events() if isinstance(e, Step)] == [(1, 0.0), (2, 1.0)]


def test_status_from_birth_to_result(run: Run) -> None:
    assert run.status == "created"
    with run.lock():
        assert run.status == "running"
        run.append(Started())
    assert run.status == "died"
    tell(run, Stopped(why="interrupted"))
    assert run.status == "interrupted"
    with run.lock():
        assert run.status == "running"
        run.append(Started(attempt=2))
        run.append(Stopped(why="finished"))
    assert run.status == "died"  # before the test split was judged
    write_json(run.folder / RESULT, {"headline": dataclasses.asdict(SCORE)})
    assert run.status == "finished"
    tell(run, Started(attempt=3), Stopped(why="diverged"))
    assert run.status == "diverged"


def test_the_headline_is_the_results_or_else_the_best_epochs(run: Run) -> None:
    assert run.headline is None
    tell(run, Started(), epoch(1, 0.5), epoch(2, 0.75), epoch(3, 0.6), Step(step=31))
    assert run.headline == dataclasses.replace(SCORE, value=0.75)
    tell(run, epoch(4, math.nan))
    assert run.headline == dataclasses.replace(SCORE, value=0.75)
    tested = Score("accuracy", 0.7, 0.6, 0.8, True, "test")
    result = {"headline": dataclasses.asdict(tested), "seconds": 1.5}
    write_json(run.folder / RESULT, result)
    assert run.headline == tested
    assert run.result == result


def test_a_damaged_result_is_a_run_error(run: Run) -> None:
    assert run.result is None
    write_json(run.folder / RESULT, {"headline": {"name": "accuracy"}})
    with pytest.raises(RunError, match="is damaged"):
        run.headline
    (run.folder / "result.json").write_text("{")
    with pytest.raises(RunError, match=r"result\.json is damaged"):
        run.result


# --- what was learned ---


def test_models_best_and_last(run: Run) -> None:
    with pytest.raises(ModelError, match="has saved no model yet"):
        run.model()
    with pytest.raises(ModelError):
        run.model("last")
    best, last = a_model(), a_model()
    run.save_model(best, "best")
    run.save_model(last, "last")
    for which, truth in (("best", best), ("last", last)):
        back = run.model(which)  # type: ignore[arg-type]
        assert torch.equal(back.network.get_submodule("fc").weight, truth.network.get_submodule("fc").weight)  # type: ignore[arg-type]
    assert Model.load(run.folder).card == best.card


def test_the_state_comes_back_after_its_events(run: Run) -> None:
    with pytest.raises(RunError, match="holds no state"):
        run.load_state()
    for n in (1, 2):
        run.append(Step(step=n))
        run.save_state({"n": n, "random": torch.get_rng_state()})
    run.journal.close()
    state, notice = run.load_state()
    assert state["n"] == 2
    assert notice is None
    (run.folder / "resume.pt").write_bytes(b"")
    state, notice = run.load_state()
    assert state["n"] == 1
    assert notice is not None


def test_pictures_have_a_folder(run: Run) -> None:
    assert run.pictures == run.pictures == run.folder / "pictures"
    assert run.pictures.is_dir()


# --- two processes, and kills ---

TRAINING = """
    import sys
    import torch
    from foveal.events import Saved, Started, Step
    from foveal.records.run import Run
    run = Run.open(sys.argv[1])
    with run.lock():
        state = run.load_state()[0] if run.attempts() else {"step": 0}
        attempt, step = len(run.attempts()) + 1, state["step"]
        run.append(Started(attempt=attempt, step=step))
        while True:
            for _ in range(3):
                step += 1
                run.append(Step(attempt=attempt, step=step, loss=float(step)))
            run.save_state({"step": step, "weights": torch.full((200_000,), step)})
            run.append(Saved(attempt=attempt, step=step, file="resume.pt"))
            print(step, flush=True)
"""


def test_a_killed_run_goes_on_and_counts_every_step_once(run: Run) -> None:
    for kill in range(1, 3):
        process = start(TRAINING, str(run.folder))
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(RunError, match=f"in use by process {process.pid} "), run.lock():
            pass
        assert run.status == "running"
        process.kill()
        process.communicate()
        assert run.status == "died"
        assert len(run.attempts()) == kill
        state, _ = run.load_state()
        assert (state["weights"] == state["step"]).all()
        steps = [e.step for e in run.events() if isinstance(e, Step)]
        assert steps == list(range(1, len(steps) + 1))
        assert len(steps) >= state["step"]
    assert any(isinstance(e, Saved) for e in run.events())


def test_listing_and_reading_a_run_loads_no_torch(run: Run) -> None:
    tell(run, Started(), epoch(1, 0.5))
    code = """
        import sys
        from foveal.verbs.runs import runs
        print(runs(sys.argv[1]).to_json()[0]["status"], "torch" in sys.modules)
    """
    assert start(code, str(run.folder.parent)).communicate()[0].split() == [b"died", b"False"]
