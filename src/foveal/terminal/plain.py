"""Text and JSON that are safe to print, whatever a file is called."""

from __future__ import annotations

import json
import shlex
import unicodedata
from typing import Any

from ..storage import strict

# These turn the direction of what follows, so that a name could pose as another.
_TURNERS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_INSIDE = frozenset('"$`!')
"""What means something to a shell even between double quotes."""
_MEANING = _INSIDE | frozenset("'&|;<>()*?[]{}#~^")


def plain(value: object, keep: str = "") -> str:
    """`value` as text in which nothing steers the terminal: such characters become escapes.

    Control characters (but those in `keep`), line separators, direction marks and the surrogates
    by which Python carries names that are not valid Unicode are shown as `\\x1b`, `\\u202e`, ...
    """
    return "".join(char if char in keep else _shown(char) for char in str(value))


def _shown(char: str) -> str:
    code = ord(char)
    if char.isprintable() and char not in _TURNERS:
        return char
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no Unicode, as os.fsdecode carries it
        return f"\\x{code - 0xDC00:02x}"
    kind = unicodedata.category(char)
    if char in _TURNERS or kind in ("Cc", "Cs", "Zl", "Zp"):
        return char.encode("unicode_escape").decode("ascii")
    return char


def quoted(path: str) -> str:
    """A path as it can be typed into a shell: in double quotes where it holds what means something there (which
    Windows takes as well), in a shell's own where these would not do."""
    if not any(char.isspace() or char in _MEANING for char in path):
        return path
    return shlex.quote(path) if any(char in _INSIDE for char in path) else f'"{path}"'


def to_json(value: Any) -> str:
    """One JSON document in ASCII: readable on every terminal, strict (what is not finite is null)."""
    return json.dumps(strict(value), indent=2, ensure_ascii=True, allow_nan=False)
