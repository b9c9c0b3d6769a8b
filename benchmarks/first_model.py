"""From nothing to a first useful model, and how soon others are as good.

    python benchmarks/first_model.py FOLDER [FOLDER ...] [--rounds 5] [--full 1] [--peers fastai]
        [--keep first_model.jsonl] [--envs FOLDER]

Claims checked: on 2,000 training and 600 validation photographs of 500 px a first useful model stands at
most 45 s after the process was started (a careless script needs 49 s); at least ten times sooner than
fastai's `fine_tune` reaches the accuracy it ends with after three epochs; and fine-tuning from there
beats that accuracy.

The photographs are made from the class folders given, each of which gives the same share: random crops of
70 to 98 % of the sides, the longer one resized to 500 px, JPEG of quality 90. Where a folder has fewer
photographs than it is to give, several crops are cut from one; no photograph (by its name's number and by
its content) has crops on both sides. What was made of what is said in the output. So accuracies are those
of these cuts, and validation pictures that are cut from one photograph are not independent.

Each contestant is a process of its own, timed from its start; the pictures were just read, so they lie in
the operating system's cache; all caches of ours are empty. `foveal train DATA --json` is ended as soon as
its first model is saved (`--rounds` times, in turn with the careless script), and let run to its end
`--full` times, in turn with the peers, who fine-tune the same bundled weights for `--epochs` epochs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ours
from contest import ENVS, PEERS, TRAINERS, Row, answered, available, weights_file
from measure import Kept, interleaved, machine, ratios, versions, with_interval
from photographs import Rows, cut, written

NETWORK, SIZE = "efficientnet_lite0", 224


def warm(rows: Rows, calls: dict[str, Callable[[], Row]]) -> dict[str, Callable[[], Row]]:
    """The same calls, each after every picture was read, so that all lie in the operating system's cache."""

    def after(call: Callable[[], Row]) -> Row:
        for path, _, _ in rows:
            Path(path).read_bytes()
        return call()

    return {name: partial(after, call) for name, call in calls.items()}


def first(folder: Path, more: list[str]) -> Row:
    """A cold start to the first saved model."""
    try:
        done = ours.train(folder, *more, until_first=True)
    except RuntimeError as error:
        return {"error": str(error)}
    seconds, accuracy = done.first_model()
    return {"seconds": seconds, "accuracy": accuracy}


def whole(folder: Path, more: list[str]) -> Row:
    """A whole run: its first model, every judgement, and its end."""
    try:
        done = ours.train(folder, *more)
    except RuntimeError as error:
        return {"error": str(error)}
    seconds, accuracy = done.first_model()
    return {
        "seconds": seconds,
        "accuracy": accuracy,
        "said": done.result["first_model_seconds"],
        "history": [{"at": at, "accuracy": value, "stage": stage} for at, value, stage in done.accuracies()],
        "end": {"seconds": done.seconds, "accuracy": done.result["headline"]["value"]},
        "peak_bytes": done.peak_bytes,
        "chosen": {k: str(v) for k, v in done.chosen().items()},
    }


def careless(job: Row, envs: Path, timeout: float) -> Row:
    """The careless script, from its process's start to its exit."""
    row = answered("careless", job, envs, timeout)
    return (
        {**row, "seconds": row["wall"], "accuracy": row["history"][-1]["accuracy"]} if "wall" in row else row
    )


def tuned(peer: str, job: Row, envs: Path, timeout: float) -> Row:
    """A peer's fine-tuning: when it first had the accuracy that it ended with."""
    row = answered(peer, job, envs, timeout)
    if "history" in row:
        last = row["history"][-1]["accuracy"]
        reached = next(h["at"] for h in row["history"] if h["accuracy"] >= last)
        row |= {"seconds": reached, "accuracy": last}
    return row


def reached(row: Row, accuracy: float) -> float | None:
    """When a run of ours was first judged as good as this."""
    times = [h["at"] for h in row.get("history", []) if h["accuracy"] >= accuracy]
    return min(times) if times else None


