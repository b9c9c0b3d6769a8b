"""Ultralytics' command on the job's pictures: `yolo ... train` and `yolo ... predict`, from scratch.

It is AGPL: its command is run as a process beside, and nothing of it is imported. No weights of its own are taken, as
they have seen COCO; so it begins with less than the others, whose backbones have seen ImageNet. All else is its
default, but for the number of loading processes; `time` is what is left of the minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import job as jobs
import truths
from pycocotools import mask as coco

MODEL = {"detect": "yolo11n.yaml", "instances": "yolo11n-seg.yaml"}
WORD = {"detect": "detect", "instances": "segment"}
LEAST = 0.001
"""Probability from which boxes are told: its own for judging."""


def outline(runs: dict[str, Any]) -> list[float]:
    """The longest outline of a mask, x, y, x, y, ... in its pixels."""
    import cv2  # comes with it

    found, _ = cv2.findContours(coco.decode(runs), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    points: list[float] = max(found, key=len).reshape(-1).tolist() if found else []
    return points


def line(one: dict[str, Any], row: dict[str, Any], task: str) -> str | None:
    """An object as its label files have it: shares of the picture's sides."""
    width, height = row["width"], row["height"]
    if task == "instances":
        points = outline(one["runs"])
        if len(points) < 6:
            return None
        shares = [value / (height if n % 2 else width) for n, value in enumerate(points)]
    else:
        x0, y0, x1, y1 = one["box"]
        shares = [
            (x0 + x1) / 2 / width,
            (y0 + y1) / 2 / height,
            (x1 - x0) / width,
            (y1 - y0) / height,
        ]
    return " ".join([str(one["label"]), *(f"{value:.6f}" for value in shares)])


def laid_out(job: truths.TaskJob, told: truths.Told) -> Path:
    """The pictures as links beside their label files, and the YAML of them."""
    root = Path(job.out, "data").absolute()
    for number, row in enumerate(told.pictures):
        for kind in ("images", "labels"):
            (root / kind / row["part"]).mkdir(parents=True, exist_ok=True)
        name = f"{number:06d}"
        link = root / "images" / row["part"] / f"{name}{Path(row['path']).suffix.lower()}"
        if not link.exists():
            link.symlink_to(Path(row["path"]).absolute())
        lines = [line(one, row, job.task) for one in row["objects"] if not one["ignored"]]
        text = "\n".join(filter(None, lines))
        (root / "labels" / row["part"] / f"{name}.txt").write_text(text, encoding="utf-8")
    checked = "val" if told.of("val") else job.judged
    names = dict(enumerate(told.labels))
    file = root / "data.yaml"  # JSON is YAML
    file.write_text(
        json.dumps({"path": str(root), "train": "images/train", "val": f"images/{checked}", "names": names})
    )
    return file


def yolo(*words: str, home: Path) -> None:
    """Its command, beside this interpreter.

    Raises:
        SystemExit: it failed; with the end of what it said.
    """
    environ = {
        **os.environ,
        "YOLO_CONFIG_DIR": str(home),
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
    }
    command = [str(Path(sys.executable).parent / "yolo"), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=home)
    if done.returncode:
        raise SystemExit(f"yolo ended with {done.returncode}: {(done.stderr or done.stdout)[-300:]}")


def said(job: truths.TaskJob, row: dict[str, Any], file: Path) -> list[dict[str, Any]]:
    """A file of its predictions: class, place as shares of the sides, probability."""
    if not file.exists():
        return []
    width, height = row["width"], row["height"]
    found: list[dict[str, Any]] = []
    for text in file.read_text(encoding="utf-8").splitlines():
        label, *shares, score = map(float, text.split())
        if job.task == "instances":
            points = [value * (height if n % 2 else width) for n, value in enumerate(shares)]
            if len(points) < 6:
                continue
            runs = coco.merge(coco.frPyObjects([points], height, width))
            x, y, wide, high = coco.toBbox(runs).tolist()
            counts = {"size": list(runs["size"]), "counts": runs["counts"].decode()}
            found.append(
                {"label": int(label), "score": score, "box": [x, y, x + wide, y + high], "runs": counts}
            )
            continue
        x, y, wide, high = shares[0] * width, shares[1] * height, shares[2] * width, shares[3] * height
        box = [x - wide / 2, y - high / 2, x + wide / 2, y + high / 2]
        found.append({"label": int(label), "score": score, "box": box})
    return sorted(found, key=lambda one: -one["score"])[:100]


def main() -> None:
    job, told = truths.read()
    home = Path(job.out).absolute()
    data = laid_out(job, told)
    hours = max(0.0, 1 - job.over) * job.minutes / 60
    common = (f"imgsz={job.size}", "device=cpu", f"project={home}", "exist_ok=True", "plots=False")
    yolo(
        WORD[job.task], "train", f"model={MODEL[job.task]}", f"data={data}", f"time={hours:.5f}", "pretrained=False",
        "workers=0", f"seed={job.seed}", "name=run", *common, home=home,
    )  # fmt: skip
    trained_at = job.over
    yolo(
        WORD[job.task], "predict", f"model={home / 'run/weights/best.pt'}",
        f"source={data.parent / 'images' / job.judged}", f"conf={LEAST}", "save=False", "save_txt=True",
        "save_conf=True", "name=said", *common, home=home,
    )  # fmt: skip
    places = {id(row): number for number, row in enumerate(told.pictures)}
    folder = home / "said" / "labels"
    truths.write_objects(
        job, [said(job, row, folder / f"{places[id(row)]:06d}.txt") for row in told.of(job.judged)]
    )
    jobs.say(job, used=trained_at)


if __name__ == "__main__":
    main()
