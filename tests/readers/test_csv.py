"""Tables of paths and labels, as people write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from foveal.errors import DataError, OptionError
from foveal.options import ReadOptions
from foveal.readers import claims, csv, prepare, read
from foveal.values import Dataset, Issue
from pictures import shape


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures in pics/, named 0.png to 5.png."""
    (tmp_path / "pics").mkdir()
    for number in range(6):
        shape(number, 8).save(tmp_path / "pics" / f"{number}.png")
    return tmp_path


def put(folder: Path, text: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def rows(line: str = "pics/{n}.png,{c}", end: str = "\n", count: int = 6) -> str:
    return end.join(line.format(n=n, c="ab"[n % 2]) for n in range(count)) + end


def got(path: Path, **options: str) -> Dataset:
    return read(str(path), ReadOptions(**options))


def truths(data: Dataset) -> dict[str, object]:
    return {item.id: item.truth for item in data.items}


def issues(data: Dataset) -> dict[str, Issue]:
    return {issue.kind: issue for issue in data.issues}


SIX = {f"pics/{n}.png": "ab"[n % 2] for n in range(6)}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("path,label\n" + rows(), "a.csv"),
        (rows(), "a.csv"),
        ("label;file\n" + rows("{c};pics/{n}.png"), "a.csv"),
        ("image\tclass\n" + rows("pics/{n}.png\t{c}"), "a.tsv"),
        ("image\tclass\n" + rows("pics/{n}.png\t{c}"), "a.csv"),
        ("image|class\n" + rows("pics/{n}.png|{c}"), "a.csv"),
        (rows("pics/{n}.png {c}"), "a.txt"),
        ("path,label\r\n" + rows(end="\r\n"), "a.csv"),
        ('"path","label"\n' + rows('"pics/{n}.png","{c}"'), "a.csv"),
        ("path, label\n\n" + rows("pics/{n}.png, {c} ", end="\n\n"), "a.csv"),
        ("\ufeffpath,label\n" + rows(), "a.csv"),
        ("path,label\n" + rows("pics\\{n}.png,{c}"), "a.csv"),
        ("path,label\n" + rows("./pics/{n}.png,{c}"), "a.csv"),
        ("name,label\n" + rows("{n}.png,{c}"), "a.csv"),
        ("id,breed\n" + rows("{n},{c}"), "a.csv"),
        ("index,id,breed,width\n" + rows("9{n},{n},{c},8"), "a.csv"),
    ],
)
def test_every_usual_way_of_writing_gives_the_same(folder: Path, text: str, name: str) -> None:
    data = got(put(folder, text, name))
    assert truths(data) == SIX
    assert (data.task, data.reader, data.labels, data.root) == ("classify", "csv", ("a", "b"), str(folder))
    assert data.why.startswith(f"{name}: paths in column ")
    assert data.issues == ()


def test_what_was_guessed_is_reported(folder: Path) -> None:
    data = got(put(folder, "file,size,species,split\n" + rows("pics/{n}.png,8,{c},train")))
    assert data.why == (
        "labels.csv: paths in column 'file' (guessed); labels in column 'species' (guessed); "
        "splits in column 'split' (guessed)"
    )


def test_columns_can_be_named(folder: Path) -> None:
    path = put(folder, "label,a,b,real\n" + rows("x,pics/0.png,pics/{n}.png,{c}"))
    data = got(path, path_column="b", label_column="real")
    assert truths(data) == SIX
    assert "labels in column 'real' (named)" in data.why
    assert truths(got(put(folder, rows()), path_column="column 1", label_column="Column 2")) == SIX
    put(folder, "path,other,real\n" + rows("pics/{n}.png,x,{c}"))
    with pytest.raises(OptionError, match="no column 'rael'") as caught:
        got(path, label_column="rael")
    assert "'real'" in caught.value.allowed
    assert "--label-column 'real'" in caught.value.todo


def test_contents_decide_where_names_do_not(folder: Path) -> None:
    data = got(put(folder, "x,y2,z\n" + rows("{n}.5,pics/{n}.png,{c}")))
    assert truths(data) == SIX
    assert "labels in column 'z' (guessed)" in data.why


def test_utf16_and_latin1(folder: Path) -> None:
    text = "path,label\npics/0.png,café\npics/1.png,thé\n"
    assert got(put(folder, text, encoding="utf-16")).labels == ("café", "thé")
    assert got(put(folder, text)).issues == ()
    data = got(put(folder, text, encoding="latin-1"))
    assert data.labels == ("café", "thé")
    assert (issues(data)["encoding"].severity, "line 2" in issues(data)["encoding"].says) == ("warning", True)


def test_labels_in_every_script_are_composed(folder: Path) -> None:
    names = ["日本語", "😀", "قطة", "cafe\u0301", "it's", 'a "b"', "a,b", "new\nline"]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    for number in range(6, 8):
        shape(number, 8).save(folder / "pics" / f"{number}.png")
    data = got(put(folder, "path,label\n" + "".join(f"pics/{n}.png,{q}\n" for n, q in enumerate(quoted))))
    assert list(truths(data).values()) == [name.replace("e\u0301", "é") for name in names]


