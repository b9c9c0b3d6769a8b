"""What an explanation leaves, as a value: a map over a picture, with its verdict."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..charts import overlay
from ..charts.scales import short
from ..data.seen import Seen, put_back
from ..values import Target
from .verdicts import Verdict

if TYPE_CHECKING:
    from PIL import Image

BEYOND = 0.005
"""The share of a fine map's pixels that may be stronger than the strongest colour."""
NO_TARGET = Target()
WRONG = "what was said"
"""The label of what is summed over mistakes."""
NO_VERDICT = Verdict()
PLACES = (
    ("upper left", "top", "upper right"),
    ("left", "middle", "right"),
    ("lower left", "bottom", "lower right"),
)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Which places of one picture a score of a network comes from, by one method; or why there is no such map.

    `pixels` is the map on what the network saw, float32 `HW` of its input's size, signed, in `unit`; `map` is
    the same on the whole picture. `cells` is the map `hw` that it was drawn of, where it was one of a `layer`.
    """

    path: str
    method: str = ""
    target: Target = NO_TARGET
    layer: str = ""
    shows: overlay.Shows = "for"
    unit: str = ""
    score: float = float("nan")
    """The number that is explained, before softmax or sigmoid."""
    seen: Seen | None = None
    pixels: NDArray[np.float32] | None = None
    cells: NDArray[np.float32] | None = None
    peak: float = 0.0
    """The strongest of what is shown (`strongest`); 0: the map is empty."""
    top: float = 0.0
    """What the strongest colour stands for: the same in all maps that are compared with this one."""
    verdict: Verdict = NO_VERDICT
    says: tuple[str, ...] = ()
    """What a person should know of this map in particular."""
    source: str = ""
    model: str = ""
    """Which of several networks is explained; empty where there is one."""
    why: str = ""
    """Why this picture was chosen, where it was not given."""
    truth: Any = None
    opened: Callable[[int | None], Image.Image] | None = None
    """The picture, of which a shorter side of so many pixels suffices."""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Where the `map`, the `overlay` and the `figure` of all targets were written."""
    error: str | None = None

    @property
    def cannot(self) -> str:
        """What the method does not say."""
        return self.verdict.cannot

    @cached_property
    def map(self) -> NDArray[np.float32]:
        """The map of the whole picture, float32 `HW` of its size in pixels, signed; 0 where the network did not
        look. Values are those of the network's pixels: a larger picture repeats them."""
        seen = self._place()
        return self.at(seen.width, seen.height)

    def at(self, width: int, height: int) -> NDArray[np.float32]:
        """The map of the whole picture, drawn with so many pixels."""
        seen = self._place()
        if self.pixels is not None:
            return put_back(self.pixels, seen, width, height)
        kept = np.load(self.files["map"], mmap_mode="r", allow_pickle=False)
        return put_back(kept, Seen.whole(seen.width, seen.height), width, height)

    def _place(self) -> Seen:
        if self.seen is None:
            raise ValueError(f"there is no map: {self.error}")
        return self.seen

    @property
    def summed(self) -> bool:
        """Whether it is of many pictures, not of one."""
        return self.target.label == WRONG

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be shown."""
        return self.peak <= 0

    @property
    def title(self) -> str:
        return f"{self.method}: {self.target}{f', by {self.model}' if self.model else ''}"

    @property
    def words(self) -> str:
        """Layer and score."""
        return f"{f'layer {self.layer}, ' if self.layer else ''}score {short(self.score)} {self.verdict.word}"

    @property
    def nothing(self) -> str:
        """What is said in place of an empty map."""
        if not self.empty:
            return ""
        where = f"in the layer {self.layer}" if self.layer else "in the picture"
        if self.shows == "for":
            most = self.cells if self.cells is not None else self.pixels
            value = "" if most is None else f" (the largest value is {short(float(most.max()))})"
            return f"Empty: nothing {where} speaks for {self.target}{value}."
        return f"Empty: nothing {where} changes the score of {self.target}."

    @property
    def scale(self) -> str:
        """What the colours are of, in words."""
        beyond = "" if self.cells is not None else f"; {100 * BEYOND:g} % of the pixels may go beyond"
        return f"{self.unit}{beyond}"

    @cached_property
    def alt(self) -> str:
        """The map in words, for those who do not see it."""
        if self.error is not None or self.empty or self.pixels is None:
            return self.error or self.nothing or self.title
        shown = self.pixels.clip(0) if self.shows == "for" else np.abs(self.pixels)
        row, column = np.unravel_index(int(shown.argmax()), shown.shape)
        where = PLACES[min(2, int(3 * row / shown.shape[0]))][min(2, int(3 * column / shown.shape[1]))]
        order = np.sort(shown, axis=None)[::-1].cumsum()
        half = (int(np.searchsorted(order, order[-1] / 2)) + 1) / shown.size
        side = "" if self.pixels[row, column] > 0 or self.shows != "both" else ", against it"
        return (
            f"{self.method} for {self.target}: strongest at the {where}{side}, "
            f"{short(float(self.pixels[row, column]))}; half of it lies in {100 * half:.0f} % of what was seen"
        )

    def painted(self, longest: int | None = None) -> Image.Image:
        """The picture with the map over it, its longer side at most `longest` pixels."""
        seen = self._place()
        width, height = overlay.sides(seen.width, seen.height)
        share = min(1.0, (longest or max(width, height)) / max(width, height))
        width, height = max(1, round(width * share)), max(1, round(height * share))
        image = _resized(self.picture(min(width, height)), width, height)
        scale = (width / seen.width, height / seen.height)
        box = tuple(edge * scale[n % 2] for n, edge in enumerate(seen.box)) if seen.cropped else None
        at = self.target.at
        asked = None if at is None else tuple(edge * scale[n % 2] for n, edge in enumerate(at))
        return overlay.painted(image, self.at(width, height), self.shows, self.top, box, asked)

    def picture(self, shorter: int | None = None) -> Image.Image:
        """The picture itself."""
        if self.opened is None:
            raise ValueError(f"there is no picture: {self.error}")
        return self.opened(shorter)

    def image(self) -> Image.Image:
        """The figure: the picture with the map over it, named, with its scale."""
        return figure([self])

    def to_json(self) -> dict[str, Any]:
        if self.error is not None:
            return {"path": self.path, "error": self.error}
        seen = self._place()
        told = {"model": self.model, "why": self.why, "truth": self.truth, "figure": self.files.get("figure")}
        return {
            "path": self.path,
            "method": self.method,
            "layer": self.layer or None,
            "target": str(self.target),
            "map": self.files.get("map"),
            "overlay": self.files.get("overlay"),
            "verdict": self.verdict.to_json(),
            "score": self.score,
            "shows": self.shows,
            "unit": self.unit,
            "top": self.top,
            "empty": self.empty,
            "size": [seen.width, seen.height],
            "seen": list(seen.box),
            "says": [*filter(None, [self.nothing]), *self.says],
            "alt": self.alt,
            "source": self.source,
            **{name: value for name, value in told.items() if value},
        }

    def _repr_html_(self) -> str:
        if self.error is not None:
            return f"<p>{escape(self.path)}: {escape(self.error)}</p>"
        file = io.BytesIO()
        self.image().save(file, "PNG")
        code = base64.b64encode(file.getvalue()).decode("ascii")
        said = "".join(f"<li>{escape(one)}</li>" for one in (*self.says, *self.verdict.says))
        return f'<img alt="{escape(self.alt)}" src="data:image/png;base64,{code}"><ul>{said}</ul>'


def figure(shown: list[Explanation]) -> Image.Image:
    """Explanations of one picture by one method side by side, under one scale."""
    first = shown[0]
    panels = [overlay.Panel(one.painted(), one.title, one.words) for one in shown]
    foot = [*(one.nothing for one in shown), *first.says, first.cannot, *first.verdict.badges]
    foot = list(dict.fromkeys(_sentence(part) for part in foot if part))
    return overlay.figure(panels, first.shows, first.top, first.scale, foot)


def strongest(pixels: NDArray[np.float32], shows: overlay.Shows, fine: bool) -> float:
    """What the strongest colour should stand for: the largest value that is shown; in a fine map the one that
    `BEYOND` of its pixels pass. 0 where nothing is to be shown."""
    shown = pixels.clip(0) if shows == "for" else np.abs(pixels)
    top = float(np.quantile(shown, 1 - BEYOND)) if fine else float(shown.max())
    return top or float(shown.max())


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text[:1].upper()}{text[1:]}."


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    from PIL import Image as pillow

    if image.size == (width, height):
        return image
    enlarged = width > image.width and width % image.width == 0
    return image.resize((width, height), pillow.Resampling.NEAREST if enlarged else pillow.Resampling.LANCZOS)
