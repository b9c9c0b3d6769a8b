"""foveal anatomy --list: the architectures that have a name of their own, and what is to be said of each.

known.json keeps what the architectures say of themselves, so that listing them loads no torch. A test holds it
to them; `python -m foveal.verbs.known` writes it anew.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import catalog
from ..contracts import About

TABLE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Known:
    """The architectures that there are, oldest first, each with what is to be said of it."""

    rows: tuple[tuple[str, About], ...]

    def to_json(self) -> list[dict[str, Any]]:
        return [{"name": name, **dataclasses.asdict(about)} for name, about in self.rows]


def known() -> Known:
    """Every architecture that has a name of its own: year, idea, parameters, published accuracy and its source.
    `timm/NAME` are not among them, as there are more than a thousand."""
    kept = {name: About(**row) for name, row in json.loads(TABLE.read_text(encoding="utf-8")).items()}
    found = {name: kept.get(name) or asked(name) for name in _own_names()}  # other packages' are asked
    rows = [(name, about) for name, about in found.items() if about is not None]
    return Known(tuple(sorted(rows, key=lambda row: (row[1].year, row[1].parameters))))


def asked(name: str) -> About | None:
    """What an architecture says of itself, for which it is imported; None where it says nothing."""
    family = catalog.find("architectures", name)
    about: About | None = family.about(name) if hasattr(family, "about") else None
    return about


def table() -> str:
    """What known.json should hold: what every architecture says of itself."""
    rows = {name: about for name in _own_names() if (about := asked(name)) is not None}
    listed = {name: dataclasses.asdict(about) for name, about in rows.items()}
    return json.dumps(listed, ensure_ascii=False, indent=1) + "\n"


def _own_names() -> list[str]:
    return [name for name in catalog.names("architectures") if not name.endswith("/")]


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
