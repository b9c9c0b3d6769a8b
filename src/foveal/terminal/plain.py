"""Text and JSON that are safe to print, whatever a file is called."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from ..storage import strict

# These turn the direction of what follows, so that a name could pose as another.
_TURNERS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


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


def to_json(value: Any) -> str:
    """One JSON document in ASCII: readable on every terminal, strict (what is not finite is null)."""
    return json.dumps(strict(value), indent=2, ensure_ascii=True, allow_nan=False)
