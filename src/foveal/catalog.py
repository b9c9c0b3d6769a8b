"""Plug-ins by file name: listing imports nothing, finding imports one.

A plug-in of kind `tasks` named `classify` is the module `foveal.tasks.classify`. A family file
declares a literal `NAMES` tuple, read without importing. Other packages add theirs through entry
points of the group `foveal.<kind>`. A name with a slash (`timm/convnext_tiny`) belongs to the
family before the slash, and a network's name that ends in .yaml to the family of networks in files.
"""

from __future__ import annotations

import ast
import functools
import importlib
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from .errors import UnknownNameError

_WORDS = {
    "architectures": "network",
    "readers": "reader",
    "tasks": "task",
    "doctor.rules": "illness",
    "tuners.searches": "search",
}
_FILES = (".yaml", ".yml")


@functools.cache
def _table(kind: str) -> dict[str, str]:
    """Every name of this kind and the module that has it."""
    table: dict[str, str] = {}
    for file in sorted((Path(__file__).parent / kind.replace(".", "/")).glob("[!_]*.py")):
        for name in _declared(file) or (file.stem,):
            table[name] = f"foveal.{kind}.{file.stem}"
    for point in entry_points(group=f"foveal.{kind}"):
        table.setdefault(point.name, point.value)
    return table


def _declared(file: Path) -> tuple[str, ...]:
    """The literal `NAMES` of a family file, or nothing."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "NAMES" for t in node.targets
        ):
            return tuple(ast.literal_eval(node.value))
    return ()


def names(kind: str) -> tuple[str, ...]:
    """The names of one kind of plug-in (`readers`, `tasks`, ...), sorted; imports nothing."""
    return tuple(sorted(_table(kind)))


def find(kind: str, name: str) -> ModuleType:
    """The module of a plug-in.

    Raises:
        UnknownNameError: no plug-in of this kind has the name.
    """
    table = _table(kind)
    target = table.get(name) or table.get(_family(kind, name))
    if target is None:
        raise UnknownNameError(_WORDS.get(kind, kind.rstrip("s")), name, table)
    return importlib.import_module(target)


def _family(kind: str, name: str) -> str:
    """The name of the family that a name belongs to."""
    if kind == "architectures" and name.endswith(_FILES):
        return "own/"
    return name.partition("/")[0] + "/" if "/" in name else name
