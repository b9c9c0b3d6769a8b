"""Commands as a person types them, for tests of the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from foveal.terminal.app import main


def spoken(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[Any, str]:
    """The one JSON document and what was said beside it."""
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return json.loads(said.out), said.err
