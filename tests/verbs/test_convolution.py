"""foveal.verbs.convolution: options, numbers, pictures and refusals."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from foveal.charts.sliding import number
from foveal.errors import DiskError, OptionError, PictureError
from foveal.report.convolution import sliding
from foveal.storage import to_json
from foveal.structure.kernels import NAMED
from foveal.verbs.convolution import Convolution, convolution


def test_the_issues_example() -> None:
    doc = convolution(input=5, kernel=3, stride=2, padding=1).to_json()
    assert doc["output_shape"] == [3, 3]
    assert doc["formula"][0]["lines"] == [
        "o = floor((i + 2p - d*(k - 1) - 1) / s) + 1",
        "= floor((5 + 2*1 - 1*(3 - 1) - 1) / 2) + 1",
        "= floor(4 / 2) + 1",
        "= 2 + 1 = 3",
    ]
    assert doc["formula"][0]["axis"] == "height and width"
    assert (doc["multiplications"], doc["parameters"], doc["dense_parameters"]) == (81, 10, 25 * 9 + 9)
    assert doc["unit"] == {
        "at": [1, 1],
        "sees": [[1, 2, 3], [1, 2, 3]],
        "says": "The output's cell (1, 1), counted from 0, sees rows 1 to 3 and columns 1 to 3 of the input.",
    }
    assert doc["torch"] == "torch.nn.Conv2d(1, 1, kernel_size=3, stride=2, padding=1)"
    assert doc["numbers"]["window"] == [[2, 3, 4], [2, 3, 4]]
    assert json.loads(to_json(doc)) == json.loads(json.dumps(doc)), "nothing in it is lost in JSON"


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("padding", [0, "same"])
def test_numbers_are_torchs_for_every_named_kernel(name: str, padding: int | str) -> None:
    doc = convolution(input="6x9", kernel="3x4", kernel_values=name, padding=padding).to_json()["numbers"]
    image, kernel = (torch.tensor(doc[key], dtype=torch.float64)[None, None] for key in ("input", "kernel"))
    theirs = torch.nn.functional.conv2d(image, kernel, padding="same" if padding else "valid")[0, 0]
    np.testing.assert_allclose(doc["output"], theirs)


def test_numbers_of_the_other_kinds_are_torchs() -> None:
    def given(**options: Any) -> tuple[torch.Tensor, torch.Tensor | None, Any]:
        doc = convolution(**options).to_json()["numbers"]
        kernel = None if doc["kernel"] is None else torch.tensor(doc["kernel"])[None, None]
        return torch.tensor(doc["input"])[None, None], kernel, doc["output"]

    image, kernel, output = given(
        input=4, stride=2, transposed=True, output_padding=1, kernel_values="emboss"
    )
    assert kernel is not None
    theirs = torch.nn.functional.conv_transpose2d(image, kernel, stride=2, output_padding=1)
    np.testing.assert_allclose(output, theirs[0, 0])
    image, _, output = given(input=6, pool="max", kernel=3, stride=2, padding=1)
    np.testing.assert_allclose(output, torch.nn.functional.max_pool2d(image, 3, 2, 1)[0, 0])
    image, _, output = given(input=6, pool="average", kernel=3, padding=1)
    np.testing.assert_allclose(output, torch.nn.functional.avg_pool2d(image, 3, padding=1)[0, 0])
    image, kernel, output = given(dims=1, input=9, kernel_values="-1 0 1", dilation=2)
    assert kernel is not None
    np.testing.assert_allclose(output, torch.nn.functional.conv1d(image, kernel, dilation=2)[0, 0])


def test_sizes_are_taken_in_every_form() -> None:
    for form in ("5x7", "5 x 7", "5×7", "5,7", (5, 7), [5, 7]):
        assert convolution(input=form).setting.shape == (5, 7)
    kernel = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
    for values in (kernel, np.array(kernel), "0 -1 0, -1 5 -1, 0 -1 0", "0 -1 0; -1 5 -1; 0 -1 0", "sharpen"):
        done = convolution(kernel_values=values)
        assert done.numbers is not None
        assert done.numbers.kernel is not None
        assert done.numbers.kernel.tolist() == kernel
    flat = convolution(dims=1, kernel_values=[1, 2, 1])
    assert flat.setting.kernel == (3,)
    assert convolution(kernel=2, padding="same").setting.axes[0].after == 1
    assert convolution(padding="valid").setting.output == (3, 3)
    assert convolution(pool="max", input=6, kernel=3).setting.output == (2, 2), (
        "the stride is the window's size"
    )


def test_padding_of_sides_apart() -> None:
    for form in ("0+1x2+3", "0 + 1 x 2 + 3", "0+1×2+3", "0+1,2+3", ((0, 1), (2, 3)), [[0, 1], [2, 3]]):
        done = convolution(padding=form)
        assert [(a.before, a.after) for a in done.setting.axes] == [(0, 1), (2, 3)]
    for form, sides in (("0+1", [(0, 1), (0, 1)]), ("0+1x2", [(0, 1), (2, 2)]), ("1x2", [(1, 1), (2, 2)])):
        assert [(a.before, a.after) for a in convolution(padding=form).setting.axes] == sides
    line = convolution(dims=1, padding=((0, 2),))
    assert line.setting.output == (5,)
    doc = convolution(input=4, kernel=3, stride=2, padding="0+1").to_json()
    assert doc["padding"] == [[0, 1], [0, 1]]
    assert doc["says"] == "Convolution: input 4 x 4, kernel 3 x 3, stride 2, padding 0+1 -> output 2 x 2"
    assert doc["formula"][0]["lines"][:2] == [
        "o = floor((i + p + q - d*(k - 1) - 1) / s) + 1",
        "= floor((4 + 0 + 1 - 1*(3 - 1) - 1) / 2) + 1",
    ]
    assert doc["torch"] == (
        "torch.nn.Sequential(torch.nn.ZeroPad2d((0, 1, 0, 1)), torch.nn.Conv2d(1, 1, kernel_size=3, stride=2))"
    )
    turned = convolution(input=4, transposed=True, stride=2, padding="0+1").to_json()
    assert turned["formula"][0]["lines"][0] == "o = (i - 1)*s - (p + q) + d*(k - 1) + a + 1"
    assert "0 before and 1 after is cut off" in turned["formula"][0]["words"][1]
    assert turned["output_shape"] == [8, 8]


def test_groups_are_counted_and_told() -> None:
    doc = convolution(channels=8, filters=16, groups=4, kernel=3).to_json()
    layer = torch.nn.Conv2d(8, 16, 3, groups=4)
    assert doc["groups"] == 4
    assert doc["parameters"] == sum(p.numel() for p in layer.parameters())
    assert doc["torch"].endswith("groups=4)")
    assert doc["says"].startswith("Convolution: input 5 x 5, kernel 3 x 3, 4 groups ->")
    costs = {cost["name"]: cost["says"] for cost in doc["costs"]}
    assert costs["groups"] == (
        "4: each filter sees 2 channels of 8; filters 0 to 3 see channels 0 and 1, filters 4 to 7 see channels 2 and "
        "3, and so on. Weights and multiplications are a 4th of those without groups."
    )
    assert "3 x 3 x 2 weights and a bias, for each of 16 filters" in costs["parameters"]
    deep = convolution(groups=32).to_json()
    assert (deep["channels"], deep["filters"], deep["parameters"]) == (32, 32, 32 * 10)
    assert "depthwise" in {c["name"]: c["says"] for c in deep["costs"]}["groups"]
    assert "groups" not in {cost["name"] for cost in convolution(channels=8).to_json()["costs"]}


@pytest.mark.parametrize(
    ("options", "output", "formula", "words"),
    [
        ({"input": 6, "kernel": 3, "stride": 2}, 3, "ceil(3 / 2) + 1", "1 step and a part"),
        ({"input": 5, "kernel": 2, "stride": 3, "padding": 1}, 2, "ceil(5 / 3) + 1 - 1", "would begin at cell 6, and"),
        ({"input": 2, "kernel": 3, "stride": 2}, 1, "ceil(-1 / 2) + 1", "more than there is, which rounding"),
        ({"input": 5, "kernel": 3, "stride": 2}, 2, "ceil(2 / 2) + 1", "1 step, which with the first"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_rounded_up(
    kind: str, options: dict[str, Any], output: int, formula: str, words: str
) -> None:
    doc = convolution(pool=kind, ceil_mode=True, **options).to_json()
    assert doc["output_shape"] == [output, output]
    assert f"= {formula}" in doc["formula"][0]["lines"]
    assert words in " ".join(doc["formula"][0]["words"])
    layer = eval(doc["torch"], {"torch": torch})
    image = torch.tensor(doc["numbers"]["input"], dtype=torch.float64)[None, None]
    np.testing.assert_allclose(doc["numbers"]["output"], layer(image)[0, 0])
    assert json.loads(to_json(doc))["ceil_mode"] is True


def test_a_mean_that_ends_with_the_padding_says_so() -> None:
    done = convolution(pool="average", ceil_mode=True, input=6, kernel=3, stride=2, at=2)
    doc = done.to_json()
    assert doc["unit"]["says"].endswith("lies on what is beyond the end, and not counted.")
    assert doc["numbers"]["looks"][-1] == ["beyond"] * 7
    assert done.numbers is not None
    corner = done.numbers.input[4:, 4:].mean()
    drawn = sliding(done.setting, done.numbers, done.word, done.at)
    assert drawn.says[2][2][0].endswith(f") / 4 = {number(corner)}")
    assert "dots" in drawn.input.name


def test_a_picture_of_ones_own(tmp_path: Path) -> None:
    grey = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (30, 1))
    Image.fromarray(grey).save(tmp_path / "ramp.png")
    done = convolution(picture=tmp_path / "ramp.png", kernel_values="emboss")
    assert done.setting.shape == (6, 12)
    assert done.numbers is not None
    assert (np.diff(done.numbers.input, axis=1) > 0).all()
    assert convolution(picture=tmp_path / "ramp.png", input=8).setting.shape == (8, 8)
    with pytest.raises(PictureError):
        convolution(picture=tmp_path / "none.png")


def test_pictures_are_written_where_asked(tmp_path: Path) -> None:
    done = convolution(svg=tmp_path / "a.svg", gif=str(tmp_path / "a.gif"))
    assert (done.svg, done.gif) == (str(tmp_path / "a.svg"), str(tmp_path / "a.gif"))
    assert ET.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 9  # type: ignore[attr-defined]
    assert convolution().svg is None
    with pytest.raises(DiskError):
        convolution(svg=tmp_path / "a.svg" / "b.svg")


def test_a_notebook_shows_it() -> None:
    def page(done: Convolution) -> ET.Element:
        return ET.fromstring(
            done._repr_html_().replace("<br>", "<br/>").replace("align=left", 'align="left"')
        )

    assert len(list(page(convolution()).iter("{http://www.w3.org/2000/svg}svg"))) == 1
    large = page(convolution(input=224, kernel=7, stride=2, padding=3, channels=3, filters=64))
    assert list(large.iter("{http://www.w3.org/2000/svg}svg")) == []
    assert "= 111 + 1 = 112" in "".join(large.itertext())


def test_large_inputs_have_the_formula_only() -> None:
    doc = convolution(input=224, kernel=7, stride=2, padding=3, channels=3, filters=64).to_json()
    assert doc["output_shape"] == [112, 112]
    assert doc["numbers"] is None
    assert doc["parameters"] == sum(p.numel() for p in torch.nn.Conv2d(3, 64, 7).parameters())
    assert convolution(input=100_000, padding=3).setting.output == (100_004, 100_004)
    huge = convolution(input=100_000, stride=100_000, transposed=True, at=100_000).to_json()
    assert huge["output_shape"] == [99_999 * 100_000 + 3] * 2
    assert huge["unit"]["sees"] == [[1], [1]], "nothing as long as that is laid out"


@pytest.mark.parametrize(
    ("options", "came", "todo"),
    [
        ({"kernel": 7}, "the output would have -1 cells", "--padding 1 or more"),
        ({"input": "5x7x9"}, "--input was given as '5x7x9'", "--input 1"),
        ({"input": 0}, "--input was given as '0'", "--input 1"),
        ({"input": "five"}, "--input was given as 'five'", "--input 1"),
        ({"input": 100_001}, "100001", "--input 1"),
        ({"stride": "1x"}, "--stride was given as '1x'", "--stride 1"),
        ({"padding": -1}, "--padding was given as '-1'", "--padding 1"),
        ({"padding": "full"}, "--padding was given as 'full'", "--padding 1"),
        ({"dims": 1, "input": "5x7"}, "--input was given as '5x7'", "Leave --dims 1 out"),
        ({"dims": 3}, "--dims was given as 3", "--dims"),
        ({"padding": "same", "stride": 2}, "--padding same with stride 2x2", "--padding 1, or leave --stride out"),
        ({"padding": "same", "transposed": True}, "--transposed and --padding same", "Give a number"),
        ({"padding": "same", "pool": "max"}, "--pool max and --padding same", "Give a number"),
        ({"pool": "max", "transposed": True}, "--pool max and --transposed", "Leave one"),
        ({"pool": "max", "kernel_values": "edge"}, "--pool max and --kernel-values", "--kernel"),
        ({"pool": "max", "filters": 4}, "--pool max and --filters", "Leave --filters out"),
        ({"pool": "max", "groups": 4}, "--pool max and --groups", "Leave --groups out"),
        ({"groups": 3, "channels": 4, "filters": 6}, "--groups 3 with 4 channels and 6 filters", "--groups 2"),
        ({"groups": 4, "filters": 6}, "--groups 4 with 4 channels and 6 filters", "--groups 2"),
        ({"ceil_mode": True}, "--ceil-mode without --pool", "--pool max"),
        ({"ceil_mode": True, "pool": "max", "padding": "0+1"}, "--ceil-mode and --padding 0+1", "one number"),
        ({"ceil_mode": True, "pool": "max", "input": 2, "kernel": 5, "stride": 2}, "0 cells", "--input of at least 4"),
        ({"padding": "0+1+2"}, "--padding was given as '0+1+2'", "--padding 0+1"),
        ({"padding": "0+"}, "--padding was given as '0+'", "--padding 0+1"),
        ({"padding": "0+1x1x2"}, "--padding was given as '0+1x1x2'", "--padding 0+1"),
        ({"padding": "0+100001"}, "--padding was given as '0+100001'", "--padding 0+1"),
        ({"padding": "0,1,0,1"}, "--padding was given as '0,1,0,1'", "above + below x left + right, as in 0+1x2+3"),
        ({"padding": "1,2", "dims": 1}, "--padding was given as '1,2'", "--padding 1+2"),
        ({"pool": "max", "padding": "0+2"}, "A padding of 2 around a pooling window of 2", "--padding 1 or less"),
        ({"transposed": True, "input": 1, "padding": "2+1"}, "A padding of 2 and 1", "--padding 1 or less"),
        ({"pool": "average", "dilation": 2}, "--pool average and --dilation", "--pool max"),
        ({"pool": "max", "padding": 2}, "A padding of 2 around a pooling window of 2", "--padding 1 or less"),
        ({"output_padding": 1}, "--output-padding without --transposed", "Give --transposed too"),
        ({"transposed": True, "output_padding": 1}, "An output padding of 1 with stride 1", "--output-padding 0"),
        ({"transposed": True, "input": 1, "padding": 2}, "would have -1 cells", "--padding 1 or less"),
        ({"kernel": 5, "kernel_values": "1 2 1"}, "--kernel 5 and --kernel-values of 1 x 3", "Leave --kernel out"),
        ({"kernel_values": "edgy"}, "'edgy'", "Did you mean edge?"),
        ({"at": "3x1"}, "--at 3x1 is outside", "--at 2x2"),
        ({"svg": "a.png"}, "--svg a.png was given", ".svg"),
        ({"gif": "a.svg"}, "--gif a.svg was given", ".gif"),
        ({"svg": "a.svg", "input": 50}, "--svg was asked for, of a side of 50 cells", "leave --svg out"),
        ({"svg": "a.svg", "input": 500}, "--svg was asked for, of a side of 500 cells", "leave --svg out"),
        ({"kernel_values": "edge", "input": 500}, "Numbers were asked for", "a smaller --input"),
        ({"strides": 2}, "There is no option --strides", "--stride"),
    ],
)  # fmt: skip
def test_refusals_say_what_came_and_what_to_do(
    options: dict[str, Any], came: str, todo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError) as caught:
        convolution(**options)
    assert came in caught.value.came
    assert todo in caught.value.todo
    assert caught.value.allowed
    assert list(tmp_path.iterdir()) == [], "nothing was written"


def test_what_a_unit_sees_in_words() -> None:
    def says(**options: Any) -> str:
        return str(convolution(**options).to_json()["unit"]["says"])

    assert says(padding=1, at=0).endswith(
        "cell (0, 0), counted from 0, sees rows 0 and 1 and columns 0 and 1 of the input; the rest of its window "
        "lies on padding."
    )
    assert "rows 1, 3 and 5" in says(input=9, dilation=2, at=1)
    assert "cells 2 to 4" in says(dims=1, at=2)
    assert (
        "row 1 and column 1 of the input; the rest of its window lies on padding and zeros in between"
        in says(input=3, transposed=True, stride=2, padding=1, at=2)
    )
    assert "no rows" in says(input=2, transposed=True, stride=3, kernel=1, at="1x0")


def test_what_would_keep_the_size() -> None:
    def says(**options: Any) -> str:
        return str(convolution(**options).to_json()["same_says"])

    assert says() == 'Padding 1 would keep the size, 5 x 5 ("same").'
    assert says(padding=1) == 'The size is kept: this is what "same" padding is.'
    assert (
        says(kernel=4)
        == 'Padding 1 before and 2 after would keep the size, 5 x 5 ("same"), as PyTorch does for padding="same".'
    )
    assert (
        says(stride=2)
        == 'Padding 1 would give 3 x 3, the input over the stride, rounded up ("same" in TensorFlow).'
    )
    assert (
        says(transposed=True, stride=2)
        == "Padding 1 and output padding 1 would give exactly 2 times the input, 10 x 10."
    )
    assert says(transposed=True, stride=2, kernel=4, padding=1) == "The output is exactly 2 times the input."
    assert says(transposed=True, kernel=2).startswith("No padding keeps the size")
