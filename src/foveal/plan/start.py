"""Where a network starts from: one's own model, a weights file, published weights, or nothing."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor

from .. import catalog
from ..card import has_card
from ..errors import ModelError, OfflineError, UnknownNameError
from ..model import Model
from ..options import TrainOptions
from ..values import Dataset, Preprocessing

DEFAULT = "efficientnet_lite0"
SMALL = "resnet9"
LARGE = "resnet18"
TINY_SIDE, PLENTY = 64, 1000
MAX_BYTES = 8 * 2**30
OF_ALL = ("name", "outputs", "channels", "size")
"""What a card says of every architecture."""


@dataclass(frozen=True)
class Start:
    """A network's name and the weights it starts from; `state` is None from scratch.

    `options` are what else its architecture is told when it is built. `labels` are the classes of one's
    own model, whose rows of the head go along by name; published weights give none, as their "daisy" may
    not be yours. `preprocessing` is the weights' own.
    """

    network: str
    reason: str
    state: Callable[[], Mapping[str, Tensor]] | None = None
    preprocessing: Preprocessing | None = None
    labels: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    adapted: str = ""
    """What is done to the weights so that they take other channels."""

    @property
    def origin(self) -> dict[str, Any] | None:
        if self.state is None:
            return None
        said = {"source": self.source, "licence": self.licence}
        return said | ({"adapted": self.adapted} if self.adapted else {})


def choose(dataset: Dataset, options: TrainOptions) -> Start:
    """The start that the options ask for, or the best that is to be had.

    Raises:
        ModelError, OfflineError, UnknownNameError: what was asked for is not to be had.
    """
    family = catalog.find("architectures", options.network) if options.network is not None else None
    if hasattr(family, "read"):
        return _own(family, options)
    if options.weights is not None:
        return _asked(options.weights, options.network)
    if family is not None and options.network is not None:
        published = family.weights(options.network, None) if options.pretrained is not False else None
        if published is not None:
            try:
                state = published.state()
            except OfflineError as error:
                return Start(options.network, f"from scratch: {error.came}")
            return _published(options.network, published, lambda: state, "pretrained weights of this network")
        return Start(
            options.network,
            "from scratch" if options.pretrained is False else "no pretrained weights are published",
        )
    return _left_open(dataset, options)


def _own(family: Any, options: TrainOptions) -> Start:
    """A network of one's own, from the file that describes it; with weights where some were given."""
    assert options.network is not None
    name, layers = family.read(options.network)
    told = {"layers": layers}
    if options.weights is None:
        return Start(name, f"from scratch, as {options.network} says", options=told)
    given = _asked(options.weights, name)
    return replace(given, options=told)


def _left_open(dataset: Dataset, options: TrainOptions) -> Start:
    facts = dataset.facts
    assert facts is not None
    side, count = min(facts.width, facts.height), len(dataset.part("train"))
    if side <= TINY_SIDE and count >= PLENTY:
        return Start(
            SMALL,
            f"pictures are tiny ({side} px) and plentiful ({count:,}): a small residual network learns "
            "them from scratch in minutes, and weights for large photographs have little to give",
        )
    if options.pretrained is not False:
        published = catalog.find("architectures", DEFAULT).weights(DEFAULT, None)
        why = f"{count:,} training pictures are few for a network from scratch; features learned on ImageNet transfer"
        return _published(DEFAULT, published, published.state, why + " (Kornblith et al. 2019)")
    small = side <= 2 * TINY_SIDE
    return Start(SMALL if small else LARGE, f"from scratch, for pictures of {side} px")


def _published(network: str, published: Any, state: Callable[[], Mapping[str, Tensor]], reason: str) -> Start:
    return Start(network, reason, state, published.preprocessing, (), published.source, published.licence)


def _asked(weights: str, network: str | None) -> Start:
    """What --weights names: a model of ours, a file, a URL, or published weights by name."""
    path = Path(weights)
    if path.exists():
        return _file(path, network)
    if urlparse(weights).scheme in ("http", "https"):
        return _foreign(_downloaded(weights), weights, _needed(network, weights))
    if path.suffix in (".safetensors", ".pt", ".pth", ".bin"):
        raise ModelError(
            f"There is no weights file {weights}.",
            "A model of ours (.safetensors, a run folder), a weights file (.pt, .pth, .safetensors), a URL, a name.",
            "Check the path.",
        )
    for name in (n for n in (network, weights, weights.partition("_Weights.")[0].lower()) if n):
        try:
            published = catalog.find("architectures", name).weights(
                name, weights if weights != name else None
            )
        except UnknownNameError:
            continue
        if published is not None:
            return _published(
                network or name, published, published.state, f"the weights {weights} are this network's"
            )
    raise UnknownNameError(
        "set of weights",
        weights,
        catalog.names("architectures"),
        "A tag of a network's weights (IMAGENET1K_V2) needs --network beside it.",
    )


