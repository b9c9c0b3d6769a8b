"""foveal export: what is typed goes in, an exit code comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from .commands import DataAt, Json, Model, Quiet, RunsDir, deliver
from .console import text
from .flags import given
from .screen import Screen


def export(
    model: Model,
    /,
    *,
    format: Annotated[
        str,
        Parameter(help="onnx, for ONNX Runtime and others; or torch, a program of torch.export."),
    ] = "onnx",
    to: Annotated[str | None, Parameter(help="The file (default: MODEL.onnx or MODEL.pt2, here).")] = None,
    data_at: DataAt = None,
    runs_dir: RunsDir = "runs",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Write a model as a file that runs without Foveal, compared with it on the run's pictures first."""
    from ..verbs.export import export as verb

    more = given({"to": to, "data_at": data_at})

    def work(screen: Screen) -> list[dict[str, Any]]:
        return verb(model, format=format, runs_dir=runs_dir, screen=screen, **more).to_json()

    return deliver(json, work, _shown, quiet=quiet, in_short=lambda rows: str(rows[0]["file"]))


def _shown(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Where the file lies, what it was compared on, what goes in and what comes out."""
    for one in rows:
        size = f"  {one['bytes'] / 1e6:.1f} MB"
        console.print(Text.assemble(text(one["file"], "bold green"), text(size, "dim")))
        whose = (
            "made-up pictures, as the model lies in no run with pictures" if one["made_up"] else "pictures"
        )
        far = f"at most {one['difference']:.1g} from what Foveal says, on {one['pictures']} {whose}"
        console.print(text(f"  says the same: {far}"))
        goes, comes = one["input"], one["output"]
        shape = ", ".join(map(str, goes["shape"]))
        console.print(
            text(f"  in: {goes['name']}, {goes['type']} [{shape}], {goes['colours']}, {goes['values']}")
        )
        console.print(text(f"  out: {comes['name']}, {comes['meaning']}"))
        console.print(text("  labels and preprocessing stand in its metadata", "dim"))
