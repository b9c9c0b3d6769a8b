"""Networks of one's own: what is written is what is built, mistakes are answered, and nothing needs the file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import foveal
from foveal.architectures import own
from foveal.architectures._blocks import Branches, Builder, DenseBlock, Residual
from foveal.catalog import find
from foveal.errors import OptionError
from foveal.model import Model
from foveal.structure.layers import stages
from pictures import class_folder

EVERYTHING: list[Any] = [
    "conv 8 3x3 stride 2 pad same",
    "bn",
    "relu",
    "maxpool 2",
    "dropout 0.3",
    {"residual": ["conv 8 3x3 pad same", "bn", "relu", "conv 8 3x3 pad same", "bn"]},
    {"residual": ["conv 12 3x3 stride 2 pad same", "bn"]},
    {"branch": [["conv 6 1x1"], ["conv 6 1x1", "conv 10 3x3 pad same"], ["maxpool 3 stride 1 pad 1"]]},
    "dense-block 3 growth 5",
    "transposed 6 2x2 stride 2",
    "leaky-relu",
    "avgpool 2",
    "gap",
    "linear 20",
    "tanh",
    "linear",
]
TEXT = """
layers:
  - conv 8 3x3 stride 2 pad same
  - bn
  - relu
  - residual: [conv 16 3x3 stride 2 pad same, bn, relu, conv 16 3x3 pad same, bn]
  - relu
  - branch: [[conv 4 1x1], [conv 4 1x1, conv 6 3x3 pad same]]
  - gap
  - linear
