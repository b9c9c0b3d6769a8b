"""Distances from what was seen: measured, stored with the model, and said of pictures."""

from __future__ import annotations

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
from foveal.evaluation import evaluate
from foveal.far import FARTHEST, fit_far, pooled, watched
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


def test_features_of_maps_and_tokens_are_pooled() -> None:
    maps = torch.rand(2, 5, 3, 4)
    torch.testing.assert_close(pooled(maps), maps.mean((2, 3)))
    torch.testing.assert_close(pooled(maps.flatten(2).mT), maps.mean((2, 3)))


# --- the reference ---


def test_distances_are_mahalanobis_to_the_nearest_class() -> None:
    """Against the plain formula, with all axes kept and features for which the root is the identity."""
    made = torch.Generator().manual_seed(0)
    classes = torch.arange(600) % 3
    points = torch.eye(3, 8)[classes] * 2 + 0.5 * torch.randn(600, 8, generator=made).abs()
    unit = points / points.norm(dim=1, keepdim=True)
    far = fit_far(unit**2, classes, unit[:200] ** 2, "fc")
    assert far is not None
    assert len(far.axes) == 7
    x = unit.double()
    means = torch.stack([x[classes == c].mean(0) for c in range(3)])
    apart = x - means[classes]
    values, vectors = torch.linalg.eigh(apart.T @ apart / 600)
    values[1:] += values[0].clone()  # the rest's variance is in every direction
    inverse = vectors @ torch.diag(1 / values) @ vectors.T
    expected = torch.stack([((x - m) @ inverse * (x - m)).sum(1) for m in means], 1).min(1).values.sqrt()
    torch.testing.assert_close(far.distance(unit**2).double() * far.threshold, expected, rtol=0.02, atol=0.02)


def test_the_threshold_lets_95_in_100_through() -> None:
    made = torch.Generator().manual_seed(0)
    points = torch.randn(9000, 40, generator=made).abs()
    seen, val, test = points[:1000], points[1000:5000], points[5000:]
    far = fit_far(seen, None, val, "fc")
    assert far is not None
    assert float((far.distance(val) > 1).double().mean()) == pytest.approx(0.05, abs=0.001)
    judged = far.judged(far.distance(test), "test").refused
    assert judged is not None
    assert judged.low < 0.05 < judged.high
    assert (judged.count, judged.split) == (4000, "test")


def test_other_channels_lie_far_however_strongly_they_answer() -> None:
    made = torch.Generator().manual_seed(0)
    mask = torch.cat([torch.ones(20), torch.zeros(20)])
    points = (torch.rand(500, 40, generator=made) + 0.1) * (mask + 0.01)
    seen, val = points[:400], points[400:]
    far = fit_far(seen, None, val, "fc")
    assert far is not None
    others = (torch.rand(50, 40, generator=made) + 0.1) * (1.01 - mask)
    assert all((far.distance(strength * others) > 1).all() for strength in (0.01, 1.0, 100.0))
    torch.testing.assert_close(far.distance(val), far.distance(7 * val), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("count", [0, 5, 19])
def test_few_pictures_give_no_reference(count: int) -> None:
    many = torch.rand(200, 10)
    assert fit_far(many, None, many[:count], "fc") is None
    assert fit_far(many[:count], None, many, "fc") is None


def test_features_that_tell_nothing_give_no_reference() -> None:
    assert fit_far(torch.ones(100, 10), None, torch.ones(50, 10), "fc") is None
    assert fit_far(torch.full((100, 10), torch.nan), None, torch.rand(50, 10), "fc") is None
    assert fit_far(torch.rand(100, 10), None, torch.full((50, 10), torch.nan), "fc") is None


def test_what_is_not_finite_lies_far(settled: Settled) -> None:
    assert settled.far is not None
    strange = torch.full((1, 256), torch.nan)
    assert settled.far.distance(strange).tolist() == [FARTHEST]


def test_many_classes_have_one_centre_and_stay_small() -> None:
    classes = torch.arange(900) % 150
    far = fit_far(torch.rand(900, 1280), classes, torch.rand(60, 1280), "fc")
    assert far is not None
    assert len(far.centres) == 1
    assert sum(t.numel() * t.element_size() for t in far.tensors().values()) < 200_000


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
