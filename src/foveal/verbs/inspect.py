"""Read any usual layout, check every picture and label, and show what was found."""

from __future__ import annotations

import csv
import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from .. import catalog
from ..data.decisions import KEEP, written
from ..errors import OptionError, writing
from ..options import ReadOptions, TrainOptions, make
from ..storage import write_whole
from ..values import PARTS, Choice, Dataset, Issue, figure
from .inspected import classes_of, objects_of
from .inspected import described as described

if TYPE_CHECKING:
    from ..plan import Plan

SOFTWARE = "foveal inspect"
PAGE, DECISIONS = "findings.html", "decisions.csv"
VARIED = (
    *("augment", "magnitude", "flip", "erase", "mixup", "cutmix", "size"),
    *("recipe", "network", "pretrained"),
)
"""Options of training that say how pictures are varied; any of them asks for a contact sheet."""


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class InspectOptions(ReadOptions):
    """Everything `foveal inspect` can be told."""

    task: str | None = None
    """What the data is wanted for (classify, detect, segment, ...); seen from the data when not given."""
    split_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the split where the data has none; the same as in training."""
    augment: str | None = None
    """Make a contact sheet of what training would see: none, light, trivialaugment, jitter, mosaic, ..."""
    magnitude: Annotated[int, Field(ge=0, le=30)] | None = None
    """RandAugment's strength on the sheet, of 30."""
    flip: bool | None = None
    """Mirror pictures on the sheet left to right."""
    erase: Annotated[float, Field(ge=0, le=1)] | None = None
    """Probability that a rectangle of a picture on the sheet is erased."""
    mixup: Annotated[float, Field(ge=0, le=8)] | None = None
    """Show pictures blended in pairs, by shares from Beta(this, this)."""
    cutmix: Annotated[float, Field(ge=0, le=8)] | None = None
    """Show pictures with a rectangle of another pasted in, its share of the area from Beta(this, this)."""
    size: Annotated[int, Field(ge=8, le=2048)] | None = None
    """Side of the pictures on the sheet in pixels, before they are enlarged to be seen."""
    recipe: str | None = None
    """Show what this recipe does with pictures."""
    network: str | None = None
    """The network that the pictures would be for."""
    pretrained: bool = True
    """Vary pictures as for fine-tuning, where there are weights to start from."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the sheet: which pictures, and how they are varied."""
    sheet: str | None = None
    """Where the contact sheet goes, a .png file (default: augment-NAME.png)."""
    deep: bool = False
    """Also look for near duplicates, wrong labels, odd pictures and shortcuts, and write a page to go through."""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """Time that --deep may take for features, about (default: 3)."""
    out: str | None = None
    """Folder for the page and decisions.csv of --deep (default: inspect-NAME)."""


@dataclass(frozen=True)
class Inspection:
    """What an inspection found: the data set, examined and split as training would, and why it is so."""

    dataset: Dataset
    choices: tuple[Choice, ...] = ()
    sheet: str | None = None
    """The contact sheet's file, where one was asked for."""
    found: Mapping[str, Any] | None = None
    """What pictures and labels show of each other (`foveal.doctor.data.examined`), where that was asked for."""
    files: tuple[str, ...] = ()
    """The page to go through and decisions.csv."""

    def to_json(self) -> dict[str, Any]:
        data = self.dataset
        return {
            "task": data.task,
            "reader": data.reader,
            "why": data.why,
            "count": len(data.items),
            "splits": self.splits(),
            "pictures": {part: len(data.part(part)) for part in PARTS if data.part(part)},
            "labels": list(data.labels),
            "issues": [
                {"kind": i.kind, "severity": i.severity, "says": i.says, "paths": list(i.paths)}
                for i in data.issues
            ],
            "facts": dataclasses.asdict(data.facts) if data.facts else None,
            "root": data.root,
            "fingerprint": data.fingerprint,
            "objects": objects_of(data),
            "classes": self.classes,
            "choices": [dataclasses.asdict(choice) for choice in self.choices],
            "sheet": self.sheet,
            "found": None if self.found is None else dict(self.found),
            "page": self.files[0] if self.files else None,
            "decisions": self.files[1] if self.files else None,
        }

    def splits(self) -> dict[str, dict[str, int | float]]:
        """Split -> label -> how many pictures bear it, or how many objects there are of it; where truths are numbers,
        split -> what describes them."""
        parts = [part for part in PARTS if self.dataset.part(part)]
        if self.dataset.task == "regress":
            return {part: described([item.truth for item in self.dataset.part(part)]) for part in parts}
        if self.classes is not None:
            return {part: dict(self.classes["pictures"].get(part, {})) for part in parts}
        counts = self.dataset.counts()
        return {part: dict(counts[part]) for part in parts}

    @functools.cached_property
    def classes(self) -> dict[str, Any] | None:
        """What the masks of classes hold, where truths are such: see `inspected.classes_of`."""
        return classes_of(self.dataset)

    def _repr_html_(self) -> str:
        """The table that a notebook shows: pictures a label and split (or what describes their numbers),
        then the issues."""
        splits = self.splits()
        head = "".join(f"<th>{part}</th>" for part in splits)
        numbers = self.dataset.task == "regress"
        names = list(next(iter(splits.values()), {})) if numbers else self.dataset.labels
        rows = "".join(
            f"<tr><th>{escape(name)}</th>"
            + "".join(f"<td>{_cell(splits[part].get(name, 0))}</td>" for part in splits)
            + "</tr>"
            for name in names
        )
        issues = "".join(
            f"<li><b>{escape(issue.severity)}</b> {escape(issue.says)}</li>" for issue in self.dataset.issues
        )
        told = f"numbers of {' '.join(self.dataset.labels)}" if numbers else f"{len(names)} labels"
        return (
            f"<p>{len(self.dataset.items)} pictures, {escape(told)}; "
            f"{escape(self.dataset.why)}</p><table><tr><th></th>{head}</tr>{rows}</table><ul>{issues}</ul>"
        )


