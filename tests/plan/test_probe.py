"""The probe takes what is faster and computes the same, leaves no trace, and remembers."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import small
from foveal import catalog
from foveal.loop.state import State
from foveal.options import Stage, TrainOptions
from foveal.plan import probe as probing
from foveal.plan.probe import (
    FASTER,
    FILE,
    WORTH,
    Found,
    Setting,
    Trial,
    apply,
    cosine,
    current,
    probe,
    search,
)
from foveal.tasks.classify import Classify
from foveal.values import Batch, Dataset, Step

RULE = Setting("fp32", False, 2)
OTHER = {"precision": "bf16", "layout": True, "threads": 1}
REAL = {name: getattr(torch, name) for name in ("get_num_threads", "set_num_threads")}
OUT_OF_MEMORY = RuntimeError("DefaultCPUAllocator: not enough memory")
SIZES = {"name": "test", "outputs": 3, "channels": 1, "size": 12}


class Two(nn.Module):
    """Two convolutions of several channels (over a single one pictures and kernels lie the same in every layout),
    and dropout on a feature map, whose draws depend on the layout."""

    def __init__(self, dropout: float = 0.5) -> None:
        super().__init__()
        self.conv, self.more = nn.Conv2d(2, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.drop, self.fc = nn.BatchNorm2d(8), nn.Dropout(dropout), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(torch.cat([x.contiguous(), -x], 1))
        out: Tensor = self.fc(self.drop(self.norm(self.more(x.relu())).relu()).amax((2, 3)))
        return out


@dataclasses.dataclass(frozen=True)
class Spoiled(Classify):
    """The loss is multiplied by `by` in bf16, or where pictures lie channels last; by `None` it raises."""

    where: str = ""
    by: float | None = 1.0
    error: Exception = OUT_OF_MEMORY

    def step(self, network: nn.Module, batch: Batch) -> Step:
        last = batch.images.is_contiguous(memory_format=torch.channels_last) and batch.images.shape[1] > 1
        is_there = {
            "precision": torch.is_autocast_enabled("cpu"),
            "layout": last or probing.is_channels_last(network),
            "threads": torch.get_num_threads() == 1,
            "everywhere": True,
        }
        made = super().step(network, batch)
        if not is_there.get(self.where, False):
            return made
        if self.by is None:
            raise self.error
        return dataclasses.replace(made, loss=made.loss * self.by)


def spoiled(where: str, by: float | None, error: Exception | None = None) -> Spoiled:
    more = {} if error is None else {"error": error}
    return Spoiled(small.LABELS, where=where, by=by, **more)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return small.drawings(tmp_path)


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever this runs: two threads are said to compute (two would wait for each other on a busy machine), and
    the processor is said to be good at bf16."""
    said = [2]
    monkeypatch.setattr(torch, "get_num_threads", lambda: said[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: said.__setitem__(0, count))
    monkeypatch.setattr(probing, "fast_bf16", lambda device: True)


@pytest.fixture
def really() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads, which is as it was after the test."""
    with pytest.MonkeyPatch.context() as real:
        for name, function in REAL.items():
            real.setattr(torch, name, function)
        before = torch.get_num_threads()
        yield torch.set_num_threads
        torch.set_num_threads(before)


@pytest.fixture
def home(tmp_path: Path) -> str:
    return str(tmp_path / "home")


def begun(**changes: Any) -> State:
    torch.manual_seed(0)
    state = State(Two(), small.fit_options(**changes))
    state.enter(0)
    return state


def probed(
    data: Dataset, home: str, state: State | None = None, task: Classify | None = None, **given: Any
) -> Found | None:
    steps, sizes = given.pop("steps", 10 * WORTH), given.pop("sizes", SIZES)
    options = TrainOptions(data_home=home, **given)
    train = small.batches(data, "train")
    return probe(state or begun(), task or small.task(), train, options, steps, sizes)


def slowness(setting: Setting, seconds: dict[str, float]) -> float:
    """A second, times what is told of each part of a setting that is not the rule's."""
    parts = {
        "precision": setting.precision == OTHER["precision"],
        "layout": setting.channels_last,
        "threads": setting.threads == 1,
    }
    return math.prod(factor for part, factor in seconds.items() if parts[part])


def clocked(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    """Steps are really made, and said to take so long."""
    real = Trial._step

    def step(self: Trial, state: State, rounded: bool = False) -> float:
        real(self, state, rounded)
        return slowness(current(state), seconds)

    monkeypatch.setattr(Trial, "_step", step)


def told(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> list[Setting]:
    """No step is made; how long it would have taken is told. Returns the settings asked for."""
    asked: list[Setting] = []

    def speed(self: Trial, setting: Setting) -> float:
        asked.append(setting)
        return 8 / slowness(setting, seconds)

    monkeypatch.setattr(Trial, "speed", speed)
    return asked


def never(*args: object, **named: object) -> None:
    raise AssertionError("nothing is to be measured")


def everything(state: State) -> dict[str, Any]:
    modules = list(state.network.modules())
    return {
        "state": copy.deepcopy(state.capture()),
        "options": state.options,
        "gradients": [p.grad for p in state.network.parameters()],
        "trainable": [p.requires_grad for p in state.network.parameters()],
        "layout": [p.stride() for p in state.network.parameters()],
        "modes": [m.training for m in modules],
        "dropout": [m.p for m in modules if isinstance(m, nn.Dropout)],
        "rates": [group["lr"] for group in state.optimizer.param_groups],  # type: ignore[union-attr]
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),  # type: ignore[index]
        "threads": torch.get_num_threads(),
    }


@pytest.mark.parametrize("task", [small.task(), spoiled("everywhere", None), spoiled("precision", None)])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_it_leaves_no_trace(data: Dataset, home: str, task: Classify, ema: float) -> None:
    state = begun(ema=ema)
    state.network.eval()
    before = everything(state)
    probed(data, home, state, task)
    assert small.equal(everything(state), before)


def test_threads_are_as_before_when_it_is_interrupted(
    data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch, really: Callable[[int], None]
) -> None:
    really(2)
    state = begun()
    before = everything(state)

    def interrupted(self: Trial, state: State, rounded: bool = False) -> float:
        if torch.get_num_threads() == 1:
            torch.rand(1)
            raise KeyboardInterrupt
        return 1.0

    monkeypatch.setattr(Trial, "_step", interrupted)
    monkeypatch.setattr(Trial, "_is_sound", lambda self, likeness: True)
    with pytest.raises(KeyboardInterrupt):
        probed(data, home, state)
    assert small.equal(everything(state), before)


@pytest.mark.parametrize("part", ["precision", "layout", "threads"])
@pytest.mark.parametrize("times", [FASTER - 0.05, FASTER + 0.05, 4.0])
def test_what_is_faster_is_taken_and_only_that(
    data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch, part: str, times: float
) -> None:
    clocked(monkeypatch, **{part: 1 / times})
    found = probed(data, home)
    assert found is not None
    is_taken = times >= FASTER
    wanted = dataclasses.replace(RULE, **{probing.PARTS[part]: OTHER[part]}) if is_taken else RULE
    assert found.setting == wanted
    assert found.speeds[str(RULE)] == pytest.approx(8)
    assert found.speeds[str(wanted)] == pytest.approx(8 * times if is_taken else 8)
    choices = {c.option: c for c in found.choices}
    assert set(choices) == {"precision", "layout", "threads"}, "what was tried, and nothing else"
    shown = {"precision": "bf16", "layout": "channels_last", "threads": 1}
    usual = {"precision": "fp32", "layout": "contiguous", "threads": 2}
    assert {o: c.value for o, c in choices.items()} == usual | ({part: shown[part]} if is_taken else {})
    left = {"precision": "fp32", "layout": "contiguous", "threads": "2 threads"}[part]
    if times == 4:
        assert choices[part].reason == f"probe: 32 pictures/s, 8.0 with {left}"
        assert choices[part].automatic


def test_options_are_tried_on_top_of_each_other(
    data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocked(monkeypatch, precision=0.5, layout=0.5, threads=2.0)
    found = probed(data, home)
    assert found is not None
    assert found.setting == Setting("bf16", True, 2)
    assert found.speeds == {
        "fp32, contiguous, 2 threads, not compiled": 8.0,
        "bf16, contiguous, 2 threads, not compiled": 16.0,
        "bf16, channels_last, 2 threads, not compiled": 32.0,
        "bf16, channels_last, 1 thread, not compiled": 16.0,
    }


@pytest.mark.parametrize("by", [-1.0, 0.0, float("nan"), float("inf"), None])
@pytest.mark.parametrize("part", ["precision", "layout", "threads"])
def test_what_computes_something_else_or_fails_is_refused(
    data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch, part: str, by: float | None
) -> None:
    """However fast it is: gradients turned round, gone, not finite; memory that does not suffice."""
    clocked(monkeypatch, **{part: 0.1})
    found = probed(data, home, task=spoiled(part, by))
    assert found is not None
    assert found.setting == RULE
    refused = dataclasses.replace(RULE, **{probing.PARTS[part]: OTHER[part]})
    assert found.speeds[str(refused)] == 0
    reason = {c.option: c.reason for c in found.choices}[part]
    assert "fails here, or computes something else" in reason


@pytest.mark.parametrize(
    "error",
    [NotImplementedError("no such kernel"), TypeError("untraceable"), MemoryError(), ImportError("g++")],
)
def test_a_setting_may_fail_in_any_way(data: Dataset, home: str, error: Exception) -> None:
    found = probed(data, home, task=spoiled("precision", None, error))
    assert found is not None
    assert found.setting.precision == "fp32"


@pytest.mark.parametrize("by", [float("nan"), None])
def test_rules_that_fail_are_left(data: Dataset, home: str, by: float | None) -> None:
    """bf16 was chosen by rule, and this network cannot be trained with it."""
    found = probed(data, home, begun(precision="bf16"), spoiled("precision", by))
    assert found is not None
    assert found.setting.precision == "fp32"
    assert {c.option: c.value for c in found.choices}["precision"] == "fp32"


@pytest.mark.parametrize("by", [float("nan"), None])
def test_where_nothing_can_be_computed_the_rules_decide(data: Dataset, home: str, by: float | None) -> None:
    assert probed(data, home, task=spoiled("everywhere", by)) is None
    assert not Path(home, FILE).exists(), "a bad moment is not remembered"


@pytest.mark.parametrize("dropout", [0.5, 0.9])
def test_draws_of_dropout_are_no_difference(data: Dataset, home: str, dropout: float) -> None:
    state = begun()
    state.network.drop.p = dropout  # type: ignore[union-attr,assignment]
    found = probed(data, home, state)
    assert found is not None
    assert all(speed > 0 for speed in found.speeds.values()), found.speeds


def test_a_network_that_makes_much_of_rounding_may_have_bf16(data: Dataset) -> None:
    """MobileNetV2's gradients in bf16 are far from those in fp32 while it is new; so are fp32's, rounded."""
    torch.manual_seed(0)
    module = catalog.find("architectures", "mobilenet_v2")
    network = module.build("mobilenet_v2", outputs=3, channels=1, size=32)
    o = small.fit_options(head=module.head("mobilenet_v2"), precision="bf16")
    state = State(network, o)
    state.enter(0)
    trial = Trial(state, 0, small.task(), small.batches(data, "train"))
    trial.raw = Batch(
        trial.raw.images.repeat_interleave(3, 2).repeat_interleave(3, 3), trial.raw.truths, trial.raw.ids
    )
    likeness = []
    sound = trial._is_sound
    trial._is_sound = lambda like: likeness.append(like) or sound(like)  # type: ignore[method-assign,func-returns-value]
    assert trial.speed(current(state)) > 0
    assert likeness[0] < probing.ALIKE, "else this test says nothing"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"precision": "fp32"}, {"precision": "fp32"}),
        ({"layout": "contiguous"}, {"channels_last": False}),
        ({"threads": 2}, {"threads": 2}),
        ({"precision": "fp32", "layout": "contiguous"}, {"precision": "fp32", "channels_last": False}),
    ],
    ids=lambda value: "-".join(value),
)
def test_what_was_given_is_never_tried(
    data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], kept: dict[str, Any]
) -> None:
    """Not even when a run where it was open has remembered that something else is faster."""
    tried = told(monkeypatch, precision=0.5, layout=0.5, threads=0.5)
    free = probed(data, home)
    assert free is not None
    assert free.setting == Setting("bf16", True, 1)
    tried.clear()
    found = probed(data, home, **given)
    assert found is not None
    assert tried
    for setting in [*tried, found.setting]:
        assert {name: getattr(setting, name) for name in kept} == kept
    assert not set(given) & {c.option for c in found.choices}


