"""Pictures in pairs: what a network is given, and what it should make of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath

from ..errors import DataError
from ..options import ReadOptions
from ..values import Claim, Dataset, Item
from . import masks
from ._layout import layout
from ._mates import Mates, Side, each, mates, odd_mates, sides_of, split_lists, split_of
from ._names import shown
from ._tree import Folder, described, scan

SOURCE = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
FACTORS = (2, 3, 4)
_SCALES = ("x2", "x3", "x4", "_x2", "_x3", "_x4")
_NAMES = (
    (("input", "inputs"), ("target", "targets", "output", "outputs", "gt", "groundtruth")),
    (("noisy", "noise"), ("clean", "gt")),
    (
        ("lr", "lowres", "low_resolution", "low-resolution"),
        ("hr", "highres", "high_resolution", "high-resolution"),
    ),
    (("lq",), ("gt", "hq")),
    (("low", "dark"), ("high", "normal", "bright")),
    (("blur", "blurred", "blurry"), ("sharp", "gt", "clean")),
    (("degraded", "distorted", "corrupted"), ("clean", "original", "reference", "gt")),
    (("a",), ("b",)),
)
_ALLOWED = (
    "Two folders with pictures of the same names: input/ and target/, noisy/ and clean/, lr/ and hr/, low/ and high/, "
    "or A/ and B/ (also under train/, val/ and test/); the second of the same size, or 2, 3 or 4 times as large."
)


def _sides(names: tuple[str, ...]) -> Side:
    ends = tuple(
        f"{mark}{name}" for name in names for mark in (("_", "-") if len(name) > 1 else ("_", "-", ""))
    )
    return Side(frozenset(names), ends=ends, after=(*(f"_{name}" for name in names), *_SCALES))


_KINDS = tuple((_sides(first), _sides(second)) for first, second in _NAMES)
_ALSO_CLASSES = ("low", "dark", "a")
"""Names that classes may have as well."""


def sniff(path: Path) -> Claim | None:
    """A claim where two such folders hold pictures of the same names. Where their names are good ones for classes too
    (A and B, low and high), they are classes unless this reader is asked for."""
    tree = scan(path) if path.is_dir() else None
    found = _found(tree) if tree else None
    if tree is None or found is None or masks.certain(tree) or (layout(tree) and not certain(tree)):
        return None
    return Claim("pairs", _why(found[0]))


def certain(tree: Folder) -> bool:
    """Whether folders say that these are pairs, and not two classes."""
    found = _found(tree)
    if found is None:
        return False
    made, side = found
    own = {name for first, _ in made.folders for name in PurePosixPath(first.lower()).parts}
    return not side.words & {*_ALSO_CLASSES} or not own & side.words


def read(path: Path, options: ReadOptions) -> Dataset:
    """The data set: `autoencode` where pictures and targets have the same sizes, `upscale` where all targets are so
    many times as large. Of pictures only the header is read.

    Raises:
        DataError: there are no pairs, or their sizes are not of one kind; with the sizes.
    """
    tree = scan(path) if path.is_dir() else None
    found = _found(tree) if tree else None
    if tree is None or found is None:
        what = (
            f"{path} holds {described(tree)}, but no pictures in pairs"
            if tree
            else f"{path} is a file or nothing"
        )
        raise DataError(f"{what}.", _ALLOWED, "Check the path, and that both of a pair have the same name.")
    made, side = found
    root = path.absolute()
    factor = _factor(root, made)
    lists = split_lists(tree, root)
    items = tuple(Item(one, one, {"picture": other}, split_of(one, side, lists)) for one, other in made.pairs)
    said = "of the same size" if factor == 1 else f"{factor} times as large"
    return Dataset(
        root=str(root),
        task="autoencode" if factor == 1 else "upscale",
        reader="pairs",
        why=f"{_why(made)}, targets {said}",
        labels=(),
        items=items,
        issues=tuple(odd_mates(made, "target")),
    )


def _found(tree: Folder) -> tuple[Mates, Side] | None:
    """The pairs of the names that make most, and the side of what is given."""
    found = [(mates(tree, first, second), first) for first, second in _KINDS]
    count = len(tree.all_pictures())
    found = [
        (made, first)
        for made, first in found
        if made and len(made.pairs) * 4 >= count and all(first.key(one) for one, _ in made.folders)
    ]
    return max(found, key=lambda one: len(one[0].pairs), default=None)


def _why(made: Mates) -> str:
    first, second = made.folders[0]
    return f"{len(made.pairs)} pictures in {first}/ with targets of their names in {second}/"


def _factor(root: Path, made: Mates) -> int:
    """How many times as large the targets are.

    Raises:
        DataError: they are not all as many times as large, or not 1, 2, 3 or 4 times.
    """
    sizes = each([root / name for pair in made.pairs for name in pair], sides_of)
    kinds: Counter[int] = Counter()
    odd = []
    for (one, other), small, large in zip(made.pairs, sizes[0::2], sizes[1::2], strict=True):
        if small is None or large is None:  # the examination says why
            continue
        factor = next((n for n in (1, *FACTORS) if large == (small[0] * n, small[1] * n)), 0)
        kinds[factor] += 1
        if not factor:
            odd.append(f"{one} {small[0]} x {small[1]} and {other} {large[0]} x {large[1]}")
    if odd or len(kinds) != 1:
        counts = ", ".join(f"{count} {n} times as large" for n, count in sorted(kinds.items()) if n)
        what = (
            f"{len(odd)} of {len(made.pairs)} pairs in {root} do not fit: {shown(odd, 3)}"
            if odd
            else (
                f"The targets in {root} are not all as many times as large: {counts or 'no picture can be read'}"
            )
        )
        raise DataError(
            f"{what}.",
            "All targets of their pictures' size, or all exactly 2, 3 or 4 times as wide and high.",
            "Make the pictures again with one factor, cut the targets to whole multiples, or give the large ones alone "
            "with --task upscale, which makes the small ones itself.",
        )
    return next(iter(kinds))
