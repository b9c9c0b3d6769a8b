"""foveal tune: real trainings in a process of their own."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

import foveal
from foveal import plan, training
from foveal.errors import OptionError, RunError
from foveal.events import Epoch
from foveal.options import TrainOptions, TuneOptions, make
from foveal.records.run import Run
from foveal.records.study import Study, Turn
from foveal.terminal.app import main
from foveal.tuners.begin import training_options
from pictures import class_folder

LAYERS = ("conv 8 3x3", "bn", "relu", "maxpool 2", "conv 16 3x3", "bn", "relu", "gap", "linear")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and beside them a network that is trained on them in no time."""
    home = tmp_path_factory.mktemp("tune")
    (home / "small.yaml").write_text("layers:\n" + "".join(f"  - {line}\n" for line in LAYERS))
    return class_folder(home / "shapes", classes=3, each=10, size=16)


def quick(shapes: Path) -> dict[str, Any]:
    small = str(shapes.parent / "small.yaml")
    return {"network": small, "size": 16, "batch": 8, "precision": "fp32", "epochs": 3}


@pytest.fixture(scope="module")
def searched(shapes: Path) -> tuple[Study, list[object]]:
    """A study of four trials, and what it said. Its worker is killed in the middle of the default's training."""
    heard: list[object] = []
    killed: list[int] = []

    def screen(message: object) -> None:
        heard.append(message)
        if (
            isinstance(message, Turn)
            and message.what == "epoch"
            and isinstance(message.event, Epoch)
            and not killed
        ):
            killed.extend(
                child.pid for child in psutil.Process().children() if "foveal.tuners" in str(child.cmdline())
            )
            for pid in killed:
                os.kill(pid, signal.SIGKILL if os.name != "nt" else signal.SIGTERM)

    study = foveal.tune(
        shapes,
        search="random",
        trials=4,
        runs_dir=str(shapes.parent / "runs"),
        screen=screen,
        **quick(shapes),
    )
    assert killed
    return study, heard


