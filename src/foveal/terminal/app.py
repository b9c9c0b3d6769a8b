"""`foveal`: from the words typed to an exit code. Every error ends here, in three parts."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import cyclopts
from cyclopts import App, CycloptsError

from ..errors import FovealError, OptionError
from ..machine import distributed
from ..machine.interrupt import SIGNALS
from .console import error_console, help_console
from .plain import plain, to_json
from .refusals import refusal

VERBS = {
    "inspect": "Read a data set, say what it is, check every picture and label.",
    "train": "Train a network for the task that the data poses.",
    "evaluate": "Judge a model on labelled pictures, with confidence intervals.",
    "predict": "Say what a model sees in pictures and folders of pictures.",
    "explain": "Show which places of pictures what a model says of them comes from.",
    "diagnose": "Say what is wrong with a run, why, and what would cure it; try the cure.",
    "export": "Write a model as a file that runs without Foveal: ONNX, or torch.export.",
    "anatomy": "Take a network apart: layers, shapes, parameters, receptive fields, what it costs.",
    "compare": "Set runs side by side, or train several networks first: which is better, and is that sure?",
    "tune": "Search for settings that train a better network: grid, random or adaptive.",
    "runs": "List what has been trained here; fork, resume, compare and delete it.",
}
GROUPS = {
    "runs": ("fork", "resume", "diff", "report", "delete", "clean"),
    "anatomy": ("conv",),
    "explain": ("maximize", "examples", "activations", "filters", "space", "latent"),
}
"""Verbs that have commands of their own."""
PLACES = {
    "runs": "manage",
    "anatomy": "anatomy",
    "explain": "explain",
    "compare": "compare",
    "diagnose": "diagnose",
    "export": "export",
    "tune": "tune",
}
"""The modules of `foveal.terminal` that verbs are in which are not in `commands`."""
BEGAN: ContextVar[float] = ContextVar("began")
"""When the command began, in Unix seconds: what it took counts from there."""
WAITING = ("OMP_WAIT_POLICY", "PASSIVE")
"""Threads that wait for each other sleep instead of spinning: on an idle machine as fast, beside other programs
one and a half times and more, as spinning threads hold the cores that the late ones need. Read when torch loads."""
SPEECH_SECONDS = 2.0
"""Time for process 0 of a training on several to say what is wrong."""
PURPOSE = "A workbench for convolutional networks: a folder of pictures in, a network you can trust out."
FIRST = (
    'Begin with "foveal train": with no DATA it learns the built-in handwritten digits. '
    '"foveal VERB --help" lists the options of a verb.'
)


def build() -> App:
    """The table of verbs; a verb's own module is imported when it is called."""
    app = App(
        name="foveal",
        help=f"{PURPOSE}\n\n{FIRST}",
        help_format="plaintext",
        version=_version,
        console=help_console(),
        group_commands=cyclopts.Group("Verbs", sort_key=0),
        group_arguments=cyclopts.Group("Arguments", sort_key=1),
        group_parameters=cyclopts.Group("Output", sort_key=90),
    )
    for rank, (verb, meaning) in enumerate(VERBS.items()):
        where = PLACES.get(verb, "commands")
        app.command(f"foveal.terminal.{where}:{verb}", name=verb, help=meaning, sort_key=rank)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 bad input, 130 interrupted, 1 a bug."""
    # What the processor did until here is, nearly, how long ago the process started.
    BEGAN.set(time.time() - (time.process_time() if argv is None else 0.0))
    if argv is None:
        os.environ.setdefault(*WAITING)
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name must not end a command
    try:
        with _terminable():
            code = _run(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _stop_writing()
        return 0
    except distributed.Elsewhere as error:
        return _silent(error.exit_code)
    except FovealError as error:
        if distributed.local_rank():  # the same is said to all of this machine
            return _silent(error.exit_code)
        return _fail(words, (error.came, error.allowed, error.todo), error.exit_code)
    except KeyboardInterrupt as stop:
        if distributed.rank():
            return _silent(130)
        hint = str(stop) or "Call the command again."
        return _fail(words, ("Interrupted.", "Every file that had been written is whole.", hint), 130)
    except Exception as error:
        _traceback()
        bug = (
            f"{type(error).__name__}: {error}",
            "This should not happen: it is a bug in Foveal.",
            "Please report it, with the lines above and what `foveal --version` says.",
        )
        return _fail(words, bug, 1)


def _silent(code: int) -> int:
    """End without a word, as process 0 has it: torchrun ends all as soon as one has ended, so that it comes first."""
    time.sleep(SPEECH_SECONDS)
    return code


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGUSR1 end a command as Ctrl-C does, with its last words; training saves first."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go elsewhere
        return
    # where who started us has other wishes, they are respected
    ours = [n for n in SIGNALS if n != signal.SIGINT and signal.getsignal(n) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _run(words: list[str]) -> int:
    app = build()
    try:
        command, bound, _ = app.parse_args(words, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        raise refusal(error, words, tuple(VERBS), GROUPS) from None
    if distributed.several() and words[:1] != ["train"] and words[:2] != ["runs", "resume"]:
        raise OptionError(
            f"foveal {' '.join(words[:1])} was started by torchrun on several processes.",
            "foveal train and foveal runs resume: one training, which the processes share.",
            "Call it without torchrun.",
        )
    code = command(*bound.args, **bound.kwargs)
    return code if isinstance(code, int) else 0


def _fail(words: list[str], parts: tuple[str, str, str], code: int) -> int:
    """Say the three parts on stderr; with --json also as the one document on stdout."""
    from rich.text import Text

    came, allowed, todo = (plain(part, keep="\n") for part in parts)
    title = "Error: " if code != 130 else ""
    with contextlib.suppress(OSError):
        console = error_console()
        console.print(Text.assemble((title, "bold red"), (came, "red" if title else "bold yellow")))
        for part, style in ((allowed, ""), (todo, "bold")):
            console.print(Text(f"  {part}".replace("\n", "\n  "), style))
    if _wants_json(words):
        with contextlib.suppress(OSError):
            print(to_json({"error": dict(zip(("came", "allowed", "todo"), parts, strict=True))}))  # noqa: T201
            sys.stdout.flush()
    return code


def _wants_json(words: list[str]) -> bool:
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _traceback() -> None:
    import traceback

    with contextlib.suppress(OSError):
        traceback.print_exc(file=sys.stderr)


def _stop_writing() -> None:
    """The reader of our output has gone: let the interpreter's last flush go nowhere."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _version() -> str:
    """Foveal, Python, and the versions installed of what computes; nothing is imported for it."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    def number(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "(not installed)"

    around = [f"{package} {number(package)}" for package in ("torch", "torchvision", "timm")]
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return f"foveal {number('foveal')}\n{', '.join(around)}\n{system}"
