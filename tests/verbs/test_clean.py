"""What can go without losing a result."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import foveal
from foveal.data.looks import Known
from foveal.errors import RunError
from foveal.events import Started
from foveal.records.run import FOLDS, RESULT, Run
from foveal.storage import write_json
from foveal.values import Item
from pictures import shape

OLD = time.time() - 3600


def a_run(home: Path, name: str, finished: bool) -> Run:
    run = Run.create(home, "", home / name)
    run.write_options({"train": {}}, [])
    run.append(Started(at=1.0))
    run.journal.close()
    for file in ("resume.pt", "resume.previous.pt", "best.safetensors", "last.safetensors"):
        (run.folder / file).write_bytes(b"x" * 100)
    if finished:
        write_json(run.folder / RESULT, {})
    return run


def old(path: Path) -> Path:
    path.touch()
    os.utime(path, (OLD, OLD))
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def names(path: Path) -> set[str]:
    return {p.name for p in path.iterdir() if p.name != ".lock"}


def test_states_of_finished_runs_only(tmp_path: Path, home: Path) -> None:
    runs = tmp_path / "runs"
    done, stopped, busy = (a_run(runs, n, n != "stopped") for n in ("done", "stopped", "busy"))
    write_json(runs / "set" / FOLDS, {})
    fold = a_run(runs / "set", "fold-1", True)
    before = {run: names(run.folder) for run in (done, stopped, busy)}
    with busy.lock():
        would = foveal.clean(runs, data_home=str(home), dry_run=True)
        assert not would.done
        assert {Path(row.path).relative_to(runs).as_posix() for row in would} == {
            f"{folder}/{file}"
            for folder in ("done", "set/fold-1")
            for file in ("resume.pt", "resume.previous.pt")
        }
        assert would.bytes == 400
        assert names(done.folder) == before[done]
        went = foveal.clean(runs, data_home=str(home))
    assert went.done
    assert went.rows == would.rows
    assert names(done.folder) == before[done] - {"resume.pt", "resume.previous.pt"}
    assert names(stopped.folder) == before[stopped], "it can still be resumed"
    assert names(busy.folder) == before[busy]
    assert (fold.folder / "best.safetensors").exists()
    assert len(foveal.clean(runs, data_home=str(home))) == 2, "nobody works in it now"
    assert len(foveal.clean(runs, data_home=str(home))) == 0


def test_runs_that_never_began_and_nothing_that_is_somebodys(tmp_path: Path, home: Path) -> None:
    runs = tmp_path / "runs"
    never, young, used, planned = (
        Run.create(runs, "", runs / n) for n in ("never", "young", "used", "planned")
    )
    for run in (never, used, planned):
        old(run.folder / "events.jsonl")
    (used.folder / "notes.txt").touch()
    planned.write_options({"train": {}}, [])
    (went,) = foveal.clean(runs, data_home=str(home))
    assert went.path == str(never.folder)
    assert names(runs) == {"young", "used", "planned"}
    assert young.folder.exists()


def test_what_killed_processes_left(tmp_path: Path, home: Path) -> None:
    run = a_run(tmp_path / "runs", "a", False)
    (home / "looks").mkdir()
    (home / "digits").mkdir()
    left = [old(folder / ".foveal-1-2.tmp") for folder in (run.folder, home, home / "looks", home / "digits")]
    (run.folder / ".foveal-3-4.tmp").touch()
    (home / "digits" / "images.npy").touch()
    assert {row.path for row in foveal.clean(tmp_path / "runs", data_home=str(home))} == set(map(str, left))
    assert (run.folder / ".foveal-3-4.tmp").exists(), "a young one may be in use"
    assert (home / "digits" / "images.npy").exists()


def test_looks_that_nothing_reads_any_more(tmp_path: Path, home: Path) -> None:
    shape(0).save(tmp_path / "1.png")
    item = Item("1", "1.png", "a")
    known = Known(str(tmp_path), str(home))
    known.look(item)
    known.save([item])
    (current,) = (home / "looks").iterdir()
    other = home / "looks" / "other.json"
    other.write_text("foveal looks 0, decoder 1, Pillow 1.0\nabc\n[]")
    unused = home / "looks" / "unused.json"
    unused.write_bytes(current.read_bytes())
    os.utime(unused, (1e9, 1e9))
    went = foveal.clean(tmp_path / "runs", data_home=str(home))
    assert {Path(row.path).name for row in went} == {"other.json", "unused.json"}
    assert current.exists()
    assert Known(str(tmp_path), str(home)).entries, "it is still read"


def test_where_there_is_nothing(tmp_path: Path, home: Path) -> None:
    assert len(foveal.clean(tmp_path / "none", data_home=str(tmp_path / "nowhere"))) == 0
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be listed"):
        foveal.clean(tmp_path / "file", data_home=str(home))
