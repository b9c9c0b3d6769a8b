"""Boxes in doubt: what was left out, renamed or moved is found again, and nothing is doubted where all is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import gathered
from foveal.data.decisions import EXCLUDE, KEEP
from foveal.doctor.case import Case
from foveal.doctor.data.boxes import KINDS, doubts, rows
from foveal.doctor.data.told import Drawn, Row
from foveal.doctor.rules import boxes_doubtful
from foveal.finding import Finding, Unsure
from foveal.report.findings import page
from foveal.values import Dataset, Evaluation, Item, Score

LABELS = ("ring", "star")


def drawn(pictures: int = 60, seed: int = 0, sure: float = 0.9) -> list[dict[str, Any]]:
    """Pictures with a box in each of four cells, all found nearly where they were drawn."""
    draws = np.random.default_rng(seed)
    made: list[dict[str, Any]] = []
    for n in range(pictures):
        told, said = [], []
        for cell in range(4):
            corner = np.array([cell % 2, cell // 2]) * 50 + draws.uniform(2, 10, 2)
            box = [*corner, *(corner + draws.uniform(20, 34, 2))]
            label = LABELS[int(draws.integers(2))]
            told.append({"label": label, "box": box, "kind": "right"})
            near = (np.array(box) + draws.uniform(-2, 2, 4)).tolist()
            probability = float(np.clip(sure + draws.normal(0, 0.05), 0.05, 0.99))
            said.append({"label": label, "box": near, "kind": "right", "probability": probability})
        made.append({"id": f"p{n}", "truth": told, "predicted": said})
    return made


def judged(examples: list[dict[str, Any]]) -> None:
    """Set what each box that was found is, as evaluation does, by its label and place."""
    for row in examples:
        for said in row["predicted"]:
            hit = any(
                one["label"] == said["label"] and np.abs(np.array(one["box"]) - said["box"]).max() < 4
                for one in row["truth"]
            )
            said["kind"] = "right" if hit else "background"


@given(st.integers(0, 50), st.floats(0.3, 0.95))
def test_nothing_is_doubted_where_all_is_right(seed: int, sure: float) -> None:
    found = doubts(drawn(20, seed, sure), "val")
    assert not any(found[kind] for kind in KINDS)
    assert found["right"] == found["boxes"] == 80
    assert rows([found]) == []


@given(st.integers(0, 50))
def test_what_was_done_to_boxes_is_found_again(seed: int) -> None:
    examples, draws = drawn(40, seed), np.random.default_rng(seed)
    done: dict[str, set[str]] = {"overlooked": set(), "misnamed": set(), "misplaced": set()}
    for row in examples:
        kind = (*done, "")[int(draws.integers(4))]
        one, said = row["truth"][0], row["predicted"][0]
        said["probability"] = 0.99
        if kind == "overlooked":
            del row["truth"][0]
        elif kind == "misnamed":
            one["label"] = LABELS[1 - LABELS.index(one["label"])]
        elif kind == "misplaced":
            width = one["box"][2] - one["box"][0]
            one["box"] = [
                one["box"][0] + 0.55 * width,
                one["box"][1],
                one["box"][2] + 0.55 * width,
                one["box"][3],
            ]
        if kind:
            done[kind].add(row["id"])
    judged(examples)
    found = doubts(examples, "train")
    assert {kind: {row["id"] for row in found[kind]} for kind in done} == done
    assert not found["unfound"]
    for kind, ids in done.items():
        share = found["shares"][kind]
        assert share["count"] == len(ids)
        assert share["low"] <= share["share"] <= share["high"]
    told = {row.id: row for row in rows([found])}
    assert set(told) == set.union(*done.values())
    assert all(row.suggested == EXCLUDE and row.drawn for row in told.values())


def test_boxes_that_do_not_count_and_parts_of_boxes_are_no_doubt() -> None:
    examples = drawn(20)
    crowd, part = examples[0], examples[1]
    crowd["truth"][0]["kind"] = "ignored"
    large = part["truth"][1]["box"]
    inner = [large[0] + 1, large[1] + 1, large[0] + 7, large[1] + 7]  # overlaps by less than a tenth
    part["predicted"].append({"label": "star", "box": inner, "kind": "background", "probability": 0.99})
    found = doubts(examples, "val")
    assert not any(found[kind] for kind in KINDS)
    assert found["boxes"] == 79


def test_a_box_in_which_nothing_is_seen_is_worth_a_look_where_others_are_found() -> None:
    examples = drawn(20)
    label = examples[3]["truth"][2]["label"]
    del examples[3]["predicted"][2]
    found = doubts(examples, "val")
    assert [(row["id"], row["label"]) for row in found["unfound"]] == [("p3", label)]
    assert [(row.id, row.suggested) for row in rows([found])] == [("p3", KEEP)]
    for row in examples:  # now most of that label are not found
        row["predicted"] = [said for said in row["predicted"] if said["label"] != label]
    assert not doubts(examples, "val")["unfound"]


def case(examples: list[dict[str, Any]], **tests: Any) -> Case:
    headline = Score("mAP", 0.6, 0.5, 0.7, True, "val")
    record = gathered.made(Evaluation(headline, {"mAP": 0.6}, len(examples), [], [], examples))
    return Case(
        gathered.dataclasses.replace(record, options={"task": {"name": "detect", "labels": LABELS}}),
        (),
        tests,
    )


def test_the_rule_speaks_from_a_share_on() -> None:
    assert boxes_doubtful.examine(case(drawn())) is None
    few, many = drawn(), drawn()
    for examples, count in ((few, 3), (many, 40)):
        for row in examples[:count]:
            del row["truth"][0]
            row["predicted"][0]["probability"] = 0.99
        judged(examples)
    assert boxes_doubtful.examine(case(few)) is None
    said = boxes_doubtful.examine(case(many))
    assert isinstance(said, Finding)
    assert "left without a box" in said.says
    assert not said.cure.exclude, "pictures that judge are not left out of training"
    own = boxes_doubtful.examine(case(drawn(), boxes=doubts(many, "train")))
    assert isinstance(own, Finding)
    assert set(own.cure.exclude) == {f"p{n}" for n in range(40)}


def test_a_network_that_finds_little_doubts_nothing() -> None:
    examples = drawn()
    for row in examples:
        row["predicted"] = row["predicted"][:1]
    assert isinstance(boxes_doubtful.examine(case(examples)), Unsure)
    assert boxes_doubtful.examine(Case(gathered.made(None))) is None


def test_the_page_shows_the_boxes_in_doubt(tmp_path: Path) -> None:
    Image.new("RGB", (100, 100), (90, 120, 150)).save(tmp_path / "p.png")
    examples = drawn(1)
    gone = examples[0]["truth"].pop(0)
    examples[0]["predicted"][0]["probability"] = 0.99
    judged(examples)
    (row,) = rows([doubts(examples, "train")])
    assert row.drawn == (Drawn(gone["label"], tuple(examples[0]["predicted"][0]["box"]), found=True),)
    item = Item("p0", "p.png", examples[0]["truth"], "train")
    data = Dataset(str(tmp_path), "detect", "coco", "", LABELS, (item,))
    said = page(data, [row], (), "cells", kicker="Diagnosis")
    assert f"{gone['label'].capitalize()} that nobody drew (99% sure)" in said
    assert said.count('<img src="data:image/webp') == 2, "whole, and close by"
    assert "as the network has it" in said
    assert "Diagnosis" in said
    without = page(data, [Row("p0", "outlier", "is like no other picture")])
    assert "as the network has it" not in without
