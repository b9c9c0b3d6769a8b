"""foveal anatomy and its commands: what is typed goes in, an exit code comes out."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from ..errors import OptionError
from ..verbs.anatomy import AnatomyOptions
from . import show_anatomy
from .arithmetic import conv
from .commands import ARGUMENTS, Json, Quiet, deliver
from .flags import takes
from .screen import Screen

anatomy = App(
    name="anatomy",
    help="Take a network apart: layers, shapes, parameters, receptive fields, what it costs.\n\n"
    "--list shows every network by name; conv does the arithmetic of one convolution.",
    help_format="plaintext",
    group_commands=Group("Commands", sort_key=0),
    group_arguments=ARGUMENTS,
    group_parameters=Group("Output", sort_key=90),
)


@anatomy.default
@takes(AnatomyOptions)
def taken_apart(
    network: Annotated[
        str | None,
        Parameter(
            group=ARGUMENTS,
            help="An architecture's name, a .yaml or .safetensors file, or a run's folder or name.",
        ),
    ] = None,
    /,
    *,
    list_: Annotated[
        bool, Parameter(name="--list", negative="", show_default=False, help="Show the networks there are.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Take a network apart: layers, shapes, parameters, receptive fields, what it costs."""
    from ..verbs.anatomy import anatomy as verb
    from ..verbs.known import known

    if list_ and network is None and not options:
        return deliver(json, lambda _: known().to_json(), show_anatomy.known)
    if network is None or list_:
        raise OptionError(
            "--list and a network were given." if network else "No network was named.",
            "A network's name, a .safetensors file or a run's folder; or --list alone.",
            "See what there is with: foveal anatomy --list",
        )

    def work(screen: Screen) -> dict[str, Any]:
        def progress(done: int, total: int) -> None:
            screen(("judging", done, total))

        return verb(network, progress=progress, **options).to_json()

    return deliver(json, work, show_anatomy.anatomy, quiet=quiet)


anatomy.command(conv, name="conv", sort_key=0)
