"""Large data: in memory once for all workers, and gone when the run is over."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hpo.evaluation import Evaluator, Pair, Plan, is_large, make_runner, scratch, share
from hpo.evaluation.folds import PreparedFolds
from hpo.evaluation.sharing import SHARED_FROM_BYTES, FoldFiles
from hpo.models import get_family
from hpo.models.preparation import Preparation
from hpo.records import Dataset

N_ROWS = 40_000


@pytest.fixture(scope="module")
def large():
    """A plan over 36 numeric columns and two of text, with missing values in both."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(N_ROWS, 36))
    numbers[::7, 3] = np.nan
    X = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(36)])
    X.insert(5, "town", pd.Series(rng.choice(["b", "a", "é"], N_ROWS), dtype=object))
    X.insert(20, "kind", pd.Series(rng.choice(["u", "v"], N_ROWS), dtype=object))
    X.loc[::11, "kind"] = None
    return make_plan(X, ("town", "kind"))


def make_plan(X, categorical=()):
    y = (np.arange(len(X)) % 3).astype(np.int64)
    numeric = tuple(name for name in X.columns if name not in categorical)
    data = Dataset(
        X, y, "classification", np.array(["p", "q", "r"]), numeric, categorical
    )
    rows = np.arange(len(X))
    folds = tuple((rows[rows % 3 != k], rows[rows % 3 == k][::2]) for k in range(3))
    return Plan("sklearn.naive_bayes.GaussianNB", data, folds, 0, "accuracy")


def test_a_shared_plan_is_the_plan(large, tmp_path):
    shared = share(large, tmp_path)
    opened = shared.open()
    assert len(shared.head) < 1_000_000 < SHARED_FROM_BYTES
    pd.testing.assert_frame_equal(
        opened.data.X.astype(object).fillna("-"),
        large.data.X.astype(object).fillna("-"),
    )
    np.testing.assert_array_equal(opened.data.y, large.data.y)
    for ours, theirs in zip(opened.folds, large.folds, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
    assert (opened.family, opened.seed, opened.metric) == (large.family, 0, "accuracy")


def test_what_is_shared_cannot_be_written(large, tmp_path):
    opened = share(large, tmp_path).open()
    with pytest.raises(ValueError, match="read-only"):
        opened.data.y[0] = 1


@pytest.mark.parametrize("columns", ["numbers", "numbers and text"])
def test_scores_are_the_same_bits_whether_shared_or_not(large, tmp_path, columns):
    plan = large
    if columns == "numbers":
        plan = make_plan(large.data.X.drop(columns=["town", "kind"]))
    assert is_large(plan)
    group = tuple(Pair(0, fold, {"var_smoothing": 1e-9}) for fold in range(3))
    alone = Evaluator(plan, get_family(plan.family)).run(group)
    shared = make_runner(share(plan, tmp_path))(group)
    again = make_runner(share(plan, tmp_path))(group)
    for (_, one), (_, two), (_, three) in zip(alone, shared, again, strict=True):
        assert one.failure is None
        assert one.metrics == two.metrics == three.metrics
        np.testing.assert_array_equal(one.predictions, two.predictions)
        np.testing.assert_array_equal(one.predictions, three.predictions)


def test_a_fold_is_prepared_by_one_worker_for_all(large, tmp_path):
    files = FoldFiles(tmp_path)
    preparation = Preparation()
    first = PreparedFolds(large, files=files).get(0, preparation)
    kept = sorted(file.name for file in tmp_path.rglob("*.npy"))
    assert kept == ["0.npy", "1.npy"]
    # Another worker maps what is there: it would have found these values itself, but
    # now they are others, and it takes them.
    plan = replace(large, data=replace(large.data, X=large.data.X.assign(x0=0.0)))
    second = PreparedFolds(plan, files=files).get(0, preparation)
    np.testing.assert_array_equal(first.X_train, second.X_train)
    assert not first.X_train.flags.writeable
    assert not isinstance(first.X_train, np.memmap)


def test_small_folds_are_kept_by_each_worker(large, tmp_path):
    small = make_plan(large.data.X.iloc[:500].drop(columns=["town", "kind"]))
    assert not is_large(small)
    PreparedFolds(small, files=FoldFiles(tmp_path)).get(0, Preparation())
    assert list(tmp_path.rglob("*.npy")) == []


def test_old_folds_make_room_for_new_ones(tmp_path, monkeypatch):
    from hpo.evaluation import sharing

    monkeypatch.setattr(sharing, "FILES_BYTES", 25_000)
    files = FoldFiles(tmp_path)
    array = np.ones(1000)
    for index, key in enumerate("abc"):
        files.put(key, (array * index,))
        os.utime(files._path(key), (index, index))
    assert files.get("a") is not None  # which makes it the one that was used last
    kept = files.get("b")
    os.utime(files._path("b"), (1, 1))
    files.put("d", (array,))
    assert files.get("b") is None
    assert [files.get(key) is not None for key in "acd"] == [True, True, True]
    np.testing.assert_array_equal(kept[0], array)  # still mapped by who has it


def test_a_full_disk_costs_memory_and_not_the_study(large, tmp_path):
    code = f"""
import resource, signal, sys
sys.path.insert(0, {str(sys.path[0])!r})
from hpo.evaluation.sharing import FoldFiles
from pathlib import Path
import numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, {resource.RLIM_INFINITY}))
files = FoldFiles(Path({str(tmp_path)!r}))
files.put("key", (np.ones(1_000_000),))
assert files.get("key") is None
assert list(Path({str(tmp_path)!r}).rglob("*.npy")) == []
print("went on")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr


def test_the_next_run_removes_what_a_killed_one_left(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    code = (
        "from hpo.evaluation import make_scratch; import os, signal;"
        "print(make_scratch(), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    (left,) = tmp_path.iterdir()
    assert done.stdout.strip() == str(left)
    (tmp_path / "hpo-run-of-somebody-else").mkdir()
    own, other = scratch.make_scratch(), scratch.make_scratch()
    assert not left.exists()
    assert own.exists()
    assert own != other
    assert own.stat().st_mode & 0o077 == 0
    scratch.remove_scratch(own)
    assert not own.exists()
    assert (tmp_path / "hpo-run-of-somebody-else").exists()


def test_no_model_can_overwrite_what_the_next_trial_trains_on(large, tmp_path):
    small = make_plan(large.data.X.iloc[:500].drop(columns=["town", "kind"]))
    for plan, files in ((small, None), (large, None), (large, FoldFiles(tmp_path))):
        fold = PreparedFolds(plan, files=files).get(0, Preparation())
        for array in (fold.X_train, fold.y_train, fold.X_val, fold.y_val):
            assert not array.flags.writeable
