"""What runs on a processor runs on a CUDA GPU, and comes to the same. Skipped where there is none."""

from __future__ import annotations

import dataclasses
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

import foveal
import small
from foveal import plan, training
from foveal.data.cache import keep
from foveal.data.together import Together
from foveal.data.views import evaluation_view
from foveal.events import Epoch, Event, Watched
from foveal.loop.evaluation import evaluate
from foveal.loop.fit import fit
from foveal.loop.muon import orthogonal
from foveal.loop.state import State
from foveal.machine.pooling import halved
from foveal.options import Stage, TrainOptions
from foveal.readers import prepare
from foveal.records.run import Run
from foveal.structure.layers import Tempo
from foveal.values import Dataset
from foveal.watch.looking import Watch
from pictures import class_folder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
GPU = "cuda"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small.drawings(tmp_path_factory.mktemp("drawings"))


def trained(
    data: Dataset, device: str, watch: Watch | None = None, **changes: Any
) -> tuple[State, list[Event]]:
    """A tiny network after its three epochs, without dropout, whose draws depend on the device."""
    options = small.fit_options(device=device, **changes)
    network = small.tiny()
    network.drop.p = 0.0
    state = State(network.to(device), options)
    state.watch = watch
    train = small.batches(data, "train", pin=device != "cpu")
    return state, list(fit(state, small.task(), train, small.batches(data, "val"), options))


def losses(said: list[Event]) -> list[float]:
    return [event.train_loss for event in said if isinstance(event, Epoch)]


def test_a_training_comes_to_what_it_comes_to_on_a_processor(data: Dataset) -> None:
    _, here = trained(data, "cpu")
    state, there = trained(data, GPU)
    assert losses(there) == pytest.approx(losses(here), rel=5e-3)
    assert {"transfer", "forward", "backward", "optimizer"} <= set(state.spent)
    assert all(seconds >= 0 for seconds in state.spent.values())


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_as_well(data: Dataset, precision: str) -> None:
    _, here = trained(data, "cpu")
    state, there = trained(data, GPU, precision=precision)
    assert losses(there)[-1] == pytest.approx(losses(here)[-1], rel=0.2)
    assert (state.scaler is not None) == (precision == "fp16")


def test_watching_changes_nothing_and_sees_the_same(data: Dataset) -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        plain, _ = trained(data, GPU, deterministic=True)
        watched, said = trained(data, GPU, Watch(least=1e9), deterministic=True)
    finally:
        torch.use_deterministic_algorithms(False)
    one, other = plain.network.state_dict(), watched.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    there = {e.step: e for e in said if isinstance(e, Watched)}
    _, told = trained(data, "cpu", Watch(least=1e9))
    here = {e.step: e for e in told if isinstance(e, Watched)}
    assert len(there) >= len(here) - 2, "those of the last steps may still be on their way"
    first = min(there)
    for name, value in here[first].layers["conv"].items():
        assert there[first].layers["conv"][name] == pytest.approx(value, rel=2e-2, abs=1e-4), name


def test_an_epoch_hardly_waits_for_the_gpu(data: Dataset) -> None:
    """Only what is said of steps waits: each of the first 50, later one every quarter of a second."""
    options = small.fit_options(device=GPU)
    state = State(small.tiny().to(GPU), options)
    train = small.batches(data, "train", size=2, pin=True)
    said: list[Event] = []
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            counts = []
            for event in fit(state, small.task(), train, small.batches(data, "val"), options):
                said.append(event)
                counts.append((state.step, sum("synchroniz" in str(w.message) for w in seen)))
                if state.step == 70:
                    break
        finally:
            torch.cuda.set_sync_debug_mode("default")
    before = next(count for step, count in counts if step == 52)
    assert counts[-1][1] - before <= 3


def test_recorded_passes_learn_the_same(data: Dataset) -> None:
    watch = Watch(least=1e9)
    plain, told = trained(data, GPU)
    state, said = trained(data, GPU, cuda_graph=True)
    assert state.recording is not None
    assert state.recording.graph is not None
    assert "replay" in state.spent
    assert losses(said) == pytest.approx(losses(told), rel=1e-4)
    there, here = state.network.state_dict(), plain.network.state_dict()
    for name, value in there.items():
        torch.testing.assert_close(value, here[name], rtol=1e-3, atol=1e-5)
    watched, _ = trained(data, GPU, watch, cuda_graph=True)
    assert watched.recording is not None
    torch.testing.assert_close(watched.network.fc.weight, plain.network.fc.weight, rtol=1e-3, atol=1e-5)