def measured(
    args: argparse.Namespace, rows: Rows, folder: Path, more: list[str]
) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    """The cold starts, and the whole runs."""
    kept, home = Kept(args.keep), folder.parent
    _, listed = written(rows, home)
    job = {
        "rows": str(listed), "network": NETWORK, "weights": str(weights_file(NETWORK, home)), "size": SIZE,
        "preset": "own", "epochs": args.epochs, "mean": [0.5] * 3, "std": [0.5] * 3, "threads": args.threads,
        "folder": str(home),
    }  # fmt: skip
    names = [f.name for f in args.folders]
    key = {"train": args.train, "val": args.val, "side": args.side, "folders": names, "options": more}
    starts: dict[str, Callable[[], Row]] = {
        "foveal": partial(first, folder, more),
        "careless": partial(careless, job, args.envs, args.timeout),
    }
    ends: dict[str, Callable[[], Row]] = {"foveal": partial(whole, folder, more)}
    for peer in available(args.peers, args.envs):
        ends[peer] = partial(tuned, peer, {**job, "do": "fine-tune"}, args.envs, args.timeout)
    cold = interleaved(warm(rows, starts), args.rounds, kept, {**key, "what": "first"}, "seconds")
    return cold, interleaved(warm(rows, ends), args.full, kept, {**key, "what": "whole"}, "seconds")


def line(name: str, rows: list[Row]) -> None:
    good = [row for row in rows if row.get("seconds")]
    if not good:
        print(f"  {name:24} {rows[0].get('error', 'no figure') if rows else 'not run'}")
        return
    values = [row["accuracy"] for row in good if row.get("accuracy") is not None]
    said = f"{statistics.fmean(values):.4f}" if values else "?"
    print(f"  {name:24} {with_interval([row['seconds'] for row in good], ' s')}; accuracy {said}")


def report(cold: dict[str, list[Row]], full: dict[str, list[Row]]) -> None:
    """The claims, one after the other."""
    print("\nfrom process start, validation accuracy:")
    line("foveal, first model", cold["foveal"])
    line("careless script, end", cold["careless"])
    print(f"  careless / ours: {with_interval(ratios(cold['careless'], cold['foveal'], 'seconds'))}")
    runs = [row for row in full["foveal"] if "end" in row]
    for row in runs:
        print(
            f"  whole run: first model {row['seconds']:.1f} s ({row['said']:.1f} s by its own word), judged:"
        )
        told = (f"{h['at']:.0f} s {h['stage']} {h['accuracy']:.4f}" for h in row["history"])
        print("    " + ", ".join(told))
        print(f"    end {row['end']['seconds']:.1f} s, best model {row['end']['accuracy']:.4f}")
    for peer, rows in full.items():
        if peer == "foveal":
            continue
        line(f"{PEERS[peer].title}", rows)
        there = [row for row in rows if row.get("seconds")]
        for row in there:
            print(
                "    " + ", ".join(f"{h['at']:.0f} s {h['accuracy']:.4f}" for h in row["history"])
                + f"; process {row['wall']:.0f} s"
            )  # fmt: skip
        if not there or not runs:
            continue
        accuracy = statistics.fmean(row["accuracy"] for row in there)
        seconds = statistics.fmean(row["seconds"] for row in there)
        starts = [row["seconds"] for row in [*cold["foveal"], *full["foveal"]] if row.get("seconds")]
        print(f"    our first model is {seconds / statistics.median(starts):.1f} times sooner")
        when = [at for row in runs if (at := reached(row, accuracy)) is not None]
        mean = statistics.fmean(when) if when else 0.0
        sooner = f"after {mean:.1f} s, {seconds / mean:.1f} times sooner" if when else "never"
        print(f"    its accuracy {accuracy:.4f} is reached by ours {sooner}")
        best = statistics.fmean(row["end"]["accuracy"] for row in runs)
        print(f"    ours ends at {best:.4f}: {100 * (best - accuracy):+.2f} points")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--val", type=int, default=600)
    parser.add_argument("--side", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--full", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3, help="the peers'; fastai's first is frozen")
    parser.add_argument("--peers", nargs="*", choices=TRAINERS, default=["fastai"])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument(
        "--options", nargs="*", default=[], metavar="WORD", help="for ours, without their dashes"
    )
    parser.add_argument("--timeout", type=float, default=3600)
    parser.add_argument("--envs", type=Path, default=ENVS)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    more = [f"--{word}" if n % 2 == 0 else word for n, word in enumerate(args.options)]
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, "photographs")
        rows, made = cut(args.folders, folder, args.train, args.val, args.side)
        print(f"{args.train} training, {args.val} validation pictures of {args.side} px: {made}")
        report(*measured(args, rows, folder, more))
    print(f"{made}\n{machine()}\n{versions('torchvision', 'timm', 'pillow', 'scikit-learn', 'foveal')}")


if __name__ == "__main__":
    main()
