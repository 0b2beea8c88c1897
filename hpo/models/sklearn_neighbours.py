"""Estimators of neighbours without the trees that they look them up in.

A tree of neighbours is compiled code's own memory, which no file without pickle can
hold. Its rows are saved all the same, and to compare with all of them finds the same
neighbours.
"""

from __future__ import annotations

from typing import Any

from hpo.models.sklearn_trees import parts_of

EXACT = ("minkowski", "euclidean", "l2", "manhattan", "cityblock", "l1", "chebyshev")
"""Distances that are computed alike with a tree and without."""


def drop_trees(fitted: Any) -> None:
    """Have every estimator of neighbours in what is fitted look at all of its rows.

    It is changed in place, as if ``algorithm`` had been ``brute``, and finds the same
    neighbours by the same bits; of rows that are equally far it may take another one.
    Distances that a tree alone knows, or computes in its own way, keep their tree.
    """
    _drop(fitted, set())


def _drop(found: Any, seen: set[int]) -> None:
    if id(found) in seen or isinstance(found, str | bytes | int | float):
        return
    seen.add(id(found))
    has_tree = getattr(found, "_fit_method", None) in ("kd_tree", "ball_tree")
    if has_tree and found.effective_metric_ in EXACT:
        found.algorithm = found._fit_method = "brute"
        found._tree = None
        if found.effective_metric_ in ("euclidean", "l2"):
            # By this name scikit-learn takes differences, as a tree does; by the other
            # one products, which cancel out where values are far from zero.
            found.effective_metric_ = "minkowski"
            found.effective_metric_params_ = {"p": 2}
    for part in parts_of(found):
        _drop(part, seen)
