"""foveal diagnose: a run that is ill, one that is healthy, and ones that are not whole."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import foveal
from foveal.doctor import Diagnosis
from foveal.doctor.case import read
from foveal.doctor.examination import examine
from foveal.doctor.kept import Examined, too_little
from foveal.doctor.proof import FEWEST
from foveal.errors import DivergedError, FovealError, OptionError, RunError
from foveal.records.run import Run
from foveal.terminal.app import main
from foveal.verbs.diagnose import Diagnosed
from pictures import class_folder
from typed import spoken

KEYS = ("rule", "severity", "says", "evidence", "cause", "cure", "confidence")
QUICK: dict[str, Any] = {
    "network": "lenet5", "pretrained": False, "size": 32, "batch": 8, "precision": "fp32", "device": "cpu",
    "probe": False, "augment": "none", "optimizer": "adamw",
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the data and the runs lie."""
    home = tmp_path_factory.mktemp("diagnose")
    class_folder(home / "shapes", classes=3, each=40, size=16)
    return home


@pytest.fixture(scope="module")
def ill(home: Path) -> Path:
    """A run whose rate is so high that its loss was never finite."""
    folder = home / "runs" / "ill-1"
    with pytest.raises(DivergedError):
        foveal.train(home / "shapes", epochs=6, lr=1e30, weight_decay=0.0, out=str(folder), **QUICK)
    return folder


@pytest.fixture(scope="module")
def healthy(home: Path) -> Path:
    """A run with nothing wrong."""
    return foveal.train(home / "shapes", epochs=6, lr=0.003, out=str(home / "runs" / "well-1"), **QUICK).run


@pytest.fixture
def copy(ill: Path, tmp_path: Path) -> Path:
    shutil.copytree(ill, tmp_path / "runs" / "ill-1")
    return tmp_path / "runs" / "ill-1"


def test_a_training_ends_with_a_quick_look(home: Path, ill: Path, healthy: Path) -> None:
    heard: list[object] = []
    foveal.train(
        home / "shapes", epochs=1, lr=0.003, out=str(home / "runs" / "heard"), screen=heard.append, **QUICK
    )
    assert any("The doctor finds" in str(said) for said in heard)
    assert Run(healthy).findings == ()
    assert Run(ill).findings is None, "it never came to its end"


