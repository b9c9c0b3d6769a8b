"""Every explainer, on networks of every make, keeps its contract."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torchvision.models import get_model

import looking
import shapes
from foveal import catalog
from foveal.data.views import normalise
from foveal.errors import OptionError
from foveal.structure.look import Look
from foveal.structure.subject import Subject
from foveal.structure.taps import untouched, unwrapped
from foveal.values import Target
from looking import EXPLAINERS, LABELS, PLAIN, noise, quickly, raw, targets, twins

SMALL: dict[str, Callable[[], nn.Module]] = {
    "modules": lambda: twins()[0],
    "functions": lambda: twins()[1],
    "without norms": lambda: twins(norm=False)[1],
    "smooth": lambda: looking.drawn(looking.Smooth()),
    "lenet5": lambda: ours("lenet5"),
}
LARGE: dict[str, Callable[[], nn.Module]] = {
    "resnet9": lambda: ours("resnet9"),
    "resnet18": lambda: get_model("resnet18", weights=None, num_classes=5),
    "vgg11_bn": lambda: get_model("vgg11_bn", weights=None, num_classes=5),
    "googlenet": lambda: get_model(
        "googlenet", weights=None, num_classes=5, aux_logits=False, init_weights=False
    ),
    "densenet121": lambda: get_model("densenet121", weights=None, num_classes=5),
    "mobilenet_v2": lambda: get_model("mobilenet_v2", weights=None, num_classes=5),
    "squeezenet1_1": lambda: get_model("squeezenet1_1", weights=None, num_classes=5),
    "timm/resnet10t": lambda: timm.create_model("resnet10t", num_classes=5),
    "timm/mobilenetv3_small_050": lambda: timm.create_model("mobilenetv3_small_050", num_classes=5),
}
ONE_PASS = ("gradcam", "guided_backprop")
"""Those that are tried on large networks in the fast suite: by a layer, and by a rule."""


def ours(name: str) -> nn.Module:
    made: nn.Module = catalog.find("architectures", name).build(name, outputs=5, channels=3, size=32)
    return made


def pairs() -> list[Any]:
    """Every explainer on every network; what takes long is for the slow suite."""
    found = [pytest.param(e, n, id=f"{e}-{n}") for e in EXPLAINERS for n in SMALL]
    for name in LARGE:
        quick = name in ("resnet18", "densenet121", "timm/mobilenetv3_small_050")
        for e in EXPLAINERS:
            marks = [] if quick and e in ONE_PASS else [pytest.mark.slow]
            found.append(pytest.param(e, name, id=f"{e}-{name}", marks=marks))
    return found


def made(name: str) -> Subject:
    """A traced network with weights of its own, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = (SMALL | LARGE)[name]()
        if name == "googlenet":
            looking.drawn(network)  # as it is drawn by itself, it gives next to nothing
    side = 32 if name in SMALL else 64
    return Subject.of(network.eval(), (1, 3, side, side))


def on(subject: Subject, module: ModuleType, images: Tensor, **more: Any) -> looking.Maps | None:
    """The explainer's maps; None where it says that it is not defined for the network."""
    with looking.looking(subject, images, **more) as look:
        try:
            return quickly(module, look)
        except OptionError as error:
            refused = error
    assert "not defined" in refused.came
    assert any(name in refused.todo for name in EXPLAINERS), "no way is shown"
    return None


@pytest.mark.parametrize("name", EXPLAINERS)
def test_says_what_it_is(name):
    module = catalog.find("explainers", name)
    assert module.__doc__
    assert module.SOURCE.strip()
    assert module.CANNOT.strip().endswith((".", ")."))
    assert isinstance(module.LAYER, bool)


@pytest.mark.parametrize(("name", "network"), pairs())
def test_maps_are_whole_and_a_batch_gives_what_pictures_give_alone(name, network):
    """In double, where what the size of a batch rounds otherwise is far from all that maps say."""
    subject, module = made(network), catalog.find("explainers", name)
    subject.network.double()
    images = noise(2, subject.size[0]).double()
    both = on(subject, module, images)
    if both is None:
        return
    found = raw(both)
    assert found.dim() == 3
    assert len(found) == 2
    assert torch.isfinite(found).all()
    assert not found.requires_grad
    assert found.dtype == images.dtype
    assert both.shows in ("for", "both", "size")
    assert both.unit
    if both.pixels is None:
        assert both.place is not None
        assert module.LAYER or both.place == subject.last_map
        assert found.shape[1:] == subject.graph.operations[both.place].shapes[0][2:]
    else:
        assert both.cells is None
        assert found.shape[1:] == subject.size
    if both.wanted is not None and not both.says:
        missing = (found.sum((1, 2)) - both.wanted).abs()
        assert (missing <= (0.01 * both.wanted.abs()).clamp(min=0.01)).all()
    one = on(subject, module, images[1:], wanted=targets(2)[1:])
    assert one is not None
    assert (raw(one)[0] - found[1]).abs().max() <= 1e-9 * found[1].abs().max()


