"""What scikit-learn has fitted as ``.skops`` files, which hold no code.

Loading makes objects of types on a list only: classes of scikit-learn that are written
in Python, its trees once their nodes are checked, arrays, and a few functions.
"""

from __future__ import annotations

import importlib
import inspect
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.errors import ExportError, SpecError, TrialError
from hpo.models.archives import check_sizes
from hpo.models.builder_code import one_line
from hpo.models.builder_sklearn import as_table
from hpo.models.preprocessing import SKOPS_TRUSTED
from hpo.models.sklearn_estimator import AllClasses
from hpo.models.sklearn_neighbours import drop_trees
from hpo.models.sklearn_trees import TREES, check_trees
from hpo.user_code import Home, find, why_not_found

if TYPE_CHECKING:
    from numpy.typing import NDArray

FUNCTIONS = (
    "sklearn.feature_selection.",
    "sklearn.metrics.",
    "sklearn.utils.validation.check_array",
)
"""Where functions may come from: they score features or distances, or check rows."""

SCIPY = ("scipy.interpolate.", "scipy.sparse.", "scipy.spatial.")
"""Where classes of SciPy may come from, which hold arrays."""

BRUTE = "; if it looks for neighbours, set its algorithm to brute"
LIBRARIES = ("sklearn", "numpy", "scipy")
PROGRAMS = frozenset({"__main__", "conftest", "tests"})
"""Modules of the libraries that do something when they are imported."""

AGAIN = "export the study again"
HEAP_TYPE = 1 << 9
"""Python's flag of a class that is written in Python; others index arrays unchecked."""


def save(fitted: Any, file: Path) -> None:
    """Save what has been fitted.

    Args:
        fitted: Of scikit-learn; estimators of neighbours in it lose their trees, see
            `hpo.models.sklearn_neighbours`.
        file: Where to.

    Raises:
        TrialError: Part of it cannot be saved without pickle, or could not be loaded.
        OSError: The file cannot be written.
    """
    from skops import io

    name = type(fitted).__name__
    drop_trees(fitted)
    try:
        io.dump(fitted, file)
        refused = _refused(io.get_untrusted_types(file=file))
    except OSError:
        raise
    except Exception as error:  # whatever a part of the user's says
        said = one_line(f"{type(error).__name__}: {error}")
        what = f"{name} cannot be saved without pickle: {said}"
        raise TrialError("error", what) from error
    libraries = [type_ for type_ in refused if type_.partition(".")[0] in LIBRARIES]
    if libraries:
        what = f"{name} cannot be saved without pickle: it holds {libraries[0]}"
        raise TrialError("error", what + (BRUTE if "metric" in what else ""))


def load(file: Path, *, home: Home | None = None) -> Any:
    """Load what `save` saved; see `hpo.models.saving.load_model`.

    Raises:
        ExportError: See there.
    """
    from skops import io

    asked = _asked(file)
    refused = _refused(asked)
    own = [type_ for type_ in refused if type_.partition(".")[0] not in LIBRARIES]
    for type_ in refused:
        _refuse_unless_found(file, type_, home if type_ in own else None)
    try:
        fitted = io.load(file, trusted=asked)
        check_trees(fitted)
    except Exception as error:  # whatever a file that is not as it was makes of it
        said = one_line(f"{type(error).__name__}: {error}")
        raise ExportError(f"{file}: cannot be loaded: {said}; {AGAIN}") from error
    return fitted


def needed_modules(file: Path) -> tuple[str, ...]:
    """Return the modules of users that define part of what is saved, sorted."""
    refused = _refused(_asked(file))
    own = {t.rpartition(".")[0] for t in refused if t.split(".")[0] not in LIBRARIES}
    return tuple(sorted(own))


def _asked(file: Path) -> list[str]:
    """Return the types in a file that skops does not trust by itself."""
    from skops import io

    try:
        check_sizes(file)
        return list(io.get_untrusted_types(file=file))
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ExportError(f"{file}: is broken ({error}); {AGAIN}") from error


def _refused(asked: Sequence[str]) -> list[str]:
    return [name for name in asked if not _is_trusted(name)]


def _is_trusted(name: str) -> bool:
    if name in SKOPS_TRUSTED or name in TREES:
        return True
    module, _, attribute = name.rpartition(".")
    library = module.partition(".")[0]
    if library not in LIBRARIES or not PROGRAMS.isdisjoint(module.split(".")):
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except (Exception, SystemExit):  # whatever a module does that no model is made of
        return False
    # A module also has what it imports from elsewhere.
    if str(getattr(found, "__module__", "")).partition(".")[0] != library:
        return False
    if inspect.isfunction(found):
        return name.startswith(FUNCTIONS)
    if not isinstance(found, type):
        return False
    if library == "numpy":
        return _holds_numbers(found)
    python = bool(found.__flags__ & HEAP_TYPE)
    return python and (library == "sklearn" or name.startswith(SCIPY))


def _holds_numbers(found: type) -> bool:
    import numpy as np

    return issubclass(found, np.generic | np.dtype | np.random.RandomState)


def _refuse_unless_found(file: Path, name: str, home: Home | None) -> None:
    """Import a class of the user's from where it may come from, or refuse the file."""
    module, _, attribute = name.rpartition(".")
    if home is None or why_not_found(f"{module}:{attribute}", home):
        raise ExportError(
            f"{file}: holds {name}, which is not trusted: expected parts of "
            "scikit-learn, NumPy and SciPy alone; if it is your own code, name the "
            "folder or the package that it is in"
        )
    try:
        find(f"{module}:{attribute}", home, where=str(file))
    except SpecError as error:
        raise ExportError(str(error)) from error


class SavedEstimator:
    """A loaded estimator as a predictor of rows of any shape.

    Args:
        estimator: Fitted on flat rows.
        n_classes: Classes of the whole data set; 0 for regression.
    """

    def __init__(self, estimator: Any, n_classes: int) -> None:
        self.estimator, self.n_classes = estimator, n_classes

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return class codes (int64), or values (float64).

        Values have shape (n,), or (n, n_outputs) for several targets.
        """
        predicted = self.estimator.predict(as_table(X))
        if self.n_classes:
            codes: NDArray[Any] = predicted.astype("int64").reshape(len(X))
            return codes
        values: NDArray[Any] = predicted.astype("float64").reshape(len(X), -1)
        return values[:, 0] if values.shape[1] == 1 else values

    def __getattr__(self, name: str) -> Any:
        # Only there if the estimator has it, as the contract of a predictor says.
        if name == "predict_proba" and self._classifies_by(name):
            return self._probabilities
        if name == "decision_function" and self._classifies_by(name):
            decide = getattr(self.estimator, name)
            if len(self.estimator.classes_) == self.n_classes:
                return lambda X: decide(as_table(X))
        raise AttributeError(name)

    def _classifies_by(self, name: str) -> bool:
        return self.__dict__["n_classes"] > 0 and hasattr(
            self.__dict__["estimator"], name
        )

    def _probabilities(self, X: NDArray[Any]) -> NDArray[Any]:
        known = AllClasses(self.estimator, self.n_classes)
        probabilities: NDArray[Any] = known.predict_proba(as_table(X))
        return probabilities
