"""U-Net, FPN and DeepLabV3+ on backbones: as the library's own, at any size, with the backbone's weights."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from segmentation_models_pytorch import FPN, Unet
from torch import nn

from foveal import catalog
from foveal.architectures import segmenters
from foveal.errors import ModelError
from foveal.structure.layers import is_in, stages
from foveal.structure.pyramid import Pyramid
from foveal.structure.transplant import transplant


def built(name: str, outputs: int = 5, channels: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return catalog.find("architectures", name).build(name, outputs=outputs, channels=channels, size=64).eval()


@pytest.mark.parametrize(("name", "theirs"), [("unet/resnet18", Unet), ("fpn/resnet18", FPN)])
def test_it_is_the_librarys_own(name: str, theirs: type[nn.Module]) -> None:
    ours = built(name)
    other = theirs("resnet18", encoder_weights=None, classes=5).eval()
    state = ours.state_dict()
    wanted = other.state_dict()
    renamed = {"encoder.": "encoder.body.", "decoder.": "head.decoder.", "segmentation_head.": "head.last."}
    for key in wanted:
        start = next(s for s in renamed if key.startswith(s))
        wanted[key] = state.pop(renamed[start] + key.removeprefix(start))
    assert not state, "nothing is left over"
    other.load_state_dict(wanted)
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), other(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(segmenters.KINDS))
@pytest.mark.parametrize(("channels", "size"), [(1, (33, 45)), (3, (96, 64)), (4, (70, 31))])
def test_logits_lie_on_the_pictures_own_pixels(kind: str, channels: int, size: tuple[int, int]) -> None:
    network = built(f"{kind}/resnet18", channels=channels)
    with torch.inference_mode():
        assert network(torch.randn(2, channels, *size)).shape == (2, 5, *size)


def test_sides_that_do_not_fit_are_filled_up_with_the_mean_colour() -> None:
    network = built("unet/timm/resnet10t")
    images = torch.zeros(1, 3, 64, 64)
    images[..., :50, :40] = torch.randn(1, 3, 50, 40)
    with torch.inference_mode():
        torch.testing.assert_close(network(images[..., :50, :40]), network(images)[..., :50, :40])


@pytest.mark.parametrize("kind", sorted(segmenters.KINDS))
def test_the_bundled_weights_go_in_by_name(kind: str) -> None:
    family = catalog.find("architectures", kind)
    network, published = built(kind, seed=1), family.weights(kind, None)
    state = published.state()
    done = transplant(state, network, family.head(kind), source="")
    assert done.fresh
    assert all(is_in(name, "head") for name in done.fresh)
    for name, tensor in network.encoder.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, state[f"encoder.{name}"])
    assert published.preprocessing.mean == (0.5, 0.5, 0.5)
    assert "backbone" in published.source
    first, last = stages(network, "head")
    assert all(is_in(name, "encoder") for name, _ in first)
    assert all(is_in(name, "head") for name, _ in last)


def test_a_backbone_without_a_map_of_half_the_sides_will_do_for_unet() -> None:
    network = built("unet/timm/convnext_atto")
    assert [level.stride for level in network.encoder.levels] == [4, 8, 16, 32]
    with torch.inference_mode():
        assert network(torch.randn(1, 3, 64, 64)).shape == (1, 5, 64, 64)


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v3_small", "regnet_y_400mf"])
def test_deeplab_sees_the_same_at_twice_as_many_places(backbone: str) -> None:
    dilated = built(f"deeplabv3plus/{backbone}").encoder
    torch.manual_seed(1)
    plain = Pyramid(backbone, channels=3, size=64, strides=(4, 32)).eval()
    plain.load_state_dict(dilated.state_dict())
    images = torch.randn(1, 3, 128, 160)
    with torch.inference_mode():
        (fine, coarse), (same, wide) = plain(images), dilated(images)
    assert torch.equal(fine, same)
    assert wide.shape[2:] == (8, 10)
    # weighing of channels (Hu et al. 2018) looks at the mean over all places, of which there are others now
    exact = backbone == "resnet18"
    if exact:
        torch.testing.assert_close(wide[..., ::2, ::2], coarse, rtol=1e-4, atol=1e-5)
    else:
        both = torch.stack([wide[..., ::2, ::2].flatten(), coarse.flatten()])
        assert torch.corrcoef(both)[0, 1] > 0.95


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("unet/resnet9", "no feature map at stride 16"),
        ("unet/vit_b_16", "no feature map"),
        ("deeplabv3plus/densenet121", "padded convolutions"),
        ("deeplabv3plus/timm/resnet10t", "padded convolutions"),
        ("deeplabv3plus/timm/convnext_atto", "padded convolutions"),
        ("unet/fpn", "no backbone"),
    ],
)
def test_backbones_that_do_not_fit_are_refused(name: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        built(name)


@pytest.mark.parametrize("training", [False, True])
def test_a_copy_is_in_the_same_modes(training: bool) -> None:
    network = built("unet/resnet18").train(training)
    network.encoder.body.layer1.eval()  # as when it is frozen
    again = copy.deepcopy(network)
    modes = {name: module.training for name, module in network.named_modules()}
    assert {name: module.training for name, module in again.named_modules()} == modes
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(images), again(images))
    again.encoder.body.conv1.weight.data.zero_()
    assert network.encoder.body.conv1.weight.any()


@pytest.mark.parametrize("kind", sorted(segmenters.KINDS))
def test_every_parameter_learns(kind: str) -> None:
    network = built(f"{kind}/resnet18").train()
    network(torch.randn(2, 3, 64, 64)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("kind", sorted(segmenters.KINDS))
def test_it_says_what_it_is_for(kind: str) -> None:
    family = catalog.find("architectures", kind)
    assert family.tasks(kind) == ("segment",)
    said = family.about(kind)
    assert said.idea.endswith(".")
    assert "efficientnet_lite0" in said.note
    assert said.parameters == sum(p.numel() for p in built(kind, outputs=1000).parameters())
    assert family.weights("unet/resnet18", "IMAGENET1K_V1") is None


def test_listing_networks_loads_no_library() -> None:
    code = (
        "import sys, foveal; from foveal import catalog; catalog.names('architectures'); "
        "assert 'segmentation_models_pytorch' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
