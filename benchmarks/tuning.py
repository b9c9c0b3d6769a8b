"""Searches over settings: what each finds in the same epochs, what a trial costs beside training, and kills.

    python benchmarks/tuning.py searches [--reps 10] [--begin 0] [--trainings 25] [--home FOLDER]
    python benchmarks/tuning.py peers [--reps 10]     # Optuna by hand, and Ray Tune where it is installed
    python benchmarks/tuning.py overhead [--trials 50]
    python benchmarks/tuning.py kills [--kills 50]
    python benchmarks/tuning.py table                 # what is in --home so far

The task is small, so that searches are many: 300 of scikit-learn's digits to train on, 500 to validate, 997 to
test, a network of two convolutions, 8 epochs. All searches have the same three parameters in the same ranges, and the
epochs of 25 whole trainings (the default's is one of them). Each repetition has other seeds, of the search and of
training. What is done is kept in --home: the same command again goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine, versions
from PIL import Image

import foveal
from foveal.intervals import student
from foveal.records.study import Study
from foveal.storage import write_json, write_whole
from foveal.tuners.soon import how_soon

EPOCHS = 8
LAYERS = ("conv 16 3x3", "bn", "relu", "maxpool 2", "conv 32 3x3", "bn", "relu", "gap", "linear")
OVER = {"lr": "log(1e-3,1)", "momentum": "0.7..0.99", "weight_decay": "log(1e-6,1e-2)"}
FIXED: dict[str, Any] = {
    "size": 8, "batch": 32, "epochs": EPOCHS, "augment": "none", "precision": "fp32", "probe": False,
    "patience": EPOCHS, "label_smoothing": 0.0, "threads": 1, "save_seconds": 600,
    "verdict": False,
}  # fmt: skip
WAYS: dict[str, dict[str, Any]] = {
    "grid": {"search": "grid", "points": 3},
    "random": {"search": "random", "stop": "none"},
    "random, halving": {"search": "random", "stop": "halving"},
    "adaptive": {"search": "adaptive", "stop": "halving"},
}
PEERS = {"Optuna by hand": "tune_with_optuna.py", "Ray Tune": "tune_with_ray.py"}


def digits(home: Path, rep: int) -> Path:
    """The digits as pictures, with a split of this repetition's own."""
    from sklearn.datasets import load_digits

    folder = home / "data" / f"digits-{rep}"
    if folder.exists():
        return folder
    whole = load_digits()
    order = np.random.default_rng(rep).permutation(len(whole.target))
    parts = {"train": order[:300], "val": order[300:800], "test": order[800:]}
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        for part, places in parts.items():
            for place in places:
                target = Path(made, folder.name, part, str(whole.target[place]))
                target.mkdir(parents=True, exist_ok=True)
                picture = (whole.images[place] * 15.9375).astype(np.uint8)
                Image.fromarray(picture).save(target / f"{place:04d}.png")
        try:
            Path(made, folder.name).rename(folder)
        except OSError:
            if not folder.exists():  # else another process was sooner, with the same
                raise
    return folder


def network(home: Path) -> str:
    file = home / "small.yaml"
    write_whole(file, ("layers:\n" + "".join(f"  - {line}\n" for line in LAYERS)).encode())
    return str(file)


def searched(way: str, rep: int, trainings: int, home: Path) -> dict[str, Any]:
    """One repetition of one way to search: the study, and its best on test. Kept when it is done."""
    kept = home / "results" / f"{way.replace(', ', '-')}-{rep}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    folder = home / "studies" / f"{way.replace(', ', '-')}-{rep}"
    began = time.perf_counter()
    if (folder / "study.json").exists():
        study = foveal.tune(resume=folder)
    else:
        study = foveal.tune(
            digits(home, rep), over=OVER, epochs_total=trainings * EPOCHS, warm_start=False, search_seed=rep,
            seed=rep, network=network(home), out=str(folder), **FIXED, **WAYS[way],
        )  # fmt: skip
    seconds = time.perf_counter() - began
    assert study.best is not None
    assert study.default is not None
    rows = {
        "way": way,
        "rep": rep,
        "trials": len(study.trials),
        "epochs": study.epochs_done,
        "seconds": round(seconds, 1),
        "val": study.best.value,
        "test": foveal.evaluate(study.best.run, split="test").headline.value,
        "default_val": study.default.value,
        "default_test": foveal.evaluate(study.default.run, split="test").headline.value,
        "course": study.so_far(),
    }
    kept.parent.mkdir(exist_ok=True)
    write_json(kept, rows)
    return rows


