"""A study on nodes that do not see its folder or its pictures: what goes there, and what comes back."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest

from foveal import data
from foveal.errors import DiskError, RunError
from foveal.events import Epoch
from foveal.folders import STUDY
from foveal.records.run import RESUME, Run
from foveal.storage import to_json
from foveal.tuners import cluster_mirror, cluster_pictures
from foveal.tuners.cluster_mirror import Baggage, Brought, Mirror, had, packed, safe, unpacked
from foveal.tuners.cluster_pictures import files, parcels, receive, store
from foveal.tuners.orders import Order, Outcome, Said
from foveal.values import Dataset, Item
from pictures import class_folder

EPOCH = Epoch(epoch=1, step=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study, and a trial of it that has begun."""
    pictures, there = class_folder(tmp_path / "bilder für alle", each=3), tmp_path / "study"
    items = tuple(
        Item(str(one.relative_to(pictures)), str(one.relative_to(pictures)), one.parent.name)
        for one in sorted(pictures.rglob("*.png"))
    )
    there.mkdir()
    Run(there).write_dataset(
        Dataset(str(pictures), "classify", "folder", "", ("a",), items, fingerprint="f" * 64)
    )
    (there / STUDY).write_text(to_json({"options": {"out": str(there / "trials")}}))
    return there


def mirror(folder: Path, **options: str) -> tuple[Mirror, Order]:
    root = Run(folder).dataset.root
    baggage = Baggage.of(folder, options, root, "f")
    return Mirror(baggage, f"{root} there"), Order(3, {**options, "out": str(folder / "trials" / "003")})


