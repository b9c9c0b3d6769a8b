"""Inside the network while it learned: what was watched, layer by layer over time, and what to see in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from markupsafe import Markup

from ..charts.tiles import Tiles, columns_of, tiles
from ..errors import FovealError
from ..events import Started, Watched
from ..records.gathered import Gathered
from ..records.run import Run
from ..values import span
from ..watch import EDGES, SHARE
from .words import number, percent

FEWEST = 3
"""Looks before anything is drawn."""
KERNELS = ("conv", "linear")
USUAL = (1e-4, 1e-2)
"""Shares of a weight's length that a step usually moves it by (Karpathy; CS231n: about a thousandth)."""
LOW, HIGH = 0.8, 1.5
"""A first loss, as a share of ln C, below which something was known, and above which outputs are too large."""


@dataclass(frozen=True)
class Panel:
    """A map, and the sentence that says what to see in it."""

    chart: Markup
    says: str


@dataclass(frozen=True)
class Inside:
    """The section: panels, and sentences on the whole network."""

    panels: tuple[Panel, ...]
    says: tuple[str, ...]


def watched(g: Gathered) -> Inside | None:
    """What the run's looks show; None where it was not watched, or hardly."""
    try:
        sights = Run(g.folder).sights()
    except FovealError:
        return None
    if len(sights) < FEWEST:
        return None
    orders = sorted(
        (s.order for s in sights), key=len, reverse=True
    )  # a pass behind frozen layers is shorter
    order = list(dict.fromkeys(n for names in (*orders, *(s.layers for s in sights)) for n in names))
    kinds = {name: kind for s in sights for name, kind in s.kinds.items()}
    kernels = [name for name in order if kinds.get(name) in KERNELS]
    makers: tuple[Callable[[], Panel | None], ...] = (
        lambda: _colourful(sights, order, kinds),
        lambda: _updates(sights, kernels),
        lambda: _gradients(sights, kernels),
        lambda: _silent(sights, order, kinds),
        lambda: _gains(sights, kernels),
        lambda: _largest(sights, kernels),
    )
    panels = tuple(panel for make in makers if (panel := make()) is not None)
    if not panels:
        return None
    return Inside(panels, (*_whole(g, sights), *_never_silent(sights, order, kinds)))


def _grid(
    sights: Sequence[Watched], layers: Sequence[str], measure: str
) -> tuple[tuple[str, ...], tuple[int, ...], tuple[tuple[float | None, ...], ...]]:
    """Layers that have the measure, steps, and its values."""
    places = columns_of([s.step for s in sights])
    shown = [sights[n] for n in places]
    having = [n for n in layers if any(measure in s.layers.get(n, {}) for s in shown)]
    values = tuple(tuple(_plain(s.layers.get(n, {}).get(measure)) for s in shown) for n in having)
    return tuple(having), tuple(s.step for s in shown), values


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _typical(values: Sequence[Sequence[float | None]]) -> list[float]:
    """Each row's median over time."""
    return [median([v for v in row if v is not None] or [math.nan]) for row in values]


def _panel(
    sights: Sequence[Watched], layers: Sequence[str], measure: str, title: str, low: float, high: float,
    say: Callable[[tuple[str, ...], list[float]], str], *, log: bool = True, seldom: bool = False,
) -> Panel | None:  # fmt: skip
    """A map of one measure; what is measured `seldom` stands until it is measured again."""
    rows, steps, values = _grid(sights, layers, measure)
    if not rows or len(steps) < FEWEST:
        return None
    shown = tuple(_standing(row) for row in values) if seldom else values
    chart = Tiles(title, rows, steps, shown, low, high, log)
    return Panel(Markup(tiles(chart)), say(rows, _typical(values)))


def _standing(row: Sequence[float | None]) -> tuple[float | None, ...]:
    """Each value until the next."""
    found: list[float | None] = []
    for value in row:
        found.append(found[-1] if value is None and found else value)
    return tuple(found)