@pytest.mark.parametrize(
    ("column", "values"),
    [("split", "train test valid"), ("Subset", "TRAIN Testing val"), ("set", "training test dev")],
)
def test_split_columns(folder: Path, column: str, values: str) -> None:
    train, test, val = values.split()
    parts = [train, train, test, val, "", train]
    lines = [f"pics/{n}.png,{'ab'[n % 2]},{part}" for n, part in enumerate(parts)]
    data = got(put(folder, f"path,label,{column}\n" + "\n".join(lines)))
    assert [item.part for item in data.items] == ["train", "train", "test", "val", "", "train"]


def test_is_valid_columns_and_columns_that_only_look_like_splits(folder: Path) -> None:
    data = got(
        put(
            folder,
            "path,label,is_valid\n"
            + rows("pics/{n}.png,{c},").replace(",\n", ",False\n", 4).replace(",\n", ",True\n"),
        )
    )
    assert [item.part for item in data.items] == ["train"] * 4 + ["val"] * 2
    data = got(put(folder, "path,label,fold\n" + rows("pics/{n}.png,{c},{n}")))
    assert {item.part for item in data.items} == {""}


@pytest.mark.parametrize(("sign", "header"), [("|", "x"), (";", "tags"), (",", "labels")])
def test_several_labels_in_a_cell(folder: Path, sign: str, header: str) -> None:
    cells = ["sky|sea", "sky", "sea|sand|sky", "sand", "sky|sand", "sea|sea"]
    lines = [f'pics/{n}.png,"{cell.replace("|", sign)}"' for n, cell in enumerate(cells)]
    data = got(put(folder, f"path,{header}\n" + "\n".join(lines)))
    assert data.task == "multilabel"
    assert truths(data)["pics/2.png"] == ["sea", "sand", "sky"]
    assert truths(data)["pics/5.png"] == ["sea"]
    assert data.labels == ("sand", "sea", "sky")
    assert repr(sign) in data.why


@pytest.mark.parametrize(
    "cells", [["Dover, DE", "Bath, UK"] * 3, ["a|x", "b|y"] * 3, ["Dover,DE", "Bath,UK"] * 3]
)
def test_one_label_that_holds_a_separator_stays_one(folder: Path, cells: list[str]) -> None:
    lines = [f'pics/{n}.png,"{cell}"' for n, cell in enumerate(cells)]
    data = got(put(folder, "path,place\n" + "\n".join(lines)))
    assert (data.task, set(data.labels)) == ("classify", set(cells))


def test_measurements_are_numbers_and_class_numbers_are_names(folder: Path) -> None:
    for number in range(40):
        shape(number, 8).save(folder / "pics" / f"{number}.png")
    data = got(put(folder, "path,weight\n" + "".join(f"pics/{n}.png,{n * 1.25}\n" for n in range(40))))
    assert (data.task, truths(data)["pics/3.png"], data.labels) == ("regress", 3.75, ("weight",))
    assert data.column == "weight"
    coarse = "".join(f"pics/{n}.png,{n % 21 + 0.5}\n" for n in range(40))  # each value twice
    assert got(put(folder, "path,weight\n" + coarse)).task == "regress"
    stars = "".join(f"pics/{n}.png,{n % 10 / 2}\n" for n in range(40))
    assert got(put(folder, "path,stars\n" + stars)).task == "classify"
    years = got(put(folder, "path,age\n" + "".join(f"pics/{n}.png,{n // 2 + 1}\n" for n in range(40))))
    assert (years.task, "--task" in years.why) == ("classify", False)
    years = got(put(folder, "path,age\n" + "".join(f"pics/{n}.png,{n % 25}\n" for n in range(40))))
    assert years.task == "regress", "hardly any class twice"
    for number in range(40, 60):
        shape(number, 8).save(folder / "pics" / f"{number}.png")
    years = got(put(folder, "path,age\n" + "".join(f"pics/{n}.png,{n % 22}\n" for n in range(60))))
    assert (years.task, "--task regress" in years.why) == ("classify", True)
    data = got(put(folder, "path,label\n" + "".join(f"pics/{n}.png,{n % 11}\n" for n in range(40))))
    assert (data.task, data.labels[-1], truths(data)["pics/3.png"]) == ("classify", "10", "3")


def test_missing_pictures_are_named_with_their_line(folder: Path) -> None:
    for number in range(6, 30):
        shape(number, 8).save(folder / "pics" / f"{number}.png")
    data = got(put(folder, "path,label\n" + rows(count=30) + "pics/gone.png,a\n"))
    assert len(data.items) == 30
    assert issues(data)["missing"].paths == ("pics/gone.png (line 32)",)
    assert issues(data)["missing"].severity == "warning"
    with pytest.raises(DataError, match=r"labels\.csv: 6 of 6 rows .*nowhere/x0\.png \(line 2\)") as caught:
        got(put(folder, "path,label\n" + rows().replace("pics/", "nowhere/x")))
    assert all((caught.value.allowed, "--path-column" in caught.value.todo))


