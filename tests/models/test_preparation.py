"""What is done around a model: which params mean it, target scales and row weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from hpo.models import get_family
from hpo.models.preparation import (
    Preparation,
    Surroundings,
    TargetScaler,
    sample_weight,
)

FOREST = "sklearn.ensemble.RandomForestRegressor"
SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler}


def around(family, params, task="regression"):
    return Surroundings.of(get_family(family), params, task)


# --- reading params -------------------------------------------------------------------


def test_missing_params_have_their_defaults():
    assert Preparation.of({}) == Preparation("standard", "median", None, "f_test")


def test_params_are_read():
    params = {"scale": "none", "impute": "mean", "select_k": 3.0, "units": 7}
    read = Preparation.of({**params, "select_by": "mutual_info"})
    assert read == Preparation("none", "mean", 3, "mutual_info")
    assert isinstance(read.select_k, int)


def test_what_makes_the_same_features_is_equal():
    by_default = Preparation.of({"select_k": None})
    assert Preparation.of({"select_by": "mutual_info"}) == by_default


@pytest.mark.parametrize(
    ("family", "params", "scale"),
    [
        ("sklearn-mlp", {}, "standard"),
        ("keras-mlp", {}, "standard"),
        (FOREST, {}, "none"),
        ("keras-mlp", {"target_scale": "minmax"}, "minmax"),
        (FOREST, {"target_scale": "standard"}, "standard"),
        ("keras-mlp", {"output_activation": "relu"}, "none"),
        ("keras-mlp", {"output_activation": "linear"}, "standard"),
        (
            "keras-mlp",
            {"output_activation": "tanh", "target_scale": "minmax"},
            "minmax",
        ),
    ],
)
def test_targets_are_scaled_as_the_params_or_else_the_family_say(family, params, scale):
    assert around(family, params).target_scale == scale


@pytest.mark.parametrize("family", ["sklearn-mlp", "keras-mlp", FOREST])
def test_only_regression_scales_targets_and_only_classification_weighs(family):
    params = {"target_scale": "standard", "class_weight": "balanced"}
    classify = around(family, params, "classification")
    assert classify == Surroundings(Preparation(), "none", "balanced")
    assert around(family, params).class_weight is None


def test_names_that_an_estimator_has_itself_are_its_own():
    svc, pls = (
        get_family("sklearn.svm.SVC"),
        "sklearn.cross_decomposition.PLSRegression",
    )
    assert svc.keeps == {"class_weight"}
    params = {"class_weight": "balanced", "scale": "minmax"}
    read = Surroundings.of(svc, params, "classification")
    assert read == Surroundings(Preparation(scale="minmax"))
    assert around(pls, {"scale": False}).features == Preparation()
    assert get_family(pls).defaults("regression")["scale"] is True


# --- target scales --------------------------------------------------------------------


@pytest.mark.parametrize("how", SCALERS)
@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3)])
def test_targets_are_scaled_by_column_as_scikit_learn_does(how, shape):
    y = np.random.default_rng(0).normal(900, 70, size=shape)
    scaler = TargetScaler.fit(y, how)
    theirs = SCALERS[how]().fit(y.reshape(50, -1))
    scaled = scaler.scale(y)
    assert scaled.shape == shape
    expected = theirs.transform(y.reshape(50, -1)).reshape(shape)
    np.testing.assert_allclose(scaled, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(scaler.undo(scaled), y, rtol=1e-14)


@pytest.mark.parametrize("how", SCALERS)
def test_a_constant_target_is_scaled_to_zero_and_back(how):
    y = np.column_stack([np.full(9, 3.3), np.arange(9.0)])
    scaler = TargetScaler.fit(y, how)
    np.testing.assert_allclose(scaler.scale(y)[:, 0], 0, atol=1e-15)
    np.testing.assert_allclose(scaler.undo(scaler.scale(y)), y, rtol=1e-15)


def test_no_scale_is_no_scaler():
    assert TargetScaler.fit(np.arange(4.0), "none") is None


def test_infinite_predictions_stay_what_they_are():
    scaler = TargetScaler.fit(np.arange(4.0), "standard")
    assert scaler.undo(np.array([np.inf, -np.inf])).tolist() == [np.inf, -np.inf]


# --- weights --------------------------------------------------------------------------


def test_balanced_weights_are_those_of_scikit_learn_with_mean_one():
    y = np.array([0] * 70 + [1] * 5 + [2] * 25)
    weights = sample_weight(y, "balanced")
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", y))
    assert weights.mean() == pytest.approx(1, rel=1e-12)
    # By hand: 100 rows, 3 classes, 5 rows of class 1.
    assert weights[70] == pytest.approx(100 / 15)


def test_a_class_without_rows_takes_no_part_in_the_balance():
    y = np.array([0, 2, 2, 2])
    weights = sample_weight(y, "balanced")
    expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=y)
    np.testing.assert_allclose(weights, expected[[0, 1, 1, 1]])
    assert weights.mean() == pytest.approx(1, rel=1e-12)


def test_without_class_weights_rows_have_none():
    assert sample_weight(np.array([0, 1]), None) is None
