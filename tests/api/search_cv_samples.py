"""What the tests of `hpo.SearchCV` share: data, estimators, and comparing results.

Run as a program it searches with a store, slowly if asked, until it is killed:
``search_cv_samples.py URL NAME STRATEGY SECONDS``.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from numpy.ma import MaskedArray
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

X, y = load_iris(return_X_y=True)
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)


class Choosy(SVC):
    """Cannot be fitted with a large C; with a middling one, on some rows only."""

    seconds = 0.0

    def fit(self, X, y, sample_weight=None):
        time.sleep(self.seconds)
        if self.C > 50:
            raise ValueError("C is far too large")
        if self.C > 10 and X[0, 0] > 5:
            raise ValueError("C is too large for this first row")
        return super().fit(X, y, sample_weight)


class Never(SVC):
    def fit(self, X, y, sample_weight=None):
        raise ValueError("never fits")


def assert_same_results(got, expected, *, objects=()):
    """Compare all columns but times: names, order, types, masks and values.

    Columns in ``objects`` hold estimators, which are compared by their text.
    """
    assert list(got) == list(expected)
    for column, want in expected.items():
        if "time" in column:
            continue
        have = got[column]
        assert type(have) is type(want), column
        if column == "params" or column in objects:
            assert repr(list(have)) == repr(list(want)), column
            continue
        assert have.dtype == want.dtype, column
        assert have.shape == want.shape, column
        if isinstance(want, MaskedArray):
            mask = np.ma.getmaskarray(want)
            np.testing.assert_array_equal(np.ma.getmaskarray(have), mask)
            have, want = have[~mask].data, want[~mask].data
        np.testing.assert_array_equal(have, want, err_msg=column)


def plain_results(results):
    """Return all columns but times as what JSON can hold."""
    return {
        column: repr(list(values))
        for column, values in results.items()
        if "time" not in column
    }


def stored_search(url, name, strategy):
    from hpo import Float, SearchCV

    space = {"C": Float(0.01, 100, log=True, points=9), "kernel": ["rbf", "linear"]}
    return SearchCV(
        Choosy(),
        space,
        strategy=strategy,
        n_iter=18,
        cv=FOLDS,
        return_train_score=True,
        store=url,
        name=name,
    )


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")  # that some C cannot be fitted is as intended
    Choosy.seconds = float(sys.argv[4])
    search = stored_search(*sys.argv[1:4]).fit(X, y)
    print(json.dumps(plain_results(search.cv_results_)))
