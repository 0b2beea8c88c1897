"""scikit-learn estimators from a builder: seeds, weights, shapes, several targets."""

from __future__ import annotations

import numpy as np
import pytest
from builder_samples import (
    SKLEARN,
    TASKS,
    X_images,
    X_iris,
    X_values,
    fit,
    request,
    y_images,
    y_iris,
)
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from hpo.errors import TrialError
from hpo.models.builder_sklearn import weight_option

PIPELINE = """
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

def build(params, data):
    return make_pipeline(PCA(2), make_pipeline(PCA(2), LogisticRegression()))
"""


def estimator(expression, **imports):
    lines = [f"from sklearn.{module} import {name}" for name, module in imports.items()]
    return "\n".join([*lines, f"def build(params, data):\n    return {expression}\n"])


@pytest.mark.parametrize("task", TASKS)
def test_predictions_have_the_promised_form(code, task):
    X, y, kind, n_classes = TASKS[task]
    model = fit(code.family(SKLEARN), task).model
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    if kind == "regression":
        assert predicted.dtype == np.float64
        assert not hasattr(model, "predict_proba")
        assert not hasattr(model, "decision_function")
        return
    assert predicted.dtype == np.int64
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (len(X), n_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def test_the_seed_of_the_request_is_that_of_the_estimator(code):
    family = code.family(SKLEARN)
    mine = fit(family, "multiclass", seed=7).model.predict_proba(X_iris)
    # Independent: the same forest, made by hand.
    forest = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=7)
    np.testing.assert_array_equal(
        mine, forest.fit(X_iris, y_iris).predict_proba(X_iris)
    )
    assert not np.array_equal(
        mine, fit(family, "multiclass", seed=8).model.predict_proba(X_iris)
    )
    own = fit(family, "multiclass", seed=8, random_state=7)
    np.testing.assert_array_equal(mine, own.model.predict_proba(X_iris))


def test_every_part_without_a_seed_gets_one_and_a_seed_of_the_user_stays(code):
    family = code.family(
        PIPELINE.replace("LogisticRegression()", "LogisticRegression(random_state=5)")
    )
    fitted = fit(family, "multiclass", seed=9)
    seeds = [
        value
        for name, value in sorted(fitted.model.estimator.get_params().items())
        if name.endswith("random_state")
    ]
    assert seeds == [9, 5, 9]  # outer PCA, inner logistic regression, inner PCA


def test_a_builder_that_draws_numbers_draws_the_same_again(code):
    family = code.family(
        """
        import random
        import numpy as np
        from sklearn.ensemble import RandomForestClassifier

        def build(params, data):
            trees = random.randrange(1, 10**6) + np.random.randint(10**6)
            return RandomForestClassifier(1 + trees % 7, max_leaf_nodes=2 + trees % 91)
        """
    )
    first, again, other = (
        fit(family, "binary", seed=seed).model.estimator.max_leaf_nodes
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_weights_of_rows_reach_the_last_step_of_a_pipeline(code):
    weights = np.where(y_iris == 2, 2.0, 0.5)
    fitted = fit(code.family(PIPELINE), "multiclass", sample_weight=weights)
    # Independent: the transformed rows and the weights, given to the model by hand.
    outer, inner = fitted.model.estimator.steps[0][1], fitted.model.estimator[-1]
    rows = inner[:-1].transform(outer.transform(X_iris))
    by_hand = LogisticRegression(random_state=1).fit(rows, y_iris, weights)
    np.testing.assert_allclose(inner[-1].coef_, by_hand.coef_)
    plain = fit(code.family(PIPELINE), "multiclass").model.estimator[-1][-1]
    assert not np.allclose(plain.coef_, by_hand.coef_)


def test_an_estimator_that_takes_no_weights_is_refused_where_they_are_asked_for(code):
    family = code.family(
        estimator("KNeighborsClassifier()", KNeighborsClassifier="neighbors")
    )
    with pytest.raises(TrialError, match=r"takes no weights of rows, .*class_weight"):
        fit(family, "multiclass", sample_weight=np.ones(150))


def test_the_option_of_a_bare_estimator_is_its_own_name():
    assert weight_option(LogisticRegression(), "x:y") == "sample_weight"


def test_images_reach_scikit_learn_flat_and_the_builder_in_their_shape(code):
    family = code.family(
        """
        from sklearn.neighbors import KNeighborsClassifier

        def build(params, data):
            assert data.feature_shape == (8, 8), data
            return KNeighborsClassifier(1)
        """
    )
    model = fit(family, "images").model
    np.testing.assert_array_equal(model.predict(X_images), y_images)


@pytest.mark.parametrize("keep", [slice(0, 100), slice(50, 150)])
def test_a_class_missing_from_the_training_part_keeps_its_column(code, keep):
    model = fit(
        code.family(SKLEARN), "multiclass", X=X_iris[keep], y=y_iris[keep]
    ).model
    probabilities = model.predict_proba(X_iris)
    assert probabilities.shape == (150, 3)
    missing = ({0, 1, 2} - set(y_iris[keep])).pop()
    assert (probabilities[:, missing] == 0).all()
    assert set(model.predict(X_iris)) <= {0, 1, 2}


def test_decisions_of_a_classifier_without_probabilities_are_handed_on(code):
    model = fit(code.family(estimator("LinearSVC()", LinearSVC="svm")), "images").model
    assert not hasattr(model, "predict_proba")
    assert model.decision_function(X_images).shape == (150, 10)
    part = y_images != 4
    model = fit(
        code.family(estimator("LinearSVC()", LinearSVC="svm")),
        "images",
        X=X_images[part],
        y=y_images[part],
    ).model
    # Its columns would not be those of the classes.
    assert not hasattr(model, "decision_function")


def test_several_targets_are_predicted_and_one_too_many_is_told(code):
    wrapped = estimator(
        "MultiOutputRegressor(GradientBoostingRegressor(n_estimators=3))",
        MultiOutputRegressor="multioutput",
        GradientBoostingRegressor="ensemble",
    )
    model = fit(code.family(wrapped), "two targets").model
    assert model.predict(X_values).shape == (120, 2)
    bare = estimator(
        "GradientBoostingRegressor()", GradientBoostingRegressor="ensemble"
    )
    with pytest.raises(
        TrialError, match=r"there are 2 targets: .*MultiOutputRegressor"
    ):
        fit(code.family(bare), "two targets")
    # Its tags say that it predicts one target, and it does not.
    network = estimator("MLPRegressor(max_iter=3)", MLPRegressor="neural_network")
    fitted = fit(code.family(network), "two targets")
    assert fitted.model.predict(X_values).shape == (120, 2)
    assert fitted.n_epochs == len(fitted.curves["loss"]) == 3


def test_a_failing_network_leaves_its_neighbours_untouched(code):
    family = code.family(SKLEARN)
    before, failed, after = [
        family.fit_group([request("multiclass", trees=trees)])[0]
        for trees in (5, "many", 5)
    ]
    assert isinstance(failed, TrialError)
    assert failed.__cause__ is not None
    np.testing.assert_array_equal(
        before.model.predict_proba(X_iris), after.model.predict_proba(X_iris)
    )
