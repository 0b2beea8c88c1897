"""How models of builders are trained: in which kind of program, and why in no other."""

from __future__ import annotations

import numpy as np
import pytest
from builder_samples import TASKS, X_iris, fit, request, y_iris

from hpo.errors import TrialError
from hpo.models import builder_training

pytestmark = pytest.mark.keras

MODEL = """
import keras

{above}

def build(params, data):
    model = keras.Sequential([
        keras.Input(data.feature_shape),
        keras.layers.Dense(params.get("units", 8), "relu"),
        {layer}
        keras.layers.Dense(data.output_units, data.output_activation),
    ])
    {compile}
    return model
"""
COMPILED = "model.compile({}, 'sparse_categorical_crossentropy')"


def model(layer="", compile="", above=""):
    return MODEL.format(layer=layer, compile=compile, above=above)


SCAN = f"scan: {builder_training.SINGLE}"
WATCHED = "scan: early stopping ends its folds apart"


def kind(fitted):
    return fitted.engine.split(maxsplit=4)[-1]


@pytest.mark.slow
def test_trials_that_differ_in_rate_and_seed_share_a_program(code, programs):
    family = code.family(model("keras.layers.Dropout(0.5, seed=data.seed),"))
    first = fit(family, "multiclass", seed=1, learning_rate=0.01)
    other = fit(family, "multiclass", seed=2, learning_rate=0.01)
    assert kind(first) == kind(other) == SCAN
    assert first.curves["loss"] != other.curves["loss"]
    still = fit(family, "multiclass", seed=1, learning_rate=1e-12)
    assert np.ptp(still.curves["loss"]) < np.ptp(first.curves["loss"])
    assert len(programs) == 1
    fit(family, "multiclass", units=9)
    assert len(programs) == 2


def test_what_a_config_leaves_out_makes_another_program(code, programs):
    text = model(
        compile="model.compile('sgd', keras.losses.Huber(delta=params['delta']))"
    )
    # Of equal class and config, but only the small delta makes errors linear.
    losses = [
        fit(code.family(text), "regression", epochs=1, delta=delta).curves["loss"][0]
        for delta in (10.0, 0.01)
    ]
    assert losses[1] < 0.1 * losses[0]
    assert len(programs) == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"compile": COMPILED.format("keras.optimizers.SGD(use_ema=True)")},
            "use_ema",
        ),
        (
            {
                "compile": COMPILED.format(
                    "keras.optimizers.SGD(gradient_accumulation_steps=2)"
                )
            },
            "gradient accumulation",
        ),
        (
            {
                "compile": "model.compile('sgd', 'sparse_categorical_crossentropy', "
                "run_eagerly=True)"
            },
            "run_eagerly",
        ),
        (
            {"compile": "model.train_step = model.train_step"},
            "custom train_step",
        ),
        *(
            (
                {
                    "compile": "optimizer = keras.optimizers.AdamW(); "
                    f"optimizer.exclude_from_weight_decay({of}); "
                    + COMPILED.format("optimizer")
                },
                "exclude_from_weight_decay",
            )
            for of in ("var_names=['bias']", "model.trainable_variables[:1]")
        ),
        (
            {"layer": "keras.layers.Dense(4, dtype='mixed_bfloat16'),"},
            "mixed precision",
        ),
        (
            {
                "above": "class Mine(keras.optimizers.SGD): pass",
                "compile": COMPILED.format("Mine()"),
            },
            "custom optimizer",
        ),
    ],
)
def test_a_model_that_asks_for_more_than_a_step_goes_to_fit(
    code, programs, options, reason
):
    fitted = fit(code.family(model(**options)), "multiclass", epochs=1)
    assert kind(fitted) == f"fit: {reason}"
    assert len(programs) == 0


COUNTER = """
import tensorflow as tf

class Counter(keras.layers.Layer):
    def build(self, shape):
        self.count = tf.Variable(0.0)

    def call(self, x):
        self.count.assign_add(1.0)
        return x
"""


def test_a_state_that_keras_does_not_know_of_goes_to_fit(code, programs):
    family = code.family(model("Counter(),", above=COUNTER))
    for _ in range(2):  # the second time it is known
        fitted = fit(family, "multiclass", epochs=1)
        assert "variables or tables that Keras does not know" in kind(fitted)
        assert kind(fitted).startswith("fit: ")
    assert len(programs) == 0


def test_a_program_that_trains_otherwise_than_fit_is_not_used(
    code, programs, monkeypatch
):
    from hpo.models.traced_step import Step

    right = Step.train

    def wrong(self, state, metrics, batch):
        after, metrics = right(self, state, metrics, batch)
        return after._replace(trainable=tuple(1.001 * v for v in after.trainable)), (
            metrics
        )

    expected = fit(code.family(model()), "multiclass")
    programs.__init__()
    monkeypatch.setattr(Step, "train", wrong)
    fitted = fit(code.family(model()), "multiclass")
    assert kind(fitted) == "fit: self-check: weights differ from those of fit"
    # What the check did to the network is undone: it is built again.
    np.testing.assert_allclose(
        fitted.model.predict_proba(X_iris), expected.model.predict_proba(X_iris), 1e-5
    )


