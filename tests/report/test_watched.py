"""The section on what was watched inside: drawn from what was measured, small, and absent where nothing was."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from foveal.charts.tiles import MOST, Tiles, columns_of, tiles
from foveal.events import Epoch, Started, Watched
from foveal.records.gathered import gather
from foveal.records.run import Run
from foveal.report.watched import watched
from foveal.watch import EDGES


def pixels(svg: str) -> np.ndarray:
    """The cells of a map, as they are drawn."""
    code = re.findall(r"data:image/png;base64,([^\"]+)", svg)[0]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(code))).convert("RGBA"))


def test_a_cell_is_a_pixel_of_its_number() -> None:
    chart = Tiles(
        "A <map>", ("a", "b"), (0, 5, 9), ((1e-6, 1e-3, 1e3), (None, 1.0, float("nan"))), 1e-6, 1.0, True
    )
    made = tiles(chart)
    drawn = pixels(made)
    assert drawn.shape == (2, 3, 4)
    assert drawn[1, 0, 3] == drawn[1, 2, 3] == 0, "what was not measured is left open"
    assert (drawn[0, 2] == drawn[1, 1]).all(), "what lies beyond has the end's colour"
    assert not (drawn[0, 0] == drawn[0, 1]).all()
    assert "A &lt;map&gt;" in made
    assert "<map>" not in made


def test_many_rows_and_looks_are_thinned() -> None:
    chart = Tiles(
        "x", tuple(f"l{n}" for n in range(200)), (0, 1), tuple((0.5, 0.5) for _ in range(200)), 0, 1
    )
    assert pixels(tiles(chart)).shape[0] == MOST
    places = columns_of(list(range(1000)), 80)
    assert len(places) == 80
    assert (places[0], places[-1]) == (0, 999)


def look(step: int, ratio: float) -> Watched:
    layer = {"update_ratio": ratio, "grad_rms": 1e-3, "forward_gain": 1.5, "sigma_max": 2.0}
    shares = [0.0] * (len(EDGES) - 1)
    shares[20] = 1.0
    return Watched(
        step=step, loss=2.5, lr=0.1, layers={"conv": layer, "relu": {"dead": 0.25}}, norms={"grad_noise": 300.0},
        kinds={"conv": "conv", "relu": "rectifier"} if step == 0 else {}, order=("conv", "relu") if step == 0 else (),
        histograms={"conv": {"activations": shares}}, cost=0.013,
    )  # fmt: skip


def test_says_what_was_seen(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run", tmp_path / "run")
    assert watched(gather(run)) is None
    with run.lock():
        run.append(Started())
        for step in range(6):
            run.append(look(step, 0.002))
    found = watched(gather(run))
    assert found is not None
    assert len(found.panels) == 6
    said = " ".join(panel.says for panel in found.panels)
    assert "2.0e-03" in said
    assert "25%" in said
    assert any("300 pictures" in one for one in found.says)
    assert any("1.3%" in one for one in found.says)
    assert sum(len(panel.chart) for panel in found.panels) < 60_000


def test_what_watching_took_is_a_share_of_the_whole_training(tmp_path: Path) -> None:
    """The share at the last look is large where all looks were among the first steps."""
    run = Run.create(tmp_path, "run", tmp_path / "run")
    with run.lock():
        run.append(Started(at=1000.0))
        for step in range(9):
            run.append(dataclasses.replace(look(step, 0.002), cost=0.4, at=1000.4 + 0.2 * step))
    said = " ".join(watched(gather(run)).says)  # type: ignore[union-attr]
    assert "watching took 40% of the training time until the last of them, which in a run of seconds" in said
    with run.lock():
        run.append(Epoch(epoch=1, step=20, seconds=20.0, at=1020.0))
    said = " ".join(watched(gather(run)).says)  # type: ignore[union-attr]
    assert "watching took about 0.8 s, 4% of the training time: a second is allowed" in said
