"""A plan's network: built, seeded, with the weights it starts from."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .. import catalog, events
from ..errors import OptionError
from ..loop.growing import side_at
from ..machine import device
from ..model import mended
from ..options import TrainOptions, flag
from ..structure.auxiliary import attached
from ..structure.layers import first_convolution, is_in, stages
from ..structure.regularise import set_drop_path, set_dropout
from ..structure.transplant import Transplant, transplant
from . import Plan


def built(architecture: dict[str, Any], options: TrainOptions) -> nn.Module:
    """The network as `architecture` and the options say, its weights drawn from torch's generator."""
    a = dict(architecture)
    name, repairs = a.pop("name"), a.pop("repairs", ())
    network: nn.Module = catalog.find("architectures", name).build(name, **a)
    for option, set_share in (("dropout", set_dropout), ("drop_path", set_drop_path)):
        share = getattr(options, option)
        if share and not set_share(network, share):
            raise OptionError(
                f"{flag(option)} {share:g} was given, and {name} has no place for it.",
                "Dropout: alexnet, vgg, densenet, efficientnet and most of timm's networks; drop-path: convnext, "
                "efficientnet and most of timm's.",
                f"Leave {flag(option)} out, or choose another --network.",
            )
    try:
        return mended(network, repairs)
    except ValueError as error:
        raise OptionError(
            f"{name} cannot be mended by {', '.join(repairs)}: {error}.",
            "A repair that applies to the network.",
            "Mend it by hand, in its code or file.",
        ) from None


def _check_frozen(network: nn.Module, planned: Plan) -> None:
    """At least one stage of the backbone must be left to train."""
    frozen = max(stage.frozen for stage in planned.fit.stages)
    there = len(stages(network, planned.fit.head)) - 1
    if frozen and frozen >= there:
        raise OptionError(
            f"--freeze {frozen} was given, and {planned.start.network} has {there} stages before its head.",
            f"--freeze 1 to {there - 1}; always freezes the whole backbone.",
            "Give a smaller number, or --freeze always.",
        )


def seeded_network(planned: Plan, screen: Callable[[Any], None]) -> nn.Module:
    """The plan's network with its start's weights in it; seeds everything before drawing any."""
    device.seed_all(planned.options.seed, planned.options.deterministic)
    network = built(planned.architecture, planned.options)
    _check_frozen(network, planned)
    _try_out(network, planned)
    s = planned.start
    if s.state is not None:
        done = transplant(
            s.state(),
            network,
            planned.fit.head,
            source=s.source,
            old_labels=s.labels,
            new_labels=planned.task.labels,
        )
        if done.adapted:
            screen(events.Noticed(what="weights", says=f"adapted to this data: {', '.join(done.adapted)}"))
        _tell_lost(network, done, planned, screen)
    return network


def _tell_lost(network: nn.Module, done: Transplant, planned: Plan, screen: Callable[[Any], None]) -> None:
    """Say what the weights had nothing for, but for last layers, which other labels want new anyway.

    Raises:
        OptionError: they belong to other first layers.
    """
    stem, there = first_convolution(network), attached(network)
    choosable = any(choice.option == "stem" for choice in planned.choices)
    if choosable and stem is not None and f"{stem[0]}.weight" in done.fresh:
        raise OptionError(
            f"The weights of {planned.start.source} do not fit the first convolution of {planned.start.network}.",
            "Weights of a network with the same first layers: published ones want --stem published.",
            f"Give --stem {'published' if 'stem' in planned.architecture else 'small'}, or other --weights.",
        )
    ends = (planned.fit.head, *(one.last for one in there))
    lost = [name for name in done.fresh if not any(is_in(name, end) for end in ends)]
    of_heads = {name: one.head for name in lost for one in there if is_in(name, one.head)}
    if lost:
        named = dict.fromkeys(of_heads.get(name, name) for name in lost)
        says = f"not in {planned.start.source}, so drawn anew: {', '.join(named)}"
        screen(events.Noticed(what="weights", says=says))


def _try_out(network: nn.Module, planned: Plan) -> None:
    """A forward pass in training, of the smallest batch that may come, on a copy that is thrown away.

    Raises:
        OptionError: the network cannot take this size or batch.
    """
    a, batch = planned.architecture, min(planned.fit.batch, 2)
    size = side_at(0.0, planned.fit.grow, planned.options.train_size or a["size"])
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            copy.deepcopy(network).train()(torch.zeros(batch, a["channels"], size, size))
    except (RuntimeError, ValueError) as error:
        if device.is_out_of_memory(error):
            raise
        raise OptionError(
            f"{a['name']} cannot train on pictures of {size} px in batches of {planned.fit.batch}: {error}",
            "Pictures large enough for every pooling of the network (most want 32 px, some 64 and more), "
            "and at least two in a batch where it normalises over the batch.",
            "Give a larger --size or --batch, or another --network.",
        ) from error