def test_a_trial_whose_process_was_killed_is_as_if_it_had_not_been(
    searched: tuple[Study, list[object]], shapes: Path, tmp_path: Path
) -> None:
    study, heard = searched
    first = study.trials[0]
    assert len(first.deaths) == 1
    assert any("died" in str(said) for said in heard)
    assert [epoch for epoch, _ in first.curve] == [1, 2, 3], "no epoch is lost, and none is there twice"
    begun = Run(study.folder).dataset
    whole = plan.make(begun, make(TrainOptions, {**quick(shapes), "out": str(tmp_path / "whole")}))
    training.start(begun, whole, "shapes", lambda m: None, time.time(), [])
    one, other = load_file(first.run / "last.safetensors"), load_file(tmp_path / "whole" / "last.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_every_trial_is_a_run_of_its_own(searched: tuple[Study, list[object]]) -> None:
    study, _ = searched
    assert [t.number for t in study.trials] == [0, 1, 2, 3]
    for trial in study.trials:
        run = Run.open(trial.run)
        assert run.status == trial.state
        assert run.options["train"]["epochs"] == 3
        assert run.options["train"]["lr"] == trial.options["lr"]
        assert run.options["lineage"]["trial"] == trial.number
        assert run.dataset == Run(study.folder).dataset, "the same pictures and split"
        if trial.state == "finished":
            assert run.result is not None
            assert run.result["headline"]["split"] == "val", "the test pictures are for what it comes to"
    assert study.default is not None
    assert study.default.state == "finished"
    assert [one.name for one in study.ranges] == ["lr"], "with so few trials the rate alone"
    rates = [t.options["lr"] for t in study.trials[1:]]
    assert len(set(rates)) == 3
    assert all(study.ranges[0].low <= rate <= study.ranges[0].high for rate in rates)


def test_what_it_says_on_the_way(searched: tuple[Study, list[object]]) -> None:
    study, heard = searched
    turns = [m for m in heard if isinstance(m, Turn)]
    assert [t.trial.number for t in turns if t.what == "begun" and t.trial is not None] == [0, 1, 2, 3]
    assert any(t.what == "epoch" for t in turns)
    said = " ".join(str(m[1]) for m in heard if isinstance(m, tuple) and m[0] == "says")
    assert "4 trials of at most 3 epochs" in said
    assert "For the verdict the best and the default are trained again with 5 other seeds afterwards" in said
    assert "the learning rate alone" in said
    told = study.to_json()
    json.dumps(told)
    assert {"number", "options", "state", "value", "seconds", "epochs", "run"} <= told["trials"][0].keys()
    assert told["best"]["number"] == study.best.number if study.best else False
    assert {"study", "best", "default", "verdict", "trials", "ranges", "budget"} <= told.keys()


def test_it_comes_to_a_verdict(searched: tuple[Study, list[object]]) -> None:
    study, _ = searched
    verdict = study.verdict
    assert verdict is not None
    assert verdict.chosen is not None
    assert verdict.chosen.tested is not None
    assert study.model is not None
    assert Run.open(study.model).model() is not None
    assert verdict.test == len(Run(study.folder).dataset.part("test")) > 0
    if not study.again:  # nothing was better: the default's own run is judged, once
        told = foveal.evaluate(study.trials[0].run, split="test").headline
        assert verdict.chosen.tested[0] == pytest.approx(told.value)
        assert study.model == study.trials[0].run


@pytest.mark.slow
def test_the_best_and_the_default_are_trained_again_and_judged_once_on_test(shapes: Path) -> None:
    heard: list[Turn] = []

    def screen(message: object) -> None:
        if isinstance(message, Turn) and message.name:
            heard.append(message)
            if message.what == "ended" and sum(turn.what == "ended" for turn in heard) == 3:
                raise KeyboardInterrupt

    # with such a rate nothing is learned, so that all settings are equally good on validation
    fixed = {**quick(shapes), "epochs": 1, "lr": 1e-6}
    with pytest.raises(KeyboardInterrupt, match="All is saved"):
        foveal.tune(
            shapes, trials=2, over={"momentum": "0.5..0.9"}, search="random", screen=screen,
            warm_start=False, out=str(shapes.parent / "again"), **fixed,
        )  # fmt: skip
    assert "for the verdict 3 of 10 trainings are done" in heard[-1].left
    begun = Study.read(shapes.parent / "again").again
    study = foveal.tune(resume=shapes.parent / "again")
    assert study.again[: len(begun) - 1] == begun[:-1], "what was done counts, once"
    assert [one.seed for one in study.again] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert {one.run.state for one in study.again} == {"finished"}
    for one in study.again:
        run, first = Run.open(one.run.run), Run.open(study.trials[one.trial].run)
        assert run.options["train"]["seed"] == one.seed != first.options["train"]["seed"]
        alike = {name: value for name, value in first.options["train"].items() if name not in ("seed", "out")}
        assert alike == {name: run.options["train"][name] for name in alike}, "only the seed is another"
        assert run.options["lineage"]["trial"] == one.trial
        assert run.result is not None
        assert run.result["headline"]["split"] == "val"
    verdict = study.verdict
    assert verdict is not None
    assert verdict.chosen is not None
    assert verdict.says.startswith("Keep your default")
    default, other = verdict.sides
    assert default.tested is not None
    assert other.tested is None, "the test pictures are for the default and a winner alone"
    assert verdict.test == len(Run(study.folder).dataset.part("test")) > 0
    each = [foveal.evaluate(study.folder / run, split="test").headline.value for run in default.runs.values()]
    assert default.tested[0] == pytest.approx(sum(each) / len(each)), "as foveal evaluate judges them"
    assert study.model is not None
    assert Run.open(study.model).model() is not None


def test_the_list_of_runs_has_it_in_one_row(searched: tuple[Study, list[object]]) -> None:
    study, _ = searched
    (row,) = foveal.runs(study.folder.parent)
    assert (row.name, row.status, row.network) == (study.folder.name, "finished", study.network)
    assert row.epochs == study.epochs_done
    assert "4 trials, random search" in row.says


@pytest.mark.slow
def test_more_trials_and_an_end_that_was_there_already(searched: tuple[Study, list[object]]) -> None:
    study, _ = searched
    before = {t.number: t.curve for t in study.trials}
    same = foveal.tune(resume=study.folder)
    assert {t.number: t.curve for t in same.trials} == before, "nothing is left to do"
    more = foveal.tune(resume=study.folder, trials=5)
    assert len(more.trials) == 5
    assert all(more.trials[n].curve[: len(curve)] == curve for n, curve in before.items())
    with pytest.raises(OptionError, match="its own data and options"):
        foveal.tune(resume=study.folder, lr=0.1)


def test_the_terminal_shows_it(
    searched: tuple[Study, list[object]], shapes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, _ = searched
    assert main(["tune", "--resume", str(study.folder)]) == 0
    shown = capsys.readouterr()
    assert "the default" in shown.out
    assert "Next: foveal train" in shown.out
    assert str(shapes.parent / "small.yaml") in shown.out, "with what was given"
    assert "The model: " in shown.out
    assert main(["tune", "--resume", str(study.folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["trials"]) >= 4


def test_its_cost_is_told_before_a_grid_begins(shapes: Path) -> None:
    heard: list[str] = []

    class EnoughError(Exception):
        pass

    def screen(message: object) -> None:
        if isinstance(message, tuple) and message[0] == "says":
            heard.append(str(message[1]))
        if isinstance(message, tuple) and message[0] == "study":
            raise EnoughError

    over = {"lr": (0.001, 0.1), "momentum": (0.8, 0.99), "weight_decay": (1e-5, 1e-3)}
    with pytest.raises(EnoughError):
        foveal.tune(
            shapes,
            search="grid",
            points=3,
            over=over,
            screen=screen,
            out=str(shapes.parent / "grid"),
            **quick(shapes),
        )
    (cost,) = [said for said in heard if "experiments" in said]
    assert cost.startswith("27 experiments and the default, about ")
    assert "random search with 12 would cover each of the 3 parameters more finely" in cost


def test_what_makes_no_sense_is_refused_before_a_folder_is_made(shapes: Path, tmp_path: Path) -> None:
    for options, says in (
        ({"folds": 3}, "--folds"),
        ({"find_lr": True}, "--find-lr"),
        ({"points": 3}, "Only a grid"),
        ({"lr": 0.1, "over": ["lr=0.01..0.1"]}, "same in all trials"),
        ({"lr": 0.1, "trials": 3}, "Nothing is left to tune"),
        ({"minutes": 0.0001}, "The budget holds"),
    ):
        with pytest.raises(OptionError) as error:
            foveal.tune(shapes, runs_dir=str(tmp_path / "runs"), **{**quick(shapes), **options})
        assert says in str(error.value)
    assert not (tmp_path / "runs").exists()
    with pytest.raises(RunError, match="no study"):
        foveal.tune(resume=tmp_path)


@pytest.mark.slow
def test_networks_are_searched_too(shapes: Path) -> None:
    fixed = {name: value for name, value in quick(shapes).items() if name != "network"}
    study = foveal.tune(
        shapes, over={"network": ["resnet9", "lenet5"], "lr": "log(0.01,0.02)"}, search="grid", points=1, trials=3,
        out=str(shapes.parent / "networks"), **{**fixed, "size": 32, "epochs": 1},
    )  # fmt: skip
    assert {t.options.get("network") for t in study.trials[1:]} == {"resnet9", "lenet5"}
    assert all(t.state == "finished" for t in study.trials)


def start(shapes: Path, folder: Path, trials: int) -> subprocess.Popen[bytes]:
    base = [sys.executable, "-m", "foveal", "tune"]
    if (folder / "study.json").exists():
        command = [*base, "--resume", str(folder)]
    else:
        fixed = [f"--{name}={value}" for name, value in quick(shapes).items()]
        command = [*base, str(shapes), *fixed, "--trials", str(trials), "--search", "random"]
        command += ["--out", str(folder), "--no-warm-start", "--save-seconds", "0.05"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def killed_and_resumed(shapes: Path, folder: Path, trials: int, kills: int, seed: int) -> None:
    """Kill the tuner, the worker or both at random moments, and let the study go on to its end."""
    dice, done = random.Random(seed), 0
    while True:
        process = start(shapes, folder, trials)
        if done >= kills:
            assert process.wait(300) == 0
            return
        time.sleep(dice.uniform(1.5, 5.0))
        whom = dice.choice(["tuner", "worker", "both"])
        doomed = workers_of(process) if whom != "tuner" else []
        for pid in [*doomed, *([process.pid] if whom != "worker" else [])]:
            try:
                os.kill(pid, signal.SIGKILL)
                done += 1
            except ProcessLookupError:
                pass
        if whom == "worker":
            time.sleep(1.0)
            process.kill()
        process.wait()
        if folder.exists() and not (folder / "study.json").exists():
            shutil.rmtree(folder)  # killed before it was a study


def same(one: Study, other: Study) -> None:
    """Equal to the last bit: what was tried, how far, and the weights."""
    assert [(t.number, dict(t.options), t.state, t.curve) for t in one.trials] == [
        (t.number, dict(t.options), t.state, t.curve) for t in other.trials
    ]
    for a, b in zip(one.trials, other.trials, strict=True):
        mine, theirs = load_file(a.run / "last.safetensors"), load_file(b.run / "last.safetensors")
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_study_that_is_killed_again_and_again_is_the_same_study(shapes: Path, tmp_path: Path) -> None:
    whole = start(shapes, tmp_path / "whole", 6)
    assert whole.wait(300) == 0
    killed_and_resumed(shapes, tmp_path / "killed", 6, 12, seed=0)
    same(Study.read(tmp_path / "whole"), Study.read(tmp_path / "killed"))


def test_options_that_all_trials_share_are_trains() -> None:
    wanted = make(TuneOptions, {"epochs": 3, "minutes": 2, "lr": 0.1, "out": "x"})
    one = training_options(wanted)
    assert isinstance(one, TrainOptions)
    assert (one.epochs, one.minutes, one.lr, one.out) == (3, None, 0.1, None)
