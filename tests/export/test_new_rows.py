"""New rows become what the training rows were, whatever they come in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from export_samples import COLOUR, table, write_rows

from hpo.data import fingerprint, load
from hpo.data.new_rows import inputs_of, read_new_rows
from hpo.errors import DataError, ExportError


@pytest.fixture
def training(tmp_path):
    """The data set of a CSV file, what a model of it takes, and the file."""
    file = tmp_path / "rows.csv"
    write_rows(file)
    data = load(str(file), target="label", drop=["price", "weight"])
    return data, inputs_of(data), file


def test_the_training_file_gives_the_training_features(training):
    data, inputs, file = training
    pd.testing.assert_frame_equal(read_new_rows(file, inputs).X, data.X)


@pytest.mark.parametrize("kind", ["frame", "parquet", "categories", "tabs"])
def test_other_forms_of_the_same_rows_give_the_same_features(training, kind, tmp_path):
    data, inputs, file = training
    rows = pd.read_csv(file)
    if kind == "parquet":
        rows.to_parquet(tmp_path / "rows.parquet")
        rows = tmp_path / "rows.parquet"
    elif kind == "categories":
        rows[COLOUR] = rows[COLOUR].astype("category")
        rows["k"] = rows.k.astype("category")
        rows["day"] = pd.to_datetime(rows.day)
    elif kind == "tabs":
        rows.to_csv(tmp_path / "other.csv", index=False, sep="\t")
        rows = tmp_path / "other.csv"
    X = read_new_rows(rows, inputs).X
    pd.testing.assert_frame_equal(X, data.X)


def test_columns_may_be_in_any_order_and_others_are_not_looked_at(training):
    data, inputs, file = training
    rows = pd.read_csv(file)
    rows["note"] = [object()] * len(rows)
    X = read_new_rows(rows[rows.columns[::-1]], inputs).X
    pd.testing.assert_frame_equal(X, data.X)


def test_a_large_file_is_read_as_a_small_one(training, tmp_path):
    _, inputs, file = training
    rows = pd.concat([pd.read_csv(file)] * 120, ignore_index=True)
    rows.to_csv(tmp_path / "large.csv", index=False)
    assert (tmp_path / "large.csv").stat().st_size > 1_000_000
    fast = read_new_rows(tmp_path / "large.csv", inputs).X
    once = read_new_rows(file, inputs).X
    pd.testing.assert_frame_equal(fast, pd.concat([once] * 120, ignore_index=True))


def test_every_missing_column_is_named_with_what_it_may_be(training):
    _, inputs, file = training
    rows = pd.read_csv(file).rename(columns={"day": "days", COLOUR: "color, odd"})
    with pytest.raises(ExportError) as told:
        read_new_rows(rows.drop(columns="x"), inputs)
    words = str(told.value)
    assert "3 columns of the model missing: 'day', 'x', 'colour, \"odd\"'" in words
    assert "is 'days' meant for 'day'?" in words
    assert "is 'color, odd' meant for" in words


def test_a_number_column_with_a_text_is_refused_with_its_line(training, tmp_path):
    _, inputs, file = training
    lines = file.read_text().splitlines()
    cells = lines[4].split(",")
    cells[1] = "warm"
    lines[4] = ",".join(cells)
    (tmp_path / "bad.csv").write_text("\n".join(lines))
    with pytest.raises(
        ExportError, match=r"column 'x': expected numbers; got 'warm' \(line 5\)"
    ):
        read_new_rows(tmp_path / "bad.csv", inputs)


def test_every_column_that_is_wrong_is_told_at_once(training):
    _, inputs, file = training
    rows = pd.read_csv(file).head(3)
    rows["x"] = [np.inf, 1.0, 2.0]
    rows["day"] = ["2024-01-31", "31.1.2024", ""]
    with pytest.raises(ExportError) as told:
        read_new_rows(rows, inputs)
    assert "column 'x': expected finite numbers; got 'inf' (row 1)" in str(told.value)
    assert "column 'day': expected ISO dates (2024-01-31); got '31.1.2024' (row 2)" in (
        str(told.value)
    )


def test_unseen_categories_are_kept_and_counted(training):
    _, inputs, file = training
    rows = pd.read_csv(file).head(4)
    rows[COLOUR] = ["red", "mauve", "pink", "mauve"]
    read = read_new_rows(rows, inputs)
    assert read.X[COLOUR].tolist() == ["red", "mauve", "pink", "mauve"]
    (note,) = read.notes
    assert "3 rows with a category" in note
    assert "'mauve', 'pink'" in note


def test_missing_cells_of_every_kind_stay_missing(training):
    _, inputs, file = training
    rows = pd.read_csv(file).head(2).astype(object)
    rows[:] = None
    X = read_new_rows(rows, inputs).X
    assert len(X) == 2
    assert X.isna().to_numpy().all()


def test_whole_categories_are_found_where_pandas_made_fractions_of_them(tmp_path):
    frame = pd.DataFrame({"zip": ["1", "b", "c"] * 9, "y": [0.5, 1.5, 2.5] * 9})
    frame.to_csv(tmp_path / "zip.csv", index=False)
    inputs = inputs_of(load(str(tmp_path / "zip.csv"), target="y"))
    read = read_new_rows(pd.DataFrame({"zip": [1.0, np.nan, 9.0]}), inputs)
    assert read.X.zip.tolist() == ["1", None, "9.0"]
    assert "1 row with a category" in read.notes[0]
    (tmp_path / "new.csv").write_text("zip,z\n1,\n1,\n")
    read = read_new_rows(tmp_path / "new.csv", inputs)
    assert (read.X.zip.tolist(), read.notes) == (["1", "1"], ())


def test_no_rows_are_refused(training, tmp_path):
    _, inputs, file = training
    (tmp_path / "none.csv").write_text(file.read_text().splitlines()[0] + "\n")
    with pytest.raises(DataError, match="expected rows below the header"):
        read_new_rows(tmp_path / "none.csv", inputs)
    with pytest.raises(ExportError, match="expected rows; there are none"):
        read_new_rows(pd.read_csv(file).head(0), inputs)


def test_parts_of_dates_that_did_not_differ_are_no_features(tmp_path):
    frame = pd.DataFrame(
        {"day": ["2024-01-01", "2024-06-30", "2024-12-31"], "day_hour": [1, 2, 3]}
    )
    frame["y"] = [0.5, 1.5, 2.5]
    frame.to_csv(tmp_path / "days.csv", index=False)
    data = load(str(tmp_path / "days.csv"), target="y")
    assert data.dates == {"day_day_of_year": "day"}
    X = read_new_rows(
        pd.DataFrame({"day_hour": [5], "day": ["2025-02-01T12:00+12:00"]}),
        inputs_of(data),
    ).X
    assert X.to_dict("list") == {"day_day_of_year": [32.0], "day_hour": [5.0]}


def test_what_dates_are_made_of_is_no_part_of_the_fingerprint(training):
    from dataclasses import replace

    data, _, _ = training
    assert data.dates
    assert fingerprint(replace(data, dates={})) == fingerprint(data)


def test_the_typical_row_can_be_read(training):
    _, inputs, _ = training
    cells = {c.name: [c.typical] for c in inputs.columns}
    read = read_new_rows(pd.DataFrame(cells), inputs)
    assert read.notes == ()
    assert not read.X.isna().to_numpy().any()
    own = table()
    assert cells["k"] == [np.floor(own.k.median())]
    assert cells[COLOUR][0] == own[COLOUR].value_counts().index[0]


def test_arrays_are_taken_by_their_columns_in_order(tmp_path):
    data = load("sklearn.iris")
    inputs = inputs_of(data)
    rows = data.X.to_numpy()[:5]
    pd.testing.assert_frame_equal(read_new_rows(rows, inputs).X, data.X.head(5))
    assert len(read_new_rows(rows.tolist(), inputs)) == 5
    with pytest.raises(ExportError, match=r"shape \(n, 4\)"):
        read_new_rows(rows[:, :3], inputs)
    with pytest.raises(ExportError, match="expected a DataFrame, an array"):
        read_new_rows({"a": 1}, inputs)


def test_tables_of_npz_files_are_read_by_the_names_of_their_columns(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9, 2)), rng.normal(size=9)
    np.savez(tmp_path / "rows.npz", X=X, y=y)
    inputs = inputs_of(load(str(tmp_path / "rows.npz")), others=["y"])
    assert inputs.names == ["x0", "x1"]
    np.savez(tmp_path / "new.npz", X=X[:4], y=np.array([{}] * 4, object))
    read = read_new_rows(tmp_path / "new.npz", inputs)
    np.testing.assert_array_equal(read.X.to_numpy(), X[:4])


def test_images_keep_their_shape_and_are_found_in_a_file(tmp_path):
    images, y = np.arange(6 * 2 * 3.0).reshape(6, 2, 3), np.array([0, 1] * 3)
    np.savez(tmp_path / "images.npz", pictures=images, y=y)
    inputs = inputs_of(load(str(tmp_path / "images.npz")), others=["y"])
    assert inputs.shape == (2, 3)
    read = read_new_rows(tmp_path / "images.npz", inputs)
    np.testing.assert_array_equal(read.X, images)
    with pytest.raises(ExportError, match=r"shape \(n, 2, 3\); got \(6, 3, 2\)"):
        read_new_rows(images.reshape(6, 3, 2), inputs)
    with pytest.raises(ExportError, match="row 2 holds others"):
        read_new_rows(np.where(images == 7, np.nan, images), inputs)
    with pytest.raises(ExportError, match=r"expected a \.npz file"):
        read_new_rows(tmp_path / "images.csv", inputs)