"""


def network(layers: list[Any], size: int = 33, channels: int = 3, outputs: int = 4) -> own.Own:
    torch.manual_seed(0)
    made = own.build("own/test", outputs=outputs, channels=channels, size=size, layers=layers)
    assert isinstance(made, own.Own)
    return made


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [32, 33, 47])
def test_every_layer_there_is(channels: int, size: int) -> None:
    made = network(EVERYTHING, size, channels)
    assert made(torch.randn(2, channels, size, size)).shape == (2, 4)
    kinds = {type(m) for m in made.modules()}
    assert {
        Residual,
        Branches,
        DenseBlock,
        nn.ConvTranspose2d,
        nn.BatchNorm2d,
        nn.Dropout,
        nn.AvgPool2d,
    } <= kinds
    assert len(stages(made, own.head("own/test"))) > 4
    loss = made(torch.randn(2, channels, size, size)).square().mean()
    torch.autograd.backward(loss)
    assert all(p.grad is not None for p in made.parameters())


def test_it_computes_what_is_written() -> None:
    made = network(
        ["conv 4 3x3 stride 2 pad 1", "relu", {"residual": ["conv 4 1x1"]}, "flatten", "linear"], 9
    )
    made.eval()
    x, w = torch.randn(2, 3, 9, 9), dict(made.named_parameters())
    first = F.conv2d(x, w["layers.01-conv.weight"], w["layers.01-conv.bias"], 2, 1).relu()
    inside = F.conv2d(
        first, w["layers.03-residual.body.01-conv.weight"], w["layers.03-residual.body.01-conv.bias"]
    )
    torch.testing.assert_close(
        made(x), F.linear((first + inside).flatten(1), w["head.weight"], w["head.bias"])
    )


def test_branches_and_dense_blocks_put_channels_behind_each_other() -> None:
    module, shape = Builder().sequence(
        [{"branch": [["conv 2 1x1"], ["relu"]]}, "dense-block 2 growth 3"], (5, 6, 6)
    )
    assert shape == (2 + 5 + 6, 6, 6)
    x = torch.randn(1, 5, 6, 6)
    joined = module[0](x)
    assert torch.equal(joined[:, 2:], x.relu())
    assert torch.equal(module(x)[:, :7], joined)


def test_a_norm_behind_a_convolution_takes_its_bias() -> None:
    made = network(["conv 4 3x3", "bn", "conv 4 3x3", "relu", "linear"])
    assert made.layers[0].bias is None
    assert made.layers[2].bias is not None


def test_what_was_added_is_said() -> None:
    told = own.remarks({"channels": 3, "size": 32, "layers": EVERYTHING})
    assert len(told) == 1
    assert "layer 7" in told[0]
    assert "stride 2" in told[0]


@settings(max_examples=150)
@given(
    st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 5), st.integers(1, 3),
    st.one_of(st.just("same"), st.integers(0, 3)), st.integers(1, 3),
)  # fmt: skip
def test_shapes_are_torch_s_or_the_mistake_names_what_fits(
    rows: int, columns: int, high: int, wide: int, stride: int, pad: Any, dilation: int
) -> None:
    x, kernels = torch.zeros(1, 3, rows, columns), torch.zeros(2, 3, high, wide)

    def line(kernel: str, padding: Any) -> list[Any]:
        return [f"conv 2 {kernel} stride {stride} pad {padding} dilation {dilation}"]

    written = line(f"{high}x{wide}", pad)
    try:
        module, shape = Builder().sequence(written, (3, rows, columns))
    except OptionError as error:
        refused = error
    else:
        assert tuple(module(x).shape[1:]) == shape
        if pad == "same":
            assert shape == (2, -(-rows // stride), -(-columns // stride))
        return
    assert written[0] in refused.came
    assert f"{rows} x {columns}" in refused.came
    if pad == "same":
        assert dilation * (high - 1) % 2 or dilation * (wide - 1) % 2
        return
    with pytest.raises(RuntimeError):
        F.conv2d(x, kernels, None, stride, pad, dilation)
    # what is said to fit does
    found = re.search(r"a kernel of (\d+)x(\d+), or pad (\d+)", refused.allowed)
    assert found
    Builder().sequence(line(f"{found[1]}x{found[2]}", pad), (3, rows, columns))
    Builder().sequence(line(f"{high}x{wide}", found[3]), (3, rows, columns))


@settings(max_examples=100)
@given(
    st.sampled_from(["maxpool", "avgpool"]), st.integers(1, 9), st.integers(1, 4), st.integers(1, 3),
    st.integers(0, 2),
)  # fmt: skip
def test_pooling_shapes(kind: str, side: int, kernel: int, stride: int, pad: int) -> None:
    pool = F.max_pool2d if kind == "maxpool" else F.avg_pool2d
    x = torch.rand(1, 2, side, side)
    try:
        module, shape = Builder().sequence([f"{kind} {kernel} stride {stride} pad {pad}"], (2, side, side))
    except OptionError:
        with pytest.raises(RuntimeError):
            pool(x, kernel, stride, pad)
        return
    assert tuple(module(x).shape[1:]) == shape
    torch.testing.assert_close(module(x), pool(x, kernel, stride, pad))


@settings(max_examples=100)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(0, 4), st.integers(0, 3))
def test_transposed_shapes(side: int, kernel: int, stride: int, pad: int, more: int) -> None:
    line = f"transposed 3 {kernel}x{kernel} stride {stride} pad {pad} output-pad {more}"
    x = torch.rand(1, 2, side, side)
    try:
        module, shape = Builder().sequence([line], (2, side, side))
    except OptionError:
        with pytest.raises(RuntimeError):
            F.conv_transpose2d(x, torch.rand(2, 3, kernel, kernel), None, stride, pad, more)
        return
    assert tuple(module(x).shape[1:]) == shape


MISTAKES: list[tuple[list[Any], str, str]] = [
    (["conv 8 3x3", "cnv 8 3x3", "linear"], "Layer 2, `cnv 8 3x3`", "conv"),
    (["conv 8", "linear"], "lacks its kernel", "conv 32 3x3"),
    (["conv x 3x3", "linear"], "'x' is no channels", "from 1 on"),
    (["conv 8 3x3 strid 2", "linear"], "'strid' is not known", "stride"),
    (["conv 8 3x3 stride", "linear"], "'stride' has no value", "stride"),
    (["conv 8 4x4 pad same", "linear"], "even kernel", "5x5"),
    (["conv 8 3x3 groups 2", "linear"], "groups do not divide 3 channels", "groups: 1"),
    (["maxpool 2", "maxpool 2", "maxpool 2", "conv 8 7x7", "linear"], "gets 3 channels of 4 x 4", "pad 2"),
    (
        ["maxpool 2", "maxpool 2", "maxpool 2", "maxpool 7", "linear"],
        "kernel of 7 x 7 is larger",
        "kernel of 4x4",
    ),
    (["gap", "conv 8 3x3", "linear"], "no rows and columns", "gap"),
    (["linear", "relu", "linear"], "gives the labels", "end"),
    (["conv 8 3x3", "relu"], "last layer, 2, is `relu`", "linear"),
    (["conv 8 3x3", "linear 10"], "`linear 10`", "linear"),
    ([{"residual": ["conv 8 3x3"]}, "linear"], "a path around them cannot be", "pad same"),
    ([{"branch": [["conv 8 3x3"], ["relu"]]}, "linear"], "its paths end with", "pad same"),
    ([{"branch": ["relu"]}, "linear"], "no paths", "lists"),
    ([{"residul": ["relu"]}, "linear"], "no layers inside", "residual"),
    ([{"residual": ["relu", "conv 8 9x9 pad 0", "bn"]}, "linear"], "Layer 1, `residual:`", "pad same"),
    ([{"residual": ["relu", "conw 8 9x9"]}, "linear"], "Layer 1.2, `conw 8 9x9`", "conv"),
    ([{"residual": "relu"}, "linear"], "In layer 1 there is 'relu'", "list"),
    (["dropout 1.5", "linear"], "'1.5' is no share", "below 1"),
    (["dense-block 3", "linear"], "lacks its growth", "growth 12"),
    (["conv 8 3x3", 7, "linear"], "where a list of layers is wanted", "line"),
    (["flatten", "linear 60000", "linear 60000", "linear"], "parameters", "gap"),
]


@pytest.mark.parametrize(("layers", "came", "allowed"), MISTAKES, ids=[came for _, came, _ in MISTAKES])
def test_a_mistake_is_answered(layers: list[Any], came: str, allowed: str) -> None:
    with pytest.raises(OptionError) as error:
        network(layers, 32)
    assert came in error.value.came
    assert allowed in error.value.allowed + error.value.todo


@pytest.mark.parametrize(
    ("text", "came"),
    [
        ("layers: [conv", "is no YAML in line"),
        ("layers: 7", "where a list"),
        ("layers: [relu]\ncolour: red", "colour"),
        ("", "where a list"),
        ("- !!python/object/apply:os.getcwd []", "is no YAML"),
    ],
)
def test_a_file_that_is_no_network(tmp_path: Path, text: str, came: str) -> None:
    (tmp_path / "net.yaml").write_text(text)
    with pytest.raises(OptionError, match=came):
        own.read(str(tmp_path / "net.yaml"))
    with pytest.raises(OptionError, match="cannot be read"):
        own.read(str(tmp_path / "none.yml"))


def test_a_list_without_a_key_is_a_network_too(tmp_path: Path) -> None:
    (tmp_path / "net.yml").write_text("- gap\n- linear\n")
    assert own.read(str(tmp_path / "net.yml")) == ("own/net", ["gap", "linear"])
    assert find("architectures", "a/folder/net.yml") is own
    assert find("architectures", "own/net") is own
    made = find("architectures", "x.yml").build(str(tmp_path / "net.yml"), outputs=2, channels=3, size=8)
    assert made(torch.zeros(1, 3, 8, 8)).shape == (1, 2)
    with pytest.raises(OptionError, match="no layers"):
        own.build("own/net", outputs=2, channels=3, size=8)


def test_it_is_trained_saved_and_used_without_the_file(tmp_path: Path) -> None:
    data = class_folder(tmp_path / "data", classes=2, each=12, size=16)
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT)
    said: list[Any] = []
    done = foveal.train(
        data, network=str(file), epochs=2, size=16, batch=4, augment="none", out=str(tmp_path / "run"),
        screen=said.append,
    )  # fmt: skip
    assert any("layer 4, residual" in str(getattr(message, "says", "")) for message in said)
    file.unlink()
    model = Model.load(done.model)
    assert model.card.architecture["name"] == "own/mine"
    assert model.card.architecture["layers"][3] == {
        "residual": ["conv 16 3x3 stride 2 pad same", "bn", "relu", "conv 16 3x3 pad same", "bn"]
    }
    found = model.predict(sorted((data / "circle").iterdir())[0])
    assert found[0].predictions
    tuned = foveal.train(
        data, weights=str(tmp_path / "run"), epochs=1, batch=4, augment="none", out=str(tmp_path / "tuned")
    )
    assert Model.load(tuned.model).card.architecture["name"] == "own/mine"