@pytest.mark.parametrize(
    "given",
    [
        {"probe": False},
        {"deterministic": True},
        {"steps": WORTH - 1},
        {"precision": "fp32", "layout": "contiguous", "threads": 2},
    ],
    ids=lambda value: "-".join(value),
)
def test_where_it_does_not_pay_nothing_is_tried(
    data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    monkeypatch.setattr(probing, "Trial", never)
    assert probed(data, home, **given) is None
    assert not Path(home).exists()


def test_it_is_remembered(data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, precision=0.25)
    first = probed(data, home)
    monkeypatch.setattr(probing, "Trial", never)
    again = probed(data, home)
    assert first is not None
    assert again is not None
    assert (again.setting, again.speeds) == (first.setting, first.speeds)
    assert {(c.option, c.value) for c in again.choices} == {(c.option, c.value) for c in first.choices}
    assert all(c.reason.startswith("probe before: ") for c in again.choices)


def _other_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "hardware", lambda device: {"processor": "another", "cores": 2})


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": SIZES | {"name": "other"}},
        {"sizes": SIZES | {"size": 16}},
        {"state": {"batch": 9}},
        {"state": {"pieces": 2}},
        {"state": {"optimizer": "adamw"}},
        {"state": {"stages": (Stage("head", "head", 3, 0.05, "onecycle", 0.25),)}},
        {"state": {"threads": 4}},
        {"train_size": 8},
        {"layout": "contiguous"},
        {"machine": True},
    ],
    ids=str,
)
def test_other_circumstances_are_measured_anew(
    data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    measured = told(monkeypatch)
    probed(data, home)
    measured.clear()
    if change.pop("machine", False):
        _other_machine(monkeypatch)
    probed(data, home, begun(**change.pop("state", {})), **change)
    assert measured
    assert len(json.loads(Path(home, FILE).read_text())) == 2, "both are remembered"


def _damaged(text: bytes) -> bytes:
    rows = json.loads(text)
    return json.dumps({key: dict.fromkeys(row, "fast") for key, row in rows.items()}).encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[: len(text) // 2],
        lambda text: b"[1, 2]",
        lambda text: b"\xff\xfe\x00",
        lambda text: b"[" * 100_000,
        _damaged,
        lambda text: text.replace(b"8.0", b"NaN").replace(b"32.0", b"-1"),
        lambda text: json.dumps({key: {} for key in json.loads(text)}).encode(),
    ],
)
def test_a_damaged_file_is_ignored_and_written_anew(
    data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch, damage: Any
) -> None:
    told(monkeypatch, precision=0.25)
    first = probed(data, home)
    file = Path(home, FILE)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    again = probed(data, home)
    assert again == first, "its reasons say that it was measured"
    assert json.loads(file.read_bytes()) == json.loads(whole)


