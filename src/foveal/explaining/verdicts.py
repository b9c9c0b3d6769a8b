"""How far an explanation can be believed, as values: what was measured, and what it says in words."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from ..charts.scales import short

HARDLY = 0.7
"""From this rank correlation on, maps of a network without its trained weights count as the same."""
COMPLETE, NEAR = 0.01, 0.01
"""A sum is right to this share, or to so many logits."""


@dataclass(frozen=True)
class Dependence:
    """How much maps stay the same when trained weights go: rank correlations (Spearman) of what is shown, the
    mean over `pictures` and `redraws`. The signed ones are those of maps whose sign is not shown; None where
    nothing can be said, as one of the maps is the same everywhere."""

    last_layer: float | None
    all_weights: float | None
    pictures: int
    signed_last_layer: float | None = None
    signed_all_weights: float | None = None
    redraws: int = 1

    @property
    def most(self) -> float:
        """The larger of the two, -1 where there is none."""
        return max((v for v in (self.last_layer, self.all_weights) if v is not None), default=-1.0)


@dataclass(frozen=True)
class Areas:
    """Mean scores on the way, in `steps` steps, from a blurred picture to the picture (`insertion`) and from the
    picture to mean grey (`deletion`), the map's strongest pixels first; and the same by random maps of the same
    grain. Means over `pictures`, where that is not 1."""

    insertion: float
    deletion: float
    random_insertion: float
    random_deletion: float
    steps: int
    grain: Literal["coarse", "fine"]
    pictures: int = 1

    @property
    def better(self) -> tuple[bool, bool]:
        """Whether insertion is higher, and deletion lower, than by random maps."""
        return self.insertion > self.random_insertion, self.deletion < self.random_deletion


@dataclass(frozen=True)
class Verdict:
    """How far an explanation can be believed. What was not measured is None."""

    cannot: str = ""
    """What the method does not say at all."""
    word: str = "logits"
    """What scores are numbers of."""
    total: float | None = None
    wanted: float | None = None
    """What the map adds up to, and what it should, where the method promises that."""
    rectifiers: int | None = None
    dependence: Dependence | None = None
    areas: Areas | None = None

    @property
    def gap(self) -> float | None:
        """How far the sum is from what it should be, as a share of that."""
        if self.total is None or self.wanted is None:
            return None
        return abs(self.total - self.wanted) / max(abs(self.wanted), 1e-12)

    @property
    def complete(self) -> bool | None:
        if self.gap is None or self.total is None or self.wanted is None:
            return None
        return self.gap <= COMPLETE or abs(self.total - self.wanted) <= NEAR

    @property
    def badges(self) -> list[str]:
        """What a person should be warned of, in a few words each."""
        found: list[str] = []
        if self.dependence is not None and self.dependence.most > HARDLY:
            found.append("hardly depends on the trained weights")
        if self.areas is not None and not any(self.areas.better):
            found.append("no better than a random map")
        if self.complete is False:
            found.append("does not add up")
        return found

    @property
    def short(self) -> str:
        """The least that is to be said of what was measured, in a few words."""
        said = []
        if self.areas is not None:
            ways = ("putting in", "taking away")
            won = [way for way, better in zip(ways, self.areas.better, strict=True) if better]
            said.append(
                f"better than a random map at {' and '.join(won)}" if won else "no better than a random map"
            )
        if self.complete is not None:
            said.append("adds up" if self.complete else "does not add up")
        return "; ".join(said)

    @property
    def says(self) -> list[str]:
        """A sentence for each thing that was measured, and what cannot be."""
        parts = (self._of_sum(), self._of_rectifiers(), self._of_weights(), self._of_areas(), self.cannot)
        return [part for part in parts if part]

    def _of_sum(self) -> str:
        if self.gap is None or self.total is None or self.wanted is None:
            return ""
        how = "It adds up" if self.complete else "It does not add up"
        sums = f"its values sum to {short(self.total)} and should to {short(self.wanted)} {self.word}"
        return f"{how}: {sums} ({percent(self.gap)} apart)."

    def _of_rectifiers(self) -> str:
        if self.rectifiers is None:
            return ""
        many = "one rectifier" if self.rectifiers == 1 else f"{self.rectifiers} rectifiers"
        return f"Gradients went by another rule at {many}."

    def _of_weights(self) -> str:
        found = self.dependence
        if found is None:
            return ""
        last, every = ("not told" if v is None else f"{v:.2f}" for v in (found.last_layer, found.all_weights))
        if found.most < -0.99:
            return "Whether it depends on the trained weights cannot be told: maps without them are empty."
        over = "one picture" if found.pictures == 1 else f"{found.pictures} pictures"
        drawn = f", {found.redraws} redraws" if found.redraws > 1 else ""
        how = "Hardly depends" if found.most > HARDLY else "Depends"
        signed = ""
        if found.signed_last_layer is not None and found.signed_all_weights is not None:
            both = f"{found.signed_last_layer:.2f} and {found.signed_all_weights:.2f}"
            signed = f" With its sign, which is not shown: {both}."
        return (
            f"{how} on the trained weights: drawn anew they leave maps whose rank correlation with these is {last} "
            f"(the last layer) and {every} (all of them), measured on {over}{drawn}; 1 would be the same map.{signed}"
        )

    def _of_areas(self) -> str:
        found = self.areas
        if found is None:
            return ""
        put, taken = found.better
        how = {
            (True, True): "Better than a random map both ways",
            (True, False): "Better than a random map at putting in, not at taking away",
            (False, True): "Better than a random map at taking away, not at putting in",
            (False, False): "No better than a random map",
        }[(put, taken)]
        over = "" if found.pictures == 1 else f" (means over the first {found.pictures} pictures)"
        return (
            f"{how}: its strongest pixels put into a blurred picture first, the score is {short(found.insertion)} "
            f"{self.word} on average on the way, by random maps {short(found.random_insertion)}; taken away first, "
            f"{short(found.deletion)}, and {short(found.random_deletion)}{over}."
        )

    def to_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self)
        if self.dependence is None or self.dependence.signed_last_layer is None:
            for name in ("signed_last_layer", "signed_all_weights"):
                (plain["dependence"] or {}).pop(name, None)
        return {**plain, "gap": self.gap, "complete": self.complete, "badges": self.badges, "says": self.says}


def percent(share: float) -> str:
    """A share that may be next to nothing."""
    return f"{100 * share:.2g} %" if share >= 1e-5 else "less than 0.001 %"
