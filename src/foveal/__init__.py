"""A workbench for convolutional networks: a folder of pictures in, a network you can trust out.

The names below are loaded when they are first used: `import foveal` alone loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import FovealError
    from .explaining.explained import Explanation
    from .finding import Finding
    from .model import Model
    from .options import ReadOptions, TrainOptions
    from .records.run import Run
    from .records.study import Study
    from .values import Dataset, Evaluation, Prediction
    from .verbs.anatomy import anatomy
    from .verbs.clean import clean
    from .verbs.compare import compare
    from .verbs.convolution import convolution
    from .verbs.delete import delete
    from .verbs.diagnose import diagnose
    from .verbs.diff import diff
    from .verbs.evaluate import evaluate
    from .verbs.explain import explain
    from .verbs.export import export
    from .verbs.fork import fork
    from .verbs.inspect import inspect
    from .verbs.portray import portray
    from .verbs.predict import predict
    from .verbs.runs import runs
    from .verbs.train import train
    from .verbs.tune import tune

    __version__: str

__all__ = [
    "Dataset",
    "Evaluation",
    "Explanation",
    "Finding",
    "FovealError",
    "Model",
    "Prediction",
    "ReadOptions",
    "Run",
    "Study",
    "TrainOptions",
    "anatomy",
    "clean",
    "compare",
    "convolution",
    "delete",
    "diagnose",
    "diff",
    "evaluate",
    "explain",
    "export",
    "fork",
    "inspect",
    "portray",
    "predict",
    "runs",
    "train",
    "tune",
]

_HOMES = {
    "Dataset": "values",
    "Evaluation": "values",
    "Explanation": "explaining.explained",
    "Finding": "finding",
    "FovealError": "errors",
    "Model": "model",
    "Prediction": "values",
    "ReadOptions": "options",
    "Run": "records.run",
    "Study": "records.study",
    "TrainOptions": "options",
    "anatomy": "verbs.anatomy",
    "clean": "verbs.clean",
    "compare": "verbs.compare",
    "convolution": "verbs.convolution",
    "delete": "verbs.delete",
    "diagnose": "verbs.diagnose",
    "diff": "verbs.diff",
    "evaluate": "verbs.evaluate",
    "explain": "verbs.explain",
    "export": "verbs.export",
    "fork": "verbs.fork",
    "inspect": "verbs.inspect",
    "portray": "verbs.portray",
    "predict": "verbs.predict",
    "runs": "verbs.runs",
    "train": "verbs.train",
    "tune": "verbs.tune",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("foveal")
    elif name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(f"foveal.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'foveal' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
