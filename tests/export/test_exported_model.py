"""A model in a folder: what it answers, and which folders are refused."""

from __future__ import annotations

import csv
import io
import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from export_samples import small_model
from sklearn.linear_model import LinearRegression

import hpo
from hpo.cli.predicting import write_predictions
from hpo.errors import ExportError
from hpo.export.document import MODEL_JSON
from hpo.export.loading import digest, open_model
from hpo.export.predicted import column_names, predicted


@pytest.fixture
def folder(tmp_path):
    return small_model(tmp_path / "model")


def changed(folder, **values):
    """Change what model.json says."""
    file = folder / MODEL_JSON
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


ROWS = pd.DataFrame({"b": [2.0, -2.0, 0.5], "a": [0.0, 0.1, None]})


def test_labels_are_of_the_type_that_the_user_wrote(folder):
    model = hpo.load_model(folder)
    labels = model.predict(ROWS.head(2))
    assert labels.tolist() == [7, 3]
    assert labels.dtype == np.int64
    assert model.classes.tolist() == [3, 7]
    shares = model.predict_proba(ROWS.head(2))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == [1, 0]).all()
    assert (model.params, model.info["study"]) == ({"C": 1.0}, "small")


def test_values_are_in_the_units_of_the_data(tmp_path):
    folder = small_model(tmp_path / "model", task="regression")
    rows = ROWS.head(2)
    expected = rows.a + 2 * rows.b
    np.testing.assert_allclose(hpo.load_model(folder).predict(rows), expected)
    changed(folder, target_shift=[100.0], target_spread=[10.0])
    model = hpo.load_model(folder)
    np.testing.assert_allclose(model.predict(rows), 100 + 10 * expected)
    assert model.classes is None
    with pytest.raises(ExportError, match="no probabilities in regression"):
        model.predict_proba(rows)


def test_several_targets_keep_their_shape_and_names(tmp_path):
    from hpo.export.model import ExportedModel

    folder = small_model(tmp_path / "model", task="regression")
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    fitted = LinearRegression().fit(X, Y)
    document = replace(
        open_model(folder)._document,
        targets=("rain\n", "rain\r"),
        target_shift=(5.0, -5.0),
        target_spread=(2.0, 3.0),
    )
    model = ExportedModel(document, fitted)
    expected = fitted.predict(X) * [2, 3] + [5, -5]
    np.testing.assert_allclose(model.predict(X), expected)
    assert column_names(model) == ["prediction_rain_", "prediction_rain__2"]


# Numbers that are too large


def test_the_first_row_with_a_number_too_large_is_named_by_its_line(folder, tmp_path):
    model, file = hpo.load_model(folder), tmp_path / "new.csv"
    file.write_text("a,b\n1,2\n\n0.5,1e308\n-1.7e308,1.7e308\n")
    # With a spread below 1 the first one overflows when it is scaled.
    model._preprocessing.scale_ = np.array([0.1, 0.1])
    words = r"new\.csv: line 4: preprocessed row: expected .* up to 1\.8e\+308; got inf"
    for ask in (model.predict, model.predict_proba):
        with pytest.raises(ExportError, match=words):
            ask(file)


def test_probabilities_that_are_no_numbers_name_no_class(folder):
    model = hpo.load_model(folder)
    model._model.estimator.coef_ = np.array([[np.inf, -np.inf]])
    rows = pd.DataFrame({"a": [9.0, 1e150], "b": [-9.0, 1e150]})
    for ask in (model.predict, model.predict_proba):
        with pytest.raises(ExportError, match=r"rows: row 2: probability: .* got nan"):
            ask(rows)
    assert len(model.predict(rows.head(1))) == 1


def test_values_that_overflow_in_the_units_of_the_data_are_refused(tmp_path):
    folder = small_model(tmp_path / "model", task="regression")
    changed(folder, target_shift=[0.0], target_spread=[1e300])
    rows = pd.DataFrame({"a": [0.0, 1e10], "b": [0.0, 0.0]})
    with pytest.raises(ExportError, match=r"row 2: prediction: .* got inf"):
        hpo.load_model(folder).predict(rows)


class OnlySmall:
    """A transformer or a model that refuses rows as scikit-learn does."""

    def transform(self, X):
        if np.abs(X).max() > 100:
            raise ValueError("Input contains a value too large\nfor dtype('float32').")
        return X

    def predict(self, X):
        return self.transform(X)[:, 0]


def test_a_row_that_scikit_learn_refuses_is_named(tmp_path):
    from hpo.export.model import ExportedModel

    folder = small_model(tmp_path / "model", task="regression")
    document = open_model(folder)._document
    X = np.ones((9, 2))
    X[6:, 1] = 1e3
    refusing = OnlySmall()
    for parts, what in [
        ((LinearRegression(), refusing), "preprocessed row"),
        ((refusing, None), "prediction"),
    ]:
        words = rf"^rows: row 7: no {what}: .* large for dtype\('float32'\); mend"
        with pytest.raises(ExportError, match=words):
            ExportedModel(document, *parts).predict(X)


def test_what_does_not_fit_float32_is_no_row_for_a_network_of_keras(folder):
    model = hpo.load_model(folder)
    rows = pd.DataFrame({"a": [0.0, 1e39], "b": [0.0, 0.0]})
    assert len(model.predict(rows)) == 2
    model._document = replace(model._document, model_file="model.keras")
    with pytest.raises(ExportError, match=r"row 2: .* up to 3\.4e\+38; got 1.*e\+39"):
        model.predict(rows)


# Predictions as CSV


def written(model, rows) -> str:
    file = io.StringIO()
    write_predictions(predicted(model, rows), file)
    return file.getvalue()


