"""foveal anatomy of networks for other tasks than classes: every layer is there, and how it ends is said."""

from __future__ import annotations

import pytest
import torch

from foveal import catalog
from foveal.errors import OptionError
from foveal.tasks import detect, instances
from foveal.verbs.anatomy import anatomy

DETECTORS = ("fcos", "retinanet", "ssdlite", "faster_rcnn", "mask_rcnn")
SMALL = "timm/resnet10t"


@pytest.mark.parametrize("kind", DETECTORS)
def test_detectors_to_the_last_layer(kind: str) -> None:
    name = f"{kind}/{SMALL}"
    done = anatomy(name, size=128, classes=3, times=False)
    built = catalog.find("architectures", name).build(name, outputs=3, channels=3, size=128)
    found = done.anatomy
    assert found.parameters == sum(p.numel() for p in built.parameters())
    assert found.unused == {}, "every layer is passed"
    shared = [n for n in found.layers if n.shared]
    assert bool(shared) == (kind != "ssdlite"), "one head looks at all levels"
    jumps = {n.jump[0] for n in found.layers if n.jump and n.receptive_field and "encoder" not in n.name}
    family = catalog.find("architectures", name)
    assert jumps >= {stride for stride in family.KINDS[kind].strides if stride <= 32}
    assert all(n.receptive_field[0] > n.jump[0] for n in found.layers if n.receptive_field and n.jump)
    wanted = instances.WHY if kind == "mask_rcnn" else detect.WHY
    assert done.ending is not None
    assert done.ending.reason == wanted
    assert wanted[-40:] in done._repr_html_()


def test_taking_apart_changes_nothing() -> None:
    name = f"faster_rcnn/{SMALL}"
    torch.manual_seed(0)
    network = catalog.find("architectures", name).build(name, outputs=3, channels=3, size=128).eval()
    picture = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        before = network(picture)[0]
        anatomy(network, size=128, times=False)
        after = network(picture)[0]
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unet/timm/resnet10t", "softmax"),
        ("edsr_small", "No last activation"),
        ("autoencoder", "no activation"),
        ("resnet18", "softmax"),
    ],
)
def test_every_network_says_how_it_ends(name: str, words: str) -> None:
    done = anatomy(name, size=64, times=False)
    assert done.ending is not None
    assert words in done.ending.reason
    assert done.to_json()["ending"]["value"] == done.ending.value


def test_heads_have_their_papers_classes() -> None:
    said = anatomy("unet/timm/resnet10t", size=64, times=False).to_json()
    assert said["layers"][-1]["output_shape"][0] == 21
    with pytest.raises(OptionError):
        anatomy("unet/timm/resnet10t", size=64, times=False, classes=0)
