"""A model that was exported: from new rows to labels, probabilities or values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo.data.new_rows import Inputs, NewRows, read_new_rows
from hpo.errors import ExportError
from hpo.export.asking import LARGEST, LARGEST_FLOAT32, answers
from hpo.export.document import ModelDocument
from hpo.models.preparation import TargetScaler
from hpo.models.saving import KERAS_FILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hpo.models.family import Predictor

HUGE = 1e6
"""Features below it do not overflow in a network that was trained."""


class ExportedModel:
    """A trained model with its preprocessing, as `hpo.load_model` returns it.

    Rows are a DataFrame with the columns of the training data by name, in any order; an
    array with those columns in their order, or of examples such as images; or the path
    of a ``.csv``, ``.parquet`` or ``.npz`` file.

    Args:
        document: What it is.
        model: Predicts preprocessed features.
        preprocessing: Fitted transformer of the features; None if there is none.
        notes: What was found when it was loaded, one sentence each.
    """

    def __init__(
        self,
        document: ModelDocument,
        model: Predictor,
        preprocessing: Any = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._document, self._model = document, model
        self._preprocessing, self.notes = preprocessing, notes

    def __repr__(self) -> str:
        study, trial = self.info.get("study"), self.info.get("trial")
        return f"<ExportedModel: {self.task}, trial {trial} of study {study!r}>"

    @property
    def task(self) -> str:
        """``classification`` or ``regression``."""
        return self._document.task

    @property
    def classes(self) -> NDArray[Any] | None:
        """Labels in the order of `predict_proba`'s columns; None for regression."""
        labels = self._document.classes
        return np.array(labels) if labels else None

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return self._document.targets

    @property
    def inputs(self) -> Inputs:
        """Columns or arrays that rows must have."""
        return self._document.inputs

    @property
    def params(self) -> dict[str, Any]:
        """What it was trained with."""
        return dict(self.info.get("params") or {})

    @property
    def info(self) -> Mapping[str, Any]:
        """Where it comes from: study, trial, scores, versions, when."""
        return MappingProxyType(dict(self._document.info))

    @property
    def has_probabilities(self) -> bool:
        """Whether there is a `predict_proba`."""
        return self.classes is not None and hasattr(self._model, "predict_proba")

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return the label of each row as the training data have it, or its value.

        Returns:
            Labels, shape (n,); or values in the units of the data, shape (n,) or
            (n, n_targets).

        Raises:
            ExportError: Columns are missing, or hold something else than in training.
            DataError: The file cannot be read.
        """
        read = self.read(rows)
        return self.labels_or_values(self.features(read), read)

    def predict_proba(self, rows: Any) -> NDArray[Any]:
        """Return the probability of each class, shape (n, n_classes).

        Raises:
            ExportError: The model has none; and see `predict`.
            DataError: The file cannot be read.
        """
        if not self.has_probabilities:
            kind = "regression" if self.classes is None else "this kind of model"
            raise ExportError(f"there are no probabilities in {kind}; use predict")
        read = self.read(rows)
        return self.probabilities(self.features(read), read)

    # The steps, for who needs several of them

    def read(self, rows: Any) -> NewRows:
        """Read rows into features as the study file names them."""
        return read_new_rows(rows, self._document.inputs)

    def features(self, rows: NewRows) -> NDArray[Any]:
        """Return rows as the model takes them: preprocessed, float64."""
        X: Any = rows.X
        if hasattr(X, "iloc"):
            if not any(c.kind == "category" for c in self.inputs.columns):
                X = X.to_numpy(np.float64)
        elif self._document.flattened:
            X = X.reshape(len(X), -1)
        prepare: Any = partial(np.asarray, dtype=np.float64)
        if self._preprocessing is not None:
            prepare = self._preprocessing.transform
        # Networks of Keras compute with float32.
        is_keras = self._document.model_file == KERAS_FILE
        limit = LARGEST_FLOAT32 if is_keras else LARGEST
        return answers(prepare, X, rows, "preprocessed row", limit)

    def labels_or_values(self, X: NDArray[Any], rows: NewRows) -> NDArray[Any]:
        """Predict preprocessed features; see `predict`.

        Args:
            X: The features.
            rows: What they were made of, for messages.
        """
        predict, classes = self._model.predict, self.classes
        if classes is None:

            def in_data_units(X: NDArray[Any]) -> NDArray[Any]:
                return self._in_data_units(np.asarray(predict(X), np.float64))

            return answers(in_data_units, X, rows, "prediction")
        # A network that overflows names a class all the same.
        if self.has_probabilities and np.abs(X).max() > HUGE:
            self.probabilities(X, rows)
        codes = answers(predict, X, rows, "prediction")
        labels: NDArray[Any] = classes[codes.reshape(len(X)).astype(np.intp)]
        return labels

    def probabilities(self, X: NDArray[Any], rows: NewRows) -> NDArray[Any]:
        """Return probabilities of preprocessed features; see `predict_proba`."""
        model: Any = self._model
        return answers(model.predict_proba, X, rows, "probability")

    def _in_data_units(self, values: NDArray[Any]) -> NDArray[Any]:
        n_targets = len(self._document.targets)
        shape = (len(values),) if n_targets == 1 else (len(values), n_targets)
        values = values.reshape(shape)
        shift, spread = self._document.target_shift, self._document.target_spread
        if shift is None or spread is None:
            return values
        scaler = TargetScaler(
            np.array(shift).reshape(shape[1:]), np.array(spread).reshape(shape[1:])
        )
        return scaler.undo(values)
