"""What was done, in sentences: stages, ties, how to do it again; on runs made up for each."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from foveal.records.gathered import Gathered
from foveal.report import curves, page, record
from foveal.report.calibration import calibration
from gathered import FINE, epoch, judged, made

STAGES = [
    {
        "name": "head",
        "trainable": "head",
        "epochs": 1,
        "lr": 0.002,
        "schedule": "cosine",
        "solve": True,
        "views": 1,
    },
    {"name": "all", "trainable": "all", "epochs": 19, "lr": 0.001, "schedule": "cosine", "share": 0.85},
]


def staged(values: list[float], best: int, losses: list[float] | None = None, **fit: Any) -> Gathered:
    """A run whose first epoch solved the head, with these headlines in validation."""
    losses = losses or [0.4] * len(values)
    rows = tuple(
        epoch(n, value, 0.4 if n == 1 else 1.0, loss, n == best, "head" if n == 1 else "all")
        for n, (value, loss) in enumerate(zip(values, losses, strict=True), 1)
    )
    return made(
        judged(FINE), rows,
        options={
            "architecture": {"name": "resnet18"}, "preprocessing": {"size": 128}, "data": "flowers",
            "fit": {"stages": STAGES, **fit}, "train": {"lr": 0.002, "augment": "light", "epochs": 20, "seed": 0},
        },
    )  # fmt: skip


def test_epochs_that_were_equally_good_are_named() -> None:
    assert "equally" not in record.done(staged([0.8, 0.85, 0.9], 3))
    said = record.done(staged([0.8, 0.9, 0.85, 0.9], 2))
    assert "The model of epoch 2, the best in validation, was kept and then judged" in said
    assert "Epochs 2 and 4 were equally good in validation (90%); the first of them was kept." in said
    said = record.done(staged([0.8, 0.9, 0.85, 0.9, 0.9], 4, [0.5, 0.4, 0.4, 0.3, 0.35]))
    assert (
        "Epochs 2, 4 and 5 were equally good in validation (90%); the one of the least loss was kept." in said
    )
    assert "8 epochs, from 2 to 9, were equally good" in record.done(staged([0.8] + [0.9] * 8, 2))


def test_that_fine_tuning_gained_nothing_is_said() -> None:
    lost = "Training all layers gained nothing over the head alone: it reached 85% at best, the head 90%."
    assert record.done(staged([0.9, 0.8, 0.85], 1)).endswith(lost)
    even = "Training all layers gained nothing over the head alone: both reached 90% at best."
    assert record.done(staged([0.9, 0.8, 0.9], 1)).endswith(even)
    assert "gained" not in record.done(staged([0.8, 0.7, 0.9], 3))
    assert "gained" not in record.done(made(judged(FINE))), "there is one stage only"


def test_a_solved_head_has_no_rate_and_no_schedule() -> None:
    g = staged([0.8, 0.7, 0.9], 3)
    assert (
        "First the head alone (solved at once for what the frozen layers see), then all layers (19 epochs planned, "
        "peak rate 0.001)." in record.done(g)
    )
    head, rest = record.stages(g)
    assert (head.epochs, head.rate, head.schedule) == ("solved at once", "–", "–")
    assert (rest.epochs, rest.rate, rest.schedule) == ("19", "0.001", "cosine")
    timed = staged([0.8, 0.7, 0.9], 3, seconds=60.0)
    assert "then all layers (for as long as there was time, peak rate 0.001)." in record.done(timed)
    assert record.stages(timed)[1].epochs == "by time"


def test_a_pinned_command_counts_epochs_and_not_the_clock() -> None:
    def pinned(g: Gathered, **more: Any) -> list[str]:
        train = {**g.train, "data": None, **more}
        again = record.again(
            dataclasses.replace(g, options={**g.options, "train": train}, machine={"device": "cpu"})
        )
        exactly = dict(again.rows)["How exactly"]
        assert exactly.startswith("Close: the run went by the clock" if g.timed else "Bit for bit")
        return again.pinned.split()

    words = pinned(staged([0.8, 0.7, 0.9], 3, seconds=60.0), minutes=1.0, epochs=None)
    assert "--minutes" not in words
    assert words[words.index("--epochs") + 1] == "3", "as many as there was time for"
    words = pinned(staged([0.8, 0.7, 0.9], 3))
    assert words[words.index("--epochs") + 1] == "20"


def test_why_the_training_loss_jumps() -> None:
    note = page._loss_note(staged([0.8, 0.7, 0.9], 3))
    assert (
        "Training loss jumps after epoch 1, where the stage changes: until then the head was solved for the pictures "
        "as they are; from there on all layers change, on varied pictures" in note
    )
    assert "jumps" not in page._loss_note(made(judged(FINE)))
    bands = curves.charts(staged([0.8, 0.7, 0.9], 3))[0].bands  # type: ignore[union-attr]
    assert [(band.start, band.end, band.name) for band in bands] == [(0, 1, "head"), (1, 3, "all")]


def test_what_the_temperature_changed_and_left() -> None:
    trust = {"temperature": 0.8, "calibration_error": 0.1, "calibration_error_before": 0.147, "loss": 0.5}
    evaluation = judged(FINE)
    evaluation.metrics["calibration_error"] = 0.137
    g = made(evaluation, result={"headline": {}, "trust": trust})
    found = calibration(g)
    assert found is not None
    assert found.columns == ("validation, before", "validation, after", "test, after")
    assert found.rows == (("Calibration error", ("14.7 points", "10.0 points", "13.7 points")),)
    assert "judged with it only" in found.note
    own = dataclasses.replace(evaluation, headline=dataclasses.replace(evaluation.headline, split="val"))
    found = calibration(dataclasses.replace(g, evaluation=own))
    assert found is not None
    assert (len(found.columns), len(found.rows[0][1])) == (2, 2)


def test_how_to_use_the_model(tmp_path: Path) -> None:
    g = dataclasses.replace(made(judged(FINE)), folder=tmp_path / "my runs" / "a-1")
    assert record.use(g) == (), "there is no model yet"
    g.folder.mkdir(parents=True)
    (g.folder / "best.safetensors").touch()
    said = dict(record.use(g))
    assert said["On pictures, and folders of them"] == f"foveal predict '{g.folder}' picture.jpg"
    compile(said["In Python"], "page", "eval")
    assert repr(str(g.folder)) in said["In Python"]
