"""A CSV file is read as the user sees it, or refused in the user's words."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpo.data import fingerprint, load
from hpo.errors import DataError
from hpo.records import Dataset
from hpo.user_code import Home

ROWS = [("1", "u"), ("2", "v"), ("3", "u"), ("4", "v")]


def table(separator=",", end="\n", header=("a", "y")):
    return end.join(separator.join(row) for row in [header, *ROWS]) + end


@pytest.mark.parametrize(
    "content",
    [
        table(),
        table(separator=";"),
        table(separator="\t"),
        table(end="\r\n"),
        table(end="\r"),
        table().rstrip("\n"),
        "\n" + table(end="\n\n"),
        table(separator=" , "),
        "\ufeff" + table(),
        table().replace("u", '"u"').replace("a", '"a"'),
    ],
    ids=["comma", "semicolon", "tab", "crlf", "cr", "no-end", "blank", "spaces", "bom",
         "quotes"],
)  # fmt: skip
def test_the_same_table_is_read_however_it_is_written(load_text, content):
    dataset = load_text(content)
    assert dataset.X.to_dict("list") == {"a": [1.0, 2.0, 3.0, 4.0]}
    assert dataset.y.tolist() == [0, 1, 0, 1]
    assert fingerprint(dataset) == fingerprint(load_text(table()))


def test_a_separator_other_than_a_comma_is_noted(load_text):
    assert "cells are separated by a semicolon" in load_text(table(";")).notes
    assert not any("separated" in note for note in load_text(table()).notes)


def test_quoted_cells_hold_separators_quotes_and_line_breaks(load_text):
    dataset = load_text('"a, ""b""",y\n"p,q",0\n"r\r\ns",0\n"p,q",1\n"r\r\ns",1\n')
    assert dataset.categorical == ('a, "b"',)
    assert dataset.X.iloc[:, 0].tolist() == ["p,q", "r\r\ns", "p,q", "r\r\ns"]


def test_spaces_around_cells_and_quotes_do_not_count(load_text):
    dataset = load_text('t ,y\n p, u\n "p",v\np , "u"\n"q,r",v\n')
    assert dataset.X["t"].tolist() == ["p", "p", "p", "q,r"]
    assert dataset.classes.tolist() == ["u", "v"]


def test_a_semicolon_file_may_have_commas_in_quoted_names(load_text):
    assert load_text('"a,b";y\n1;0\n2;0\n3;1\n4;1\n').numeric == ("a,b",)


def test_a_comma_in_the_header_wins_over_other_separators(load_text):
    assert load_text("a;b;c,y\n1,0\n2,0\n3,1\n4,1\n").numeric == ("a;b;c",)


