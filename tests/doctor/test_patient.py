"""A run as something that can be tested: what it gives is what the run had, and it stays as it is."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import foveal
from foveal.doctor.patient import Patient, asleep, joined, spread
from foveal.records.run import Run
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
        first, again, other = (next(iter(patient.fresh(seed).parameters())) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_tenth_of_a_second_is_soon_gone(run: Run) -> None:
    assert 0 < Patient.of(run, 5.0).time_left <= 5.0
    assert Patient.of(run, -1.0).time_left < 0


@given(st.integers(1, 300), st.integers(1, 300))
def test_a_spread_is_even_and_in_order(total: int, count: int) -> None:
    items = tuple(Item(str(n), f"{n}.png", "a", "train", n) for n in range(total))
    kept = [int(item.id) for item in spread(items, count)]
    assert len(kept) == min(total, count)
    assert kept == sorted(set(kept))
    steps = [b - a for a, b in itertools.pairwise(kept)]
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
