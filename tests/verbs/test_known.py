"""foveal anatomy --list: a kept table that says what the architectures say, and loads no torch for it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from torchvision.models import get_model_weights

from foveal import catalog
from foveal.verbs.known import TABLE, asked, known, table


def test_the_kept_table_is_what_the_architectures_say() -> None:
    """torchvision's among them, whose figures are those of its weights' meta."""
    assert TABLE.read_text(encoding="utf-8") == table(), "write it anew: python -m foveal.verbs.known"


def test_figures_are_the_networks_and_torchvisions() -> None:
    rows = dict(known().rows)
    meta = get_model_weights("resnet50").DEFAULT.meta  # type: ignore[attr-defined]
    assert rows["resnet50"].parameters == meta["num_params"]
    assert rows["resnet50"].accuracy == meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100
    for name in ("lenet5", "resnet18", "resnet9", "sprintnet", "cifar_resnet20", "efficientnet_lite0"):
        with torch.random.fork_rng(devices=[]):
            built = catalog.find("architectures", name).build(name, outputs=1000, channels=3, size=224)
        assert sum(p.numel() for p in built.parameters()) == rows[name].parameters, name


def test_every_name_is_there_oldest_first() -> None:
    listed = known().to_json()
    assert {row["name"] for row in listed} == {n for n in catalog.names("architectures") if n[-1] != "/"}
    assert [row["year"] for row in listed] == sorted(row["year"] for row in listed)
    assert listed[0]["name"] == "lenet5"


@pytest.mark.parametrize("words", [["--list"], ["--list", "--json"]])
def test_listing_loads_no_torch(words: list[str]) -> None:
    program = (
        "import sys; from foveal.terminal.app import main; code = main(sys.argv[1:]); "
        "sys.exit(code or ('torch' in sys.modules) or ('torchvision' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "anatomy", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "vgg11_bn" in done.stdout
    if "--json" in words:
        assert len(json.loads(done.stdout)) == len(known().rows)


def test_an_architecture_of_another_package_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs.py").write_text(
        "from foveal.contracts import About\n"
        "def about(name): return About(1980, 'Cells that look alike.', 7, None, 'Fukushima 1980')\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("neocognitron", "theirs", "foveal.architectures")
    monkeypatch.setattr(catalog, "entry_points", lambda group: [point] if "architectures" in group else [])
    catalog._table.cache_clear()
    try:
        assert known().rows[0][0] == "neocognitron"
        assert asked("neocognitron") == known().rows[0][1]
    finally:
        monkeypatch.undo()
        catalog._table.cache_clear()