def test_columns_without_a_name_are_called_by_position(load_text):
    assert load_text(",a,y\n5,1,u\n7,2,v\n8,3,u\n").numeric == ("Unnamed: 0", "a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"^t\.csv: expected a header and rows; the file is empty$"),
        (b" \n\n", r"t\.csv: .*the file is empty"),
        (b"a,y\n", r"t\.csv: expected rows below the header; there are none"),
        (b"a,y\n1,2\n", r"^t\.csv: expected at least 2 rows with a target; got 1$"),
        (b"a,y\n1,2\n2,\n", r"t\.csv: expected at least 2 rows with a target; got 1"),
        (
            b"a,y,a\n1,2,3\n",
            r"t\.csv:1: .*distinct column names; found twice: 'a'; ren",
        ),
        (
            b"a,y\n1,2\n\n3,4,5\n6\n",
            r"t\.csv:4: expected 2 cells.* got 3 \(1 more row like it\); put a cell "
            r"that contains a comma in quotes",
        ),
        (
            b"a;y\n1;2;3\n",
            r"t\.csv:2: expected 2 cells.*contains a semicolon in quotes",
        ),
        (b"a,y\n1,2\n\xe9,3\n", r"t\.csv:3: expected UTF-8; got the byte 0xe9; save"),
        ("a,y\n1,2\n".encode("utf-16"), r"t\.csv: expected UTF-8; the file is UTF-16"),
        (b"a,y\n1,\x002\n", r"t\.csv:2: expected text; this is a binary file"),
        (b'a,y\n1,2\n"3,4\n5,6\n', r't\.csv:3: a quote \("\) opens on this line'),
        (b'a,y\n1,2\n"3"4,5\n', r"t\.csv:3: text or a space follows a closing quote"),
        (b"a,y\n1," + b"x" * 200_000, r"t\.csv:2: a cell has over 131072 characters"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_line(load_text, content, message):
    with pytest.raises(DataError, match=message):
        load_text(content)


def test_the_line_of_a_row_counts_line_breaks_inside_quotes(load_text):
    with pytest.raises(DataError, match=r"t\.csv:5: expected 2 cells"):
        load_text('a,y\n"1\n\n",2\n3\n')


def test_a_missing_file_gets_a_near_match(tmp_path):
    (tmp_path / "weather.csv").write_text(table())
    with pytest.raises(DataError, match=r"^wether\.csv: .*mean 'weather\.csv'\?"):
        load("wether.csv", target="y", home=Home(tmp_path))
    with pytest.raises(DataError, match=r"no/x\.csv: there is no folder '.*no'"):
        load("no/x.csv", target="y", home=Home(tmp_path))


def test_what_is_no_readable_file_is_refused(tmp_path):
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(DataError, match=r"d\.csv: expected a file; this is a folder"):
        load("d.csv", target="y", home=Home(tmp_path))
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"pipe\.csv: expected a regular file"):
        load("pipe.csv", target="y", home=Home(tmp_path))
    with pytest.raises(DataError, match=r"cannot be read \(File name too long\)"):
        load("x" * 300 + ".csv", target="y", home=Home(tmp_path))
    with pytest.raises(DataError, match=r"cannot be read \(this is not a path\)"):
        load("a\0b.csv", target="y", home=Home(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text(table())
    (tmp_path / "t.csv").chmod(0)
    with pytest.raises(DataError, match=r"t\.csv: the file may not be read"):
        load("t.csv", target="y", home=Home(tmp_path))


def load_or_refuse(content: bytes, task: str | None) -> None:
    """Pass if the bytes make a sound data set or a `DataError`."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "t.csv").write_bytes(content)
        with suppress(DataError):
            assert_sound(load("t.csv", target="y", task=task, home=Home(Path(folder))))


def assert_sound(dataset: Dataset) -> None:
    X = dataset.X
    assert len(X) == dataset.n_rows > 0
    assert sorted(X.columns) == sorted(dataset.numeric + dataset.categorical)
    assert all(X[name].dtype == "float64" for name in dataset.numeric)
    for name in dataset.categorical:
        assert X[name].dtype == object
        assert {type(value) for value in X[name]} <= {str, type(None)}
    if dataset.classes is None:
        assert dataset.y.dtype == "float64"
    else:
        assert sorted(set(dataset.y.tolist())) == list(range(dataset.n_classes))
    assert len(fingerprint(dataset)) == 64


NUMBERS = ["0", "1", "1.5", "-2", "-0", " 3 ", "1e300", "0" * 5000, "9" * 300]
GAPS = ["", "?", "NA", "nan"]
TEXTS = ["u", "é", '"1,5"', "\x85", "\u2028", "\x1a", "true", "9223372036854775808"]
ODD = ["1e999", "inf", "NAN", "1_0", "\uff11", "1,5", '"', '"u"x', "\r", "\n", "False"]
ANY = [*NUMBERS, *GAPS, *TEXTS, *ODD]
TRUTHS = ["true", "False", ""]
COLUMNS = st.sampled_from(
    [NUMBERS, NUMBERS + GAPS, TEXTS, TEXTS + GAPS, TRUTHS, ["u", "v"], ANY]
)
TASKS = st.sampled_from([None, "classification", "regression"])


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=60), task=TASKS)
@example(content=b"\xef\xbb\xbf", task=None)
@example(content=b"y", task=None)
def test_any_bytes_give_a_dataset_or_a_data_error(content, task):
    load_or_refuse(content, task)


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    n_rows=st.integers(0, 8),
    separator=st.sampled_from([",", ";", "\t"]),
    task=TASKS,
)
def test_any_cells_give_a_dataset_or_a_data_error(data, n_rows, separator, task):
    columns = [
        data.draw(st.lists(st.sampled_from(cells), min_size=n_rows, max_size=n_rows))
        for cells in data.draw(st.tuples(COLUMNS, COLUMNS, COLUMNS))
    ]
    rows = [("a", "b", "y"), *zip(*columns, strict=True)]
    load_or_refuse("\n".join(separator.join(row) for row in rows).encode(), task)
