"""Whole runs: what they leave, how they go on after a kill or a signal, and what they refuse."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import foveal
from foveal import events
from foveal.errors import DataError, DivergedError, ModelError, OptionError, RunError
from foveal.records.run import Run
from foveal.records.trained import Trained
from foveal.values import Choice
from pictures import class_folder

QUICK = {"network": "resnet9", "pretrained": False, "size": 16, "batch": 8}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("shapes"), classes=3, each=20, size=16)


@pytest.fixture(scope="module")
def done(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished run of six epochs."""
    out = tmp_path_factory.mktemp("runs") / "done"
    return foveal.train(shapes, epochs=6, out=str(out), precision="fp32", **QUICK)


def tensors(file: Path) -> dict[str, torch.Tensor]:
    return load_file(file)


def same(one: Path, other: Path) -> bool:
    a, b = tensors(one), tensors(other)
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_what_a_run_leaves(done: Trained) -> None:
    there = {p.name for p in done.run.iterdir()}
    assert {
        "options.json", "data.json", "machine.json", "events.jsonl", "best.safetensors", "last.safetensors",
        "resume.pt", "result.json", "evaluation.json",
    } <= there  # fmt: skip
    assert any(name.startswith("events.out.tfevents") for name in there)
    kept = json.loads((done.run / "options.json").read_text())
    assert kept["options"]["train"]["lr"] > 0, "every option is filled in"
    choices = {c.option: c for c in done.choices}
    assert not choices["epochs"].automatic
    assert choices["lr"].automatic
    assert all(c.reason for c in done.choices)
    assert Run.open(done.run).status == "finished"
    assert done.headline.split == "test"
    assert done.headline.low <= done.headline.value <= done.headline.high


def test_evaluate_gives_the_runs_own_headline(done: Trained) -> None:
    """One evaluator: what training said of the test split is what the verb says of it."""
    judged = foveal.evaluate(done.run)
    assert judged.headline == done.headline
    assert judged.count == len(Run.open(done.run).dataset.part("test"))


def test_predictions_agree_with_the_evaluation(done: Trained) -> None:
    judged = foveal.evaluate(done.run)
    dataset = Run.open(done.run).dataset
    paths = [Path(dataset.root, item.path) for item in dataset.part("test")]
    for row, prediction in zip(judged.examples, foveal.predict(done.run, paths), strict=True):
        best = prediction.predictions[0]
        assert best["label"] == row["predicted"]
        assert best["probability"] == pytest.approx(row["probability"], abs=1e-5)


def test_the_same_seed_gives_the_same_weights(shapes: Path, done: Trained, tmp_path: Path) -> None:
    again = foveal.train(shapes, epochs=6, out=str(tmp_path / "again"), precision="fp32", **QUICK)
    assert same(done.run / "last.safetensors", again.run / "last.safetensors")
    other = foveal.train(shapes, epochs=6, out=str(tmp_path / "other"), precision="fp32", seed=1, **QUICK)
    assert not same(done.run / "last.safetensors", other.run / "last.safetensors")
    parts = [[(i.id, i.part) for i in Run.open(r.run).dataset.items] for r in (done, other)]
    assert parts[0] == parts[1], "another seed tests on the same pictures"


def _command(shapes: Path, out: Path, epochs: int) -> list[str]:
    words = [sys.executable, "-m", "foveal", "train", str(shapes), "--out", str(out), "--epochs", str(epochs)]
    fixed = ["--network", "resnet9", "--no-pretrained", "--size", "16", "--batch", "8", "--precision", "fp32"]
    return [*words, *fixed, "--save-seconds", "0.05"]