def test_a_home_that_cannot_be_written_is_no_reason_to_stop(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, precision=0.25)
    (tmp_path / "file").write_bytes(b"")
    found = probed(data, str(tmp_path / "file"))
    assert found is not None
    assert found.setting.precision == "bf16"


def test_only_the_latest_are_remembered(data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch)
    monkeypatch.setattr(probing, "MOST", 2)
    for batch in (8, 9, 10):
        probed(data, home, begun(batch=batch))
    monkeypatch.setattr(probing, "Trial", never)
    assert probed(data, home, begun(batch=10)) is not None
    assert probed(data, home, begun(batch=9)) is not None
    with pytest.raises(AssertionError, match="nothing is to be measured"):
        probed(data, home, begun(batch=8))


def test_a_machine_that_was_busy_once_is_no_reason() -> None:
    """The rules' setting is slow when it is measured first, and not when it is measured again."""
    paces = {RULE: iter([5.0, 9.9]), dataclasses.replace(RULE, precision="bf16"): iter([10.0])}
    found = search(RULE, {"precision": "bf16"}, lambda s: next(paces[s]), lambda speed: True, "probe")
    assert found.setting == RULE
    again = search(RULE, {"precision": "bf16"}, lambda s: found.speeds[str(s)], lambda speed: True, "probe")
    assert again == found


