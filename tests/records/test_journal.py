"""The stream of events and TensorBoard's copy of it."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from foveal.errors import DiskError, RunError
from foveal.events import REWOUND, Epoch, Event, Noticed, Started, Step, Stopped, latest
from foveal.records.journal import Journal, Scalars
from foveal.values import Score

SRC = str(Path(__file__).parents[2] / "src")
HEADLINE = dataclasses.asdict(Score("accuracy", 0.5, 0.4, 0.6, True, "val"))


def epoch(number: int, step: int, attempt: int = 1, value: float = 0.5) -> Epoch:
    told = {"accuracy": value}
    return Epoch(epoch=number, step=step, attempt=attempt, metrics=told, headline=HEADLINE, at=1e9)


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    told: list[Event] = [
        Started(epochs=3, steps_per_epoch=10, stages=("head", "all"), at=1.5),
        Step(step=1, loss=1 / 3, lr=5e-324, seconds_left=None),
        epoch(1, 10),
        Noticed(what="data", says="猫\n\udc80"),
        Stopped(why="early", says='"quoted"'),
    ]
    journal = Journal(tmp_path / "events.jsonl")
    for event in told:
        journal.append(event)
        assert Journal(journal.path).read()[-1] == event
    journal.close()
    assert journal.read() == told
    assert len((tmp_path / "events.jsonl").read_bytes().splitlines()) == len(told)


def test_no_file_is_no_events(tmp_path: Path) -> None:
    assert Journal(tmp_path / "events.jsonl").read() == []
    with pytest.raises(RunError, match="cannot be opened"):
        Journal(tmp_path).read()


def test_numbers_that_are_not_finite_are_null_on_the_disk_and_nan_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.jsonl")
    journal.append(Step(step=1, loss=math.nan, lr=math.inf))
    lost = {**HEADLINE, "value": math.nan}
    journal.append(Epoch(step=2, metrics={"loss": math.inf, "f1": 1.0}, headline=lost))
    journal.close()
    assert b"NaN" not in journal.path.read_bytes()
    assert b"Infinity" not in journal.path.read_bytes()
    step, judged = journal.read()
    assert isinstance(step, Step)
    assert math.isnan(step.loss)
    assert math.isnan(step.lr)
    assert step.seconds_left is None
    assert isinstance(judged, Epoch)
    assert math.isnan(judged.metrics["loss"])
    assert math.isnan(judged.headline["value"])
    assert judged.metrics["f1"] == 1.0


def test_a_line_torn_anywhere_is_passed_over_and_sticks_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first, torn, after = Step(step=1, loss=0.5), Noticed(step=2, says="猫" * 5), Step(step=3, loss=0.25)
    journal = Journal(path)
    journal.append(first)
    start = path.stat().st_size
    journal.append(torn)
    journal.close()
    whole = path.read_bytes()
    for size in range(start + 1, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert journal.read() == [first]
        journal.append(after)
        journal.close()
        assert journal.read() == [first, after], size
    # only the line's end is missing: the event is whole
    path.write_bytes(whole[:-1])
    journal.append(after)
    journal.close()
    assert journal.read() == [first, torn, after]


def test_foreign_and_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [b"null", b"[1]", b'"x"', b"{}", b'{"event":"later"}', b"\xff\xfe", b"[" * 100_000, b"", b"7"]
    lines += [b'{"event":"step","step":"4"}', b'{"event":"step","at":[1]}', b'{"event":["step"]}']
    path.write_bytes(b"\n".join(lines) + b'\n{"event":"step","step":4,"unknown":1}\n')
    assert Journal(path).read() == [Step(step=4)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_a_full_disk_tears_one_line_and_no_other(tmp_path: Path) -> None:
    code = """
        import resource, sys
        from pathlib import Path
        from foveal.errors import DiskError
        from foveal.events import Step
        from foveal.records.journal import Journal
        journal = Journal(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
        written = 0
        try:
            while True:
                journal.append(Step(step=written))
                written += 1
        except DiskError:
            print(written)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.append(Step(step=written))
        journal.close()
    """
    path = tmp_path / "events.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(path)],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": SRC},
        check=False,
    )
    assert done.stderr == b""
    written = int(done.stdout)
    assert written > 20
    assert [event.step for event in Journal(path).read()] == list(range(written + 1))


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError):
        Journal(tmp_path / "file" / "events.jsonl").append(Step())


def test_two_attempts_and_a_setback_count_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.jsonl")
    first = [Started(), *(Step(step=n) for n in (1, 2)), epoch(1, 2), Step(step=3), epoch(2, 4)]
    second = [Started(attempt=2, step=2), Step(attempt=2, step=3), Step(attempt=2, step=4), epoch(2, 4, 2)]
    setback = [Noticed(attempt=2, step=3, what=REWOUND), Step(attempt=2, step=4, loss=0.1), epoch(2, 4, 2)]
    for event in (*first, *second, *setback):
        journal.append(event)
    journal.close()
    counted = latest(journal.read())
    assert [e.step for e in counted if isinstance(e, Step)] == [1, 2, 3, 4]
    assert [e.epoch for e in counted if isinstance(e, Epoch)] == [1, 2]
    assert [e.loss for e in counted if isinstance(e, Step)][-1] == 0.1
    assert [e.attempt for e in counted if isinstance(e, Step)] == [1, 1, 2, 2]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself shows for a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(folder), {"scalars": 0})
    shown.Reload()
    return {tag: [(e.step, e.value) for e in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}


def test_tensorboard_shows_every_step_once_after_a_kill(tmp_path: Path) -> None:
    steps = [Step(step=n, loss=n / 2, lr=0.5, at=1e9 + n) for n in range(1, 5)]
    events: list[Event] = [Started(), *steps, epoch(1, 4)]
    lost = [Step(step=5, loss=9.0), Step(step=6, loss=9.0)]
    first = Scalars(tmp_path)
    for event in (*events, *lost):
        first.add(event)
    first.flush()  # and then the process is killed
    assert curves(tmp_path)["train/loss"][-1] == (6, 9.0)
    again = Started(attempt=2, step=4)
    second = Scalars(tmp_path, [*events, *lost, again])
    after = Step(step=5, attempt=2, loss=1.0), Step(step=6, attempt=2, loss=math.nan)
    for event in (*after, epoch(2, 8, 2, 0.75)):
        second.add(event)
    shown = curves(tmp_path)
    second.close()
    first.close()
    assert shown["train/loss"] == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0), (5, 1.0)]
    assert [step for step, _ in shown["train/lr"]] == [1, 2, 3, 4, 5, 6]
    assert shown["val/accuracy"] == [(4, 0.5), (8, 0.75)]
    assert [step for step, _ in shown["train/epoch_loss"]] == [4, 8]
