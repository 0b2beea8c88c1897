"""Load an exported folder: nothing is unpickled, and nothing outside of it is read."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpo.data.new_rows import typical_rows
from hpo.data.words import quoted
from hpo.errors import ExportError
from hpo.export.document import AGAIN, MODEL_JSON, ModelDocument, read_document
from hpo.export.model import ExportedModel
from hpo.export.versions import version_warnings
from hpo.models.keras_runtime import BACKENDS
from hpo.models.saving import KERAS_FILE, load_preprocessing, needed_modules
from hpo.models.saving import load_model as load_saved
from hpo.user_code import Home

if TYPE_CHECKING:
    from hpo.models.family import Predictor


def load_model(
    folder: str | Path, *, allowed_modules: Sequence[str] = ()
) -> ExportedModel:
    """Load a model that `hpo export` wrote.

    It needs neither the store nor the data. Loading unpickles nothing; a warning says
    so if a library is of another version than at the export.

    Args:
        folder: What `hpo export` wrote.
        allowed_modules: Modules of your own that the model is made of, such as those
            of custom layers: installed, or files in the working folder. Others are
            never imported.

    Raises:
        ExportError: It is no such folder, it is broken or changed, or it needs a
            module that is not allowed.
    """
    model = open_model(Path(folder), allowed_modules)
    for note in model.notes:
        warnings.warn(note, stacklevel=2)
    return model


def open_model(folder: Path, allowed_modules: Sequence[str] = ()) -> ExportedModel:
    """Load a model; what a user should be warned of is in its notes."""
    document = read_document(folder)
    file = _checked(folder, document.model_file, document)
    preprocessing = None
    if document.preprocessing_file is not None:
        preprocessing = load_preprocessing(
            _checked(folder, document.preprocessing_file, document)
        )
    predictor = _load(file, document, allowed_modules)
    notes = version_warnings(document.info.get("versions"))
    model = ExportedModel(document, predictor, preprocessing, tuple(notes))
    _refuse_mixed(folder, model, predictor)
    return model


def _refuse_mixed(folder: Path, model: ExportedModel, predictor: Predictor) -> None:
    """Refuse a description of another model than the files beside it hold.

    A network of Keras says of how many classes it is; its rows are not compared.
    """
    place = folder / MODEL_JSON
    try:
        row = model.features(model.read(typical_rows(model.inputs)))
    except ExportError as error:
        what = f"{place}: does not fit the preprocessing beside it"
        raise ExportError(f"{what}: {error}; {AGAIN}") from error
    estimator = getattr(predictor, "estimator", None)
    if (n_taken := getattr(estimator, "n_features_in_", row.size)) != row.size:
        raise ExportError(
            f"{place}: expected rows of {n_taken} features, as the model beside it "
            f"takes; they become {row.size}; {AGAIN}"
        )
    n_labels = 0 if model.classes is None else len(model.classes)
    codes = np.ravel(getattr(estimator, "classes_", np.arange(n_labels)))
    # Every class is among the training rows, whichever rows are held out.
    if set(codes.tolist()) != set(range(n_labels)):
        raise ExportError(
            f"{place}: expected labels of {len(codes)} classes, as the model beside it "
            f"knows; got {n_labels}; {AGAIN}"
        )


def _checked(folder: Path, name: str, document: ModelDocument) -> Path:
    """Return a file of the folder that is as it was written."""
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ExportError(f"{file}: is a link that leads out of the folder; {AGAIN}")
    if not file.is_file():
        raise ExportError(f"{file}: is missing; {AGAIN}")
    if document.digests.get(name) != digest(file):
        raise ExportError(f"{file}: is not as hpo export wrote it; {AGAIN}")
    return file


def digest(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _load(file: Path, document: ModelDocument, allowed: Sequence[str]) -> Predictor:
    if file.name == KERAS_FILE:
        backend = document.info.get("backend")
        # Keras takes the first one it finds named; what the user has set stays.
        if backend in BACKENDS:
            os.environ.setdefault("KERAS_BACKEND", str(backend))
    home = _home(file, allowed)
    return load_saved(file, n_classes=len(document.classes), home=home)


def _home(file: Path, allowed: Sequence[str]) -> Home | None:
    """Return where the modules that a model needs may come from; None if it needs none.

    Raises:
        ExportError: It needs one that is not allowed.
    """
    needed = needed_modules(file)
    if not needed:
        return None
    refused = [
        name
        for name in needed
        if not any(name == a or name.startswith(f"{a}.") for a in allowed)
    ]
    if refused:
        options = " ".join(f"--allow-module {name}" for name in refused)
        raise ExportError(
            f"{file}: the model is made of code in {quoted(refused)}, which is "
            f"imported only if you allow it: {options}, or in Python allowed_modules="
            f"{refused}; it must be installed, or lie in the working folder"
        )
    # A file in the working folder is taken as such, not as an installed package.
    here = Path.cwd()
    beside = {a for a in allowed if _is_beside(a, here)}
    return Home(here, tuple(a for a in allowed if a not in beside))


def _is_beside(module: str, folder: Path) -> bool:
    path = folder.joinpath(*module.split("."))
    return path.with_name(f"{path.name}.py").is_file() or path.is_dir()
