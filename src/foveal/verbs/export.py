"""foveal export: a model as a file that runs without Foveal, compared with Foveal on pictures before it is written."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.decoding import open_image
from ..data.views import normalise, to_input
from ..errors import ModelError, OptionError, PictureError, UnknownNameError
from ..records.run import Run
from ..storage import write_whole
from ..structure.views import Views
from .named import find_again, model_named, run_of
from .portable import INPUT, Portable, described, refuse
from .predict import called, loaded_model

if TYPE_CHECKING:
    from ..model import Model

ENDINGS = {"onnx": ".onnx", "torch": ".pt2"}
NEEDED = {"onnx": ("onnx", "onnxruntime", "onnxscript"), "torch": ()}
"""Packages that a format needs beside what Foveal has."""
COMPARED = 32
"""Pictures that are compared at most."""
CLOSE, ROUNDED = 1e-4, 1e-6
"""How far answers may be apart: in probabilities and pixels (0 to 1), or as a share of the spread of numbers; and
besides as a share of the largest answer, which is what float32 can tell."""


@dataclass(frozen=True)
class Exported:
    """A model as a file of its own. `difference` is the largest between what it says and what Foveal says, over
    `pictures`; these were the run's own, or `made_up` where it has none."""

    model: str
    format: str
    file: Path
    bytes: int
    pictures: int
    made_up: bool
    difference: float
    about: dict[str, Any]
    """What stands in the file beside the network: see `portable.described`."""

    def to_json(self) -> list[dict[str, Any]]:
        row = {
            "model": self.model,
            "format": self.format,
            "file": str(self.file),
            "bytes": self.bytes,
            "pictures": self.pictures,
            "made_up": self.made_up,
            "difference": self.difference,
        }
        return [{**row, **{name: self.about[name] for name in ("task", "labels", "input", "output")}}]


def export(
    model: Model | str | os.PathLike[str],
    *,
    format: str = "onnx",
    to: str | os.PathLike[str] | None = None,
    data_at: str | os.PathLike[str] | None = None,
    runs_dir: str | os.PathLike[str] = "runs",
    screen: Callable[[Any], None] | None = None,
) -> Exported:
    """Write a model as a file that runs without Foveal: pixels go in, probabilities (values, maps) come out, labels
    and preprocessing stand in its metadata. Any number of pictures at a time can be given to it.

    Nothing is written unless the file says of the run's own pictures what Foveal says.

    Args:
        model: a model or its file, a run's folder (its best model) or its name in `runs_dir`, or a published network's.
        format: `onnx`, for ONNX Runtime and others, or `torch`, a program of `torch.export`.
        to: the file; when not given, MODEL.onnx or MODEL.pt2 here.
        data_at: where the run's own pictures are now, if they have moved; the run then knows it.
        runs_dir: where runs are looked for by name.
        screen: called with what is being done.

    Raises:
        OptionError: another format, a package that is missing, or a task whose models cannot be exported yet.
        ModelError: no such model, or the network cannot be written in this format, or would say other things there.
        DiskError: the file is there already, or cannot be written.
    """
    show = screen or (lambda message: None)
    _check(format)
    model = model_named(model, runs_dir)
    loaded = _own_copy(loaded_model(model, None, "export"))
    refuse(loaded)
    file = _file(called(model), format, to)
    if data_at is not None:
        find_again(model, None, data_at, "export", None, lambda done, total: show(("examining", done, total)))
    pictures, made_up = _pictures(loaded, run_of(model))
    wanted = _said(loaded, pictures)
    portable, about = Portable(loaded), described(loaded)
    show(("says", f"Writing the network as {format} and comparing it on {len(pictures)} pictures"))
    content, run = _written(portable, pictures, format, about)
    # all at once and one alone: any number may be given
    apart = max(_apart(run(pictures), wanted), _apart(run(pictures[:1]), wanted[:1]))
    spread = float(getattr(loaded.task, "scale", 1.0))  # of numbers, in their unit
    most = CLOSE * spread + ROUNDED * float(np.abs(wanted).max())
    if not apart <= most:
        raise ModelError(
            f"As {format} the network says other things than in Foveal: on {len(pictures)} pictures up to {apart:.2g} "
            "apart. Nothing was written.",
            f"Differences of rounding, up to {most:.2g}.",
            f"Try the other format: --format {next(name for name in ENDINGS if name != format)}",
        )
    write_whole(file, content)
    return Exported(called(model), format, file, len(content), len(pictures), made_up, apart, about)


def _own_copy(model: Model) -> Model:
    """The model with a network of its own, on the CPU: what is given stays as it is."""
    network = (
        copy.deepcopy(model.network).cpu().to(memory_format=torch.contiguous_format)
    )  # as the formats want it
    return dataclasses.replace(model, network=network.eval())


def _check(format: str) -> None:
    """Refuse a format that there is not, or whose packages there are not."""
    from importlib.metadata import PackageNotFoundError, version

    if format not in ENDINGS:
        raise UnknownNameError("format", format, ENDINGS)
    missing = []
    for package in NEEDED[format]:
        try:
            version(package)
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        raise OptionError(
            f"--format {format} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed.",
            "The packages of Foveal's extra `export`; or --format torch, which needs none.",
            'Install them: pip install "foveal[export]", or in a checkout: pip install ".[export]"',
        )