def _cell(value: float) -> str:
    return figure(value) if isinstance(value, float) else f"{value}"


def inspect(
    data: str | Path | None = None, *, progress: Callable[[int, int], None] | None = None, **options: Any
) -> Inspection:
    """What a data set holds and what is wrong with it; with no `data`, the built-in digits.

    Options are those of `InspectOptions`; with `augment`, or any other that is about varied pictures,
    a contact sheet of them is written; with `deep` pictures and labels are held against each other, and what is in
    doubt is written as a page to go through and as `decisions.csv`, which training obeys (`exclude`). `progress` is
    told (pictures looked at, pictures in all).

    Raises:
        DataError: the data cannot be used.
        OptionError: an unknown option or a value out of range, or a sheet's file that is something else.
        OfflineError: the data would have to be downloaded, and could not be.
        DiskError: the sheet cannot be written.
    """
    from ..readers import prepare

    chosen = make(InspectOptions, options)
    unsaid = InspectOptions()
    varied = {n: getattr(chosen, n) for n in VARIED if getattr(chosen, n) != getattr(unsaid, n)}
    if chosen.augment is not None:
        catalog.find("augmentations", chosen.augment)  # before many pictures are looked at
    if chosen.sheet is not None:
        _check_sheet(Path(chosen.sheet))
    if chosen.task is not None:
        catalog.find("tasks", chosen.task)
    path = None if data is None else str(data)
    dataset, choices = prepare(path, chosen, chosen.split_seed, progress, chosen.task)
    name = "digits" if path is None else Path(path).resolve().name
    found: dict[str, Any] | None = None
    files: tuple[str, ...] = ()
    if chosen.deep:
        dataset, found, files = _deep(dataset, chosen, name, progress)
    drawn = _write_sheet(dataset, chosen, varied, name) if varied or chosen.sheet is not None else None
    return Inspection(dataset, tuple(choices), drawn, found, files)


def _deep(
    dataset: Dataset, chosen: InspectOptions, name: str, progress: Callable[[int, int], None] | None
) -> tuple[Dataset, dict[str, Any], tuple[str, ...]]:
    """The data set with what a close look adds to its issues, what was found, and the files to go through."""
    from ..doctor.data import examined
    from ..doctor.data.told import issues, rows
    from ..report.findings import page

    folder = Path(chosen.out or f"inspect-{name}")
    _check_folder(folder)
    found = examined(
        dataset,
        task=dataset.task,
        deep=True,
        seconds=None if chosen.minutes is None else chosen.minutes * 60,
        progress=None if progress is None else lambda what, done, total: progress(done, total),
        data_home=chosen.data_home,
    )
    more, doubts = issues(found), rows(found)
    found["doubts"] = len(doubts)
    left = [Issue("not-looked-at", "note", f"Not looked at: {why}.") for why in found["left"].values()]
    files = folder / PAGE, folder / DECISIONS
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_whole(files[0], page(dataset, doubts, [*more, *left], name).encode("utf-8", "xmlcharrefreplace"))
    write_whole(files[1], written(row.to_csv() for row in doubts).encode("utf-8"))
    whole = dataclasses.replace(dataset, issues=(*dataset.issues, *more))
    return whole, found, (str(files[0]), str(files[1]))


