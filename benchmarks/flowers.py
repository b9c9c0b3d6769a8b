"""Fine-tuning on photographs: `foveal train`, every default, against a linear probe and fastai.

    pip install fastai          # the peer; not a dependency of Foveal
    python benchmarks/flowers.py FOLDER [--epochs N]

FOLDER holds class folders. All three use the bundled EfficientNet-Lite0 weights, the same size, and
the split that Foveal made; each is a process of its own, timed from start to end. The probe is a
logistic regression on the frozen features, its strength chosen on validation. fastai's `fine_tune`
gets as many epochs as Foveal's run had, its first one frozen, and its usual augmentation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from measure import machine

from foveal.architectures import efficientnet_lite0
from foveal.intervals import bootstrap
from foveal.records.run import Run
from foveal.values import Preprocessing

Rows = list[tuple[str, str]]


def split_of(run: Path) -> dict[str, Rows]:
    """Part -> (path, label) of every picture, as the run had them."""
    dataset = Run.open(run).dataset
    parts = ("train", "val", "test")
    return {p: [(str(Path(dataset.root, i.path)), i.truth) for i in dataset.part(p)] for p in parts}


def weights_of() -> torch.nn.Module:
    """The bundled network with its ImageNet head."""
    network = efficientnet_lite0.build("", outputs=1000, channels=3, size=224)
    network.load_state_dict({**network.state_dict(), **efficientnet_lite0.Bundled().state()})
    return network.eval()


def probe(run: Path, size: int) -> np.ndarray:
    """Whether each test picture was right, for a linear classifier on frozen features."""
    from PIL import Image
    from sklearn.linear_model import LogisticRegression

    from foveal.data.views import evaluation_view, normalise, to_input

    rows, network = split_of(run), weights_of()
    pre = Preprocessing(size, 3, (0.5,) * 3, (0.5,) * 3, "bicubic", 0.875)
    view, features = evaluation_view(pre), {}
    with torch.inference_mode():
        for part, pairs in rows.items():
            found = []
            for n in range(0, len(pairs), 64):
                images = torch.stack(
                    [to_input(Image.open(p).convert("RGB"), view) for p, _ in pairs[n : n + 64]]
                )
                maps = network.forward_features(normalise(images, pre))  # type: ignore[operator]
                found.append(network.forward_head(maps, pre_logits=True))  # type: ignore[operator]
            features[part] = torch.cat(found).numpy(), np.array([label for _, label in pairs])
    best = max(
        (LogisticRegression(C=c, max_iter=1000).fit(*features["train"]) for c in (1e-3, 1e-2, 1e-1, 1.0)),
        key=lambda model: model.score(*features["val"]),
    )
    return np.asarray(best.predict(features["test"][0]) == features["test"][1])


def fastai(run: Path, size: int, epochs: int) -> np.ndarray:
    """Whether each test picture was right, after fastai's `fine_tune`."""
    import pandas as pd
    from fastai.vision import all as fv

    class Cut(torch.nn.Module):
        """The network as fastai splits it: a body, and a head of its own making."""

        def __init__(self) -> None:
            super().__init__()
            whole = weights_of()
            self.body = torch.nn.Sequential(*list(whole.children())[:-2])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.body(x)
            return out

    rows = split_of(run)
    frame = pd.DataFrame(
        [(p, label, part == "val") for part in ("train", "val") for p, label in rows[part]],
        columns=["path", "label", "valid"],
    )
    fv.set_seed(0, reproducible=True)
    data = fv.ImageDataLoaders.from_df(
        frame, path="/", fn_col="path", label_col="label", valid_col="valid", bs=64, num_workers=0,
        item_tfms=fv.Resize(size),
        batch_tfms=[*fv.aug_transforms(size=size), fv.Normalize.from_stats([0.5] * 3, [0.5] * 3)],
    )  # fmt: skip
    body = Cut()
    head = fv.create_head(1280, data.c)
    network = torch.nn.Sequential(body, head)
    fv.apply_init(network[1], torch.nn.init.kaiming_normal_)
    learn = fv.Learner(
        data, network, loss_func=fv.LabelSmoothingCrossEntropyFlat(), metrics=fv.accuracy,
        splitter=lambda net: [fv.params(net[0]), fv.params(net[1])],
    )  # fmt: skip
    with learn.no_bar():
        learn.fine_tune(max(1, epochs - 1))
    test = data.test_dl([p for p, _ in rows["test"]])
    scores, _ = learn.get_preds(dl=test)
    said = np.array([data.vocab[n] for n in scores.argmax(1)])
    return np.asarray(said == np.array([label for _, label in rows["test"]]))


def child(which: str, run: Path, size: int, epochs: int) -> tuple[np.ndarray, float]:
    """One contestant in a process of its own."""
    words = [sys.executable, __file__, str(run), "--as", which, "--size", str(size), "--epochs", str(epochs)]
    began = time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - began
    return np.array(json.loads(done.stdout.splitlines()[-1]), dtype=float), seconds


def say(name: str, right: np.ndarray, seconds: float, more: str = "") -> None:
    low, high = bootstrap(right.astype(float))
    print(f"{name:8} accuracy {right.mean():.4f} [{low:.4f}, {high:.4f}], {seconds:.0f} s{more}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--size", type=int)
    parser.add_argument("--as", dest="which", choices=("probe", "fastai"))
    args = parser.parse_args()
    if args.which:
        found = (
            probe(args.folder, args.size)
            if args.which == "probe"
            else fastai(args.folder, args.size, args.epochs)
        )
        print(json.dumps(found.tolist()))
        return
    with tempfile.TemporaryDirectory() as home:
        run = Path(home, "run")
        words = [sys.executable, "-m", "foveal", "train", str(args.folder), "--json", "--out", str(run)]
        words += ["--epochs", str(args.epochs)] if args.epochs else []
        began = time.perf_counter()
        done = json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)
        seconds = time.perf_counter() - began
        choices = {c["option"]: c["value"] for c in done["choices"]}
        examples = json.loads((run / "evaluation.json").read_text())["examples"]
        ours = np.array([row["truth"] == row["predicted"] for row in examples], dtype=float)
        say("foveal", ours, seconds, f", a first usable model after {done['first_model_seconds']:.0f} s")
        for which in ("probe", "fastai"):
            right, seconds = child(which, run, choices["size"], choices["epochs"])
            say(which, right, seconds)
            low, high = bootstrap(ours - right)
            print(
                f"         foveal minus {which}: {(ours - right).mean():+.4f} [{low:+.4f}, {high:+.4f}], paired"
            )
        print(f"size {choices['size']}, epochs {choices['epochs']}, {len(ours)} test pictures")
        print(machine())


if __name__ == "__main__":
    main()
