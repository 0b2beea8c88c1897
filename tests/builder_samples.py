"""Builders as users write them, and requests to train what they build."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes, load_digits, load_iris

from hpo.models import FitRequest
from hpo.models.builder import Builder, DataInfo
from hpo.user_code import Home

X_iris, y_iris = load_iris(return_X_y=True)
X_iris = (X_iris - X_iris.mean(axis=0)) / X_iris.std(axis=0)
X_values, y_values = load_diabetes(return_X_y=True)
X_values, y_values = X_values[:120] * 20, (y_values[:120] - 150) / 80
digits = load_digits()
X_images, y_images = digits.images[:150] / 16, digits.target[:150]

TASKS: dict[str, tuple[Any, Any, Any, int]] = {
    "binary": (X_iris[:100], y_iris[:100], "classification", 2),
    "multiclass": (X_iris, y_iris, "classification", 3),
    "regression": (X_values, y_values, "regression", 0),
    "two targets": (X_values, np.c_[y_values, -y_values], "regression", 0),
    "images": (X_images, y_images, "classification", 10),
}

KERAS = """
import keras

def build(params, data):
    return keras.Sequential([
        keras.Input(data.feature_shape),
        keras.layers.Flatten(),
        keras.layers.Dense(params.get("units", 8), "relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(data.output_units, data.output_activation),
    ])
"""
SKLEARN = """
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

def build(params, data):
    classify = data.task == "classification"
    forest = RandomForestClassifier if classify else RandomForestRegressor
    return forest(n_estimators=params.get("trees", 5), max_depth=3)
"""


class Code:
    """A folder with modules of a user, each under a name of its own.

    Args:
        folder: An empty one.
        label: Makes the names of its modules its own: Python imports a name once.
    """

    def __init__(self, folder, label):
        self.folder, self.label, self.n_modules = folder, label, 0

    def write(self, text):
        """Write a module with a function ``build``; return its ``module:build``."""
        self.n_modules += 1
        name = f"{self.label}_{self.n_modules}"
        (self.folder / f"{name}.py").write_text(textwrap.dedent(text))
        return f"{name}:build"

    def family(self, text):
        return Builder(self.write(text), self.home)

    @property
    def home(self):
        return Home(self.folder)


def request(task, *, seed=1, X=None, y=None, sample_weight=None, **params):
    given_X, given_y, kind, n_classes = TASKS[task]
    return FitRequest(
        params={"epochs": 3, **params},
        X=given_X if X is None else X,
        y=given_y if y is None else y,
        task=kind,
        n_classes=n_classes,
        seed=seed,
        sample_weight=sample_weight,
    )


def fit(family, *arguments, **options):
    """Train one network; raise what it fails with."""
    (fitted,) = family.fit_group([request(*arguments, **options)])
    if isinstance(fitted, Exception):
        raise fitted
    return fitted


def info(task):
    return DataInfo.of(request(task), 1)
