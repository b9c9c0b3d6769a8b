"""The page of a run that was really trained: whole, alone, escaped, and under its cap."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from foveal.records.gathered import gather
from foveal.records.run import Run
from foveal.report import write
from foveal.report.page import CAP, gathered_html

VOID = {"meta", "link", "img", "br", "hr", "input", "col", "wbr"}
IMPLIED = {"path", "rect", "circle", "image"}


class Page(HTMLParser):
    """Checks that tags close in order, and keeps what tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.loads: list[str] = []
        self.images: list[dict[str, str]] = []
        self.handlers: list[str] = []
        self.headings: list[int] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {k: v or "" for k, v in attrs}
        self.ids += [found["id"]] if "id" in found else []
        self.handlers += [k for k in found if k.startswith("on")]
        if tag == "a":
            self.targets.append(found.get("href", ""))
        self.loads += [found[k] for k in ("src", "srcset", "data", "poster", "action") if k in found]
        self.loads += [found["href"]] if tag in ("link", "use", "image", "base") and "href" in found else []
        if tag == "img":
            self.images.append(found)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in IMPLIED | VOID, f"<{tag}/> is not closed in HTML"

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without a beginning"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def html(trained: Path) -> str:
    path = write(Run(trained))
    assert path == trained / "report.html"
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_it_is_whole(page: Page, html: str) -> None:
    assert html.startswith("<!DOCTYPE html>")
    assert len(page.ids) == len(set(page.ids)), "an id stands twice"
    assert all(target[1:] in page.ids for target in page.targets)
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(page.headings, page.headings[1:], strict=False)), (
        "a level is left out"
    )


def test_every_part_is_there(page: Page) -> None:
    parts = "verdict done curves confusion mistakes classes calibration data issues augmentation choices use again"
    assert [part for part in parts.split() if part not in page.ids] == []
    for words in (
        "What to try next",
        "Chosen, and why",
        "Lowest recall first",
        "Data's fingerprint",
        "Learning rate",
    ):
        assert words in page.text


