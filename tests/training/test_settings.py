"""How steps are computed is found once a run, recorded with its reasons, and the same when it is resumed."""

from __future__ import annotations

import html
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import foveal
from foveal import events
from foveal.loop.bottleneck import PHASES
from foveal.machine import device
from foveal.plan import probe as probing
from foveal.plan.probe import Setting, Trial
from foveal.records.run import Run
from foveal.records.trained import Trained
from foveal.report import write
from foveal.storage import read_json
from foveal.training import job
from foveal.training.fork import options_of
from foveal.values import Choice
from pictures import class_folder

QUICK = {"network": "resnet9", "pretrained": False, "size": 16, "batch": 8, "epochs": 3}
FASTEST = {"precision": "bf16", "layout": "contiguous", "threads": 1}
RULES = {"precision": "fp32", "layout": "channels_last", "threads": 2}


class Killed(BaseException):
    """The process is gone: nothing is saved on its way."""


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Setting]:
    """Wherever this runs: two threads are said to compute, rules choose fp32, channels last, and whatever is not as
    the rules say is said to be twice as fast. The settings that are asked for."""
    threads = [2]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: threads.__setitem__(0, count))
    monkeypatch.setattr(device, "fast_bf16", lambda where: False)
    monkeypatch.setattr(probing, "fast_bf16", lambda where: True)
    monkeypatch.setattr(probing, "WORTH", 1)
    asked: list[Setting] = []

    def speed(self: Trial, setting: Setting) -> float:
        asked.append(setting)
        torch.rand(3)  # generators are put back
        other = (setting.precision != "fp32", not setting.channels_last, setting.threads != 2)
        return 10.0 * 2 ** sum(other)

    monkeypatch.setattr(Trial, "speed", speed)
    return asked


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("shapes"), classes=3, each=10, size=16)


def trained(shapes: Path, home: Path, out: str = "run", **more: Any) -> Trained:
    return foveal.train(shapes, out=str(home / out), data_home=str(home / f"{out}-home"), **{**QUICK, **more})


def kept(run: Path) -> dict[str, Any]:
    options: dict[str, Any] = read_json(run / "options.json")["options"]
    return options


def weights(run: Path, file: str = "last") -> dict[str, torch.Tensor]:
    return load_file(run / f"{file}.safetensors")


def same(one: Path, other: Path) -> bool:
    return all(
        torch.equal(tensor, weights(other, file)[name])
        for file in ("last", "best")
        for name, tensor in weights(one, file).items()
    )


def never(*args: object, **named: object) -> None:
    raise AssertionError("nothing is to be tried")


def killing(when: Callable[[object], bool]) -> Callable[[object], None]:
    def screen(message: object) -> None:
        if when(message):
            raise Killed

    return screen


def test_a_run_takes_the_fastest_and_writes_down_why(shapes: Path, tmp_path: Path) -> None:
    heard: list[object] = []
    done = trained(shapes, tmp_path, screen=heard.append)
    options = kept(done.run)
    assert options["probe"] == {
        "fp32, channels_last, 2 threads, not compiled": 10,
        "bf16, channels_last, 2 threads, not compiled": 20,
        "bf16, contiguous, 2 threads, not compiled": 40,
        "bf16, contiguous, 1 thread, not compiled": 80,
    }
    assert {o: options["train"][o] for o in FASTEST} == FASTEST
    assert (options["fit"]["precision"], options["fit"]["threads"], options["channels_last"]) == (
        "bf16",
        1,
        False,
    )
    told = [c for c in heard if isinstance(c, Choice) and c.reason.startswith("probe: ")]
    for choices in (done.choices, Run.open(done.run).choices, told):
        found = {c.option: c for c in choices if c.option in FASTEST}
        assert {o: c.value for o, c in found.items()} == FASTEST
        assert found["threads"] == Choice("threads", 1, "probe: 80 pictures/s, 40 with 2 threads")
        assert len([c for c in choices if c.option in FASTEST]) == 3, "each is there once"
    reason = next(c.reason for c in done.choices if c.option == "compile")
    assert "probe" not in reason, "it was not tried on a CPU"
    assert torch.get_num_threads() == 2, "threads are as they were"
    precision = [e for e in heard if isinstance(e, Choice) and e.option == "precision"]
    assert [c.value for c in precision] == ["fp32", "bf16"], "the rule's choice, then what was found"


