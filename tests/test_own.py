"""docs/own.md: its network and its augmentation are installed, trained with, and used as the page says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import foveal
from foveal import catalog
from foveal.records.trained import Trained
from pictures import class_folder


@pytest.fixture(scope="module")
def installed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The page's package, as pip would leave it: its modules on the path, and its entry points."""
    told = tomllib.loads((root / "docs" / "own" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    about = tmp_path_factory.mktemp("site") / f"{told['name']}-{told['version']}.dist-info"
    about.mkdir()
    lines = [f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n"]
    (about / "METADATA").write_text(lines[0], encoding="utf-8")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items())
        for group, names in told["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(about.parent))
        patch.syspath_prepend(str(root / "docs" / "own"))
        catalog._table.cache_clear()
        yield
    catalog._table.cache_clear()


@pytest.fixture(scope="module")
def done(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = tmp_path_factory.mktemp("own")
    done = foveal.train(
        class_folder(home / "data", 3, 12), network="threelayers", augment="quarterturns", epochs=2, batch=8,
        size=16, workers=0, probe=False, watch=False, out=str(home / "run"),
    )  # fmt: skip
    assert isinstance(done, Trained)
    return done


def test_it_is_trained_by_its_names(done: Trained) -> None:
    chosen = foveal.Run.open(done.run).options
    assert chosen["train"]["network"] == "threelayers"
    assert chosen["train"]["augment"] == "quarterturns"
    network = foveal.Model.load(done.model).network
    assert type(network).__module__ == "threelayers"
    taken = foveal.anatomy("threelayers", size=32, times=False).anatomy
    assert taken.parameters == sum(p.numel() for p in _thousand().parameters())


def _thousand() -> Any:
    return catalog.find("architectures", "threelayers").build("", outputs=1000, channels=3, size=224)


def test_the_page_s_python_runs(done: Trained, root: Path, tmp_path: Path) -> None:
    page = (root / "docs" / "own.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    image = Image.new("RGB", (40, 30), "red")
    image.save(tmp_path / "rose.jpg")
    first = first.replace("runs/flowers-resnet18-1", str(done.run))
    first = first.replace("rose.jpg", str(tmp_path / "rose.jpg"))
    names: dict[str, Any] = {"image": image}
    exec(first, names)
    exec(second, names)
    logits, model = names["logits"], names["model"]
    assert logits.shape == (1, len(model.labels))
    said = model.predict([image])[0].predictions[0]
    assert said["label"] == model.labels[int(logits.argmax())]
    sure = (logits[0] / model.task.temperature).softmax(0).max()
    assert said["probability"] == pytest.approx(float(sure), abs=1e-5)
