"""A model that was exported: from new rows to labels, probabilities or values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo.data.new_rows import Inputs, NewRows, read_new_rows
from hpo.errors import ExportError
from hpo.export.document import ModelDocument
from hpo.models.preparation import TargetScaler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hpo.models.family import Predictor


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
        return self.labels_or_values(self.features(self.read(rows)))

    def predict_proba(self, rows: Any) -> NDArray[Any]:
        """Return the probability of each class, shape (n, n_classes).

        Raises:
            ExportError: The model has none; and see `predict`.
            DataError: The file cannot be read.
        """
        if not self.has_probabilities:
            kind = "regression" if self.classes is None else "this kind of model"
            raise ExportError(f"there are no probabilities in {kind}; use predict")
        return self.probabilities(self.features(self.read(rows)))

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
        if self._preprocessing is None:
            return np.asarray(X)
        prepared: NDArray[Any] = self._preprocessing.transform(X)
        return prepared

    def labels_or_values(self, X: NDArray[Any]) -> NDArray[Any]:
        """Predict preprocessed features; see `predict`."""
        predicted = np.asarray(self._model.predict(X))
        classes = self.classes
        if classes is not None:
            labels: NDArray[Any] = classes[predicted.reshape(len(X)).astype(np.intp)]
            return labels
        return self._in_data_units(predicted.astype(np.float64))

    def probabilities(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities of preprocessed features; see `predict_proba`."""
        model: Any = self._model
        return np.asarray(model.predict_proba(X))

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
