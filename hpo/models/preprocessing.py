"""Preprocessing of raw columns into the numbers a model takes.

It says what is done and fits nothing: whoever cross-validates fits the transformer on
the training rows of each fold, and on those alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.models.preparation import Preparation
from hpo.models.vocabulary import ENTRIES
from hpo.records import Task

SKOPS_TRUSTED = (
    "hpo.models.transformers.ScaledArrays",
    "hpo.models.transformers.BestFeatures",
    "numpy.ascontiguousarray",
    "numpy.dtype",
)
"""Harmless types in a transformer that skops wants to be told to trust."""

MAX_CATEGORIES = 100
"""Columns that one column of text becomes at most: frequent values, and the rest."""


def make_preprocessor(
    numeric: Sequence[int],
    categorical: Sequence[int],
    preparation: Preparation,
    *,
    task: Task,
    seed: int,
    has_missing: bool,
) -> Any:
    """Return an unfitted transformer of raw columns, numeric ones first in its output.

    Numeric columns get a value of the training rows for a missing one (0 if the
    training rows have no value at all) and are scaled. Each category of a text column
    gets a column of zeros and ones; a missing text is a category of its own, since that
    it is missing may say something; a category that the training rows lack gives zeros.
    Of `MAX_CATEGORIES` or more the most frequent ones of the training rows have
    columns, and all others share one with those that the training rows lack.
    Then the best features are selected, if that is asked for.
    Without text and missing values the numbers are exactly those of scikit-learn's
    scaler on the array.

    Args:
        numeric: Positions of the numeric columns: numbers, NaN if missing.
        categorical: Positions of the text columns: str, None if missing.
        preparation: What is done.
        task: What features are selected for.
        seed: Of the estimate of mutual information.
        has_missing: Whether any numeric value of the data set is missing.

    Returns:
        A scikit-learn transformer from a table (n, n_columns), a DataFrame or an array,
        to float64 (n, n_features), to be fitted on X and y. skops can save it; loading
        it takes `SKOPS_TRUSTED`.

    Raises:
        SpecError: A field of ``preparation`` has a value that it cannot have.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    _check(preparation)
    numbers = _numeric_steps(preparation, has_missing=has_missing)
    selection = _selection_steps(preparation, task=task, seed=seed)
    if not categorical:
        return make_pipeline(*numbers, *selection)
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=MAX_CATEGORIES,
        sparse_output=False,
    )
    columns = (
        [("numeric", make_pipeline(*numbers), list(numeric))] if len(numeric) else []
    )
    table = ColumnTransformer(
        [*columns, ("categorical", encoder, list(categorical))],
        sparse_threshold=0.0,
        verbose_feature_names_out=False,
    )
    return make_pipeline(table, *selection) if selection else table


def make_array_preprocessor(preparation: Preparation) -> Any:
    """Return an unfitted transformer of examples that have several axes, as images.

    Each position of an example is scaled by itself, as if it were a column.

    Args:
        preparation: What is done; arrays have no missing values to impute.

    Returns:
        A transformer of float64 arrays, shape (n, ...), that keeps their shape.

    Raises:
        SpecError: Features are to be selected, or a field has a value that it cannot
            have.
    """
    from hpo.models.transformers import ScaledArrays

    _check(preparation)
    if preparation.select_k is not None:
        raise SpecError([Problem("select_k", NO_SELECTION)])
    return ScaledArrays(preparation.scale)


NO_SELECTION = (
    "is for tables: examples that have several axes would lose their shape; leave it "
    "out, or use a family that takes rows"
)


def _check(preparation: Preparation) -> None:
    problems = [
        Problem(field.name, what)
        for field in fields(preparation)
        if (what := _why_not(preparation, field.name)) is not None
    ]
    if problems:
        raise SpecError(problems)


def _why_not(preparation: Preparation, name: str) -> str | None:
    return ENTRIES[name].why_not(getattr(preparation, name), family="")


def _numeric_steps(preparation: Preparation, *, has_missing: bool) -> list[Any]:
    import numpy as np
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import FunctionTransformer

    from hpo.models.transformers import make_scaler

    # A DataFrame stores its numbers by column, and sums along columns and along rows
    # differ in the last bits: the scaler always sees rows.
    steps: list[Any] = [
        FunctionTransformer(
            np.ascontiguousarray,
            kw_args={"dtype": np.float64},
            feature_names_out="one-to-one",
        )
    ]
    if has_missing:
        strategy = "constant" if preparation.impute == "zero" else preparation.impute
        imputer = SimpleImputer(
            strategy=strategy, fill_value=0.0, keep_empty_features=True
        )
        steps.append(imputer)
    scaler = make_scaler(preparation.scale)
    return [*steps, scaler] if scaler is not None else steps


def _selection_steps(preparation: Preparation, *, task: Task, seed: int) -> list[Any]:
    from hpo.models.transformers import BestFeatures

    if preparation.select_k is None:
        return []
    return [
        BestFeatures(
            preparation.select_k, by=preparation.select_by, task=task, seed=seed
        )
    ]
