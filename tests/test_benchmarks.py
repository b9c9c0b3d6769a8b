"""The benchmarks' own parts that a figure depends on."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(FOLDER.rglob("*.py"))


def part(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the benchmarks, which import each other by bare names as scripts do."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module(name)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.relative_to(FOLDER).as_posix())
def test_a_benchmark_says_what_it_is_and_how_to_run_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    said = ast.get_docstring(tree) or ""
    assert said
    if "argparse" in text:
        assert f"benchmarks/{file.relative_to(FOLDER).as_posix()}" in said
    assert len(text.splitlines()) <= 400
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    lengths = {f.name: (f.end_lineno or f.lineno) - f.lineno + 1 for f in functions}
    assert {name: length for name, length in lengths.items() if length > 60} == {}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_its_benchmark_says_so() -> None:
    ran = subprocess.run([sys.executable, str(FOLDER / "gpu.py")], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "no CUDA here" in ran.stderr


def test_no_photograph_is_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photographs = part("photographs", monkeypatch)
    grey = 0
    for folder, label, numbers in (("large", "roses", range(10)), ("small", "rose", range(5, 25))):
        place = tmp_path / folder / label
        place.mkdir(parents=True)
        for n in numbers:  # the number is the photograph's; its colour lets the test recognise it in a cut
            grey = 10 * n
            Image.new("RGB", (60, 40), (grey,) * 3).save(place / f"{n}_{folder}.png")
    rows, told = photographs.cut([tmp_path / "large", tmp_path / "small"], tmp_path / "cut", 40, 20, side=50)
    sides: dict[str, set[int]] = {"train": set(), "val": set()}
    for path, label, side in rows:
        assert label == "rose"
        image = Image.open(path)
        assert max(image.size) == 50
        sides[side].add(round(image.getpixel((5, 5))[0] / 10))
    assert (len([r for r in rows if r[2] == "train"]), len(rows)) == (40, 60)
    assert not sides["train"] & sides["val"]
    assert sides["train"] | sides["val"] <= set(range(25))
    assert "20 train pictures from 8 photographs of large" in told  # five of its ten are in both: the first's


def test_what_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = part("measure", monkeypatch)
    calls: list[str] = []

    def contestant(name: str) -> dict[str, int]:
        calls.append(name)
        return {"rate": len(calls)}

    both = {name: lambda name=name: contestant(name) for name in ("a", "b")}
    file = tmp_path / "kept.jsonl"
    measure.interleaved(both, 2, measure.Kept(file), {"size": 8}, "rate")
    assert calls == ["a", "b", "b", "a"]
    found = measure.interleaved(both, 3, measure.Kept(file), {"size": 8}, "rate")
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert [row["rate"] for row in found["a"]] == [1, 4, 5]
    assert measure.ratios(found["a"], found["b"], "rate") == [1 / 2, 4 / 3, 5 / 6]
    assert measure.Kept(file).find(size=9) == []


def of_the_doctor(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the doctor's benchmark, which is a package."""
    monkeypatch.syspath_prepend(str(FOLDER.parent))
    return importlib.import_module(f"benchmarks.doctor.{name}")


def test_what_is_staged_is_named_by_rules_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from foveal import catalog

    runs, there = of_the_doctor("runs", monkeypatch), set(catalog.names("doctor.rules"))
    assert len(runs.ROWS) == len(runs.FAULTS) + len(runs.CONTROLS)  # no name twice
    for fault in runs.FAULTS:
        assert fault.roots
        assert {*fault.roots, *fault.useful} <= there
        assert fault.staged() != runs.BASES[fault.base]
    for row in runs.ROWS.values():
        assert row.staged().data in {*runs.DATA, "shapes-easy"}
        assert row.staged().patch in runs.PATCHES