def _file(path: Path, network: str | None) -> Start:
    """A file or run folder: ours, or a plain state dict of `network`."""
    if path.is_dir() or path.suffix == ".safetensors":
        try:
            model = Model.load(path)
        except ModelError:
            if path.is_dir() or network is None or has_card(path):
                raise
        else:
            tensors = model.network.state_dict()
            own = str(model.card.architecture["name"])
            told = {k: v for k, v in model.card.architecture.items() if k not in OF_ALL}
            if network not in (None, own):
                raise ModelError(
                    f"{path} is a model of {own}, and --network {network} was given too.",
                    f"--network {own}, or none.",
                    "Leave --network out.",
                )
            return Start(
                own, f"the network of {path}", lambda: tensors, model.preprocessing, tuple(model.task.labels),
                str(path), str((model.card.origin or {}).get("licence", "")), {"stem": "published"} | told,
            )  # fmt: skip
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror or error}.",
            "A weights file that you may read.",
            "Change its permissions, or give another file.",
        ) from error
    return _foreign(data, str(path), _needed(network, str(path)))


def _needed(network: str | None, weights: str) -> str:
    if network is None:
        raise ModelError(
            f"{weights} holds weights, but not of which network.",
            "A weights file needs --network beside it; a model saved by Foveal does not.",
            f"foveal train DATA --weights {weights} --network NAME",
        )
    return network


def _foreign(data: bytes, source: str, network: str) -> Start:
    """A state dict from elsewhere, read without running anything in it."""
    family = catalog.find("architectures", network)
    published = family.weights(network, None)
    try:
        if data[8:9] == b"{":  # safetensors: eight bytes of length, then JSON
            from safetensors.torch import load

            loaded: Any = load(data)
        else:
            with warnings.catch_warnings():  # torch's advice to programmers
                warnings.simplefilter("ignore")
                loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different class for each kind of damage
        raise ModelError(
            f"{source} cannot be read as weights: {_why(error)}.",
            "A state dict saved by torch.save or safetensors. Pickled programs are never run.",
            "Load it where it was made, and save only its state_dict().",
        ) from None
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    named = loaded.items() if isinstance(loaded, Mapping) else ()
    tensors: Mapping[str, Tensor] = {
        str(k).removeprefix("module."): v for k, v in named if isinstance(v, Tensor)
    }
    if tensors and hasattr(family, "renamed"):
        tensors = family.renamed(network, tensors)
    if not tensors:
        raise ModelError(
            f"{source} holds no named tensors but {type(loaded).__name__}.",
            "A state dict: a table of names and tensors.",
            "Save network.state_dict() where it was made.",
        )
    return Start(
        network, f"the weights {source} were given for it", lambda: tensors,
        published.preprocessing if published else None, (), source, "not stated",
    )  # fmt: skip


def _why(error: Exception) -> str:
    """Why torch or safetensors refused a file, without their advice to programmers."""
    said = str(error)
    if program := re.search(r"GLOBAL ([\w.]+)", said):
        return f"it holds a program ({program[1]}) besides numbers"
    if type(error).__name__ == "UnpicklingError" or isinstance(error, LookupError | EOFError):
        return "it is no file of torch.save, or holds more than numbers"
    return said.splitlines()[0][:200].rstrip(".") if said else "it is damaged"


def _downloaded(url: str) -> bytes:
    """The file at a URL; checked where its name ends in a part of its SHA-256, as torch.hub's do."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=30) as answer:
            data: bytes = answer.read(MAX_BYTES + 1)
    except (OSError, ValueError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()  # it is the server's answer, too, with its connection
        raise OfflineError(
            f"{url} could not be downloaded: {error}",
            "A network connection and a URL that answers.",
            "Download the file by other means and give its path with --weights.",
        ) from error
    told = re.search(r"-([0-9a-f]{8,64})\.\w+$", urlparse(url).path)
    wrong = told and not hashlib.sha256(data).hexdigest().startswith(told[1])
    if wrong or len(data) > MAX_BYTES:
        raise ModelError(
            f"What {url} answers is not what its name tells: "
            + ("the SHA-256 differs." if wrong else f"it has more than {MAX_BYTES:,} bytes."),
            "A whole weights file; where its name ends in -<SHA-256>, with that beginning.",
            "Try again, or download it by other means and give its path with --weights.",
        )
    return data
