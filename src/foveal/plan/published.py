"""A network with published weights as a model: `foveal predict resnet18 cat.jpg`."""

from __future__ import annotations

import os
from pathlib import Path

from .. import catalog
from ..card import Card
from ..errors import ModelError
from ..model import Model


def model_of(place: str | os.PathLike[str], device: str = "cpu") -> Model:
    """The model at a path; or, where there is no such path, the network of that name as published.

    Raises:
        ModelError: neither a model nor a network whose weights come with class names.
        OfflineError: the weights could not be downloaded.
    """
    name = str(place)
    if Path(place).exists() or not (name in catalog.names("architectures") or name.startswith("timm/")):
        return Model.load(place, device)
    family = catalog.find("architectures", name)
    weights = family.weights(name, None)
    if weights is None or not weights.labels:
        raise ModelError(
            f"{name} is a network, but no weights with class names are published for it.",
            "A model of yours, a run folder, or a network with published weights (efficientnet_lite0, resnet18).",
            f"Train it first: foveal train DATA --network {name}",
        )
    pre = weights.preprocessing
    network = family.build(name, outputs=len(weights.labels), channels=pre.channels, size=pre.size)
    network.load_state_dict({**network.state_dict(), **weights.state()})
    kind = family.tasks(name)[0] if hasattr(family, "tasks") else "classify"
    task = catalog.find("tasks", kind).build(weights.labels)
    card = Card(
        task=task.card(),
        architecture={
            "name": name,
            "outputs": len(weights.labels),
            "channels": pre.channels,
            "size": pre.size,
        },
        preprocessing=pre,
        origin={"name": weights.name, "source": weights.source, "licence": weights.licence},
    )
    return Model(network.to(device).eval(), task, pre, card)
