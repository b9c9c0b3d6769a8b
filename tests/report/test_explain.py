"""The page of explanations: whole, self-contained, and never larger than its cap."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from PIL import Image

from foveal.data.seen import Seen
from foveal.explaining.explained import Explanation, strongest
from foveal.explaining.verdicts import Areas, Dependence, Verdict
from foveal.report.explain import grouped, page
from foveal.values import Choice, Target


def opened(seed: int, shorter: int | None) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((450, 300))


def explanation(number: int, method: str = "gradcam", **more: object) -> Explanation:
    pixels = np.random.default_rng(number).normal(size=(32, 32)).astype(np.float32)
    peak = strongest(pixels, "both", fine=True)
    told: dict[str, object] = {"pixels": pixels, "peak": peak, "top": peak} | more
    return Explanation(
        f"folder/<b>{number}</b>.jpg", method, Target("cat & dog"), shows="both", unit="logits a pixel", score=3.25,
        seen=Seen(450, 300, (75.0, 0.0, 375.0, 300.0)), opened=partial(opened, number), **told,  # type: ignore[arg-type]
    )  # fmt: skip


def test_everything_is_said_and_nothing_fetched() -> None:
    verdict = Verdict(
        "It is a test.",
        dependence=Dependence(0.9, 0.1, 2),
        areas=Areas(1, 2, 1.5, 1.5, 24, "fine"),
        total=1.0,
        wanted=2.0,
    )
    rows = [
        explanation(1),
        explanation(1, "occlusion", verdict=verdict),
        Explanation("gone.png", error="It is gone."),
    ]
    empty = explanation(2, peak=0.0, top=0.0, why="one of the worst mistakes")
    made = page([*rows, empty], "a network", [Choice("method", "gradcam", "as it is")], ["A note."])
    assert made.startswith("<!DOCTYPE html>") or made.lstrip().startswith("<!DOCTYPE html>")
    assert "http://" not in made
    assert "<script" not in made
    assert "<b>1</b>" not in made, "names are text"
    for said in (
        "It is gone.",
        "cat &amp; dog",
        "Empty: nothing",
        "A note.",
        "as it is",
        "One of the worst mistakes",
    ):
        assert said in made
    for badge in verdict.badges:
        assert badge in made
    assert len(re.findall(r'<img src="data:image/webp[^>]* alt="[^"]{10,}"', made)) == 4, (
        "two pictures, two maps"
    )
    assert "0.90" in made
    assert "as measured here" in made
    plain = page([explanation(1)], "a network")
    assert "was not measured" in plain
    assert "<table" not in plain
    part = page(rows, "a network", whole=False)
    assert "<html" not in part


def test_explanations_of_a_picture_stand_together() -> None:
    rows = [
        explanation(1),
        explanation(1, "occlusion"),
        Explanation("x", error="no"),
        Explanation("y", error="no"),
        explanation(3),
    ]
    assert [(len(group.rows), bool(group.error)) for group in grouped(rows)] == [
        (2, False),
        (0, True),
        (0, True),
        (1, False),
    ]


@pytest.mark.parametrize("cap", [40_000, 150_000])
def test_the_page_keeps_below_its_cap(cap: int) -> None:
    made = page([explanation(n) for n in range(6)], "a network", cap=cap)
    assert len(made.encode()) <= cap
    more = int(re.search(r"(\d+) more pictures", made)[1]) if "more pictures" in made else 0  # type: ignore[index]
    assert more + made.count('<h2 class="small">') == 6
