"""Strange pictures found by an autoencoder that has seen one class only, each class of the data in turn.

    python benchmarks/anomaly.py DATA [--epochs 40] [--latent 16] [--objective reconstruct] [--seed 0] [--labels 0,1]
        [--keep FILE]

DATA is a folder with train/ and test/ and a folder for each class in them (Fashion-MNIST as PNG, say). For each class
`foveal.train(DATA, task="autoencode")` learns its training pictures alone, and all test pictures are judged: of that
class, which are normal, and of all others, which are strange. The figure is the area under the ROC curve (the chance
that a strange picture has a larger error than a normal one) of the mean squared error of what is made again, and beside
it those of the distance in the latent space that `foveal predict` gives as well, and of principal components, as many
as the latent vector has numbers: the best linear autoencoder, fitted to the same pictures. Intervals are of the test
pictures, drawn again with replacement, the same for all classes, so that the mean over classes has one as well. With
--keep the errors of each class are kept in a file, and what was stopped goes on.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import Kept, Row, machine, spread
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.decomposition import PCA

import foveal
from foveal.data.decoding import open_image
from foveal.model import Model
from foveal.options import ReadOptions
from foveal.readers import prepare
from foveal.values import Dataset, Item

FIGURES = ("error", "distance", "principal components")
DRAWN = 1000
"""Times that the test pictures are drawn again for an interval."""


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


def judged(dataset: Dataset, label: str, home: Path, **options: Any) -> Row:
    """What was measured of each test picture with this class as the normal one, and the seconds that it took."""
    model, seconds = learned(dataset, label, home, **options)
    test = dataset.part("test")
    said = model.predict([str(Path(dataset.root, item.path)) for item in test], batch=256)
    found: Row = {
        "error": [one.predictions[0]["error"] for one in said],
        "principal components": linear_errors(dataset, label, options["latent"]).tolist(),
    }
    if all(one.distance is not None for one in said):
        found["distance"] = [one.distance for one in said]
    called = [bool(one.predictions[0].get("anomaly")) for one in said]
    return {**found, "strange": [item.truth != label for item in test], "called": called, "seconds": seconds}


def area(strange: NDArray[np.bool_], values: NDArray[np.float64]) -> float:
    """The chance that a strange picture has a larger value than a normal one; equal ones count half."""
    many = int(strange.sum())
    ranks = rankdata(values)[strange].sum()
    return float((ranks - many * (many + 1) / 2) / (many * (len(strange) - many)))


def areas(rows: Sequence[Row], name: str) -> NDArray[np.float64]:
    """The areas of each row, first as they are and then of pictures drawn again, the same in all rows."""
    count = len(rows[0]["strange"])
    drawn = [np.arange(count), *np.random.default_rng(0).integers(count, size=(DRAWN, count))]
    tables = [(np.array(row["strange"]), np.array(row[name])) for row in rows]
    return np.array(
        [[area(strange[places], values[places]) for places in drawn] for strange, values in tables]
    )


def with_range(values: NDArray[np.float64]) -> str:
    """The first of these with the middle 95 % of the others."""
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return f"{values[0]:.3f} [{low:.3f}, {high:.3f}]"


def shares(row: Row) -> dict[str, float]:
    """Of the strange pictures and of the normal ones, those that the threshold from validation calls strange."""
    strange, called = np.array(row["strange"]), np.array(row["called"])
    return {"strange found": float(called[strange].mean()), "false alarms": float(called[~strange].mean())}


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
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    dataset, _ = prepare(args.data, ReadOptions(), 0)
    labels = args.labels.split(",") if args.labels else dataset.labels
    options = {"epochs": args.epochs, "latent": args.latent, "objective": args.objective, "seed": args.seed}
    print(machine())
    print(f"{args.data}, {options}; area under the ROC curve, each class in turn the normal one")
    kept, rows = Kept(args.keep), []
    for label in labels:
        key = {"label": label, **options}
        if not kept.find(**key):
            with tempfile.TemporaryDirectory() as home:
                kept.add({**key, **judged(dataset, label, Path(home), **options)})
        row = kept.find(**key)[0]
        rows.append(row)
        said = [f"{name} {with_range(areas([row], name)[0])}" for name in FIGURES if name in row]
        said += [f"{name} {value:.3f}" for name, value in shares(row).items()]
        print(f"  {label:16s} {'  '.join(said)}  ({row['seconds']:.0f} s)", flush=True)
    for name in FIGURES:
        if all(name in row for row in rows):
            print(f"{name}: {with_range(areas(rows, name).mean(0))}, mean of {len(rows)} classes")
    for name in ("strange found", "false alarms"):
        print(f"{name}: {spread([shares(row)[name] for row in rows])}")


if __name__ == "__main__":
    main()
