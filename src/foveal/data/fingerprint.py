"""What a data set is, in one line: the same pictures with the same truths have the same fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from ..values import Item


def fingerprint(items: Iterable[Item]) -> str:
    """SHA-256 over every picture's content, truth and given part; names, order and place do not matter."""
    lines = sorted(json.dumps([item.sha256, item.truth, item.part], ensure_ascii=True) for item in items)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
