"""A run as something that can be tested: what it gives is what the run had, and it stays as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import foveal
from foveal.data.views import normalise
from foveal.doctor.patient import Patient, asleep, joined, spread
from foveal.errors import FovealError, RunError
from foveal.run import Run
from foveal.values import Batch, Item
from pictures import class_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("patient")
    done = foveal.train(
        class_folder(home / "data", 2, 20, 16), network="lenet5", pretrained=False, size=16, epochs=2, batch=8,
        augment="light", out=str(home / "run"), device="cpu", probe=False, precision="fp32",
    )  # fmt: skip
    return Run.open(done.run)


def test_pictures_come_as_evaluation_gives_them(run: Run) -> None:
    patient = Patient.of(run)
    batch = patient.batch("val", 4)
    view = patient.task.view(patient.preprocessing)
    for image, id in zip(batch.images, batch.ids, strict=True):
        item = next(one for one in run.dataset.items if one.id == id)
        from PIL import Image

        with Image.open(Path(run.dataset.root) / item.path) as opened:
            pixels = view(opened.convert("RGB"))
        pixels = pixels[0] if isinstance(pixels, tuple) else pixels
        torch.testing.assert_close(image, normalise(pixels[None], patient.preprocessing)[0])


def test_networks_are_those_of_the_run(run: Run) -> None:
    patient = Patient.of(run)
    for which in ("best", "last"):
        file = run.folder / f"{which}.safetensors"
        saved = load_file(file)
        own = patient.network(which).state_dict()  # type: ignore[arg-type]
        for name, tensor in saved.items():
            torch.testing.assert_close(own[name], tensor, msg=name)
        assert not patient.network(which).training  # type: ignore[arg-type]


def test_fresh_networks_depend_on_the_seed_alone(run: Run) -> None:
    patient = Patient.of(run)
    before = torch.get_rng_state()
    with asleep():
        first, again, other = (list(patient.fresh(seed).parameters())[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_tenth_of_a_second_is_soon_gone(run: Run) -> None:
    assert 0 < Patient.of(run, 5.0).time_left <= 5.0
    assert Patient.of(run, -1.0).time_left < 0


def test_a_run_without_pictures_or_with_a_foreign_task_is_told(run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run.folder, copy)
    card = json.loads((copy / "options.json").read_text())
    (copy / "options.json").write_text(json.dumps({**card, "task": {**card["task"], "name": "divination"}}))
    with pytest.raises(FovealError, match="divination"):
        Patient.of(Run(copy))
    (copy / "data.json").unlink()
    with pytest.raises(RunError):
        Patient.of(Run(copy))


@given(st.integers(1, 300), st.integers(1, 300))
def test_a_spread_is_even_and_in_order(total: int, count: int) -> None:
    items = tuple(Item(str(n), f"{n}.png", "a", "train", n) for n in range(total))
    kept = [int(item.id) for item in spread(items, count)]
    assert len(kept) == min(total, count)
    assert kept == sorted(set(kept))
    steps = [b - a for a, b in zip(kept, kept[1:], strict=False)]
    assert not steps or max(steps) - min(steps) <= 1


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans())
def test_joined_batches_keep_their_order(sizes: list[int], listed: bool) -> None:
    parts, place = [], 0
    for size in sizes:
        numbers = list(range(place, place + size))
        truths = [[n] for n in numbers] if listed else torch.tensor(numbers)
        parts.append(
            Batch(torch.tensor(numbers).float().view(-1, 1, 1, 1), truths, [str(n) for n in numbers])
        )
        place += size
    whole = joined(parts)
    assert whole.ids == [str(n) for n in range(place)]
    assert whole.images.flatten().tolist() == list(range(place))
    said = [one[0] for one in whole.truths] if listed else whole.truths.tolist()
    assert said == list(range(place))
