"""Maps over pictures: colours in even steps, strengths and boxes where they should be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from foveal.charts import lettering, overlay


def lightness(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIE L* of sRGB colours."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array((0.2126, 0.7152, 0.0722))
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


def test_strengths_get_lighter_in_even_steps() -> None:
    steps = np.diff(lightness(overlay.colours("for"))[::16])
    assert steps.min() > 0
    assert steps.max() / steps.mean() < 1.6
    assert (overlay.colours("for") == overlay.colours("size")).all()


def test_both_sides_are_equally_dark_and_nothing_is_in_the_middle() -> None:
    light = lightness(overlay.colours("both"))
    assert abs(light[:128] - light[:127:-1]).max() < 8
    assert light.argmax() in (127, 128)
    against, for_ = overlay.colours("both")[0].astype(int), overlay.colours("both")[-1].astype(int)
    assert against[2] > against[0] + 80, "blue"
    assert for_[0] > for_[2] + 80, "red"


@pytest.fixture(scope="module")
def grey() -> Image.Image:
    return Image.new("RGB", (40, 30), (128, 128, 128))


def test_only_what_speaks_for_it_is_coloured(grey: Image.Image) -> None:
    values = np.zeros((30, 40), np.float32)
    values[5, 6], values[20, 30] = 2.0, -2.0
    drawn = np.asarray(overlay.painted(grey, values, "for", 2.0)).astype(int)
    changed = abs(drawn - 128).sum(2) > 0
    assert changed[5, 6]
    assert changed.sum() == 1
    both = np.asarray(overlay.painted(grey, values, "both", 2.0)).astype(int)
    assert both[5, 6, 0] > both[5, 6, 2]
    assert both[20, 30, 2] > both[20, 30, 0]
    size = np.asarray(overlay.painted(grey, values, "size", 2.0))
    assert (size[5, 6] == size[20, 30]).all()


def test_one_scale_for_all(grey: Image.Image) -> None:
    """A weaker map is weaker in colour: nothing is stretched to the map's own range."""
    values = np.ones((30, 40), np.float32)
    strong = np.asarray(overlay.painted(grey, values, "for", 1.0)).astype(int)
    weak = np.asarray(overlay.painted(grey, values * 0.1, "for", 1.0)).astype(int)
    assert abs(weak - 128).sum() < 0.5 * abs(strong - 128).sum()
    assert (np.asarray(overlay.painted(grey, values, "for", 0.0)) == 128).all(), "no scale, no colours"


def test_what_was_not_seen_is_dark_outside_of_a_line(grey: Image.Image) -> None:
    drawn = np.asarray(overlay.painted(grey, np.zeros((30, 40), np.float32), "for", 1.0, (10, 5, 30, 25)))
    assert (drawn[0, 0] < 70).all()
    assert (drawn[15, 20] == 128).all()
    assert (drawn[5, 10:30] == 255).all()
    assert (drawn[5:25, 29] == 255).all()


@pytest.mark.parametrize(
    ("size", "drawn"),
    [((8, 8), (280, 280)), ((3000, 1500), (1024, 512)), ((500, 40), (500, 40)), ((100, 90), (300, 270))],
)
def test_how_large_a_picture_is_drawn(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert overlay.sides(*size) == drawn


def test_a_figure_holds_its_panels_and_says_its_scale(grey: Image.Image) -> None:
    large = grey.resize((300, 200))
    panels = [
        overlay.Panel(large, f"method: a very long label number {n} " * 4, "layer4, score 3")
        for n in range(3)
    ]
    alone = overlay.figure(panels[:1], "both", 1.5, "logits")
    three = overlay.figure(panels, "both", 1.5, "logits", ("One sentence that is told below.",) * 2)
    assert three.width > 3 * 300
    assert three.height > alone.height
    bare = overlay.figure(panels[:1], "for", 0.0, "")
    assert bare.height < alone.height, "an empty map has no scale"
    assert overlay.ends("both", 1.5) == ("-1.5 (against)", "0", "1.5 (for)")
    assert overlay.ends("size", 0.25) == ("0", "0.25")


def test_words_fit() -> None:
    lines = lettering.wrapped("many words that go on and on and " * 5 + "x" * 200, 14, 200)
    assert all(lettering.width(line, 14) <= 200 for line in lines)
    assert lettering.cut("short", 14, 200) == "short"
    assert lettering.wrapped("", 14, 100) == []