def searches(args: argparse.Namespace) -> None:
    args.home.mkdir(parents=True, exist_ok=True)
    for rep in range(args.begin, args.reps):
        for way in args.ways or WAYS:
            row = searched(way, rep, args.trainings, args.home)
            print(
                f"{way:18} {rep}: test {row['test']:.4f}, val {row['val']:.4f}, {row['trials']} trials, "
                f"{row['epochs']} epochs, {row['seconds']:.0f} s",
                flush=True,
            )
    table(args)


def peers(args: argparse.Namespace) -> None:
    """The same data, network, ranges and epochs, with a search written by hand."""
    args.home.mkdir(parents=True, exist_ok=True)
    for rep in range(args.reps):
        for name, script in PEERS.items():
            kept = args.home / "results" / f"{name.replace(' ', '-')}-{rep}.json"
            file = Path(__file__).parent / "peers" / script
            if kept.exists() or not file.exists():
                continue
            command = [sys.executable, str(file), str(digits(args.home, rep)), str(rep), str(args.trainings)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", flush=True)
                continue
            row = json.loads(done.stdout.strip().splitlines()[-1])
            kept.parent.mkdir(exist_ok=True)
            write_json(kept, {"way": name, "rep": rep, **row})
            print(f"{name} {rep}: test {row['test']:.4f}, val {row['val']:.4f}", flush=True)
    table(args)


def table(args: argparse.Namespace) -> None:
    """Test accuracy with Student's 95 % intervals over repetitions, and when the mean of each search comes to the level
    that random search ends with: epochs with a bootstrap's 95 % interval over repetitions, and the share of random
    search's epochs."""
    rows = [json.loads(file.read_text()) for file in sorted((args.home / "results").glob("*.json"))]
    ends = {row["rep"]: row["val"] for row in rows if row["way"] == "random"}
    level = statistics.fmean(ends.values()) if ends else math.nan
    print(f"\n{machine()}; {versions('optuna', 'ray')}")
    print(f"level: {level:.4f} on validation, the mean of random search's best")
    print("| search | n | trials | test accuracy | its mean is at the level | of the epochs | minutes |")
    print("|---|---|---|---|---|---|---|")
    tests = [row["default_test"] for row in rows if row["way"] == "random"]
    if tests:
        print(f"| the default recipe alone | {len(tests)} | 1 | {interval(tests)} | | | |")
    for way in (*WAYS, *PEERS):
        mine = [row for row in rows if row["way"] == way]
        if not mine:
            continue
        beside = [row for row in mine if row["rep"] in ends]
        soon = how_soon([row["course"] for row in beside], [ends[row["rep"]] for row in beside])
        share = [f"{epochs / (args.trainings * EPOCHS):.2f}" for epochs in (soon.epochs, soon.low, soon.high)]
        trials = statistics.fmean(row["trials"] for row in mine)
        minutes = statistics.fmean(row["seconds"] for row in mine) / 60
        print(
            f"| {way} | {len(mine)} | {trials:.0f} | {interval([r['test'] for r in mine])} | {soon.says} | "
            f"{share[0]} [{share[1]}, {share[2]}] | {minutes:.1f} |"
        )


def interval(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.4f}"
    low, high = student(np.array(values))
    return f"{statistics.fmean(values):.4f} [{low:.4f}, {high:.4f}]"


def overhead(args: argparse.Namespace) -> None:
    """Seconds a trial of all that is not training: with an objective that is reckoned, and as a share of real ones."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from studies import Acted, study, tuned  # type: ignore[import-not-found]

    for search in ("random", "adaptive"):
        with tempfile.TemporaryDirectory() as made:
            budget = {"trials": args.trials, "minutes": None, "epochs_total": None}
            folder = study(Path(made, "s"), search=search, budget=budget, expected=args.trials, stop="none")
            began = time.perf_counter()
            tuned(folder, Acted())
            each = (time.perf_counter() - began) / args.trials
            print(f"{search}: {each:.3f} s a trial of {args.trials}, the objective empty", flush=True)
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        data = digits(home, 0)
        began = time.perf_counter()
        done = foveal.tune(
            data, over=OVER, trials=args.real, stop="none", search="random", warm_start=False,
            network=network(home), out=str(home / "s"), **FIXED,
        )  # fmt: skip
        whole = time.perf_counter() - began
        trained = [t.seconds for t in done.trials]
        # from one trial's first step to the next one's
        starts = [t.times[0] for t in done.trials]
        between = [b - a for a, b in itertools.pairwise(starts)]
        print(
            f"real: {args.real} trials in {whole:.1f} s; training and judging {statistics.median(trained):.2f} s a "
            f"trial, from one to the next {statistics.median(between):.2f} s (medians)"
        )
    print(machine())


def kills(args: argparse.Namespace) -> None:
    """Kill the tuner, its worker, or both at random moments: the study must be the one that was never killed."""
    dice = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        data, small = digits(home, 0), network(home)
        began = time.perf_counter()
        run(command(data, small, home / "whole", args.trials))
        length = time.perf_counter() - began
        want = Study.read(home / "whole")
        print(f"uninterrupted: {length:.1f} s, {len(want.trials)} trials", flush=True)
        done, studies = {"tuner": 0, "worker": 0, "both": 0}, 0
        while sum(done.values()) < args.kills:
            folder = home / f"killed-{studies}"
            finished = False
            while not finished and sum(done.values()) < args.kills:
                process = subprocess.Popen(
                    command(data, small, folder, args.trials),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                try:
                    finished = process.wait(dice.uniform(0.1, 0.7) * length) == 0
                except subprocess.TimeoutExpired:
                    whom = dice.choice(list(done))
                    done[whom] += killed(process, whom)
                    if whom == "worker":
                        finished = process.wait(600) == 0  # it goes on with another
                process.wait()
                if folder.exists() and not (folder / "study.json").exists():
                    shutil.rmtree(folder)  # killed before it was a study
            if not finished:
                run(command(data, small, folder, args.trials))
            compare(want, Study.read(folder))
            studies += 1
        print(f"{sum(done.values())} kills ({done}), {studies} studies, each equal to the uninterrupted one")
    print(machine())


def command(data: Path, small: str, folder: Path, trials: int) -> list[str]:
    base = [sys.executable, "-m", "foveal", "tune", "--json"]
    if (folder / "study.json").exists():
        return [*base, "--resume", str(folder)]
    fixed = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in FIXED.items()
        if name not in ("probe", "save_seconds", "verdict")
    ]
    over = [word for name, told in OVER.items() for word in ("--over", f"{name}={told}")]
    more = [
        "--network",
        small,
        "--trials",
        str(trials),
        "--out",
        str(folder),
        "--save-seconds",
        "0.2",
        "--no-probe",
    ]
    return [*base, str(data), *fixed, *over, *more, "--no-warm-start", "--no-verdict"]


def run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])


def killed(process: subprocess.Popen[bytes], whom: str) -> int:
    """Kill whom there is to kill; whether there was somebody."""
    import psutil

    try:
        workers = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        workers = []
    doomed = (workers if whom != "tuner" else []) + ([process.pid] if whom != "worker" else [])
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return int(bool(doomed))


def compare(want: Study, have: Study) -> None:
    """Every trial once, with the same settings, as far, and the same results."""
    told = [[(t.number, dict(t.options), t.state, t.curve) for t in study.trials] for study in (want, have)]
    if told[0] != told[1]:
        lines = [f"{a}\n  {b}" for a, b in zip(*told, strict=False) if a != b]
        raise SystemExit(f"{have.folder} differs:\n" + "\n".join(lines or ["in the number of trials"]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["searches", "peers", "overhead", "kills", "table"])
    parser.add_argument("--home", type=Path, default=Path("tuning-benchmark"))
    parser.add_argument("--reps", type=int, default=10)
    parser.add_argument(
        "--begin", type=int, default=0, help="the first repetition: others by another process"
    )
    parser.add_argument("--trainings", type=int, default=25)
    parser.add_argument("--ways", nargs="*", choices=list(WAYS))
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--real", type=int, default=8)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    {"searches": searches, "peers": peers, "overhead": overhead, "kills": kills, "table": table}[args.what](
        args
    )


if __name__ == "__main__":
    main()