def test_nothing_is_loaded_from_anywhere(page: Page, html: str) -> None:
    assert [load[:40] for load in page.loads if not load.startswith("data:image/webp;base64,")] == []
    assert all(target.startswith("#") for target in page.targets)
    outside = re.sub(r'<script id="plotly-packed".*?</script>', "", html, flags=re.DOTALL)
    assert re.findall(r"@import|url\(|(?:src|href)=[\"']?(?:https?:)?//", outside) == []
    assert set(re.findall(r"https?://[^\s\"'<]+", outside)) <= {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in html, "the browser itself refuses all else"


def test_names_are_escaped(page: Page, html: str) -> None:
    assert '<script>alert("x")' not in html
    assert html.count("<script") == 2, "Plotly, packed, and our own"
    assert page.handlers == []
    for name in ('<script>alert("x")</script>', "rose & 'so'", "日本語"):
        assert name in page.text


def test_the_cells_open_their_pictures(page: Page, html: str, trained: Path) -> None:
    judged = json.loads((trained / "evaluation.json").read_text(encoding="utf-8"))
    confusion = judged["confusion"]
    filled = [(a, b) for a in range(3) for b in range(3) if confusion[a][b]]
    assert any(a != b for a, b in filled), "the run makes mistakes"
    for a, b in filled:
        assert f"#cell-{a}-{b}" in page.targets
        panel = re.search(rf'<section class="panel[^"]*" id="cell-{a}-{b}".*?</section>', html, re.DOTALL)
        assert panel is not None
        most = confusion[a][b] if a != b else min(8, confusion[a][b])
        assert panel[0].count("<img") == most
    assert ".panel:target{display:block}" in html, "without a script"


def test_pictures_are_small_webp_without_exif(page: Page) -> None:
    assert len(page.images) > 20
    for image in page.images:
        data = base64.b64decode(image["src"].partition(",")[2])
        assert b"SECRET" not in data
        assert b"EXIF" not in data
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.format == "WEBP"
            assert (opened.width, opened.height) == (int(image["width"]), int(image["height"]))
            explained = "rather than" in image["alt"]  # three maps beside each other
            assert max(opened.size) <= (1200 if explained else 160)
        assert image["alt"]


def test_plotly_travels_inside(html: str) -> None:
    packed = re.search(r'<script id="plotly-packed" type="application/octet-stream">(.*?)</script>', html)
    assert packed is not None
    script = gzip.decompress(base64.b64decode(packed[1]))
    assert b"Plotly" in script[:4000] or b"plotly" in script[:4000]
    figures = re.findall(r'data-figure="([^"]*)"', html)
    assert len(figures) >= 5
    assert all("<" not in figure for figure in figures)


def test_it_is_far_below_the_cap(html: str) -> None:
    assert len(html.encode()) < 3_000_000 < CAP


@pytest.mark.parametrize("cap", [2_050_000, 2_030_000, 400_000, 90_000])
def test_a_smaller_cap_is_kept_by_fewer_pictures(trained: Path, cap: int) -> None:
    text = gathered_html(gather(Run(trained)), cap=cap)
    assert len(text.encode()) <= cap
    made = Page(text)
    assert "95% interval" in made.text
    assert "Chosen, and why" in made.text


def test_a_picture_that_has_vanished_leaves_a_word(copy: Callable[[], Run], tmp_path: Path) -> None:
    run = copy()
    shutil.rmtree(run.folder / "pictures")  # maps of the worst mistakes, which are kept
    text = (run.folder / "data.json").read_text(encoding="utf-8")
    data = json.loads(text)
    moved = text.replace(json.dumps(data["root"]), json.dumps(str(tmp_path / "gone")))
    (run.folder / "data.json").write_text(moved, encoding="utf-8")
    made = Page(write(run).read_text(encoding="utf-8"))
    assert made.images == []
    assert "picture not there" in made.text
    assert "95% interval" in made.text


def without(run: Run, *files: str) -> Run:
    for file in files:
        (run.folder / file).unlink()
    return run


def test_an_unfinished_run_shows_what_there_is(copy: Callable[[], Run]) -> None:
    run = without(copy(), "result.json", "evaluation.json")
    lines = (run.folder / "events.jsonl").read_bytes().split(b"\n")
    ends = [n for n, line in enumerate(lines) if b'"event":"epoch"' in line]
    (run.folder / "events.jsonl").write_bytes(b"\n".join(lines[: ends[1] + 1]) + b"\n")
    made = Page(write(run).read_text(encoding="utf-8"))
    assert "Unfinished." in made.text
    assert "So far the best accuracy is" in made.text
    assert "foveal train --resume" in made.text
    assert "curves" in made.ids
    assert "data" in made.ids
    assert "confusion" not in made.ids


def test_an_older_run_lacks_what_was_not_kept_then(copy: Callable[[], Run]) -> None:
    run = copy()
    result = json.loads((run.folder / "result.json").read_text(encoding="utf-8"))
    for key in ("spent", "trust"):
        result.pop(key, None)
    (run.folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    made = Page(write(run).read_text(encoding="utf-8"))
    assert "the rest: reading, planning, judging, saving" in made.text


@pytest.mark.parametrize("file", ["options.json", "data.json", "machine.json", "evaluation.json"])
def test_a_damaged_file_is_named_and_left_out(copy: Callable[[], Run], file: str) -> None:
    run = copy()
    (run.folder / file).write_text("{", encoding="utf-8")
    made = Page(write(run).read_text(encoding="utf-8"))
    assert "cannot be read" in made.text
    assert file in made.text


def test_a_run_that_has_not_begun(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "new")
    made = Page(write(run).read_text(encoding="utf-8"))
    assert "No epoch has been judged yet" in made.text


def test_what_trust_and_time_and_the_range_test_say(copy: Callable[[], Run]) -> None:
    run = copy()
    file = run.folder / "result.json"
    result = json.loads(file.read_text(encoding="utf-8"))
    result["spent"] = {
        "prepare": 2.0,
        "decode": 6.0,
        "forward": 10.0,
        "backward": 20.0,
        "judge": 3.0,
        "save": 1.0,
    }
    result["seconds"] = 60.0
    refused = {"share": 0.052, "low": 0.037, "high": 0.072, "count": 648, "split": "test"}
    result["trust"] = {
        "temperature": 1.5, "calibration_error_before": 0.1, "calibration_error": 0.02, "loss_before": 0.5, "loss": 0.4,
        "far": {"kept": 0.95, "refused": refused},
    }  # fmt: skip
    file.write_text(json.dumps(result), encoding="utf-8")
    found = {
        "rates": [1e-5, 1e-4, 1e-3, 1e-2], "losses": [1.0, 0.9, 0.5, None], "smoothed": [1.0, 0.95, 0.7, 2.0],
        "suggestion": 1e-3, "reason": "where it falls fastest",
    }  # fmt: skip
    (run.folder / "find_lr.json").write_text(json.dumps(found), encoding="utf-8")
    made = Page(write(run).read_text(encoding="utf-8"))
    for words in (
        "a temperature of 1.50", "makes probabilities softer", "10.0 points 2.0 points", "refuses 5.2% wrongly",
        "decoding", "20 s", "Where it falls fastest.",
    ):  # fmt: skip
        assert words in made.text, words
    assert "range" in made.ids


def test_it_shows_itself_in_a_notebook(copy: Callable[[], Run]) -> None:
    run = copy()
    shown = run.report()
    assert Path(shown).is_file()
    html = shown._repr_html_()
    assert "plotly-packed" not in html, "a notebook keeps what it shows"
    assert html.count("<iframe") == 1
    assert "<script" not in html
    curves = run.curves()
    assert len(curves.charts) == 3
    assert curves._repr_html_().count("<svg") == 3
    assert len(curves.figures()) == 3


def test_curves_of_nothing(tmp_path: Path) -> None:
    assert "No step" in Run.create(tmp_path, "new").curves()._repr_html_()


def test_the_sheet_disturbs_no_random_state(trained: Path) -> None:
    import torch

    torch.manual_seed(3)
    before = torch.get_rng_state()
    write(Run(trained))
    assert torch.equal(torch.get_rng_state(), before)
