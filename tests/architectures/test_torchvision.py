"""torchvision's networks as they are built here: small stems, odd files of weights, sizes that fit."""

from __future__ import annotations

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights, list_models

from foveal.architectures import torchvision as family
from foveal.architectures._families import FAMILIES, family_of
from foveal.errors import ModelError
from foveal.structure.layers import replace_convolution
from foveal.structure.transplant import adapt_positions, transplant

SMALL = (
    "alexnet",
    "resnet18",
    "densenet121",
    "googlenet",
    "inception_v3",
    "squeezenet1_1",
    "shufflenet_v2_x0_5",
)


def test_all_that_torchvision_has_and_nothing_else() -> None:
    assert set(family.NAMES) == set(list_models(module=torchvision.models))
    assert {family_of(name) for name in family.NAMES} == set(FAMILIES), "no family is hidden by another"


@pytest.mark.parametrize("name", family.NAMES)
def test_figures_are_torchvision_s(name: str) -> None:
    about, entry = family.about(name), get_model_weights(name).DEFAULT
    assert about.parameters == entry.meta["num_params"]
    assert about.accuracy == pytest.approx(entry.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100)
    assert str(entry) in about.source


def last_map(network: nn.Module, images: Tensor) -> int:
    """Side of the last feature map that is larger than a pixel, or 1."""
    sides: list[int] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...], made: Tensor) -> None:
        sides.append(made.shape[-1])

    hooks = [m.register_forward_hook(look) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        network.eval()(images)
    for hook in hooks:
        hook.remove()
    return sides[-1] if not isinstance(network, torchvision.models.SqueezeNet) else sides[-2]


@pytest.mark.parametrize("name", SMALL)
def test_four_times_as_many_rows_reach_the_blocks(name: str) -> None:
    """The small stem sees 32 pixels about as the published one sees 128."""
    with torch.device("meta"):  # shapes alone
        small = family.build(name, outputs=2, channels=1, size=32, stem="small")
        published = family.build(name, outputs=2, channels=1, size=128)
        sides = last_map(small, torch.zeros(1, 1, 32, 32)), last_map(published, torch.zeros(1, 1, 128, 128))
    assert abs(sides[0] - sides[1]) <= 1, sides
    first = next(m for m in small.modules() if isinstance(m, nn.Conv2d))
    assert (first.kernel_size, first.stride, first.padding) == ((3, 3), (1, 1), (1, 1))


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "squeezenet1_1"])
@pytest.mark.parametrize("size", [32, 47, 62])
def test_networks_with_dense_layers_take_small_pictures(name: str, size: int) -> None:
    stem = {"stem": "small"} if family.small_stem(name) else {}
    with (
        torch.device("meta"),
        torch.inference_mode(),
    ):  # shapes alone: the dense layers have 100 million weights
        network = family.build(name, outputs=2, channels=3, size=size, **stem).eval()
        assert network(torch.zeros(1, 3, size, size)).shape == (1, 2)


@settings(max_examples=20)
@given(st.integers(1, 6), st.sampled_from([1, 3, 5]), st.sampled_from(["resnet18", "squeezenet1_1"]))
def test_a_new_convolution_is_as_strong_as_the_old(channels: int, kernel: int, name: str) -> None:
    """Noise through it is as large as through the published one, whose draw the architecture chose."""
    torch.manual_seed(0)
    network = get_model(name, weights=None)
    place = "conv1" if name == "resnet18" else "features.0"
    old = network.get_submodule(place)
    replace_convolution(network, place, channels=channels, kernel=kernel, stride=1)
    new = network.get_submodule(place)
    with torch.no_grad():
        before = old(torch.randn(4, 3, 64, 64))
        after = new(torch.randn(4, channels, 32, 32))
    assert after.shape == (4, old.out_channels, 32, 32)
    assert float(after[..., 4:-4, 4:-4].std() / before[..., 2:-2, 2:-2].std()) == pytest.approx(1, rel=0.15)


def test_densenet_s_files_have_older_names() -> None:
    new = get_model("densenet121", weights=None, num_classes=3)
    old = {
        n.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): t for n, t in new.state_dict().items()
    }
    assert set(old) != set(new.state_dict())
    assert set(family._renamed("DenseNet121_Weights.IMAGENET1K_V1", old)) == set(new.state_dict())


def test_googlenet_s_file_has_untrained_heads() -> None:
    state = {"aux1.fc1.weight": torch.zeros(1), "fc.weight": torch.zeros(1)}
    assert set(family._renamed("GoogLeNet_Weights.IMAGENET1K_V1", state)) == {"fc.weight"}


def test_mnasnet_takes_a_plain_table_of_tensors() -> None:
    network = family.build("mnasnet0_5", outputs=3, channels=3, size=64)
    other = family.build("mnasnet0_5", outputs=3, channels=3, size=64)
    other.load_state_dict(dict(network.state_dict()))
    assert torch.equal(other.get_parameter("layers.0.weight"), network.get_parameter("layers.0.weight"))
    with torch.inference_mode():
        bare = get_model("mnasnet0_5", weights=None, num_classes=3)
        bare.load_state_dict(network.state_dict())
        assert torch.equal(bare.eval()(torch.ones(1, 3, 64, 64)), network.eval()(torch.ones(1, 3, 64, 64)))


@pytest.mark.parametrize(("name", "size", "fits"), [("vit_b_16", 100, "96"), ("maxvit_t", 100, "224")])
def test_patches_must_fill_the_picture(name: str, size: int, fits: str) -> None:
    with pytest.raises(ModelError) as error:
        family.build(name, outputs=2, channels=3, size=size)
    assert f"--size {fits}" in error.value.todo


@pytest.mark.parametrize("side", [2, 7, 9])
def test_positions_are_interpolated_as_torchvision_does(side: int) -> None:
    from torchvision.models.vision_transformer import interpolate_embeddings

    positions = torch.randn(1, 1 + 49, 12)
    wanted = interpolate_embeddings(side * 16, 16, {"encoder.pos_embedding": positions.clone()})
    made = adapt_positions(positions, 1 + side**2)
    assert made is not None
    torch.testing.assert_close(made, wanted["encoder.pos_embedding"])
    assert adapt_positions(positions, 1 + side**2 + 1) is None


@pytest.mark.slow
def test_a_vision_transformer_takes_weights_of_another_size() -> None:
    old = family.build("vit_b_32", outputs=3, channels=3, size=224)
    new = family.build("vit_b_32", outputs=2, channels=1, size=96)
    done = transplant(old.state_dict(), new, family.head("vit_b_32"), source="x", new_labels=("a", "b"))
    assert set(done.adapted) == {"conv_proj.weight", "encoder.pos_embedding"}
    assert set(done.fresh) == {"heads.head.weight", "heads.head.bias"}


def test_others_have_no_small_stem() -> None:
    for name in (
        "vgg11",
        "mobilenet_v2",
        "efficientnet_b0",
        "regnet_y_400mf",
        "vit_b_16",
        "swin_t",
        "maxvit_t",
    ):
        assert family.small_stem(name) == 0