def _file(name: str, format: str, to: str | os.PathLike[str] | None) -> Path:
    """Where the file goes.

    Raises:
        OptionError: it is there already, or its name has another ending.
    """
    ending = ENDINGS[format]
    file = Path(f"{name.replace('/', '-')}{ending}" if to is None else to)
    if file.suffix.lower() != ending:
        raise OptionError(
            f"--to {file} was given.",
            f"A file whose name ends in {ending}.",
            f"For example --to model{ending}",
        )
    if file.exists():
        raise OptionError(
            f"{file} is there already.",
            "A new file: nothing is written over.",
            "Give another name with --to.",
        )
    return file


def _pictures(model: Model, folder: Path | None) -> tuple[Tensor, bool]:
    """At most `COMPARED` pictures of the run as its network sees them, uint8 `BCHW`, evenly from those it was judged
    on; noise where there are none, and whether it is that."""
    pre = model.preprocessing
    seen: list[Tensor] = []
    if folder is not None:
        dataset = Run(folder).dataset
        items = dataset.part("test") or dataset.part("val") or dataset.items
        view = model.task.view(pre)
        for item in items[:: max(1, len(items) // COMPARED)][:COMPARED]:
            try:
                seen.append(to_input(open_image(dataset.root, item, pre.channels), view))
            except PictureError:
                continue
    if seen:
        return torch.stack(seen), False
    dice = torch.Generator().manual_seed(0)
    coarse = torch.rand((COMPARED, pre.channels, 7, 7), generator=dice)
    smooth = torch.nn.functional.interpolate(coarse, (pre.size, pre.size), mode="bilinear")
    return (smooth * 255).to(torch.uint8), True


def _said(model: Model, pictures: Tensor) -> NDArray[np.float64]:
    """What Foveal says of pictures: what `predict` does, as the numbers that the file gives."""
    looks, labels = model.preprocessing.views, model.labels
    network = model.network if looks == 1 else Views(model.network, looks)
    with torch.inference_mode():
        if model.task.name not in ("classify", "multilabel", "regress"):
            answer: NDArray[np.float64] = Portable(model)(pictures).double().numpy()
            return answer
        sizes = [(pictures.shape[-1], pictures.shape[-2])] * len(pictures)
        rows = model.task.predict(network, normalise(pictures, model.preprocessing), sizes)
    if model.task.name == "regress":
        return np.array([[row[0]["value"]] for row in rows])
    return np.array([[_probability(row, label) for label in labels] for row in rows])


def _probability(row: Sequence[dict[str, Any]], label: str) -> float:
    return float(next(one["probability"] for one in row if one["label"] == label))


def _apart(said: NDArray[Any], wanted: NDArray[Any]) -> float:
    """The largest difference; infinite where shapes differ or a number is none."""
    if said.shape != wanted.shape or not np.isfinite(said).all():
        return float("inf")
    return float(np.abs(said.astype(np.float64) - wanted).max())


def _written(
    portable: Portable, pictures: Tensor, format: str, about: dict[str, Any]
) -> tuple[bytes, Callable[[Tensor], NDArray[Any]]]:
    """The file's content, and what runs it.

    Raises:
        ModelError: the network does what the format cannot hold.
    """
    write = _as_onnx if format == "onnx" else _as_torch
    # two pictures: from one alone it would be concluded that there is always one
    example = torch.cat([pictures[:1], pictures[:1]])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the exporters will do one day
            return write(portable, example, about)
    except Exception as error:  # they raise what they like
        said = str(error).strip().splitlines()
        raise ModelError(
            f"The network cannot be written as {format}: {said[0][:300] if said else type(error).__name__}",
            "Networks whose steps torch.export can follow, whatever the pictures show.",
            f"Try the other format: --format {next(name for name in ENDINGS if name != format)}",
        ) from error


def _as_onnx(
    portable: Portable, example: Tensor, about: dict[str, Any]
) -> tuple[bytes, Callable[[Tensor], NDArray[Any]]]:
    import onnxruntime

    made = torch.onnx.export(
        portable, (example,), dynamo=True, verbose=False, input_names=[INPUT],
        output_names=[about["output"]["name"]], dynamic_shapes=({0: torch.export.Dim("batch")},),
    )  # fmt: skip
    assert made is not None, "there is one, as no file was named"
    made.model.metadata_props.update(_told(about))
    content: bytes = made.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(pictures: Tensor) -> NDArray[Any]:
        answer: NDArray[Any] = session.run(None, {INPUT: pictures.numpy()})[0]
        return answer

    return content, run


def _as_torch(
    portable: Portable, example: Tensor, about: dict[str, Any]
) -> tuple[bytes, Callable[[Tensor], NDArray[Any]]]:
    program = torch.export.export(portable, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    stream = io.BytesIO()
    torch.export.save(program, stream, extra_files=_told(about))
    network = program.module()

    def run(pictures: Tensor) -> NDArray[Any]:
        with torch.inference_mode():
            answer: NDArray[Any] = network(pictures).numpy()
        return answer

    return stream.getvalue(), run


def _told(about: dict[str, Any]) -> dict[str, str]:
    """The metadata: a JSON text a key, so that one can be read without the others."""
    return {key: json.dumps(value, ensure_ascii=False) for key, value in about.items()}
