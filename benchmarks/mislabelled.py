"""Wrong labels found: confident learning of Foveal's beside cleanlab's, with the same probabilities.

    python benchmarks/mislabelled.py DATA [--pictures FOLDER] [--peer PYTHON] [--json]

DATA holds `cifar10_mturk.json`, `test_set_pyx.npy`, `test_labels.txt` and `human_noisy_labels.csv.gz` (Northcutt et
al. 2021; Wei et al. 2022). PYTHON is an interpreter with cleanlab. With FOLDER (CIFAR-10's training pictures as
CLASS/INDEX.png) also CIFAR-10N on 2,000 of them, by the bundled features.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.doctor.data.confident import doubts
from foveal.doctor.data.features import features, out_of_sample
from foveal.doctor.data.labels import judged_labels
from foveal.values import Dataset, Facts, Item

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NOISE = ("aggre_label", "random_label1", "worse_label")
COUNT = 2000
Row = dict[str, Any]
Labels = NDArray[np.int64]
_PEER = """
import sys, numpy as np
from cleanlab.filter import find_label_issues
y, p = (np.load(f"{sys.argv[1]}/{name}.npy") for name in ("y", "p"))
found = find_label_issues(y, p, return_indices_ranked_by="normalized_margin", n_jobs=1)
np.save(f"{sys.argv[1]}/found.npy", found)
"""


def cleanlab(python: str, labels: Labels, probabilities: NDArray[np.float64]) -> Labels:
    """Positions that cleanlab's `find_label_issues` doubts, by its defaults."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/y.npy", labels)
        np.save(f"{folder}/p.npy", probabilities)
        subprocess.run([python, "-c", _PEER, folder], check=True)
        return np.asarray(np.load(f"{folder}/found.npy"), np.int64)


def against(found: Labels, wrong: set[int], right: set[int]) -> Row:
    """Precision among those that are judged, and recall."""
    hits, misses = len(wrong & set(found.tolist())), len(right & set(found.tolist()))
    return {
        "found": len(found),
        "precision": round(hits / max(1, hits + misses), 3),
        "recall": round(hits / max(1, len(wrong)), 3),
    }


def judged_by_people(data: Path, peer: str | None) -> list[Row]:
    """CIFAR-10's test labels with the published probabilities; what people judged of the suspects."""
    labels = np.array([int(digit) for digit in (data / "test_labels.txt").read_text().strip()])
    probabilities = np.load(data / "test_set_pyx.npy").astype(float)
    votes = {row["id"]: row["mturk"] for row in json.loads((data / "cifar10_mturk.json").read_text())}
    right = {id for id, vote in votes.items() if vote["given"] >= 3}
    wrong = {id for id, vote in votes.items() if max(vote["guessed"], vote["neither"]) >= 3}
    found = doubts(labels, probabilities)
    rows = [{"set": "test, judged", "who": "foveal", **against(found.wrong, wrong, right)}]
    if peer:
        theirs = cleanlab(peer, labels, probabilities)
        both = set(theirs.tolist()) & set(found.wrong.tolist())
        rows.append(
            {"set": "test, judged", "who": "cleanlab", **against(theirs, wrong, right), "both": len(both)}
        )
    return rows


def by_people(data: Path, pictures: Path, peer: str | None) -> list[Row]:
    """CIFAR-10N: labels that people gave, by features of the bundled backbone and a head in five folds."""
    with gzip.open(data / "human_noisy_labels.csv.gz", "rt") as file:
        told = list(csv.DictReader(file))
    chosen = sorted(np.random.default_rng(0).choice(len(told), COUNT, replace=False).tolist())
    clean = np.array([int(told[n]["clean"]) for n in chosen])
    items = tuple(
        Item(str(n), f"{NAMES[label]}/{n:05d}.png", NAMES[label], "train")
        for n, label in zip(chosen, clean, strict=True)
    )
    facts = Facts(32, 32, 32, 32, False, 0)
    made = features(Dataset(str(pictures), "classify", "", "", NAMES, items, facts=facts), items)
    rows: list[Row] = []
    for name in NOISE:
        labels = np.array([int(told[n][name]) for n in chosen])
        wrong = set(np.flatnonzero(labels != clean).tolist())
        right = set(range(COUNT)) - wrong
        groups = np.arange(COUNT)
        p = out_of_sample(made.rows, labels, len(NAMES), groups)
        found = doubts(labels, p)
        head = {"set": f"CIFAR-10N {name}", "truly": round(len(wrong) / COUNT, 3)}
        guess = {"share": round(found.share, 3), "low": round(found.low, 3), "high": round(found.high, 3)}
        rows.append({**head, "who": "foveal", **against(found.wrong, wrong, right), **guess})
        ids = [str(n) for n in range(COUNT)]
        told_ = judged_labels(made.rows, labels, NAMES, groups, ids)["wrong"]
        sure = np.array([int(row["id"]) for row in told_ if row["sure"]], np.int64)
        rows.append({**head, "who": "foveal, sure ones", **against(sure, wrong, right)})
        if peer:
            rows.append({**head, "who": "cleanlab", **against(cleanlab(peer, labels, p), wrong, right)})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--peer")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = judged_by_people(given.data, given.peer)
    if given.pictures is not None:
        rows += by_people(given.data, given.pictures, given.peer)
    if given.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print("  ".join(f"{name} {value}" for name, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
