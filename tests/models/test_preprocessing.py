"""Raw columns to numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from hpo.errors import SpecError
from hpo.models.preprocessing import SKOPS_TRUSTED, make_preprocessor

MIXED = pd.DataFrame(
    {
        "wind": [1.0, 2.0, np.nan, 6.0],
        "sky": pd.Series(["clear", None, "rain", "clear"], dtype=object),
        "rain": [0.0, 2.0, 4.0, 8.0],
    }
)


@pytest.mark.parametrize(
    ("scale", "scaler"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())]
)
def test_plain_numbers_are_scaled_as_scikit_learn_does_to_the_last_bit(scale, scaler):
    X, _ = load_diabetes(return_X_y=True)
    X = X * np.arange(1, 11) + 1e3
    expected = scaler.fit_transform(X)
    # A frame keeps its values by column, and sums in another order.
    for table in (X, pd.DataFrame(X), np.asfortranarray(X)):
        transformer = make_preprocessor(range(10), [], scale=scale)
        assert np.array_equal(transformer.fit_transform(table), expected)
        assert np.array_equal(transformer.transform(table), expected)


def test_columns_are_imputed_scaled_and_encoded_from_the_training_rows():
    transformer = make_preprocessor([0, 2], [1], scale="minmax", has_missing=True)
    # The median of 1, 2, 6 is 2. Columns: wind, rain, then clear, rain, missing.
    np.testing.assert_allclose(
        transformer.fit_transform(MIXED),
        [
            [0.0, 0.00, 1, 0, 0],
            [0.2, 0.25, 0, 0, 1],
            [0.2, 0.50, 0, 1, 0],
            [1.0, 1.00, 1, 0, 0],
        ],
    )
    new = pd.DataFrame(
        {"wind": [np.nan], "sky": pd.Series(["snow"], dtype=object), "rain": [4.0]}
    )
    assert transformer.transform(new).tolist() == [[0.2, 0.5, 0, 0, 0]]


def test_a_missing_text_that_training_never_saw_gives_zeros():
    transformer = make_preprocessor([], [1]).fit(MIXED.iloc[[0, 2]])
    assert transformer.transform(MIXED.iloc[[1]]).tolist() == [[0, 0]]


def test_a_column_without_any_value_is_kept_as_zeros():
    transformer = make_preprocessor([0], [], scale="none", has_missing=True)
    assert transformer.fit_transform(np.full((3, 1), np.nan)).tolist() == [[0]] * 3


def test_an_unknown_scale_is_refused():
    with pytest.raises(
        SpecError, match=r"scale: .* got 'minmx'; did you mean 'minmax'"
    ):
        make_preprocessor([0], [], scale="minmx")


def test_it_can_be_saved_without_pickle():
    skops = pytest.importorskip("skops.io")
    transformer = make_preprocessor([0, 2], [1], has_missing=True).fit(MIXED)
    saved = skops.dumps(transformer)
    assert set(skops.get_untrusted_types(data=saved)) == set(SKOPS_TRUSTED)
    loaded = skops.loads(saved, trusted=list(SKOPS_TRUSTED))
    assert np.array_equal(loaded.transform(MIXED), transformer.transform(MIXED))