def test_nothing_is_tried_where_few_steps_lie_ahead() -> None:
    """Steps may be so slow that trying others would take a good part of the minutes that are planned."""
    found = search(
        RULE, {"precision": "bf16"}, lambda s: 1.3, lambda speed: True, "probe", lambda speed: speed > 2
    )
    assert found == Found(RULE, (), {str(RULE): 1.3})


@pytest.mark.parametrize(("pays", "is_tried"), [(True, True), (False, False)])
def test_compiled_code_is_tried_where_it_pays(pays: bool, is_tried: bool) -> None:
    asked: list[float] = []
    found = search(
        RULE, {"compile": True}, lambda s: 200.0 if s.compiled else 100.0,
        lambda speed: asked.append(speed) or pays, "probe",  # type: ignore[func-returns-value]
    )  # fmt: skip
    assert asked == [100.0]
    assert found.setting.compiled == is_tried
    assert [c.option for c in found.choices] == ["compile"] * is_tried
    if is_tried:
        assert found.choices[0].value is True
        assert found.choices[0].reason == "probe: 200 pictures/s, 100 with not compiled"


def test_what_is_tried_depends_on_the_device() -> None:
    given = TrainOptions()
    assert probing._tries(RULE, given, small.fit_options()) == {
        "precision": "bf16",
        "layout": True,
        "threads": 1,
    }
    one = dataclasses.replace(RULE, threads=1)
    assert "threads" not in probing._tries(one, given, small.fit_options())
    gpu = small.fit_options(device="cuda:0")
    assert probing._tries(RULE, given, gpu) == {"precision": "bf16", "layout": True, "compile": True}
    growing = dataclasses.replace(gpu, grow=0.5)
    assert "compile" not in probing._tries(RULE, given, growing), "every size would be compiled for"
    assert "compile" not in probing._tries(RULE, TrainOptions(compile=False), gpu)
    half = dataclasses.replace(RULE, precision="bf16", channels_last=True)
    assert probing._tries(half, given, small.fit_options()) == {
        "precision": "fp32",
        "layout": False,
        "threads": 1,
    }


