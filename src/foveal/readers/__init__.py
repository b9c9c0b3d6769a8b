"""From a path or name to a data set: each reader says whether it is its own; `prepare` does the rest."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from pathlib import Path
from typing import cast

from .. import catalog
from ..contracts import Reader
from ..data.decisions import applied, counted, separator, strangers, text_of, unknown_in
from ..data.examine import examine
from ..data.splits import split
from ..errors import DataError, nearest
from ..options import ReadOptions
from ..values import Choice, Claim, Dataset, Issue
from ._recast import recast

_LAYOUTS = (
    "A folder with a folder for each class (also under train/, val/, test/), a CSV of paths and labels, "
    "COCO's JSON, Pascal VOC's XML or YOLO's text files with their pictures, pictures with masks or in pairs, IDX "
    "files as MNIST's, or a data set's name"
)
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def prepare(
    data: str | None,
    options: ReadOptions,
    split_seed: int,
    progress: Callable[[int, int], None] | None = None,
    task: str | None = None,
) -> tuple[Dataset, list[Choice]]:
    """A data set that is read, examined and split, and the choices made on the way.

    `progress` is told (pictures looked at, pictures in all). `task` is what it is wanted for.

    Raises:
        DataError: it cannot be used; says what was found, what is allowed, what to do.
        OfflineError: it would have to be downloaded, and could not be.
    """
    dataset = examine(read(data, options, task), progress, data_home=options.data_home)
    whole, choices = split(dataset, split_seed)
    obeyed = [i for i in dataset.issues if i.kind in ("excluded", "relabelled")]
    if options.exclude is not None and obeyed:
        count = sum(len(issue.paths) for issue in obeyed)
        why = " ".join(issue.says for issue in obeyed)
        choices.append(Choice("decided", count, why.rstrip("."), automatic=False))
    return whole, choices


def read(data: str | None, options: ReadOptions, task: str | None = None) -> Dataset:
    """The data set at a path or of a name (None: the built-in digits), neither examined nor split.

    Its truths are as `task` has them, or as the reader sees them where None.

    Raises:
        DataError: no reader claims it, several do, the one that does cannot read it, or its truths are
            none for this task.
        UnknownNameError: `options.reader` is no reader.
    """
    if data is None:  # also where a folder here is called so
        found = _reader("builtin").read(Path("digits"), options)
    else:
        path = _path(data)
        reader = _reader(_chosen(path, options, task))
        found = reader.read(getattr(reader, "named_for", lambda path, task: path)(path, task), options)
    return recast(_without(found, options.exclude), task)


def claims(path: Path, task: str | None = None) -> list[Claim]:
    """What every reader says of a path or name, the silent ones left out. Readers with `ASKED` are heard where no
    other claims the path, and one of these tasks is wanted."""
    said = [(_reader(name), _reader(name).sniff(path)) for name in catalog.names("readers")]
    firm = [claim for reader, claim in said if claim is not None and not hasattr(reader, "ASKED")]
    return firm or [c for reader, c in said if c is not None and task in getattr(reader, "ASKED", ())]


def known_names() -> tuple[str, ...]:
    """The data sets that go by a name."""
    tables = (getattr(catalog.find("readers", name), "SETS", ()) for name in catalog.names("readers"))
    return tuple(sorted(name for table in tables for name in table))


def _reader(name: str) -> Reader:
    return cast(Reader, catalog.find("readers", name))


def _path(name: str) -> Path:
    if "://" in name:
        raise DataError(
            f"{name} is an address on the network.",
            f"{_LAYOUTS}.",
            "Download and unpack it, then give the folder.",
        )
    if not name.strip() or "\0" in name:
        raise DataError(
            f"{name!r} is no path.",
            f"{_LAYOUTS}.",
            "Give the folder that holds the pictures, or . for this one.",
        )
    try:
        path = Path(name).expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError):  # perhaps the name of a data set
        return path
    except (OSError, RuntimeError) as error:  # too long, a link to itself, no permission; no such user
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(
            f"{name[:300]} cannot be opened: {why}.", f"{_LAYOUTS}.", "Check the path and its permissions."
        ) from error
    return path


def _chosen(path: Path, options: ReadOptions, task: str | None) -> str:
    """The reader that was asked for, or the only one that claims the path."""
    if options.reader is not None:
        catalog.find("readers", options.reader)  # an unknown name is answered with the nearest
        if not path.exists() and not _reader(options.reader).sniff(path):
            raise _absent(path)
        return options.reader
    if (path / "events.jsonl").exists() and (path / "options.json").exists():
        raise DataError(
            f"{path} is the folder of a run, not data.",
            f"{_LAYOUTS}.",
            f"To go on with it: foveal train --resume {path}; to use its model: foveal predict {path} picture.jpg",
        )
    found = claims(path, task)
    if len(found) == 1:
        return found[0].reader
    if found:
        said = "\n".join(f"  {claim.reader}: {claim.why}" for claim in found)
        raise DataError(
            f"{path} can be read in {len(found)} ways:\n{said}",
            "One way of reading.",
            "Choose with " + " or ".join(f"--reader {claim.reader}" for claim in found) + ".",
        )
    raise _unclaimed(path) if path.exists() else _absent(path)


def _absent(path: Path) -> DataError:
    """There is no such file, folder or name: the nearest of each are given."""
    parent = path.parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    first = path.relative_to(parent).parts[0] if path.is_relative_to(parent) else path.name
    try:
        beside = sorted(entry.name for entry in parent.iterdir())
    except OSError:
        beside = []
    lower = {name.lower(): name for name in beside}
    near = [lower[n] for n in difflib.get_close_matches(first.lower(), lower, 3, 0.5)]
    meant = [repr(str(parent / name)) for name in near]
    if path.parent == Path():
        meant += [repr(name) for name in nearest(path.name, known_names())]
    where = f" in {parent.absolute()}" if parent != path.parent or len(path.parts) > 1 else ""
    return DataError(
        f"{path} does not exist"
        + (f": there is no {first!r}{where}." if where else " here, nor is it a known name."),
        f"{_LAYOUTS}: {', '.join(known_names())}.",
        f"Did you mean {' or '.join(meant)}?" if meant else "Check the path and the folder you are in.",
    )


def _unclaimed(path: Path) -> DataError:
    """What lies there, and why it is none of the layouts."""
    from . import csv
    from ._layout import other_task
    from ._names import shown
    from ._tree import described, scan

    if not path.is_dir():
        packed = path.name.lower().endswith(_ARCHIVES)
        return DataError(
            f"{path} is an archive." if packed else f"{path} is a file that no reader knows.",
            f"{_LAYOUTS}.",
            "Unpack it, and give the folder that comes out."
            if packed
            else f"Give the folder that holds the pictures, such as {path.absolute().parent}.",
        )
    tree = scan(path)
    other = other_task(tree) if any(f.bears for f in tree.walk()) else None
    tables = csv.tables(path)
    if other:
        todo = (
            "Data for detection and segmentation is known by its label files, of which none here is like those of "
            "COCO, VOC or YOLO, or by masks; --reader coco (or voc, yolo, masks, pairs) says what each would need. For "
            "classes, sort the pictures by class."
        )
    elif tables:
        more = f" (or {shown([table.name for table in tables[1:]])})" if tables[1:] else ""
        todo = f"To read a table, give it itself: {tables[0]}{more}."
    elif tree.bears:
        todo = (
            "Sort the pictures into one folder a class, or list them in a CSV with their labels; or give --task "
            "upscale or --task autoencode, for which they need none."
        )
    else:
        todo = "Check the path; `foveal inspect digits` shows what a readable data set looks like."
    return DataError(
        f"{path} holds {described(tree)}" + (f" ({other})." if other else "."), f"{_LAYOUTS}.", todo
    )


def _without(dataset: Dataset, exclude: str | None) -> Dataset:
    """The data set less the ids or paths that a text file lists, one a line; or as a table of decisions says."""
    if exclude is None:
        return dataset
    try:
        text = text_of(Path(exclude).expanduser().read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise DataError(
            f"The list {exclude} cannot be read: {why}.",
            "A text file of item ids or paths, one a line, or a table of decisions (decisions.csv).",
            "Check the path given with --exclude.",
        ) from error
    if separator(text):
        return applied(dataset, text, exclude, _finder(dataset))
    wanted = sorted({line.strip() for line in text.splitlines() if line.strip()})
    find = _finder(dataset)
    gone = {id: line for line in wanted if (id := find(line)) is not None}
    unknown = [line for line in wanted if find(line) is None]
    if wanted and not gone:
        raise strangers(dataset, unknown, exclude)
    says = f"{counted(len(gone))} left out, as listed in {exclude}."
    issues = [Issue("excluded", "note", says, tuple(gone))]
    if unknown:
        issues.append(unknown_in(unknown, exclude))
    items = tuple(item for item in dataset.items if item.id not in gone)
    return dataclasses.replace(dataset, items=items, issues=(*dataset.issues, *issues))


def _finder(dataset: Dataset) -> Callable[[str], str | None]:
    """From an id or a path, as a person gives it, to the item's id."""
    root = Path(dataset.root)
    ids = {item.id for item in dataset.items}
    paths = {item.path: item.id for item in dataset.items if item.frame is None}
    whole = {str(root / path): id for path, id in paths.items()}

    def find(name: str) -> str | None:
        for one in (name, name.strip(), name.strip().replace("\\", "/")):
            if one in ids:
                return one
            if (found := paths.get(one) or whole.get(str(Path(one).absolute()))) is not None:
                return found
        return None

    return find
