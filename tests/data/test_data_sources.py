"""Sources: the bundled data sets of scikit-learn, and what is no source at all."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets

from hpo.data import load
from hpo.errors import DataError, SpecError
from hpo.user_code import Home


@pytest.mark.parametrize(
    "name", ["iris", "wine", "breast_cancer", "digits", "diabetes"]
)
def test_bundled_data_are_those_of_scikit_learn(name):
    dataset = load(f"sklearn.{name}")
    reference = getattr(datasets, f"load_{name}")()
    np.testing.assert_array_equal(dataset.X.to_numpy(), reference.data)
    np.testing.assert_array_equal(dataset.y, reference.target)
    assert list(dataset.numeric) == list(reference.feature_names)
    assert dataset.X.columns.tolist() == list(dataset.numeric)
    if name == "diabetes":
        assert (dataset.task, dataset.classes) == ("regression", None)
        assert dataset.y.dtype == np.float64
    else:
        assert dataset.classes.tolist() == list(reference.target_names)
        assert dataset.y.dtype == np.int64


def test_constant_pixels_of_digits_are_noted():
    constant = "the same value in every row: pixel_0_0, pixel_4_0, pixel_4_7"
    assert constant in load("sklearn.digits").notes


def test_columns_of_bundled_data_can_be_chosen_and_dropped():
    chosen = load("sklearn.wine", features=["hue", "ash"])
    assert chosen.X.columns.tolist() == list(chosen.numeric) == ["hue", "ash"]
    assert len(load("sklearn.wine", drop=["hue"]).numeric) == 12
    with pytest.raises(DataError, match=r"data\.drop: .*'hu'; did you mean 'hue'\?"):
        load("sklearn.wine", drop=["hu"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("sklearn.digit", r"got 'sklearn\.digit'; did you mean 'sklearn\.digits'\?"),
        ("sklearn.load_iris", r"did you mean 'sklearn\.iris'\?"),
        (
            "sklearn.zzz",
            r"expected one of sklearn\.breast_cancer, .*got 'sklearn\.zzz'$",
        ),
        ("weather", r"sklearn\.<name> or module:function; got 'weather'$"),
        ("sklearn.fetch_covtype", "needs the network; fetch it once"),
        ("sklearn.california_housing", "needs the network; fetch it once"),
        ("digits", r"expected a \.csv, .*; did you mean 'sklearn\.digits'\?"),
        ("moons", r"did you mean 'sklearn\.moons'\?"),
        ("t.XLSX", r"\.xlsx, in 't\.XLSX', is not read; save it as \.csv"),
        ("t.npy", r"\.npy, in 't\.npy', is not read; save it as \.npz"),
        ("my-data:make", r"or module:function; got 'my-data:make'"),
        ("https://example.org/t.csv", "got a URL.*; download the file first"),
        ("", r"expected a \.csv, \.parquet or \.npz file, .*; got ''"),
    ],
)
def test_an_unknown_source_is_refused_with_a_way_out(source, message):
    with pytest.raises(DataError, match=rf"^data\.source: .*{message}"):
        load(source)


def test_a_wish_that_bundled_data_cannot_meet_is_refused():
    with pytest.raises(DataError, match=r"data\.target: sklearn\.iris brings its own"):
        load("sklearn.iris", target="petal width (cm)")
    with pytest.raises(
        DataError, match=r"task: sklearn\.iris is a classification data"
    ):
        load("sklearn.iris", task="regression")


def test_a_file_named_like_a_bundled_source_is_a_file(tmp_path):
    (tmp_path / "sklearn.CSV").write_text("a,y\n1,u\n2,v\n3,u\n")
    assert load("sklearn.CSV", target="y", home=Home(tmp_path)).n_rows == 3


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.npz", "t.PARQUET"])
def test_a_file_takes_no_parameters(name):
    with pytest.raises(DataError, match=r"^data\.source: a \.\w+ file takes no param"):
        load(name, options={"sep": ";"}, target="y")


def test_a_missing_file_is_missing_whatever_its_kind(tmp_path):
    (tmp_path / "rain.parquet").touch()
    (tmp_path / "rain.npz").touch()
    for name, near in [("rian.parquet", "rain.parquet"), ("rian.npz", "rain.npz")]:
        with pytest.raises(DataError, match=rf"^{name}: there is no .*mean '{near}'"):
            load(name, target="y", home=Home(tmp_path))


def test_a_function_that_is_not_beside_the_study_file_is_not_run():
    with pytest.raises(SpecError, match=r"^data\.source: there is no mine/data\.py"):
        load("mine.data:make")


def test_importing_the_package_loads_no_heavy_library():
    code = (
        "import sys, hpo.data; "
        "print([m for m in ('pandas', 'sklearn', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
