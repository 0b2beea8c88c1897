"""The data sets that scikit-learn carries in its own package.

It owns their names and shapes. It refuses those that scikit-learn would fetch from the
network. What scikit-learn generates is `hpo.data.generators`'.
"""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from hpo.data.features import choose_features
from hpo.data.generators import GENERATORS, refuse_other_wishes
from hpo.data.wish import Wish
from hpo.data.words import listed
from hpo.errors import DataError
from hpo.records import Dataset, Task

BUNDLED: dict[str, Task] = {
    "breast_cancer": "classification",
    "diabetes": "regression",
    "digits": "classification",
    "iris": "classification",
    "linnerud": "regression",
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
    for prefix in ("sklearn.", "load_", "make_"):
        name = name.removeprefix(prefix)
    near = difflib.get_close_matches(name[:80], [*BUNDLED, *GENERATORS], n=1)
    return f"; did you mean 'sklearn.{near[0]}'?" if near else ""


def load_bundled(wish: Wish) -> Dataset:
    """Load ``sklearn.<name>`` with the names and class codes of scikit-learn.

    Raises:
        DataError: The name or a column is unknown, or the data cannot have what is
            wished of it.
    """
    import pandas as pd
    from sklearn import datasets

    name = _check_name(wish.source)
    if wish.options:
        raise DataError(
            f"data.source: {wish.source} takes no parameters, as its rows are given; "
            f"remove {listed(wish.options)}"
        )
    task = refuse_other_wishes(wish, BUNDLED[name])
    bunch = getattr(datasets, f"load_{name}")()
    names = [str(feature) for feature in bunch.feature_names]
    chosen = choose_features(names, None, wish.features, wish.drop, wish.source)
    X = pd.DataFrame(np.asarray(bunch.data, np.float64), columns=names)[chosen]
    classify = task == "classification"
    constant = [n for n in chosen if X[n].nunique() == 1]
    notes = [f"the same value in every row: {listed(constant)}"] if constant else []
    return Dataset(
        X=X,
        y=np.asarray(bunch.target, np.int64 if classify else np.float64),
        task=task,
        classes=np.asarray(bunch.target_names) if classify else None,
        numeric=tuple(chosen),
        categorical=(),
        targets=_targets(bunch),
        notes=tuple(notes),
    )


def _targets(bunch: Any) -> tuple[str, ...]:
    if bunch.target.ndim == 1:
        return ("target",)
    return tuple(str(name) for name in bunch.target_names)


def _check_name(source: str) -> str:
    name = source.removeprefix("sklearn.")
    if name in BUNDLED:
        return name
    if name.startswith("fetch_") or name in REMOTE:
        raise DataError(
            f"data.source: {source} needs the network; fetch it once yourself and save "
            "it as a .csv file"
        )
    known = listed((f"sklearn.{name}" for name in [*BUNDLED, *GENERATORS]), 40)
    raise DataError(
        f"data.source: expected one of {known}; got {source!r}{near_source(name)}"
    )
