"""foveal explain: folders and runs, in Python and from the terminal, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import foveal
from foveal import catalog
from foveal.errors import DataError, FovealError, ModelError, OptionError, UnknownNameError
from foveal.explaining import explainers
from foveal.explaining.explained import Explanation
from foveal.model import Model
from foveal.terminal.app import main
from foveal.verbs.explain import FEW, Explanations
from foveal.verbs.explain_files import SHOWN
from pictures import class_folder, shape
from typed import spoken

KEYS = {"path", "method", "layer", "target", "map", "overlay", "verdict"}
QUICK = {"network": "resnet9", "pretrained": False, "size": 16, "batch": 16, "augment": "none", "flip": False}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explain")


@pytest.fixture(scope="module")
def run(home: Path) -> Path:
    """Trained for an epoch: it makes mistakes."""
    done = foveal.train(class_folder(home / "data", 3, 30, 24), epochs=1, out=str(home / "run"), **QUICK)
    return done.run


@pytest.fixture(scope="module")
def folder(home: Path) -> Path:
    """A wide picture, a high one, and one that cannot be read."""
    made = home / "pictures"
    made.mkdir()
    shape(0, 40, 7).resize((60, 40)).save(made / "a wide one.png")
    shape(1, 40, 8).resize((40, 90)).save(made / "b high.jpg")
    (made / "c broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return made


@pytest.fixture(scope="module")
def found(run: Path, folder: Path) -> Explanations:
    return foveal.explain(run, folder, method=["gradcam", "gradient", "guided-backprop"])


def of(rows: list[Explanation], method: str, name: str) -> Explanation:
    return next(row for row in rows if row.method == method and name in row.path)


def test_each_picture_has_a_map_of_its_size_by_each_method(found: Explanations) -> None:
    good = [row for row in found if row.error is None]
    assert [row.method for row in good] == ["gradcam", "gradient", "guided_backprop"] * 2
    for row in good:
        height, width = (40, 60) if "wide" in row.path else (90, 40)
        assert row.map.shape == (height, width)
        assert row.map.dtype == np.float32
        assert row.seen is not None
        assert row.seen.cropped
        # nothing outside of the middle square that the network saw
        x0, y0, x1, y1 = (round(edge) for edge in row.seen.box)
        assert (x1 - x0, y1 - y0) == (40, 40)
        outside = np.ones_like(row.map, bool)
        outside[y0:y1, x0:x1] = False
        assert (row.map[outside] == 0).all()
        assert (row.map[~outside] != 0).any()
        assert row.source
        assert row.cannot
    assert found.page is None, "nothing was asked to be written"
    (broken,) = [row for row in found if row.error is not None]
    assert broken.to_json().keys() == {"path", "error"}


def test_the_map_is_the_methods_own(run: Path, found: Explanations) -> None:
    """By hand: the last map's channels, weighted by the mean gradient of the logit that was said."""
    model = Model.load(run)
    row = of(found, "gradcam", "wide")
    assert row.layer
    assert row.cells is not None
    layer = model.network.get_submodule(row.layer)
    kept: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda module, given, given_back: kept.append(given_back))
    from foveal.data.views import normalise, to_input

    image = to_input(Image.open(row.path), model.task.view(model.preprocessing))[None]
    logits = model.network(normalise(image, model.preprocessing))
    handle.remove()
    said = int(logits.argmax())
    (gradient,) = torch.autograd.grad(logits[0, said], kept[0])
    cells = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1)[0].detach()
    assert row.target.label == model.labels[said]
    assert row.score == pytest.approx(float(logits[0, said].detach()), rel=1e-4)
    assert np.allclose(row.cells, cells.numpy(), rtol=1e-3, atol=1e-5 * float(cells.abs().max()))


def test_predictions_and_explanations_agree(run: Path, folder: Path, found: Explanations) -> None:
    said = {one.path: one.predictions[0]["label"] for one in foveal.predict(run, folder) if not one.error}
    assert {row.path: row.target.label for row in found if row.error is None} == said