def trained(run: Path, state: bytes, lines: int) -> None:
    """As a run that has saved a state after so many lines of its log."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "events.jsonl").write_text("{}\n" * lines)
    (run / RESUME).write_bytes(state)
    (run / ".lock").write_bytes(b"")
    lineage = {"lineage": {"study": str(run.parents[1])}, "train": {"out": str(run)}}
    (run / "options.json").write_text(to_json(lineage))


def test_what_a_trial_writes_comes_back_as_if_it_had_been_written_here(folder: Path, tmp_path: Path) -> None:
    network = tmp_path / "netz ä.yaml"
    network.write_text("layers: [gap, linear]\n")
    there, order = mirror(folder, network=str(network), data_home="/nowhere at all")
    taken = there.taken(order, {})
    assert taken.options["data_home"] is None
    assert Path(taken.options["network"]).read_text() == network.read_text()
    assert Path(taken.options["network"]).stem == network.stem  # it names the run's network
    root = Run(folder).dataset.root
    assert Run(there.study).dataset.root == f"{root} there"
    run = Path(taken.options["out"])
    trained(run, b"one", 2)
    shown = json.loads((run / "options.json").read_text())
    (run / "options.json").write_text(to_json({**shown, "network": taken.options["network"]}))

    brought = there.brought({}, [Said(3, EPOCH)])
    brought.laid(folder)
    here = folder / "trials" / "003"
    assert (here / RESUME).read_bytes() == b"one"
    assert not (here / ".lock").exists()
    assert json.loads((here / "options.json").read_text()) == {
        "lineage": {"study": str(folder)}, "train": {"out": str(here)}, "network": str(network),
    }  # fmt: skip
    have = brought.known({})
    assert there.brought(have, [Said(3, EPOCH)]) == Brought()
    there.close()
    assert not there.home.exists()


def test_only_what_is_new_is_sent(folder: Path) -> None:
    there, order = mirror(folder)
    run = Path(there.taken(order, {}).options["out"])
    trained(run, b"one", 1)
    have = there.brought({}, [Said(3, EPOCH)]).known({})
    time.sleep(0.01)
    (run / "events.jsonl").write_text("{}\n" * 2)
    (run / "result.json").write_text("{}")
    assert there.brought(have, []) == Brought()  # nothing has happened
    learned = there.brought(have, [Said(3, EPOCH)])
    assert [*learned.files] == ["trials/003/events.jsonl"]  # no state: how it learns, alone
    have = learned.known(have)
    (run / RESUME).unlink()
    (there.study / "worker-7.log").write_text("said")
    ended = there.brought(have, [Outcome(3)])
    assert {*ended.files} == {"trials/003/result.json", "worker-7.log"}
    assert ended.gone == (f"trials/003/{RESUME}",)
    ended.laid(folder)
    assert not (folder / "trials" / "003" / RESUME).exists()
    assert ended.known(have).keys() == {
        "trials/003/events.jsonl", "trials/003/options.json", "trials/003/result.json", "worker-7.log",
    }  # fmt: skip
    there.close()


def test_a_trial_goes_on_where_it_was(folder: Path) -> None:
    here = folder / "trials" / "003"
    trained(here, b"state", 4)
    there, order = mirror(folder)
    files = had(folder, order)
    taken = there.taken(order, files)
    run = Path(taken.options["out"])
    assert (run / RESUME).read_bytes() == b"state"
    assert json.loads((run / "options.json").read_text())["train"]["out"] == str(run)
    known = Brought(files).known({})
    assert there.brought(known, []) == Brought()
    there.close()


@pytest.mark.parametrize("until", range(4))
def test_a_state_is_never_ahead_of_its_log(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: int
) -> None:
    trained(tmp_path / "run", b"4 lines", 4)
    names = ["events.jsonl", RESUME, "options.json", "watch.jsonl"]
    files = packed(tmp_path / "run", names)
    assert [*files][-1] == "events.jsonl"  # read after the state
    wrote, real = [0], cluster_mirror.write_whole

    def fails(path: Path, *parts: bytes) -> None:
        if wrote[0] == until:
            raise DiskError("full", "space", "free some")
        wrote[0] += 1
        real(path, *parts)

    monkeypatch.setattr(cluster_mirror, "write_whole", fails)
    there = tmp_path / "there"
    if until < len(files):
        with pytest.raises(DiskError):
            unpacked(there, files)
    assert (there / "events.jsonl").exists() or not (there / RESUME).exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:/x", "a\\x"])
def test_nothing_is_written_outside(name: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="sent a file"):
        safe(name)
    with pytest.raises(RunError):
        unpacked(tmp_path / "in", {name: ((0, 1), b"x")})


def test_pictures_and_masks_are_sent_whole(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEAL_DATA_HOME", str(tmp_path / "node"))
    monkeypatch.setattr(cluster_pictures, "PARCEL_BYTES", 1000)
    assert store("f").parent == data.home() / "sent"
    dataset = Run(folder).dataset
    mask = Path(dataset.root, "mask.bin")
    mask.write_bytes(b"m")
    first = dataclasses.replace(dataset.items[0], truth={"mask": "mask.bin", "legend": {"0": ["a"]}})
    dataset = dataclasses.replace(dataset, items=(first, *dataset.items[1:]))
    names = files(dataset)
    assert names is not None
    assert {*names} == {*(item.path for item in dataset.items), "mask.bin"}
    messages = [*parcels(dataset.root, names)]
    assert len(messages) > 1
    for message in messages:
        assert receive("f", "one", message) == ""
        assert not store("f").exists()  # seen whole, or not at all
    assert receive("f", "other", messages[0]) == ""
    assert receive("f", "one", None) == ""
    assert receive("f", "other", None) == ""  # later, with the same
    assert [one.name for one in store("f").parent.iterdir()] == ["f"]
    for name in names:
        assert Path(store("f"), name).read_bytes() == Path(dataset.root, name).read_bytes()


def test_pictures_that_lie_elsewhere_are_not_sent(folder: Path) -> None:
    dataset = Run(folder).dataset
    for path in ("../other.png", str(folder / "other.png")):
        item = dataclasses.replace(dataset.items[0], path=path)
        assert files(dataclasses.replace(dataset, items=(item,))) is None


def test_what_killed_nodes_left_is_removed(folder: Path) -> None:
    there, _ = mirror(folder)
    (there.home / ".owner").write_text("999999999")
    other, _ = mirror(folder)
    assert not there.home.exists()
    assert other.home.exists()
    other.close()
