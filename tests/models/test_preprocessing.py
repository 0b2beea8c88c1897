"""Raw columns to numbers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.feature_selection import (
    SelectKBest,
    f_classif,
    f_regression,
    mutual_info_classif,
    mutual_info_regression,
)
from sklearn.metrics import mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from hpo.errors import SpecError
from hpo.models import transformers
from hpo.models.preparation import Preparation
from hpo.models.preprocessing import (
    MAX_CATEGORIES,
    SKOPS_TRUSTED,
    make_array_preprocessor,
    make_preprocessor,
)

MIXED = pd.DataFrame(
    {
        "wind": [1.0, 2.0, np.nan, 6.0],
        "sky": pd.Series(["clear", None, "rain", "clear"], dtype=object),
        "rain": [0.0, 2.0, 4.0, 8.0],
    }
)


def preprocessor(
    numeric,
    categorical=(),
    *,
    has_missing=False,
    task="classification",
    seed=0,
    **fields,
):
    return make_preprocessor(
        numeric,
        categorical,
        Preparation(**fields),
        task=task,
        seed=seed,
        has_missing=has_missing,
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
        transformer = preprocessor(range(10), [], scale=scale)
        assert np.array_equal(transformer.fit_transform(table), expected)
        assert np.array_equal(transformer.transform(table), expected)


def test_columns_are_imputed_scaled_and_encoded_from_the_training_rows():
    transformer = preprocessor([0, 2], [1], scale="minmax", has_missing=True)
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
    transformer = preprocessor([], [1]).fit(MIXED.iloc[[0, 2]])
    assert transformer.transform(MIXED.iloc[[1]]).tolist() == [[0, 0]]


def test_a_column_without_any_value_is_kept_as_zeros():
    transformer = preprocessor([0], [], scale="none", has_missing=True)
    assert transformer.fit_transform(np.full((3, 1), np.nan)).tolist() == [[0]] * 3


def test_an_unknown_scale_is_refused():
    with pytest.raises(
        SpecError, match=r"scale: .* got 'minmx'; did you mean 'minmax'"
    ):
        preprocessor([0], scale="minmx")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"impute": "mode"}, r"impute: expected one of median, mean, zero; got 'mode'"),
        ({"select_k": 0}, r"select_k: must be at least 1; got 0"),
        ({"select_k": 2, "select_by": "f"}, r"select_by: .*got 'f'"),
    ],
)
def test_a_field_with_a_wrong_value_is_refused(fields, message):
    with pytest.raises(SpecError, match=message):
        preprocessor([0], **fields)


@pytest.mark.parametrize(("impute", "value"), [("median", 2), ("mean", 3), ("zero", 0)])
def test_a_missing_number_becomes_what_impute_says(impute, value):
    transformer = preprocessor([0], has_missing=True, scale="none", impute=impute)
    X = np.array([[1.0], [2.0], [6.0], [np.nan]])
    assert transformer.fit_transform(X)[3, 0] == value
    assert transformer.fit(X[3:]).transform(X[3:]).tolist() == [[0]]


# --- many categories ------------------------------------------------------------------


def texts(*names):
    return pd.DataFrame({"town": pd.Series(names, dtype=object)})


def test_only_the_most_frequent_categories_have_columns_of_their_own():
    # 150 towns, town n in n + 1 rows; the last 99 are the most frequent.
    table = texts(*(f"t{n:03}" for n in range(150) for _ in range(n + 1)))
    transformer = preprocessor([], [0]).fit(table)
    encoded = transformer.transform(texts("t149", "t051", "t050", "t000", "Oz", None))
    assert encoded.shape == (6, MAX_CATEGORIES)
    assert encoded.sum(axis=1).tolist() == [1] * 6
    # t051 is the first and t149 the last of the 99; the rest share the 100th.
    assert encoded.argmax(axis=1).tolist() == [98, 0, 99, 99, 99, 99]


def test_of_fewer_categories_all_have_columns_and_unseen_ones_give_zeros():
    transformer = preprocessor([], [0]).fit(texts(*(f"t{n:02}" for n in range(99))))
    encoded = transformer.transform(texts("t00", "t98", "Oz"))
    assert encoded.shape == (3, 99)
    assert encoded.argmax(axis=1).tolist() == [0, 98, 0]
    assert encoded.sum(axis=1).tolist() == [1, 1, 0]


def test_missing_text_counts_as_one_of_many_categories():
    table = texts(*(f"t{n:03}" for n in range(120)), *[None] * 5)
    encoded = preprocessor([], [0]).fit(table).transform(texts(None, "Oz"))
    assert encoded.shape == (2, 100)
    assert encoded.argmax(axis=1)[0] != encoded.argmax(axis=1)[1] == 99


# --- selection ------------------------------------------------------------------------

JUDGES = {
    ("f_test", "classification"): f_classif,
    ("f_test", "regression"): f_regression,
    ("mutual_info", "classification"): partial(mutual_info_classif, random_state=7),
    ("mutual_info", "regression"): partial(mutual_info_regression, random_state=7),
}


@pytest.mark.parametrize(("by", "task"), JUDGES)
@pytest.mark.parametrize("k", [1, 4, 9])
def test_the_best_features_are_those_of_scikit_learn(by, task, k):
    classify = task == "classification"
    X, y = (load_wine if classify else load_diabetes)(return_X_y=True)
    # The sex column has two values, which scikit-learn would judge by other means.
    X = X if classify else np.delete(X, 1, axis=1)
    ours = preprocessor(
        range(X.shape[1]), task=task, seed=7, select_k=k, select_by=by
    ).fit(X, y)
    theirs = make_pipeline(StandardScaler(), SelectKBest(JUDGES[by, task], k=k))
    np.testing.assert_array_equal(ours.transform(X), theirs.fit_transform(X, y))


def test_a_feature_of_two_values_is_judged_by_counting():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    copy = np.where(rng.random(300) < 0.9, y, 1 - y)
    X = np.column_stack([rng.normal(size=(300, 3)), copy * 5.0 - 2])
    exact = mutual_info_score(copy, y)
    assert transformers._mutual_information(X, y, "classification", 0)[
        3
    ] == pytest.approx(exact, rel=1e-12)
    kept = preprocessor(range(4), select_k=1, select_by="mutual_info").fit(X, y)
    assert set(np.unique(kept.transform(X))) == set(kept[:2].transform(X)[:, 3])


def test_selection_sees_prepared_columns_of_both_kinds():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 200)
    sky = np.where(y == 1, "rain", np.where(rng.random(200) < 0.5, "clear", "cloud"))
    table = pd.DataFrame({"wind": rng.normal(size=200), "sky": sky.astype(object)})
    transformer = preprocessor([0], [1], select_k=1).fit(table, y)
    # Columns: wind, clear, cloud, rain; rain is the class itself.
    assert transformer.transform(table)[:, 0].tolist() == y.tolist()


def test_more_features_than_there_are_means_all():
    X, y = load_diabetes(return_X_y=True)
    kept = preprocessor(range(10), task="regression", select_k=99).fit_transform(X, y)
    np.testing.assert_array_equal(kept, StandardScaler().fit_transform(X))


@pytest.mark.parametrize("by", ["f_test", "mutual_info"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_constant_features_come_last_and_without_a_warning(by, task):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 60)
    X = np.column_stack([np.ones(60), y + rng.normal(size=60), np.zeros(60)])
    transformer = preprocessor(
        range(3), task=task, scale="none", select_k=1, select_by=by
    )
    assert transformer.fit_transform(X, y)[:, 0].tolist() == X[:, 1].tolist()


def test_only_constant_features_and_only_one_class_are_survived():
    X, y = np.ones((8, 3)), np.zeros(8, dtype=np.int64)
    for by in ("f_test", "mutual_info"):
        kept = preprocessor(range(3), select_k=2, select_by=by).fit_transform(X, y)
        assert kept.shape == (8, 2)


def test_of_several_targets_the_mean_score_counts():
    X, y = load_diabetes(return_X_y=True)
    rng = np.random.default_rng(3)
    Y = np.column_stack(
        [y, X[:, 4] + 0.1 * rng.normal(size=len(y)), rng.random(len(y))]
    )
    mean = np.mean([f_regression(X, column)[0] for column in Y.T], axis=0)
    best = np.sort(np.argsort(mean)[-3:])
    kept = preprocessor(range(10), task="regression", scale="none", select_k=3)
    np.testing.assert_array_equal(kept.fit_transform(X, Y), X[:, best])


def test_equal_features_are_chosen_among_in_the_same_way_every_time():
    X, y = load_diabetes(return_X_y=True)
    twins = np.column_stack([X[:, 2], X[:, 2], X[:, 2]])
    for by in ("f_test", "mutual_info"):
        first, again = (
            preprocessor(range(3), task="regression", select_k=1, select_by=by)
            .fit(twins, y)[-1]
            .support_.tolist()
            for _ in range(2)
        )
        assert first == again


def test_trials_that_differ_in_k_alone_judge_the_features_once():
    X, y = load_wine(return_X_y=True)
    asked = []

    class Counted(transformers.BestFeatures):
        def _scores(self, X, y):
            asked.append(X.shape)
            return super()._scores(X, y)

    def choose(k, X, seed=90):
        chosen = Counted(k, by="mutual_info", task="classification", seed=seed)
        return chosen.fit(X, y).support_.sum()

    assert [choose(1, X), choose(5, X), choose(5, X.copy())] == [1, 5, 5]
    assert len(asked) == 1
    choose(5, X + 1e-3)
    choose(5, X, seed=91)
    assert len(asked) == 3


# --- arrays ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "scaler"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())]
)
def test_each_position_of_an_array_is_scaled_by_itself(scale, scaler):
    X = np.random.default_rng(4).normal(3, 2, size=(20, 4, 5, 2))
    X[:, 0, 0, 0] = 7  # a pixel that never changes
    transformer = make_array_preprocessor(Preparation(scale=scale)).fit(X[:15])
    flat = X.reshape(20, -1)
    expected = scaler.fit(flat[:15]).transform(flat).reshape(X.shape)
    np.testing.assert_array_equal(transformer.transform(X), expected)
    assert (transformer.transform(X)[:, 0, 0, 0] == 0).all()


def test_arrays_can_be_left_as_they_are():
    X = np.random.default_rng(4).normal(size=(5, 3, 3))
    transformer = make_array_preprocessor(Preparation(scale="none"))
    np.testing.assert_array_equal(transformer.fit_transform(X), X)


def test_features_of_arrays_cannot_be_selected():
    with pytest.raises(SpecError, match="select_k: is for tables"):
        make_array_preprocessor(Preparation(select_k=3))


# --- saving ---------------------------------------------------------------------------


def saved_and_loaded(transformer):
    skops = pytest.importorskip("skops.io")
    saved = skops.dumps(transformer)
    untrusted = set(skops.get_untrusted_types(data=saved))
    return untrusted, skops.loads(saved, trusted=list(SKOPS_TRUSTED))


def test_it_can_be_saved_without_pickle():
    y = np.array([0, 1, 1, 0])
    transformer = preprocessor([0, 2], [1], has_missing=True, select_k=2).fit(MIXED, y)
    untrusted, loaded = saved_and_loaded(transformer)
    assert untrusted <= set(SKOPS_TRUSTED)
    assert np.array_equal(loaded.transform(MIXED), transformer.transform(MIXED))


def test_that_of_arrays_can_be_saved_without_pickle():
    X = np.random.default_rng(5).normal(size=(6, 2, 2))
    transformer = make_array_preprocessor(Preparation()).fit(X)
    untrusted, loaded = saved_and_loaded(transformer)
    assert untrusted <= set(SKOPS_TRUSTED)
    assert np.array_equal(loaded.transform(X), transformer.transform(X))