def _updates(sights: Sequence[Watched], kernels: Sequence[str]) -> Panel | None:
    def say(rows: tuple[str, ...], typical: list[float]) -> str:
        middle = median(typical)
        least, most = typical.index(min(typical)), typical.index(max(typical))
        usual = "as usual" if USUAL[0] <= middle <= USUAL[1] else "which is unusual"
        return (
            f"A step moved half of the kernels by {middle:.1e} of their length or more, {usual} (1e-4 to 1e-2 is); "
            f"least {rows[least]} ({typical[least]:.1e}), most {rows[most]} ({typical[most]:.1e}). Rows that stay "
            "grey do not learn."
        )

    return _panel(sights, kernels, "update_ratio", "How far a step moves each kernel", 1e-6, 1e-1, say)


def _gradients(sights: Sequence[Watched], kernels: Sequence[str]) -> Panel | None:
    def say(rows: tuple[str, ...], typical: list[float]) -> str:
        first, last = max(typical[0], 1e-30), max(typical[-1], 1e-30)
        return (
            f"The first layer's gradient is {first / last:.2g} times as large as the last one's, entry by entry. "
            "Where it fades by thousands towards the first layers the signal vanishes, where it grows so it "
            "explodes."
        )

    return _panel(sights, kernels, "grad_rms", "Gradients (root mean square)", 1e-8, 1e-1, say)


def _quiet(order: Sequence[str], kinds: dict[str, str]) -> tuple[str, list[str]]:
    """How layers of the network's most common kind fall silent, and those layers."""
    squash = [n for n in order if kinds.get(n) == "squash"]
    rectifiers = [n for n in order if kinds.get(n) == "rectifier"]
    return ("saturated", squash) if len(squash) > len(rectifiers) else ("dead", rectifiers)


def _never_silent(sights: Sequence[Watched], order: Sequence[str], kinds: dict[str, str]) -> list[str]:
    """A sentence in place of an empty map."""
    measure, layers = _quiet(order, kinds)
    seen = [v for s in sights for n in layers if (v := _plain(s.layers.get(n, {}).get(measure))) is not None]
    if not seen or max(seen) > 0:
        return []
    if measure == "dead":
        return [
            f"None of the {len(layers)} rectifiers had a channel that was silent for a whole batch, at any look."
        ]
    return [f"None of the {len(layers)} sigmoids and the like gave anything at its limit, at any look."]


def _silent(sights: Sequence[Watched], order: Sequence[str], kinds: dict[str, str]) -> Panel | None:
    measure, layers = _quiet(order, kinds)
    if _never_silent(sights, order, kinds):
        return None

    def say(rows: tuple[str, ...], typical: list[float]) -> str:
        worst = typical.index(max(typical))
        what = "lies at a limit" if measure == "saturated" else "of the channels are silent for a whole batch"
        tail = (
            "Many zeros are usual in rectifiers; channels that never speak are lost."
            if measure == "dead"
            else "What lies at a limit hands no gradient back."
        )
        return f"At most {percent(typical[worst])} {what}, in {rows[worst]}. {tail}"

    title = "Dead channels" if measure == "dead" else "Saturated outputs"
    return _panel(sights, layers, measure, title, 0.0, 1.0, say, log=False)


def _gains(sights: Sequence[Watched], kernels: Sequence[str]) -> Panel | None:
    def say(rows: tuple[str, ...], typical: list[float]) -> str:
        good = [value for value in typical if value > 0] or [1.0]
        product = math.exp(sum(math.log(value) for value in good))
        return (
            f"What each kernel's output varies by, of its input. All of them in a row would make it {product:.2g} "
            "times: far from 1 signals fade or grow, unless norms stand between."
        )

    return _panel(sights, kernels, "forward_gain", "Forward gain", 0.1, 10.0, say)


def _largest(sights: Sequence[Watched], kernels: Sequence[str]) -> Panel | None:
    def say(rows: tuple[str, ...], typical: list[float]) -> str:
        most = typical.index(max(typical))
        return (
            f"By how much a kernel can stretch what it is given; the largest is {typical[most]:.3g}, in "
            f"{rows[most]}. Growth without end goes before a loss that explodes; norms make up for the scale."
        )

    return _panel(sights, kernels, "sigma_max", "Largest singular value", 0.1, 100.0, say, seldom=True)


