"""A model file's header: the card, the digest, and what is said where a file has none.

The card is JSON in the `.safetensors` header, under `foveal`; `sha256` beside it is the digest of
the card and of every tensor. Reading a card loads no torch and unpickles nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from .catalog import names
from .errors import ModelError, nearest
from .storage import from_json, strict
from .values import Preprocessing, Score

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
BEST = "best.safetensors"
MAX_HEADER_BYTES = 16 * 2**20
"""A card of 100,000 labels takes 3 MB; what is larger was not written by Foveal."""
_PACKAGES = ("torch", "torchvision", "timm")
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".tar", ".joblib")


@functools.cache
def versions() -> dict[str, str]:
    """The versions of Python, Foveal and what a network is made of; packages are not imported."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in ("foveal", *_PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = _checkout(Path(__file__)) if package == "foveal" else "unknown"
    return found


def _checkout(file: Path) -> str:
    """What stands for the version where the code is run from a checkout: its commit, as git's files tell it."""
    home = file.resolve().parents[2] / ".git"
    try:
        head = (home / "HEAD").read_text(encoding="utf-8").strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return f"checkout of {head[:7]}"
        if (home / name).exists():
            return f"checkout of {(home / name).read_text(encoding='utf-8').strip()[:7]}"
        packed = (home / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((f"checkout of {line[:7]}" for line in packed if line.endswith(f" {name}")), "checkout")
    except (OSError, UnicodeDecodeError):
        return "checkout" if home.exists() else "unknown"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a model is, as plain values; everything needed to make it again but the tensors.

    `task` is `task.card()`; `architecture` holds `name`, `outputs`, `channels` and `size`; `data`
    says what it was trained on (`fingerprint`, `reader`, `count`, ...); `origin` where the starting
    weights come from (`name`, `source`, `licence`), or None. `far` is `Far.card()` where the model knows how
    far a picture lies from what it has seen. `created` is UTC.
    """

    task: Mapping[str, Any]
    architecture: Mapping[str, Any]
    preprocessing: Preprocessing
    scores: tuple[Score, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] | None = None
    far: Mapping[str, Any] | None = None
    versions: Mapping[str, str] = field(default_factory=versions)
    created: str = field(default_factory=_now)
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        return cast("dict[str, Any]", strict(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Card:
        """A card from its JSON; keys that this version does not know are left out.

        Raises:
            KeyError, TypeError, ValueError: it is no card.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        way = data["preprocessing"]
        way = {**way, "mean": tuple(way["mean"]), "std": tuple(way["std"])}
        return cls(
            **{
                **{k: v for k, v in data.items() if k in known},
                "preprocessing": Preprocessing(**way),
                "scores": tuple(Score(**score) for score in data["scores"]),
            }
        )


def model_file(path: str | os.PathLike[str]) -> Path:
    """The model's file: `path` itself, or the best model of the run folder `path`.

    Raises:
        ModelError: nothing is there, or a folder that is no run.
    """
    path = Path(path)
    if path.is_file() or (path / BEST).is_file():
        return path if path.is_file() else path / BEST
    allowed = (
        "A .safetensors file that Foveal saved, a run folder, whose best model is taken, or the name of a network "
        "with published weights."
    )
    if not path.exists():
        near = like(path)
        meant = f"Did you mean {' or '.join(near)}?" if near else "See what is there with: foveal runs"
        raise ModelError(f"There is no model at {path}.", allowed, meant)
    if (path / "events.jsonl").exists() or (path / "options.json").exists():
        raise ModelError(
            f"The run {path} has saved no model yet.", allowed, f"Let it go on: foveal train --resume {path}"
        )
    inside = [str(p.parent) for p in sorted(path.glob(f"*/{BEST}"))]
    inside += [str(p) for p in sorted(path.glob("*.safetensors"))]
    todo = f"Choose one of: {', '.join(inside[:5])}" if inside else "See what is there with: foveal runs"
    raise ModelError(f"The folder {path} is no run.", allowed, todo)


def like(path: Path, runs_dir: Path | None = None) -> list[str]:
    """What has a name like it: models and runs beside `path`, in `runs` there and in `runs_dir`; networks."""
    homes = [path.parent / "runs", *([] if runs_dir is None else [runs_dir]), path.parent]
    known = {name: place for home in homes for name, place in _beside(home).items()}
    if path.parent == Path():
        known = {**{name: name for name in names("architectures")}, **known}
    if path.name in known:
        return [known[path.name]]
    return [known[name] for name in nearest(path.name, known)]


def _beside(home: Path) -> dict[str, str]:
    """The names of models and runs in a folder, and where they are."""
    try:
        return {p.name: str(p) for p in home.iterdir() if p.suffix == ".safetensors" or (p / BEST).is_file()}
    except OSError:
        return {}


def open_model(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise ModelError(
            f"{file} cannot be opened: {error.strerror or error}.",
            "A file that you may read.",
            "Change the file's permissions, or choose another model.",
        ) from error


def damaged(file: Path, why: str) -> ModelError:
    return ModelError(
        f"The model {file} is damaged: {why.rstrip('.')}.",
        "A whole file, byte for byte as Foveal saved it.",
        "Copy or download it again; a run's last.safetensors may still be whole.",
    )


def foreign(file: Path, start: bytes) -> ModelError:
    if start[:2] == b"PK" or start[:1] == b"\x80" or file.suffix.lower() in _PICKLES:
        return ModelError(
            f"{file} is no model of Foveal's but a pickle (.pt, .pth, ...), which can run programs.",
            "A .safetensors file that Foveal saved, or a run folder.",
            f"To start from weights in such a file, read safely: foveal train DATA --weights {file}",
        )
    return ModelError(
        f"{file} is no model of Foveal's: its header holds no card.",
        "A .safetensors file that Foveal saved, or a run folder.",
        f"To start from another program's weights: foveal train DATA --weights {file}",
    )


def has_card(path: Path) -> bool:
    """Whether a file says that it is a model of ours, be it damaged or not."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            return b'"foveal"' in stream.read(min(length, MAX_HEADER_BYTES))
    except OSError:
        return False


def read_header(stream: BinaryIO, file: Path) -> tuple[Card, str, str]:
    """The card, its text as it stands in the file, and the digest; `stream` is left anywhere."""
    size = os.fstat(stream.fileno()).st_size
    start = stream.read(9)
    length = int.from_bytes(start[:8], "little")
    if start[8:] != b"{":
        if not start or start.count(0) == len(start):
            raise damaged(file, "it is empty" if not start else "it begins with zeros")
        raise foreign(file, start)
    if length > min(size - 8, MAX_HEADER_BYTES):
        most = min(size - 8, MAX_HEADER_BYTES)
        raise damaged(file, f"its header claims {length:,} bytes, where at most {most:,} can be")
    try:
        header = from_json(b"{" + stream.read(length - 1))
        about = header.get("__metadata__") or {}
    except (ValueError, AttributeError) as error:
        raise damaged(file, f"its header is no JSON object ({error})") from None
    if not isinstance(about, dict) or not isinstance(about.get("foveal"), str):
        raise foreign(file, b"")
    text, digest = about["foveal"], str(about.get("sha256"))
    try:
        data = from_json(text)
        if type(data["format"]) is not int or data["format"] < 1:
            raise ValueError(f"format {data['format']!r}")
        if data["format"] > FORMAT:
            raise ModelError(
                f"{file} was saved by a newer Foveal (model format {data['format']}).",
                f"Model formats up to {FORMAT}, which this Foveal knows.",
                "Upgrade: pip install --upgrade foveal",
            )
        return Card.from_json(data), text, digest
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(file, f"its card cannot be read ({type(error).__name__}: {error})") from None


def digest_of(card: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the card, then each tensor's name, dtype, shape and bytes, in sorted order."""
    import torch

    sha = hashlib.sha256(card.encode("utf-8", "surrogatepass"))
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()