def test_steps_are_computed_as_found(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    real = job.fit

    def watched(state: Any, *rest: Any) -> Any:
        for event in real(state, *rest):
            if isinstance(event, events.Step):
                last = probing.is_channels_last(state.network)
                seen.add((state.options.precision, last, torch.get_num_threads()))
            yield event

    monkeypatch.setattr(job, "fit", watched)
    settled: list[object] = []
    settle = job.settle
    monkeypatch.setattr(job, "settle", lambda *given: settled.append(given[-1]) or settle(*given))
    trained(shapes, tmp_path, epochs=1)
    assert seen == {("bf16", False, 1)}
    assert settled == ["bf16"], "as a resumed run would"


def test_what_was_given_is_not_changed(shapes: Path, tmp_path: Path, machine: list[Setting]) -> None:
    done = trained(shapes, tmp_path, epochs=1, precision="fp32", layout="channels_last")
    assert {s.precision for s in machine} == {"fp32"}
    assert {s.channels_last for s in machine} == {True}
    assert {s.threads for s in machine} == {1, 2}
    choices = {c.option: c for c in done.choices}
    assert [choices[o].automatic for o in ("precision", "layout", "threads")] == [False, False, True]
    given = trained(shapes, tmp_path, "given", epochs=1, threads=2)
    choices = {c.option: c for c in given.choices}
    assert choices["threads"] == Choice("threads", 2, "given", automatic=False)
    assert choices["layout"].value == "contiguous"


@pytest.mark.parametrize(
    "given", [{"probe": False}, {"deterministic": True}, RULES], ids=lambda g: next(iter(g))
)
def test_without_a_probe_the_rules_decide(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    monkeypatch.setattr(probing, "Trial", never)
    before = torch.are_deterministic_algorithms_enabled()
    done = trained(shapes, tmp_path, epochs=1, **given)
    torch.use_deterministic_algorithms(before)
    options = kept(done.run)
    assert options["probe"] is None
    assert options["fit"]["precision"] == "fp32"
    assert options["channels_last"]
    assert not [c for c in done.choices if "probe" in c.reason]


@pytest.mark.parametrize("save_seconds", [60.0, 1e-6], ids=["nothing-saved", "all-saved"])
def test_a_resumed_run_goes_on_as_found(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_seconds: float
) -> None:
    """Killed in the middle of the second epoch, then resumed on a machine where the rules say otherwise: it tries
    nothing again, and ends bit for bit as if nothing had happened."""
    whole = trained(shapes, tmp_path, "whole")
    with pytest.raises(Killed):
        trained(
            shapes, tmp_path, "killed", save_seconds=save_seconds,
            screen=killing(lambda m: isinstance(m, events.Step) and m.step == 3),
        )  # fmt: skip
    assert torch.get_num_threads() == 2, "threads are as they were after an error"
    found = kept(tmp_path / "killed")["probe"]
    monkeypatch.setattr(probing, "Trial", never)
    again = foveal.train(resume=tmp_path / "killed")
    assert torch.get_num_threads() == 2
    assert kept(again.run)["probe"] == found
    assert same(whole.run, again.run)
    assert again.headline == whole.headline
    assert again.trust == whole.trust
    assert {c.option: c.value for c in again.choices if c.option in FASTEST} == FASTEST


def test_what_came_before_the_probe_is_not_computed_again(shapes: Path, tmp_path: Path) -> None:
    """Features of frozen layers are computed as the rules say, then the probe finds bf16. Killed at the first
    step after, the run goes on from there, as the features would be others in bf16."""
    model = trained(shapes, tmp_path, "model", epochs=1, probe=False).model
    tuned = {
        "weights": str(model), "network": None, "pretrained": None, "size": None, "freeze": "first", "solve": False,
        "frozen_views": 1, "epochs": 4,
    }  # fmt: skip
    whole = trained(shapes, tmp_path, "whole", **tuned)
    with pytest.raises(Killed):
        trained(
            shapes, tmp_path, "killed", **tuned,
            screen=killing(lambda m: isinstance(m, events.Step) and m.stage == "all"),
        )  # fmt: skip
    run = Run.open(tmp_path / "killed")
    state, _ = run.load_state()
    assert kept(run.folder)["fit"]["precision"] == "bf16"
    assert (state["stage"], state["stage_step"]) == (1, 0)
    again = foveal.train(resume=run.folder)
    assert same(whole.run, again.run)


def test_ctrl_c_is_met_while_settings_are_tried(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, as compiling takes minutes; and the run can go on."""
    asked: list[Setting] = []

    def interrupted(self: Trial, setting: Setting) -> float:
        asked.append(setting)
        torch.set_num_threads(7)
        signal.raise_signal(signal.SIGINT)
        return 1.0

    whole = trained(shapes, tmp_path, "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Trial, "speed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(shapes, tmp_path, "stopped")
    assert len(asked) == 1
    assert torch.get_num_threads() == 2
    assert "probe" not in kept(tmp_path / "stopped")
    again = foveal.train(resume=tmp_path / "stopped")
    assert same(whole.run, again.run)


def test_trying_takes_of_the_minutes_and_none_of_the_stage(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = trained(shapes, tmp_path, "plain", epochs=1, probe=False)

    def slow(state: Any, *rest: Any) -> None:
        time.sleep(0.5)

    monkeypatch.setattr(job, "probe", slow)
    heard: list[object] = []
    done = trained(shapes, tmp_path, epochs=1, screen=heard.append)
    epoch = next(e for e in heard if isinstance(e, events.Epoch))
    assert epoch.seconds >= 0.5, "the run's clock goes on"
    assert done.spent["prepare"] >= 0.5
    paces = [e.seconds_left for e in heard if isinstance(e, events.Step) and e.seconds_left]
    assert max(paces, default=0.0) < 0.5 or plain.spent["forward"] > 0.3, "and steps are no slower for it"


def test_a_fork_is_computed_as_its_parent_and_tries_only_what_is_open_again(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: list[Setting]
) -> None:
    parent = Run.open(trained(shapes, tmp_path, "parent").run)
    machine.clear()
    done = foveal.fork(parent.folder)
    assert not machine, "all is as in the parent"
    assert same(parent.folder, done.run)
    assert {c.option: c.value for c in done.choices if c.option in FASTEST} == FASTEST
    reason = next(c.reason for c in done.choices if c.option == "threads")
    assert reason == "as in parent: probe: 80 pictures/s, 40 with 2 threads"
    assert not set(FASTEST) & set(options_of(parent, {"lr": 0.01}).open)
    assert {"layout", "threads", "compile"} <= set(options_of(parent, {"network": "resnet18"}).open)
    assert {"precision", "layout", "threads", "compile"} <= set(options_of(parent, {"device": "cpu:0"}).open)
    wider = foveal.fork(parent.folder, size=24, epochs=1)
    assert {s.threads for s in machine} == {1, 2}
    assert {s.channels_last for s in machine} == {True, False}
    assert kept(wider.run)["probe"]


def test_phases_add_up_and_the_verdict_is_shown(shapes: Path, tmp_path: Path) -> None:
    done = trained(shapes, tmp_path)
    assert set(done.spent) <= set(PHASES)
    assert {"prepare", "forward", "backward", "optimizer", "evaluate", "judge", "save"} <= set(done.spent)
    assert all(seconds >= 0 for seconds in done.spent.values())
    assert 0.5 * done.seconds <= sum(done.spent.values()) <= done.seconds + 0.01
    assert "%" in done.bottleneck
    assert done.to_json()["bottleneck"] == done.bottleneck
    page = write(Run.open(done.run)).read_text(encoding="utf-8")
    assert f"<p>{html.escape(done.bottleneck)}.</p>" in page


@pytest.mark.parametrize(("given", "advised"), [("off", True), (None, False)])
def test_a_cache_is_advised_where_it_was_refused(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, advised: bool
) -> None:
    """Where the plan kept nothing, nothing could be kept."""
    asked = {}
    monkeypatch.setattr(job, "verdict", lambda spent, total, **more: asked.update(more) or "")  # type: ignore[func-returns-value]
    trained(shapes, tmp_path, cache=given, epochs=2)
    assert (asked["cache"] == "off") == advised
    assert asked["passes"] == 2


def test_frozen_layers_read_each_picture_once(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}
    monkeypatch.setattr(job, "verdict", lambda spent, total, **more: asked.update(more) or "")  # type: ignore[func-returns-value]
    model = trained(shapes, tmp_path, "model", epochs=1).model
    trained(
        shapes, tmp_path, weights=str(model), network=None, pretrained=None, size=None, freeze="always", solve=False,
        frozen_views=2, epochs=5,
    )  # fmt: skip
    assert asked["passes"] == 2


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "cl"))), reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # of torch's own compiler
def test_compiled_code_computes_the_same_on_a_cpu(shapes: Path, tmp_path: Path) -> None:
    losses = []
    for compiled in (False, True):
        heard: list[object] = []
        done = trained(
            shapes, tmp_path, f"compile-{compiled}", compile=compiled, probe=False, precision="fp32", epochs=2,
            lr=0.01, screen=heard.append,
        )  # fmt: skip
        assert kept(done.run)["fit"]["compiled"] is compiled
        losses.append([e.loss for e in heard if isinstance(e, events.Step)])
        names = weights(done.run, "best").keys()
        assert not [name for name in names if "_orig_mod" in name]
    assert len(losses[0]) == 4
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
