"""Parquet files and DataFrames mean what the same table means as a CSV file."""

from __future__ import annotations

import datetime
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from hpo.data import fingerprint, load
from hpo.data.frames import from_frame
from hpo.data.wish import Wish
from hpo.errors import DataError
from hpo.user_code import Home

N = 40


def frame(**columns):
    """A frame of the columns and a target of alternating u and v."""
    n_rows = len(next(iter(columns.values()))) if columns else N
    return pd.DataFrame({**columns, "y": ["u", "v"] * (n_rows // 2)})


def from_memory(given, **wishes):
    return from_frame(given, Wish("maker:make", **{"targets": ("y",), **wishes}))


@pytest.fixture
def from_parquet(tmp_path):
    def load_it(table, **wishes):
        table = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table)
        parquet.write_table(table, tmp_path / "t.parquet")
        return load("t.parquet", home=Home(tmp_path), **{"target": "y", **wishes})

    return load_it


def everything():
    rng = np.random.default_rng(0)
    return frame(
        number=rng.normal(size=N),
        gap=np.where(rng.random(N) < 0.2, np.nan, rng.normal(size=N)),
        whole=rng.integers(0, 9, N),
        wet=rng.random(N) < 0.5,
        sky=rng.choice(["fog", "sun", "NA"], N),
        site=pd.Categorical(rng.choice(["north", "south"], N)),
        at=pd.date_range("2023-12-30 06:30", periods=N, freq="31h"),
    )


def test_a_csv_a_parquet_file_and_a_frame_of_one_table_are_the_same(
    tmp_path, from_parquet
):
    table = everything()
    table.to_csv(tmp_path / "t.csv", index=False)
    from_csv = load("t.csv", target="y", home=Home(tmp_path))
    for dataset in (from_parquet(table), from_memory(table)):
        pd.testing.assert_frame_equal(dataset.X, from_csv.X)
        assert fingerprint(dataset) == fingerprint(from_csv)
        assert dataset.notes == from_csv.notes


def test_the_values_are_those_of_pandas(from_parquet):
    table = everything()
    dataset = from_parquet(table)
    np.testing.assert_array_equal(dataset.X["number"], table["number"])
    np.testing.assert_array_equal(dataset.X["gap"], table["gap"])
    assert dataset.X["wet"].tolist() == table["wet"].astype(float).tolist()
    assert dataset.X["site"].tolist() == table["site"].tolist()
    assert dataset.X["at_day_of_year"].tolist() == table["at"].dt.day_of_year.tolist()
    expected = (table["at"].dt.hour + table["at"].dt.minute / 60).tolist()
    assert dataset.X["at_hour"].tolist() == expected
    assert dataset.classes[dataset.y].tolist() == table["y"].tolist()


ORDER = {"order": "g"}
DAY = datetime.date(2024, 1, 1)
OTHER_DAY = datetime.date(2023, 1, 3)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (pd.array([1, None, 3, 4], "Int64"), [1, np.nan, 3, 4]),
        (pd.array([1.5, None, 3, 4], "Float64"), [1.5, np.nan, 3, 4]),
        (pd.array([True, None, False, True], "boolean"), [1, np.nan, 0, 1]),
        (pd.array([1, None, 3, 4], "int64[pyarrow]"), [1, np.nan, 3, 4]),
        (pd.array([True, None, False, True], "bool[pyarrow]"), [1, np.nan, 0, 1]),
        (np.array([1.5, 2, 3, 4], np.float32), [1.5, 2, 3, 4]),
        (np.array([1, 2, 3, 255], np.uint8), [1, 2, 3, 255]),
        ([True, None, False, True], [1, np.nan, 0, 1]),
        ([1, None, 2.5, Decimal("0.25")], [1, np.nan, 2.5, 0.25]),
        (["1", None, "2.5", ""], [1, np.nan, 2.5, np.nan]),
        (pd.arrays.SparseArray([0.0, 1.0, 0.0, 2.0]), [0, 1, 0, 2]),
    ],
)
def test_numbers_of_any_dtype_are_numeric(cells, values):
    dataset = from_memory(frame(a=pd.Series(cells)))
    assert dataset.numeric == ("a",)
    np.testing.assert_array_equal(dataset.X["a"], values)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["p", None, " q ", "p"], ["p", None, "q", "p"]),
        (["p", np.nan, "NA", "p"], ["p", None, None, "p"]),
        (pd.array(["p", None, "q", "p"], "string"), ["p", None, "q", "p"]),
        (pd.array(["p", None, "q", "p"], "string[pyarrow]"), ["p", None, "q", "p"]),
        (pd.Categorical(["1", None, "2", "1"]), ["1", None, "2", "1"]),
        (pd.Categorical([1, None, 2, 1]), ["1", None, "2", "1"]),
        (pd.Categorical([True, None, False, True]), ["true", None, "false", "true"]),
    ],
)
def test_texts_and_categories_are_categorical(cells, values):
    dataset = from_memory(frame(a=pd.Series(cells)))
    assert dataset.categorical == ("a",)
    assert dataset.X["a"].tolist() == values