def _check_folder(folder: Path) -> None:
    """Refuse to write over decisions that a person has made, or into what is no folder.

    Raises:
        OptionError: there is such a file.
    """
    todo = "Give another folder with --out, or move it away."
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"--out {folder} is a file.", "A folder, new or not.", todo)
    file = folder / DECISIONS
    if file.exists():
        rows = csv.DictReader(file.read_text(encoding="utf-8-sig", errors="replace").splitlines())
        if any((row.get("decision") or KEEP).strip() not in ("", KEEP) for row in rows):
            raise OptionError(
                f"{file} holds decisions that were made.",
                "A folder without, so that nobody's work is lost.",
                todo,
            )


def _write_sheet(dataset: Dataset, chosen: InspectOptions, varied: dict[str, Any], name: str) -> str:
    """The contact sheet of what training with these options would see; returns its path."""
    import io

    from PIL.PngImagePlugin import PngInfo

    from .. import plan as planning
    from ..plan.view import training_among, training_view
    from ..sheet import sheet

    plan = planning.make(dataset, make(TrainOptions, {**varied, "seed": chosen.seed}))
    augment = plan.options.augment or "none"
    path = Path(chosen.sheet or f"augment-{augment.replace('/', '-')}.png")
    _check_sheet(path)
    assert dataset.facts is not None
    view = training_view(plan.preprocessing, dataset.facts, plan.options, scratch=plan.start.state is None)
    shown = ("What is true is drawn as training is told it.",) if plan.task.dense and plan.task.labels else ()
    image = sheet(
        dataset, plan.task, view, plan.preprocessing, title=f"{augment} on {name}",
        notes=(str(catalog.find("augmentations", augment).__doc__), _said(plan, chosen), *shown),
        seed=chosen.seed, erase=plan.fit.erase, mixup=plan.fit.mixup, cutmix=plan.fit.cutmix,
        among=training_among(plan.preprocessing, plan.options), columns=4 if plan.task.dense else 8,
    )  # fmt: skip
    mark, file = PngInfo(), io.BytesIO()
    mark.add_text("Software", SOFTWARE)
    image.save(file, "PNG", pnginfo=mark)
    write_whole(path, file.getvalue())
    return str(path)


def _said(plan: Plan, chosen: InspectOptions) -> str:
    """What else is done to the pictures, in words."""
    from ..plan.view import MAGNITUDE

    size, fit = plan.preprocessing.size, plan.fit
    said = [
        f"{size} x {size} pixels",
        f"{plan.start.network} {'from scratch' if plan.start.state is None else 'fine-tuned'}",
        "mirrored or not" if plan.options.flip else "never mirrored",
    ]
    if plan.options.augment == "randaugment":
        strength = MAGNITUDE if plan.options.magnitude is None else plan.options.magnitude
        said.append(f"strength {strength} of 30")
    elif chosen.magnitude is not None:
        said.append("--magnitude is for randaugment alone")
    if fit.erase:
        said.append(f"{fit.erase * 100:g} % have a rectangle erased")
    blends = [f"{kind} {alpha:g}" for kind, alpha in (("MixUp", fit.mixup), ("CutMix", fit.cutmix)) if alpha]
    if blends:
        said.append(f"each batch blended by {' or '.join(blends)}")
    return ", ".join(said)


def _check_sheet(path: Path) -> None:
    """Refuse to write over what is no sheet of ours."""
    from PIL import Image

    todo = "Give another file with --sheet, such as --sheet sheet.png."
    if path.suffix.lower() != ".png":
        raise OptionError(
            f"--sheet {path} was given.", "A file whose name ends in .png: the sheet is a PNG picture.", todo
        )
    if not path.exists():
        return
    try:
        with Image.open(path, formats=["PNG"]) as image:
            ours = image.info.get("Software") == SOFTWARE
    except (OSError, SyntaxError, ValueError):
        ours = False
    if not ours:
        raise OptionError(
            f"{path} is there already, and is no sheet of foveal's.",
            "A new file, or an earlier contact sheet, which is replaced.",
            todo,
        )
