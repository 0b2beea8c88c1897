"""Folds of a trial in one program: each is the network that it would be alone."""

from __future__ import annotations

import numpy as np
import pytest
from builder_samples import SKLEARN, TASKS, request

from hpo.errors import TrialError
from hpo.models import builder_training
from hpo.models.family import HandedBack
from hpo.models.traced_choice import STACKED_LAYERS, STACKED_WEIGHTS, why_alone
from hpo.models.traced_group import member, segments, stacked_rows, stacked_states
from hpo.models.traced_program import Program
from hpo.models.traced_step import Batch

pytestmark = pytest.mark.keras

RNG = np.random.default_rng(0)
X = RNG.normal(size=(75, 16)).astype("float32")
y = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0.5)
SIZES = 75, 74, 64
"""Rows of three networks: two left over sizes, and one with none."""
BATCH = 32

LAYERS = {
    "dense": "x = L.Dense(8, 'relu')(x)",
    "penalties": "x = L.Dense(8, kernel_regularizer='l2', activity_regularizer='l2', "
    "kernel_constraint='max_norm')(x)",
    "activations": "x = L.Activation('gelu')(L.ReLU()(L.Dense(8)(x)))",
    "more activations": "x = L.ELU()(L.LeakyReLU()(L.Dense(8)(x)))",
    "own slopes": "x = L.Softmax()(L.PReLU()(L.Dense(8)(x)))",
    "dropout": "x = L.Dense(8)(L.Dropout(0.3)(x))",
    "noise": "x = L.Dense(8)(L.GaussianNoise(0.1)(x))",
    "batches": "x = L.BatchNormalization()(L.Dense(8, use_bias=False)(x))",
    "rows": "x = L.UnitNormalization()(L.LayerNormalization()(L.Dense(8)(x)))",
    "shapes": "x = L.Flatten()(L.Rescaling(0.5)(L.Reshape((4, 4))(x)))",
    "sums": "a, b = L.Dense(8)(x), L.Dense(8)(x)\n"
    "x = L.Add()([L.Average()([a, b]), L.Subtract()([a, b])])",
    "products": "a, b = L.Dense(8)(x), L.Dense(8)(x)\n"
    "x = L.Concatenate()([L.Multiply()([a, b]), L.Maximum()([a, b])])",
    "codes": "e = L.Embedding(8, 3)(L.Rescaling(0.0)(x))\n"
    "x = L.Concatenate()([L.GlobalAveragePooling1D()(e), L.GlobalMaxPooling1D()(e)])",
}
OPTIMIZERS = {
    "sgd": "SGD(0.1, momentum=0.9, nesterov=True, global_clipnorm=0.01)",
    "rmsprop": "RMSprop(0.01, centered=True)",
    "adam": "Adam(0.01, clipnorm=0.01)",
    "adamw": "AdamW(0.01)",
    "adamax": "Adamax(0.01)",
    "nadam": "Nadam(0.01)",
    "adagrad": "Adagrad(0.01)",
    "adadelta": "Adadelta(0.01)",
    "ftrl": "Ftrl(0.01)",
    "lion": "Lion(0.001)",
    "lamb": "Lamb(0.01)",
    "adafactor": "Adafactor(0.01)",
    "schedule": "SGD(schedules.ExponentialDecay(0.1, 3, 0.5), 0.9)",
}


