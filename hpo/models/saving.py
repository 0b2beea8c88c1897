"""Trained models and fitted transformers as files that are loaded without pickle.

Networks of Keras are ``.keras`` files (`hpo.models.keras_files`), everything of
scikit-learn is a ``.skops`` file (`hpo.models.skops_files`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpo.errors import ExportError
from hpo.models import keras_files, skops_files
from hpo.models.builder_network import Network
from hpo.models.builder_sklearn import SklearnModel
from hpo.models.family import Predictor
from hpo.models.keras_mlp import KerasModel
from hpo.models.sklearn_estimator import AllClasses
from hpo.user_code import Home

KERAS_FILE, SKOPS_FILE = "model.keras", "model.skops"
PREPROCESSING_FILE = "preprocessing.skops"

WRAPPERS = (AllClasses, SklearnModel, skops_files.SavedEstimator)
"""Predictors around an estimator: it is saved, and wrapped again when it is loaded."""


def save_model(model: Predictor, folder: Path, *, module: str | None = None) -> str:
    """Save a trained model in a folder that is there; return the name of its file.

    Args:
        model: Of any family.
        folder: Where to.
        module: Of the user's code that built it: functions in a network are saved by
            their names alone, and come from there when it is loaded.

    Raises:
        TrialError: It cannot be saved without pickle; says what is in the way.
        OSError: The file cannot be written.
    """
    if isinstance(model, KerasModel | Network):
        keras_files.save(model, folder / KERAS_FILE, module=module)
        return KERAS_FILE
    fitted = model.estimator if isinstance(model, WRAPPERS) else model
    skops_files.save(fitted, folder / SKOPS_FILE)
    return SKOPS_FILE


def load_model(file: Path, *, n_classes: int, home: Home | None = None) -> Predictor:
    """Load a model that `save_model` saved; nothing is unpickled.

    Args:
        file: ``.keras`` or ``.skops``.
        n_classes: Classes of the data set; 0 for regression.
        home: Where the modules may be found that define what a model is made of
            besides Keras and scikit-learn, see `needed_modules`; they are imported.
            None: no module is, and a model that needs one is refused.

    Returns:
        A predictor of preprocessed features, as in `hpo.models.family`.

    Raises:
        ExportError: The file is missing, broken, or has something in it that is not
            trusted.
    """
    file = _found(file)
    if file.suffix == ".keras":
        return keras_files.load(file, n_classes=n_classes, home=home)
    estimator = skops_files.load(file, home=home)
    if not hasattr(estimator, "predict"):
        got = type(estimator).__name__
        raise ExportError(f"{file}: expected a model that predicts; got {got}")
    return skops_files.SavedEstimator(estimator, n_classes)


def needed_modules(file: Path) -> tuple[str, ...]:
    """Return the modules of users that a saved model cannot be loaded without, sorted.

    Raises:
        ExportError: The file is missing or broken.
    """
    file = _found(file)
    if file.suffix == ".keras":
        return keras_files.needed_modules(file)
    return skops_files.needed_modules(file)


def save_preprocessing(transformer: Any, folder: Path) -> str:
    """Save a fitted transformer of the features; return the name of its file.

    Raises:
        OSError: The file cannot be written.
    """
    skops_files.save(transformer, folder / PREPROCESSING_FILE)
    return PREPROCESSING_FILE


def load_preprocessing(file: Path) -> Any:
    """Load a transformer that `save_preprocessing` saved; nothing is unpickled.

    Raises:
        ExportError: The file is missing, broken, or has something in it that is not
            trusted.
    """
    transformer = skops_files.load(_found(file))
    if not hasattr(transformer, "transform"):
        got = type(transformer).__name__
        raise ExportError(f"{file}: expected a transformer of features; got {got}")
    return transformer


def _found(file: Path) -> Path:
    if file.suffix not in (".keras", ".skops"):
        raise ExportError(f"{file}: expected a .keras or .skops file")
    if not file.is_file():
        raise ExportError(f"{file}: there is no such file; export the study again")
    return file
