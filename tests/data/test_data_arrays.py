"""Arrays of an NPZ file become a table, or stay arrays where they have more axes."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

from hpo.data.array_roles import Roles
from hpo.data.arrays import from_arrays, load_npz
from hpo.data.wish import Wish
from hpo.errors import DataError
from hpo.user_code import Home

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(12, 3))
Y = np.arange(12) % 3
IMAGES = RANDOM.integers(0, 256, (12, 4, 5, 2)).astype(np.uint8)


@pytest.fixture
def load(tmp_path):
    """Load ``t.npz`` with the given arrays; wishes come as a dict."""

    def load_it(arrays, **wishes):
        if isinstance(arrays, dict):
            np.savez(tmp_path / "t.npz", **arrays)
        else:
            (tmp_path / "t.npz").write_bytes(arrays)
        return load_npz(Wish("t.npz", home=Home(tmp_path), **wishes))

    return load_it


@pytest.fixture
def refused(load):
    def refusal(arrays, **wishes):
        with pytest.raises(DataError, match=r"^(t\.npz|data\.\w+|task): ") as raised:
            load(arrays, **wishes)
        return str(raised.value)

    return refusal


# --- tables -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8, bool])
def test_an_array_of_two_axes_is_a_table_of_numbers(load, dtype):
    values = (10 * X).astype(dtype)
    dataset = load({"X": values, "y": Y})
    assert dataset.X.columns.tolist() == ["x0", "x1", "x2"] == list(dataset.numeric)
    np.testing.assert_array_equal(dataset.X.to_numpy(), values.astype(np.float64))
    assert (dataset.X.dtypes == np.float64).all()
    np.testing.assert_array_equal(dataset.y, Y)
    assert (dataset.targets, dataset.groups) == (("y",), None)


@pytest.mark.parametrize(
    ("y", "task", "classes"),
    [
        (Y, "classification", [0, 1, 2]),
        (Y + 5, "classification", [5, 6, 7]),
        (Y == 1, "classification", [False, True]),
        (np.array(["b", "a", "c"])[Y], "classification", ["a", "b", "c"]),
        (X[:, 0], "regression", None),
        (np.arange(12), "regression", None),  # more values than half the rows
    ],
)
def test_the_target_says_what_the_task_is_as_in_a_file_of_text(load, y, task, classes):
    dataset = load({"X": X, "y": y})
    assert dataset.task == task
    if classes is None:
        np.testing.assert_array_equal(dataset.y, y)
        assert (dataset.y.dtype, dataset.classes) == (np.float64, None)
    else:
        assert dataset.classes.tolist() == classes
        np.testing.assert_array_equal(dataset.classes[dataset.y], y)


def test_the_task_may_be_said(load):
    assert load({"X": X, "y": Y}, task="regression").y.dtype == np.float64
    assert load({"X": X, "y": Y.astype(float)}, task="classification").n_classes == 3


def test_a_target_of_two_axes_is_several_targets(load):
    y = RANDOM.normal(size=(12, 2))
    dataset = load({"X": X, "answers": y}, targets=("answers",))
    np.testing.assert_array_equal(dataset.y, y)
    assert dataset.targets == ("answers_0", "answers_1")
    assert dataset.task == "regression"
    several = load({"X": X, "a": y[:, 0], "b": y[:, 1]}, targets=("a", "b"))
    np.testing.assert_array_equal(several.y, y)
    assert several.targets == ("a", "b")


def test_a_target_of_one_column_is_one_target(load):
    assert load({"X": X, "y": Y[:, None]}).y.shape == (12,)


def test_the_only_other_array_is_the_features(load):
    dataset = load({"rain": X, "y": Y})
    assert dataset.X.columns.tolist() == ["rain_0", "rain_1", "rain_2"]


def test_arrays_that_are_named_are_side_by_side(load):
    words = np.array(["u", "v"])[Y % 2]
    days = np.array(["2024-01-31", "2024-02-01"], "datetime64[D]")[Y % 2]
    arrays = {"a": X[:, :2], "w": words, "d": days, "n": X[:, 2], "y": Y, "z": X}
    dataset = load(arrays, features=("n", "a", "w", "d"))
    assert dataset.X.columns.tolist() == ["n", "a0", "a1", "w", "d_day_of_year"]
    assert dataset.categorical == ("w",)
    np.testing.assert_array_equal(dataset.X["n"], X[:, 2])
    assert dataset.X["w"].tolist() == words.tolist()
    # The last day of January is day 31, the first of February day 32.
    assert dataset.X["d_day_of_year"].tolist() == (31 + Y % 2).tolist()


def test_missing_numbers_of_a_table_stay_missing(load):
    values = X.copy()
    values[3, 1] = np.nan
    dataset = load({"X": values, "y": Y})
    assert np.argwhere(dataset.X.isna().to_numpy()).tolist() == [[3, 1]]
    assert "missing values: x1 (1)" in dataset.notes


def test_groups_and_order_are_arrays_of_their_own(load):
    groups = np.array(["p", "q", "r", "p"] * 3)
    at = np.arange(12)[::-1]
    dataset = load({"X": X, "y": Y, "g": groups, "t": at}, group="g", order="t")
    np.testing.assert_array_equal(dataset.X.to_numpy(), X[::-1])
    np.testing.assert_array_equal(dataset.y, Y[::-1])
    same = groups[::-1][:, None] == groups[::-1][None, :]
    np.testing.assert_array_equal(
        dataset.groups[:, None] == dataset.groups[None, :], same
    )


def test_columns_and_arrays_can_be_dropped(load):
    arrays = {"X": X, "y": Y, "more": X}
    assert load(arrays, drop=("x1",)).X.columns.tolist() == ["x0", "x2"]
    dataset = load({"a": X, "b": X, "y": Y}, drop=("a",))
    assert dataset.X.columns.tolist() == ["b0", "b1", "b2"]


# --- arrays of more axes ------------------------------------------------------------


@pytest.mark.parametrize("shape", [(12, 40, 1), (12, 8, 5), (12, 4, 5, 2)])
def test_an_array_of_more_axes_stays_one(load, shape):
    dataset = load({"X": IMAGES.reshape(shape), "y": Y})
    assert not dataset.is_table
    assert dataset.X.dtype == np.float64
    np.testing.assert_array_equal(dataset.X, IMAGES.reshape(shape))
    np.testing.assert_array_equal(dataset.y, Y)
    assert (dataset.numeric, dataset.categorical) == ((), ())
    assert dataset.feature_shape == shape[1:]


def test_the_rows_of_an_array_follow_order_and_groups(load):
    at = np.roll(np.arange(12), 5)
    arrays = {"X": IMAGES, "y": Y, "t": at, "g": Y * 7}
    dataset = load(arrays, order="t", group="g")
    rows = np.argsort(at)
    np.testing.assert_array_equal(dataset.X, IMAGES[rows])
    np.testing.assert_array_equal(dataset.y, Y[rows])
    assert len(set(zip(dataset.groups, dataset.y, strict=True))) == 3
    assert not [note for note in dataset.notes if "number the rows" in note]


def test_an_array_of_float64_is_not_copied():
    images = IMAGES.astype(np.float64)
    roles = Roles(("y",), ("X",))
    dataset = from_arrays({"X": images, "y": Y}, roles, Wish("t.npz"))
    assert np.shares_memory(dataset.X, images)


# --- what is refused ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "wishes", "message"),
    [
        ({"X": X, "Y": Y}, {}, "data.target: no array is named 'y'; t.npz has X, Y"),
        (
            {"X": X, "labels": Y},
            {"targets": ("label",)},
            "no array is named 'label'; did you mean 'labels'?",
        ),
        (
            {"X": X, "y": Y},
            {"features": ("Xs",), "group": "gg"},
            "data.features: no array is named 'Xs'",
        ),
        (
            {"a": X, "b": X, "y": Y},
            {},
            "data.features: expected names of arrays; it is",
        ),
        ({"y": Y}, {}, "data.features: expected names of arrays; no other array"),
        ({"X": X, "y": Y}, {"features": ("y",)}, "'y' is the target; remove it here"),
        ({"X": X, "y": Y}, {"drop": ("y",)}, "data.drop: 'y' is the target"),
        ({"X": X, "y": Y}, {"group": "y"}, "'y' named for two things"),
        ({"X": X, "y": Y}, {"drop": ("x9",)}, "data.drop: t.npz has no column 'x9'"),
        (
            {"X": X, "y": Y},
            {"features": ("X",), "drop": ("X",)},
            "data.drop: 'X' is chosen in data.features as well",
        ),
        ({"X": X, "y": Y[:5]}, {}, "arrays of the same length; X has 12 rows, y has 5"),
        ({"X": X[:0], "y": Y[:0]}, {}, "t.npz: expected rows; there are none"),
        ({"X": X[:, :0], "y": Y}, {}, "array 'X': expected columns; got the shape (12"),
        ({"X": X, "y": np.array(3)}, {}, "array 'y': expected an array of rows"),
        ({"X": X * 1j, "y": Y}, {}, "array 'X': expected numbers, texts or dates; got"),
        ({"X": X, "y": IMAGES}, {}, "array 'y': expected a target of one or two axes"),
        ({"X": X, "y": Y, "g": X}, {"group": "g"}, "array 'g': expected one value for"),
        (
            {"X": IMAGES, "z": X, "y": Y},
            {"features": ("X", "z")},
            "array 'X': an array of the shape (12, 4, 5, 2) must be the only feature",
        ),
        (
            {"X": IMAGES.astype(str), "y": Y},
            {},
            "array 'X': expected numbers; got dtype <U3",
        ),
        ({"X": X, "y": np.eye(3)[Y]}, {}, "got one-hot codes, shape (12, 3); give y.a"),
        (
            {"X": X, "y": np.eye(3)[Y]},
            {"task": "classification"},
            "expected a class label for each row, shape (12,)",
        ),
        ({"X": X, "y": X}, {"task": "classification"}, "got several columns, shape"),
        ({"X": X, "y": np.array(["a"] * 24).reshape(12, 2)}, {}, "must be numbers"),
        (
            {"X": X, "y": np.where(Y == 1, np.nan, Y)},
            {},
            "target 'y': expected finite numbers; got nan in row 2; mend",
        ),
        ({"X": X, "y": np.where(Y == 2, np.inf, Y)}, {}, "got inf in row 3"),
        (
            {"X": np.where(X > 1, np.inf, X), "y": Y},
            {},
            "expected finite numbers; got ",
        ),
        (
            {"X": np.where(IMAGES[4, 0, 0, 0] == IMAGES, np.nan, IMAGES), "y": Y},
            {},
            "array 'X': expected finite numbers; row ",
        ),
        ({"X": X, "y": np.zeros(12, int)}, {}, "nothing to learn"),
    ],
)
def test_arrays_that_cannot_be_what_they_are_meant_to_be(
    refused, arrays, wishes, message
):
    assert message in refused(arrays, **wishes)


def test_one_hot_codes_may_be_said_to_be_quantities(load):
    assert load({"X": X, "y": np.eye(3)[Y]}, task="regression").n_outputs == 3


class Trap:
    """Pickled, it leaves a file behind when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["X", "y"])
