"""Tables, studies, and models exported by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

from hpo.data import load
from hpo.data.new_rows import inputs_of
from hpo.export.document import MODEL_JSON, ModelDocument, written
from hpo.export.loading import digest
from hpo.models.saving import save_model, save_preprocessing

COLOUR = 'colour, "odd"'

CLASSES_STUDY = """\
name: classes
data: {source: rows.csv, target: label, drop: [price, weight]}
model: sklearn-mlp
space: {units: [4, 8], epochs: 4}
search: {strategy: grid}
evaluation: {folds: 3}
"""
VALUES_STUDY = """\
name: values
data: {source: rows.csv, target: [price, weight], drop: [label]}
model: keras-mlp
space: {units: 4, epochs: 4, target_scale: standard}
search: {strategy: random, trials: 2}
evaluation: {folds: 3}
"""


def table(n: int = 240) -> pd.DataFrame:
    """Return rows with numbers, texts, dates, truths, and cells that are missing."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "day": pd.date_range("2023-01-01", periods=n, freq="31h").strftime(
                "%Y-%m-%dT%H:%M"
            ),
            "x": rng.normal(size=n),
            "k": rng.integers(0, 5, n),
            COLOUR: rng.choice(["red", "green", "blue"], n),
            "ok": rng.random(n) > 0.5,
        }
    )
    frame["label"] = np.where(frame.x + (frame[COLOUR] == "red") > 0.3, "=yes", "no\n")
    frame["price"] = 1e6 + 5e4 * frame.x + frame.k
    frame["weight"] = 1e-3 * frame.k + 1e-4 * frame.x
    frame.loc[3, COLOUR] = None
    frame.loc[[5, 7], "x"] = np.nan
    return frame


def write_rows(path: Path) -> pd.DataFrame:
    """Write the table as CSV and return it as pandas reads that."""
    table().to_csv(path, index=False)
    return pd.read_csv(path)


def small_model(folder: Path, *, task: str = "classification") -> Path:
    """Write a linear model of two numbers ``a`` and ``b`` as a study's would be."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"])
    frame["y"] = frame.a + 2 * frame.b
    if task == "classification":
        frame["y"] = np.where(frame.y > 0, 7, 3)
    file = folder.parent / f"{folder.name}.csv"
    frame.to_csv(file, index=False)
    data = load(str(file), target="y", task=task)
    folder.mkdir()
    X = data.X.to_numpy()
    scaler = StandardScaler().fit(X)
    made = LogisticRegression() if data.n_classes else LinearRegression()
    files = [
        save_model(made.fit(scaler.transform(X), data.y), folder),
        save_preprocessing(scaler, folder),
    ]
    document = ModelDocument(
        task=data.task,
        classes=() if data.classes is None else tuple(data.classes.tolist()),
        targets=data.targets,
        inputs=inputs_of(data),
        flattened=False,
        model_file=files[0],
        preprocessing_file=files[1],
        target_shift=None,
        target_spread=None,
        digests={name: digest(folder / name) for name in files},
        info={"study": "small", "trial": 0, "params": {"C": 1.0}},
    )
    (folder / MODEL_JSON).write_text(written(document))
    return folder
