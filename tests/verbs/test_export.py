"""foveal export: a model as a file of its own says what Foveal says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import foveal
from foveal import catalog
from foveal.card import Card
from foveal.data.views import normalise
from foveal.errors import ModelError, OptionError, UnknownNameError
from foveal.model import Model
from foveal.terminal.app import main
from foveal.values import Preprocessing
from foveal.verbs import export as verb
from foveal.verbs.export import export
from foveal.verbs.portable import Portable, described
from pictures import class_folder, shape
from typed import spoken

WAY = Preprocessing(16, mean=(0.1, 1 / 3, 0.5), std=(0.2, 0.25, 1 / 7), interpolation="bicubic", crop=0.875)
LABELS = ("cat", "dog", "猫")


def a_model(
    task: str = "classify", network: str = "resnet9", labels: tuple[str, ...] = LABELS, **more: Any
) -> Model:
    """A network with weights of its own, as if trained."""
    made = catalog.find("tasks", task).build(labels=labels, **more)
    shape_of = {"outputs": made.outputs, "channels": 3, "size": WAY.size, **made.building()}
    torch.manual_seed(1)
    built = catalog.find("architectures", network).build(network, **shape_of)
    with torch.no_grad():
        for weights in (one for one in built.parameters() if one.dim() == 2):
            weights *= 30  # sure of what it says, and of each picture something else
    card = Card(task=made.card(), architecture={"name": network, **shape_of}, preprocessing=WAY)
    return Model(built.eval(), made, WAY, card)


@pytest.fixture(scope="module")
def model() -> Model:
    return a_model(temperature=1.7)


@pytest.fixture(scope="module")
def seen() -> Tensor:
    return torch.randint(
        0, 256, (5, 3, 16, 16), generator=torch.Generator().manual_seed(2), dtype=torch.uint8
    )


def said(model: Model, seen: Tensor) -> list[list[dict[str, Any]]]:
    with torch.inference_mode():
        return model.task.predict(model.network, normalise(seen, WAY), [(16, 16)] * len(seen))


@pytest.mark.parametrize(
    ("task", "more"), [("classify", {"temperature": 2.5}), ("multilabel", {"temperature": 0.6})]
)
def test_what_comes_out_is_what_the_task_says(task: str, more: dict[str, float], seen: Tensor) -> None:
    model = a_model(task, **more)
    rows = Portable(model)(seen).tolist()
    for row, wanted in zip(rows, said(model, seen), strict=True):
        found = dict(zip(model.labels, row, strict=True))
        assert found == pytest.approx({one["label"]: one["probability"] for one in wanted}, abs=1e-6)


def test_numbers_and_made_pictures(seen: Tensor) -> None:
    ages = a_model("regress", labels=("age",), mean=40.0, scale=12.0)
    assert Portable(ages)(seen)[:, 0].tolist() == pytest.approx(
        [r[0]["value"] for r in said(ages, seen)], rel=1e-4
    )
    coder = a_model("autoencode", "autoencoder", labels=(), latent=8, loss="bce")
    made = (Portable(coder)(seen) * 255).round().to(torch.uint8)
    for one, row in zip(made, said(coder, seen), strict=True):
        there = torch.from_numpy(np.array(row[0]["picture"])).permute(2, 0, 1)
        assert int((one.int() - there.int()).abs().max()) <= 1


def test_views_are_inside(seen: Tensor) -> None:
    model = a_model()
    way = Preprocessing(**{**{n: getattr(WAY, n) for n in WAY.__dataclass_fields__}, "views": 2})
    card = Card(task=model.card.task, architecture=model.card.architecture, preprocessing=way)
    twice = Portable(Model(model.network, model.task, way, card))
    assert torch.allclose(twice(seen), twice(seen.flip(-1)), atol=1e-6)
    assert not torch.allclose(Portable(model)(seen), Portable(model)(seen.flip(-1)), atol=1e-3)


def test_a_program_of_torch(model: Model, seen: Tensor, tmp_path: Path) -> None:
    file = tmp_path / "pets.pt2"
    done = export(model, format="torch", to=file)
    assert (done.file, done.bytes, done.made_up) == (file, file.stat().st_size, True)
    assert done.difference < 1e-6
    told = {"labels": "", "preprocessing": "", "input": ""}
    program = torch.export.load(str(file), extra_files=told)
    assert json.loads(told["labels"]) == list(LABELS)
    assert json.loads(told["preprocessing"])["interpolation"] == "bicubic"
    assert json.loads(told["input"])["shape"] == ["batch", 3, 16, 16]
    wanted = Portable(model)(seen)
    for count in (1, 2, 5):
        assert torch.allclose(program.module()(seen[:count]), wanted[:count], atol=1e-6)


def test_what_is_refused(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match="no format called 'onx'") as error:
        export(model, format="onx")
    assert "'onnx'" in error.value.todo
    with pytest.raises(OptionError, match=r"--to a\.onnx was given"):
        export(model, format="torch", to="a.onnx")
    (tmp_path / "a.pt2").touch()
    with pytest.raises(OptionError, match=r"a\.pt2 is there already"):
        export(model, format="torch", to="a.pt2")
    monkeypatch.setitem(verb.NEEDED, "onnx", ("no-such-package", "nor-such"))
    with pytest.raises(
        OptionError, match="needs no-such-package and nor-such, which are not installed"
    ) as error:
        export(model)
    assert 'pip install "foveal[export]"' in error.value.todo
    assert list(tmp_path.iterdir()) == [tmp_path / "a.pt2"]


@pytest.mark.parametrize(("task", "more"), [("detect", {}), ("segment", {"tiled": True})])
def test_tasks_whose_answers_are_found_after_the_network(
    task: str, more: dict[str, Any], model: Model
) -> None:
    made = catalog.find("tasks", task).build(labels=LABELS, **more)
    other = Model(model.network, made, model.preprocessing, model.card)
    with pytest.raises(OptionError, match=f"A model that does {task}.* cannot be exported yet") as error:
        export(other, format="torch")
    assert "foveal.Model.load" in error.value.todo


class Odd(nn.Module):
    """A network that the exporter sees otherwise than it is, or that it cannot follow."""

    def __init__(self, network: nn.Module, follow: bool) -> None:
        super().__init__()
        self.network, self.follow = network, follow

    def forward(self, images: Tensor) -> Tensor:
        if not self.follow:
            return self.network(images if images.sum() > 0 else -images)  # type: ignore[no-any-return]
        found: Tensor = self.network(images)
        return found.flip(1) if torch.compiler.is_exporting() else found


@pytest.mark.parametrize(
    ("follow", "says"), [(True, "says other things than"), (False, "cannot be written as torch")]
)
def test_nothing_is_written_that_says_other_things(
    follow: bool, says: str, model: Model, tmp_path: Path
) -> None:
    odd = Model(Odd(model.network, follow).eval(), model.task, model.preprocessing, model.card)
    with pytest.raises(ModelError, match=says):
        export(odd, format="torch", to=tmp_path / "odd.pt2")
    assert list(tmp_path.iterdir()) == []


def test_what_stands_in_the_file(model: Model) -> None:
    about = described(model)
    assert about["labels"] == list(LABELS)
    assert about["options"]["temperature"] == 1.7
    assert about["output"]["name"] == "probabilities"
    json.dumps(about, allow_nan=False)
    several = described(a_model("multilabel", thresholds=(0.2, 0.3, 0.4)))
    assert several["thresholds"] == [0.2, 0.3, 0.4]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("export")
    data = class_folder(home / "data", classes=3, each=12, size=20)
    return foveal.train(
        data, epochs=3, network="resnet9", pretrained=False, size=16, batch=8, probe=False, watch=False,
        out=str(home / "runs" / "shapes-1"),
    ).run  # fmt: skip


def test_a_run_by_its_name(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run.parents[1])
    (row,), heard = spoken(capsys, "export", "shapes-1", "--format", "torch")
    assert (row["file"], row["made_up"], row["task"]) == ("shapes-1.pt2", False, "classify")
    assert 0 < row["pictures"] <= verb.COMPARED
    assert row["labels"] == ["circle", "square", "triangle"]
    assert f"comparing it on {row['pictures']} pictures" in heard
    assert main(["export", "shapes-1", "--format", "torch", "--to", "again.pt2"]) == 0
    drawn = capsys.readouterr().out
    assert "again.pt2" in drawn
    assert "in: pictures, uint8 [batch, 3, 16, 16], RGB" in drawn
    assert "out: probabilities, of the labels" in drawn


def test_onnx_without_foveal(
    run: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's program says of pictures of any shape what Foveal says."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="the extra `export` is not installed")
    monkeypatch.chdir(tmp_path)
    done = export(run, to="shapes.onnx")
    assert done.difference < 1e-5
    assert not done.made_up
    code = (root / "docs" / "export" / "without_foveal.py").read_text(encoding="utf-8")
    assert code.partition('"""\n\n')[2] in (root / "docs" / "export.md").read_text(encoding="utf-8")
    for place, size in enumerate(((50, 23), (17, 40), (16, 16))):
        shape(place, 60, seed=5).resize(size).save(f"{place}.png")
        ran = subprocess.run(
            [sys.executable, str(root / "docs" / "export" / "without_foveal.py"), "shapes.onnx", f"{place}.png"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        rows = [line.rsplit("  ", 1) for line in ran.stdout.splitlines()]
        (wanted,) = foveal.predict(run, f"{place}.png")
        assert [label for label, _ in rows] == [one["label"] for one in wanted.predictions]
        assert [float(p) for _, p in rows] == pytest.approx(
            [one["probability"] for one in wanted.predictions], abs=1e-4
        )
