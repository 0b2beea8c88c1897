"""Data from a function of the user's: what it may return, and where it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from scipy import sparse
from sklearn import datasets

from hpo.data.returned import dataset_of
from hpo.data.user_child import make
from hpo.data.user_data import load_user
from hpo.data.wish import Wish
from hpo.errors import DataError, SpecError
from hpo.user_code import Home

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(12, 3))
Y = np.arange(12) % 3
IMAGES = RANDOM.normal(size=(12, 4, 5, 2))
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
TABLE = FRAME.assign(y=np.array(["u", "v", "w"])[Y], g=Y % 2, t=np.arange(12)[::-1])


def of(returned, **wishes):
    return dataset_of(returned, Wish("mine:make", **wishes))


# --- what may be returned -----------------------------------------------------------


def test_a_frame_is_a_table_whose_target_is_named():
    dataset = of(TABLE, targets=("y",), group="g", order="t", drop=("b",))
    assert dataset.X.columns.tolist() == ["a", "c"]
    assert dataset.classes[dataset.y].tolist() == TABLE["y"].tolist()[::-1]
    assert dataset.groups is not None
    with pytest.raises(
        DataError, match=r"data\.target: expected the column to predict"
    ):
        of(TABLE)


@pytest.mark.parametrize("as_dict", [True, False])
@pytest.mark.parametrize(
    ("features", "names"),
    [
        (X, ["x0", "x1", "x2"]),
        (X.tolist(), ["x0", "x1", "x2"]),
        (np.ma.array(X, mask=False), ["x0", "x1", "x2"]),
        (FRAME, ["a", "b", "c"]),
        (FRAME.set_index(FRAME.index[::-1]), ["a", "b", "c"]),
        (FRAME.rename(columns={"a": 0, "b": 1, "c": 2}), ["0", "1", "2"]),
    ],
)
@pytest.mark.parametrize(
    "answers", [Y, Y.tolist(), pd.Series(Y), Y[:, None], pd.DataFrame({"y": Y})]
)
def test_a_pair_or_a_dict_is_features_and_targets(features, answers, names, as_dict):
    returned = {"X": features, "y": answers} if as_dict else (features, answers)
    dataset = of(returned)
    assert dataset.X.columns.tolist() == names
    np.testing.assert_array_equal(dataset.X.to_numpy(), X)
    np.testing.assert_array_equal(dataset.y, Y)
    assert (dataset.task, dataset.classes.tolist()) == ("classification", [0, 1, 2])
    assert (dataset.targets, dataset.groups) == (("y",), None)


def test_features_of_one_axis_are_one_column():
    assert of((X[:, 0], Y)).X.columns.tolist() == ["x0"]
    assert of((FRAME["b"], Y)).X.columns.tolist() == ["b"]


def test_targets_keep_their_names_or_take_those_that_are_wished():
    series = pd.Series(X[:, 0], name="rain")
    assert of((X, series)).targets == ("rain",)
    assert of((X, X[:, 0]), targets=("rain",)).targets == ("rain",)
    several = of((X, X[:, :2]), targets=("rain", "wind"))
    assert (several.targets, several.n_outputs) == (("rain", "wind"), 2)
    assert of((X, X[:, :2])).targets == ("y0", "y1")
    one = of((X, FRAME), targets=("b",))
    np.testing.assert_array_equal(one.y, X[:, 1])
    assert one.X.columns.tolist() == ["x0", "x1", "x2"]


def test_columns_of_an_array_can_be_named_in_the_study():
    chosen = of((X, Y), features=("x2", "x0"))
    np.testing.assert_array_equal(chosen.X.to_numpy(), X[:, [2, 0]])
    dataset = of((np.column_stack([X, Y % 2, -Y]), Y), group="x3", order="x4")
    assert dataset.X.columns.tolist() == ["x0", "x1", "x2"]
    assert dataset.y.tolist() == sorted(Y.tolist())[::-1]


@pytest.mark.parametrize("features", [X, FRAME, IMAGES])
@pytest.mark.parametrize("groups", [Y * 5, np.array(["p", "q", "r"])[Y], pd.Series(Y)])
def test_groups_may_be_returned(features, groups):
    dataset = of({"X": features, "y": np.arange(12) // 4, "groups": groups})
    assert dataset.groups.tolist() == Y.tolist()  # numbered as they appear
    assert not dataset.is_table or "groups" not in dataset.X.columns


@pytest.mark.parametrize("answers", [Y, pd.Series(Y, index=range(5, 17))])
def test_an_array_of_more_axes_stays_one(answers):
    dataset = of((IMAGES, answers))
    assert np.shares_memory(dataset.X, IMAGES)
    np.testing.assert_array_equal(dataset.y, Y)
    assert of((IMAGES, X[:, :2]), targets=("p", "q")).targets == ("p", "q")
    assert of((IMAGES, X[:, 0]), targets=("p",)).targets == ("p",)


@pytest.mark.parametrize("as_frame", [True, False])
def test_a_bunch_brings_names_and_classes(as_frame):
    iris = datasets.load_iris(as_frame=as_frame)
    dataset = of(iris)
    assert dataset.X.columns.tolist() == iris.feature_names
    assert dataset.classes.tolist() == ["setosa", "versicolor", "virginica"]
    np.testing.assert_array_equal(dataset.y, iris.target)
    linnerud = datasets.load_linnerud(as_frame=as_frame)
    several = of(linnerud)
    assert several.targets == ("Weight", "Waist", "Pulse")
    np.testing.assert_array_equal(several.y, linnerud.target)
    assert of(datasets.load_diabetes(as_frame=as_frame)).task == "regression"


def test_missing_numbers_stay_missing_and_masked_ones_become_so():
    masked = np.ma.array(X, mask=np.zeros_like(X, bool))
    masked[2, 1] = np.ma.masked
    dataset = of((masked, Y))
    assert np.argwhere(dataset.X.isna().to_numpy()).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, r"expected a DataFrame, a pair \(X, y\), or .*; it returned None$"),
        (X, "it returned a value of type ndarray"),
        ((X,), "it returned a tuple of 1 value"),
        ((X, Y, Y), "it returned a tuple of 3 values"),
        ({"X": X}, "it returned a dict with 'X'"),
        ({"X": X, "y": None}, "it returned a dict with 'X', 'y'"),
        ({"X": X, "y": Y, "group": Y}, "it returned a dict with 'X', 'y', 'group'"),
        ([X, Y], "it returned a value of type list"),
        ((X, Y[:5]), "the same number of rows; X has 12 rows, y has 5 rows"),
        (
            {"X": X, "y": Y, "groups": Y[:4]},
            "the same number of rows; .*, groups has 4 rows",
        ),
        ((X, 3), "y: expected an array of rows; got a value of type int"),
        ((X[:0], Y[:0]), "expected rows; there are none"),
        (([[1, 2], [3]], [1, 2]), "X: expected an array; .* inhomogeneous shape"),
        ((sparse.eye(12), Y), r"X: expected a dense array; .* return X\.toarray\(\)"),
        ((X, np.eye(3)[Y]), "one-hot codes"),
        ((X, np.where(Y == 1, np.nan, X[:, 0])), "expected finite numbers; got nan"),
        ((np.where(X > 1, np.inf, X), Y), "expected finite numbers; got 'inf'"),
        ((X, IMAGES), "array 'y': expected a target of one or two axes"),
        ((FRAME, pd.Series(Y, name="a")), "X has 'a' as well, which is not a feature"),
        ((FRAME.assign(d=[{}] * 12), Y), "column 'd': .* got objects of type dict"),
        ((X.astype(complex), Y), "complex numbers"),
    ],
)
def test_what_is_no_data_is_refused(returned, message):
    with pytest.raises(DataError, match=rf"mine:make: .*{message}"):
        of(returned)


@pytest.mark.parametrize(
    ("returned", "wishes", "message"),
    [
        (
            {"X": X, "y": Y, "groups": Y},
            {"group": "x0"},
            r"data\.group: mine:make returns groups of its own; remove 'x0'",
        ),
        ((IMAGES, Y), {"features": ("x0",)}, r"data\.features: .* no columns to name"),
        ((IMAGES, Y), {"order": "x0"}, r"data\.order: .*\(12, 4, 5, 2\), so there are"),
        ((X, Y), {"features": ("x9",)}, "data.features: mine:make has no column 'x9'"),
        ((X, X), {"targets": ("p", "q")}, "y: 3 columns and 2 names, p, q"),
        (
            (IMAGES, X),
            {"targets": ("p", "q")},
            "expected a name for each column; got 2",
        ),
        ((X, pd.Series(Y, name="p")), {"targets": ("q",)}, "no column is named 'q'"),
    ],
)
def test_a_wish_that_what_was_returned_cannot_meet_is_refused(
    returned, wishes, message
):
    with pytest.raises(DataError, match=message):
        of(returned, **wishes)


# --- calling it ---------------------------------------------------------------------


@pytest.fixture
def mine(tmp_path):
    """Write ``own_data.py`` and return a maker of wishes; imports are undone after."""
    path = list(sys.path)

    def write(content):
        (tmp_path / "own_data.py").write_text(textwrap.dedent(content))

        def wish(function="make", **options):
            source = f"own_data:{function}"
            return Wish(source, options=options, home=Home(tmp_path))

        return wish

    yield write
    sys.path[:] = path
    sys.modules.pop("own_data", None)


def test_options_are_arguments_by_name(mine):
    wish = mine("def make(n, *, low=0): return list(range(low, low + n)), [0, 1] * 5")
    assert make(wish(n=10, low=5)).X["x0"].tolist() == list(range(5, 15))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"missing a required argument: 'n'; its parameters are n, low"),
        ({"n": 1, "lw": 2}, r"unexpected keyword argument 'lw'; did you mean 'low'\?"),
    ],
)
def test_options_that_the_function_does_not_take_are_refused(mine, options, message):
    wish = mine("def make(n, low=0): pass")
    with pytest.raises(DataError, match=rf"^data\.source: own_data:make: .*{message}"):
        make(wish(**options))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return [][1]", r"fails: own_data\.py:2: IndexError: list index out of range"),
        ("raise SystemExit(3)", r"exits \(3\) rather than return data"),
        ("raise RuntimeError", r"fails: own_data\.py:2: RuntimeError$"),
    ],
)
def test_a_function_that_fails_is_named_with_its_last_line(mine, body, message):
    wish = mine(f"def make():\n    {body}\n")
    with pytest.raises(DataError, match=rf"^data\.source: own_data:make {message}"):
        make(wish())


# --- the process it runs in ---------------------------------------------------------


def test_the_function_runs_in_a_process_of_its_own(mine, tmp_path, capfd):
    wish = mine(
        """\
        import os, sys
        from pathlib import Path
        print("imported")
        def make(n):
            print("called")
            os.system("echo from a shell")
            (Path(__file__).parent / "pid").write_text(str(os.getpid()))
            answers = ["u", "v"] * n
            return {"X": [[i, i % 3] for i in range(2 * n)], "y": answers}
        """
    )
    dataset = load_user(wish(n=5))
    assert dataset.X["x0"].tolist() == list(range(10))
    assert dataset.classes.tolist() == ["u", "v"]
    out, err = capfd.readouterr()
    assert out == ""
    assert err.split("\n")[:3] == ["imported", "called", "from a shell"]
    assert "own_data" not in sys.modules
    assert str(tmp_path) not in sys.path
    pid = int((tmp_path / "pid").read_text())
    assert pid != os.getpid()
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("return [][1]", DataError, r"fails: own_data\.py:3: IndexError"),
        ("input()", DataError, r"fails: own_data\.py:3: EOFError"),
        ("os._exit(4)", DataError, "exit status 4 before it returned anything"),
        (
            "os.kill(os.getpid(), 9)",
            DataError,
            "by SIGKILL .*; was there too little me",
        ),
        ("os.kill(os.getpid(), 2)", KeyboardInterrupt, "^$"),
    ],
)
def test_a_process_that_does_not_return_data_is_refused(mine, body, error, message):
    wish = mine(f"import os\ndef make():\n    {body}\n")
    with pytest.raises(error, match=message):
        load_user(wish())


def test_a_function_that_may_not_be_used_starts_no_process(mine):
    mine("def make(): pass")
    with pytest.raises(SpecError, match=r"^data\.source: there is no os\.py beside"):
        load_user(Wish("os:system", options={"command": "touch sprung"}))
    wish = mine("def make(): pass")
    with pytest.raises(
        SpecError, match=r"has no function 'mak'; did you mean 'make'\?"
    ):
        load_user(wish("mak"))


HANGS = """\
import os, time
from pathlib import Path
def make():
    (Path(__file__).parent / "pid").write_text(str(os.getpid()))
    time.sleep(600)
