"""Why a run's worst mistakes were made: explained when it ends, kept, shown; and left out where they cannot be."""

from __future__ import annotations

import html
import io
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from foveal.explaining.mistakes import FILE, MOST, ensure, explain_mistakes, kept
from foveal.records.run import Run
from foveal.records.trained import EVALUATION
from foveal.report import write
from foveal.storage import read_json

TITLE = "Why the worst mistakes were made"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """A copy of the run with its weights, and nothing explained yet."""
    shutil.copytree(trained, tmp_path / "whole", ignore=shutil.ignore_patterns("pictures", "*.pt"))
    return Run(tmp_path / "whole")


def wrong(run: Run) -> list[str]:
    """The ids of the mistakes, the costliest first."""
    rows = [row for row in read_json(run.folder / EVALUATION)["examples"] if row["truth"] != row["predicted"]]
    return [row["id"] for row in sorted(rows, key=lambda row: -row["loss"])]


def test_the_worst_mistakes_are_explained_and_shown(run: Run) -> None:
    assert TITLE not in write(run).read_text()
    found = explain_mistakes(run)
    assert [why.id for why in found] == wrong(run)[:MOST]
    assert found
    assert kept(run.folder) == found
    for why in found:
        with Image.open(run.pictures / why.file) as picture:
            assert picture.width > 2 * 280, "what was said, what is true, and the one rather than the other"
        assert "rather than" in why.alt
    page = html.unescape(write(run).read_text())
    assert TITLE in page
    assert all(why.chosen[1:] in page for why in found)


def test_what_was_explained_is_not_explained_again(run: Run) -> None:
    explain_mistakes(run)
    before = (run.pictures / FILE).stat().st_mtime_ns
    ensure(run)
    assert (run.pictures / FILE).stat().st_mtime_ns == before


@pytest.mark.parametrize("what", ["no json", "[]", json.dumps({"mistakes": [{"id": "a"}]})])
def test_a_damaged_list_is_left_out(run: Run, what: str) -> None:
    explain_mistakes(run)
    (run.pictures / FILE).write_text(what)
    assert TITLE not in write(run).read_text()


def test_nothing_outside_of_the_run_is_read(run: Run, tmp_path: Path) -> None:
    explain_mistakes(run)
    secret = io.BytesIO()
    Image.new("RGB", (8, 8)).save(secret, "WEBP")
    (tmp_path / "secret.webp").write_bytes(secret.getvalue())
    told = read_json(run.pictures / FILE)
    told["mistakes"][0]["file"] = str(tmp_path / "secret.webp")
    (run.pictures / FILE).write_text(json.dumps(told))
    assert TITLE not in write(run).read_text()


def test_pictures_that_have_gone_end_nothing(run: Run) -> None:
    data = read_json(run.folder / "data.json")
    (run.folder / "data.json").write_text(json.dumps({**data, "root": "/nowhere", "reader": "folder"}))
    ensure(run)
    assert TITLE not in write(run).read_text()
