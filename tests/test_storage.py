"""Whole files, strict JSON, and the resume state's envelope."""

from __future__ import annotations

import hashlib
import io
import math
import os
import pickle
import random
import subprocess
import sys
import textwrap
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foveal import storage
from foveal.errors import DiskError, RunError
from foveal.storage import load_state, previous, read_json, save_state, to_json, write_json, write_whole

SRC = str(Path(__file__).parents[1] / "src")


def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A process of its own that runs `code`."""
    environment = {**os.environ, "PYTHONPATH": SRC, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


# --- whole files ---


def test_write_whole_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_whole(path, b"one")
    write_whole(path, b"two", memoryview(b" three"))
    assert path.read_bytes() == b"two three"
    assert names(path.parent) == ["file"]


def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, b"begun" * 100_000, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"old")
    code = """
        import resource, sys
        from foveal.errors import DiskError
        from foveal.storage import write_whole
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            write_whole(sys.argv[1], b"x" * 150_000, b"y" * 150_000)
        except DiskError as error:
            print(error.exit_code, error)
    """
    out, err = start(code, str(tmp_path / "file")).communicate()
    assert err == b""
    assert out.startswith(b"2 The disk is full: ")
    assert out.count(b"\n") == 3
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_file_in_place_of_a_folder_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(DiskError, match="in the way"):
        write_whole(tmp_path / "file" / "model", b"x")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_folder_in_place_of_a_file_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(DiskError, match="is a folder"):
        write_whole(tmp_path / "model", b"x")
    assert names(tmp_path) == ["model"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root, or Windows, may write everywhere"
)
def test_no_permission_is_a_disk_error(tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    with pytest.raises(DiskError, match="No permission"):
        write_whole(folder / "file", b"x")


KILLED = """
    import hashlib, sys
    from foveal.storage import write_whole
    for n in range(1_000_000):
        body = str(n).encode() * 300_000
        write_whole(sys.argv[1], hashlib.sha256(body).hexdigest().encode(), body)
        if n == 0:
            print("ready", flush=True)
