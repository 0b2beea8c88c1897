"""Networks that a user's own code builds, from a folder to a table of trials."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits

STUDY = """
name: mine
data: {{source: {source}}}
model: network:build
space:
{space}
search: {{strategy: random, trials: {trials}, seed: 3}}
evaluation: {{folds: 3}}
"""
FOREST = """
import time
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

def build(params, data):
    time.sleep(0.05)  # so that it can be killed in the middle
    forest = RandomForestClassifier(params["trees"], max_depth=params["depth"])
    return make_pipeline(PolynomialFeatures(2), forest)
"""
FOREST_SPACE = """
  trees: {int: [1, 9]}
  depth: {int: [1, 5]}
  scale: [standard, minmax, none]
"""
CONVOLUTION = """
import keras
from keras import layers

def build(params, data):
    return keras.Sequential([
        keras.Input(data.feature_shape),
        layers.Reshape((*data.feature_shape, 1)),
        layers.Conv2D(params["filters"], 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(data.output_units, data.output_activation),
    ])
"""
CONVOLUTION_SPACE = """
  filters: [2, 6]
  learning_rate: {float: [0.01, 0.1], log: true}
  epochs: 4
"""
DENSE = """
import time
import keras
from keras import layers

def build(params, data):
    time.sleep(0.1)  # so that it can be killed in the middle
    hidden = []
    for _ in range(params["depth"]):
        hidden += [layers.Dense(params["width"], "relu"), layers.Dropout(0.2)]
    last = layers.Dense(data.output_units, data.output_activation)
    return keras.Sequential([keras.Input(data.feature_shape), *hidden, last])
"""
DENSE_SPACE = """
  width: [4, 8]
  depth: [1, 2]
  learning_rate: {float: [0.01, 0.1], log: true}
  epochs: 4
"""
pytestmark = pytest.mark.slow


@pytest.fixture
def make_study(make_folder):
    """Return what makes a folder with a study and its ``network.py``."""

    def make(label, network, space, *, source="sklearn.iris", trials=8):
        text = STUDY.format(source=source, space=space, trials=trials)
        folder = make_folder(label, text)
        folder.write("network.py", network)
        if source == "images.npz":
            digits = load_digits()
            X, y = digits.images[:240], digits.target[:240]
            np.savez(folder.path / source, X=X, y=y)
        return folder

    return make


def run_with_a_kill(folder, n_folds):
    """Run the study of a folder, killed once after some folds, to its end."""
    process = folder.start("run", "study.yaml", "--jobs", "2")
    folder.wait_for_folds(process, n_folds, seconds=180)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was over before the kill"
    time.sleep(0.5)
    folder.hpo("run", "study.yaml", "--jobs", "2")
    return folder.trial_table("mine")


def test_a_scikit_learn_builder_gives_one_table_however_it_is_run(make_study):
    alone = make_study("alone", FOREST, FOREST_SPACE)
    alone.hpo("run", "study.yaml", "--jobs", "1")
    table = alone.trial_table("mine")
    assert [row["state"] for row in table] == ["complete"] * 8
    assert run_with_a_kill(make_study("killed", FOREST, FOREST_SPACE), 4) == table


@pytest.mark.keras
def test_a_keras_builder_of_images_gives_one_table_however_it_is_run(make_study):
    options = {"source": "images.npz", "trials": 2}
    alone = make_study("alone", CONVOLUTION, CONVOLUTION_SPACE, **options)
    done = alone.hpo("run", "study.yaml", "--jobs", "1")
    assert "240 rows x 8 x 8 values, 10 classes" in done.stderr
    table = alone.trial_table("mine")
    assert max(row["mean_test_score"] for row in table) > 0.6
    killed = make_study("killed", CONVOLUTION, CONVOLUTION_SPACE, **options)
    assert run_with_a_kill(killed, 2) == table


@pytest.mark.keras
def test_folds_of_a_dense_builder_are_stacked_however_it_is_run(make_study):
    alone = make_study("alone", DENSE, DENSE_SPACE, trials=5)
    told = alone.hpo("check", "study.yaml", "--time").stdout
    assert "the folds of a trial together in one program (stacked)" in " ".join(
        told.split()
    )
    assert "3 folds at once" in told
    alone.hpo("run", "study.yaml", "--jobs", "1")
    ((text, n_folds),) = alone.json("show", "mine")["trained_by"].items()
    assert text.endswith(" stacked")
    assert n_folds == 15
    table = alone.trial_table("mine")
    killed = make_study("killed", DENSE, DENSE_SPACE, trials=5)
    assert run_with_a_kill(killed, 1) == table
    # A search that learns from scores has its folds one by one.
    words = ("--strategy", "bayesian", "--trials", "1", "--name", "other")
    alone.hpo("run", "study.yaml", *words)
    ((text, _),) = alone.json("show", "other")["trained_by"].items()
    assert text.endswith(" scan: a fold at a time")


def test_a_module_that_cannot_be_imported_ends_the_run_in_one_line(make_study):
    folder = make_study("broken", "import no_such_library\n", FOREST_SPACE)
    done = folder.hpo("run", "study.yaml", "--jobs", "1", code=2)
    assert done.stderr.splitlines()[-1] == (
        "study.yaml: model: network cannot be imported: network.py:1: "
        "ModuleNotFoundError: No module named 'no_such_library'"
    )
    assert folder.json("list")[0]["state"] == "interrupted"
    folder.write("network.py", FOREST)
    folder.hpo("run", "study.yaml", "--trials", "2")
    assert len(folder.trial_table("mine")) == 2


def test_a_builder_that_fails_is_told_with_its_file_and_line(make_study):
    network = FOREST.replace('params["depth"]', 'params["dept"]')
    folder = make_study("failing", network, FOREST_SPACE, trials=2)
    done = folder.hpo("run", "study.yaml", code=4)
    assert "2 x error: " in done.stderr
    assert "network.py:9: KeyError: 'dept' is not in params" in done.stderr
    assert "did you mean 'depth'?" in done.stderr
    assert folder.json("trials", "mine")[0]["failure"] == "error"
