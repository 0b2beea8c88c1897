"""Columns become numbers or categories; those nobody can learn from are refused."""

from __future__ import annotations

import numpy as np
import pytest

from hpo.data.cells import MISSING
from hpo.errors import DataError


def table(**columns):
    """A table of columns of equal length, with a target of alternating u and v."""
    n_rows = len(next(iter(columns.values())))
    columns["y"] = ["uv"[index % 2] for index in range(n_rows)]
    rows = [
        ",".join(f'"{cell}"' for cell in row)
        for row in zip(*columns.values(), strict=True)
    ]
    return "\n".join([",".join(columns), *rows])


def test_numbers_booleans_and_texts_keep_the_order_of_the_file(load_text):
    dataset = load_text(
        "wind,sky,wet,temp,y\n1,fog,true,-0.5,u\n2,sun,False,1e3,v\n3,fog,TRUE,.5,u\n"
    )
    assert dataset.X.columns.tolist() == ["wind", "sky", "wet", "temp"]
    assert dataset.numeric == ("wind", "wet", "temp")
    assert dataset.categorical == ("sky",)
    assert dataset.X["wet"].tolist() == [1.0, 0.0, 1.0]
    assert dataset.X["temp"].tolist() == [-0.5, 1000.0, 0.5]
    assert dataset.X["sky"].tolist() == ["fog", "sun", "fog"]
    assert {str(dtype) for dtype in dataset.X.dtypes} == {"float64", "object"}


def test_numbers_are_read_to_the_last_bit(load_text):
    written = np.random.default_rng(0).normal(size=200) * 10.0 ** np.arange(-100, 100)
    dataset = load_text(table(a=[repr(float(value)) for value in written]))
    assert dataset.X["a"].tolist() == written.tolist()


@pytest.mark.parametrize("cell", sorted(MISSING))
def test_every_way_to_write_a_missing_value_is_understood(load_text, cell):
    dataset = load_text(table(n=[cell, 1, 2, 3], t=[cell, "p", "q", "p"]))
    assert np.isnan(dataset.X["n"][0])
    assert dataset.X["t"].tolist() == [None, "p", "q", "p"]
    assert "missing values: n (1), t (1)" in dataset.notes


def test_missing_values_among_booleans_stay_missing(load_text):
    dataset = load_text(table(a=["true", "", "false"]))
    np.testing.assert_array_equal(dataset.X["a"], [1.0, np.nan, 0.0])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["", "NA", "?", ""], r"every cell is missing; drop .* \(data\.drop: \[a\]\)"),
        ([1, "inf", 2, "-1e999"],
         r"finite numbers; got 'inf' \(line 3\), '-1e999' \(line 5\); mend"),
        ([1, "x", 2, 3], r"cannot be read as one: 'x' \(line 3\); mend them .*drop"),
        ([1, "x", "x", 2], r"cannot be read as one: 'x' \(line 3\), 'x' \(line 4\)"),
        (["1,5", "2,5", "1,5", "1,000.5"], r"as one: '1,5' \(line 2\), .* and 1 more"),
        ([1, 2, "1_0", 3], r"cannot be read as one: '1_0' \(line 4\)"),
        ([1, 2, "\uff11", 3], r"cannot be read as one: '\uff11' \(line 4\)"),
        ([1, 2, "+NAN", 3], r"cannot be read as one: '\+NAN' \(line 4\)"),
        ([1, 0, "true", 0], r"cannot be read as one: 'true' \(line 4\)"),
        (["p", "q", "", "r"],
         r"every row has a text of its own, such as 'p': an id or free text; drop"),
        ([f"patient-{i}" for i in range(200)], "every row has a text of its own"),
        (["1 May 2024", "2 May 2024", "3 May 2024"], "text of its own, such as '1 May"),
    ],
)  # fmt: skip
def test_a_column_nobody_can_learn_from_is_refused(load_text, cells, message):
    with pytest.raises(DataError, match=rf"^t\.csv: column 'a': .*{message}"):
        load_text(table(a=cells))