"""


def test_a_kill_between_back_to_back_saves_always_leaves_a_whole_file(tmp_path: Path) -> None:
    path, chance = tmp_path / "file", random.Random(0)
    for _ in range(10):
        process = start(KILLED, str(path))
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"ready"
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        process.communicate()
        content = path.read_bytes()
        assert hashlib.sha256(content[64:]).hexdigest().encode() == content[:64]
    left = [p for p in tmp_path.iterdir() if p != path]
    for old in left:
        os.utime(old, (1, 1))
    storage.sweep(tmp_path)
    assert names(tmp_path) == ["file"]


def test_sweep_leaves_what_another_process_is_writing(tmp_path: Path) -> None:
    (tmp_path / ".foveal-1-ab.tmp").touch()
    (tmp_path / "mine.tmp").touch()
    os.utime(tmp_path / "mine.tmp", (1, 1))
    storage.sweep(tmp_path)
    assert names(tmp_path) == [".foveal-1-ab.tmp", "mine.tmp"]


# --- JSON ---


def test_json_is_strict_stable_and_ascii() -> None:
    text = to_json({"b": math.nan, "a": (1, -math.inf, 0.1), "å": Path("x"), "c": "\udc80\n"})
    assert text == '{"a":[1,null,0.1],"b":null,"c":"\\udc80\\n","\\u00e5":"x"}'
    assert to_json({"b": 1, "a": 2}) == to_json({"a": 2, "b": 1})


def test_json_round_trips_through_a_file(tmp_path: Path) -> None:
    value = {"x": [1, 2.5, "猫", None, {"y": True}], "tiny": 5e-324, "third": 1 / 3}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"a": 1',
        b"\xff\xfe{}",
        b"[1, 2]",
        b"[" * 200_000,
        b"null",
        b'{"a": 1' + b"0" * 5000 + b"}",
    ],
    ids=["empty", "brace", "torn", "bytes", "list", "deep", "null", "long"],
)
def test_damaged_json_is_a_run_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "options.json"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"options\.json is damaged"):
        read_json(path)


def test_missing_json_is_a_run_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not there"):
        read_json(tmp_path / "options.json")
    with pytest.raises(RunError, match="cannot be opened"):
        read_json(tmp_path)


# --- the resume state ---


def a_state(number: int = 1) -> dict[str, Any]:
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, fused=True)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return {
        "number": number,
        "network": layer.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": {"cpu": torch.get_rng_state()},
        "half": torch.arange(3, dtype=torch.bfloat16),
        "scalar": torch.tensor(1.5, dtype=torch.float64),
        "plain": [None, True, 1, 1 / 3, "猫", (1, 2), {}],
        "parameter": torch.nn.Parameter(torch.zeros(1)),
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = a_state()
    save_state(tmp_path / "resume.pt", state)
    back, notice = load_state(tmp_path / "resume.pt")
    assert notice is None
    assert same(state, back)
    assert (tmp_path / "resume.pt").read_bytes().startswith(b"foveal-state 1 ")


def test_the_state_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "resume.pt"
    for n in (1, 2, 3):
        save_state(path, {"n": n})
    assert names(tmp_path) == ["resume.previous.pt", "resume.pt"]
    assert load_state(path) == ({"n": 3}, None)
    assert load_state(previous(path))[0] == {"n": 2}


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def damages(content: bytes) -> dict[str, bytes]:
    cut = {f"cut at {share} %": content[: len(content) * share // 100] for share in (0, 1, 50, 99)}
    flips = {
        f"flip at {p}": flipped(content, p)
        for p in (0, 13, 20, 70, 85, 200, len(content) // 2, len(content) - 1)
    }
    return cut | flips | {
        "more": content + b"x",
        "text": b"hello",
        "plain torch.save": content.partition(b"\n")[2],
        "newer": content.replace(b"foveal-state 1", b"foveal-state 2", 1),
    }  # fmt: skip


def test_every_damage_falls_back_to_the_state_before(tmp_path: Path) -> None:
    path = tmp_path / "resume.pt"
    save_state(path, {"n": 1, "t": torch.zeros(50)})
    save_state(path, {"n": 2, "t": torch.ones(50)})
    whole = path.read_bytes()
    for what, content in damages(whole).items():
        path.write_bytes(content)
        state, notice = load_state(path)
        assert state["n"] == 1, what
        assert notice is not None, what
        assert notice.startswith("resume.pt "), what
        assert notice.endswith("going on from resume.previous.pt, the state before it")
    path.unlink()
    assert "is not there" in str(load_state(path)[1])


def test_a_damaged_state_does_not_push_out_the_good_one(tmp_path: Path) -> None:
    path = tmp_path / "resume.pt"
    save_state(path, {"n": 1})
    save_state(path, {"n": 2})
    path.write_bytes(path.read_bytes()[:-5])
    save_state(path, {"n": 3})
    assert load_state(path) == ({"n": 3}, None)
    assert load_state(previous(path))[0] == {"n": 1}


def test_both_states_damaged_is_a_run_error(tmp_path: Path) -> None:
    path = tmp_path / "resume.pt"
    save_state(path, {"n": 1})
    save_state(path, {"n": 2})
    path.write_bytes(b"")
    previous(path).write_bytes(b"foveal-state 9 ab 3\nabc")
    with pytest.raises(RunError, match=r"(?s)resume\.pt is no state.*newer Foveal.*--weights"):
        load_state(path)


def test_no_state_is_a_run_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no state to resume from"):
        load_state(tmp_path / "resume.pt")


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


def evil_contents(witness: Path) -> list[bytes]:
    """A bare pickle and a torch archive whose loading makes the file `witness`."""
    archive = io.BytesIO()
    torch.save({"state": Evil(str(witness))}, archive)
    return [pickle.dumps({"state": Evil(str(witness))}), archive.getvalue()]


@pytest.mark.parametrize("form", [0, 1], ids=["pickle", "archive"])
@pytest.mark.parametrize("dressed", [False, True], ids=["bare", "with an envelope"])
def test_a_malicious_pickle_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: int, dressed: bool
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    witness = tmp_path / "witness"
    payload = evil_contents(witness)[form]
    head = (
        f"foveal-state 1 {hashlib.sha256(payload).hexdigest()} {len(payload)}\n".encode() if dressed else b""
    )
    path = tmp_path / "resume.pt"
    path.write_bytes(head + payload)
    with pytest.raises(RunError):
        load_state(path)
    assert not witness.exists()
    # the payload is live: what trusts the environment runs it
    if form == 0:
        pickle.loads(payload)["state"].close()
    else:
        with pytest.warns(UserWarning, match="TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"):
            torch.load(io.BytesIO(payload))["state"].close()
    assert witness.exists()


@pytest.mark.parametrize(
    "value",
    [np.float64(1.0), np.zeros(2), {1, 2}, Path("x"), torch.float32, OrderedDict(a=object())],
    ids=lambda v: type(v).__name__,
)
def test_what_could_not_be_read_back_is_refused_when_saving(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match=r"state\['x'\]\[0\]"):
        save_state(tmp_path / "resume.pt", {"x": [value]})
    assert names(tmp_path) == []


STATES = """
    import sys, torch
    from foveal.storage import load_state, save_state
    path, n = sys.argv[1], int(sys.argv[2])
    while True:
        save_state(path, {"n": n, "tensor": torch.full((500_000,), n)})
        print(n, flush=True)
        n += 1
"""


def test_kills_between_back_to_back_saves_of_a_state(tmp_path: Path) -> None:
    path, chance, n = tmp_path / "resume.pt", random.Random(1), 1
    for _ in range(2):
        process = start(STATES, str(path), str(n))
        assert process.stdout is not None
        assert int(process.stdout.readline()) == n
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        told = [n, *map(int, process.communicate()[0].split())]
        state, _ = load_state(path)
        assert state["n"] >= told[-1]
        assert (state["tensor"] == state["n"]).all()
        n = state["n"] + 1
