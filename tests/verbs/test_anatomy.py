"""foveal anatomy, as the Python function and as the command."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from rich.console import Console
from torch import nn

import foveal
from foveal import plan
from foveal.errors import ModelError, OptionError, UnknownNameError
from foveal.options import TrainOptions, make
from foveal.plan.network import built
from foveal.report.anatomy import TOGETHER
from foveal.terminal import show_anatomy
from foveal.terminal.app import main
from foveal.values import Dataset, Facts, Item
from foveal.verbs.anatomy import anatomy, ends
from typed import spoken

KEYS = {"parameters", "multiply_adds", "layers"}
LAYER = {"name", "kind", "output_shape", "parameters", "multiply_adds", "receptive_field"}


def pictures(side: int) -> Dataset:
    """Pictures of two classes, of which a plan needs to know no more than this."""
    parts = [(n, "train") for n in range(300)] + [(n, "val") for n in range(300, 310)]
    items = tuple(Item(str(n), f"{n}.jpg", "ab"[n % 2], part) for n, part in parts)
    facts = Facts(side, side, side, side, False, 1)
    return Dataset("/", "classify", "folder", "class folders", ("a", "b"), items, (), facts, "f")


def test_what_is_told_of_a_name():
    done = anatomy("resnet18", times=False)
    said = json.loads(json.dumps(done.to_json(), allow_nan=False))
    assert set(said) >= KEYS
    assert all(set(layer) >= LAYER for layer in said["layers"])
    assert said["parameters"] == 11_689_512
    assert said["multiply_adds"] == pytest.approx(1.814e9, rel=0.01)
    assert said["input_shape"] == [3, 224, 224]
    assert said["seconds"] is None
    assert said["layers"][0]["dense_parameters"] == 3 * 224 * 224 * 64 * 112 * 112
    added = [layer for layer in said["layers"] if layer["kind"] == "add"]
    assert len(added) == 8
    assert all(len(layer["inputs"]) == 2 for layer in added)


def test_size_channels_and_classes_are_the_users():
    said = anatomy("resnet18", size=64, channels=1, classes=7, times=False).to_json()
    assert said["input_shape"] == [1, 64, 64]
    assert said["layers"][-1]["output_shape"] == (7,)
    assert said["parameters"] == 11_689_512 - 2 * 64 * 49 - 993 * 513


@pytest.mark.parametrize(
    ("network", "given", "stem", "why"),
    [
        ("resnet18", {"size": 32}, "small", "leave little of a picture of 32 px"),
        ("resnet18", {"size": 64}, "published", "below 64 px only"),
        ("resnet18", {"size": 32, "stem": "published"}, "published", "given"),
        ("resnet18", {"size": 96, "stem": "small"}, "small", "given"),
        ("densenet121", {"size": 32}, "small", "leave little of a picture of 32 px"),
        ("lenet5", {"size": 32}, None, ""),
        ("lenet5", {"size": 32, "stem": "published"}, None, ""),
    ],
)
def test_first_layers_are_those_that_training_would_have(network, given, stem, why, capsys):
    """The network that a plan for pictures of that size builds from scratch, and its reason."""
    done = anatomy(network, times=False, channels=3, classes=2, **given)
    planned = plan.make(
        pictures(given["size"]),
        make(TrainOptions, {"network": network, "pretrained": False, "channels": 3, **given}),
    )
    theirs = built(planned.architecture, planned.options)
    assert done.anatomy.parameters == sum(p.numel() for p in theirs.parameters())
    maps = [layer.output_shape for layer in done.anatomy.layers if layer.kind == "Conv2d"]
    first = next(m for m in theirs.modules() if isinstance(m, nn.Conv2d))
    assert maps[0][1:] == first(torch.zeros(1, 3, given["size"], given["size"])).shape[2:]
    assert list(done.choices) == [c for c in planned.choices if c.option == "stem"]
    assert [c.value for c in done.choices] == ([stem] if stem else [])
    assert all(why in c.reason for c in done.choices)
    show_anatomy.anatomy(Console(width=400), done.to_json())
    said = capsys.readouterr().out
    assert (f"stem {stem}: " in said) == (stem is not None)
    assert (f"Stem {stem}: " in done._repr_html_()) == (stem is not None)


def test_a_stem_is_typed_as_in_training(capsys: pytest.CaptureFixture[str]):
    document, _ = spoken(capsys, "anatomy", "resnet18", "--size", "32", "--stem", "small", "--no-times")
    assert document["choices"] == [
        {"option": "stem", "value": "small", "reason": "given", "automatic": False}
    ]
    assert document["layers"][0]["kernel"] == [3, 3]
    with pytest.raises(OptionError) as of_training:
        plan.make(
            pictures(64), make(TrainOptions, {"network": "vgg11", "pretrained": False, "stem": "small"})
        )
    with pytest.raises(OptionError) as ours:
        anatomy("vgg11", size=64, stem="small")
    assert str(ours.value) == str(of_training.value)
    with pytest.raises(OptionError, match="--stem was given for a module"):
        anatomy(nn.Conv2d(3, 1, 3), stem="small")


def test_a_module_of_ones_own():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    done = foveal.anatomy(net, size=16, effective=True)
    assert done.network == "Sequential"
    assert ends(done.anatomy) == ["1", "2"]
    assert 1 <= done.effective["2"] <= 5
    assert done.anatomy.seconds is not None
    assert net.training
    assert "Layer by layer" in done._repr_html_()


def test_a_trained_model_is_taken_as_it_is(tmp_path: Path):
    run = foveal.train(
        None,
        network="resnet9",
        epochs=1,
        size=16,
        batch=256,
        runs_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "r"),
    )
    said = anatomy(run.run, times=False).to_json()
    assert said["input_shape"] == [1, 16, 16]
    assert said["layers"][-1]["output_shape"] == (10,)
    assert said["choices"] == []
    for given in ({"classes": 3}, {"stem": "small"}, {"channels": 3}):
        with pytest.raises(OptionError, match="10 classes") as caught:
            anatomy(run.run, **given)
        assert f"--{next(iter(given))} was given for a trained model" in caught.value.came


def test_a_network_of_ones_own_in_a_few_words(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "layers: [conv 8 3x3 pad same, relu, {residual: [conv 8 1x1]}, gap, linear]", encoding="utf-8"
    )
    said = anatomy(str(file), size=16, channels=1, classes=4, times=False).to_json()
    assert said["parameters"] == (9 * 8 + 8) + (64 + 8) + (32 + 4)
    assert [len(layer["inputs"]) for layer in said["layers"]].count(2) == 1
    with pytest.raises(OptionError, match=r"none\.yaml"):
        anatomy(str(tmp_path / "none.yaml"))


def test_page_and_picture(tmp_path: Path):
    page, picture = tmp_path / "net.html", tmp_path / "net.svg"
    done = anatomy("squeezenet1_1", size=64, html=str(page), svg=str(picture))
    root = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    dots = root.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(dots) == len(done.anatomy.layers)
    html = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    assert "http://www.w3.org/2000/svg" in html
    assert html.count("data:image/png;base64,") == len(done.effective) > 1
    assert f"{done.anatomy.parameters:,}" in html
    assert html.count('<svg class="network"') == -(-len(done.anatomy.layers) // TOGETHER), (
        "paper breaks between them"
    )
    assert "svg.network{width:100%;height:auto;break-inside:avoid}" in html.partition("@media print{main")[2]
    assert list(done.signal) == ["as it is", "small weights"]
    assert "Does the signal arrive?" in html
    assert len(html) < 1_000_000


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"network": "resnet81"}, UnknownNameError, "resnet81"),
        ({"network": "no/such/run"}, ModelError, "no/such/run"),
        ({"network": "resnet18", "size": 0}, OptionError, "size"),
        ({"network": "resnet18", "svg": "net.png"}, OptionError, r"\.svg"),
        ({"network": "vgg11", "size": 8}, OptionError, "8 x 8"),
        ({"network": nn.Linear(5, 3)}, OptionError, "Linear"),
    ],
)
def test_what_cannot_be_taken_apart_is_refused(options, error, says):
    with pytest.raises(error, match=says):
        anatomy(**options)


def test_on_the_terminal(capsys: pytest.CaptureFixture[str]):
    before = torch.get_rng_state()
    assert main(["anatomy", "googlenet", "--no-times"]) == 0
    said = capsys.readouterr().out
    assert "├─┼─┼─●" in said
    assert "13,004,888 parameters" in said
    assert "3,188,968 in aux1: only training passes it" in said
    assert "fully connected" in said
    assert torch.equal(before, torch.get_rng_state())
    document, _ = spoken(capsys, "anatomy", "resnet18", "--size", "64")
    assert set(document) >= KEYS
    assert all(layer["seconds"] for layer in document["layers"] if layer["kind"] == "Conv2d")


def test_a_trained_model_without_some_of_its_parameters(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made = foveal.train(None, network="resnet9", epochs=2, size=16, seed=0, runs_dir=str(tmp_path / "runs"))
    told: list[tuple[int, int]] = []
    page = tmp_path / "p.html"
    done = anatomy(made.run, times=False, prune=True, html=str(page), progress=lambda *at: told.append(at))
    judged = foveal.evaluate(made.run).headline
    for method in ("magnitude", "channel"):
        rows = [one for one in done.pruned if one.method == method]
        assert (rows[0].share, rows[0].gone, rows[0].headline) == (0, 0, judged)
        assert [one.gone for one in rows] == sorted(one.gone for one in rows)
        assert rows[-1].gone > 0.9
        assert rows[-1].headline.value < judged.value
    assert told[-1] == (24, 24)
    assert "Do we need them all?" in page.read_text(encoding="utf-8")
    assert main(["anatomy", str(made.run), "--prune", "--no-times"]) == 0
    assert "without training again" in capsys.readouterr().out
    with pytest.raises(OptionError, match="resnet18"):
        anatomy("resnet18", prune=True)
    with pytest.raises(OptionError, match="--data"):
        anatomy(made.run, data="digits")
