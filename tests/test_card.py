"""What stands for a version where the code is run from a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from foveal.card import _checkout

WHO = ("-c", "user.name=a", "-c", "user.email=a@b.c")


def git(home: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=home, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A file of the package in a checkout with one commit, which git itself made."""
    file = tmp_path / "src" / "foveal" / "card.py"
    file.parent.mkdir(parents=True)
    file.write_text("", encoding="utf-8")
    git(tmp_path, "init", "-q", "-b", "some/branch")
    git(tmp_path, *WHO, "commit", "-q", "--allow-empty", "-m", "first")
    return file


def test_a_checkout_names_its_commit(module: Path) -> None:
    home = module.parents[2]
    commit = git(home, "rev-parse", "HEAD")
    assert _checkout(module) == f"checkout of {commit[:7]}"
    git(home, "pack-refs", "--all")
    assert not (home / ".git" / "refs" / "heads" / "some" / "branch").exists()
    assert _checkout(module) == f"checkout of {commit[:7]}"
    git(home, "checkout", "-q", "--detach")
    assert _checkout(module) == f"checkout of {commit[:7]}"


def test_where_no_commit_is_known(module: Path, tmp_path: Path) -> None:
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/none", encoding="utf-8")
    assert _checkout(module) == "checkout"
    (tmp_path / ".git" / "HEAD").unlink()
    assert _checkout(module) == "checkout"
    outside = tmp_path.parent / "not-a-checkout" / "x" / "y.py"
    assert _checkout(outside) == "unknown"