def test_categories_stay_categories_when_rows_are_left_out():
    table = frame(a=pd.Categorical(["1", "2", "1", "2"]))
    table.loc[0, "y"] = None
    assert from_memory(table).X["a"].tolist() == ["2", "1", "2"]


@pytest.mark.parametrize(
    "cells",
    [
        pd.to_datetime(["2024-01-01", None, "2023-01-03", "2024-01-01"]),
        pd.Series([DAY, None, OTHER_DAY, DAY]),
        pd.Series(["2024-01-01", None, "2023-01-03", "2024-01-01"]),
        pd.array([DAY, None, OTHER_DAY, DAY], pd.ArrowDtype(pa.date32())),
        pd.array([DAY, None, OTHER_DAY, DAY], pd.ArrowDtype(pa.timestamp("ns"))),
    ],
)
def test_dates_of_any_dtype_become_their_parts(cells):
    X = from_memory(frame(a=cells)).X
    assert X.columns.tolist() == ["a_year", "a_day_of_year"]
    np.testing.assert_array_equal(X["a_year"], [2024, np.nan, 2023, 2024])
    np.testing.assert_array_equal(X["a_day_of_year"], [1, np.nan, 3, 1])


def test_times_of_a_zone_are_converted_to_utc(from_parquet):
    times = pd.date_range("2024-03-30 01:00", periods=6, freq="12h", tz="Europe/Berlin")
    expected = times.tz_convert("UTC")
    instants = pa.array(expected.tz_localize(None), pa.timestamp("us", "Europe/Berlin"))
    stored = pa.table({"a": instants, "y": list("uvuvuv")})
    for dataset in (from_memory(frame(a=times)), from_parquet(stored)):
        assert dataset.X["a_hour"].tolist() == expected.hour.tolist()
        assert dataset.X["a_day_of_year"].tolist() == expected.day_of_year.tolist()
        assert not any("zone" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["p", 1, 2, "q"], r"a mix of texts \(2\), numbers \(2\); turn it into one"),
        ([True, 1, "p", DAY], r"a mix of .*, \.\.\. \(1 more\); turn"),
        ([b"p", b"q", None, b"p"], "got objects of type bytes; turn it"),
        ([[1], [2], [3], [4]], "got objects of type list"),
        ([Fraction(1, 2)] * 4, "got objects of type Fraction"),
        (np.array([1, 2j, 3, 4]), r"got complex numbers \(dtype complex128\)"),
        (pd.to_timedelta([1, 2, 3, 4]), r"got dtype timedelta64.*data\.drop"),
        (pd.period_range("2024", periods=4, freq="D"), r"got dtype period\[D\]"),
        ([1.5, np.inf, 2, 3], r"finite numbers; got 'inf' \(row 2\); mend"),
        ([None] * 4, "every cell is missing"),
        (["p", "q", "r", "s"], "every row has a text of its own"),
        ([1, 2, "x", 4], "mix of numbers"),
        (["1", "2", "x", "4"], r"cannot be read as one: 'x' \(row 3\)"),
    ],
)
def test_a_column_of_anything_else_is_refused_if_it_is_used(cells, message):
    table = frame(a=cells, b=[1.5, 2, 3, 4])
    with pytest.raises(DataError, match=rf"^maker:make: column 'a': .*{message}"):
        from_memory(table)
    assert from_memory(table, drop=("a",)).numeric == ("b",)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([3, 1, 3, 1], [1, 3]),
        ([2.0, 1.0, 2.0, 1.0], [1, 2]),
        (np.array([2**60 + 1, 2**60] * 2), [2**60, 2**60 + 1]),
        (pd.array([2**60 + 1, 2**60] * 2, "Int64"), [2**60, 2**60 + 1]),
        ([True, False, True, False], [False, True]),
        (pd.Categorical(["p", "o", "p", "o"]), ["o", "p"]),
    ],
)
def test_labels_of_any_dtype_keep_their_type(labels, classes):
    dataset = from_memory(pd.DataFrame({"a": [1.5, 2, 3, 4], "y": labels}))
    assert dataset.classes.tolist() == classes
    assert dataset.y.tolist() == [1, 0, 1, 0]


