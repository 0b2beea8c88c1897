"""Preprocessing of raw columns into the numbers a model takes.

It says what is done and fits nothing: whoever cross-validates fits the transformer on
the training rows of each fold, and on those alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpo.errors import Problem, SpecError, one_of
from hpo.models.vocabulary import ENTRIES

SKOPS_TRUSTED = ("numpy.ascontiguousarray", "numpy.dtype")
"""Harmless types in a transformer that skops wants to be told to trust."""


def make_preprocessor(
    numeric: Sequence[int],
    categorical: Sequence[int],
    *,
    scale: str = "standard",
    has_missing: bool = False,
) -> Any:
    """Return an unfitted transformer of raw columns, numeric ones first in its output.

    Numeric columns get the median of the training rows for a missing value (0 if the
    training rows have no value at all) and are scaled. Each category of a text column
    gets a column of zeros and ones; a missing text is a category of its own, since that
    it is missing may say something; a category that the training rows lack gives zeros.
    Without text and missing values the numbers are exactly those of scikit-learn's
    scaler on the array.

    Args:
        numeric: Positions of the numeric columns: numbers, NaN if missing.
        categorical: Positions of the text columns: str, None if missing.
        scale: ``standard``, ``minmax`` or ``none``.
        has_missing: Whether any numeric value of the data set is missing.

    Returns:
        A scikit-learn transformer from a table (n, n_columns), a DataFrame or an array,
        to float64 (n, n_features). It is made of scikit-learn's own parts, so skops
        can save it; loading it takes `SKOPS_TRUSTED`.

    Raises:
        SpecError: ``scale`` is none of the three.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    if scale not in ENTRIES["scale"].choices:
        raise SpecError([Problem("scale", one_of(scale, ENTRIES["scale"].choices))])
    numbers = make_pipeline(*_numeric_steps(scale, has_missing=has_missing))
    if not categorical:
        return numbers
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = [("numeric", numbers, list(numeric))] if len(numeric) else []
    return ColumnTransformer(
        [*columns, ("categorical", encoder, list(categorical))],
        sparse_threshold=0.0,
        verbose_feature_names_out=False,
    )


def _numeric_steps(scale: str, *, has_missing: bool) -> list[Any]:
    import numpy as np
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

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
        steps.append(SimpleImputer(strategy="median", keep_empty_features=True))
    if scale == "standard":
        steps.append(StandardScaler())
    elif scale == "minmax":
        steps.append(MinMaxScaler())
    return steps
