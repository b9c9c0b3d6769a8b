"""Strange pictures found by an autoencoder that has seen one class only, each class of the data in turn.

    python benchmarks/anomaly.py DATA [--epochs 40] [--latent 16] [--objective reconstruct] [--seed 0] [--labels 0,1]

DATA is a folder with train/ and test/ and a folder for each class in them (Fashion-MNIST as PNG, say). For each class
`foveal.train(DATA, task="autoencode")` learns its training pictures alone, and all test pictures are judged: of that
class, which are normal, and of all others, which are strange. The figure is the area under the ROC curve (the chance
that a strange picture has a larger error than a normal one) of the mean squared error of what is made again, and beside
it those of the distance in the latent space that `foveal predict` gives as well, and of principal components, as many
as the latent vector has numbers: the best linear autoencoder, fitted to the same pictures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine, spread
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

import foveal
from foveal.data.decoding import open_image
from foveal.model import Model
from foveal.options import ReadOptions
from foveal.readers import prepare
from foveal.values import Dataset, Item

FIGURES = ("error", "distance", "principal components")


def pixels(root: str, items: Sequence[Item]) -> NDArray[np.float64]:
    """Grey pictures of one size as rows of values 0 to 1."""
    return np.stack([np.asarray(open_image(root, item, 1), np.float64).ravel() for item in items]) / 255


def linear_errors(dataset: Dataset, label: str, components: int) -> NDArray[np.float64]:
    """Mean squared errors of the test pictures made again from principal components of a class's training pictures."""
    known = [item for item in dataset.part("train") if item.truth == label]
    fitted = PCA(min(components, len(known) - 1), random_state=0).fit(pixels(dataset.root, known))
    shown = pixels(dataset.root, dataset.part("test"))
    again = fitted.inverse_transform(fitted.transform(shown))
    errors: NDArray[np.float64] = ((again - shown) ** 2).mean(1)
    return errors


def learned(dataset: Dataset, label: str, home: Path, **options: Any) -> tuple[Model, float]:
    """A model that has seen pictures of this class only, and the seconds that it took."""
    others = home / f"not-{label}.txt"
    names = [item.id for item in dataset.items if item.truth != label]
    others.write_text("\n".join(names) + "\n", encoding="utf-8")
    began = time.perf_counter()
    done = foveal.train(dataset.root, task="autoencode", exclude=str(others), runs_dir=str(home), **options)
    return Model.load(done.run), time.perf_counter() - began


def judged(dataset: Dataset, label: str, home: Path, **options: Any) -> dict[str, float]:
    """The areas under the curves with this class as the normal one, and the shares that are called strange."""
    model, seconds = learned(dataset, label, home, **options)
    test = dataset.part("test")
    said = model.predict([str(Path(dataset.root, item.path)) for item in test], batch=256)
    strange = np.array([item.truth != label for item in test])
    errors = np.array([one.predictions[0]["error"] for one in said])
    called = np.array([bool(one.predictions[0].get("anomaly")) for one in said])
    found = {"error": float(roc_auc_score(strange, errors))}
    if said[0].distance is not None:
        found["distance"] = float(roc_auc_score(strange, [one.distance for one in said]))
    linear = linear_errors(dataset, label, options["latent"])
    found["principal components"] = float(roc_auc_score(strange, linear))
    shares = {"strange found": float(called[strange].mean()), "false alarms": float(called[~strange].mean())}
    return found | shares | {"seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--latent", type=int, default=16)
    parser.add_argument("--objective", default="reconstruct")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--labels", help="some classes only, by name, with commas between them")
    args = parser.parse_args()
    dataset, _ = prepare(args.data, ReadOptions(), 0)
    labels = args.labels.split(",") if args.labels else dataset.labels
    options = {"epochs": args.epochs, "latent": args.latent, "objective": args.objective, "seed": args.seed}
    print(machine())
    print(f"{args.data}, {options}; area under the ROC curve, each class in turn the normal one")
    rows = []
    for label in labels:
        with tempfile.TemporaryDirectory() as home:
            rows.append(judged(dataset, label, Path(home), **options))
        print(
            f"  {label:16s} " + "  ".join(f"{name} {value:.3f}" for name, value in rows[-1].items()),
            flush=True,
        )
    for name in rows[0]:
        print(f"{name}: {spread([row[name] for row in rows if name in row])}")


if __name__ == "__main__":
    main()
