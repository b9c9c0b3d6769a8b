"""foveal compare --train, whole: trained in turn, stopped and called again, with a network that fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import foveal
from foveal.errors import OptionError, UnknownNameError
from foveal.events import Epoch
from foveal.terminal.app import main
from foveal.values import Choice

TOLD = ["--size", "32", "--no-probe", "--seed", "3"]


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    """Bright and dark pictures, 24 of each to learn from and 12 to be judged on."""
    draw = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 12)):
        for kind, level in (("bright", 190), ("dark", 60)):
            folder = tmp_path / "data" / part / kind
            folder.mkdir(parents=True)
            for n in range(count):
                pixels = draw.normal(level, 30, (32, 32, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{n}.png")
    return tmp_path / "data"


def test_two_are_trained_and_one_fails(
    drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, runs = tmp_path / "page.html", tmp_path / "runs"
    words = ["compare", "--train", "lenet,maxvit_t,resnet9", str(drawings), "--epochs", "2", *TOLD]
    assert main([*words, "--runs-dir", str(runs), "--out", str(page), "--json"]) == 0
    shown = capsys.readouterr()
    made = json.loads(shown.out)
    assert [row["network"] for row in made["rows"]][2] == "maxvit_t"
    assert {row["network"] for row in made["rows"][:2]} == {"lenet5", "resnet9"}
    assert "cannot be built for pictures of 32 px" in made["rows"][2]["failed"]
    assert "lenet is taken for lenet5" in shown.err
    assert [pair["count"] for pair in made["pairs"]] == [24]
    recipes = {row["network"]: row["recipe"] for row in made["rows"]}
    assert recipes["lenet5"].startswith("LeCun et al. 1998")
    assert recipes["resnet9"].startswith("Page 2018")
    text = page.read_text(encoding="utf-8")
    assert text.count('class="c-point"') == 6
    assert len(list(runs.iterdir())) == 2, "as any other runs"
    # the same call again has nothing left to train, and each run can be compared by itself
    kept = [run.stat().st_mtime_ns for run in sorted(runs.glob("*/result.json"))]
    assert main([*words, "--runs-dir", str(runs)]) == 0
    shown = capsys.readouterr()
    assert shown.err.count("is finished, and kept") == 2
    assert "maxvit_t" in shown.out
    assert [run.stat().st_mtime_ns for run in sorted(runs.glob("*/result.json"))] == kept
    assert main(["compare", *map(str, runs.iterdir())]) == 0
    assert "accuracy on test" in capsys.readouterr().out


def test_a_stopped_comparison_goes_on_where_it_was(drawings: Path, tmp_path: Path) -> None:
    said: list[object] = []

    def stop(message: object) -> None:
        said.append(message)
        if (
            isinstance(message, Epoch)
            and message.epoch == 2
            and ("says", "resnet9 is trained (2 of 2)") in said
        ):
            raise KeyboardInterrupt

    asked = {
        "size": 32,
        "epochs": 4,
        "probe": False,
        "runs_dir": str(tmp_path / "runs"),
        "save_seconds": 0.001,
    }
    with pytest.raises(KeyboardInterrupt, match="1 of 2 networks are done and kept"):
        foveal.compare(train=["lenet5", "resnet9"], data=drawings, screen=stop, **asked)
    stopped = sorted(tmp_path.glob("runs/*"))
    assert len(stopped) == 2
    first = next(tmp_path.glob("runs/*lenet5*/result.json")).stat().st_mtime_ns
    said.clear()
    made = foveal.compare(train="lenet5,resnet9", data=drawings, screen=said.append, **asked)
    assert ("says", "lenet5 is finished, and kept (1 of 2)") in said
    assert ("says", "resnet9 goes on (2 of 2)") in said
    assert sorted(tmp_path.glob("runs/*")) == stopped, "no other run was made"
    assert next(tmp_path.glob("runs/*lenet5*/result.json")).stat().st_mtime_ns == first
    assert {row.network: row.epochs for row in made.rows} == {"lenet5": 4, "resnet9": 4}
    assert [m.epoch for m in said if isinstance(m, Epoch)] in ([2, 3, 4], [3, 4])
    # other options are another comparison
    other = foveal.compare(train="lenet5,resnet9", data=drawings, **(asked | {"seed": 9}))
    assert len(list(tmp_path.glob("runs/*"))) == 4
    assert {row.path for row in other.rows}.isdisjoint(row.path for row in made.rows)


def test_minutes_are_for_all_together(drawings: Path, tmp_path: Path) -> None:
    said: list[object] = []
    made = foveal.compare(
        train="lenet5,resnet9", data=drawings, minutes=0.15, size=32, probe=False,
        runs_dir=str(tmp_path / "runs"), screen=said.append,
    )  # fmt: skip
    seconds = [row.seconds or 0.0 for row in made.rows]
    assert sum(seconds) < 0.15 * 60 + 8
    shares = [foveal.Run.open(row.path).options["train"]["minutes"] * 60 for row in made.rows]
    assert max(shares) < 7, "about half of what is left, each"
    stem = [m for m in said if isinstance(m, Choice) and m.option == "stem"]
    assert not stem, "neither has another"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--train", "lenet5", "DATA"], "Two or more"),
        (["--train", "lenet5,resnet9", "DATA", "--network", "resnet18"], "--network was given together"),
        (["--train", "lenet5,resnet9", "DATA", "--folds", "3"], "--folds was given together"),
        (["--train", "lenet5,", "resnet9", "DATA"], "without spaces"),
        (["--train", "lenet5,resnet99", "DATA"], "resnet"),
        (["--train", "lenet5,resnet9", "DATA", "--out", "page.txt"], ".html"),
    ],
)
def test_errors_come_in_three_parts(
    drawings: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *(str(drawings) if word == "DATA" else word for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") >= 3


def test_nothing_is_left_where_every_network_fails(drawings: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="None of maxvit_t, vit_b_16 could be trained"):
        foveal.compare(
            train="maxvit_t,vit_b_16", data=drawings, size=40, epochs=1, runs_dir=str(tmp_path / "r")
        )
    assert not (tmp_path / "r").exists()
    with pytest.raises(UnknownNameError):
        foveal.compare(train="lenet5,alexnett", data=drawings)
