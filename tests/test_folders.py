"""Names that every system takes, folders made once, and the lock."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.errors import DiskError, RunError
from foveal.folders import claim, claim_next, held, is_held, safe_stem

SRC = str(Path(__file__).parents[1] / "src")


def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": SRC},
    )


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("flowers-resnet18", "flowers-resnet18"),
        ("timm/convnext_tiny", "timm-convnext_tiny"),
        ("猫と犬", "猫と犬"),
        ("قطة", "قطة"),
        ("می\u200cروم", "می\u200cروم"),
        ("Cafe\u0301", "Café"),
        ("🐈", "🐈"),
        ("CON", "_CON"),
        ("con.data", "_con.data"),
        ("lpt9", "_lpt9"),
        ("COM¹", "_COM¹"),
        ("console", "console"),
        ("com10", "com10"),
        ("..", "run"),
        ("", "run"),
        (" . ", "run"),
        ("../../etc", "etc"),
        ('a:b*c?d<e>f|g"h\\i', "a-b-c-d-e-f-g-h-i"),
        ("a\nb\tc d", "a-b-c-d"),
        ("-rf", "rf"),
        (".hidden.", "hidden"),
        ("\u202egnp.exe", "gnp.exe"),
        ("bad\udc80byte", "bad-byte"),
    ],
)
def test_safe_stem(text: str, stem: str) -> None:
    assert safe_stem(text) == stem


@given(st.text(st.characters(codec=None), max_size=300))
def test_a_stem_of_any_text_is_one_short_name(text: str) -> None:
    stem = safe_stem(text)
    assert 0 < len(stem.encode()) <= 101
    assert not set(stem) & set('<>:"/\\|?*\0\n\r')
    assert stem not in (".", "..")
    assert stem == stem.strip()
    assert not stem.startswith("-")
    assert safe_stem(stem) == stem


def test_numbers_go_on_after_the_highest(tmp_path: Path) -> None:
    made = [claim_next(tmp_path / "runs", "a").name for _ in range(3)]
    (tmp_path / "runs" / "a-2").rmdir()
    (tmp_path / "runs" / "a-41").touch()
    (tmp_path / "runs" / "a-b-99").mkdir()
    (tmp_path / "runs" / "a-²").mkdir()
    made += [claim_next(tmp_path / "runs", stem).name for stem in ("a", "a-b", "b")]
    assert made == ["a-1", "a-2", "a-3", "a-42", "a-b-100", "b-1"]


def test_parallel_starts_get_a_folder_each(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from foveal.folders import claim_next
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(10):
            print(claim_next(Path(sys.argv[1]), "digits-resnet9").name)
    """
    processes = [start(code, str(tmp_path / "runs")) for _ in range(8)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    got = [name for process in processes for name in process.communicate()[0].split()]
    assert len(got) == len(set(got)) == 80
    assert sorted(p.name.encode() for p in (tmp_path / "runs").iterdir()) == sorted(got)


def test_an_exact_folder_must_be_new(tmp_path: Path) -> None:
    assert claim(tmp_path / "a" / "b").is_dir()
    with pytest.raises(RunError, match="exists already"):
        claim(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="exists already"):
        claim(tmp_path / "file")


def test_a_file_in_the_way_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for make in (lambda: claim(tmp_path / "file" / "a"), lambda: claim_next(tmp_path / "file", "a")):
        with pytest.raises(DiskError):
            make()


HOLD = """
    import sys
    from pathlib import Path
    from foveal.folders import held
    with held(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
"""


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    process = start(HOLD, str(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"held"
    assert is_held(tmp_path)
    with pytest.raises(RunError, match=f"in use by process {process.pid} on "), held(tmp_path):
        pass
    process.communicate(b"\n")
    assert not is_held(tmp_path)
    with held(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".json"] == []


def test_a_kill_frees_the_folder(tmp_path: Path) -> None:
    process = start(HOLD, str(tmp_path))
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    assert not is_held(tmp_path)
    with held(tmp_path):
        pass


def test_an_error_inside_frees_the_folder_and_gets_out(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), held(tmp_path):
        1 / 0
    assert not is_held(tmp_path)


def test_two_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(RunError, match=f"process {os.getpid()} "), held(tmp_path):
        pass


def test_a_folder_that_is_gone_is_held_by_nobody(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []
