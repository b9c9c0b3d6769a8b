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
        assert f"benchmarks/{file.name}" in said
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
