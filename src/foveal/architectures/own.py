"""Networks of one's own: a list of layers in a few words each, from a YAML file or from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import OptionError
from ._blocks import Builder
from ._words import Written, listed, parsed, said

SOURCE = "the layers' own papers; weights are drawn as in He et al. 2015, Delving Deep into Rectifiers"
NAMES = ("own/",)
ENDINGS = (".yaml", ".yml")
HEAD = "linear"
MOST = 2**30
"""Parameters, more than which are a slip of the pen."""


def build(name: str, *, outputs: int, channels: int, size: int, layers: Sequence[Written] = ()) -> nn.Module:
    """Logits `B, outputs` from `B, channels, size, size`, through `layers` (or those of the file `name`).

    Raises:
        OptionError: a layer that cannot be: its number and text, what comes in, and what would fit.
    """
    if not layers and name.endswith(ENDINGS):
        layers = read(name)[1]
    if not layers:
        raise OptionError(
            f"The network {name} has no layers.",
            "A YAML file with a list called layers, or a list of layers in Python.",
            "Give the file: --network my.yaml",
        )
    with torch.device("meta"):  # shapes alone, so that a slip of the pen takes no memory
        count = sum(p.numel() for p in Own(layers, outputs, (channels, size, size)).parameters())
    if count > MOST:
        raise OptionError(
            f"The network {name} would have {count:,} parameters.",
            f"At most {MOST:,}.",
            "Shrink the maps before linear, by gap or by pooling.",
        )
    return Own(layers, outputs, (channels, size, size))


def head(name: str) -> str:
    return "head"


def weights(name: str, wanted: str | None) -> None:
    """None are published."""
    return


def sizes(name: str) -> tuple[int, int]:
    """From scratch 8 px to 224."""
    return 8, 224


def read(path: str) -> tuple[str, list[Written]]:
    """A network's name (the file's) and layers.

    Raises:
        OptionError: there is no such file, or it holds no list of layers.
    """
    import yaml

    file = Path(path)
    allowed = "A YAML file with a list called layers, one layer a line, each after a dash."
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(
            f"{path} cannot be read: {error.strerror or error}.", allowed, "Check the path."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where is not None else ""
        raise OptionError(
            f"{path} is no YAML{line}: {getattr(error, 'problem', None) or error}.",
            allowed,
            "Correct the line; indents are spaces, and a dash is followed by one.",
        ) from error
    if isinstance(content, dict):
        unknown = [key for key in content if key != "layers"]
        if unknown:
            raise OptionError(
                f"{path} says {unknown[0]!r} beside its layers.", "Nothing but layers.", "Leave it out."
            )
        content = content.get("layers")
    return f"own/{file.stem}", [*listed(content, "", ())]


def remarks(architecture: dict[str, Any]) -> list[str]:
    """What building adds to what was written."""
    a, maker = architecture, Builder()
    with torch.device("meta"):
        maker.sequence(list(a["layers"])[:-1], (a["channels"], a["size"], a["size"]))
    return maker.remarks


class Own(nn.Module):
    """The layers in order, called by place and word, and the head."""

    def __init__(self, layers: Sequence[Written], outputs: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        written = listed(layers, "", shape)
        self.layers, last = Builder().sequence(written[:-1], shape)
        if written[-1] != HEAD:
            text = written[-1] if isinstance(written[-1], str) else f"{next(iter(written[-1]))}:"
            if isinstance(written[-1], str):
                parsed(str(len(written)), text, last)
            raise OptionError(
                f"The last layer, {len(written)}, is `{text}`, and gets {said(last)}.",
                "A network that ends with linear, alone: to as many outputs as there are labels.",
                "Add a last line: - linear",
            )
        inputs = 1
        for side in last:
            inputs *= side
        self.head = nn.Linear(inputs, outputs)
        for module in self.layers.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.layers(x).flatten(1))
        return out
