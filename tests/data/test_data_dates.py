"""Dates become numbers that repeat, or are left out with the reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hpo.errors import DataError


def table(*cells, name="day", others=""):
    """A table of one column of cells, a number n and a target of u and v."""
    rows = [f'"{cell}",{i % 2},{"uv"[i % 2]}{others}' for i, cell in enumerate(cells)]
    return "\n".join([f"{name},n,y", *rows])


def test_dates_become_year_and_day_of_the_year_as_in_pandas(load_text):
    days = pd.date_range("2011-12-30", periods=1500, freq="D")
    dataset = load_text(table(*days.strftime("%Y-%m-%d")))
    assert dataset.numeric == ("day_year", "day_day_of_year", "n")
    assert dataset.X["day_year"].tolist() == days.year.tolist()
    assert dataset.X["day_day_of_year"].tolist() == days.day_of_year.tolist()
    assert "day: dates are read as day_year, day_day_of_year" in dataset.notes
    assert not any("number the rows" in note for note in dataset.notes)


def test_times_become_hours_with_their_minutes_as_a_fraction(load_text):
    times = ["2024-03-01T06:30", "2024-03-01 18:00:36", "2024-03-02T00:00:00.5"]
    X = load_text(table(*times, "2024-03-01T06:30")).X
    assert X.columns.tolist() == ["day_day_of_year", "day_hour", "n"]
    assert X["day_day_of_year"].tolist() == [61, 61, 62, 61]  # 31 + 29 + 1
    np.testing.assert_allclose(X["day_hour"], [6.5, 18.01, 0.5 / 3600, 6.5])


def test_parts_that_never_change_are_left_out(load_text):
    same_year = load_text(table("2024-01-01", "2024-05-01", "2024-01-01"))
    assert same_year.numeric == ("day_day_of_year", "n")
    same_day = load_text(table("2024-01-01", "2024-01-01", "2024-01-01"))
    assert same_day.numeric == ("n",)
    left_out = "day: left out, because it has the same date in every row"
    assert left_out in same_day.notes


def test_missing_dates_are_missing_numbers(load_text):
    dataset = load_text(table("2024-01-01", "", "2023-01-02", "NA"))
    np.testing.assert_array_equal(dataset.X["day_year"], [2024, np.nan, 2023, np.nan])
    assert "missing values: day_year (2), day_day_of_year (2)" in dataset.notes


def test_time_zones_are_converted_to_utc(load_text):
    cells = ["2024-01-01T00:30+02:00", "2024-01-01T12:00+02:00"]
    dataset = load_text(table(*cells, *cells))
    expected = pd.to_datetime(pd.Series(cells * 2), utc=True)
    assert dataset.X["day_year"].tolist() == expected.dt.year.tolist()
    assert dataset.X["day_hour"].tolist() == [22.5, 10.0, 22.5, 10.0]
    assert not any("zone" in note for note in dataset.notes)


@pytest.mark.parametrize("other", ["2024-06-01T12:00Z", "2024-06-01T12:00"])
def test_time_zones_that_differ_are_noted(load_text, other):
    dataset = load_text(table("2024-01-01T12:00+0200", other, other))
    assert dataset.X["day_hour"].tolist() == [10.0, 12.0, 12.0]
    assert any("its time zones differ: in UTC" in note for note in dataset.notes)


@pytest.mark.parametrize(
    "cells",
    [
        ["01/02/2024", "13/02/2024", "05/11/2024"],
        ["1.2.24", "13.2.24", "5.11.24"],
        ["2024/01/02", "2024/02/01", "2024/02/03"],
        ["01/02/2024 10:30", "", "01/02/2024 11:00 PM"],
    ],
)
def test_dates_in_another_form_are_left_out_with_the_way_out(load_text, cells):
    dataset = load_text(table(*cells))
    assert dataset.numeric == ("n",)
    assert any(
        note.startswith(f"day: left out, because dates such as '{cells[0]}' ")
        and note.endswith("write ISO dates (2024-01-31)")
        for note in dataset.notes
    )


def test_a_table_of_nothing_but_such_dates_has_no_feature(load_text):
    with pytest.raises(DataError, match=r"t\.csv: no feature is left; day: left out"):
        load_text(table("01/02/2024", "02/02/2024", "02/02/2024"), drop=["n"])


@pytest.mark.parametrize(
    ("odd", "got"),
    [("2024-02-30", "'2024-02-30'"), ("soon", "'soon'"), ("2024-1-5", "'2024-1-5'")],
)
def test_a_cell_that_is_no_date_among_dates_is_refused(load_text, odd, got):
    message = rf"column 'day': most cells are dates, but .* ISO dates: {got} \(line 3\)"
    with pytest.raises(DataError, match=message):
        load_text(table("2024-01-01", odd, "2024-01-02"))


def test_a_few_dates_among_texts_are_texts(load_text):
    cells = ["soon", "soon", "late", "2024-01-01"]
    assert load_text(table(*cells)).categorical == ("day",)


def test_a_part_may_not_take_the_name_of_another_column(load_text):
    content = "day,day_year,y\n2023-01-01,1,u\n2024-01-02,2,v\n2024-01-02,3,u\n"
    with pytest.raises(DataError, match="its part 'day_year' has the name of another"):
        load_text(content)
    assert load_text(content, drop=["day_year"]).numeric[0] == "day_year"
