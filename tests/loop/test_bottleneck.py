"""Where the time went, said in a sentence, and the remedy that is there for it."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from foveal.loop.bottleneck import COMPUTING, PHASES, verdict
from foveal.terminal import show


def said(spent: Mapping[str, float], total: float = 100.0, **more: Any) -> str:
    usual: dict[str, Any] = {"cache": "off", "passes": 10, "workers": 0, "device": "cpu", "augment": "light"}
    return verdict(spent, total, **{**usual, **more})


def test_decoding_names_the_cache_and_what_it_saves() -> None:
    spent = {"decode": 200.0, "forward": 50.0, "backward": 50.0}
    assert said(spent, 320.0) == "62% decoding: --cache memory would save about 3 min 00 s"
    assert said(spent, 320.0, passes=2) == "62% decoding: --cache memory would save about 1 min 40 s"
    assert said(spent, 320.0, passes=1) == "62% decoding, 31% computing", "read once, it is decoded once"
    assert said(spent, 320.0, cache="memory") == "62% decoding, 31% computing", "kept already"


def test_a_gpu_computes_meanwhile_and_that_time_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    spent = {"decode": 80.0, "forward": 20.0, "backward": 40.0}
    assert said(spent, device="cuda", workers=3) == "57% decoding: --cache memory would save about 40 s"
    # as much computing as there is time: nothing would come of a cache
    busy = {"decode": 99.0, "forward": 50.0, "backward": 49.0}
    assert (
        said(busy, device="cuda", workers=3)
        == "50% decoding: more --workers than 3 would read beside the GPU"
    )


@pytest.mark.parametrize(
    ("phase", "more", "sentence"),
    [
        ("decode", {"device": "cuda", "cache": "memory", "workers": 2},
         "60% decoding: more --workers than 2 would read beside the GPU"),
        ("augment", {"device": "cuda:1", "workers": 0},
         "60% augmenting: more --workers than 0 would read beside the GPU"),
        ("augment", {"device": "cuda", "workers": 7, "augment": "randaugment"},
         "60% augmenting: --augment light is the cheapest that varies pictures"),
        ("augment", {"augment": "trivialaugment"},
         "60% augmenting: --augment light is the cheapest that varies pictures"),
        ("augment", {"augment": "light"}, "60% augmenting, 40% computing"),
        ("augment", {"augment": "none"}, "60% augmenting, 40% computing"),
        ("save", {}, "60% saving: --runs-dir on a faster disk would make it shorter"),
        ("evaluate", {}, "60% validating, 40% computing"),
        ("prepare", {}, "60% preparing, 40% computing"),
        ("judge", {}, "60% judging the best model, 40% computing"),
        ("transfer", {"device": "cuda", "workers": 0}, "60% moving pictures to the device, 40% computing"),
    ],
)  # fmt: skip
def test_each_phase_has_its_sentence(
    monkeypatch: pytest.MonkeyPatch, phase: str, more: dict[str, Any], sentence: str
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert said({phase: 60.0, "backward": 40.0}, **more) == sentence


def test_computing_is_told_by_its_parts() -> None:
    spent = {"forward": 25.0, "backward": 50.0, "optimizer": 5.0, "features": 0.2, "decode": 15.0}
    assert said(spent) == (
        "80% computing (backward passes 50%, forward passes 25%, optimizer steps 5%): "
        "a smaller --size or --network would make it shorter"
    )
    assert said(
        {"forward": 25.45, "backward": 57.3, "optimizer": 2.4, "features": 1.3, "decode": 13.55}
    ).startswith(
        "86% computing (backward passes 57%, forward passes 26%, optimizer steps 2%, frozen layers, once 1%)"
    )
    assert said({"backward": 80.0}).startswith("80% computing: a smaller")
    assert said({"features": 70.0, "forward": 5.0}).startswith(
        "75% computing (frozen layers, once 70%, forward passes 5%)"
    )


@given(st.tuples(*[st.floats(0, 100)] * len(COMPUTING)), st.floats(0, 50))
def test_parts_add_up_to_the_whole_as_it_is_told(parts: tuple[float, ...], rest: float) -> None:
    spent = {**dict(zip(COMPUTING, parts, strict=True)), "decode": rest}
    found = re.match(r"(\d+)% computing \((.*)\)", said(spent, sum(parts) + rest))
    if found:
        assert sum(int(share) for share in re.findall(r"(\d+)%", found[2])) == int(found[1])


def test_the_larger_part_is_named() -> None:
    """A quarter of the time is worth a word only beside less than twice as much computing."""
    assert said({"save": 26.0, "backward": 51.0}).startswith("26% saving: ")
    assert said({"evaluate": 26.0, "backward": 51.0}) == "51% computing, 26% validating", (
        "no remedy: largest first"
    )
    assert said({"evaluate": 26.0, "backward": 53.0}).startswith("53% computing: ")
    assert said({"evaluate": 24.0, "backward": 30.0}).startswith("30% computing: ")


def test_where_no_phase_is_large_no_remedy_is_named() -> None:
    assert said({"save": 5.0, "backward": 10.0}) == "10% computing, 5% saving"
    assert said({"save": 0.5}) == "0% computing, 0% saving"


def test_nothing_known_nothing_said() -> None:
    assert said({}) == ""
    assert said({"forward": 0.0}) == ""
    assert said({"forward": 1.0}, 0.0) == ""


def test_shares_are_of_the_whole_where_attempts_before_count_too() -> None:
    """A resumed run's phases are those of all attempts, its seconds those of the last."""
    assert said({"backward": 300.0, "decode": 100.0}, 40.0, cache="memory").startswith("75% computing")


@given(
    st.dictionaries(st.sampled_from([*PHASES, "unknown"]), st.floats(0, 1e6)),
    st.floats(0, 1e6),
    st.sampled_from(["off", "memory"]),
    st.integers(0, 100),
    st.integers(0, 64),
    st.sampled_from(["cpu", "cuda", "mps"]),
)
def test_it_always_says_a_sentence_with_shares_up_to_100(
    spent: dict[str, float], total: float, cache: str, passes: int, workers: int, device: str
) -> None:
    sentence = said(spent, total, cache=cache, passes=passes, workers=workers, device=device)
    if not sentence:
        return
    shares = [int(share) for share in re.findall(r"(-?\d+)%", sentence)]
    assert shares
    assert all(0 <= share <= 100 for share in shares)
    assert "about -" not in sentence
    assert not sentence.endswith(".")


def test_every_phase_of_computing_is_a_phase() -> None:
    assert set(COMPUTING) < set(PHASES)


def test_it_is_shown_at_the_end_of_training() -> None:
    sentence = said({"decode": 60.0, "backward": 30.0})
    doc = {"run": "runs/a", "model": "runs/a/best.safetensors", "seconds": 100.0, "headline": None}
    console = Console(file=io.StringIO(), width=110)
    show.training(console, {**doc, "bottleneck": sentence})
    assert "60% decoding: --cache memory would save about 54 s" in console.file.getvalue()  # type: ignore[attr-defined]
    bare = Console(file=io.StringIO(), width=110)
    show.training(bare, {**doc, "bottleneck": ""})
    assert "%" not in bare.file.getvalue()  # type: ignore[attr-defined]
