"""A run's bare name, wherever a run or a model is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from foveal.errors import ModelError
from foveal.verbs.named import find_again, in_runs, model_named, run_of, study_named, weights_named


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Path]:
    """A folder to stand in, with runs in `runs`."""
    for name in ("flowers-resnet18-1", "flowers-resnet18-2", "resnet18"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        for file in ("events.jsonl", "best.safetensors", "last.safetensors"):
            (folder / file).touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        yield Path("runs")


def test_a_name_is_a_run_of_that_name(runs: Path) -> None:
    assert model_named("flowers-resnet18-1") == str(runs / "flowers-resnet18-1")
    inside = "flowers-resnet18-1/last.safetensors"
    assert model_named(inside) == str(runs / inside)
    assert model_named(Path("flowers-resnet18-2")) == str(runs / "flowers-resnet18-2")
    assert weights_named("flowers-resnet18-1", "runs") == str(runs / "flowers-resnet18-1")


def test_what_is_there_comes_first(runs: Path) -> None:
    for path in (runs / "flowers-resnet18-1", runs.absolute() / "flowers-resnet18-1" / "last.safetensors"):
        assert model_named(path) == str(path)
    Path("flowers-resnet18-1").mkdir()  # as pictures may lie beside runs of their name
    assert model_named("flowers-resnet18-1") == str(runs / "flowers-resnet18-1")
    Path("flowers-resnet18-1", "events.jsonl").touch()
    assert model_named("flowers-resnet18-1") == "flowers-resnet18-1"


def test_networks_stay_networks(runs: Path) -> None:
    for name in ("efficientnet_lite0", "timm/convnext_tiny"):
        assert model_named(name) == name
    assert weights_named("IMAGENET1K_V2", "runs") == "IMAGENET1K_V2"
    assert weights_named("https://example.org/a.pth", "runs") == "https://example.org/a.pth"
    assert weights_named(None, "runs") is None


def test_a_name_of_two_things_is_refused(runs: Path) -> None:
    with pytest.raises(ModelError, match="a network and of a run in runs") as error:
        model_named("resnet18")
    assert str(runs / "resnet18") in error.value.todo
    assert model_named("resnet18", "elsewhere") == "resnet18"
    assert in_runs(str(runs / "resnet18")) == str(runs / "resnet18")


def test_a_name_of_nothing_gives_the_nearest(runs: Path) -> None:
    with pytest.raises(ModelError, match="no run of that name in runs") as error:
        model_named("flowers-resnet18-11")
    assert f"Did you mean {runs / 'flowers-resnet18-1'}" in error.value.todo
    with pytest.raises(ModelError) as error:
        model_named("zzz", "others")
    assert error.value.todo == "See what is there with: foveal runs --runs-dir others"
    runs.rename("others")
    with pytest.raises(ModelError) as error:
        model_named("flowers-resnet18-3", "others")
    assert str(Path("others", "flowers-resnet18-1")) in error.value.todo


def test_studies(runs: Path) -> None:
    for name, file in (("flowers-study-1", "study.json"), ("flowers-searches-1", "searches.json")):
        (runs / name).mkdir()
        (runs / name / file).touch()
        assert study_named(name) == runs / name
        assert study_named(runs / name) == runs / name
    assert study_named("flowers-study-9") == Path("flowers-study-9")


def test_the_run_of_a_model(runs: Path) -> None:
    folder = runs / "flowers-resnet18-1"
    assert run_of(folder) == run_of(str(folder / "last.safetensors")) == folder
    assert run_of("efficientnet_lite0") is None
    assert run_of(object()) is None
    for wrong in (("efficientnet_lite0", None), (folder, ["a.png"])):
        with pytest.raises(Exception, match="--data here was given") as error:
            find_again(*wrong, "here", "explain")
        assert "DataError" in error.type.__name__ or "OptionError" in error.type.__name__
