"""Models that were saved and loaded predict what they did, and files hold no code."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from builder_samples import KERAS, SKLEARN, TASKS
from sklearn.base import clone
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree._tree import Tree

from hpo.errors import ExportError, TrialError
from hpo.models import FitRequest, get_family
from hpo.models.preparation import Preparation
from hpo.models.preprocessing import make_preprocessor
from hpo.models.saving import (
    load_model,
    load_preprocessing,
    needed_modules,
    save_model,
    save_preprocessing,
)
from hpo.user_code import Home

ROWS = ["binary", "multiclass", "regression", "two targets"]


def fitted(family, task, **params):
    X, y, kind, n_classes = TASKS[task]
    X = X if family.takes_arrays else X.reshape(len(X), -1)
    (result,) = family.fit_group([FitRequest(params, X, y, kind, n_classes, seed=3)])
    if isinstance(result, Exception):
        raise result
    return result.model, X, n_classes


def round_trip(model, folder, n_classes, **options):
    return load_model(
        folder / save_model(model, folder), n_classes=n_classes, **options
    )


def assert_same(model, loaded, X):
    is_classifier = np.asarray(model.predict(X)).dtype == np.int64
    methods = ("predict_proba", "decision_function") if is_classifier else ()
    for method in ("predict", *methods):
        assert hasattr(model, method) == hasattr(loaded, method)
        if hasattr(model, method):
            expected, got = getattr(model, method)(X), getattr(loaded, method)(X)
            np.testing.assert_array_equal(expected, got)
            assert np.asarray(got).dtype == np.asarray(expected).dtype


@pytest.mark.parametrize("task", ROWS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_networks_of_scikit_learn_predict_the_same_bits(task, tmp_path):
    model, X, n_classes = fitted(get_family("sklearn-mlp"), task, epochs=3)
    assert_same(model, round_trip(model, tmp_path, n_classes), X)
    assert [file.name for file in tmp_path.iterdir()] == ["model.skops"]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 5}),
        ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 5}),
        ("sklearn.ensemble.GradientBoostingClassifier", {"n_estimators": 3}),
        ("sklearn.svm.SVC", {}),
        ("sklearn.linear_model.LogisticRegression", {}),
        ("sklearn.neighbors.KNeighborsClassifier", {"algorithm": "brute"}),
    ],
)
def test_estimators_predict_the_same_bits(name, params, tmp_path):
    model, X, n_classes = fitted(get_family(name), "multiclass", **params)
    assert_same(model, round_trip(model, tmp_path, n_classes), X)


def test_a_classifier_that_never_saw_a_class_still_answers_for_all(tmp_path):
    X, y, kind, _ = TASKS["binary"]
    family = get_family("sklearn.linear_model.LogisticRegression")
    (result,) = family.fit_group([FitRequest({}, X, y, kind, 3, seed=0)])
    loaded = round_trip(result.model, tmp_path, 3)
    assert loaded.predict_proba(X).shape == (100, 3)
    assert_same(result.model, loaded, X)


@pytest.mark.parametrize("task", ["binary", "images", "two targets"])
def test_estimators_of_a_builder_predict_the_same_bits(task, code, tmp_path):
    family = code.family(SKLEARN)
    model, X, n_classes = fitted(family, task)
    loaded = round_trip(model, tmp_path, n_classes)
    assert_same(model, loaded, X)


@pytest.mark.keras
@pytest.mark.parametrize("task", ROWS)
def test_dense_networks_predict_the_same_bits(task, tmp_path):
    params = {"epochs": 2, "batch_norm": True, "dropout": 0.2, "l2": 0.01}
    model, X, n_classes = fitted(get_family("keras-mlp"), task, **params)
    assert_same(model, round_trip(model, tmp_path, n_classes), X)


@pytest.mark.keras
def test_the_file_of_a_dense_network_predicts_in_keras_itself_alike(tmp_path):
    import keras

    model, X, _ = fitted(get_family("keras-mlp"), "multiclass", epochs=2)
    network = keras.saving.load_model(tmp_path / save_model(model, tmp_path))
    probabilities = np.asarray(network(X.astype("float32")))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-6)


@pytest.mark.keras
@pytest.mark.parametrize("task", ["binary", "images", "regression", "two targets"])
def test_networks_of_a_builder_predict_the_same_bits(task, code, tmp_path):
    model, X, n_classes = fitted(code.family(KERAS), task, epochs=2)
    loaded = round_trip(model, tmp_path, n_classes)
    assert_same(model, loaded, X)


LOGITS_OF_TWO_INPUTS = """
import keras

