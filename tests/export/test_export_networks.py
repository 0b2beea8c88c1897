"""Networks that others define or compute, exported and used in another process."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command_folder import Folder
from export_samples import write_rows
from export_use import in_fresh_process, own_refit

HYPERMODEL = """\
import keras

def build(hp):
    model = keras.Sequential(
        [
            keras.layers.Dense(hp.Int("units", 2, 8), activation="relu"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
"""
STUDY = """\
name: tuned
data: {{source: rows.csv, target: label, drop: [price, weight]}}
model: {model}
space: {space}
search: {{strategy: random, trials: 2}}
evaluation: {{folds: 2}}
engine: {{backend: {backend}}}
"""
CASES = {
    "hypermodel": ('{keras_tuner: "hyper:build"}', "{epochs: 2}", "tensorflow"),
    "keras-mlp on jax": (
        "keras-mlp",
        "{units: [4, 8], epochs: 6, patience: 2, batch_norm: true, dropout: 0.2}",
        "jax",
    ),
}
pytestmark = [pytest.mark.slow, pytest.mark.keras]


@pytest.mark.parametrize(
    ("model", "space", "backend"), CASES.values(), ids=CASES.keys()
)
def test_a_fresh_process_without_its_code_predicts_what_it_did(
    model, space, backend, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = Folder(tmp_path)
    write_rows(tmp_path / "rows.csv")
    folder.write("hyper.py", HYPERMODEL)
    folder.write("study.yaml", STUDY.format(model=model, space=space, backend=backend))
    folder.hpo("run", "study.yaml", "--jobs", "1")
    folder.hpo("export", "tuned", "--to", "model", "--tracking", "none")
    told = json.loads((tmp_path / "model" / "model.json").read_text())
    assert told["backend"] == backend
    assert f" {backend} " in told["engine"]
    _, expected = own_refit(tmp_path, "tuned")
    (tmp_path / "hyper.py").unlink()
    # The process has its own backend, TensorFlow: sums differ in their last digits.
    labels, shares = in_fresh_process(tmp_path, "model", "test.csv")
    np.testing.assert_allclose(shares, expected, rtol=1e-4, atol=1e-6)
    classes = np.array(["=yes", "no"])
    sure = np.abs(expected[:, 0] - 0.5) > 1e-4
    assert labels[sure].tolist() == classes[expected.argmax(axis=1)][sure].tolist()
    assert sure.mean() > 0.9