def test_small_updates_are_compared_with_their_own_size(code, programs, monkeypatch):
    from hpo.models.traced_step import Step

    right = Step.train

    def halved(self, state, metrics, batch):
        after, metrics = right(self, state, metrics, batch)
        moved = zip(state.trainable, after.trainable, strict=True)
        return after._replace(
            trainable=tuple(old + (new - old) / 2 for old, new in moved)
        ), metrics

    monkeypatch.setattr(Step, "train", halved)
    # Gradients of about 1e-3 at the check's rate of 1e-3 move weights by 1e-6.
    text = model(
        above="def small(y, p):\n"
        "    return 1e-3 * keras.losses.sparse_categorical_crossentropy(y, p)",
        compile="model.compile('sgd', small)",
    )
    fitted = fit(code.family(text), "multiclass", epochs=1)
    assert kind(fitted) == "fit: self-check: weights differ from those of fit"


DRAWN = """
import numpy as np

class Drawn(keras.layers.Layer):
    def build(self, shape):
        self.factors = np.random.normal(size=(shape[-1], 8)).astype("float32")

    def call(self, x):
        return keras.ops.tanh(keras.ops.matmul(x, self.factors))
"""


def test_numbers_that_a_layer_has_drawn_are_those_of_its_own_network(code, programs):
    family = code.family(model("Drawn(),", above=DRAWN))
    for seed in (1, 2):
        scanned = fit(family, "multiclass", seed=seed)
        assert kind(scanned) == "scan: Drawn is a layer of your own"
        # The weights that were trained go with the numbers that the network has.
        loss = -np.log(
            scanned.model.predict_proba(X_iris)[np.arange(len(y_iris)), y_iris]
        ).mean()
        assert abs(loss - scanned.curves["loss"][-1]) < 0.1


FROZEN = "model.layers[0].trainable = False"


def test_a_layer_that_assigns_weights_in_its_call_goes_to_fit(code, programs):
    # A pure step loses that; the self-check is what finds it.
    layer = "keras.layers.SpectralNormalization(keras.layers.Dense(8, 'relu')),"
    fitted = fit(code.family(model(layer)), "multiclass", epochs=1)
    assert kind(fitted) == "fit: self-check: weights differ from those of fit"


def test_rows_with_weights_and_rows_to_watch_train_in_a_program(code, programs):
    weight = np.where(y_iris == 2, 2.0, 0.5)
    fitted = fit(code.family(model()), "multiclass", patience=2, sample_weight=weight)
    assert kind(fitted) == WATCHED


def test_frozen_layers_do_not_move(code, programs):
    import keras

    fitted = fit(code.family(model(compile=FROZEN)), "multiclass", learning_rate=0.1)
    assert kind(fitted) == SCAN
    keras.utils.set_random_seed(1)
    start = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)]).get_weights()
    kernel, bias, *_ = fitted.model.model.get_weights()
    np.testing.assert_array_equal(kernel, start[0])
    np.testing.assert_array_equal(bias, start[1])


def test_a_network_that_diverges_leaves_the_others_of_its_program_as_they_are(
    code, programs
):
    family = code.family(model("keras.layers.Dropout(0.3),"))
    requests = [request("multiclass", seed=k) for k in (1, 2)]
    quiet = [each for (each,) in map(family.fit_group, zip(requests))]
    bad = request("multiclass", seed=3, X=X_iris * np.inf)
    again = [requests[0], bad, requests[1]]
    first, failed, last = [each for (each,) in map(family.fit_group, zip(again))]
    assert isinstance(failed, TrialError)
    assert failed.kind == "nan"
    assert len(programs) == 1
    for one, other in zip(quiet, (first, last), strict=True):
        assert kind(one) == kind(other) == SCAN
        np.testing.assert_array_equal(
            one.model.predict_proba(X_iris), other.model.predict_proba(X_iris)
        )


@pytest.mark.parametrize("task", ["binary", "regression", "two targets"])
def test_each_task_trains_in_a_program(code, programs, task):
    fitted = fit(code.family(model()), task, patience=2)
    assert kind(fitted) == WATCHED
    assert fitted.model.predict(TASKS[task][0]).shape == TASKS[task][1].shape


@pytest.mark.parametrize("rate", [1.0, 3.0])
def test_the_first_trial_s_learning_rate_does_not_decide_over_the_program(
    code, programs, rate
):
    # Two layers of 64: steps of 1 or 3 scale up what rounding there is.
    family = code.family(model("keras.layers.Dense(64, 'relu'),"))
    options = {"optimizer": "adam", "epochs": 1, "units": 64}
    (first,) = family.fit_group([request("binary", **options, learning_rate=rate)])
    later = fit(family, "binary", learning_rate=1e-3, **options)
    assert isinstance(first, TrialError) or kind(first) == SCAN
    assert kind(later) == SCAN


def test_the_check_leaves_nothing_behind_in_an_optimizer(code, programs):
    # Of the network that a program is checked with; it may be saved and trained on.
    fitted = fit(
        code.family(model()), "multiclass", optimizer="adam", learning_rate=0.3
    )
    optimizer = fitted.model.model.optimizer
    assert kind(fitted) == SCAN
    assert float(optimizer.learning_rate) == pytest.approx(0.3)
    assert optimizer.built
    assert [int(optimizer.iterations), *map(np.any, optimizer.variables[2:])] == [
        0,
        *[False] * 8,
    ]


def test_a_lack_of_memory_is_the_trial_s_and_not_its_program_s(
    code, programs, monkeypatch
):
    from hpo.models.traced_tensorflow import Epochs

    family = code.family(model())
    with monkeypatch.context() as patch:

        def fail(*arguments):
            raise MemoryError

        patch.setattr(Epochs, "train", fail)
        (failed,) = family.fit_group([request("multiclass", epochs=1)])
    assert isinstance(failed, Exception)
    assert kind(fit(family, "multiclass", epochs=1)) == SCAN
