"""Distances from what was seen: measured, stored with the model, and said of pictures."""

from __future__ import annotations

import collections
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

import foveal
from foveal import catalog
from foveal.card import Card, digest_of
from foveal.data.batches import Batches
from foveal.errors import ModelError
from foveal.far import fit_far, watched
from foveal.loop.evaluation import evaluate
from foveal.model import Model
from foveal.structure.views import Views
from foveal.terminal.console import result_console
from foveal.terminal.show import predictions
from foveal.trust import Settled, gather, judge, settle
from foveal.values import Dataset
from foveal.verbs.predict import Predictions
from small import LABELS, PRE, Tiny, batches, drawings, task, tiny


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawings(tmp_path_factory.mktemp("drawings"), train=120, val=60, test=60)


@pytest.fixture(scope="module")
def network(data: Dataset) -> nn.Module:
    """A ResNet-9 that has learned the drawings."""
    torch.manual_seed(0)
    net: nn.Module = catalog.find("architectures", "resnet9").build("resnet9", outputs=3, channels=1, size=12)
    descent = torch.optim.SGD(net.parameters(), 0.02, momentum=0.9)
    train = batches(data, "train", 24)
    for epoch in range(3):
        for raw in train.epoch(epoch):
            descent.zero_grad()
            task().step(net, train.to(raw, "cpu", False)).loss.backward()  # type: ignore[no-untyped-call]
            descent.step()
    return net.eval()


def seen(data: Dataset) -> Batches:
    return batches(data, "train", 24, shuffle=False)


@pytest.fixture(scope="module")
def settled(network: nn.Module, data: Dataset) -> Settled:
    return settle(network, task(), seen(data), batches(data, "val", 24), "fc", "cpu")


@pytest.fixture(scope="module")
def model(network: nn.Module, settled: Settled) -> Model:
    card = Card(
        task=settled.task.card(),
        architecture={"name": "resnet9", "outputs": 3, "channels": 1, "size": 12},
        preprocessing=PRE,
    )
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as it comes back
    return Model(network, settled.task, PRE, card, settled.far)


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def known(data: Dataset, count: int = 12) -> list[Image.Image]:
    images = np.load(Path(data.root, "drawings.npy"))
    return [Image.fromarray(images[item.frame]) for item in data.part("test")[:count]]


