"""Joining a Ray cluster: as its token allows, and with words where that does not come off.

Nothing here imports Ray before it is asked for.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import RunError
from ..machine.interrupt import SIGNALS

HERE = "none"
"""What `--cluster` is given for no cluster."""
SCHEME = "ray://"
AUTH = "RAY_AUTH_MODE"
KNOCK_SECONDS = 5.0
SAID = 300
"""Letters of what Ray says that are handed on."""


@contextmanager
def joined(address: str | None) -> Iterator[Any]:
    """Ray, joined to a cluster: `ray` is the one that this machine is a node of, `ray://HOST:PORT` any other. None
    where there is to be none. It is left again in the end, unless it had been joined before.

    With an explicit address Ray itself asks for no token: it is asked for here, unless RAY_AUTH_MODE says otherwise.

    Raises:
        RunError: Ray is not installed, there is no token, nothing answers, or it is another version of Ray.
    """
    if address is None or address == HERE:
        yield None
        return
    if address.startswith(SCHEME):
        _knock(address)
    os.environ.setdefault(AUTH, "token")  # read when Ray is imported
    try:
        import ray
    except ImportError:
        raise RunError(
            "--cluster was given, and Ray is not installed here.",
            "Ray on this machine and on every node, in the same version.",
            "pip install 'foveal[cluster]'",
        ) from None
    if ray.is_initialized():
        yield ray
        return
    with _own_signals():
        try:
            to = address if address.startswith(SCHEME) else "auto"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is wrong is told below
                ray.init(to, log_to_driver=False, logging_level=logging.ERROR)
        except ray.exceptions.AuthenticationError as error:
            raise _no_token(address, error) from None
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _not_joined(address, error) from None
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM over, and would end without a word where a study is saved first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def _knock(address: str) -> None:
    """Ray itself would try for half a minute."""
    host, _, port = address.removeprefix(SCHEME).rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise RunError(
            f"Nothing answers at {address} ({error}).",
            f"{SCHEME}HOST:PORT of a cluster's head; the port is 10001, if it was not started with another.",
            "See on the head whether it runs: ray status. To go on with a study without it: --cluster none",
        ) from None


def _no_token(address: str, error: Exception) -> RunError:
    return RunError(
        f"The cluster at {address} was not joined, for want of its token: {first_line(error)}",
        "The token that the cluster was started with, in ~/.ray/auth_token on this machine and on every node.",
        f"Copy that file from the head. Or, where all who reach its ports may run programs on it: {AUTH}=disabled "
        "foveal tune ...",
    )


def _not_joined(address: str, error: Exception) -> RunError:
    said = " ".join(str(error).split())[:SAID]
    if ("ersion" in said and "ismatch" in said) or "ersions" in said:
        return RunError(
            f"The cluster at {address} runs another Ray or Python: {said}",
            "The same version of Ray and of Python on this machine and on every node.",
            "pip install ray==VERSION, with the cluster's.",
        )
    if address == "ray" and "Could not find" in said:
        return RunError(
            "This machine is a node of no Ray cluster.",
            "A machine where ray start was called, or an address: --cluster ray://HOST:10001",
            "Start one here: ray get-auth-token --generate && RAY_AUTH_MODE=token ray start --head",
        )
    port = (
        ""
        if address == "ray"
        else " The port is the one for clients: 10001, if it was not started with another."
    )
    return RunError(
        f"The cluster at {address} was not joined: {said}",
        f"A cluster that runs, and its token in ~/.ray/auth_token on this machine.{port}",
        "See on the head whether it runs: ray status. To go on with a study without it: --cluster none",
    )


def first_line(error: Exception) -> str:
    """An error's first line, with a full stop."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return said if said.endswith(".") else f"{said}."
