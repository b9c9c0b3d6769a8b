from __future__ import annotations

import pytest
import torch

import small
from foveal.errors import ModelError
from foveal.structure.transplant import adapt_channels, transplant


def test_equal_labels_take_everything() -> None:
    old, new = small.tiny(1), small.tiny(2)
    done = transplant(
        old.state_dict(), new, "fc", source="x", old_labels=small.LABELS, new_labels=small.LABELS
    )
    assert small.equal(dict(old.state_dict()), dict(new.state_dict()))
    assert not done.adapted
    assert not done.fresh


def test_classes_go_by_name() -> None:
    """A known class keeps its row wherever it stands now; a new one starts at zero."""
    old, new = small.tiny(1), small.Tiny(4)
    labels = ("stripes", "new", "cross", "other")
    transplant(old.state_dict(), new, "fc", source="x", old_labels=small.LABELS, new_labels=labels)
    assert torch.equal(new.fc.weight[0], old.fc.weight[2])
    assert torch.equal(new.fc.weight[2], old.fc.weight[0])
    assert not new.fc.weight[[1, 3]].any()
    assert torch.equal(new.fc.bias[0], old.fc.bias[2])


def test_unknown_classes_start_at_ln_c() -> None:
    old, new = small.tiny(1), small.Tiny(5)
    transplant(old.state_dict(), new, "fc", source="x", new_labels=tuple("abcde"))
    loss = torch.nn.functional.cross_entropy(new.eval()(torch.randn(4, 1, 12, 12)), torch.arange(4))
    assert float(loss.detach()) == pytest.approx(torch.tensor(5.0).log().item())


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
def test_a_grey_picture_excites_adapted_kernels_equally(channels: int) -> None:
    weight = torch.randn(8, 3, 3, 3)
    adapted = adapt_channels(weight, channels)
    assert adapted.shape == (8, channels, 3, 3)
    if channels in (1, 3, 6):
        assert torch.allclose(adapted.sum(1), weight.sum(1), atol=1e-5)


def test_channels_are_adapted_in_place() -> None:
    old, new = small.Tiny(3, channels=3), small.Tiny(3, channels=1)
    done = transplant(
        old.state_dict(), new, "fc", source="x", old_labels=small.LABELS, new_labels=small.LABELS
    )
    assert done.adapted == ("conv.weight",)
    assert torch.allclose(new.conv.weight, old.conv.weight.sum(1, keepdim=True))


def test_another_networks_weights_are_refused() -> None:
    with pytest.raises(ModelError) as error:
        transplant({"other.weight": torch.zeros(3)}, small.tiny(), "fc", source="vgg.pt")
    assert "vgg.pt" in error.value.came
    assert "--network" in error.value.todo