def test_rows_without_a_label_and_pictures_listed_twice(folder: Path) -> None:
    data = got(put(folder, "path,label\n" + rows() + "pics/0.png,a\n./pics/1.png,a\npics/2.png,\n" + "\n"))
    found = issues(data)
    assert truths(data) == SIX
    assert found["listed-twice"].paths == ("pics/0.png (line 8), first in line 2",)
    assert found["listed-differently"].paths == ("./pics/1.png (line 9), first in line 3",)
    assert found["listed-differently"].severity == "warning"
    assert found["unlabelled"].paths == ("pics/2.png (line 10)",)


def test_absolute_paths_and_paths_outside(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("table")
    data = got(put(place, "path,label\n" + rows(f"{folder}/pics/{{n}}.png,{{c}}")))
    assert [Path(item.path) for item in data.items] == [folder / "pics" / f"{n}.png" for n in range(6)]
    up = os.path.relpath(folder, place).replace(os.sep, "/")
    whole, _ = prepare(
        str(put(place, "path,label\n" + rows(f"{up}/pics/{{n}}.png,{{c}}"))),
        ReadOptions(data_home=str(place / "home")),
        0,
    )
    assert len(whole.items) == 6
    inside = got(put(folder, "path,label\n" + rows(f"{folder}/pics/{{n}}.png,{{c}}")))
    assert truths(inside) == SIX


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "empty"),
        ("\n\n", 1, "empty"),
        ("path,label\n", 1, "no row"),
        ("path\npics/0.png\n", 1, "only one column"),
        (
            "path,label\n" + rows() + "pics/0.png\n",
            8,
            "1 cells, separated by commas, where the first row has 2",
        ),
        ("path,label\n" + rows() + "pics/0.png,a,b\n", 8, "3 cells"),
        ("path,label\n" + rows() + '"pics/0.png,' + "a" * 200_000, 8, "cannot be read as a table"),
    ],
)
def test_errors_name_file_and_line(folder: Path, text: str, line: int, says: str) -> None:
    path = put(folder, text)
    with pytest.raises(DataError, match=says) as caught:
        got(path)
    assert f"{path}, line {line}: " in caught.value.came
    assert all((caught.value.allowed, caught.value.todo))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n3,4\n", "none of them a picture's path"),
        ("path,a,b,c\npics/0.png,1,0,0\npics/1.png,0,1,0\n", "as if there were one for each class"),
        ("path,x,z\npics/0.png,u,q\npics/1.png,v,r\n", "none of them looks like labels"),
        ("path,split\npics/0.png,train\npics/1.png,test\n", "none is left for labels"),
    ],
)
def test_columns_that_cannot_be_guessed(folder: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        got(put(folder, text))
    assert "--" in caught.value.todo


def test_a_folder_with_one_table_that_names_pictures(folder: Path) -> None:
    put(folder, "path,label\n" + rows())
    put(folder, "epoch,loss\n1,2\n", "log.csv")
    assert [claim.reader for claim in claims(folder)] == ["csv"]
    assert truths(got(folder)) == SIX
    put(folder, "path,label\n" + rows(), "more.csv")
    assert csv.sniff(folder) is None
    with pytest.raises(DataError) as caught:
        got(folder)
    assert "labels.csv" in caught.value.todo
    with pytest.raises(
        DataError, match=r"3 tables: labels\.csv, log\.csv, more\.csv; 2 of them name pictures"
    ):
        got(folder, reader="csv")


def test_a_table_beside_class_folders_makes_two_claims(folder: Path) -> None:
    put(folder, "path,label\n" + rows("one/{n}.png,{c}"))
    for name in ("one", "two"):
        (folder / name).mkdir()
        for number in range(6):
            shape(number, 8).save(folder / name / f"{number}.png")
    with pytest.raises(DataError, match="can be read in 2 ways") as caught:
        got(folder)
    assert "csv: labels.csv names pictures in this folder" in caught.value.came
    assert "folder: 3 class folders" in caught.value.came
    assert caught.value.todo == "Choose with --reader csv or --reader folder."
    assert len(got(folder, reader="csv").items) == 6
    assert len(got(folder, reader="folder").items) == 18


def test_a_listed_file_that_is_no_picture_is_left_to_the_examination(folder: Path) -> None:
    (folder / "pics" / "x.png").write_text("no picture")
    for number in range(6, 20):
        shape(number, 8).save(folder / "pics" / f"{number}.png")
    path = put(folder, "path,label\n" + rows(count=20) + "pics/x.png,a\n")
    whole, _ = prepare(str(path), ReadOptions(data_home=str(folder / ".home")), 0)
    assert issues(whole)["not-an-image"].paths == ("pics/x.png",)
