"""One tiny run, really trained, whose classes have names that a page must escape."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import foveal
from foveal.records.run import Run
from pictures import shape

NAMES = ('<script>alert("x")</script>', "rose & 'so'", "日本語")
PARTS = ("train",) * 10 + ("val",) * 6 + ("test",) * 8


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's folder; what a test changes it changes in a copy."""
    home = tmp_path_factory.mktemp("report")
    rows = []
    secret = Image.Exif()
    secret[0x010E] = "SECRET-PLACE"
    for kind, name in enumerate(NAMES):
        for number, part in enumerate(PARTS):
            file = f"{kind}-{number}.jpg"
            # the test pictures are of the wrong shape now and then, so that there are mistakes to show
            wrong = part == "test" and number % 4 == 0
            picture = shape((kind + wrong) % 3, 24, seed=number * 7 + kind)
            picture.save(home / file, exif=secret, quality=95)
            rows.append((file, name, part))
    with (home / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("path", "label", "split"), *rows])
    done = foveal.train(
        home / "labels.csv", network="resnet9", pretrained=False, size=16, batch=10, epochs=4, seed=1, device="cpu",
        augment="light", out=str(home / "run"),
    )  # fmt: skip
    return done.run


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Callable[[], Run]:
    """A copy of the run, to be changed; without the weights, which a report never opens."""

    def make() -> Run:
        shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors", "*.pt"))
        return Run(tmp_path / "copy")

    return make