def test_a_column_is_text_when_less_than_half_are_numbers(load_text):
    assert load_text(table(a=["p", "p", "1", "q", ""])).categorical == ("a",)


@pytest.mark.parametrize("n_distinct", [100, 101, 2000])
def test_many_categories_stay_and_over_a_hundred_are_noted(load_text, n_distinct):
    texts = [f"c{i}" for i in range(n_distinct)] * 2
    dataset = load_text(table(a=texts))
    assert dataset.categorical == ("a",)
    assert dataset.X["a"].tolist() == texts
    noted = [note for note in dataset.notes if "many distinct texts" in note]
    assert len(noted) == (n_distinct > 100)
    assert all(note.endswith(f": a ({n_distinct})") for note in noted)


def test_all_bad_columns_are_reported_together(load_text):
    with pytest.raises(DataError) as raised:
        load_text(table(**{f"c{i}": [""] * 4 for i in range(12)}))
    lines = str(raised.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "t.csv: 2 more columns to mend"


def test_names_that_yaml_would_misread_are_quoted_in_the_way_out(load_text):
    with pytest.raises(DataError, match=r"data\.drop: \['a: b'\]"):
        load_text(table(**{"a: b": [""] * 4}))


def test_constant_columns_and_row_numbers_are_noted_but_kept(load_text):
    columns = {"c": [5, 5, 5, 5], "t": "pppp", "i": [0, 1, 2, 3], "j": [4, 2, 3, 1]}
    dataset = load_text(
        table(**columns, Id=[7, 7, 8, 9], n=[2, 3, 4, 5], m=[0, 1, 1, 3])
    )
    assert dataset.X.shape == (4, 7)
    assert "the same value in every row: c, t" in dataset.notes
    number = "seems to number the rows: i, j, Id; if so, data.drop: [i, j, Id]"
    assert number in dataset.notes


TEXT = table(a=[1, 2, 2, 4], day=["p", "q", "r", "s"], c=[1, 2, 2, 5])


def test_dropped_and_unchosen_columns_are_not_looked_at(load_text):
    assert load_text(TEXT, drop=["day"]).numeric == ("a", "c")
    assert load_text(TEXT, features=["c", "a"]).numeric == ("c", "a")
    assert load_text(TEXT, features=["c", "a"]).X["c"].tolist() == [1, 2, 2, 5]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"features": ["dya"]},
         r"^data\.features: t\.csv has no column 'dya'; did you mean 'day'\?$"),
        ({"drop": ["zzz"]}, r"data\.drop: .* no column 'zzz'; it has a, day, c, y"),
        ({"features": ["a", "y"]}, r"data\.features: 'y' is the target; remove it"),
        ({"drop": ["y"]}, r"data\.drop: 'y' is the target; do not drop it"),
        ({"features": ["a", "c"], "drop": ["c"]}, r"'c' chosen in data\.features"),
        ({"features": []}, r"t\.csv: no feature is left; name at least one"),
        ({"drop": ["a", "day", "c"]}, r"t\.csv: no feature is left; drop fewer"),
    ],
)  # fmt: skip
def test_a_choice_of_columns_that_makes_no_sense_is_refused(load_text, wishes, message):
    with pytest.raises(DataError, match=message):
        load_text(TEXT, **wishes)


def test_every_mistake_in_the_choice_is_reported(load_text):
    with pytest.raises(DataError) as raised:
        load_text(TEXT, features=["e", "y"], drop=["f"])
    assert len(str(raised.value).splitlines()) == 3


def test_a_file_of_one_column_hints_at_the_separator(load_text):
    with pytest.raises(DataError, match=r"only one column was found, 'a\|y', .*commas"):
        load_text("a|y\n1|2\n", target="a|y")