def test_a_recorded_step_moves_as_its_optimizer_does(data: Dataset) -> None:
    """Its rates change from step to step, and a layer's come to an end in the middle."""
    plain, told = muons(data)
    state, said = muons(data, cuda_graph=True)
    assert state.recording is not None
    assert state.recording.optimizer is state.optimizer
    assert not state.network.norm.bias.requires_grad  # type: ignore[union-attr]
    assert not state.recording.stale
    assert losses(said) == pytest.approx(losses(told), rel=1e-3)
    there, here = state.network.state_dict(), plain.network.state_dict()
    for name, value in there.items():
        torch.testing.assert_close(value, here[name], rtol=1e-2, atol=1e-3)


def muons(data: Dataset, **changes: Any) -> tuple[State, list[Event]]:
    """A tiny network trained with Muon, its norm only in the first half."""
    stage = Stage("all", "all", 3, 0.05, "polynomial", 0.0)
    options = small.fit_options(device=GPU, optimizer="muon", stages=(stage,), weight_decay=0.0, **changes)
    network = small.tiny()
    network.drop.p, network.norm.tempo = 0.0, Tempo(2.0, until=0.5)
    state = State(network.to(GPU), options)
    train = small.batches(data, "train", pin=True)
    return state, list(fit(state, small.task(), train, small.batches(data, "val"), options))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_pooling_is_torchs(precision: torch.dtype) -> None:
    drawn = torch.randn(7, 24, 31, 30, device=GPU, dtype=precision)
    x = ((drawn * 2).round() / 2).to(memory_format=torch.channels_last).requires_grad_()
    wanted, made = F.max_pool2d(x, 2), halved(x)
    assert made.grad_fn is not None
    assert "Halved" in type(made.grad_fn).__name__
    gradient = torch.randn_like(wanted)
    (here,), (there,) = (torch.autograd.grad(out, x, gradient) for out in (wanted, made))
    assert torch.equal(wanted, made)
    assert torch.equal(here, there)