def test_groups_order_and_several_targets_work_as_in_a_file():
    table = pd.DataFrame(
        {
            "a": [1, 2, 3, 4],
            "site": pd.Categorical(["n", "s", "n", "s"]),
            "at": pd.to_datetime(["2024-01-04", "2024-01-01", "2024-01-02", None]),
            "p": [0.5, 1.5, 2.5, 3.5],
            "q": pd.array([1, 2, None, 4], "Int64"),
        }
    )
    wishes = {"targets": ("p", "q"), "group": "site"}
    dataset = from_memory(table[:3], order="at", **wishes)
    assert dataset.y.tolist() == [[1.5, 2], [0.5, 1]]
    assert dataset.groups.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"order 'at': .* it is missing in row 4; fill"):
        from_memory(table, order="at", **wishes)


def test_the_frame_is_not_changed_and_its_index_is_not_used():
    table = everything().set_index(pd.Index(range(N, 0, -1), name="day"))
    before = table.copy(deep=True)
    dataset = from_memory(table)
    dataset.X.iloc[0, 0] = 99.0
    pd.testing.assert_frame_equal(table, before)
    assert dataset.X.index.tolist() == list(range(N))
    assert "day" not in dataset.X


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"a": [], "y": []}), "expected rows; there are none"),
        (pd.DataFrame(), "expected columns; there are none"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "a", "y"]), "found twice: 'a'; ren"),
        (pd.DataFrame([[1, 2, 3]], columns=[1, "1", "y"]), "found twice: '1'"),
        (pd.DataFrame([[1, 2]], columns=[("a", 1), ("y", 2)]), "names of one level"),
        (pd.DataFrame({"a": [1.5], "y": ["u"]}), "expected at least 2 rows .*; got 1"),
    ],
)
def test_a_frame_that_is_no_table_is_refused(table, message):
    with pytest.raises(DataError, match=rf"^maker:make: .*{message}"):
        from_memory(table)


def test_columns_may_be_called_by_numbers():
    table = pd.DataFrame({0: [1.5, 2, 3, 4], 1: [1, 1, 2, 2], 2: list("uvuv")})
    dataset = from_memory(table, targets=("2",), features=("1",))
    assert dataset.numeric == ("1",)
    assert dataset.X["1"].tolist() == [1, 1, 2, 2]


ZONE = datetime.timezone(datetime.timedelta(hours=2))
OBJECTS = [None, np.nan, pd.NA, pd.NaT, Decimal("NaN"), Decimal("1.5"), 1, -0.0, np.inf,
           10**400, 2**63, np.float32(1.5), np.int8(3), True, np.bool_(False), "", "p",
           "1", "NA", "\ud800", "a\0b", b"p", [1], {}, 1j, DAY, datetime.time(1),
           datetime.datetime(1, 1, 1, tzinfo=ZONE), datetime.datetime(9999, 12, 31),
           pd.Timestamp("2024-01-01", tz="UTC"), pd.Timedelta(1), object()]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(data=st.data(), task=st.sampled_from([None, "classification", "regression"]))
