"""The user's function behind ``model: module:function``: imported, called, its errors.

It seeds what a builder may draw from, and words what goes wrong with the line of the
user's file. What the builder returned is for others to judge.
"""

from __future__ import annotations

import inspect
import random
import re
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from hpo.errors import Problem, SpecError, TrialError, near_match
from hpo.models.builder_info import DataInfo, ReadParams
from hpo.models.keras_runtime import prepare
from hpo.records import Params
from hpo.user_code import Home, find, last_line_in

MAX_CHARACTERS = 400
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_KERAS_TAIL = re.compile(r"\s*Arguments received by .*", re.DOTALL)


class BuilderCode:
    """One function ``build(params, data)`` of the user.

    Args:
        name: ``module:function``.
        home: Where the module may be found.
    """

    def __init__(self, name: str, home: Home) -> None:
        self.name, self.home = name, home
        self._function: Callable[..., Any] | None = None
        self._last: Callable[[], Any] = lambda: None

    def load(self) -> Callable[..., Any]:
        """Import the module, once, and return its function.

        Raises:
            SpecError: It cannot be imported, or does not take ``(params, data)``.
        """
        if self._function is None:
            if self._speaks_of_keras():
                prepare()  # before the user's import, which would use all cores
            function = find(self.name, self.home, where="model")
            if "keras" in sys.modules:
                prepare()
            _check_signature(self.name, function)
            self._function = function
        return self._function

    def build(self, params: Params, info: DataInfo) -> Any:
        """Call the function, seeded; return a model that it has not returned before.

        Raises:
            TrialError: The function fails, naming the file and the line, or returns no
                new model.
        """
        function = self.load()
        knew_keras = "keras" in sys.modules
        built = self._call(function, params, info)
        if not knew_keras and "keras" in sys.modules:
            prepare()  # the builder itself imports Keras: what it built had no seed
            built = self._call(function, params, info)
        if built is None:
            raise TrialError(
                "error", f"{self.name} returned nothing; does it end with return?"
            )
        if built is self._last():
            raise TrialError(
                "error",
                f"{self.name} returned the model of another fit, trained already; it "
                "has to build a new one in every call",
            )
        if kind_of(built) is None:
            raise TrialError("error", f"{self.name} returned {_worded(built)}")
        self._last = weakref.ref(built)
        return built

    def way_out(self, info: DataInfo) -> str:
        """Say how a model has to end."""
        return (
            "end it with keras.layers.Dense(data.output_units, data.output_activation)"
        )

    def failed(self, error: Exception, what: str = "") -> TrialError:
        """Word an error that came out of the user's code, on one line."""
        if (
            isinstance(error, MemoryError)
            or type(error).__name__ == "ResourceExhaustedError"
        ):
            return TrialError("memory", f"{self.name}: memory ran out{what}")
        said = one_line(last_line_in(error, self.home.folder))
        return TrialError("error", f"{self.name}{what}: {said}")

    @contextmanager
    def worded(self, what: str = "") -> Iterator[None]:
        """Word the errors of a block; see `failed`."""
        try:
            yield
        except TrialError:
            raise
        except Exception as error:
            raise self.failed(error, what) from error

    def _call(
        self, function: Callable[..., Any], params: Params, info: DataInfo
    ) -> Any:
        _seed(info.seed)
        given = params.again() if isinstance(params, ReadParams) else dict(params)
        with self.worded():
            try:
                return function(given, info)
            except KeyError as error:
                raise self._lacking(error, params) from error

    def _lacking(self, error: KeyError, params: Params) -> TrialError:
        failed = self.failed(error)
        name = error.args[0] if error.args else None
        if not isinstance(name, str) or name in params:
            return failed
        hint = near_match(name, list(params)) or (
            "; if its `when` is not met it is absent, and params.get() gives None"
        )
        return TrialError("error", f"{failed} is not in params{hint}")

    def _speaks_of_keras(self) -> bool:
        module = self.name.partition(":")[0]
        path = self.home.folder.absolute().joinpath(*module.split("."))
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if file.is_file():
                text = file.read_bytes()
                return b"keras" in text or b"tensorflow" in text
        return False


def kind_of(built: object) -> Literal["keras", "scikit-learn"] | None:
    """Tell which library a model is from; None if it is no model of either."""
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(built, keras.Model):
        return "keras"
    if "sklearn" in sys.modules and not inspect.isclass(built):
        from sklearn.base import BaseEstimator

        if isinstance(built, BaseEstimator) and hasattr(built, "fit"):
            return "scikit-learn"
    return None


def one_line(text: str) -> str:
    """Put a message on one line: no escapes, none of the arguments Keras adds."""
    bare = _KERAS_TAIL.sub("", _ESCAPE.sub("", text))
    joined = " ".join(bare.split())
    return f"{joined[:MAX_CHARACTERS]}..." if len(joined) > MAX_CHARACTERS else joined


def _seed(seed: int) -> None:
    import numpy as np

    keras = sys.modules.get("keras")
    if keras is not None:
        keras.utils.set_random_seed(seed)
        return
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # the generator that users' code draws from


def _worded(built: object) -> str:
    expected = "expected a keras.Model or a scikit-learn classifier or regressor"
    if inspect.isclass(built):
        return f"the class {built.__name__}; {expected}: call it, {built.__name__}()"
    return f"{type(built).__name__}; {expected}"


def _check_signature(name: str, function: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a callable of C, which does not say what it takes
    try:
        signature.bind({}, None)
    except TypeError:
        function_name = name.partition(":")[2]
        what = f"expected {function_name}(params, data); got {function_name}{signature}"
        raise SpecError([Problem("model", what)]) from None
