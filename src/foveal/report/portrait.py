"""A portrait of what a network has learned, as a page: the picture, what it says, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from ..contracts import Portrayal
from .explain import source_of
from .page import environment, text

WIDEST = 1600
"""Pixels a side that a page shows of a picture; the file beside it has all."""
TITLES = {
    "maximize": "What excites it most, painted",
    "examples": "The pictures that excite it most",
    "activations": "One picture, layer by layer",
    "filters": "Its first layer's filters",
    "space": "The data as it sees them",
    "latent": "What is near to what",
}


def page(kind: str, model: str, made: Portrayal, cannot: str, source: str, files: Mapping[str, str]) -> str:
    """The page as text; `files` lie beside it."""
    image = made.drawn().convert("RGB")
    image.thumbnail((WIDEST, 4 * WIDEST))
    names = {what: Path(file).name for what, file in files.items()}
    return environment().get_template("portrait.html").render(
        css=Markup(text("style.css")), kicker=f"Portrait of {model}", title=TITLES.get(kind, kind), says=made.says,
        src=source_of(image), width=image.width, height=image.height, alt="; ".join(made.says) or kind,
        cannot=cannot, source=source, files=sorted(names.items()),
    )  # fmt: skip