def test_an_ill_run(ill: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = foveal.diagnose("ill-1", runs_dir=home / "runs")
    assert isinstance(found, Diagnosed)
    assert found.findings
    assert found.findings == Run(ill).findings, "kept in the run"
    assert found.report == ill / "report.html"
    page = found.report.read_text(encoding="utf-8")
    assert 'id="diagnosis"' in page
    assert found.findings[0].rule in page

    document, _ = spoken(capsys, "diagnose", str(ill))
    first = document["findings"][0]
    assert set(KEYS) <= set(first)
    assert first["rule"] == found.findings[0].rule
    assert document["checked"]
    assert main(["diagnose", str(ill)]) == 0
    said = capsys.readouterr().out
    assert first["says"] in said
    assert f"Why: {first['cause']}" in said
    assert f"Cure: {first['cure']['says']}" in said
    assert first["says"] in found._repr_html_().replace("&#x27;", "'").replace("&quot;", '"')


def test_a_healthy_run(healthy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, _ = spoken(capsys, "diagnose", str(healthy))
    assert document["findings"] == []
    assert document["says"].startswith("Nothing is wrong: ")
    assert f"{len(document['checked'])} rules looked" in document["says"]
    assert len(foveal.diagnose(healthy)) == 0
    assert main(["diagnose", str(healthy), "--prove"]) == 0
    assert "Nothing to prove: nothing was found." in capsys.readouterr().err
    assert 'id="diagnosis"' not in (healthy / "report.html").read_text(encoding="utf-8")


def test_a_cure_is_applied(copy: Path) -> None:
    found = foveal.diagnose(copy, apply="rate_too_high")
    assert found.applied is not None
    new = Run(found.applied.run)
    assert new.folder.parent == copy.parent
    lineage = new.options["lineage"]
    assert lineage["cured"] == "rate_too_high"
    assert lineage["parent"]["name"] == copy.name
    assert "lr" in lineage["changed"]
    assert copy.name in found.applied.says
    assert (new.folder / "report.html").exists()


@pytest.mark.slow
def test_a_cure_is_proved_and_applied(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("foveal.doctor.budget.MOST", FEWEST)
    document, said = spoken(capsys, "diagnose", str(copy), "--prove", "--apply")
    every = [one for root in document["findings"] for one in (root, *root["symptoms"])]
    tried = [one for one in every if one["proof"]]
    helped = [one for one in tried if one["proof"]["verdict"] == "helps"]
    assert helped, [(one["rule"], one["proof"] and one["proof"]["says"]) for one in every]
    assert "3 seeds with it and 3 without" in said
    says = helped[0]["proof"]["says"].split(":")[0]
    assert says in (copy / "findings.json").read_text(encoding="utf-8")
    assert says in (copy / "report.html").read_text(encoding="utf-8")

    new = Run(Path(document["applied"]["run"]))
    assert new.folder.parent == copy.parent
    assert new.options["lineage"]["cured"] == document["applied"]["rule"] == helped[0]["rule"]
    assert new.options["lineage"]["parent"]["name"] == copy.name
    assert copy.name in document["applied"]["says"]
    again = foveal.diagnose(copy)
    assert again.proofs[helped[0]["rule"]].says == helped[0]["proof"]["says"], "the proof stays"


def test_runs_that_are_not_whole(healthy: Path, tmp_path: Path) -> None:
    copy = tmp_path / "half-1"
    shutil.copytree(healthy, copy)
    (copy / "result.json").unlink()
    for model in copy.glob("*.safetensors"):
        model.unlink()
    found = foveal.diagnose(copy)
    assert any("did not come to its end" in note for note in found.examined.notes)
    data = json.loads((copy / "data.json").read_text())
    (copy / "data.json").write_text(json.dumps({**data, "root": str(tmp_path / "gone")}))
    foveal.diagnose(copy)  # without pictures, too
    (copy / "data.json").write_text("{}")
    assert any("data.json" in note for note in foveal.diagnose(copy).examined.notes)


@pytest.mark.parametrize(
    "text", ['{"train"', '{"options": {}, "choices": []}', '{"options": {"train": {}}}', "[]"]
)
def test_options_that_are_damaged(
    text: str, healthy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "hurt-1"
    shutil.copytree(healthy, copy)
    (copy / "options.json").write_text(text)
    assert main(["diagnose", str(copy)]) == 2
    said = capsys.readouterr().err
    assert "options.json is damaged" in said
    assert "Traceback" not in said


def test_too_little_is_not_called_healthy(healthy: Path, tmp_path: Path) -> None:
    case = read(Run(healthy))
    assert too_little(case) == ()
    assert case.record.evaluation is not None
    few = dataclasses.replace(case.record.evaluation, count=2)
    (said,) = too_little(dataclasses.replace(case, record=dataclasses.replace(case.record, evaluation=few)))
    assert said == "it was judged on 2 pictures, where even all right may be 66 points from the truth"
    whole = Examined(tmp_path, Diagnosis((), {}, ("leak",)))
    assert whole.says.startswith("Nothing is wrong: ")
    short = dataclasses.replace(whole, lacking=(said,))
    assert short.says.startswith(f"Not enough evidence to say whether anything is wrong: {said}. ")


@pytest.mark.parametrize(
    ("words", "came", "todo"),
    [
        (("nowhere",), "no run", "foveal runs"),
        (("resnet18",), "resnet18 is a network", "foveal train DATA --network resnet18"),
        (("{ill}", "--minutes", "-1"), "--minutes was given as -1", "Give another value"),
        (("{ill}", "--apply", "los_stuck"), "no illness called 'los_stuck'", "loss_stuck"),
        (("{ill}", "--apply", "below_published"), "this run does not have it", "Give the name of a finding"),
    ],
)
def test_bad_words(
    words: tuple[str, ...], came: str, todo: str, ill: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", *(word.format(ill=ill) for word in words)]) == 2
    said = capsys.readouterr().err
    assert came in said
    assert todo in said
    assert "Traceback" not in said


def test_what_is_no_run_is_told_so(healthy: Path, tmp_path: Path) -> None:
    alone = tmp_path / "model.safetensors"
    shutil.copy(healthy / "best.safetensors", alone)
    with pytest.raises(RunError, match="lies in no run"):
        foveal.diagnose(alone)
    assert foveal.diagnose(healthy / "best.safetensors").run == healthy, "the model of a run leads to the run"
    (tmp_path / "never").mkdir()
    (tmp_path / "never" / "events.jsonl").touch()
    with pytest.raises(RunError, match="never began"):
        foveal.diagnose(tmp_path / "never")
    with pytest.raises(FovealError):
        foveal.diagnose(tmp_path)
    with pytest.raises(OptionError):
        foveal.diagnose(healthy, minutes=0)


def test_all_training_pictures_were_shown(healthy: Path) -> None:
    shown = examine(Run(healthy)).tests["shown"]
    assert shown["seen"] == shown["count"] > 0
    assert 5 * shown["count"] < shown["draws"] <= 6 * shown["count"]
    assert 5 <= shown["times"] <= 6