def test_any_objects_give_a_dataset_or_a_data_error(data, task):
    few = st.lists(st.sampled_from(OBJECTS), min_size=1, max_size=3)
    columns = {
        name: data.draw(
            st.lists(st.sampled_from(data.draw(few)), min_size=4, max_size=4)
        )
        for name in ("a", "g", "y")
    }
    wishes = {"task": task, **data.draw(st.sampled_from([{}, {"group": "g"}, ORDER]))}
    with suppress(DataError):
        dataset = from_memory(pd.DataFrame(columns, dtype=object), **wishes)
        assert np.isfinite(dataset.y).all()
        assert len(dataset.X) == dataset.n_rows >= 2
        assert len(fingerprint(dataset)) == 64


# --- Parquet alone ------------------------------------------------------------------


def test_a_named_index_in_a_parquet_file_is_a_column_and_another_is_not(from_parquet):
    table = frame(a=[1.5, 2, 3, 4])
    assert from_parquet(table.set_index(pd.Index([5, 7, 5, 8]))).numeric == ("a",)
    named = from_parquet(table.set_index(pd.Index([5, 7, 5, 8], name="hour")))
    assert named.numeric == ("a", "hour")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (pa.array([[1, 2]] * 4), "expected one value in a cell; got list<.*: int64"),
        (pa.array([{"p": 1}] * 4), "got struct<p: int64>; write its parts as col"),
        (pa.array([b"x"] * 4), "got objects of type bytes"),
        (pa.array([datetime.time(1)] * 4), "got objects of type time"),
        (pa.array([1, 2, 3, 4], pa.duration("s")), "got dtype timedelta64"),
        (pa.nulls(4), "every cell is missing"),
    ],
)
def test_cells_that_a_network_cannot_read_are_refused(from_parquet, cells, message):
    table = pa.table({"a": cells, "b": [1.5, 2, 3, 4], "y": ["u", "v", "u", "v"]})
    with pytest.raises(DataError, match=rf"^t\.parquet: column 'a': .*{message}"):
        from_parquet(table)
    assert from_parquet(table, drop=["a"]).numeric == ("b",)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (pa.array([Decimal("1.25"), None, Decimal(2), Decimal(3)]), [1.25, None, 2, 3]),
        (pa.array([1, None, 3, 4], pa.int8()), [1, None, 3, 4]),
        (pa.array([1.5, None, 3, 4], pa.float16()), [1.5, None, 3, 4]),
        (pa.array([True, None, False, True]), [1, None, 0, 1]),
        (pa.array(["1", None, "3", "NA"], pa.large_string()), [1, None, 3, None]),
    ],
)
def test_numbers_of_any_arrow_type_are_numeric(from_parquet, cells, values):
    dataset = from_parquet(pa.table({"a": cells, "y": ["u", "v", "u", "v"]}))
    np.testing.assert_array_equal(dataset.X["a"], np.array(values, float))


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    for content in (b"", b"a,y\n1,2\n", b"PAR1" + b"\0" * 20 + b"PAR1"):
        (tmp_path / "t.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"^t\.parquet: expected a Parquet file; "):
            load("t.parquet", target="y", home=Home(tmp_path))
    with pytest.raises(DataError, match=r"u\.parquet: .*did you mean 't\.parquet'\?"):
        load("u.parquet", target="y", home=Home(tmp_path))


def test_mistakes_about_columns_get_near_matches(from_parquet):
    with pytest.raises(DataError, match=r"data\.target: .*'z'; t\.parquet has a, y"):
        from_parquet(frame(a=[1, 2, 3, 4]), target="z")
    with pytest.raises(DataError, match=r"data\.features: .*'wnd'; did you mean 'wind"):
        from_parquet(frame(wind=[1, 2, 3, 4]), features=["wnd"])
    with pytest.raises(DataError, match="expected rows; there are none"):
        from_parquet(pa.table({"a": pa.array([], pa.int64()), "y": []}))
    twice = pa.table([[1, 2], [1, 2], ["u", "v"]], names=["a", "a", "y"])
    with pytest.raises(DataError, match="found twice: 'a'; rename one"):
        from_parquet(twice)