def foreign(count: int = 12) -> list[Image.Image]:
    """Slopes and chequers: nothing like a drawing on noise."""
    y, x = np.mgrid[:12, :12]
    made = [x * (10 + n) + y for n in range(count // 2)] + [
        255 * ((x + y) % 2 == 0) - 3 * n for n in range(count // 2)
    ]
    return [Image.fromarray(one.clip(0, 255).astype(np.uint8)) for one in made]


# --- gathering ---


def test_gathered_is_what_the_network_computes(network: nn.Module, data: Dataset) -> None:
    val = batches(data, "val", 24)
    found = gather(network, val, "cpu", "fc")
    assert found.ids == [item.id for item in data.part("val")]
    assert found.truths.tolist() == [LABELS.index(item.truth) for item in data.part("val")]
    assert found.features is not None
    assert found.features.shape == (60, 256)
    head = network.get_submodule("fc")
    with torch.no_grad():
        torch.testing.assert_close(head(found.features), found.outputs)


def test_gathering_leaves_no_trace(data: Dataset) -> None:
    net = tiny().train()
    net.norm.eval()
    gather(net, batches(data, "val"), "cpu", "fc")
    assert (net.training, net.norm.training, net.drop.training) == (True, False, True)
    assert not net.fc._forward_pre_hooks
    with pytest.raises(ZeroDivisionError), watched(net, "fc"):
        raise ZeroDivisionError
    assert not net.fc._forward_pre_hooks


class Narrow(Tiny):
    """A network that has no memory for more than eight pictures."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 8:
            self.fc(torch.zeros(1, 8))  # the head was reached before memory ran out
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(x)


def test_out_of_memory_comes_in_pieces_and_counts_each_once(data: Dataset, settled: Settled) -> None:
    torch.manual_seed(0)
    net = Narrow()
    found = gather(net, batches(data, "val", 24), "cpu", "fc")
    assert len(found.outputs) == len(found.ids) == 60
    assert found.features is not None
    assert len(found.features) == 60
    far = fit_far(found.features, found.truths, found.features, "fc")
    _, judged = judge(net, task(), batches(data, "test", 24), "test", "cpu", far)
    assert judged is not None
    assert judged.refused is not None
    assert judged.refused.count == 60


# --- settling and judging ---


def test_settling_says_what_it_did(settled: Settled, network: nn.Module, data: Dataset) -> None:
    assert settled.far is not None
    assert (settled.far.pictures, settled.far.validation, len(settled.far.centres)) == (120, 60, 3)
    numbers = settled.numbers
    assert set(numbers) == {
        *("temperature", "loss", "loss_before"),
        *("calibration_error", "calibration_error_before"),
    }
    again = evaluate(network, settled.task, batches(data, "val", 24), "val").metrics
    assert again["loss"] == pytest.approx(numbers["loss"])
    assert numbers["loss"] <= numbers["loss_before"]


def test_judging_is_evaluating_and_measures_the_error_rate(
    settled: Settled, network: nn.Module, data: Dataset
) -> None:
    test = batches(data, "test", 24)
    judged, far = judge(network, settled.task, test, "test", "cpu", settled.far)
    assert judged == evaluate(network, settled.task, test, "test")
    assert far is not None
    assert far.refused is not None
    features = gather(network, test, "cpu", "fc").features
    assert features is not None
    assert far.refused.share == float((far.distance(features) > 1).double().mean())
    assert 0 <= far.refused.low < far.refused.high < 0.3
    # validation pictures set the threshold: they cannot say how often it errs
    _, same = judge(network, settled.task, batches(data, "val", 24), "val", "cpu", settled.far)
    assert same is settled.far


@pytest.mark.parametrize("kind", ["multilabel", "regress"])
def test_other_tasks_go_by_features_alone(kind: str, network: nn.Module, data: Dataset) -> None:
    """One centre, and a threshold that holds, whatever the truths are."""
    labels = LABELS if kind == "multilabel" else ("size",)
    other = catalog.find("tasks", kind).build(labels=labels)
    torch.manual_seed(0)
    net = nn.Sequential(collections.OrderedDict(network.named_children()))
    net.fc = nn.Sequential(nn.Flatten(), nn.Linear(256, other.outputs))

    def part(name: str) -> Batches:
        items = tuple(
            dataclasses.replace(item, truth=[item.truth] if kind == "multilabel" else float(n % 7))
            for n, item in enumerate(data.part(name))
        )
        return dataclasses.replace(batches(data, name, 24, shuffle=False), items=items, task=other)

    found = settle(net, other, part("train"), part("val"), "fc", "cpu")
    assert found.far is not None
    assert len(found.far.centres) == 1
    assert {"loss", "loss_before"} <= set(found.numbers)
    judged, far = judge(net, found.task, part("test"), "test", "cpu", found.far)
    assert judged.count == 60
    assert far is not None
    assert far.refused is not None
    assert far.refused.low < 0.1


def test_a_network_without_that_layer_has_no_distances(network: nn.Module, data: Dataset) -> None:
    found = settle(network, task(), seen(data), batches(data, "val"), "classifier", "cpu")
    assert found.far is None
    assert judge(network, task(), batches(data, "test"), "test", "cpu", None)[1] is None


def test_no_validation_pictures_settle_nothing(network: nn.Module, data: Dataset) -> None:
    empty = batches(dataclasses.replace(data, items=data.part("train")), "val")
    assert settle(network, task(), seen(data), empty, "fc", "cpu") == Settled(task(), None, {})


# --- in the model ---


def test_distances_come_back_bit_for_bit(model: Model, saved: Path) -> None:
    back = Model.load(saved)
    assert model.far is not None
    assert back.far is not None
    for name, tensor in model.far.tensors().items():
        assert back.far.tensors()[name].dtype == tensor.dtype
        assert torch.equal(back.far.tensors()[name], tensor)
    assert back.far.card() == model.far.card() == back.card.far
    assert back.predict(foreign()) == model.predict(foreign())


def test_the_error_rate_travels_with_the_model(model: Model, saved: Path) -> None:
    assert model.far is not None
    far = model.far.judged(torch.tensor([0.2] * 97 + [1.5] * 3), "test")
    dataclasses.replace(model, far=far).save(saved)
    refused = Model.load(saved).card.far
    assert refused is not None
    assert refused["refused"] == {
        "share": pytest.approx(0.03), "low": pytest.approx(0.0103, abs=1e-3),
        "high": pytest.approx(0.0845, abs=1e-3), "count": 100, "split": "test",
    }  # fmt: skip


def test_a_model_without_is_as_it_was(model: Model, tmp_path: Path) -> None:
    plain = dataclasses.replace(model, far=None)
    plain.save(tmp_path / "plain.safetensors")
    assert set(load_file(tmp_path / "plain.safetensors")) == set(model.network.state_dict())
    back = Model.load(tmp_path / "plain.safetensors")
    assert back.far is None
    assert back.card.far is None
    for said in back.predict(foreign()):
        assert (said.far, said.distance) == (None, None)
        assert set(said.to_json()) == {"path", "predictions"}


def rewritten(path: Path, **changes: object) -> None:
    """The model again with other things said of its distances, and a digest that fits."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        card = json.loads(file.metadata()["foveal"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    card["far"] |= changes
    text = json.dumps(card, sort_keys=True)
    save_file(tensors, path, {"foveal": text, "sha256": digest_of(text, tensors)})


def test_a_card_from_before_distances_is_read(model: Model, saved: Path) -> None:
    plain = dataclasses.replace(model, far=None)
    plain.save(saved)
    tensors = load_file(saved)
    told = plain.card.to_json()
    del told["far"]
    text = json.dumps(told, sort_keys=True)
    save_file(tensors, saved, {"foveal": text, "sha256": digest_of(text, tensors)})
    assert Model.load(saved).far is None


@pytest.mark.parametrize(
    "changes",
    [{"method": "telepathy"}, {"axes": 3}, {"dimensions": "x"}, {"threshold": 0}, {"refused": {"share": 1}}],
)
def test_damaged_distances_are_refused(saved: Path, changes: dict[str, object]) -> None:
    rewritten(saved, **changes)
    with pytest.raises(ModelError, match="distances"):
        Model.load(saved)


def test_tensors_of_distances_are_under_the_digest(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    far = load_file(saved)["far.spread"].numpy().tobytes()
    place = bytes(content).index(far)
    content[place] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ModelError, match="digest"):
        Model.load(saved)


# --- said of pictures ---


def test_a_far_picture_says_so_and_a_near_one_does_not(model: Model, data: Dataset) -> None:
    near, far = model.predict(known(data)), model.predict(foreign())
    assert sum(bool(said.far) for said in near) <= 2  # one in twenty is refused wrongly
    assert all(said.far for said in far)
    for said in near + far:
        assert said.distance is not None
        assert said.far == (said.distance > 1)
        assert said.to_json()["none_of_these"] is said.far
        json.dumps(said.to_json(), allow_nan=False)


def test_predictions_are_those_without_distances(model: Model, data: Dataset) -> None:
    plain = dataclasses.replace(model, far=None).predict(known(data))
    assert [said.predictions for said in model.predict(known(data))] == [said.predictions for said in plain]
    assert not model.network.get_submodule("fc")._forward_pre_hooks


def test_neither_batches_nor_views_change_a_distance(model: Model, data: Dataset) -> None:
    together = model.predict(known(data))
    looked = dataclasses.replace(model, network=Views(model.network, 2))  # measures the picture as it is
    for others in (model.predict(known(data), batch=1), looked.predict(known(data))):
        for one, other in zip(together, others, strict=True):
            assert one.distance == pytest.approx(other.distance, rel=1e-3)


@pytest.fixture
def answered(saved: Path, data: Dataset, tmp_path: Path) -> Predictions:
    folder = tmp_path / "pictures"
    folder.mkdir()
    known(data, 1)[0].save(folder / "a.png")
    foreign(2)[0].save(folder / "b.png")
    (folder / "c.png").write_bytes(b"no picture")
    return foveal.predict(saved, folder, csv=tmp_path / "said.csv")


def test_the_table_json_and_csv_say_it(
    answered: Predictions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near, far, broken = answered.to_json()
    assert (near["none_of_these"], far["none_of_these"]) == (False, True)
    assert set(broken) == {"path", "error"}
    lines = (tmp_path / "said.csv").read_text().splitlines()
    assert lines[0] == "path,rank,label,probability,none_of_these,distance,error"
    assert [line.split(",")[4] for line in lines[1:]] == ["False"] * 3 + ["True"] * 3 + [""]
    predictions(result_console(), answered.to_json())
    shown = capsys.readouterr().out
    assert sum("none of these?" in line and ".png" in line for line in shown.splitlines()) == 1
    assert "A picture lies far from all that the model was trained on" in shown
    predictions(result_console(), [near])
    assert "none of these" not in capsys.readouterr().out
    assert "none_of_these" in answered._repr_html_()
