"""Pictures explained, folders at a time: decoded, looked at in pieces side by side, judged, and let go again."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from .. import catalog
from ..contracts import Maps
from ..data.seen import Seen
from ..data.views import normalise
from ..errors import OptionError, PictureError
from ..machine.device import free_memory, is_out_of_memory
from ..machine.pieces import PIXELS, SideBySide, side_by_side
from ..model import Model
from ..structure.look import Look
from ..structure.subject import Subject
from ..structure.taps import untouched
from ..structure.views import Views
from ..values import Target
from .explained import Explanation, strongest
from .flips import flips
from .given import Given, compared, explainable, network_of, placed, shown_by, word_of
from .soundness import Redrawn, Ways, again, alone, averaged, dependence, mean_of, pixels_of, redrawn, sums
from .verdicts import Areas, Dependence, Verdict

CHUNK = 32
"""Pictures in memory at a time."""
SCORED = 8
"""Pictures whose own maps are held against random ones; of the others the method's mean over these is told."""
REDRAWS, FEW_REDRAWS = 6, 2
"""How often weights are drawn anew, and for methods that pass more than `CHEAP` pictures through for one map."""
CHEAP = 64
COVERING = "occlusion"
"""The method whose maps say what to cover to change the answer."""
HANDFUL = 2
"""Pictures on which a method's dependence on the weights is measured."""
Keep: TypeAlias = Callable[[int, list[Explanation]], list[Explanation]]


def explainers() -> tuple[str, ...]:
    """The names of the methods whose maps are of pictures and a target."""
    return tuple(n for n in catalog.names("explainers") if hasattr(catalog.find("explainers", n), "explain"))


@dataclass(frozen=True)
class Wanted:
    """What is to be explained, and how. `target` is for all pictures that have none of their own; with `against`
    each picture has three: its own, that one, and the difference."""

    methods: tuple[str, ...]
    target: Target | None = None
    against: str = ""
    layer: str = ""
    verdict: bool = True
    strict: bool = True
    """Whether a method that is not defined for the network is an error; else it is left out, and told."""
    seed: int = 0
    told: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What methods are told besides, by their names."""


@dataclass(frozen=True)
class Explained:
    """The explanations in the pictures' order, and what a person should know of all of them."""

    rows: list[Explanation]
    notes: tuple[str, ...]


