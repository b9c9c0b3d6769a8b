"""What a run says, on the disk: the one stream of events, and TensorBoard's copy of its curves."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from ..errors import RunError, writing
from ..events import KINDS, Epoch, Event, Step, from_json, latest
from ..storage import from_json as parse
from ..storage import to_json

_TYPES: dict[str, Any] = {"int": int, "float": int | float, "str": str, "bool": bool}
"""What a field's value must be, by its annotation; others are not looked at."""


class Journal:
    """`events.jsonl`: one line of JSON an event, only ever appended to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: IO[bytes] | None = None

    def append(self, event: Event) -> None:
        """Add an event's line; it is with the operating system when this returns.

        Raises:
            DiskError: it could not be written.
        """
        line = to_json(event.to_json()).encode() + b"\n"
        with writing(self.path):
            try:
                if self._stream is None:
                    self._stream = _open_healed(self.path)
                while line:
                    line = line[self._stream.write(line) :]
            except OSError:
                self.close()  # opened again, and healed, should there be a next event
                raise

    def sync(self) -> None:
        """Have the events survive a power cut."""
        if self._stream is not None:
            with writing(self.path):
                os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Let go of the file; the next event opens it again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def read(self) -> list[Event]:
        """Every event of every attempt, in order; lines torn by a kill are passed over.

        Raises:
            RunError: the file is there and cannot be opened.
        """
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be opened: {error.strerror or error}.",
                "A file that you may read.",
                "Change the file's permissions, or put it back from a copy.",
            ) from error
        found = (_parsed(line) for line in lines if line)
        return [event for event in found if event is not None]


def _open_healed(path: Path) -> IO[bytes]:
    """The stream to append to; a half line left by a kill gets its end, so that nothing sticks to it."""
    stream = path.open("ab", buffering=0)
    try:
        if stream.tell():
            with path.open("rb") as there:
                there.seek(-1, os.SEEK_END)
                if there.read(1) != b"\n":
                    stream.write(b"\n")
    except BaseException:
        stream.close()
        raise
    return stream


def _parsed(line: bytes) -> Event | None:
    """An event from its line, or None; numbers that were not finite come back as NaN."""
    try:
        data = parse(line)
        for field in dataclasses.fields(KINDS[data["event"]]):
            value = data.get(field.name)
            if isinstance(value, dict):  # metrics, headline
                data[field.name] = {k: math.nan if v is None else v for k, v in value.items()}
            elif value is None and field.name in data and field.type == "float":
                data[field.name] = math.nan
            elif field.name in data and not isinstance(value, _TYPES.get(str(field.type), object)):
                return None
        return from_json(data)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Scalars:
    """TensorBoard's copy of a run's curves, made from its events.

    A new writer tells TensorBoard to forget all that stands in the folder, and writes `history`
    anew: so a resumed run has no step twice, and none is missing that a kill kept from the file.
    """

    def __init__(self, folder: Path, history: Iterable[Event] = ()) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        with writing(folder):
            self._writer = SummaryWriter(str(folder), purge_step=0)
        for event in latest(history):
            self._add(event)
        self.flush()

    def add(self, event: Event) -> None:
        """Draw an event's numbers; after an epoch they are on the disk.

        Raises:
            DiskError: they could not be written.
        """
        with writing(self._folder):
            self._add(event)
        if isinstance(event, Epoch):
            self.flush()

    def _add(self, event: Event) -> None:
        values: dict[str, float] = {}
        if isinstance(event, Step):
            values = {
                "train/loss": event.loss,
                "train/lr": event.lr,
                "train/images_per_second": event.images_per_second,
            }
        elif isinstance(event, Epoch):
            values = {f"val/{name}": value for name, value in event.metrics.items()}
            values["train/epoch_loss"] = event.train_loss
        for tag, value in values.items():
            if math.isfinite(value):
                self._writer.add_scalar(tag, value, event.step, event.at or None)

    def flush(self) -> None:
        with writing(self._folder):
            self._writer.flush()

    def close(self) -> None:
        with writing(self._folder):
            self._writer.close()
