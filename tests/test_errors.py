"""Errors keep their three parts wherever they go."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest

from foveal import errors
from foveal.errors import DiskError, FovealError, PictureError, UnknownNameError, nearest, writing

KINDS = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, FovealError)]


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in (PictureError, UnknownNameError)])
def test_three_parts(kind: type[FovealError]) -> None:
    error = kind("came", "allowed", "todo")
    assert str(error) == "came\nallowed\ntodo"
    assert kind.exit_code == (1 if kind is errors.DivergedError else 2)
    assert kind.__name__ in (errors.__doc__ or ""), "the tree on top names it"


@pytest.mark.parametrize(
    "error",
    [
        PictureError("empty", "a", "b", "c"),
        UnknownNameError("network", "resnet81", ["resnet18"]),
        DiskError("a", "b", "c"),
    ],
)
def test_they_come_back_from_another_process(error: FovealError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__


def test_nearest_names() -> None:
    assert nearest("ResNet81", ["resnet18", "vgg11", "resnet50"])[0] == "resnet18"
    assert nearest("zzz", ["resnet18"]) == []


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "full"),
        (errno.EACCES, "permission"),
        (errno.EROFS, "permission"),
        (errno.ENOTDIR, "folder"),
    ],
)
def test_the_systems_refusals(number: int, says: str) -> None:
    with pytest.raises(DiskError) as error, writing(Path("runs/x")):
        raise OSError(number, "no")
    assert says in error.value.came
    assert "runs/x" in error.value.came


def test_other_failures_stay_what_they_are() -> None:
    with pytest.raises(OSError, match="odd"), writing("x"):
        raise OSError(errno.EIO, "odd")