def explain_pictures(
    model: Model,
    given: Sequence[Given],
    wanted: Wanted,
    *,
    keep: Keep | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Explained:
    """Explain pictures; the network is afterwards as it was.

    Args:
        keep: is called once a picture with its number (from 0) and its explanations, on several threads, and returns
            what is kept of them: after they were written, without their pixels.
        progress: is told (maps of pictures done, maps in all), on several threads.

    A picture that cannot be read has one row with an `error`.

    Raises:
        OptionError: no such layer or unit, or a method that is not defined for the network.
    """
    at = any(target.at is not None for one in given for target in (*one.targets, wanted.target or Target()))
    job = _Job(model, wanted, progress or (lambda done, total: None), len(given) * len(wanted.methods), at)
    rows: list[Explanation] = []
    with untouched(job.subject.network), side_by_side() as run:
        for start in range(0, len(given), CHUNK):
            found = job.chunk(given[start : start + CHUNK], start, run)
            if keep is not None:
                numbered = list(enumerate(found, start))
                found = run(lambda pair: keep(*pair), numbered)
            rows += [row for group in found for row in group]
    return Explained(rows, job.notes())


@dataclass(frozen=True)
class _Shown:
    """A decoded picture as the network takes it, uint8 `CHW`, and where that lies."""

    number: int
    given: Given
    image: Tensor
    seen: Seen


@dataclass
class _Job:
    """One call: what is known of its methods after the first pictures, and which are left out."""

    model: Model
    wanted: Wanted
    progress: Callable[[int, int], None]
    total: int
    at: bool = False
    """Whether some targets are at places."""
    subject: Subject = field(init=False)
    place: int | None = field(init=False, default=None)
    undefined: dict[str, OptionError] = field(default_factory=dict)
    dependences: dict[str, Dependence] = field(default_factory=dict)
    areas: dict[str, Areas] = field(default_factory=dict)
    firsts: dict[int, tuple[Tensor, Target]] = field(default_factory=dict)
    """The first pictures that can be read, as the network takes them, and the first target of each."""
    own: dict[tuple[str, int], Maps] = field(default_factory=dict)
    """The maps of these by each method, and how many pictures it passes through the network for one map."""
    passes: dict[str, int] = field(default_factory=dict)
    done: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        pre, network = self.model.preprocessing, self.model.network
        self.views = network.count if isinstance(network, Views) else pre.views
        self.subject = Subject.of(network_of(self.model, at=self.at), (1, pre.channels, pre.size, pre.size))
        self.modules: dict[str, ModuleType] = {
            name: catalog.find("explainers", name) for name in self.wanted.methods
        }
        if self.wanted.layer:
            self.place = self.subject.place_of(self.wanted.layer)
        if self.wanted.target is not None and self.wanted.target.layer:
            self.subject.place_of(self.wanted.target.layer, maps=False)
        weight = next(self.subject.network.parameters(), torch.zeros(0))
        self.device, self.dtype = weight.device, weight.dtype

    def notes(self) -> tuple[str, ...]:
        found = [f"{name} is left out: {error.came}" for name, error in sorted(self.undefined.items())]
        if self.views > 1:
            found.append(
                f"The model looks at each picture {self.views} times when it counts; what it sees at the first "
                "look, of the picture as it is, is explained."
            )
        return tuple(found)

    # pictures

    def chunk(self, given: Sequence[Given], start: int, run: SideBySide) -> list[list[Explanation]]:
        """The explanations of some pictures, a list a picture."""
        decoded = run(self._decoded, list(enumerate(given, start)))
        good = [shown for shown in decoded if isinstance(shown, _Shown)]
        found: dict[int, list[Explanation]] = {
            n: [Explanation(one.path, error=said)]
            for (n, one), said in zip(enumerate(given, start), decoded, strict=True)
            if isinstance(said, str)
        }
        self._tick(len(self.modules) * (len(given) - len(good)))
        for made in run(self._piece, list(self._pieces(good))):
            found |= made
        if self.firsts and not self.dependences:
            self._measure(run)
            own: dict[str, list[Areas]] = {name: [] for name in self.modules}
            for one in good:
                # of several targets the first
                firsts = {row.method: row for row in reversed(found[one.number])}
                for row in firsts.values():
                    own[row.method] += [row.verdict.areas] if row.verdict.areas is not None else []
            means = {name: mean_of(areas) for name, areas in own.items()}
            self.areas = {name: mean for name, mean in means.items() if mean is not None}
        return [[self._judged(row) for row in found[n]] for n in range(start, start + len(given))]

    def _decoded(self, pair: tuple[int, Given]) -> _Shown | str:
        number, given = pair
        pre = self.model.preprocessing
        try:
            image = given.opened(pre.channels, None)
            target = self.wanted.target
            return _Shown(number, given, *shown_by(self.model, image, None if target is None else target.at))
        except PictureError as error:
            return error.came
        # Pillow's pictures load now
        except (OSError, ValueError, TypeError, SyntaxError, AttributeError) as error:
            return f"The picture cannot be read: {error or type(error).__name__}"

    def _pieces(self, shown: Sequence[_Shown]) -> Iterator[list[_Shown]]:
        """As many at a time as the cache holds; on a GPU all."""
        side = self.model.preprocessing.size
        targets = max((len(one.given.targets) for one in shown), default=0) or (
            3 if self.wanted.against else 1
        )
        most = max(1, PIXELS // (side**2 * targets)) if self.device.type == "cpu" else len(shown)
        count = -(-len(shown) // most)
        if self.device.type == "cpu":  # a piece for each thread, where there are enough
            count = max(count, min(len(shown), torch.get_num_threads()))
        for n in range(count):
            yield list(shown[len(shown) * n // count : len(shown) * (n + 1) // count])

    def _piece(self, shown: list[_Shown]) -> dict[int, list[Explanation]]:
        """The explanations of pictures looked at together; in halves where memory does not suffice."""
        try:
            return self._looked(shown)
        except RuntimeError as error:
            if not is_out_of_memory(error) or len(shown) < 2:
                raise
        free_memory(str(self.device))
        half = len(shown) // 2
        return self._piece(shown[:half]) | self._piece(shown[half:])

    def _looked(self, shown: list[_Shown]) -> dict[int, list[Explanation]]:
        images = torch.stack([one.image for one in shown]).to(self.device)
        inputs = normalise(images, self.model.preprocessing).to(self.dtype)
        look, owners = self._look(shown, inputs)
        if look.unit is not None:
            look.scores  # a unit that is not there is told here, whatever the methods  # noqa: B018
        ways = Ways(look) if self.wanted.verdict and shown[0].number < SCORED else None
        found: dict[int, list[Explanation]] = {one.number: [] for one in shown}
        measured = {
            one.number: owners.index(n)
            for n, one in enumerate(shown[:HANDFUL])
            if self.wanted.verdict and not self.dependences
        }
        for name, module in self.modules.items():
            before = look.passes
            maps = self._maps(name, module, look)
            if maps is not None and measured:
                self.passes[name] = -(-(look.passes - before) // len(look.targets))
                for n, place in measured.items():
                    self.own[name, n] = alone(maps, place)
            made = (
                [] if maps is None else self._rows(name, module, look, maps, [shown[n] for n in owners], ways)
            )
            if name == COVERING and maps is not None and ways is not None:
                made = self._with_flips(look, maps, made)
            for n, row in zip(owners, made, strict=bool(made)):
                found[shown[n].number].append(row)
            self._tick(len(shown))
        for n, (number, place) in enumerate(measured.items()):
            self.firsts[number] = (inputs[n], look.targets[place])
        return found

    def _look(self, shown: Sequence[_Shown], inputs: Tensor) -> tuple[Look, list[int]]:
        """A look at some pictures, and for each of its targets the place of its picture."""
        task, pre, wanted = explainable(self.model.task), self.model.preprocessing, self.wanted
        own = wanted.target is None and not wanted.against and not any(one.given.targets for one in shown)
        if own:
            maps = any(module.LAYER for module in self.modules.values())
            look = Look.at_own(
                self.subject, inputs, task.targets, task.score, pre, self.place, wanted.seed, maps=maps
            )
            return look, list(range(len(shown)))
        asked = self._targets(shown, inputs)
        owners = [n for n, targets in enumerate(asked) for _ in targets]
        targets = [target for one in asked for target in one]
        return Look(self.subject, inputs[owners], targets, task.score, pre, self.place, wanted.seed), owners

    def _targets(self, shown: Sequence[_Shown], inputs: Tensor) -> list[list[Target]]:
        """What is explained of each picture."""
        task, wanted = explainable(self.model.task), self.wanted
        said: list[Target | None] = [wanted.target] * len(shown)
        if wanted.target is None and not all(one.given.targets for one in shown):
            with torch.no_grad():
                said = list(task.targets(self.subject.network(inputs)))
        found = []
        for one, target in zip(shown, said, strict=True):
            own: Iterable[Target] = one.given.targets
            if target is not None and not one.given.targets:
                own = compared(target, wanted.against)
            found.append([placed(aim, one.seen, one.given.path) for aim in own])
        return found

    def _maps(self, name: str, module: ModuleType, look: Look) -> Maps | None:
        """A method's maps; None where it is not defined for the network, and need not be.

        Raises:
            OptionError: it is not defined, and was asked for; or none of the methods is.
        """
        if name in self.undefined:
            return None
        try:
            maps: Maps = module.explain(look, **self.wanted.told.get(name, {}))
            return maps
        except OptionError as error:
            if self.wanted.strict:
                raise
            self.undefined[name] = error
            if len(self.undefined) == len(self.modules):
                raise self.undefined[next(iter(self.modules))] from None
            return None

    def _rows(
        self,
        name: str,
        module: ModuleType,
        look: Look,
        maps: Maps,
        owners: Sequence[_Shown],
        ways: Ways | None,
    ) -> list[Explanation]:
        """A method's explanations, one a target; those of one picture under one scale."""
        on_input = pixels_of(maps, self.subject)
        pixels = on_input.float().cpu().numpy()
        cells = None if maps.cells is None else maps.cells.float().cpu().numpy()
        peaks = [strongest(one, maps.shows, fine=cells is None) for one in pixels]
        totals, scores = sums(maps), look.scores.tolist()
        rows = []
        for n, one in enumerate(owners):
            word = word_of(self.model, look.targets[n])
            verdict = Verdict(module.CANNOT, word, rectifiers=maps.rectifiers)
            if totals is not None and self.wanted.verdict:
                verdict = dataclasses.replace(verdict, total=totals[n][0], wanted=totals[n][1])
            if ways is not None and one.number < SCORED:
                verdict = dataclasses.replace(verdict, areas=ways.areas(n, on_input[n], maps.shows))
            rows.append(
                Explanation(
                    path=one.given.path, method=name, target=look.targets[n],
                    layer="" if maps.place is None else self.subject.name_of(maps.place),
                    shows=maps.shows, unit=maps.unit.replace("logits", word), score=scores[n], seen=one.seen,
                    pixels=np.ascontiguousarray(pixels[n]), cells=None if cells is None else cells[n],
                    peak=peaks[n], top=max(p for p, o in zip(peaks, owners, strict=True) if o is one),
                    verdict=verdict, says=maps.says, source=module.SOURCE, why=one.given.why, truth=one.given.truth,
                    opened=partial(one.given.opened, 3),
                )
            )  # fmt: skip
        return rows

    # verdicts

    def _with_flips(self, look: Look, maps: Maps, rows: list[Explanation]) -> list[Explanation]:
        """With what little has to be covered to change the answer, on maps of that answer."""
        if look.unit is not None or self.at or len(self.model.labels) < 2:
            return rows
        found = flips(look, pixels_of(maps, self.subject), explainable(self.model.task).targets)
        return [
            row if flip is None else dataclasses.replace(row, says=(*row.says, flip.says))
            for row, flip in zip(rows, found, strict=True)
        ]

    def _measure(self, run: SideBySide) -> None:
        """How much each method depends on the weights, on the first pictures."""
        firsts = sorted(self.firsts)[:HANDFUL]
        seen = torch.stack([self.firsts[n][0] for n in firsts])
        task, pre = explainable(self.model.task), self.model.preprocessing
        found: dict[str, list[Dependence]] = {n: [] for n in self.modules if n not in self.undefined}
        redraws = {n: REDRAWS if self.passes[n] <= CHEAP else FEW_REDRAWS for n in found}
        for turn in range(REDRAWS):
            number = firsts[turn % len(firsts)]
            (image, target), seed = self.firsts[number], self.wanted.seed
            look = Look(self.subject, image[None], (target,), task.score, pre, self.place, seed)
            names = [name for name in found if turn < redraws[name]]
            others = redrawn(look, turn, seen)

            def one(name: str, look: Look = look, others: Redrawn = others, n: int = number) -> Dependence:
                if coarse := getattr(self.modules[name], "coarse", None):
                    return dependence(coarse, again(look), others)
                make = partial(self.modules[name].explain, **self.wanted.told.get(name, {}))
                return dependence(make, look, others, self.own[name, n])

            for name, told in zip(names, run(one, names), strict=True):
                found[name].append(told)
        self.dependences = {name: averaged(rows, min(len(rows), len(firsts))) for name, rows in found.items()}

    def _judged(self, row: Explanation) -> Explanation:
        """With what was measured of its method, where that is wanted."""
        if row.error is not None or not self.wanted.verdict:
            return row
        verdict = dataclasses.replace(
            row.verdict,
            dependence=self.dependences.get(row.method),
            areas=row.verdict.areas or self.areas.get(row.method),
        )
        return dataclasses.replace(row, verdict=verdict)

    def _tick(self, count: int) -> None:
        with self.turn:
            self.done = min(self.total, self.done + count)
            self.progress(self.done, self.total)
