"""Cures really tried: small trainings with and without them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import foveal
from foveal.doctor import Diagnosis, kept
from foveal.doctor.kept import Examined
from foveal.doctor.proof import FEWEST, Proof
from foveal.doctor.prove import AS_IT_WAS, prove
from foveal.errors import RunError
from foveal.finding import Cure, Evidence, Finding
from foveal.folders import PROOFS, held
from foveal.records.run import Run, is_run, runs_in
from pictures import class_folder


@pytest.fixture(scope="module")
def ill(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose rate is a hundred times too high."""
    home = tmp_path_factory.mktemp("prove")
    data = class_folder(home / "shapes", classes=3, each=24, size=16)
    done = foveal.train(
        data, network="lenet5", pretrained=False, size=32, batch=8, epochs=3, lr=50.0, optimizer="adamw",
        runs_dir=str(home / "runs"), precision="fp32", device="cpu", probe=False, augment="none",
    )  # fmt: skip
    return Run.open(done.run)


@pytest.fixture
def run(ill: Run, tmp_path: Path) -> Run:
    """A copy of it, to be proved on."""
    shutil.copytree(ill.folder, tmp_path / "runs" / "ill-1")
    return Run(tmp_path / "runs" / "ill-1")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more trainings than a verdict needs."""
    monkeypatch.setattr("foveal.doctor.budget.MOST", FEWEST)


def finding(rule: str = "rate_too_high", **cure: Any) -> Finding:
    return Finding(
        rule, "error", "It is ill.", (Evidence("It shows."),), "Because.", Cure("Do this.", **cure)
    )


def digests(folder: Path, without: tuple[str, ...]) -> dict[str, str]:
    files = [
        f for f in sorted(folder.rglob("*")) if f.is_file() and f.relative_to(folder).parts[0] not in without
    ]
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def nothing(message: object) -> None:
    """A screen that shows nothing."""


def test_a_cure_that_helps_is_seen_to_help(run: Run) -> None:
    before, proofs, heard = digests(run.folder, (PROOFS,)), list[Proof](), list[object]()
    prove(run, [finding(changes={"lr": 0.003})], 600, heard.append, proofs.append, rounds=False)
    assert [len(proof.pairs) for proof in proofs] == [1, 2, 3], "each pair is told when it is done"
    proof = proofs[-1]
    assert proof.verdict == "helps", proof.says
    assert proof.says.startswith("Restores ")
    assert proof.count == len(run.dataset.part("val"))
    assert proof.epochs == (3, 3)
    assert proof.whole
    assert any("6 trainings, 3 seeds with it and 3 without" in str(said) for said in heard)

    assert digests(run.folder, (PROOFS,)) == before, "the parent is as it was"
    made = sorted(f for f in (run.folder / PROOFS).rglob("*") if f.is_dir() and is_run(f))
    assert len(made) == 6
    lineage = [Run(f).options["lineage"] for f in made]
    assert [one.get("cured") for one in lineage] == [None] * 3 + ["rate_too_high"] * 3
    assert not any(f.name.startswith("resume") for f in (run.folder / PROOFS).rglob("*"))
    assert runs_in(run.folder.parent) == [run.folder], "they are not listed"
    foveal.delete(run.folder)
    assert not run.folder.exists(), "and go with the run"


@pytest.mark.slow
def test_cures_are_held_against_each_other(run: Run) -> None:
    proofs: list[Proof] = []
    weak = finding(changes={"lr": 20.0})
    prove(run, [weak], 600, nothing, proofs.append)
    proof = proofs[-1]
    assert proof.cure is not None, "a rate that is a little lower is not the cure"
    assert len(proof.held) >= 2
    assert proof.before is not None
    assert max(one.value or 0.0 for one in proof.held) > proof.before
    assert proof.verdict == "helps", proof.says
    assert proof.says.startswith("Restores ")
    assert (
        f"This is the best of {len(proof.held)} cures by one training each: {proof.cure.says}" in proof.says
    )
    own = int(run.options["train"]["seed"] or 0)
    assert own not in [pair.seed for pair in proof.pairs], "the seed that chose it does not prove it"
    assert kept.cure_of(weak, proof) == proof.cure
    again = Proof.from_json(json.loads(json.dumps(proof.to_json())))
    assert (again.cure, again.held) == (proof.cure, proof.held)


def test_both_sides_differ_in_the_cure_alone(run: Run) -> None:
    proofs: list[Proof] = []
    same, other = finding(changes={"lr": 50.0}), finding("not_finite", changes={"lr": 0.003}, exclude=())
    prove(run, [same], 600, nothing, proofs.append, rounds=False)
    assert [pair.before for pair in proofs[-1].pairs] == [pair.after for pair in proofs[-1].pairs]
    assert proofs[-1].verdict in ("no help", "unclear")
    first = {f.name for f in (run.folder / PROOFS / AS_IT_WAS).iterdir()}
    assert first == {"start-3-0", "start-3-1", "start-3-2"}
    heard: list[object] = []
    prove(run, [other], 0.001, heard.append, proofs.append, rounds=False)
    assert proofs[-1].verdict == "not tried"
    assert "--prove --minutes 1" in proofs[-1].says
    assert [f.name for f in (run.folder / PROOFS).iterdir() if f.is_dir()] == [], (
        "a second proof replaces the first"
    )


def test_pictures_that_a_cure_leaves_out_count_on_neither_side(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveal.doctor.budget.FEWEST", 1)
    monkeypatch.setattr("foveal.doctor.budget.MOST", 1)
    val, train = run.dataset.part("val"), run.dataset.part("train")
    gone = (val[0].id, train[0].id, train[1].id)
    proofs: list[Proof] = []
    prove(run, [finding("labels_noisy", exclude=gone)], 600, nothing, proofs.append, rounds=False)
    assert proofs[-1].count == len(val) - 1
    cured = Run(run.folder / PROOFS / "labels_noisy" / "seed-0")
    assert {i.id for i in run.dataset.items} - {i.id for i in cured.dataset.items} == set(gone)
    assert cured.options["lineage"]["excluded"] == list(gone)


def test_an_interrupt_loses_no_pair(run: Run) -> None:
    proofs: list[Proof] = []

    def stop(message: object) -> None:
        if proofs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="1 of 3 seeds are kept"):
        prove(run, [finding(changes={"lr": 0.003})], 600, in_second(stop), proofs.append, rounds=False)
    assert len(proofs[-1].pairs) == 1
    assert "Interrupted after 1 of 3 seeds." in proofs[-1].says


def in_second(stop: Callable[[object], None]) -> Callable[[object], None]:
    """A screen that is stopped in a training, not between two."""
    return lambda message: stop(message) if not isinstance(message, tuple) else None


def test_what_cannot_be_tried_is_told(run: Run) -> None:
    proofs: list[Proof] = []
    prove(run, [finding(changes={"size": 8})], 600, nothing, proofs.append, rounds=False)
    assert proofs[-1].verdict == "not tried"
    assert proofs[-1].says.startswith("The cure could not be tried: ")
    prove(run, [finding(repairs=("magic",))], 600, nothing, proofs.append, rounds=False)
    assert "There is no repair called 'magic'" in proofs[-1].says
    prove(run, [finding()], 600, nothing, proofs.append, rounds=False)
    assert len(proofs) == 2, "a cure that a person must carry out is no trial"
    with held(run.folder / PROOFS):
        with pytest.raises(RunError, match="in use"):
            prove(run, [finding(changes={"lr": 0.003})], 600, nothing, proofs.append, rounds=False)
        with pytest.raises(RunError, match="is being trained"):
            foveal.delete(run.folder)


def test_findings_are_kept_with_their_proofs(run: Run) -> None:
    assert run.findings is not None, "the quick look at the end of training"
    (run.folder / "findings.json").unlink()
    assert Run(run.folder).findings is None
    found = finding(changes={"lr": 0.003})
    proof = Proof("rate_too_high", "accuracy", True, 9, 3, failed="Not tried: no time.")
    made = Examined(
        run.folder, Diagnosis((found,), {"vanishing": "unwatched"}, ("rate_too_high", "vanishing")), "finished", 9,
        tests=("loss",), proofs={"rate_too_high": proof}, at=1.0,
    )  # fmt: skip
    kept.write(run, made)
    assert run.findings == (found,)
    assert kept.read(run) == made
    other = finding(changes={"lr": 0.01})
    assert kept.carried((found,), made) == {"rate_too_high": proof}
    assert kept.carried((other,), made) == {}, "of another cure that was no proof"
    (run.folder / "findings.json").write_text("{}")
    with pytest.raises(RunError, match=r"findings\.json is damaged"):
        _ = run.findings
