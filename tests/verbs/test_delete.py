"""What `foveal runs delete` removes, and what it never does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import foveal
from foveal.errors import FovealError, RunError
from foveal.folders import LEAVING, discard
from foveal.records.run import FOLDS, Run
from foveal.storage import write_json
from foveal.verbs.delete import deletable


def a_run(home: Path, name: str, size: int = 1000) -> Run:
    run = Run.create(home, "", home / name)
    run.write_options({"train": {}}, [])
    (run.folder / "best.safetensors").write_bytes(bytes(size))
    (run.folder / "pictures").mkdir()
    (run.folder / "pictures" / "1.webp").write_bytes(b"x")
    return run


def test_exactly_the_runs_that_were_named(tmp_path: Path) -> None:
    home = tmp_path / "runs"
    for name in ("a-1", "a-2", "a-3"):
        a_run(home, name)
    (home / "notes.txt").touch()
    would = deletable("a-1", home / "a-2", home / "a-1", runs_dir=home)
    assert [Path(row.path).name for row in would] == ["a-1", "a-2"], "each once"
    assert would.bytes > 2000
    assert len(list(home.iterdir())) == 4, "asking removes nothing"
    went = foveal.delete("a-1", home / "a-2", runs_dir=home)
    assert went.done
    assert went.rows == would.rows
    assert {p.name for p in home.iterdir()} == {"a-3", "notes.txt"}
    assert went.to_json()["removed"][0]["bytes"] == went.rows[0].bytes
    assert went.to_json()["would_remove"] == []
    assert "a-1" in went._repr_html_()


def test_folds_go_together_or_one_by_one(tmp_path: Path) -> None:
    write_json(tmp_path / "set" / FOLDS, {})
    for name in ("fold-1", "fold-2"):
        a_run(tmp_path / "set", name)
    assert len(deletable(tmp_path / "set", tmp_path / "set" / "fold-1")) == 1
    foveal.delete("set/fold-1", runs_dir=tmp_path)
    assert (tmp_path / "set" / "fold-2").exists()
    with Run(tmp_path / "set" / "fold-2").lock(), pytest.raises(RunError, match="being trained"):
        foveal.delete("set", runs_dir=tmp_path)
    foveal.delete("set", runs_dir=tmp_path)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("what", ["file", "folder", "nothing", "file of a run", "runs"])
def test_what_is_no_run_stays_and_so_do_the_others(tmp_path: Path, what: str) -> None:
    a_run(tmp_path, "a-1")
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "precious.jpg").touch()
    path = {"file of a run": "a-1/best.safetensors", "runs": "."}.get(what, what)
    with pytest.raises(FovealError):
        foveal.delete("a-1", tmp_path / path, runs_dir=tmp_path)
    assert (tmp_path / "a-1" / "best.safetensors").exists()
    assert (tmp_path / "folder" / "precious.jpg").exists()
    with pytest.raises(FovealError, match="No run was named"):
        foveal.delete()


def test_a_run_that_is_being_trained_stays(tmp_path: Path) -> None:
    busy = a_run(tmp_path, "busy-1")
    a_run(tmp_path, "a-1")
    with busy.lock():
        with pytest.raises(RunError) as caught:
            foveal.delete("a-1", "busy-1", runs_dir=tmp_path)
    assert "busy-1 is being trained" in caught.value.came
    assert (tmp_path / "a-1").exists()
    foveal.delete("a-1", "busy-1", runs_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_one_stands_in_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path, "a-1")
    monkeypatch.chdir(run.folder / "pictures")
    with pytest.raises(RunError, match="the folder you are in"):
        foveal.delete(run.folder)
    assert run.folder.exists()


def link(place: Path, target: Path) -> None:
    try:
        place.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("links cannot be made here")


def test_links_are_not_followed(tmp_path: Path) -> None:
    run = a_run(tmp_path / "runs", "a-1")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.jpg").write_bytes(b"precious")
    link(run.folder / "out", outside)
    link(run.folder / "one.jpg", outside / "precious.jpg")
    link(tmp_path / "runs" / "b-1", run.folder)
    with pytest.raises(RunError, match="is a link to"):
        foveal.delete("b-1", runs_dir=tmp_path / "runs")
    assert (run.folder / "best.safetensors").exists()
    foveal.delete("a-1", runs_dir=tmp_path / "runs")
    assert not run.folder.exists()
    assert (outside / "precious.jpg").read_bytes() == b"precious"


def test_files_that_may_only_be_read_go_too(tmp_path: Path) -> None:
    run = a_run(tmp_path, "a-1")
    (run.folder / "best.safetensors").chmod(0o400)
    (run.folder / "pictures").chmod(0o500)
    foveal.delete(run.folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="this user may do everything")
def test_without_permission_nothing_is_half_gone(tmp_path: Path) -> None:
    run = a_run(tmp_path / "runs", "a-1")
    (tmp_path / "runs").chmod(0o500)
    try:
        with pytest.raises(FovealError, match="No permission"):
            foveal.delete(run.folder)
        assert (run.folder / "best.safetensors").exists()
    finally:
        (tmp_path / "runs").chmod(0o700)


def test_what_is_half_gone_is_no_run_and_can_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path, "a-1")

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("foveal.folders.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            discard(run.folder)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(LEAVING)
    assert len(foveal.runs(tmp_path)) == 0
    foveal.clean(tmp_path, data_home=str(tmp_path / "home"))
    assert not left.exists()