@pytest.mark.parametrize("name", EXPLAINERS)
def test_in_single_a_batch_gives_what_pictures_give_alone(name):
    """To 1e-5 of the largest value, on a network whose maps say much."""
    network, task, pre = shapes.trained()
    pictures, kinds, _ = shapes.pictures(3, seed=3)
    asked = [Target(shapes.LABELS[kind]) for kind in kinds[:, 0].tolist()]
    subject, module = Subject.of(network, (1, 3, 64, 64)), catalog.find("explainers", name)
    found = []
    for chosen in (slice(0, 3), slice(0, 1), slice(2, 3)):
        with untouched(subject.network):
            look = Look(subject, normalise(pictures[chosen], pre), asked[chosen], task.score, pre)
            found.append(raw(quickly(module, look)))
    for alone, together in zip(found[1:], (found[0][0], found[0][2]), strict=True):
        assert (alone[0] - together).abs().max() <= 1e-5 * together.abs().max()


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("network", ["functions", "smooth"])
def test_is_seeded_and_draws_nothing_else(name, network):
    subject, module, images = made(network), catalog.find("explainers", name), noise(2)
    torch.manual_seed(1)
    first = on(subject, module, images)
    torch.manual_seed(2)
    again = on(subject, module, images)
    if first is not None and again is not None:
        assert torch.equal(raw(first), raw(again))


@pytest.mark.parametrize("name", EXPLAINERS)
def test_its_map_changes_when_the_weights_do(name):
    module, images = catalog.find("explainers", name), noise(2)
    one, other = (on(Subject.of(twins(seed=n)[0], (1, 3, 32, 32)), module, images) for n in (0, 1))
    assert one is not None
    assert other is not None
    first, second = raw(one), raw(other)
    assert (first / first.norm() - second / second.norm()).norm() > 0.1


class Fuse(nn.Module):
    """Raises in the middle of its network, at one of its passes."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def forward(self, x: Tensor) -> Tensor:
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("blown")
        return x


def fused(at: int) -> nn.Module:
    """A network in training, partly in evaluation, partly frozen, with gradients, buffers and hooks of its own."""
    network = twins()[1]
    network.norm = nn.Sequential(network.norm, nn.Dropout(0.5), Fuse(at), Counting())
    network.train()
    network.left.eval()
    network.stem.weight.requires_grad_(False)
    network.fc.weight.grad = torch.ones_like(network.fc.weight)
    network.last.register_forward_hook(lambda module, inputs, output: None)
    return network


class Counting(nn.Module):
    """Writes to a buffer and draws at every pass, as no network should."""

    passes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        torch.rand(1)
        np.random.rand()
        random.random()
        return x


def everything(network: nn.Module) -> list[Any]:
    """All of a network and of the process that looking could change, to be compared."""
    modules, parameters = [*network.modules()], [*network.parameters()]
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        {name: tensor.numpy(force=True).tobytes() for name, tensor in network.state_dict().items()},
        [module.training for module in modules],
        [(id(p), p.requires_grad, p._version, id(p.grad)) for p in parameters],
        [p.grad.numpy().tobytes() for p in parameters if p.grad is not None],
        [len(getattr(module, hook)) for module in modules for hook in hooks],
        [len(p._backward_hooks or ()) for p in parameters],
        torch.get_rng_state().tolist(),
        str(np.random.get_state()),
        random.getstate(),
        torch.is_grad_enabled(),
        torch._C._len_torch_function_stack(),
        torch.backends.mha.get_fastpath_enabled(),
        torch.get_num_threads(),
    ]


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("raising", [None, 1, 2])
def test_looking_changes_nothing_also_when_it_raises(name, raising):
    """Tracing it is the fuse's first pass, looking begins with its second."""
    network, images = fused(0 if raising is None else raising), noise(2)
    before, given, said = everything(network), images.clone(), ""
    try:
        subject = Subject.of(network, (1, 3, 32, 32))
        with untouched(subject.network):
            look = Look(subject, images, targets(2), looking.TASK.score, PLAIN)
            quickly(catalog.find("explainers", name), look)
    except RuntimeError as error:
        said = str(error)
    assert said == ("blown" if raising else "")
    after = everything(network)
    for one, other in zip(before, after, strict=True):
        assert one == other
    assert torch.equal(images, given)
    assert not images.requires_grad


