"""The user's hypermodel behind ``keras_tuner:module:name``: imported and called.

It builds models for given values and calls the hypermodel's own ``fit``, and words what
goes wrong with the line of the user's file first. It trains nothing itself.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpo.errors import Problem, SpecError, TrialError
from hpo.models.builder_code import BuilderCode, one_line
from hpo.models.builder_info import DataInfo
from hpo.models.keras_runtime import prepare
from hpo.models.keras_tuner_space import hypermodel_name, values_of
from hpo.records import Params
from hpo.user_code import Home, find, last_line_in


class HypermodelCode(BuilderCode):
    """One ``build(hp)`` or ``HyperModel`` of the user.

    Args:
        name: ``keras_tuner:module:name``.
        home: Where the module may be found.

    Attributes:
        hp: The ``keras_tuner.HyperParameters`` of the latest model; None before.
    """

    def __init__(self, name: str, home: Home) -> None:
        super().__init__(hypermodel_name(name), home)
        self.hp: Any = None
        self._hypermodel: Any = None

    @property
    def hypermodel(self) -> Any:
        """The user's, as a ``keras_tuner.HyperModel``; imports the module, once.

        Raises:
            SpecError: It cannot be imported, or is none.
        """
        if self._hypermodel is None:
            prepare()
            self._hypermodel = _as_hypermodel(self.name, self.home)
        return self._hypermodel

    @property
    def has_own_fit(self) -> bool:
        """Tell whether the hypermodel overrides ``fit``."""
        import keras_tuner

        return type(self.hypermodel).fit is not keras_tuner.HyperModel.fit

    def load(self) -> Callable[..., Any]:
        if self._function is None:
            _ = self.hypermodel
            self._function = self._build_for
        return self._function

    def _build_for(self, params: Params, info: DataInfo) -> Any:
        import keras_tuner

        hp = keras_tuner.HyperParameters()
        hp.values = values_of(params)
        return self.build_with(hp)

    def build_with(self, hp: Any) -> Any:
        """Call ``build`` as it is, with a container of hyperparameters."""
        self.hp = hp
        return self.hypermodel.build(hp)

    def way_out(self, info: DataInfo) -> str:
        units, activation = info.output_units, info.output_activation
        return f"end it with keras.layers.Dense({units}, {activation!r})"

    def failed(self, error: Exception, what: str = "") -> TrialError:
        """Word an error of the user's code, beginning with its line."""
        if (
            isinstance(error, MemoryError)
            or type(error).__name__ == "ResourceExhaustedError"
        ):
            return super().failed(error, what)
        said = one_line(last_line_in(error, self.home.folder))
        return TrialError("error", f"{said} ({self.name}{what})")

    def _lacking(self, error: KeyError, params: Params) -> TrialError:
        return self.failed(error)


def _as_hypermodel(name: str, home: Home) -> Any:
    """Import what ``module:name`` names, and make a hypermodel of it."""
    try:
        import keras_tuner
    except ImportError as error:
        what = "needs Keras Tuner; install it: pip install keras-tuner"
        raise SpecError([Problem("model", what)]) from error
    found = _found(name, home, keras_tuner.HyperModel)
    if isinstance(found, keras_tuner.HyperModel):
        return found
    if inspect.isclass(found):
        return _instance(name, found, home, keras_tuner.HyperModel)
    _check_signature(name, found)

    class FromFunction(keras_tuner.HyperModel):  # type: ignore[misc]
        """What Keras Tuner, too, makes of a function."""

        def build(self, hp: Any) -> Any:
            return found(hp)

    return FromFunction()


def _found(name: str, home: Home, kind: type) -> Any:
    try:
        return find(name, home, where="model")
    except SpecError:
        # An instance is nothing that can be called, which `find` looks for.
        module_name, _, attribute = name.partition(":")
        module = sys.modules.get(module_name)
        held = vars(module).get(attribute) if module is not None else None
        if isinstance(held, kind) and _is_users(module, home):
            return held
        raise


def _is_users(module: Any, home: Home) -> bool:
    file = getattr(module, "__file__", None)
    beside = file is not None and Path(file).resolve().is_relative_to(
        home.folder.resolve()
    )
    package = module.__name__
    return beside or any(
        package == name or package.startswith(f"{name}.") for name in home.allowed
    )


def _instance(name: str, found: type, home: Home, kind: type) -> Any:
    own = name.partition(":")[2]
    if not issubclass(found, kind):
        what = f"expected a keras_tuner.HyperModel or build(hp); {own} is a class"
        raise SpecError([Problem("model", f"{what} of another kind")])
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        what = (
            f"{own} needs arguments ({error}); make one in your module, as in "
            f"hypermodel = {own}(...), and name that one"
        )
        raise SpecError([Problem("model", what)]) from None
    try:
        return found()
    except Exception as error:
        said = one_line(last_line_in(error, home.folder))
        raise SpecError([Problem("model", f"{said} ({own}())")]) from error


def _check_signature(name: str, function: Callable[..., Any]) -> None:
    own = name.partition(":")[2]
    try:
        signature = inspect.signature(function)
        signature.bind(None)
    except ValueError:
        return  # a callable of C, which does not say what it takes
    except TypeError:
        what = f"expected {own}(hp); got {own}{signature}"
        raise SpecError([Problem("model", what)]) from None
