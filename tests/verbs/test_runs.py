"""What `foveal runs` lists."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import foveal
from foveal.errors import RunError
from foveal.events import Epoch, Started, Stopped
from foveal.records.run import RESULT, Run
from foveal.storage import write_json
from foveal.values import Dataset, Item, Score
from foveal.verbs.runs import runs

SCORE = Score("accuracy", 0.5, 0.4, 0.6, True, "val")


def a_run(home: Path, stem: str, at: float) -> Run:
    run = Run.create(home, stem)
    run.write_options({"train": {"network": None}, "architecture": {"name": "resnet9"}}, [])
    run.write_dataset(Dataset("/data/flowers", "classify", "folder", "", ("a",), (Item("1", "1.png", "a"),)))
    run.append(Started(at=at))
    for n in (1, 2):
        run.append(Epoch(epoch=n, step=n, at=at + n, headline=dataclasses.asdict(SCORE), seconds=30.0 * n))
    run.journal.close()
    return run


def test_the_verb_is_a_public_name() -> None:
    assert foveal.runs is runs


def test_newest_first_with_all_that_matters(tmp_path: Path) -> None:
    old, new = a_run(tmp_path, "b", 1e9), a_run(tmp_path, "a", 2e9)
    new.append(Stopped(why="finished"))
    new.journal.close()
    tested = dataclasses.replace(SCORE, split="test", value=0.75)
    write_json(new.folder / RESULT, {"headline": dataclasses.asdict(tested)})
    listed = runs(tmp_path)
    assert [row.name for row in listed] == ["a-1", "b-1"]
    first, second = listed
    assert first == dataclasses.replace(
        second, name="a-1", path=str(new.folder), status="finished", headline=tested,
        started="2033-05-18T03:33:20Z", bytes=first.bytes,
    )  # fmt: skip
    assert (second.status, second.data, second.network) == ("died", "flowers", "resnet9")
    assert (second.seconds, second.epochs, second.headline) == (60.0, 2, SCORE)
    assert second.bytes == sum(p.stat().st_size for p in old.folder.iterdir())
    rows = json.loads(json.dumps(listed.to_json(), allow_nan=False))
    assert rows[0]["headline"]["value"] == 0.75
    assert rows[0]["path"] == str(new.folder)


def test_a_resumed_run_counts_each_epoch_once(tmp_path: Path) -> None:
    run = a_run(tmp_path, "a", 1e9)
    run.append(Started(attempt=2, step=1, at=3e9))
    run.append(Epoch(attempt=2, epoch=2, step=2, at=3e9 + 1, seconds=45.0))
    run.journal.close()
    row = runs(tmp_path)[0]
    assert (row.epochs, row.seconds, row.started) == (2, 45.0, "2001-09-09T01:46:40Z")


def test_a_data_set_that_has_a_name_is_called_by_it(tmp_path: Path) -> None:
    a_run(tmp_path, "a", 1e9).write_options({"data": "digits"}, [])
    assert runs(tmp_path)[0].data == "digits"


def test_nothing_yet(tmp_path: Path) -> None:
    assert len(runs(tmp_path / "runs")) == 0
    assert runs(tmp_path / "runs").to_json() == []
    assert "No runs" in runs(tmp_path / "<runs>")._repr_html_()
    (tmp_path / "not-a-run").mkdir()
    (tmp_path / "file").touch()
    assert len(runs(tmp_path)) == 0
    with pytest.raises(RunError, match="cannot be listed"):
        runs(tmp_path / "file")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("options.json", "{"),
        ("options.json", "[]"),
        ("data.json", "nonsense"),
        ("result.json", ""),
        ("result.json", '{"headline": {"x": 1}}'),
        ("result.json", '{"headline": 7}'),
        ("result.json", json.dumps({"headline": {**dataclasses.asdict(SCORE), "value": "x"}})),
        ("result.json", json.dumps({"headline": {**dataclasses.asdict(SCORE), "low": None}})),
        ("events.jsonl", "\x00\x00 nothing"),
        ("events.jsonl", '{"event": "started", "at": 1e300}\n'),
        ("events.jsonl", '{"event": "started", "at": "noon"}\n'),
        ("events.jsonl", '{"event": "epoch", "epoch": "x", "step": null, "headline": {"a": 1}}\n'),
        ("events.jsonl", '{"event": "epoch", "metrics": 3, "seconds": "x", "headline": {"value": "x"}}\n'),
    ],
)
def test_a_damaged_run_is_listed_beside_the_others(tmp_path: Path, file: str, content: str) -> None:
    a_run(tmp_path, "good", 1e9)
    bad = a_run(tmp_path, "bad", 2e9)
    (bad.folder / file).write_text(content)
    by_name = {row.name: row for row in runs(tmp_path)}
    assert by_name["good-1"].status == "died"
    assert by_name["bad-1"].status == "damaged"
    assert by_name["bad-1"].says
    assert by_name["bad-1"].bytes > 0
    assert "damaged: " in runs(tmp_path)._repr_html_()


def test_the_notebooks_table_escapes_names(tmp_path: Path) -> None:
    run = a_run(tmp_path, "a", 1e9)
    run.write_options({"train": {"network": "<script>alert(1)</script>"}}, [])
    shown = runs(tmp_path)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "accuracy 0.5000 [0.4000, 0.6000] on val" in shown