def test_verdicts_are_measured(found: Explanations) -> None:
    for row in found:
        if row.error is not None:
            continue
        assert row.verdict.dependence is not None
        assert row.verdict.dependence.pictures == 2
        assert row.verdict.areas is not None
        assert row.verdict.areas.pictures == 1
        assert row.verdict.says[-1] == row.cannot
    guided = of(found, "guided_backprop", "wide").verdict
    assert guided.rectifiers
    assert str(guided.rectifiers) in " ".join(guided.says)
    assert of(found, "gradient", "wide").verdict.rectifiers is None


def test_no_verdict_is_no_verdict(run: Path, folder: Path) -> None:
    (row,) = foveal.explain(run, folder / "a wide one.png", method="gradient", verdict=False)
    assert (row.verdict.dependence, row.verdict.areas, row.verdict.total) == (None, None, None)
    assert row.verdict.badges == []


def test_the_network_is_afterwards_as_it_was(run: Path, folder: Path) -> None:
    model = Model.load(run)
    model.network.train()
    model.network.get_submodule("1").eval() if "1" in dict(model.network.named_modules()) else None
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    modes = [module.training for module in model.network.modules()]
    draws = torch.get_rng_state()
    foveal.explain(model, folder, method="gradcam,guided_backprop")
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())
    assert [module.training for module in model.network.modules()] == modes
    assert all(p.grad is None for p in model.network.parameters())
    assert torch.equal(torch.get_rng_state(), draws)


def test_pillow_pictures_and_many_at_once_give_the_same(run: Path, folder: Path, found: Explanations) -> None:
    image = Image.open(folder / "a wide one.png")
    (row,) = foveal.explain(run, image, method="gradcam", verdict=False)
    assert np.allclose(row.map, of(found, "gradcam", "wide").map, rtol=1e-4, atol=1e-5)
    assert row.image().width > 280
    assert "data:image/png;base64," in row._repr_html_()


def test_two_targets_and_their_difference_have_one_scale(run: Path, folder: Path) -> None:
    labels = Model.load(run).labels
    rows = foveal.explain(
        run, folder / "b high.jpg", method="gradcam", target=labels[0], against=labels[1], verdict=False
    )
    assert [str(row.target) for row in rows] == [labels[0], labels[1], f"{labels[0]} rather than {labels[1]}"]
    assert rows[0].score - rows[1].score == pytest.approx(rows[2].score, abs=1e-4)
    assert len({row.top for row in rows}) == 1
    assert rows[0].top == max(row.peak for row in rows)
    assert np.allclose(rows[0].map - rows[1].map, rows[2].map, atol=1e-4), "Grad-CAM is linear in the score"


