"""What one of several processes does in tests of distributed training: `python ranks.py OUT FOLDER WHAT:PORT...`.

Each process trains the small network of `small` with its share, and writes what came of it to OUT.WHAT.RANK.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

import small
from foveal import events
from foveal.errors import FovealError, OptionError
from foveal.loop.fit import fit
from foveal.loop.state import State
from foveal.machine import distributed
from foveal.machine.distributed import Crew
from foveal.options import Stage

STAGE = Stage("train", "all", 2, 0.05, "onecycle", 0.25)
TRAIN, VAL = 50, 26
"""Pictures: batches of 9 are no equal shares of two processes, and 26 no equal number of batches of 9."""


def plain(seed: int = 0, norm: bool = False) -> nn.Module:
    """The small network without what draws; without or with batch normalisation."""
    network = small.tiny(seed)
    network.drop = nn.Identity()
    if not norm:
        network.norm = nn.Identity()
    return network


def trained(folder: Path, crew: Crew, kind: str) -> dict[str, Any]:
    """Losses, metrics and weights of a training, as plain values."""
    data = small.drawings(folder, TRAIN, VAL, 0)
    size = 8 if kind == "synced" else 9
    changes: dict[str, Any] = {"stages": (STAGE,), "batch": size}
    if kind == "synced":
        changes |= {"sync_norm": True}
    if kind == "mixed":
        changes |= {"mixup": 0.4, "cutmix": 1.0, "erase": 0.5}
    if kind == "pieces":
        changes |= {"pieces": 3, "clip": 0.5, "ema": 0.9}
    share = dataclasses.replace(crew.share, neighbour=kind == "mixed" and not crew.alone)
    state = State(plain(norm=kind in ("synced", "own")), small.fit_options(**changes), crew=crew)
    train = small.batches(data, "train", size, share=share)
    check = small.batches(data, "val", size, share=crew.share)
    said = list(fit(state, small.task(), train, check, state.options))
    judged = state.evaluation
    assert judged is not None
    return {
        "losses": [e.loss for e in said if isinstance(e, events.Step)],
        "epochs": [{**e.metrics, "train_loss": e.train_loss} for e in said if isinstance(e, events.Epoch)],
        "ids": [row["id"] for row in judged.examples],
        "weights": [value.double().flatten().tolist() for value in state.network.state_dict().values()],
    }


def trial(folder: Path, crew: Crew, what: str) -> Any:
    """What the processes are to do."""
    if what == "fails" and crew.rank == 1:
        raise OptionError("the second met it", "this is allowed", "do this")
    if what == "breaks" and crew.rank == 1:
        raise ZeroDivisionError("a bug")
    if what in ("fails", "breaks"):
        return crew.told(None)
    if what == "stops":
        crew.asked = lambda: crew.rank == 1
        crew.turn(1.0)
        return crew.stop
    return trained(folder, crew, what)


def main(out: str, folder: str, *wanted: str) -> None:
    torch.set_num_threads(1)
    for what, port in (one.split(":") for one in wanted):
        os.environ["MASTER_PORT"] = port
        place = Path(f"{out}.{what}.{distributed.rank()}")
        try:
            with distributed.connected() as crew:
                place.write_text(json.dumps(trial(Path(folder), crew, what)))
        except FovealError as error:
            place.write_text(json.dumps({"error": error.came, "code": error.exit_code}))
        except distributed.Elsewhere as error:
            place.write_text(json.dumps({"elsewhere": error.exit_code}))
        except ZeroDivisionError as error:
            place.write_text(json.dumps({"bug": str(error)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