def _colourful(sights: Sequence[Watched], order: Sequence[str], kinds: dict[str, str]) -> Panel | None:
    """One layer's activations as a histogram over time: fastai's colourful dimension."""
    drawn = [s for s in sights if s.histograms]
    having = [n for n in order if sum("activations" in s.histograms.get(n, {}) for s in drawn) >= FEWEST]
    having = [n for n in having if kinds.get(n) in ("conv", "norm", "rectifier", "smooth", "squash")]
    if not having:
        return None
    layer = having[len(having) // 2]
    shown = [s for s in drawn if "activations" in s.histograms.get(layer, {})]
    columns = [list(s.histograms[layer]["activations"]) for s in shown]
    used = [n for n in range(len(EDGES) - 1) if any(column[n] > 0.001 for column in columns)]
    low, high = min(used, default=0), max(used, default=len(EDGES) - 2)
    rows = list(range(high, low - 1, -1))
    chart = Tiles(
        f"Sizes of what {layer} gives", tuple(f"1e{EDGES[n]:g}" if EDGES[n] % 1 == 0 else "" for n in rows),
        tuple(s.step for s in shown),
        tuple(tuple(column[n] for column in columns) for n in rows), 0.0,
        max(max(column) for column in columns) or 1.0, unit="of all",
    )  # fmt: skip
    zeros = columns[-1][0]
    return Panel(
        Markup(tiles(chart)),
        f"Sizes of what one layer in the middle gives, over {len(shown)} looks; a band that stays in place and moves "
        f"slowly is sound, a sudden collapse to the lowest row is not. At last {percent(zeros)} is next to nothing.",
    )


def _whole(g: Gathered, sights: Sequence[Watched]) -> list[str]:
    """Sentences on the whole network."""
    said, first = [], sights[0]
    labels = len(g.labels)
    if g.kind == "classes" and labels > 1 and first.step <= 1:
        blind = math.log(labels)
        share = first.loss / blind
        said.append(
            f"The first loss was {number(first.loss)}; a network that knows nothing has ln {labels} = "
            f"{number(blind)}{_beginning(share)}."
        )
    noise = [s.norms["grad_noise"] for s in sights if _plain(s.norms.get("grad_noise")) is not None]
    if noise:
        batch = g.fit.get("batch")
        said.append(
            f"The gradient's noise is as large as the gradient at about {median(noise[-5:]):,.0f} pictures a "
            f"batch{f'; training took {batch}' if batch else ''} (McCandlish et al. 2018): far larger batches "
            "would hardly learn more a step."
        )
    looked = (
        f"{len(sights)} steps were looked at, {sum(s.step < 50 for s in sights)} of them among the first 50"
    )
    return [*said, f"{looked}; {_watching(g, sights[-1])}."]


def _watching(g: Gathered, last: Watched) -> str:
    """What watching took of the whole training, where that is known; else of the time until the last look."""
    began = next((e.at for e in g.events if isinstance(e, Started) and e.attempt == last.attempt), 0.0)
    until, whole = last.at - began, g.epochs[-1].seconds if g.epochs else 0.0
    if last.attempt > 1 or not 0 < began < last.at or whole < until:
        short = "" if last.cost <= SHARE else ", which in a run of seconds may be more than 2%"
        return f"watching took {percent(last.cost)} of the training time until the last of them{short}"
    took = last.cost * until
    short = "" if took <= SHARE * whole else ": a second is allowed where 2% would be less"
    return f"watching took about {span(took)}, {percent(took / whole)} of the training time{short}"


def _beginning(share: float) -> str:
    """What a first loss means, as a share of that of a network that knows nothing."""
    if not math.isfinite(share):
        return ""
    if share > HIGH:
        return ": its first outputs were surer than they may be, too large by the initialisation or the input's scale"
    return ": it knew something already" if share < LOW else ": it began as it should"
