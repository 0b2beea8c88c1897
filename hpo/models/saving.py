"""Trained models and fitted transformers as files that are loaded without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpo.models.family import Predictor

KERAS_FILE, SKOPS_FILE = "model.keras", "model.skops"
PREPROCESSING_FILE = "preprocessing.skops"


def save_model(model: Predictor, folder: Path) -> str:
    """Save a trained model in a folder that is there; return the name of its file.

    Raises:
        TrialError: It cannot be saved without pickle; says what is in the way.
    """
    raise NotImplementedError


def load_model(file: Path, *, n_classes: int) -> Predictor:
    """Load a model that `save_model` saved; nothing is unpickled.

    Args:
        file: ``.keras`` or ``.skops``.
        n_classes: Classes of the data set; 0 for regression.

    Returns:
        A predictor of preprocessed features, as in `hpo.models.family`.

    Raises:
        ExportError: The file is missing, broken, or has something in it that is not
            trusted.
    """
    raise NotImplementedError


def save_preprocessing(transformer: Any, folder: Path) -> str:
    """Save a fitted transformer of the features; return the name of its file."""
    raise NotImplementedError


def load_preprocessing(file: Path) -> Any:
    """Load a transformer that `save_preprocessing` saved; nothing is unpickled."""
    raise NotImplementedError
