"""`keras-mlp`: the course of a training, and the model that comes of it."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss

from hpo.errors import TrialError
from hpo.models import FitRequest, get_family
from hpo.models.keras_mlp import KerasMlp
from hpo.models.stopping import inner_split

pytestmark = pytest.mark.keras

X, y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)


def fit(params, X=X, y=y, n_classes=3, seed=5, sample_weight=None):
    task = "classification" if n_classes else "regression"
    request = FitRequest(params, X, y, task, n_classes, seed, sample_weight)
    (result,) = KerasMlp().fit_group([request])
    if isinstance(result, Exception):
        raise result
    return result


def test_what_was_trained_before_leaves_no_trace():
    wanted = {"units": 8, "epochs": 3, "optimizer": "nadam", "batch_norm": True}
    alone = fit(wanted).model.predict_proba(X)
    fit({**wanted, "l2": 0.1, "learning_rate": 0.5}, seed=1)
    fit({**wanted, "epochs": 9}, X[:77], y[:77], seed=2)
    assert np.array_equal(fit(wanted).model.predict_proba(X), alone)


def fit_weighted():
    params = {"units": 8, "epochs": 3, "dropout": 0.3, "patience": 2, "beta_1": 0.8}
    return fit(params, sample_weight=np.linspace(0.5, 1.5, 150))


@pytest.mark.slow
def test_another_process_gives_the_same_bits():
    code = (
        "from test_keras_mlp import fit_weighted, X;"
        "print(fit_weighted().model.predict_proba(X).tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=__file__.rpartition("/")[0],
        capture_output=True,
        text=True,
        check=True,
    )
    fit({"units": 9, "epochs": 1})
    here = fit_weighted()
    assert done.stdout.strip() == here.model.predict_proba(X).tobytes().hex()
    assert done.stderr == ""


def test_patience_restores_the_weights_of_the_best_epoch():
    params = {"patience": 2, "epochs": 200, "learning_rate": 0.1, "units": 32}
    fitted = fit(params)
    losses = fitted.curves["val_loss"]
    assert fitted.best_epoch == int(np.argmin(losses)) + 1
    assert fitted.n_epochs == len(losses) == fitted.best_epoch + 2 < 200
    shorter = fit({**params, "epochs": fitted.best_epoch})
    assert np.array_equal(fitted.model.predict_proba(X), shorter.model.predict_proba(X))
    assert set(fitted.curves) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_without_patience_it_trains_all_epochs_on_all_rows():
    fitted = fit({"epochs": 4, "units": 8})
    assert fitted.n_epochs == len(fitted.curves["loss"]) == 4
    assert fitted.best_epoch is None
    assert set(fitted.curves) == {"loss", "accuracy"}
    # 4 * 8 + 8 weights into the hidden layer, 8 * 3 + 3 out of it.
    assert fitted.n_parameters == 67


def test_values_have_their_mean_absolute_error_beside_the_loss():
    # Of a network that is not moved any more, the curve is what its predictions say.
    still = {"optimizer": "sgd", "learning_rate": 1e-30, "epochs": 2, "patience": 2}
    targets = X[:, 2:]
    fitted = fit(still, X, targets, n_classes=0)
    assert set(fitted.curves) == {"loss", "mae", "val_loss", "val_mae"}
    rows, held = inner_split(targets, "regression", 5)
    errors = np.abs(fitted.model.predict(X) - targets).mean(axis=1)
    assert fitted.curves["mae"][0] == pytest.approx(errors[rows].mean(), rel=1e-5)
    assert fitted.curves["val_mae"][0] == pytest.approx(errors[held].mean(), rel=1e-5)
    assert fitted.engine.startswith("keras 3.")
    assert fitted.engine.endswith(" stacked")


def test_it_learns():
    fitted = fit({"epochs": 60, "units": 16, "learning_rate": 0.01, "dropout": 0.1})
    assert (fitted.model.predict(X) == y).mean() > 0.95


def test_random_state_of_the_params_goes_before_the_seed():
    params = {"epochs": 2, "units": 4, "random_state": 8}
    first, second = (fit(params, seed=seed).model.predict_proba(X) for seed in (1, 2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("patience", [None, 2])
def test_a_loss_that_is_no_number_fails_with_the_epoch(patience):
    params = {"optimizer": "sgd", "learning_rate": 1e30, "patience": patience}
    with pytest.raises(TrialError, match=r"at epoch \d: lower the learning rate") as e:
        fit(params, X, X[:, 0] * 1e9, n_classes=0)
    assert e.value.kind == "nan"
    assert e.value.engine.endswith(" stacked")


def test_output_activation_keeps_regression_above_zero():
    fitted = fit(
        {"output_activation": "softplus", "epochs": 2}, X, X[:, 0], n_classes=0
    )
    assert (fitted.model.predict(X) > 0).all()


def test_several_targets_can_stop_early_and_be_saved(tmp_path):
    import keras

    params = {"epochs": 200, "patience": 3, "learning_rate": 0.1, "units": 16}
    fitted = fit(params, X[:, :2], X[:, 2:], n_classes=0)
    predicted = fitted.model.predict(X[:, :2])
    assert predicted.shape == (150, 2)
    assert predicted.dtype == np.float64
    assert fitted.n_epochs == fitted.best_epoch + 3 < 200
    # Two centred columns of variance 1: predicting the mean costs 1.
    assert ((predicted - X[:, 2:]) ** 2).mean() < min(fitted.curves["val_loss"]) * 3 < 1
    # 2 * 16 + 16 weights into the hidden layer, 16 * 2 + 2 out of it.
    assert fitted.n_parameters == 82
    fitted.model.network().save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict(X[:, :2], verbose=0), predicted, atol=1e-6
    )


def test_early_stopping_trains_on_the_weights_of_its_rows_and_watches_without():
    from hpo.models.stopping import inner_split

    params = {"epochs": 3, "patience": 3, "units": 8}
    train, watched = inner_split(y, "classification", 5)
    weight = np.where(np.isin(np.arange(150), watched), 7.0, 1.0)
    plain, weighted = fit(params), fit(params, sample_weight=weight)
    assert weighted.curves == plain.curves
    weight[train[:60]] = 0.1
    assert fit(params, sample_weight=weight).curves != plain.curves


def test_the_model_can_be_pickled_and_is_a_stock_keras_model(tmp_path):
    import keras

    fitted = fit({"epochs": 2, "dropout": 0.2, "l2": 0.1, "batch_norm": True})
    expected = fitted.model.predict_proba(X)
    copy = pickle.loads(pickle.dumps(fitted.model))
    assert np.array_equal(copy.predict_proba(X), expected)
    fitted.model.network().save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), expected, atol=1e-6)


def test_scikit_learn_accepts_the_probabilities():
    assert log_loss(y, fit({"epochs": 1}).model.predict_proba(X)) > 0


def test_trials_that_differ_in_numbers_only_share_a_program():
    key = get_family("keras-mlp").program_key
    base = {"dropout": 0.1, "l2": 1e-3, "optimizer": "sgd", "units": 8}
    same = {
        "dropout": 0.4,
        "l2": 1e-2,
        "momentum": 0.2,
        "learning_rate": 1,
        "epochs": 9,
        "beta_1": 0.1,
        "beta_2": 0.2,
        "epsilon": 0.3,
        "rho": 0.4,
        "units": 16,
    }
    assert key(base) == key({**base, **same})
    for change in (
        {"units": 17},
        {"hidden_layers": 2},
        {"activation": "tanh"},
        {"optimizer": "adam"},
        {"nesterov": True},
        {"batch_size": 8},
        {"batch_norm": True},
        {"dropout": 0.0},
        {"output_activation": "relu"},
    ):
        assert key(base) != key({**base, **change})


def test_one_network_that_cannot_be_trained_fails_alone(monkeypatch):
    from hpo.models.stack_training import StackTraining

    run = StackTraining.run

    def fail_for_one(training):
        if any(member.seed == 3 for member in training.members):
            raise RuntimeError("this one")
        run(training)

    monkeypatch.setattr(StackTraining, "run", fail_for_one)
    params = {"units": 8, "epochs": 2}
    requests = [FitRequest(params, X, y, "classification", 3, s) for s in range(7)]
    results = KerasMlp().fit_group(requests)
    failed = [s for s, result in enumerate(results) if isinstance(result, Exception)]
    assert failed == [3]
    assert str(results[3]) == "this one"
    monkeypatch.undo()
    for seed in (2, 4):
        alone = fit(params, seed=seed).model.predict_proba(X)
        assert np.array_equal(results[seed].model.predict_proba(X), alone)


def test_a_neighbour_s_rows_never_reach_a_network():
    # In float32 these rows are infinite: what fills up batches must not be they.
    huge = X.copy()
    huge[0] = 1e39
    params = {"units": 8, "epochs": 3, "patience": 2, "batch_size": 7}
    requests = [
        FitRequest(params, rows, y, "classification", 3, seed)
        for seed, rows in enumerate((huge, X))
    ]
    with np.errstate(over="ignore"):
        spoilt, good = KerasMlp().fit_group(requests)
    assert isinstance(spoilt, TrialError)
    assert spoilt.kind == "nan"
    alone = fit(params, seed=1).model.predict_proba(X)
    assert np.array_equal(good.model.predict_proba(X), alone)


def test_stacks_are_bounded_by_the_rows_they_hold(monkeypatch):
    from hpo.models import keras_mlp

    tables = [X.copy() for _ in range(4)]
    members = {
        index: keras_mlp.Member(
            FitRequest({"units": 8}, tables[index % 4], y, "classification", 3, index)
        )
        for index in range(8)
    }
    assert keras_mlp._stacks(members) == [list(range(8))]
    monkeypatch.setattr(keras_mlp, "ROWS_BYTES", 4 * X.size * 2)
    assert keras_mlp._stacks(members) == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_nadam_s_products_are_the_same_from_epoch_to_epoch():
    from hpo.models.settings import Settings
    from hpo.models.stack_optimizers import schedule

    stack = [Settings.of({"beta_1": beta}) for beta in (0.9, 0.999)]
    whole = schedule("nadam", stack, 0, 9000)
    late = schedule("nadam", stack, 8990, 10)
    for name, values in late.items():
        np.testing.assert_allclose(values, whole[name][8990:], rtol=1e-6, err_msg=name)


def test_on_jax_what_is_named_and_zero_needs_no_program_of_its_own():
    plain, zero = {"units": 8}, {"units": 8, "dropout": 0.0, "l2": 0.0}
    some = {"units": 8, "dropout": 0.3, "l2": 0.1}
    for backend, as_one in (("jax", (zero, some)), ("tensorflow", (plain, zero))):
        key = KerasMlp(backend).program_key
        first, second = as_one
        assert key(first) == key(second)
        assert len({key(plain), key(zero), key(some)}) == 2
    # Without hidden layers there is nothing to drop.
    key = KerasMlp("jax").program_key
    assert key({"hidden_layers": 0, "dropout": 0.3}) == key({"hidden_layers": 0})
