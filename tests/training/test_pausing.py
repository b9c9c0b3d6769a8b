"""A run that is paused and goes on is the run that was never paused, to the last bit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from foveal import plan, training
from foveal.events import Epoch, Event, Started, Stopped
from foveal.options import TrainOptions
from foveal.readers import prepare
from foveal.records.run import Run
from pictures import class_folder

QUICK = {"network": "resnet9", "pretrained": False, "size": 16, "batch": 8, "epochs": 3, "precision": "fp32"}


def test_paused_twice_and_continued(tmp_path: Path) -> None:
    data = class_folder(tmp_path / "shapes", classes=3, each=10, size=16)
    dataset, split = prepare(str(data), TrainOptions(), 0)

    def begin(name: str, pause: training.Pause | None) -> None:
        options = TrainOptions(**{**QUICK, "out": str(tmp_path / name)})  # type: ignore[arg-type]
        planned = plan.make(dataset, options)
        training.start(
            dataset, planned, "shapes", lambda m: None, time.time(), split, pause=pause, judged_on="val"
        )

    def after(epoch: int, batch: int = 0) -> training.Pause:
        """Stop after so many epochs; or in the next one's middle."""
        seen = [0, 0]

        def pause(event: Event) -> tuple[str, str] | None:
            if isinstance(event, Epoch):
                seen[:] = [event.epoch, 0]
            elif not isinstance(event, Started):
                seen[1] += 1
            return ("paused", "as asked") if seen[0] >= epoch and seen[1] >= batch else None

        return pause

    begin("whole", None)
    with pytest.raises(training.Paused, match="as asked"):
        begin("paused", after(1))
    folder = tmp_path / "paused"
    assert Run(folder).status == "paused"
    assert isinstance(Run(folder).history()[-1], Stopped)
    with pytest.raises(training.Paused):
        training.resume(str(folder), lambda m: None, time.time(), after(2, batch=2), dataset)
    done = training.resume(str(folder), lambda m: None, time.time(), None, dataset)
    for file in ("last.safetensors", "best.safetensors"):
        one, other = load_file(tmp_path / "whole" / file), load_file(folder / file)
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert [e.epoch for e in Run(folder).events() if isinstance(e, Epoch)] == [1, 2, 3]
    assert done.headline.split == "val", "the test pictures were not looked at"
    assert {c.split for c in Run(folder).model().card.scores} == {"val"}