"""

# No `if __name__ == "__main__"`: it need not be there.
SCRIPT = """\
from pathlib import Path
from hpo.data import load
from hpo.user_code import Home
dataset = load("own_data:make", home=Home(Path(__file__).parent))
print("rows:", dataset.n_rows)
"""


def test_a_script_needs_no_guard(mine, tmp_path):
    mine("def make(): return [[1, 2]] * 9, [0, 1, 2] * 3")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "rows: 9\n"


def test_a_file_in_the_working_folder_is_not_imported(mine, tmp_path, monkeypatch):
    wish = mine("def make(): return [[1, 2]] * 9, [0, 1, 2] * 3")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "pickle.py").write_text("raise SystemExit(5)\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_user(wish()).n_rows == 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_process_ends_with_the_one_that_waits_for_it(mine, tmp_path, number):
    mine(HANGS)
    (tmp_path / "script.py").write_text(SCRIPT)
    waiting = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"], stderr=subprocess.PIPE, text=True
    )
    pid = wait_for(lambda: (tmp_path / "pid").read_text(), 120)
    assert psutil.pid_exists(int(pid))
    waiting.send_signal(number)
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == -number
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
    wait_for(lambda: "gone" if not psutil.pid_exists(int(pid)) else "", 30)


def wait_for(ask, seconds):
    """Return the first answer that is not empty."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        try:
            if answer := ask():
                return answer
        except FileNotFoundError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"nothing happened in {seconds} s")