class Waiting(small.Tiny):
    """One that asks the GPU how a pass went."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        return out * (1.0 if out.isfinite().all().item() else 0.0)


def test_what_cannot_be_recorded_is_computed_as_it_is(data: Dataset) -> None:
    torch.manual_seed(0)
    state = State(Waiting().to(GPU), small.fit_options(device=GPU, cuda_graph=True))
    said = list(
        fit(state, small.task(), small.batches(data, "train"), small.batches(data, "val"), state.options)
    )
    assert state.recording is not None
    assert state.recording.refused
    assert losses(said)[-1] < losses(said)[0]


def test_varied_batches_are_the_same_pictures() -> None:
    images = torch.randint(256, (40, 3, 16, 16), dtype=torch.uint8)
    where = torch.arange(40)
    for flip in ("none", "random", "alternating"):
        vary = Together(2, flip, 5)  # type: ignore[arg-type]
        here, there = vary(images, where, 3, 1), vary(images.to(GPU), where.to(GPU), 3, 1)
        assert torch.equal(here, there.cpu())


def test_orthogonal_steps_are_orthogonal_in_half_precision() -> None:
    matrices = torch.randn(3, 64, 200)
    here, there = orthogonal(matrices), orthogonal(matrices.to(GPU, torch.bfloat16)).float().cpu()
    assert (here - there).norm() / here.norm() < 0.03


def test_out_of_memory_is_met_by_pieces(data: Dataset) -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    network = torch.nn.Sequential(*(torch.nn.Conv2d(1 if n == 0 else 64, 64, 3, padding=1) for n in range(6)))
    network.add_module("pool", torch.nn.AdaptiveMaxPool2d(1))
    network.add_module("flat", torch.nn.Flatten())
    network.add_module("fc", torch.nn.Linear(64, 3))
    options = small.fit_options(device=GPU)
    state = State(network.to(GPU), options)
    small_step = state.network(torch.randn(2, 1, 12, 12, device=GPU)).sum()
    torch.autograd.backward(small_step)  # libraries take room of their own at first
    torch.cuda.empty_cache()
    used = torch.cuda.memory_reserved() + 16e6
    train = small.batches(data, "train", size=48)
    # 48 pictures of 144 pixels and 64 channels need about 48 * 144 * 64 * 4 * 18 bytes: 32 MB
    torch.cuda.set_per_process_memory_fraction(used / total)
    try:
        said = list(fit(state, small.task(), train, small.batches(data, "val"), options))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert state.pieces > 1
    assert len(losses(said)) == 3


@pytest.mark.filterwarnings("ignore:.*does not have a deterministic implementation")
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_paused_and_continued_is_the_same_run(tmp_path: Path, cuda_graph: bool) -> None:
    folder = class_folder(tmp_path / "shapes", classes=3, each=50, size=16)
    dataset, split = prepare(str(folder), TrainOptions(), 0)
    quick: dict[str, Any] = {
        "network": "resnet9", "pretrained": False, "size": 16, "batch": 8, "epochs": 3, "precision": "fp32",
        "device": GPU, "deterministic": True, "cuda_graph": cuda_graph,
    }  # fmt: skip

    def begin(name: str, pause: training.Pause | None) -> None:
        options = TrainOptions(**quick, out=str(tmp_path / name))
        planned = plan.make(dataset, options)
        training.start(dataset, planned, "shapes", lambda m: None, time.time(), split, pause=pause)

    def pause(event: Event) -> tuple[str, str] | None:
        return ("paused", "as asked") if isinstance(event, Epoch) and event.epoch == 1 else None

    try:
        begin("whole", None)
        with pytest.raises(training.Paused):
            begin("paused", pause)
        training.resume(str(tmp_path / "paused"), lambda m: None, time.time(), None, dataset)
    finally:
        torch.use_deterministic_algorithms(False)
    one, other = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "paused"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_every_step_of_a_users_day(tmp_path: Path) -> None:
    """Trained, judged again, explained, diagnosed and asked, on the GPU; a processor says the same of the model."""
    done = foveal.train("digits", network="resnet9", epochs=3, device=GPU, runs_dir=str(tmp_path), seed=0)
    assert done.headline.value > 0.9
    assert Run(done.run).options["fit"]["device"] == GPU
    there, here = (foveal.evaluate(done.run, device=where) for where in (GPU, "cpu"))
    assert there.headline.value == pytest.approx(here.headline.value, abs=0.01)
    told = foveal.diagnose(done.run)
    assert told is not None
    (one, *_), (other, *_) = (
        foveal.explain(done.run, method="gradcam", verdict=False, device=where) for where in (GPU, "cpu")
    )
    assert one.path == other.path
    assert one.cells == pytest.approx(other.cells, rel=0.05, abs=0.05 * one.peak)


@pytest.mark.parametrize("task", ["detect", "segment", "instances", "autoencode"])
def test_other_tasks_learn_there(task: str, tmp_path: Path) -> None:
    data = "digits" if task == "autoencode" else "shapes-easy"
    # from scratch a detector's own rate is for its own weights
    rate: dict[str, Any] = {"lr": 1e-4} if task in ("detect", "instances") else {}
    done = foveal.train(data, task=task, epochs=1, size=64 if data != "digits" else None, pretrained=False,
                        device=GPU, runs_dir=str(tmp_path), workers=0, **rate)  # fmt: skip
    again = foveal.evaluate(done.run, device=GPU)
    assert again.headline.value == pytest.approx(done.headline.value, abs=0.02)


def test_the_sprint_needs_its_gpu_only(tmp_path: Path) -> None:
    folder = class_folder(tmp_path / "small", classes=3, each=40, size=32)
    done = foveal.train(str(folder), recipe="sprint", epochs=2, device=GPU, runs_dir=str(tmp_path))
    assert Run(done.run).options["train"]["workers"] == 0
    assert not [e for e in Run(done.run).events() if isinstance(e, Watched)]


def test_judging_is_the_same_in_any_order(data: Dataset) -> None:
    network = small.tiny().to(GPU)
    one = evaluate(network, small.task(), small.batches(data, "val"), "val", GPU)
    other = evaluate(
        network, small.task(), dataclasses.replace(small.batches(data, "val"), size=24), "val", GPU
    )
    assert one.metrics["loss"] == pytest.approx(other.metrics["loss"], rel=1e-4)


def test_kept_pictures_are_judged_where_they_lie(data: Dataset) -> None:
    kept = keep(
        data.root, data.part("val"), small.task(), evaluation_view(small.PRE), 1, where="memory", described=""
    )
    lying = small.batches(data, "val", kept=kept, view=None, device=GPU)
    assert lying._whole is not None
    assert lying._whole[0].is_cuda
    network = small.tiny().to(GPU)
    one = evaluate(network, small.task(), lying, "val", GPU)
    other = evaluate(network, small.task(), small.batches(data, "val"), "val", GPU)
    assert one.metrics == pytest.approx(other.metrics, rel=1e-6)
