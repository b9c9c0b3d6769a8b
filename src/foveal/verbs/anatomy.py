"""foveal anatomy: a network taken apart."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from .. import catalog
from ..errors import OptionError, UnknownNameError
from ..options import TrainOptions, flag, make
from ..values import Choice

if TYPE_CHECKING:
    from torch import nn

    from ..structure.anatomy import Anatomy
    from ..structure.signal import Level
    from .pruning import Pruned

CLASSES, SIZE = 1000, 224
USUAL = {"detect": 80, "instances": 80, "segment": 21}
"""Classes of networks that no labels of pictures are for: COCO's and Pascal VOC's, which their papers have."""


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class AnatomyOptions:
    """Everything `foveal anatomy NETWORK` can be told."""

    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Side of the picture in pixels (default: the network's published size, or the model's own)."""
    channels: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Channels of the picture (default: 3, or the model's own)."""
    classes: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Outputs of the head (default: 1,000, as published; 80 of detectors, 21 of segmenters; the model's own)."""
    stem: Literal["published", "small"] | None = None
    """First layers: as published, or (small) a 3x3 convolution first that keeps the size, for small pictures."""
    times: bool = True
    """Measure how long each layer takes on this machine."""
    effective: bool = False
    """Measure which pixels really matter to the units of each stage, by gradients."""
    signal: bool = False
    """Measure how large activations and gradients are in each layer (of a name: before training), as it is,
    without normalisation, and with weights too small."""
    prune: bool = False
    """Measure how good a trained model is without its smallest weights, and without whole channels."""
    data: str | None = None
    """The pictures that a pruned model is judged on (default: those of its own run)."""
    html: str | None = None
    """Write a page of it to this file; effective and signal then are on."""
    svg: str | None = None
    """Write the drawn network to this .svg file."""
    runs_dir: str = "runs"
    """Where runs are looked for by name."""


@dataclass(frozen=True)
class Dissection:
    """A network and what was found when it was taken apart: rows, totals, and where pictures of it lie."""

    network: str
    anatomy: Anatomy
    effective: dict[str, float]
    """Layer -> side in pixels of what really matters to the unit in its middle; empty where not measured."""
    signal: dict[str, tuple[Level, ...]] = field(default_factory=dict)
    """How the network is drawn -> what leaves each layer before training; empty where not measured."""
    pruned: tuple[Pruned, ...] = ()
    choices: tuple[Choice, ...] = ()
    """What was left open, or given, of how the network is built, with its reason."""
    ending: Choice | None = None
    """The loss that its task learns by, and why it ends in that activation, or in none."""
    html: str | None = None
    svg: str | None = None

    def to_json(self) -> dict[str, Any]:
        a = self.anatomy
        return {
            "network": self.network,
            "input_shape": list(a.shape),
            "choices": [dataclasses.asdict(choice) for choice in self.choices],
            "ending": dataclasses.asdict(self.ending) if self.ending else None,
            "parameters": a.parameters,
            "parameters_not_passed": a.unused,
            "multiply_adds": a.multiply_adds,
            "dense_parameters": a.dense_parameters,
            "activation_bytes": {"training": a.saved_bytes, "inference": a.peak_bytes},
            "seconds": a.seconds,
            "outputs": list(a.outputs),
            "effective_receptive_fields": self.effective,
            "signal": {
                name: [dataclasses.asdict(one) for one in levels] for name, levels in self.signal.items()
            },
            "layers": [dataclasses.asdict(layer) for layer in a.layers],
            "pruned": [dataclasses.asdict(one) for one in self.pruned],
            "html": self.html,
            "svg": self.svg,
        }

    def _repr_html_(self) -> str:
        from ..report.anatomy import page

        return page(self, whole=False)


def anatomy(
    network: str | Path | nn.Module, *, progress: Callable[[int, int], None] | None = None, **options: Any
) -> Dissection:
    """Take a network apart: its layers in the order they are passed, with shapes, parameters,
    multiply-adds, memory, receptive fields and times.

    Args:
        network: an architecture's name, a YAML file of layers, a .safetensors file of ours, a run folder (its
            best model) or its name in `runs_dir`, or a torch module.
        progress: is told, while a model is judged pruned, (judgements made, judgements in all).
        options: see `AnatomyOptions`.

    Raises:
        DataError: there is nothing to judge a pruned model on.
        UnknownNameError: there is no such network.
        ModelError: the model's file cannot be used.
        OptionError: a value out of range, or a size that the network cannot take.
        DiskError: a page or picture cannot be written.
    """
    from ..structure.anatomy import anatomy_of
    from ..structure.graph import trace

    chosen = make(AnatomyOptions, options)
    for path, suffix in ((chosen.html, ".html"), (chosen.svg, ".svg")):
        _check_file(path, suffix)
    if isinstance(network, str | Path):
        from .named import in_runs

        network = os.fspath(in_runs(network, chosen.runs_dir))
    _check_prune(network, chosen)
    built, name, shape, choices, ending = _network(network, chosen)
    heads: Callable[[], nn.Module] | None = getattr(built, "before_choosing", None)  # of a detector
    built = built if heads is None else heads()
    try:
        found = anatomy_of(built, trace(built, (1, *shape)), times=chosen.times)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise OptionError(
            f"{name} cannot take a picture of {shape[0]} channels and {shape[1]} x {shape[2]} pixels: {error}",
            "Pictures with the channels it was built for, and large enough for every pooling.",
            "Give another --size or --channels.",
        ) from error
    done, maps = _measured(
        Dissection(name, found, {}, choices=choices, ending=ending), network, built, shape, chosen, progress
    )
    return _written(done, maps, chosen)


def ends(found: Anatomy) -> list[str]:
    """The last layer at each resolution: what a stage ends with."""
    last: dict[tuple[int, ...], str] = {}
    passes = {layer.name: n for n, layer in enumerate(found.layers)}
    for n, layer in enumerate(found.layers):
        square = len(layer.output_shape) == 3 and layer.output_shape[-1] > 1
        # what is measured of a layer is its last pass
        if square and layer.seconds is not None and passes[layer.name] == n:
            last[layer.output_shape[1:]] = layer.name
    return list(last.values())


def _measured(
    done: Dissection,
    network: str | Path | nn.Module,
    built: nn.Module,
    shape: tuple[int, ...],
    chosen: AnatomyOptions,
    progress: Callable[[int, int], None] | None,
) -> tuple[Dissection, dict[str, Any]]:
    """With what takes more passes than one, where it is wanted; and the maps of the effective fields."""
    maps: dict[str, Any] = {}
    if chosen.effective or chosen.html:
        from ..structure.effective import effective, side

        maps = effective(built, ends(done.anatomy), (1, *shape))
        done = dataclasses.replace(done, effective={layer: side(seen) for layer, seen in maps.items()})
    outputs = done.anatomy.layers[-1].output_shape
    if (chosen.signal or chosen.html) and len(outputs) == 1:
        from ..structure.signal import signals

        done = dataclasses.replace(done, signal=signals(built, shape, outputs[0]))
    if chosen.prune:
        from .pruning import pruned

        done = dataclasses.replace(done, pruned=pruned(str(network), chosen.data, progress))
    return done, maps


def _written(done: Dissection, maps: dict[str, Any], chosen: AnatomyOptions) -> Dissection:
    from ..storage import write_whole

    if chosen.svg:
        from ..report.anatomy import drawing

        write_whole(Path(chosen.svg), drawing(done.anatomy).encode())
        done = dataclasses.replace(done, svg=chosen.svg)
    if chosen.html:
        from ..report.anatomy import page

        write_whole(Path(chosen.html), page(done, maps).encode())
        done = dataclasses.replace(done, html=chosen.html)
    return done


def _network(
    network: str | Path | nn.Module, chosen: AnatomyOptions
) -> tuple[nn.Module, str, tuple[int, ...], tuple[Choice, ...], Choice | None]:
    """The network, what to call it, the shape `CHW` of its pictures, what was chosen in building it, and how it
    ends."""
    import torch

    if isinstance(network, torch.nn.Module):
        _check_built(chosen, ("classes", "stem"), "a module", "what it was built with")
        size = chosen.size or SIZE
        return network, type(network).__name__, (chosen.channels or 3, size, size), (), None
    from ..plan import tasks_of

    name = str(network)
    if _is_name(name):
        size = chosen.size or _published_size(name)
        channels = chosen.channels or 3
        task = tasks_of(name)[0]
        options, choices = _first_layers(name, size, chosen)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            built: nn.Module = catalog.find("architectures", name).build(
                name,
                outputs=chosen.classes or USUAL.get(task, CLASSES),
                channels=channels,
                size=size,
                **options,
            )
        return built, name, (channels, size, size), choices, _ending(task)
    from ..plan.published import model_of

    if not Path(name).exists() and "/" not in name and not name.endswith(".safetensors"):
        raise UnknownNameError("network", name, catalog.names("architectures"))
    model = model_of(name)
    own = model.preprocessing
    has = f"what it was trained with: {own.channels} channels, {len(model.labels)} classes, its own first layers"
    fixed = ("classes", "stem") if chosen.channels == own.channels else ("channels", "classes", "stem")
    _check_built(chosen, fixed, "a trained model", has)
    size = chosen.size or own.size
    said = f"{model.card.architecture['name']} of {name}"
    return model.network, said, (own.channels, size, size), (), _ending(model.task.name, model.task)


def _ending(task: str, built: Any = None) -> Choice | None:
    """The loss that a task learns by, and why it ends in that activation or none; of a trained model its own."""
    loss, reason = catalog.find("tasks", task).DEFAULTS.get("loss", ("", ""))
    own = getattr(built, "loss", loss)
    if own != loss:
        return Choice("loss", own, f"as it was trained; usual for {task} is {loss}: {reason}", False)
    return Choice("loss", loss, reason) if loss else None


def _first_layers(name: str, size: int, chosen: AnatomyOptions) -> tuple[dict[str, str], tuple[Choice, ...]]:
    """Which first layers a network from scratch has, by the rule that training has too: as it is built, and why.

    Raises:
        OptionError: a small stem was given for a network that has none.
    """
    from ..plan import recipe
    from ..plan.choices import Choices
    from ..plan.start import Start

    choices = Choices(TrainOptions(network=name, stem=chosen.stem))
    stem = recipe.stem(choices, Start(name, ""), size)
    return {} if stem == "published" else {"stem": stem}, tuple(choices.made)


def _check_built(chosen: AnatomyOptions, names: Sequence[str], what: str, has: str) -> None:
    """Refuse to change what is built already."""
    came = [flag(name) for name in names if getattr(chosen, name) is not None]
    if came:
        raise OptionError(
            f"{' and '.join(came)} {'was' if len(came) == 1 else 'were'} given for {what}.",
            f"{what[:1].upper()}{what[1:]} has {has}.",
            f"Leave {'it' if len(came) == 1 else 'them'} out, or name an architecture.",
        )


def _is_name(name: str) -> bool:
    if name in catalog.names("architectures") or name.endswith((".yaml", ".yml")):
        return True
    return not Path(name).exists() and f"{name.partition('/')[0]}/" in catalog.names("architectures")


def _published_size(name: str) -> int:
    """The side that the published weights were trained at, or that the network was made for."""
    family = catalog.find("architectures", name)
    weights = family.weights(name, None)
    if weights is not None:
        return int(weights.preprocessing.size)
    return int(family.sizes(name)[1]) if hasattr(family, "sizes") else SIZE


def _check_prune(network: str | Path | nn.Module, chosen: AnatomyOptions) -> None:
    """Only what has been trained can be judged."""
    if chosen.data is not None and not chosen.prune:
        raise OptionError(
            "--data was given without --prune.",
            "Data is for judging a pruned model; all else needs none.",
            "Add --prune, or leave --data out.",
        )
    if chosen.prune and not (isinstance(network, str | Path) and Path(network).exists()):
        raise OptionError(
            f"--prune was given for {network if isinstance(network, str | Path) else type(network).__name__}.",
            "A trained model: a run's folder or a .safetensors file.",
            "Train one first (foveal train DATA --network NAME), then name its run.",
        )


def _check_file(path: str | None, ending: str) -> None:
    if path is None:
        return
    if Path(path).suffix.lower() != ending:
        raise OptionError(
            f"--{ending[1:]} {path} was given.",
            f"A file whose name ends in {ending}.",
            f"Give a name like network{ending}.",
        )