@pytest.mark.parametrize("name", EXPLAINERS)
def test_a_score_that_raises_changes_nothing(name):
    network = fused(0)
    before = everything(network)

    def score(outputs: Any, wanted: Any) -> Tensor:
        raise KeyError("no such output")

    subject = Subject.of(network, (1, 3, 32, 32))
    with pytest.raises(KeyError), untouched(subject.network):
        quickly(catalog.find("explainers", name), Look(subject, noise(1), [Target("a")], score, PLAIN))
    assert everything(network) == before


@pytest.mark.parametrize("name", EXPLAINERS)
def test_a_frozen_network_is_explained_alike(name):
    module, images = catalog.find("explainers", name), noise(2)
    free, frozen = twins()[1], twins()[1].requires_grad_(False)
    one, other = (on(Subject.of(n, (1, 3, 32, 32)), module, images) for n in (free, frozen))
    assert one is not None
    assert other is not None
    assert torch.equal(raw(one), raw(other))
    with torch.no_grad():
        assert torch.equal(raw(on(Subject.of(free, (1, 3, 32, 32)), module, images) or one), raw(one))
    with torch.inference_mode():
        inner = on(Subject.of(free, (1, 3, 32, 32)), module, images.clone())
    assert inner is not None
    assert torch.equal(raw(inner), raw(one))


def compiled(network: nn.Module) -> nn.Module:
    made: nn.Module = torch.compile(network, backend="eager")  # type: ignore[assignment]
    return made


def compiled_in_place(network: nn.Module) -> nn.Module:
    network.compile(backend="eager")
    return network


def compiled_inside(network: nn.Module) -> nn.Module:
    network.last = compiled(network.last)
    network.inner.compile(backend="eager")
    return network


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "compiled": compiled,
    "compiled in place": compiled_in_place,
    "compiled inside": compiled_inside,
    "DataParallel": nn.DataParallel,
    "DistributedDataParallel": nn.parallel.DistributedDataParallel,
    "all of them": lambda n: nn.parallel.DistributedDataParallel(nn.DataParallel(compiled(n))),
}


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A process group of this process."""
    meeting: Path = tmp_path_factory.mktemp("group") / "meeting"
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_is_wrapped_is_explained_as_what_is_inside(wrapper):
    """By all explainers, the code compiled before; and it runs compiled afterwards."""
    network, images = twins()[1], noise(2)
    wrapped = WRAPPERS[wrapper](twins()[1])
    with torch.no_grad():
        before = wrapped(images)
    plain, inner = Subject.of(network, (1, 3, 32, 32)), Subject.of(wrapped, (1, 3, 32, 32))
    assert type(inner.network) is type(network)
    for name in EXPLAINERS:
        module = catalog.find("explainers", name)
        one, other = on(plain, module, images), on(inner, module, images)
        assert one is not None
        assert other is not None
        assert torch.equal(raw(one), raw(other)), name
        assert one.rectifiers == other.rectifiers
    with torch.no_grad():
        assert torch.equal(before, wrapped(images))


def test_what_is_not_wrapped_is_itself():
    network = twins()[0]
    assert unwrapped(network) is network


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize(
    "unit",
    [
        Target(layer="inner", channel=1),
        Target(layer="last", channel=2, cell=(3, 1)),
        Target(layer="fc", channel=4),
    ],
    ids=str,
)
def test_a_unit_is_explained_as_a_class_is(name, unit):
    """By gradients of it, or by covering what it sees; the maps are not empty and those of the class's unit
    equal the class's."""
    subject, images = made("functions"), noise(2)
    module = catalog.find("explainers", name)
    found = on(subject, module, images, wanted=[unit] * 2)
    if found is None:
        assert name == "cam"
        return
    assert raw(found).abs().amax((1, 2)).min() > 0
    if unit.layer == "fc":
        by_label = on(subject, module, images, wanted=[Target(LABELS[unit.channel or 0])] * 2)
        assert by_label is not None
        assert torch.allclose(raw(found), raw(by_label), rtol=1e-4, atol=1e-6)
    elif found.place is not None:
        assert found.place <= subject.place_of(unit.layer)


def test_no_explainer_is_left_out():
    assert {"gradcam", "gradient", "guided_backprop", "integrated_gradients", "occlusion", "rise"} <= {
        *EXPLAINERS
    }