def test_a_unit_and_a_layer(run: Path, folder: Path) -> None:
    picture = folder / "a wide one.png"
    (first,) = foveal.explain(run, picture, method="gradcam", verdict=False)
    layers = [
        name
        for name, module in Model.load(run).network.named_modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    (other,) = foveal.explain(run, picture, method="gradcam", layer=layers[1], verdict=False)
    assert other.layer.startswith(layers[1]) or layers[1].startswith(other.layer)
    assert other.cells is not None
    assert first.cells is not None
    assert other.cells.size > first.cells.size
    (unit,) = foveal.explain(run, picture, method="gradient", unit=f"{layers[1]}:2:0:0", verdict=False)
    assert (unit.target.channel, unit.target.cell) == (2, (0, 0))
    assert unit.verdict.word == "units of activation"
    assert unit.pixels is not None
    assert (unit.pixels[-4:, -4:] == 0).all(), "far outside of what the cell sees"
    assert (unit.pixels != 0).any()


def test_baselines_are_chosen(run: Path, folder: Path) -> None:
    """The mean of the ways from three baselines is the mean of three maps; each adds up beside its own."""
    picture = folder / "a wide one.png"
    maps = []
    for baseline in ("black", "mean", ["blurred"]):
        (row,) = foveal.explain(
            run, picture, method="integrated_gradients", target="circle", baseline=baseline, verdict=False
        )
        assert row.unit.endswith(f"beside {baseline if isinstance(baseline, str) else baseline[0]}")
        maps.append(row.map)
    (every,) = foveal.explain(run, picture, method="integrated_gradients", target="circle", verdict=False)
    assert every.unit.endswith("beside black, mean, blurred")
    wanted = np.mean(maps, axis=0)
    assert np.abs(every.map - wanted).max() < 0.1 * np.abs(wanted).max()
    assert np.abs(maps[0] - maps[1]).max() > 0.1 * np.abs(wanted).max()


def test_default_methods(run: Path, folder: Path, home: Path) -> None:
    few = foveal.explain(run, folder / "a wide one.png", verdict=False)
    assert [row.method for row in few] == ["gradcam", "occlusion"]
    many = sorted((home / "data").rglob("*.png"))[: FEW + 1]
    assert {row.method for row in foveal.explain(run, many, verdict=False)} == {"gradcam"}
    assert {choice.option for choice in few.choices} == {"method", "target"}


@pytest.mark.slow
def test_every_explainer_works_through_the_verb(run: Path, folder: Path, home: Path) -> None:
    found = foveal.explain(run, folder, method="all", out=home / "all")
    good = {row.method for row in found if row.error is None}
    left = {note.split(" is left out")[0] for note in found.notes if " is left out" in note}
    assert good | left == set(explainers())
    assert len(good) >= len(explainers()) - 1


# what is written


@pytest.fixture(scope="module")
def written(run: Path, folder: Path, home: Path) -> tuple[list[dict[str, Any]], Path]:
    """What the terminal's one document says, and the folder that was written."""
    out = home / "maps and more"
    assert main(["explain", str(run), str(folder), "--method", "gradcam", "--out", str(out), "--json"]) == 0
    return json.loads((out / "explanations.json").read_text()), out


def test_files_are_there_and_tell_the_same(
    written: tuple[list[dict[str, Any]], Path], found: Explanations
) -> None:
    rows, out = written
    assert [row["path"] for row in rows] == [row.path for row in found if row.method in ("gradcam", "")]
    for row in rows:
        if "error" in row:
            continue
        assert row.keys() >= KEYS
        kept = np.load(row["map"], allow_pickle=False)
        own = next(one for one in found if one.path == row["path"] and one.method == "gradcam")
        assert kept.shape == (row["size"][1], row["size"][0])
        assert kept.dtype == np.float32
        assert np.allclose(kept, own.map, rtol=1e-4, atol=1e-5)
        assert Path(row["map"]).parent == out
        with Image.open(row["overlay"]) as image:
            assert image.width > 280
        assert row["verdict"]["areas"]["steps"] == 24
        assert row["target"] == str(own.target)
    page = (out / "index.html").read_text()
    assert page.count("data:image/webp") == 4, "each picture, and its map"
    assert "strongest at" in page
    assert "cannot" in page or "truncated" in page or "damaged" in page


def test_the_terminal_says_one_document(
    run: Path, folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, _ = spoken(
        capsys, "explain", str(run), str(folder / "b high.jpg"), "--method", "gradient", "--no-verdict",
        "--out", str(home / "one"),
    )  # fmt: skip
    (row,) = said
    assert row.keys() >= KEYS
    assert row["layer"] is None


def test_the_terminal_tells_people(
    run: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["explain", str(run), str(folder), "--method", "gradcam"]) == 0
    text = capsys.readouterr().out
    assert "gradcam" in text
    assert "rank correlation" in text
    assert str(Path("explained") / "run-1" / "index.html") in text
    assert main(["explain", str(run), str(folder / "c broken.png"), "--method", "gradcam"]) == 2


def test_more_pictures_than_stay_in_memory(run: Path, home: Path) -> None:
    many = home / "many"
    many.mkdir()
    for number in range(SHOWN + 2):
        shape(number % 3, 16, number).save(many / f"{number:03}.png")
    rows = foveal.explain(run, many, method="gradcam", verdict=False, out=home / "out of many")
    assert len(rows) == SHOWN + 2
    assert rows[0].pixels is not None
    assert rows[-1].pixels is None
    (again,) = foveal.explain(run, rows[-1].path, method="gradcam", verdict=False)
    assert np.allclose(rows[-1].map, again.map, rtol=1e-4, atol=1e-5)
    assert np.allclose(np.asarray(rows[-1].painted(), int), np.asarray(again.painted(), int), atol=3)
    assert "2 more pictures" in (home / "out of many" / "index.html").read_text()


def test_later_pictures_have_the_methods_means(run: Path, home: Path) -> None:
    pictures = sorted((home / "data").rglob("*.png"))[:12]
    rows = foveal.explain(run, pictures, method="gradcam")
    counts = [row.verdict.areas.pictures for row in rows if row.verdict.areas]
    assert counts[0] == 1
    assert len(counts) == 12
    assert set(counts) <= {1, 8, 9, 10, 11, 12}
    assert len({row.verdict.dependence for row in rows}) == 1


# the run's own pictures


def test_a_run_explains_its_most_telling_pictures(run: Path) -> None:
    rows = foveal.explain(run, method="gradcam", top=2, verdict=False)
    judged = {e["id"]: e for e in json.loads((run / "evaluation.json").read_text())["examples"]}
    wrong = {name for name, e in judged.items() if e["truth"] != e["predicted"]}
    assert wrong, "the test needs mistakes"
    worst = sorted(wrong, key=lambda name: -judged[name]["loss"])[:2]
    by_path: dict[str, list[Explanation]] = {}
    for row in rows:
        by_path.setdefault(row.path, []).append(row)
    assert list(by_path)[: len(worst)] == worst
    for id, group in by_path.items():
        example = judged[id]
        assert all(row.truth == example["truth"] for row in group)
        assert group[0].target.label == example["predicted"]
        assert group[0].why
        if id in wrong:
            assert [row.target.against for row in group] == ["", "", example["truth"]]
            assert group[1].target.label == example["truth"]
            assert len({row.top for row in group}) == 1
        else:
            assert len(group) == 1
    assert len(by_path) <= 6
    assert rows.choices[0].option == "pictures"


def test_figures_of_mistakes_are_written(run: Path, home: Path) -> None:
    rows = foveal.explain(run, method="gradcam", top=1, verdict=False, out=home / "telling")
    first = rows[0]
    assert set(first.files) == {"map", "overlay", "figure"}
    with Image.open(first.files["figure"]) as figure, Image.open(first.files["overlay"]) as overlay:
        assert figure.width > 2 * overlay.width


@pytest.mark.parametrize("kind", ["numbers", "several labels"])
def test_runs_of_other_tasks_explain_their_own(kind: str, home: Path) -> None:
    """A number has no wrong and no right, and several labels may be wrong in several ways."""
    folder = home / kind
    (folder / "p").mkdir(parents=True)
    draw = np.random.default_rng(3)
    lines = ["path,brightness" if kind == "numbers" else "path,tags"]
    for number in range(60):
        image = shape(number % 3, 16, number).point(lambda value, k=number: value * (20 + k) // 100)
        image.save(folder / "p" / f"{number}.png")
        tags = [name for name in ("round", "small", "red") if draw.random() < 0.5] or ["round"]
        what = f"{np.asarray(image).mean() / 2.55:.2f}" if kind == "numbers" else "|".join(tags)
        lines.append(f"p/{number}.png,{what}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    done = foveal.train(folder / "table.csv", epochs=1, out=str(folder / "run"), **QUICK)
    rows = foveal.explain(done.run, method="gradient", top=2, out=folder / "out")
    judged = {e["id"]: e for e in json.loads((done.run / "evaluation.json").read_text())["examples"]}
    by_path = {row.path: row for row in reversed(rows)}  # the first of each
    assert all(row.error is None for row in rows)
    if kind == "numbers":
        assert len(by_path) == 4, "the largest errors, and the smallest"
        losses = [judged[row.path]["loss"] for row in rows]
        assert max(losses) == max(e["loss"] for e in judged.values())
        assert {row.verdict.word for row in rows} == {"brightness"}
        assert "brightness for a step" in rows[0].unit
        for row in rows:
            assert row.score == pytest.approx(judged[row.path]["predicted"], rel=1e-2, abs=0.1)
    else:
        assert len(by_path) <= 6
        for row in by_path.values():
            said, true = judged[row.path]["predicted"], judged[row.path]["truth"]
            assert sorted(row.truth) == sorted(true)
            if said != true:
                assert (row.target.label in said) != (row.target.label in true), "one it is wrong in"


# what is refused


@pytest.mark.parametrize(
    ("options", "kind", "word"),
    [
        ({"method": "gradcom"}, UnknownNameError, "gradcam"),
        ({"method": ""}, OptionError, "Known"),
        ({"target": "sqare"}, UnknownNameError, "square"),
        ({"against": "nothing of that"}, UnknownNameError, "circle"),
        ({"target": "circle", "against": "circle"}, OptionError, "target itself"),
        ({"layer": "no.such"}, OptionError, "foveal anatomy"),
        ({"layer": "no.such", "method": "gradient"}, OptionError, "draws no layer"),
        ({"unit": "layer"}, OptionError, "LAYER:CHANNEL"),
        ({"unit": "a:1:2"}, OptionError, "LAYER:CHANNEL"),
        ({"unit": "no.such:1"}, OptionError, "no.such"),
        ({"unit": "a:1", "target": "circle"}, OptionError, "--unit"),
        ({"baseline": "white", "method": "integrated_gradients"}, UnknownNameError, "blurred"),
        ({"baseline": "black", "method": "gradcam"}, OptionError, "has none"),
        ({"top": 0}, OptionError, "--top"),
    ],
)
def test_what_cannot_be_asked(
    options: dict[str, Any], kind: type[FovealError], word: str, run: Path, folder: Path
) -> None:
    with pytest.raises(kind) as caught:
        foveal.explain(run, folder / "a wide one.png", **options)
    error = caught.value
    assert all((error.came, error.allowed, error.todo))
    assert word in str(error)


def test_a_unit_that_is_not_there(run: Path, folder: Path) -> None:
    layer = next(n for n, m in Model.load(run).network.named_modules() if isinstance(m, torch.nn.Conv2d))
    with pytest.raises(OptionError, match="has no unit channel 9999"):
        foveal.explain(run, folder / "a wide one.png", unit=f"{layer}:9999")


def test_refusals_from_the_terminal(
    run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(folder / "a wide one.png")
    out = ["--out", str(tmp_path / "new")]
    for words in (
        ["--target", "sqare"],
        ["--method", "gradcom"],
        ["--layer", "x"],
        ["--unit", "x"],
        ["--top", "0"],
    ):
        capsys.readouterr()
        assert main(["explain", str(run), picture, *words, *out, "--json"]) == 2
        assert set(json.loads(capsys.readouterr().out)["error"]) == {"came", "allowed", "todo"}
    assert not (tmp_path / "new").exists()
    assert main(["explain", str(run), picture, "--methods", "gradcam"]) == 2
    assert "Did you mean --method?" in capsys.readouterr().err
    assert main(["explain", str(run), picture, "--label", "circle"]) == 2
    assert "Did you mean --target?" in capsys.readouterr().err


def test_no_pictures_and_no_run(run: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.safetensors").write_bytes((run / "best.safetensors").read_bytes())
    with pytest.raises(DataError, match="run folder"):
        foveal.explain(tmp_path / "alone.safetensors")
    with pytest.raises(DataError, match="no picture"):
        foveal.explain(run, tmp_path / "gone.png")
    with pytest.raises(ModelError, match="where the model belongs"):
        foveal.explain(class_folder(tmp_path / "d", 1, 1) / "circle" / "000.png", run)


def test_explainers_are_all_listed() -> None:
    assert set(explainers()) <= set(catalog.names("explainers"))
    assert {"gradcam", "gradient", "guided_backprop"} <= set(explainers())