def test_pickles_are_refused_and_not_loaded(load, tmp_path, name):
    arrays = {"X": X, "y": Y} | {name: np.array([Trap(tmp_path / "sprung")] * 12)}
    with pytest.raises(
        DataError, match=rf"array '{name}': expected numbers or texts; g"
    ):
        load(arrays)
    with pytest.raises(DataError, match=r"t\.npz: expected a file that numpy\.savez"):
        load(pickle.dumps(Trap(tmp_path / "sprung")))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"X,y\n1,2\n", b"PK\x03\x04", b"PK\x05\x06"])
def test_what_is_no_npz_file_is_refused(refused, content):
    assert "expected a file that numpy.savez wrote" in refused(content)


def test_a_single_array_is_refused_with_the_way_out(refused, tmp_path):
    np.save(tmp_path / "one.npy", X)
    said = refused((tmp_path / "one.npy").read_bytes())
    assert (
        "this is a single array; save it with numpy.savez(file, X=..., y=...)" in said
    )


def test_a_damaged_file_is_refused(load, refused, tmp_path):
    load({"X": X, "y": Y})
    whole = (tmp_path / "t.npz").read_bytes()
    assert "expected a file that numpy.savez" in refused(whole[:-30])
    assert "'X' cannot be read: the file is damaged" in refused(
        whole[:200] + bytes([whole[200] ^ 255]) + whole[201:]
    )


def test_an_archive_of_something_else_is_refused(refused, tmp_path):
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("X", "no array")
        archive.writestr("y", "no array")
    assert "'X' cannot be read" in refused((tmp_path / "z.zip").read_bytes())
    with zipfile.ZipFile(tmp_path / "z.zip", "w"):
        pass
    assert "it holds no array" in refused((tmp_path / "z.zip").read_bytes())


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^t\.npz: there is no such file in"):
        load_npz(Wish("t.npz", home=Home(tmp_path)))