def build(params, data):
    first, second = keras.Input((1,)), keras.Input((3,))
    both = keras.layers.concatenate([first, keras.layers.Dense(2)(second)])
    outputs = [keras.layers.Dense(3)(both), keras.layers.Dense(3)(both)]
    model = keras.Model([first, second], outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", [loss, loss])
    return model
"""


@pytest.mark.keras
def test_several_inputs_and_outputs_and_logits_mean_what_they_did(code, tmp_path):
    model, X, n_classes = fitted(
        code.family(LOGITS_OF_TWO_INPUTS), "multiclass", epochs=2
    )
    assert model.from_logits
    assert len(model.ends.inputs) == 2
    assert_same(model, round_trip(model, tmp_path, n_classes), X)


OWN_PARTS = """
import keras

class Twice(keras.layers.Layer):
    def call(self, X):
        return 2 * X

def bent(X):
    return keras.ops.relu(X) + 0.1 * X

def build(params, data):
    return keras.Sequential([
        keras.Input(data.feature_shape),
        Twice(),
        keras.layers.Dense(4, bent),
        keras.layers.Dense(data.output_units, data.output_activation),
    ])
"""


@pytest.mark.keras
def test_layers_and_functions_of_the_users_need_their_module(code, tmp_path):
    family = code.family(OWN_PARTS)
    module = family.name.partition(":")[0]
    model, X, n_classes = fitted(family, "multiclass", epochs=1)
    file = tmp_path / save_model(model, tmp_path, module=module)
    assert needed_modules(file) == (module,)
    with pytest.raises(ExportError, match=f"needs Twice of the module '{module}'"):
        load_model(file, n_classes=n_classes)
    with pytest.raises(ExportError, match=f"no {module}.py beside"):
        load_model(file, n_classes=n_classes, home=Home(tmp_path / "elsewhere"))
    loaded = load_model(file, n_classes=n_classes, home=Home(tmp_path))
    assert_same(model, loaded, X)


LAMBDA = """
import keras

def build(params, data):
    return keras.Sequential([
        keras.Input(data.feature_shape),
        keras.layers.Lambda(lambda X: 2 * X),
        keras.layers.Dense(data.output_units, data.output_activation),
    ])
"""


@pytest.mark.keras
def test_a_lambda_is_refused_when_it_is_saved(code, tmp_path):
    model, _, _ = fitted(code.family(LAMBDA), "multiclass", epochs=1)
    with pytest.raises(TrialError, match="Lambda layer holds Python code"):
        save_model(model, tmp_path)


@pytest.mark.keras
def test_a_lambda_in_a_file_is_refused_and_never_run(monkeypatch, tmp_path):
    import keras

    model, _, _ = fitted(get_family("keras-mlp"), "multiclass", epochs=1)
    file = tmp_path / save_model(model, tmp_path)
    with zipfile.ZipFile(file) as archive:
        facts = archive.read("hpo.json")
    inputs = keras.Input((4,))
    trap = keras.layers.Lambda(
        lambda X: (__import__("os").environ.update(HPO_TRAPPED="1"), X)[1]
    )
    outputs = trap(inputs)
    keras.Model(inputs, keras.layers.Dense(3)(outputs)).save(file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("hpo.json", facts)
    monkeypatch.delenv("HPO_TRAPPED")  # set while the network was made
    with pytest.raises(ExportError, match=r"model\.keras: a Lambda layer holds Python"):
        load_model(file, n_classes=3)
    assert "HPO_TRAPPED" not in os.environ


@pytest.mark.keras
def test_a_network_that_was_not_saved_here_is_refused(tmp_path):
    import keras

    file = tmp_path / "model.keras"
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(3)(inputs)).save(file)
    with pytest.raises(ExportError, match="was not saved by hpo"):
        load_model(file, n_classes=3)


@pytest.mark.keras
def test_weights_for_another_network_than_the_file_says_are_refused(tmp_path):
    model, _, _ = fitted(get_family("keras-mlp"), "multiclass", epochs=1)
    file = tmp_path / save_model(model, tmp_path)
    rewrite(file, lambda facts: facts["architecture"].update(widths=[7, 7, 7]))
    with pytest.raises(ExportError, match=r"cannot be loaded: ValueError"):
        load_model(file, n_classes=3)


def rewrite(file, change):
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    facts = json.loads(entries["hpo.json"])
    change(facts)
    entries["hpo.json"] = json.dumps(facts).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def test_a_file_that_names_what_is_not_trusted_is_refused(tmp_path):
    from skops import io as skops

    class_of_another_library = Path("x")
    steps = make_pipeline(FunctionTransformer(np.load), LogisticRegression())
    X, y, *_ = TASKS["binary"]
    steps[-1].fit(X, y)
    for fitted_one, name in ((steps, "numpy.load"), (class_of_another_library, "")):
        skops.dump(fitted_one, tmp_path / "model.skops")
        with pytest.raises(ExportError, match=f"holds {name or 'pathlib'}"):
            load_model(tmp_path / "model.skops", n_classes=2)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy.f2py.__main__", "main"),  # importing it ends the process
        ("sklearn.conftest", "pyplot"),
        ("sklearn.tests.test_base", "clone"),
        ("numpy.distutils", "x"),  # importing it warns, which is an error here
        ("sklearn.metrics.pairwise", "effective_n_jobs"),  # of joblib
    ],
)
def test_a_file_cannot_have_a_module_run_that_no_model_is_made_of(
    module, name, tmp_path
):
    from skops import io as skops

    def named():
        """Stand for what the file names."""

    named.__module__, named.__name__, named.__qualname__ = module, name, name
    file = tmp_path / "model.skops"
    skops.dump(FunctionTransformer(named), file)
    before = set(sys.modules)
    with pytest.raises(ExportError, match=f"holds {re.escape(module)}"):
        load_model(file, n_classes=2)
    new = set(sys.modules) - before
    assert not {each for each in new if each.startswith(("sklearn.conf", "sklearn.te"))}


OWN_ESTIMATOR = """
from sklearn.base import BaseEstimator, ClassifierMixin

class Constant(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = sorted(set(y.tolist()))
        return self

    def predict(self, X):
        import numpy as np
        return np.ones(len(X), dtype=int)

def build(params, data):
    return Constant()
"""


def test_an_estimator_of_the_users_needs_its_module(code, tmp_path):
    family = code.family(OWN_ESTIMATOR)
    module = family.name.partition(":")[0]
    model, X, _ = fitted(family, "binary")
    file = tmp_path / save_model(model, tmp_path)
    assert needed_modules(file) == (module,)
    with pytest.raises(ExportError, match=rf"holds {module}\.Constant"):
        load_model(file, n_classes=2)
    loaded = load_model(file, n_classes=2, home=Home(tmp_path))
    np.testing.assert_array_equal(loaded.predict(X), np.ones(100))


@pytest.mark.parametrize("far", [0.0, 1e9])
@pytest.mark.parametrize(
    "made",
    [
        KNeighborsClassifier(),
        KNeighborsClassifier(weights="distance", algorithm="ball_tree"),
        KNeighborsRegressor(p=1, weights="distance"),
        RadiusNeighborsRegressor(radius=3.0, metric="l2"),
        make_pipeline(StandardScaler(), KNeighborsClassifier(metric="chebyshev")),
        BaggingRegressor(KNeighborsRegressor(p=3), n_estimators=2, random_state=0),
    ],
    ids=lambda made: type(made).__name__,
)
def test_neighbours_are_found_without_the_tree_by_the_same_bits(made, far, tmp_path):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(300, 4)) + far, rng.normal(size=(50, 4)) + far
    is_classifier = hasattr(made, "predict_proba")
    y = rng.integers(0, 3, 300).astype(int if is_classifier else float)
    model = clone(made).fit(X, y)
    before = (model.predict_proba if is_classifier else model.predict)(new)
    loaded = round_trip(model, tmp_path, 3 if is_classifier else 0)
    after = (loaded.predict_proba if is_classifier else loaded.predict)(new)
    np.testing.assert_array_equal(after, before)
    # What is trained is asked again about rows that are equally far.
    assert_same(model, loaded, X.round())


def test_an_estimator_that_skops_cannot_save_is_refused_with_the_way_out(tmp_path):
    X, y, *_ = TASKS["binary"]
    made = KNeighborsClassifier(algorithm="ball_tree", metric="canberra")
    neighbours = made.fit(X, y)
    with pytest.raises(TrialError, match=r"without pickle: .* algorithm to brute"):
        save_model(neighbours, tmp_path)


@pytest.mark.parametrize(
    "model", [RandomForestClassifier, HistGradientBoostingClassifier]
)
def test_a_tree_whose_nodes_lead_outside_of_it_is_refused(model, tmp_path):
    """scikit-learn would read outside of its memory."""
    X, y, *_ = TASKS["multiclass"]
    file = tmp_path / save_model(model(random_state=0).fit(X, y), tmp_path)
    assert load_model(file, n_classes=3).predict(X).shape == (150,)
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    for name, content in entries.items():
        if name.endswith(".npy"):
            nodes = np.load(io.BytesIO(content))
            left = {"left_child", "left"} & set(nodes.dtype.names or ())
            if left:
                nodes[left.pop()][0] = 10**6
                changed = io.BytesIO()
                np.save(changed, nodes)
                entries[name] = changed.getvalue()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(ExportError, match="a node of a tree leads outside of it"):
        load_model(file, n_classes=3)


@pytest.mark.parametrize("model", [RandomForestClassifier, GradientBoostingClassifier])
def test_trees_that_ask_for_more_features_than_rows_have_are_refused(model, tmp_path):
    """A forest hands its rows to the trees without a look at what they ask for."""
    X, y, *_ = TASKS["multiclass"]
    forest = model(n_estimators=2, random_state=0).fit(X, y)
    for tree in np.ravel(forest.estimators_):
        state = tree.tree_.__getstate__()
        nodes = state["nodes"].copy()
        nodes["feature"][nodes["left_child"] != -1] = 2_000_000_000
        n_classes = np.array(tree.tree_.n_classes, dtype=np.intp)
        wide = Tree(2_100_000_000, n_classes, tree.tree_.n_outputs)
        wide.__setstate__(state | {"nodes": nodes})
        # Its own claim is as wide as its nodes ask for.
        tree.tree_, tree.n_features_in_ = wide, 2_100_000_000
    file = tmp_path / save_model(forest, tmp_path)
    with pytest.raises(ExportError, match="asks for a feature that there is not"):
        load_model(file, n_classes=3)


def test_trees_behind_an_encoder_may_have_more_features_than_the_rows(tmp_path):
    X = np.arange(60.0).reshape(-1, 2) % 7
    model = make_pipeline(OneHotEncoder(sparse_output=False), RandomForestClassifier(3))
    model.fit(X, (X[:, 0] > 3).astype("int64"))
    loaded = load_model(tmp_path / save_model(model, tmp_path), n_classes=2)
    assert_same(model, loaded, X)


@pytest.mark.parametrize("name", ["model.keras", "model.skops"])
def test_a_file_that_would_unpack_to_all_memory_is_refused(name, tmp_path):
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in ("hpo.json", "config.json", "schema.json"):
            archive.writestr(entry, b" " * 2**26)
    for read in (load_model, lambda file, n_classes: needed_modules(file)):
        with pytest.raises(ExportError, match="would unpack to 192 MiB"):
            read(tmp_path / name, n_classes=2)


@pytest.mark.parametrize("name", ["model.keras", "model.skops"])
def test_files_that_are_missing_or_broken_are_refused_by_name(name, tmp_path):
    file = tmp_path / name
    with pytest.raises(ExportError, match=f"{name}: there is no such file"):
        load_model(file, n_classes=2)
    file.write_bytes(b"not an archive")
    with pytest.raises(ExportError, match=f"{name}: is broken"):
        load_model(file, n_classes=2)
    with pytest.raises(ExportError, match=r"expected a \.keras or \.skops file"):
        load_model(tmp_path / "model.pkl", n_classes=2)


@pytest.mark.parametrize("select_k", [None, 3])
def test_preprocessing_transforms_to_the_same_bits(select_k, tmp_path):
    import pandas as pd

    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "a": rng.normal(size=40),
            "b": np.where(rng.random(40) < 0.2, np.nan, rng.normal(size=40)),
            "c": rng.choice(np.array(["x", "y", None], dtype=object), 40),
        }
    )
    y = rng.integers(0, 2, 40)
    transformer = make_preprocessor(
        [0, 1],
        [2],
        Preparation(select_k=select_k),
        task="classification",
        seed=0,
        has_missing=True,
    ).fit(X, y)
    loaded = load_preprocessing(tmp_path / save_preprocessing(transformer, tmp_path))
    X.loc[0, "c"] = "never seen"
    np.testing.assert_array_equal(loaded.transform(X), transformer.transform(X))


def test_a_model_is_no_preprocessing(tmp_path):
    X, y, *_ = TASKS["binary"]
    file = tmp_path / save_model(LogisticRegression().fit(X, y), tmp_path)
    with pytest.raises(
        ExportError, match="expected a transformer of features; got Log"
    ):
        load_preprocessing(file)