def test_a_fault_in_the_code_goes_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    import foveal.data.batches as batches
    import foveal.loop.evaluation as evaluation
    import foveal.loop.optimizers as optimizers
    import foveal.loop.state as state
    import foveal.plan as plan
    import foveal.plan.recipe as recipe
    import foveal.schedules.cosine as cosine
    import foveal.schedules.exponential as exponential
    import foveal.schedules.onecycle as onecycle
    import foveal.schedules.step as step
    from foveal.tasks.classify import Classify

    runs = of_the_doctor("runs", monkeypatch)
    touched = [(batches.Batches, "to"), (batches.Batches, "epoch"), (batches, "normalise"), (Classify, "step"),
               (optimizers, "build"), (state, "parameter_groups"), (state, "set_trainable"),
               (evaluation, "evaluating"), (recipe, "preprocessing"), (onecycle, "factor"),
               (exponential, "factor"), (step, "factor"), (batches, "drawn_order"), (cosine, "factor"),
               (plan, "_class_weights")]  # fmt: skip
    before = [getattr(owner, name) for owner, name in touched]
    for name, patch in runs.PATCHES.items():
        with patch():
            now = [getattr(owner, name) for owner, name in touched]
            assert sum(a is not b for a, b in zip(before, now, strict=True)) == bool(name)
        assert [getattr(owner, name) for owner, name in touched] == before


def test_harm_is_measured_as_welch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.stats import ttest_ind

    certificates = of_the_doctor("certificates", monkeypatch)
    sound, ill = [0.97, 0.95, 0.96], [0.61, 0.74, 0.66]
    told, known = certificates.harm(sound, ill), ttest_ind(sound, ill, equal_var=False)
    interval = known.confidence_interval(0.95)
    assert (told["low"], told["high"], told["p"]) == pytest.approx(
        (interval.low, interval.high, known.pvalue)
    )
    assert certificates.harm([0.9] * 3, [0.9] * 3)["low"] == 0


def test_only_training_pictures_are_made_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, labels = of_the_doctor("pictures", monkeypatch), of_the_doctor("faults.labels", monkeypatch)
    sound = pictures.digits((200, 40, 40))
    assert pictures.digits((200, 40, 40)).labels == sound.labels
    for wrong in (labels.shuffled(sound), labels.noisy(sound, 0.5), labels.swapped(sound, (3, 5))):
        changed = [n for n, (a, b) in enumerate(zip(sound.labels, wrong.labels, strict=True)) if a != b]
        assert {sound.parts[n] for n in changed} == {"train"}
    assert sum(a != b for a, b in zip(sound.labels, labels.noisy(sound, 0.5).labels, strict=True)) in range(
        70, 131
    )


def test_enough_is_certified_and_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    certificates, runs = of_the_doctor("certificates", monkeypatch), of_the_doctor("runs", monkeypatch)
    kept = certificates.read()
    good = {name: row for name, row in kept.items() if row["certified"]}
    faults = [row for row in good.values() if row["kind"] == "fault"]
    assert len(faults) >= 60
    assert len(good) - len(faults) >= 100
    for row in faults:
        sides = (row["ill"], row["sound"]) if row["harm"] == "honesty" else (row["sound"], row["ill"])
        again = certificates.harm(*sides)
        assert len(row["seeds"]) >= 3
        assert (again["low"] > 0, again["points"] >= certificates.POINTS) == (True, True)
        assert again["points"] == pytest.approx(row["points"], abs=1e-4)
    rows = [runs.ROWS[name] for name in good]
    earlier = [row for row in rows if row.stranger in ("", "unseen")]  # some were held out
    assert 0.2 < sum(row.held_out for row in earlier) / len(earlier) < 0.5


@pytest.mark.slow
def test_a_case_is_staged_and_diagnosed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from foveal import catalog

    main = of_the_doctor("__main__", monkeypatch).main
    networks = of_the_doctor("networks", monkeypatch)
    monkeypatch.setitem(
        catalog._table("architectures"), networks.FAMILY, networks.__name__
    )  # gone afterwards
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    monkeypatch.setattr("warnings.simplefilter", lambda *a, **k: None)
    assert main(["--only", "dead", "digits-adamw", "--keep", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "root cause named first       2 of 2" in said
    assert "alarms                       0 of 1" in said
    assert (tmp_path / "runs/dead/0/run/best.safetensors").exists()
