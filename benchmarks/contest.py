"""The peers of the benchmarks: each a script under `peers/`, in a virtual environment of its own.

    python benchmarks/contest.py [PEER ...] [--envs FOLDER]      # only makes the environments

An environment is made when first asked for: it sees the packages of the present one (torch and
torchvision stay exactly those, by a constraint, so that nothing large is downloaded and all contestants
compute with the same kernels), and the peer is installed on top from PyPI. What cannot be installed is
remembered with its reason, until its folder is deleted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ENVS = Path.home() / ".cache" / "foveal-benchmarks"
PINNED = ("torch", "torchvision", "timm")
Row = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """A script under `peers/`, what it needs from PyPI, and the environment it is run with."""

    script: str
    packages: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    title: str = ""


PEERS = {
    "bare": Peer("bare.py", title="bare PyTorch loop"),
    "careless": Peer("careless.py", title="careless script: frozen features in bf16, a linear head"),
    "timm": Peer("with_timm.py", title="timm's loader, task and optimizer"),
    "lightning": Peer("with_lightning.py", ("lightning",), title="Lightning"),
    "fastai": Peer("with_fastai.py", ("fastai",), title="fastai"),
    "keras-torch": Peer("with_keras.py", ("keras",), {"KERAS_BACKEND": "torch"}, "Keras 3 on torch"),
    "keras-jax": Peer("with_keras.py", ("keras", "jax"), {"KERAS_BACKEND": "jax"}, "Keras 3 on JAX"),
    "torchvision-pil": Peer("with_torchvision.py", title="torchvision, Pillow pictures"),
    "torchvision-v2": Peer("with_torchvision.py", title="torchvision, v2 on tensors"),
    "ffcv": Peer("with_ffcv.py", ("ffcv", "numba", "opencv-python-headless"), title="FFCV"),
    "onnxruntime": Peer("with_onnxruntime.py", ("onnx", "onnxscript", "onnxruntime"), title="ONNX Runtime"),
    "captum": Peer("with_explainers.py", ("captum",), title="Captum"),
    "grad-cam": Peer("with_explainers.py", ("grad-cam", "opencv-python-headless"), title="pytorch-grad-cam"),
    "lucent": Peer("with_lucent.py", ("torch-lucent",), title="Lucent, feature visualisation"),
    "torchvision-detection": Peer("detect_with_torchvision.py", title="torchvision's recipe for detection"),
    "smp": Peer("segment_with_smp.py", ("albumentations", "opencv-python-headless"), title="smp's example"),
    "ultralytics": Peer(
        "detect_with_ultralytics.py",
        ("ultralytics", "opencv-python-headless"),
        title="Ultralytics, a process beside",
    ),
}
TRAINERS = ("bare", "lightning", "fastai", "keras-torch", "keras-jax", "timm")


class Unavailable(Exception):
    """A peer cannot be installed or run here; its text says why."""


def python_of(name: str, envs: Path = ENVS) -> Path:
    """The interpreter that has the peer's packages; made now where there is none yet.

    Raises:
        Unavailable: it could not be installed.
    """
    peer = PEERS[name]
    if not peer.packages:
        return Path(sys.executable)
    folder = envs.expanduser().absolute() / f"{name}-torch{metadata.version('torch')}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if (folder / "failed.txt").exists():
        raise Unavailable((folder / "failed.txt").read_text(encoding="utf-8").strip())
    if not (folder / "ready.txt").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"making an environment for {name} in {folder}", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=False)
        where = sysconfig.get_path("purelib", vars={"base": str(folder)})
        seen = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
        Path(where, "the_present_one.pth").write_text("\n".join(seen) + "\n", encoding="utf-8")
        _install(name, python, folder)
    return python


def _install(name: str, python: Path, folder: Path) -> None:
    """pip, from outside; what torch and torchvision are stays as it is."""
    pinned = [f"{package}=={metadata.version(package)}\n" for package in PINNED]
    with tempfile.TemporaryDirectory() as home:
        constraints = Path(home, "constraints.txt")
        constraints.write_text("".join(pinned), encoding="utf-8")
        words = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        words += ["install", "--quiet", "--constraint", str(constraints), *PEERS[name].packages]
        done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if "rror" in line]
        why = (
            f"it could not be installed: {' / '.join(said[:3])[:300] or f'pip ended with {done.returncode}'}"
        )
        (folder / "failed.txt").write_text(why, encoding="utf-8")
        raise Unavailable(why)
    (folder / "ready.txt").write_text(" ".join(PEERS[name].packages), encoding="utf-8")


def ask(name: str, job: Row, envs: Path = ENVS, timeout: float | None = None) -> Row:
    """The peer's answer to a job, from a process of its own; `wall` is its time from start to exit, seconds.

    Raises:
        Unavailable: it could not be installed, or it ended with an error or without an answer.
    """
    python, peer = python_of(name, envs), PEERS[name]
    environ = {**os.environ, **peer.environ}
    if job.get("threads"):
        environ["OMP_NUM_THREADS"] = str(job["threads"])
    began = time.time()
    try:
        done = subprocess.run(
            [str(python), str(HERE / "peers" / peer.script)],
            input=json.dumps({**job, "peer": name, "began": began}),
            capture_output=True, text=True, env=environ, timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unavailable(f"it was not done after {timeout:.0f} s") from None
    wall = time.time() - began
    answer = _last_object(done.stdout)
    if done.returncode or answer is None:
        last = (done.stderr.strip() or done.stdout.strip() or "nothing was said").splitlines()[-1]
        raise Unavailable(f"it ended with {done.returncode}: {last[:300]}")
    return {**answer, "wall": wall}


def answered(name: str, job: Row, envs: Path = ENVS, timeout: float | None = None) -> Row:
    """As `ask`; where there is no answer, a row with the reason as `error`."""
    try:
        return ask(name, job, envs, timeout)
    except Unavailable as error:
        return {"error": str(error)}


def weights_file(network: str, folder: Path) -> Path:
    """Weights that all contestants begin with: the bundled ones, or fresh ones from seed 0."""
    import torch
    from safetensors.torch import save_file
    from torchvision import models

    from foveal.architectures.efficientnet_lite0 import Bundled

    if network == "efficientnet_lite0":
        state = dict(Bundled().state())
    else:
        torch.manual_seed(0)
        state = models.get_model(network, weights=None).state_dict()
    file = folder / f"{network}.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    return file


def _last_object(text: str) -> Row | None:
    """The last line that is a JSON object; a peer may print what it likes before."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            found: Row = json.loads(line)
            return found
    return None


def available(names: Sequence[str], envs: Path = ENVS) -> list[str]:
    """The peers among `names` that can be had; says of the others why not."""
    found = []
    for name in names:
        try:
            python_of(name, envs)
            found.append(name)
        except Unavailable as error:
            print(f"{name:16} left out: {error}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)}; all when not given")
    parser.add_argument("--envs", type=Path, default=ENVS)
    args = parser.parse_args()
    unknown = [name for name in args.peers if name not in PEERS]
    if unknown:
        parser.error(f"there is no peer {unknown[0]}; there are {', '.join(PEERS)}")
    print("ready:", ", ".join(available(args.peers or list(PEERS), args.envs)))


if __name__ == "__main__":
    main()