def test_compiling_pays_by_the_time_that_is_left(
    data: Dataset, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """600 seconds: by the steps ahead, or by the minutes planned."""
    heard: list[bool] = []

    def fake(rule: Setting, tries: object, measure: object, pays: Any, why: str, enough: object) -> Found:
        heard.append(pays(8.0))
        return Found(rule, (), {str(rule): 8.0})

    monkeypatch.setattr(probing, "search", fake)
    probed(data, home, steps=599)  # a second each
    probed(data, home, steps=601)
    late, early = begun(seconds=900.0), begun(seconds=900.0)
    late.seconds = 400.0
    probed(data, home, late)
    probed(data, home, early)
    assert heard == [False, True, False, True]


def test_the_stage_with_most_steps_is_tried() -> None:
    def stage(name: str, epochs: int, share: float, views: int = 0) -> Stage:
        trainable = "all" if name == "all" else "head"
        return Stage(name, trainable, epochs, 0.1, "constant", 0.0, share=share, views=views)  # type: ignore[arg-type]

    head, all_, once = stage("head", 2, 0.6), stage("all", 5, 0.4), stage("once", 50, 0.9, views=1)
    assert probing._busiest(begun(stages=(head, all_))) == 1
    assert probing._busiest(begun(stages=(head, all_), seconds=100.0)) == 0
    assert probing._busiest(begun(stages=(head, all_, once))) == 1, "features are no pictures"
    state = begun(stages=(all_, head))
    state.enter(1)
    assert probing._busiest(state) == 1, "what is over is over"


def test_apply_lays_the_average_out_as_well() -> None:
    state = begun(ema=0.9)
    apply(state, Setting("bf16", True, 1))
    assert state.average is not None
    assert probing.is_channels_last(state.network)
    assert probing.is_channels_last(state.average), "as a resumed run would"
    assert (state.options.precision, state.options.threads, state.options.compiled) == ("bf16", 1, False)
    assert torch.get_num_threads() == 1
    assert current(state) == Setting("bf16", True, 1)
    apply(state, Setting("fp32", False, 2))
    assert not probing.is_channels_last(state.network)


def test_a_cosine_is_right_for_millions() -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.rand(3_000_000, generator=generator)
    other = one + 0.01 * torch.rand(3_000_000, generator=generator)
    a, b = one.double(), other.double()
    exact = float(a @ b / (a.norm() * b.norm()))
    assert cosine([one[:7], one[7:]], [other[:7], other[7:]]) == pytest.approx(exact, abs=1e-6)
    assert cosine([one], [one]) <= 1 + 1e-9
    assert not cosine([one], [torch.zeros_like(one)]) >= 0
    assert not cosine([], []) >= 0
