"""How each picture was learned: counted as by hand, kept in a file, and told by the tasks as their loss."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from foveal.contracts import Task
from foveal.tasks import autoencode, classify, multilabel, regress, segment, upscale
from foveal.values import Batch
from foveal.watch.learning import FIELDS, Learned, learned_of


def by_hand(batches: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """The same numbers, picture by picture."""
    told: dict[str, list[tuple[float, bool]]] = {}
    start = None
    for batch in batches:
        middle = float(torch.tensor(sorted(batch.values()), dtype=torch.float64).quantile(0.5))
        start = middle if start is None else start
        for id, loss in batch.items():
            told.setdefault(id, []).append((loss, loss > middle))
    found = {}
    for id, seen in told.items():
        late = float(seen[0][1])
        for _, worse in seen[1:]:
            late = 0.5 * late + 0.5 * worse
        losses = [loss for loss, _ in seen]
        small = [n for n, loss in enumerate(losses, 1) if start is not None and loss < 0.5 * start]
        found[id] = {
            "times": len(seen), "first": losses[0], "last": losses[-1], "mean": sum(losses) / len(losses),
            "worse": sum(worse for _, worse in seen) / len(seen), "late": late, "learned": small[0] if small else 0,
        }  # fmt: skip
    return found


# quarters: exact in fp32, so that medians and sums are the same in whatever order
losses = st.integers(0, 40).map(lambda n: n / 4)
batches = st.lists(
    st.dictionaries(st.sampled_from([f"p{n}" for n in range(9)]), losses, min_size=1, max_size=6),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(max_examples=25)  # each writes files
@given(batches, st.integers(0, 7))
def test_counts_as_by_hand_through_a_file(shown: list[dict[str, float]], stop: int) -> None:
    learned = Learned()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "learned.npz"
        for n, batch in enumerate(shown):
            learned.add(list(batch), torch.tensor(list(batch.values())))
            if n == stop:  # interrupted, and on
                learned.write(path)
                learned = Learned.read(path)
        learned.write(path)
        found = learned_of(path)
    wanted = by_hand(shown)
    assert found.keys() == wanted.keys()
    for id, row in wanted.items():
        assert tuple(found[id]) == FIELDS
        assert found[id] == pytest.approx(row, rel=1e-5, abs=1e-6)


def test_what_is_not_finite_or_of_no_picture_is_left_out(tmp_path: Path) -> None:
    learned = Learned()
    learned.add(["a", "b"], torch.tensor([float("nan"), 1.0]))
    learned.add(["a", "b"], None)
    learned.add(["a"], torch.tensor([1.0, 2.0]))
    learned.write(tmp_path / "learned.npz")
    assert {id: row["times"] for id, row in learned_of(tmp_path / "learned.npz").items()} == {"b": 1}


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + b"\x00" * 18])
def test_a_broken_file_is_as_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "learned.npz"
    assert learned_of(path) == {}
    path.write_bytes(content)
    assert learned_of(path) == {}


TRUTHS = torch.tensor([0, 2, 1, 0])
DRAW = torch.Generator().manual_seed(1)
MASKS = torch.randint(0, 3, (4, 3, 3), generator=DRAW).to(torch.uint8)
SAME, LARGER = nn.Conv2d(1, 1, 1), nn.Upsample(scale_factor=2)


@pytest.mark.parametrize(
    ("task", "truths", "network"),
    [
        (classify.build(["a", "b", "c"]), TRUTHS, nn.Sequential(nn.Flatten(), nn.Linear(9, 3))),
        (
            multilabel.build(["a", "b", "c"]),
            F.one_hot(TRUTHS, 3).float(),
            nn.Sequential(nn.Flatten(), nn.Linear(9, 3)),
        ),
        (regress.build([]), torch.randn(4, 1, generator=DRAW), nn.Sequential(nn.Flatten(), nn.Linear(9, 1))),
        (segment.build(["a", "b", "c"]), [{"mask": mask} for mask in MASKS], nn.Conv2d(1, 3, 1)),
        (upscale.build([]), torch.randint(0, 256, (4, 1, 6, 6), generator=DRAW), nn.Sequential(SAME, LARGER)),
        (autoencode.build([]), torch.zeros(4, 0, dtype=torch.uint8), SAME),
    ],
)
def test_each_pictures_loss_is_a_part_of_the_loss(task: Task, truths: Any, network: nn.Module) -> None:
    step = task.step(network.train(), Batch(torch.rand(4, 1, 3, 3, generator=DRAW), truths, list("abcd")))
    assert step.each is not None
    assert not step.each.requires_grad
    assert step.each.shape == (4,)
    assert len(set(step.each.tolist())) > 1
    assert float(step.each.mean()) == pytest.approx(float(step.loss.detach()), rel=1e-5)
