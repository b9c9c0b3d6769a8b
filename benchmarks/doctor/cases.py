"""The work on one case, in a process of its own where there are several: its certificate, and what the doctor says."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from . import certificates, naive, networks
from .cures import cured
from .rows import Control, Fault
from .runs import ROWS, Home

Row = dict[str, Any]


def ready() -> None:
    """One thread a process, and the staged networks known."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    networks.register()


def certified(name: str, keep: str) -> Row:
    """The certificate of a row."""
    ready()
    row, home = ROWS[name], Home(Path(keep))
    made = certificates.fault(row, home) if isinstance(row, Fault) else certificates.control(row, home)
    return {"name": name, **made}


def diagnosed(name: str, keep: str, certificate: Row, with_cure: bool, again: bool) -> Row:
    """What the doctor says of a case, whether it is right, and what its cure brings back."""
    ready()
    row, home = ROWS[name], Home(Path(keep))
    case, said = home.diagnosis(name, again)
    found = [finding.rule for finding in said.findings]
    told: Row = {
        "name": name, "held_out": row.held_out, "stranger": row.stranger,
        "found": found, "unsure": dict(said.unsure), "seconds": None,
        "symptoms": {f.rule: [s.rule for s in f.symptoms] for f in said.findings}, "naive": naive.alarms(case),
        "says": [finding.says for finding in said.findings],
    }  # fmt: skip
    if isinstance(row, Control):
        return {**told, "score": certificate["score"]}
    right = {*row.roots, *row.useful}
    every = {*found, *(s.rule for f in said.findings for s in f.symptoms)}
    told |= {"points": certificate["points"], "root": bool(found) and found[0] in row.roots,
             "useful": bool(every & right), "roots": list(row.roots)}  # fmt: skip
    if with_cure and said.findings:
        told["cure"] = asdict(cured(row, said.findings, home, certificate))
    return told


def each(
    work: Callable[..., Row], names: Sequence[str], arguments: Callable[[str], tuple[Any, ...]], jobs: int
) -> Iterator[Row]:
    """The work's rows as they come; a case that cannot be staged here is said and left out."""
    if jobs == 1:
        for name in names:
            try:
                yield work(name, *arguments(name))
            except FileNotFoundError as error:
                print(f"{name}: left out: {error}", flush=True)
            except Exception:
                print(f"{name}: failed\n{traceback.format_exc(limit=-3)}", flush=True)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        waiting = {pool.submit(work, name, *arguments(name)): name for name in names}
        for done in as_completed(waiting):
            try:
                yield done.result()
            except Exception as error:
                print(f"{waiting[done]}: left out: {type(error).__name__}: {error}", flush=True)
