"""The data sets that scikit-learn carries in its own package.

It owns their names and shapes. It refuses those that scikit-learn would fetch from the
network, and those with several outputs.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from hpo.data.features import choose_features
from hpo.data.words import listed
from hpo.errors import DataError
from hpo.records import Dataset, Task

BUNDLED: dict[str, Task] = {
    "breast_cancer": "classification",
    "diabetes": "regression",
    "digits": "classification",
    "iris": "classification",
    "wine": "classification",
}
REMOTE = (
    "20newsgroups",
    "20newsgroups_vectorized",
    "california_housing",
    "covtype",
    "kddcup99",
    "lfw_pairs",
    "lfw_people",
    "olivetti_faces",
    "openml",
    "rcv1",
    "species_distributions",
)


def near_source(name: str) -> str:
    """Return ``"; did you mean 'sklearn.x'?"`` for a name like x, or ``""``."""
    near = difflib.get_close_matches(name.removeprefix("load_"), BUNDLED, n=1)
    return f"; did you mean 'sklearn.{near[0]}'?" if near else ""


def load_bundled(
    source: str,
    *,
    features: Sequence[str] | None,
    drop: Sequence[str],
    task: Task | None,
) -> Dataset:
    """Load ``sklearn.<name>`` with the names and class codes of scikit-learn.

    Args:
        source: ``sklearn.`` and one of `BUNDLED`.
        features: Columns to learn from, in this order; None for all.
        drop: Columns to leave out.
        task: None, or the task of the data set.

    Raises:
        DataError: The name or a column is unknown, or the task is another one.
    """
    import pandas as pd
    from sklearn import datasets

    name = _check_name(source)
    own = BUNDLED[name]
    if task not in (None, own):
        raise DataError(f"task: {source} is a {own} data set; got {task!r}")
    bunch = getattr(datasets, f"load_{name}")()
    names = [str(feature) for feature in bunch.feature_names]
    chosen = choose_features(names, None, features, drop, source)
    X = pd.DataFrame(np.asarray(bunch.data, np.float64), columns=names)[chosen]
    classify = own == "classification"
    constant = [n for n in chosen if X[n].nunique() == 1]
    notes = [f"the same value in every row: {listed(constant)}"] if constant else []
    return Dataset(
        X=X,
        y=np.asarray(bunch.target, np.int64 if classify else np.float64),
        task=own,
        classes=np.asarray(bunch.target_names) if classify else None,
        numeric=tuple(chosen),
        categorical=(),
        notes=tuple(notes),
    )


def _check_name(source: str) -> str:
    name = source.removeprefix("sklearn.")
    if name in BUNDLED:
        return name
    if name == "linnerud":
        raise DataError(
            f"data.source: {source} has several outputs, which is not supported yet"
        )
    if name.startswith("fetch_") or name in REMOTE:
        raise DataError(
            f"data.source: {source} needs the network; fetch it once yourself and save "
            "it as a .csv file"
        )
    known = listed(f"sklearn.{name}" for name in BUNDLED)
    raise DataError(
        f"data.source: expected one of {known}; got {source!r}{near_source(name)}"
    )