def built(seed, layers="dense", optimizer="Adam(0.01)"):
    import keras

    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    names = {"L": keras.layers, "x": keras.Input((16,))}
    inputs = names["x"]
    exec(LAYERS[layers], names)
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(names["x"]))
    model.compile(
        eval(optimizer, vars(keras.optimizers)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def rows(n, weight=None):
    return Batch(X[:n], y[:n], None if weight is None else weight[:n])


def numbers(model):
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    return [variable.numpy() for variable in variables]


def assert_trains_as_fit_does(weight=None, **network):
    """Train two epochs of three networks at once, and each by ``fit``."""
    from hpo.models import traced_tensorflow as backend

    models, orders = [], []
    for seed, n in enumerate(SIZES):
        models.append(built(seed, **network))
        orders.append(list(backend.orders(n, 2)))
        assert why_alone(models[-1]) is None
    data = [rows(n, weight) for n in SIZES]
    program = Program(models[0], data[0])
    state = backend.on_device(stacked_states([program.start(m) for m in models]))
    stacked, stack = backend.on_device(stacked_rows(data)), program.stack(len(SIZES))
    for order in zip(*orders, strict=True):
        state, logs = stack.train(state, stacked, segments(order, BATCH), BATCH)
    for at, n in enumerate(SIZES):
        model = built(at, **network)
        history = model.fit(
            *(X[:n], y[:n]),
            sample_weight=None if weight is None else weight[:n],
            batch_size=BATCH,
            epochs=2,
            verbose=0,
        ).history
        found = member(state, at)
        for one, other in zip(
            [*found.trainable, *found.others], numbers(model), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
        assert set(logs) == set(history)
        for name, values in logs.items():
            assert float(values[at]) == pytest.approx(history[name][-1], rel=1e-5)


# Keras gives the program and ``fit`` the same seeds, so masks and noise are equal too.
@pytest.mark.parametrize("layers", LAYERS)
def test_two_epochs_of_layers_are_those_of_fit(layers):
    # Steps of Adam would scale up what rounding there is where gradients are tiny.
    assert_trains_as_fit_does(layers=layers, optimizer="SGD(0.1, 0.9)")


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_two_epochs_of_an_optimizer_are_those_of_fit(optimizer):
    assert_trains_as_fit_does(optimizer=optimizer)


def test_weights_of_rows_count_as_in_fit():
    assert_trains_as_fit_does(RNG.uniform(0.1, 2, size=len(X)).astype("float32"))


def test_every_layer_that_is_stacked_is_tried_here():
    tried = {type(layer).__name__ for name in LAYERS for layer in built(0, name).layers}
    assert set(STACKED_LAYERS) - tried == {"Sequential", "Functional"}


@pytest.mark.parametrize("layers", ["dropout", "noise"])
def test_networks_of_a_stack_draw_numbers_of_their_own(layers):
    """Equal weights and rows, other seeds: a shared mask would train them alike."""
    from hpo.models import traced_tensorflow as backend

    models = [built(seed, layers) for seed in (1, 2, 2)]
    for model in models[1:]:
        model.set_weights(models[0].get_weights())
    program = Program(models[0], rows(64))
    starts = [program.start(model) for model in models]
    same = starts[0].trainable
    starts = [start._replace(trainable=same) for start in starts]
    state, _ = program.stack(3).train(
        backend.on_device(stacked_states(starts)),
        backend.on_device(stacked_rows([rows(64)] * 3)),
        segments([np.arange(64)] * 3, BATCH),
        BATCH,
    )
    one, other, equal = ([*member(state, at).trainable] for at in range(3))
    assert any((a != b).any() for a, b in zip(one, other, strict=True))
    assert all((a == b).all() for a, b in zip(other, equal, strict=True))


MODEL = """
import keras

{above}

def build(params, data):
    layers = [
        keras.layers.Dense(params.get("units", 8), "tanh"),
        keras.layers.Dropout(0.3),
        {layer}
    ]
    {do}
    last = keras.layers.Dense(data.output_units, data.output_activation)
    return keras.Sequential([keras.Input(data.feature_shape), *layers, last])
"""


def model(*, above="", layer="", do=""):
    return MODEL.format(above=above, layer=layer, do=do)


def folds(task="multiclass", *, weights=None, scale=(1.0, 1.0, 1.0), **params):
    """Return the folds of a trial: other rows for each, not as many."""
    every_X, every_y, _, _ = TASKS[task]
    requests = []
    for fold, factor in enumerate(scale):
        taken = np.flatnonzero(np.arange(len(every_y)) % 3 != fold)[fold:]
        requests.append(
            request(
                task,
                seed=100 + fold,
                X=every_X[taken] * factor,
                y=every_y[taken],
                sample_weight=None if weights is None else weights[taken],
                **params,
            )
        )
    return requests


def alone(family, requests):
    return [family.fit_group([each])[0] for each in requests]


def weights_of(fitted):
    return np.concatenate([w.ravel() for w in fitted.model.model.get_weights()])


def kinds(results):
    return [each.engine.split(maxsplit=4)[-1] for each in results]


def assert_stacked_as_alone(family, trial):
    """Train a trial at once and each fold by itself; return the pairs of networks."""
    together, one_by_one = family.fit_group(trial), alone(family, trial)
    assert kinds(together) == ["stacked"] * 3
    assert kinds(one_by_one) == [f"scan: {builder_training.SINGLE}"] * 3
    pairs = list(zip(together, one_by_one, strict=True))
    for one, other in pairs:
        np.testing.assert_allclose(weights_of(one), weights_of(other), atol=1e-5)
    return pairs


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "two targets"])
def test_folds_are_stacked_and_score_as_alone(code, programs, task):
    family = code.family(model())
    for one, other in assert_stacked_as_alone(family, folds(task)):
        assert one.curves.keys() == other.curves.keys()
        for name, values in one.curves.items():
            np.testing.assert_allclose(values, other.curves[name], rtol=1e-4)
        assert (one.n_epochs, one.n_parameters) == (3, other.n_parameters)
        assert one.fit_seconds > 0
        given = TASKS[task]
        assert one.model.predict(given[0]).shape == given[1].shape
    assert len(programs) == 1


SEVERAL_ENDS = """
import keras
from keras.layers import Concatenate, Dense

def build(params, data):
    a, b = keras.Input((1,)), keras.Input((data.n_features - 1,))
    joined = Concatenate()([Dense(4, "tanh")(a), Dense(8, "tanh")(b)])
    ends = [Dense(data.output_units, data.output_activation) for _ in range(2)]
    return keras.Model([a, b], [ends[0](joined), ends[1](a)])
"""


def test_models_of_several_inputs_and_outputs_are_stacked(code, programs):
    weights = np.where(TASKS["multiclass"][1] == 2, 2.0, 0.5)
    assert_stacked_as_alone(code.family(SEVERAL_ENDS), folds(weights=weights))


def test_the_same_folds_give_the_same_bits_again(code, programs):
    family = code.family(model())
    first, again = (family.fit_group(folds()) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(weights_of(one), weights_of(other))


def test_the_check_leaves_nothing_behind_in_an_optimizer(code, programs):
    options = {"optimizer": "adam", "learning_rate": 0.3}
    for fitted in code.family(model()).fit_group(folds(**options)):
        optimizer = fitted.model.model.optimizer
        assert float(optimizer.learning_rate) == pytest.approx(0.3)
        assert int(optimizer.iterations) == 0
        assert not any(np.any(slot) for slot in optimizer.variables[2:])


def test_folds_with_weights_of_rows_and_small_batches_are_stacked(code, programs):
    weights = np.where(TASKS["multiclass"][1] == 2, 2.0, 0.5)
    family = code.family(model())
    for size in (7, 1000):
        assert_stacked_as_alone(family, folds(weights=weights, batch_size=size))


def test_a_network_that_diverges_leaves_its_neighbours_bit_identical(code, programs):
    family = code.family(model())
    quiet = family.fit_group(folds())
    first, failed, last = family.fit_group(folds(scale=(1.0, np.inf, 1.0)))
    assert isinstance(failed, TrialError)
    assert failed.kind == "nan"
    assert failed.engine.endswith(" stacked")
    for one, other in zip((quiet[0], quiet[2]), (first, last), strict=True):
        np.testing.assert_array_equal(weights_of(one), weights_of(other))
        assert one.curves == other.curves


OWN_LAYER = """
class Mine(keras.layers.Dense):
    pass
"""


@pytest.mark.parametrize(
    ("text", "params", "reason"),
    [
        (model(), {"patience": 2}, "early stopping ends its folds apart"),
        (
            model(
                layer="keras.layers.Reshape((4, 2)), keras.layers.Conv1D(2, 2), "
                "keras.layers.Flatten(),"
            ),
            {},
            "Conv1D layers are not stacked",
        ),
        (
            model(above=OWN_LAYER, layer="Mine(4),"),
            {},
            "Mine is a layer of your own",
        ),
        (
            model(),
            {"units": STACKED_WEIGHTS // 4},
            "large networks gain nothing in a stack",
        ),
        (
            model(
                above="import numpy as np",
                do="norm = keras.layers.Normalization(); norm.adapt(np.ones((2, 4))); "
                "layers.insert(0, norm)",
            ),
            {},
            "Normalization layers are not stacked",
        ),
        # Folds that are built differently share no program.
        (model(layer="keras.layers.Dense(data.n_rows),"), {}, builder_training.SINGLE),
    ],
)
def test_what_is_not_stacked_is_handed_back_but_for_the_first(
    code, programs, text, params, reason
):
    family = code.family(text)
    first, *others = family.fit_group(folds(epochs=1, **params))
    assert [type(each) for each in others] == [HandedBack] * 2
    expected, *_ = alone(family, folds(epochs=1, **params))
    assert kinds([first, expected]) == [f"scan: {reason}"] * 2
    np.testing.assert_array_equal(weights_of(first), weights_of(expected))


def test_rows_that_would_fill_memory_are_not_stacked(code, programs, monkeypatch):
    from hpo.models import builder_keras

    monkeypatch.setattr(builder_keras, "STACKED_BYTES", 1000)
    first, other, _ = code.family(model()).fit_group(folds(epochs=1))
    assert kinds([first]) == ["scan: the rows of all folds fill memory"]
    assert isinstance(other, HandedBack)


def test_a_model_of_another_library_and_one_for_fit_are_handed_back(code, programs):
    first, *others = code.family(SKLEARN).fit_group(folds())
    assert first.engine.startswith("scikit-learn")
    assert [type(each) for each in others] == [HandedBack] * 2
    text = model() + "\n_build = build\ndef build(params, data):\n"
    text += "    made = _build(params, data)\n    made.train_step = made.train_step\n"
    text += "    return made\n"
    first, *others = code.family(text).fit_group(folds(epochs=1))
    assert kinds([first]) == ["fit: custom train_step"]
    assert [type(each) for each in others] == [HandedBack] * 2


def test_a_fold_that_cannot_be_built_fails_and_the_others_are_handed_back(
    code, programs
):
    text = model(do="if data.n_rows == 99: raise ValueError('ninety-nine')")
    first, failed, last = code.family(text).fit_group(folds())
    assert isinstance(failed, TrialError)
    assert "ninety-nine" in str(failed)
    assert (type(first), type(last)) == (HandedBack, HandedBack)


def test_a_stack_that_trains_otherwise_than_keras_is_not_used(
    code, programs, monkeypatch
):
    from hpo.models import traced_tensorflow

    family = code.family(model())
    expected = alone(family, folds())
    steps = traced_tensorflow.Stack._segment

    def wrong(self, state, *arguments):
        state, metrics, logs = steps(self, state, *arguments)
        trainable = tuple(tensor * 1.001 for tensor in state.trainable)
        return state._replace(trainable=trainable), metrics, logs

    monkeypatch.setattr(traced_tensorflow.Stack, "_segment", wrong)
    reason = "scan: not stacked, self-check: weights differ from those of fit"
    for _ in range(2):  # the second time it is known
        found = family.fit_group(folds())
        assert kinds(found) == [reason] * 3
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(weights_of(one), weights_of(other))


def test_a_lack_of_memory_is_the_trial_s_and_not_its_stack_s(
    code, programs, monkeypatch
):
    from hpo.models import traced_tensorflow

    family = code.family(model())
    with monkeypatch.context() as patch:

        def fail(*arguments):
            raise MemoryError

        patch.setattr(traced_tensorflow.Stack, "train", fail)
        with pytest.raises(MemoryError):
            family.fit_group(folds(epochs=1))
    assert kinds(family.fit_group(folds(epochs=1))) == ["stacked"] * 3


@pytest.mark.parametrize("n", [3, None])
def test_several_seeds_draw_without_loops_what_each_draws_alone(n):
    import tensorflow as tf

    from hpo.models.traced_random import draw_without_loops

    draw_without_loops()

    def drawn(seed):
        uniform = tf.random.stateless_uniform((4,), seed)
        return uniform, tf.random.stateless_normal((4,), seed)

    traced = tf.function(
        lambda seeds: tf.vectorized_map(drawn, seeds, warn=False),
        input_signature=[tf.TensorSpec((n, 2), tf.int32)],
    )
    seeds = tf.constant([[1, 2], [3, 4], [5, 6]])
    for at, numbers in enumerate(zip(*traced(seeds), strict=True)):
        for one, other in zip(numbers, drawn(seeds[at]), strict=True):
            np.testing.assert_array_equal(one, other)
    graph = traced.get_concrete_function().graph.as_graph_def()
    operations = [node.op for node in graph.node]
    # The one that is mapped stays in the graph, unused. Unrolling needs a known size.
    assert operations.count("StatelessRandomUniformV2") == (4 if n else 1)
    assert ("StatelessWhile" in operations) == (n is None)
