"""foveal tune --compare-searches: real searches, one after the other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import foveal
from foveal.errors import OptionError
from foveal.records.run import Run
from foveal.records.study import Turn
from foveal.terminal.app import main
from foveal.tuners.compared import SEARCHES, Searches
from foveal.verbs.compare_searches import compare_searches
from pictures import class_folder

LAYERS = ("conv 8 3x3", "bn", "relu", "gap", "linear")
EPOCHS, TRIALS = 3, 4


def asked(home: Path) -> list[str]:
    (home / "small.yaml").write_text("layers:\n" + "".join(f"  - {line}\n" for line in LAYERS))
    data = class_folder(home / "shapes", classes=3, each=10, size=16)
    fixed = {"network": home / "small.yaml", "size": 16, "batch": 8, "precision": "fp32", "epochs": EPOCHS}
    words = [word for name, value in fixed.items() for word in (f"--{name}", str(value))]
    return [str(data), *words, "--trials", str(TRIALS), "--out", str(home / "c")]


@pytest.mark.slow
def test_a_comparison_that_was_stopped_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[object] = []

    def stop(message: object) -> None:
        heard.append(message)
        if isinstance(message, Turn) and message.what == "ended":
            ended = sum(isinstance(m, Turn) and m.what == "ended" for m in heard)
            if ended == TRIALS + 1:  # the first of the second study
                raise KeyboardInterrupt

    data, *words = asked(tmp_path)
    given = dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2], strict=True))
    whole = {"epochs": EPOCHS, "trials": TRIALS, "size": 16, "batch": 8}
    with pytest.raises(KeyboardInterrupt, match="foveal tune --resume"):
        compare_searches(data, repeats=1, screen=stop, **{**given, **whole})
    begun = Searches.read(tmp_path / "c")
    assert list(begun.studies["grid"]) == [1]
    assert not begun.studies["random"]
    before = {trial.number: trial.times for trial in begun.studies["grid"][1].trials}

    (tmp_path / "c" / "adaptive-1").mkdir()  # killed before it was a study
    assert main(["tune", "--resume", str(tmp_path / "c"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    made = Searches.read(tmp_path / "c")
    assert told == json.loads(json.dumps(made.to_json()))
    assert told["epochs_total"] == EPOCHS * TRIALS
    assert {trial.number: trial.times for trial in made.studies["grid"][1].trials} == before, "done once"
    studies = [made.studies[search][1] for search in SEARCHES]
    assert len({study.ranges for study in studies}) == 1, "the same ranges"
    assert len(studies[0].ranges) > 1
    for study, search in zip(studies, SEARCHES, strict=True):
        assert study.search == search
        assert 0 < study.epochs_done <= EPOCHS * TRIALS
        assert study.verdict is None
        assert study.best is not None
        assert made.tests[study.folder.name] == foveal.evaluate(study.best.run, split="test").headline.value
        assert Run(study.folder).dataset == Run(studies[0].folder).dataset, "the same pictures and split"
    assert (tmp_path / "c" / "report.html").is_file()

    shutil.rmtree(tmp_path / "shapes")  # what is done is shown without the pictures
    assert main(["tune", "--resume", str(tmp_path / "c")]) == 0
    shown = capsys.readouterr().out
    assert "Whether the searches differ cannot be said" in shown
    assert "--repeats 3" in shown


def test_repeats_belong_to_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "digits", "--repeats", "3"]) == 2
    assert "Add --compare-searches" in capsys.readouterr().err
    assert main(["tune", "digits", "--compare-searches", "--minutes", "1"]) == 2
    assert "give --trials or --epochs-total" in capsys.readouterr().err


def test_nothing_is_left_of_a_comparison_whose_budget_holds_nothing(tmp_path: Path) -> None:
    data = class_folder(tmp_path / "shapes", classes=3, each=10, size=16)
    (tmp_path / "small.yaml").write_text("layers:\n" + "".join(f"  - {line}\n" for line in LAYERS))
    with pytest.raises(OptionError, match="The budget holds 1"):
        compare_searches(
            data, epochs_total=1, size=16, network=str(tmp_path / "small.yaml"), precision="fp32",
            runs_dir=str(tmp_path / "runs"), probe=False,
        )  # fmt: skip
    assert not any((tmp_path / "runs").iterdir())
