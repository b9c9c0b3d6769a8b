"""Two models beside each other, and explanations summed over a label's mistakes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import foveal
from foveal.data.views import to_input
from foveal.errors import DataError, OptionError, UnknownNameError
from foveal.explaining.given import Given
from foveal.explaining.summed import errors_of
from foveal.model import Model
from foveal.records.run import Run
from foveal.tasks import classify
from foveal.terminal.app import main
from pictures import class_folder, shape

QUICK = {"network": "resnet9", "pretrained": False, "size": 16, "batch": 16, "augment": "none", "flip": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for an epoch at a small rate: it makes mistakes."""
    home = tmp_path_factory.mktemp("beside")
    done = foveal.train(
        class_folder(home / "data", 3, 30, 24), epochs=1, lr=1e-4, out=str(home / "run"), **QUICK
    )
    return done.run


@pytest.fixture(scope="module")
def wrong(run: Path) -> tuple[str, str]:
    """A label that was taken for another, and that one."""
    rows = json.loads((run / "evaluation.json").read_text())["examples"]
    row = next(row for row in rows if row["predicted"] != row["truth"])
    return row["truth"], row["predicted"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    shape(0, 40, 7).resize((60, 40)).save(made / "a wide one.png")
    shape(1, 40, 8).resize((40, 90)).save(made / "b high.jpg")
    (made / "c broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return made


def test_both_models_explain_the_same_under_one_scale(run: Path, pictures: Path, tmp_path: Path) -> None:
    last = run / "last.safetensors"
    found = foveal.explain(
        run, pictures, also=last, method=["gradcam", "gradient"], verdict=False, out=tmp_path / "out"
    )
    good = [row for row in found if row.error is None]
    assert [row.method for row in good] == ["gradcam", "gradcam", "gradient", "gradient"] * 2
    assert [row.model for row in good] == ["run (best)", "run (last)"] * 4
    for first, second in zip(good[::2], good[1::2], strict=True):
        assert first.target == second.target
        assert first.top == second.top == max(first.peak, second.peak)
        assert first.files["map"] != second.files["map"]
        assert first.files["figure"] == second.files["figure"]
    alone = foveal.explain(last, pictures, method="gradient", target=good[0].target.label, verdict=False)
    mine = next(row for row in alone if "wide" in row.path)
    theirs = next(
        row for row in good if "wide" in row.path and row.method == "gradient" and "last" in row.model
    )
    np.testing.assert_allclose(theirs.map, mine.map, rtol=1e-4, atol=1e-6)
    assert sum(row.error is not None for row in found) == 1
    html = (tmp_path / "out" / "index.html").read_text()
    assert "by run (last)" in html
    assert "the very same weights" in html, "of one epoch the last is the best"
    other = Model.load(run)
    with torch.no_grad():
        next(iter(other.network.parameters())).mul_(1.5)
    apart = foveal.explain(run, good[0].path, also=other, method="gradient", verdict=False)
    assert any("no common unit" in note for note in apart.notes)


def test_a_label_that_one_of_both_lacks_is_told(run: Path, pictures: Path) -> None:
    model = Model.load(run)
    other = dataclasses.replace(model, task=classify.build(["x", "y", "z"]))
    with pytest.raises(OptionError, match="has no label"):
        foveal.explain(run, pictures, also=other, method="gradient", verdict=False)


def test_mistakes_are_summed(run: Path, wrong: tuple[str, str], tmp_path: Path) -> None:
    label, said = wrong
    found = foveal.explain(run, errors=label, method="gradient", verdict=False, out=tmp_path / "out")
    first, *rest = found
    assert first.path == f"the mean of {len(rest)} mistakes"
    assert rest
    assert all(row.truth == label and row.target.against == label for row in rest)
    maps = np.stack([row.pixels for row in rest if row.pixels is not None])
    np.testing.assert_allclose(first.pixels, maps.mean(0), rtol=1e-5, atol=1e-7)
    # over the mean of what the network saw
    model = Model.load(run)
    view = model.task.view(model.preprocessing)
    seen = [
        to_input(one.opened(model.preprocessing.channels, None), view).numpy()
        for one in errors_of(Run.open(run), label)
    ]
    assert all(isinstance(one, Given) for one in errors_of(Run.open(run), label))
    drawn = np.asarray(first.picture())
    np.testing.assert_allclose(drawn, np.stack(seen).mean(0).transpose(1, 2, 0).squeeze(), atol=0.51)
    lead = (tmp_path / "out" / "index.html").read_text()
    assert ("One picture," if len(rest) == 1 else f"{len(rest)} pictures,") in lead, "their sum is none"
    assert all(Path(row.files["map"]).exists() for row in found)
    of_pair = foveal.explain(run, errors=f"{label}>{said}", method="gradient", verdict=False)
    assert 1 < len(of_pair) <= len(found)
    assert all(row.target.label == said for row in of_pair[1:])


def test_what_makes_no_sense_with_mistakes_is_refused(
    run: Path, pictures: Path, wrong: tuple[str, str]
) -> None:
    label, _ = wrong
    with pytest.raises(UnknownNameError):
        foveal.explain(run, errors="nothing like it")
    with pytest.raises(OptionError, match="pictures"):
        foveal.explain(run, pictures, errors=label)
    with pytest.raises(OptionError, match="both"):
        foveal.explain(run, errors=label, also=run)
    with pytest.raises(DataError, match="run folder"):
        foveal.explain(Model.load(run), errors=label)


def test_from_the_terminal(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["explain", str(run), str(pictures / "b high.jpg"), "--also", str(run / "last.safetensors")]
    more = ["--method", "gradient", "--no-verdict", "--out", str(tmp_path / "out"), "--json"]
    assert main([*argv, *more]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in rows] == ["run (best)", "run (last)"]
