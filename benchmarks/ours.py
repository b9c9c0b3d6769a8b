"""How the benchmarks run Foveal: the command in a process of its own, read from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def empty_caches(home: Path) -> dict[str, str]:
    """An environment in which nothing that Foveal (or torch's compiler) ever kept is found."""
    home.mkdir(parents=True, exist_ok=True)
    names = ("XDG_CACHE_HOME", "LOCALAPPDATA", "TORCHINDUCTOR_CACHE_DIR", "FOVEAL_DATA_HOME")
    environ = {**os.environ, **dict.fromkeys(names, str(home))}
    if sys.platform == "darwin":  # the user's cache folder hangs on the home there
        environ["HOME"] = str(home)
    return environ


@dataclass
class Watched:
    """What a run said, with times counted from the moment its process was started."""

    began: float
    events: list[Row] = field(default_factory=list)
    result: Row = field(default_factory=dict)
    options: Row = field(default_factory=dict)
    choices: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    peak_bytes: int | None = None

    def at(self, event: Row) -> float:
        return float(event["at"]) - self.began

    def accuracies(self) -> list[tuple[float, float, str]]:
        """When each judgement was said, the headline then, and the stage."""
        said = [e for e in self.events if e["event"] == "epoch"]
        return [(self.at(e), float(e["headline"]["value"]), e["stage"]) for e in said]

    def first_model(self) -> tuple[float, float | None]:
        """When the first model was whole on the disk, and the accuracy said of it."""
        for n, event in enumerate(self.events):
            if event["event"] == "saved" and event["file"] == "best.safetensors":
                judged = [e for e in self.events[:n] if e["event"] == "epoch"]
                return self.at(event), float(judged[-1]["headline"]["value"]) if judged else None
        raise RuntimeError("no model was saved")

    def steady(self) -> tuple[int, float]:
        """Pictures and seconds of steady training, by the rule that peers are timed by: within each
        epoch of the last stage, after its first step; the stage's first epoch warms up."""
        steps = [e for e in self.events if e["event"] == "step"]
        last = [e for e in steps if e["stage"] == steps[-1]["stage"]]
        epochs = sorted({e["epoch"] for e in last})
        images, seconds = 0, 0.0
        for epoch in epochs[1:] or epochs:
            here = [e for e in last if e["epoch"] == epoch]
            images += (here[-1]["step"] - here[0]["step"]) * int(self.options["fit"]["batch"])
            seconds += here[-1]["at"] - here[0]["at"]
        return images, seconds

    def chosen(self) -> Row:
        """Option -> value of every choice, the probe's included."""
        return {c["option"]: c["value"] for c in self.choices}

    def decided(self) -> Row:
        """How its steps were computed, as options that give the same again."""
        names = ("batch", "precision", "layout", "threads", "compile")
        return {name: self.chosen()[name] for name in names if self.chosen().get(name) is not None}


def train(
    data: Path, *options: str, home: Path | None = None, until_first: bool = False, poll: float = 0.05
) -> Watched:
    """`foveal train DATA` in a process of its own.

    Args:
        home: a folder for all caches, empty for a cold start (default: a new one).
        until_first: end it as soon as its first model is saved.

    Raises:
        RuntimeError: it failed; what it said is in the text.
    """
    with tempfile.TemporaryDirectory() as made:
        run = Path(made, "run")
        words = [sys.executable, "-m", "foveal", "train", str(data), "--json", "--out", str(run), *options]
        environ = empty_caches(home or Path(made, "cache"))
        said, told = Path(made, "said"), Path(made, "told")
        with said.open("w") as out, told.open("w") as err:
            watched = Watched(time.time())
            process = subprocess.Popen(words, stdout=out, stderr=err, env=environ)
            try:
                while process.poll() is None and not (until_first and _saved(run / "events.jsonl")):
                    watched.peak_bytes = peak_of(process.pid) or watched.peak_bytes
                    time.sleep(poll)
            finally:
                process.kill()
                process.wait()
            watched.seconds = time.time() - watched.began
        if process.returncode and not until_first:
            raise RuntimeError(f"foveal train ended with {process.returncode}: {told.read_text()[-500:]}")
        if not (run / "events.jsonl").exists():
            raise RuntimeError(f"foveal train began no run: {told.read_text()[-500:]}")
        watched.events = _lines(run / "events.jsonl")
        kept = json.loads((run / "options.json").read_text(encoding="utf-8"))
        watched.options, watched.choices = kept["options"], kept["choices"]
        watched.result = json.loads(said.read_text()) if not until_first else {}
        return watched


def peak_of(pid: int) -> int | None:
    """Most memory that a running process has held at once, bytes; None where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    line = next((line for line in text.splitlines() if line.startswith("VmHWM")), None)
    return int(line.split()[1]) * 1024 if line else None


def _lines(file: Path) -> list[Row]:
    """The events that are whole; the last line may be torn."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found


def _saved(file: Path) -> bool:
    return file.exists() and b"best.safetensors" in file.read_bytes()