def test_predictions_in_csv_read_back_as_the_same_numbers(folder):
    model = hpo.load_model(folder)
    rows = pd.DataFrame(
        np.random.default_rng(2).normal(size=(99, 2)), columns=["a", "b"]
    )
    head, *lines = csv.reader(io.StringIO(written(model, rows)))
    assert head == ["prediction", "probability_3", "probability_7"]
    assert [int(line[0]) for line in lines] == model.predict(rows).tolist()
    shares = [[float(cell) for cell in line[1:]] for line in lines]
    assert shares == model.predict_proba(rows).tolist()


def test_labels_are_written_as_they_are_and_make_no_second_column(folder):
    changed(folder, classes={"type": "str", "labels": ["=1+1\n", "=1+1\r"]})
    model = hpo.load_model(folder)
    lines = list(csv.reader(io.StringIO(written(model, ROWS.head(2)), newline="")))
    assert lines[0] == ["prediction", "probability_=1+1_", "probability_=1+1__2"]
    assert [line[0] for line in lines[1:]] == ["=1+1\r", "=1+1\n"]
    assert model.predict(ROWS.head(2)).tolist() == ["=1+1\r", "=1+1\n"]


# Folders that are refused


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ExportError, match="there is no such folder"):
        hpo.load_model(tmp_path / "none")
    with pytest.raises(ExportError, match=r"holds no model\.json"):
        hpo.load_model(tmp_path)


THREE = {
    "kind": "table",
    "columns": [
        {"name": name, "kind": "number", "whole": False, "typical": 0.5}
        for name in "abc"
    ],
    "others": [],
}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"format": 2}, "expected format 1; got 2"),
        ({"model_file": "../model.skops"}, "model_file: expected one of"),
        ({"model_file": "/etc/passwd"}, "model_file: expected one of"),
        ({"preprocessing_file": "model.skops"}, "preprocessing_file: expected one of"),
        ({"task": None}, "task: expected str"),
        ({"classes": {"type": "str", "labels": [1, 2]}}, "labels of type str"),
        ({"inputs": {"kind": "table", "others": []}}, "columns: expected a value"),
        ({"classes": {"type": "str", "labels": ["a", "a"]}}, "labels that are all d"),
        ({"target_shift": [1]}, "both shift and spread"),
        (
            {"target_shift": [1, 2], "target_spread": [1, 2]},
            "shift: expected 1 numbers",
        ),
        ({"classes": {"type": "int", "labels": [1, 2, 3]}}, "of 2 classes, .* got 3"),
        ({"task": "regression"}, "of 2 classes, .* got 0"),
        ({"preprocessing_file": None, "inputs": THREE}, "2 features, .* become 3"),
        ({"inputs": THREE}, "not fit the preprocessing beside it: .* has 3 features"),
        ({"digests": {}}, "is not as hpo export wrote it"),
    ],
)
def test_a_changed_description_is_refused_by_its_key(folder, values, words):
    changed(folder, **values)
    with pytest.raises(ExportError, match=words):
        hpo.load_model(folder)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 1', '{"format": 1}', "[" * 10**5]
)
def test_a_broken_description_is_refused(folder, text):
    (folder / MODEL_JSON).write_text(text)
    with pytest.raises(ExportError, match=r"model\.json"):
        hpo.load_model(folder)


def test_a_file_that_was_changed_is_refused(folder):
    with (folder / "model.skops").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ExportError, match=r"model\.skops: is not as hpo export wrote"):
        hpo.load_model(folder)
    (folder / "model.skops").unlink()
    with pytest.raises(ExportError, match=r"model\.skops: is missing"):
        hpo.load_model(folder)


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    shutil.move(folder / "model.skops", tmp_path / "elsewhere.skops")
    (folder / "model.skops").symlink_to(tmp_path / "elsewhere.skops")
    with pytest.raises(ExportError, match="leads out of the folder"):
        hpo.load_model(folder)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


@pytest.mark.parametrize("name", ["model.skops", "preprocessing.skops"])
def test_a_pickle_in_place_of_a_file_is_refused_and_not_run(folder, tmp_path, name):
    file = folder / name
    file.write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    digests = json.loads((folder / MODEL_JSON).read_text())["digests"]
    changed(folder, digests=digests | {name: digest(file)})
    with pytest.raises(ExportError, match=name):
        hpo.load_model(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.keras
def test_a_lambda_layer_in_place_of_the_model_is_refused(folder, tmp_path):
    import keras

    inputs = keras.Input((2,))
    outputs = keras.layers.Lambda(lambda x: x)(inputs)
    file = folder / "model.keras"
    keras.Model(inputs, outputs).save(file)
    changed(folder, model_file=file.name, digests={file.name: digest(file)})
    changed(folder, preprocessing_file=None)
    with pytest.raises(ExportError, match=r"model\.keras"):
        hpo.load_model(folder)


def test_other_versions_are_warned_of(folder):
    changed(folder, versions={"numpy": "1.0.3", "python": "3.11.0", "gone": "2.1"})
    with pytest.warns(
        UserWarning, match=r"exported with numpy 1\.0\.3 \(here .*gone 2"
    ):
        hpo.load_model(folder)
    changed(folder, versions={"numpy": f"{np.__version__}.post9"})
    assert open_model(folder).notes == ()


def test_the_working_folder_does_not_matter(folder, tmp_path, monkeypatch):
    (tmp_path / "away").mkdir()
    before = hpo.load_model(folder).predict(ROWS.head(2))
    monkeypatch.chdir(tmp_path / "away")
    assert (hpo.load_model("../model").predict(ROWS.head(2)) == before).all()
