"""What earlier studies and runs found is where a new study begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foveal.ranges import Range
from foveal.records.run import Run
from foveal.records.study import Study
from foveal.storage import write_json
from foveal.tuners import earlier
from foveal.values import Choice, Dataset
from studies import RATE, study, tuned


def found(home: Path, **changes: Any) -> earlier.Found:
    asked = {"fingerprint": "f", "network": "none", "metric": "accuracy", "mark": "m", "ranges": (RATE,)}
    return earlier.found(str(home), home / "new", **{**asked, **changes})


def best(done: Study) -> dict[str, Any]:
    assert done.best is not None
    return dict(done.best.options)


def test_a_study_on_the_same_data_gives_its_best_and_all_its_trials(tmp_path: Path) -> None:
    old = tuned(study(tmp_path / "old-study-1"))
    told = found(tmp_path)
    (warm,) = told.warm
    assert warm["options"] == best(old)
    assert warm["from"].startswith("old-study-1, trial ")
    assert len(told.prior) == len(old.trials)
    assert any("did well on this data" in said for said in told.says)
    assert any("9 trials of old-study-1" in said for said in told.says)


def test_other_data_gives_only_settings_and_other_networks_nothing(tmp_path: Path) -> None:
    tuned(study(tmp_path / "old-study-1"))
    other = found(tmp_path, fingerprint="g", mark="n")
    assert len(other.warm) == 1
    assert not other.prior
    assert "on other data" in other.says[0]
    assert found(tmp_path, fingerprint="g", mark="n", network="resnet18") == earlier.Found()
    assert found(tmp_path, metric="mAP") == earlier.Found()


def test_a_setting_that_may_not_be_tried_here_is_left_alone(tmp_path: Path) -> None:
    tuned(study(tmp_path / "old-study-1"))
    assert found(tmp_path, ranges=(Range("lr", 1e-6, 1e-5, "log", least=1e-6, most=1e-5),)).warm == ()
    assert found(tmp_path, ranges=(RATE, Range("momentum", 0.8, 0.9))).warm == ()


def test_a_run_counts_where_somebody_chose_what_is_tuned(tmp_path: Path) -> None:
    for name, automatic in (("mine", False), ("default", True)):
        run = Run.create(tmp_path, name, tmp_path / name)
        data = Dataset(".", "classify", "folder", "", ("a", "b"), (), fingerprint="f")
        run.write_dataset(data)
        kept = {"train": {"lr": 0.03}, "architecture": {"name": "none"}}
        run.write_options(kept, [Choice("lr", 0.03, "given", automatic=automatic)])
        score = {
            "name": "accuracy",
            "value": 0.9,
            "low": 0.8,
            "high": 1.0,
            "higher_is_better": True,
            "split": "val",
        }
        write_json(run.folder / "result.json", {"headline": score})
    told = found(tmp_path)
    assert [(w["from"], w["options"]) for w in told.warm] == [("mine", {"lr": 0.03})]


def test_what_is_damaged_is_passed_over(tmp_path: Path) -> None:
    tuned(study(tmp_path / "old-study-1"))
    for name, text in (
        ("bad-study-1", "{"),
        ("bad-study-2", '{"format": 7}'),
        ("bad-study-3", '{"format": 1}'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.json").write_text(text)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "options.json").write_text("no")
    assert len(found(tmp_path).warm) == 1
    assert found(tmp_path / "nowhere") == earlier.Found()