def _wait(out: Path, what: str, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        if (out / "events.jsonl").exists() and what in (out / "events.jsonl").read_text():
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    raise AssertionError(f"no {what!r} within 30 seconds")


def test_killed_and_resumed_equals_uninterrupted(shapes: Path, done: Trained, tmp_path: Path) -> None:
    """kill -9 in the middle of training; the weights end as if nothing had happened."""
    out = tmp_path / "killed"
    process = subprocess.Popen(
        _command(shapes, out, 6), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    _wait(
        out, '"epoch": 3' if '"epoch": 3' in (done.run / "events.jsonl").read_text() else '"epoch":3', process
    )
    process.kill()
    process.communicate()
    assert Run.open(out).status == "died"
    resumed = foveal.train(resume=out)
    for file in ("last.safetensors", "best.safetensors"):
        assert same(done.run / file, out / file)
    assert resumed.headline == done.headline
    epochs = [e.epoch for e in Run.open(out).events() if isinstance(e, events.Epoch)]
    assert epochs == [1, 2, 3, 4, 5, 6]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops(shapes: Path, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "stopped"
    process = subprocess.Popen(
        _command(shapes, out, 2000), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    _wait(out, '"step"', process)
    began = time.perf_counter()
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert time.perf_counter() - began < 10, "five seconds on a machine of one's own"
    assert process.returncode == 130
    assert "--resume" in said
    assert "Traceback" not in said
    run = Run.open(out)
    assert run.status == "interrupted"
    state, notice = run.load_state()
    assert notice is None
    assert state["step"] == max(e.step for e in run.events())


def test_a_run_killed_before_its_first_state_begins_again(
    shapes: Path, done: Trained, tmp_path: Path
) -> None:
    out = tmp_path / "early"
    out.mkdir()
    for name in ("options.json", "data.json"):
        text = (done.run / name).read_text().replace(str(done.run), str(out))
        (out / name).write_text(text)
    resumed = foveal.train(resume=out)
    assert same(done.run / "last.safetensors", resumed.run / "last.safetensors")


def test_resuming_a_finished_run_trains_nothing(done: Trained) -> None:
    said: list[object] = []
    again = foveal.train(resume=done.run, screen=said.append)
    assert again.headline == done.headline
    assert any(isinstance(m, events.Noticed) and "finished" in m.says for m in said)


def test_changed_data_is_refused(tmp_path: Path) -> None:
    data = class_folder(tmp_path / "data", classes=2, each=12, size=16)
    out = tmp_path / "run"
    foveal.train(data, epochs=1, out=str(out), **QUICK)
    (out / "result.json").unlink()
    changed = Path(data, Run.open(out).dataset.part("train")[0].path)
    other = Path(data, Run.open(out).dataset.part("train")[1].path)
    changed.write_bytes(other.read_bytes())
    with pytest.raises(RunError) as error:
        foveal.train(resume=out)
    assert changed.name in error.value.came


def test_resume_takes_no_options(done: Trained) -> None:
    with pytest.raises(OptionError) as error:
        foveal.train(resume=done.run, lr=0.1)
    assert "lr" in error.value.came


def test_a_rate_of_ten_warns_and_ends_with_a_sentence(shapes: Path, tmp_path: Path) -> None:
    said: list[object] = []
    try:
        result = foveal.train(
            shapes, epochs=3, lr=10.0, optimizer="sgd", out=str(tmp_path / "hot"), screen=said.append, **QUICK
        )
    except DivergedError as error:
        told = error.todo
    else:
        told = result.says
        assert all(bool(t.float().isfinite().all()) for t in tensors(result.model).values())
    assert told
    warned = [m.says for m in said if isinstance(m, events.Noticed) and m.what == "option"]
    assert warned
    assert "10" in warned[0]


def test_on_from_ones_own_model_with_other_classes(done: Trained, tmp_path: Path) -> None:
    """Known classes start where they were; a new one joins; the size stays the model's."""
    more = class_folder(tmp_path / "more", classes=4, each=12, size=16)
    said: list[object] = []
    result = foveal.train(
        more, weights=str(done.model), epochs=2, out=str(tmp_path / "run"), batch=8, screen=said.append
    )
    choices = {m.option: m.value for m in said if isinstance(m, Choice)}
    assert choices["network"] == "resnet9"
    assert choices["freeze"] == "first"
    assert choices["size"] == 16
    model = foveal.Model.load(result.run)
    assert len(model.labels) == 4
    assert any(isinstance(m, events.Noticed) and "fc" in m.says for m in said)


def test_a_weights_file_needs_its_network_and_is_never_run(shapes: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'pwned'}",)

    torch.save(Evil(), tmp_path / "evil.pt")
    with pytest.raises(ModelError) as error:
        foveal.train(shapes, weights=str(tmp_path / "evil.pt"), out=str(tmp_path / "r"))
    assert "--network" in error.value.todo
    with pytest.raises(ModelError):
        foveal.train(shapes, weights=str(tmp_path / "evil.pt"), network="resnet9", out=str(tmp_path / "r"))
    assert not (tmp_path / "pwned").exists()


def test_a_state_dict_from_elsewhere(shapes: Path, done: Trained, tmp_path: Path) -> None:
    """As torch.save and DataParallel leave it."""
    state = {f"module.{k}": v for k, v in foveal.Model.load(done.run).network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "w.pth")
    result = foveal.train(
        shapes, weights=str(tmp_path / "w.pth"), network="resnet9", size=16, batch=8, epochs=2,
        freeze="always", out=str(tmp_path / "run"),
    )  # fmt: skip
    stem = tensors(result.model)["stem.0.weight"]
    assert torch.equal(stem, state["module.stem.0.weight"]), "a frozen backbone stays as it came"


def test_minutes_are_kept(shapes: Path, tmp_path: Path) -> None:
    result = foveal.train(shapes, minutes=0.15, out=str(tmp_path / "run"), **QUICK)
    assert result.why == "time"
    assert result.seconds <= 0.15 * 60 * 1.5, "half as much again for a machine busy with other work"


def test_pretrained_by_default_on_photographs(tmp_path: Path) -> None:
    """The bundled weights, a head-only stage, then all, with smaller rates for earlier layers."""
    data = class_folder(tmp_path / "data", classes=2, each=16, size=80)
    said: list[object] = []
    result = foveal.train(data, epochs=2, size=64, out=str(tmp_path / "run"), screen=said.append)
    choices = {m.option: m for m in said if isinstance(m, Choice)}
    assert choices["network"].value == "efficientnet_lite0"
    assert choices["freeze"].value == "first"
    stages = [m.stage for m in said if isinstance(m, events.Epoch)]
    assert stages == ["head", "all"]
    card = foveal.Model.load(result.run).card
    assert card.origin is not None
    assert "Apache-2.0" in str(card.origin["licence"])
    assert card.preprocessing.mean == (0.5, 0.5, 0.5)


def test_grey_pictures_on_pretrained_weights(tmp_path: Path) -> None:
    data = class_folder(tmp_path / "data", classes=2, each=8, size=40)
    result = foveal.train(data, epochs=1, size=64, channels=1, out=str(tmp_path / "run"))
    weights = tensors(result.model)
    assert weights["conv_stem.weight"].shape[1] == 1


def test_a_kill_between_two_renames_loses_one_state_only(shapes: Path, done: Trained, tmp_path: Path) -> None:
    """The newest state is gone, the one before it is there: training goes on from that."""
    out = tmp_path / "torn"
    shutil.copytree(done.run, out)
    (out / "result.json").unlink()
    assert not (out / "resume.previous.pt").exists(), "a finished run keeps one"
    (out / "resume.pt").rename(out / "resume.previous.pt")
    resumed = foveal.train(resume=out)
    assert Run.open(out).attempts()[-1].step > 0
    assert same(done.run / "last.safetensors", resumed.run / "last.safetensors")


def test_pictures_of_several_sizes_from_scratch(tmp_path: Path) -> None:
    """One smaller than all others must not end training in its middle."""
    data = class_folder(tmp_path / "data", classes=2, each=12, size=28)
    first = sorted((data / "circle").iterdir())[0]
    with Image.open(first) as image:
        image.resize((20, 20)).save(first)
    result = foveal.train(
        data, epochs=2, network="resnet9", pretrained=False, batch=4, out=str(tmp_path / "run")
    )
    assert result.why == "finished"


def test_the_smallest_data_trains_with_every_default(tmp_path: Path) -> None:
    data = class_folder(tmp_path / "data", classes=2, each=3, size=40)
    result = foveal.train(data, epochs=1, out=str(tmp_path / "run"))
    assert result.why == "finished"


@pytest.mark.parametrize(
    ("options", "says"),
    [({"network": "resnet9", "batch": 1}, "--batch"), ({"network": "inception_v3"}, "--size")],
)
def test_a_network_that_cannot_take_the_pictures(
    tmp_path: Path, options: dict[str, object], says: str
) -> None:
    data = class_folder(tmp_path / "data", classes=2, each=10, size=8)
    with pytest.raises(OptionError) as error:
        foveal.train(data, pretrained=False, size=8, out=str(tmp_path / "run"), **options)
    assert says in error.value.todo
    assert not (tmp_path / "run").exists(), "nothing is left behind"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_vanishes_ends_with_its_name(tmp_path: Path, workers: int) -> None:
    data = class_folder(tmp_path / "data", classes=2, each=12, size=16)

    def vandal(message: object) -> None:
        if isinstance(message, events.Started):
            for path in data.rglob("*.png"):
                path.unlink()

    with pytest.raises(DataError) as error:
        foveal.train(data, epochs=2, workers=workers, out=str(tmp_path / "run"), screen=vandal, **QUICK)
    assert ".png" in error.value.came


def test_a_state_of_another_format_is_refused(done: Trained, tmp_path: Path) -> None:
    out = tmp_path / "newer"
    shutil.copytree(done.run, out)
    (out / "result.json").unlink()
    run = Run.open(out)
    state, _ = run.load_state()
    run.save_state({**state, "format": 99})
    with pytest.raises(RunError) as error:
        foveal.train(resume=out)
    assert "99" in error.value.came
