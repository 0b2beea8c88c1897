"""What MLflow loads a logged model by; it imports nothing of MLflow.

MLflow names this module in the model's own description and calls `_load_pyfunc`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hpo.export.loading import load_model
from hpo.export.predicted import predicted

VARIABLE = "HPO_ALLOW_MODULES"
"""Modules of the user's that a model may be made of, separated by commas."""


class PyfuncModel:
    """An exported model as MLflow asks it."""

    def __init__(self, folder: Path) -> None:
        allowed = os.environ.get(VARIABLE, "").split(",")
        self.model = load_model(folder, allowed_modules=[a for a in allowed if a])

    def predict(self, rows: Any, params: Any = None) -> Any:
        """Return predictions as a DataFrame, with the columns of `hpo predict`.

        Args:
            rows: A DataFrame, or an array of examples.
            params: Nothing that it knows of.
        """
        return predicted(self.model, rows).to_frame()


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(Path(path))
