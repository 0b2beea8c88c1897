"""Find the Python function that a study file names as ``module:function``.

The author of that code is trusted, whoever wrote the study file is not: so a function
must be defined beside the study file, or in a package that the command line allows, and
nowhere else. `why_malformed` and `why_not_found` import nothing; `find` does, and is
for worker processes.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from hpo.errors import Problem, SpecError, near_match
from hpo.quiet import without_notices

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
MAX_SHOWN = 80

OBJECTIVE, KERAS_TUNER = "objective", "keras_tuner"
KINDS = (KERAS_TUNER, OBJECTIVE)
"""What code may be besides a builder: ``objective:module:function`` and so on."""


@dataclass(frozen=True)
class Home:
    """Where code that a study file names may come from.

    Args:
        folder: Of the study file.
        allowed: Names of packages that may be used besides.
        variables: Names and values that processes which import the code find in their
            environment.
    """

    folder: Path = Path()
    allowed: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a process that is to import the code."""
        return {**os.environ, **dict(self.variables)}


def kind_of(model: str) -> str:
    """Return the kind of code that a model names, or an empty text.

    Example:
        >>> kind_of("objective:mine:elbo"), kind_of("objective:build")
        ('objective', '')
    """
    kind, _, rest = model.partition(":")
    return kind if kind in KINDS and ":" in rest else ""


def why_malformed(name: str) -> str | None:
    """Say what is wrong with the form of ``module:function``, or None.

    Example:
        >>> why_malformed("network")
        "expected module:function, such as network:build; got 'network'"
    """
    if _NAME.fullmatch(name):
        return None
    got = name if len(name) <= MAX_SHOWN else f"{name[: MAX_SHOWN - 3]}..."
    return f"expected module:function, such as network:build; got {got!r}"


def why_not_found(name: str, home: Home) -> str | None:
    """Say why the module of ``module:function`` may not be used, without importing."""
    if what := why_malformed(name):
        return what
    module = name.partition(":")[0]
    if _is_allowed(module, home):
        return None
    package = module.partition(".")[0]
    file = _file_beside(module, home)
    if file is not None and package in sys.stdlib_module_names:
        return (
            f"{file.name} has the name of a module of Python's own, {package!r}, which "
            "other modules would get instead; rename it"
        )
    if file is not None:
        return None
    beside = sorted(file.stem for file in home.folder.glob("*.py"))
    return (
        f"there is no {module.replace('.', '/')[:MAX_SHOWN]}.py beside the study file"
        f"{near_match(module, beside)}; to use an installed package, allow it: "
        f"--allow-module {package[:MAX_SHOWN]}"
    )


def find(name: str, home: Home, *, where: str) -> Callable[..., Any]:
    """Import a module and return its function.

    Args:
        name: ``module:function``.
        home: Where the module may come from.
        where: Key of the study file that names it, for messages.

    Raises:
        SpecError: There is no such function, it may not be used, or its module fails.
    """
    if what := why_not_found(name, home):
        raise SpecError([Problem(where, what)])
    module_name, _, function_name = name.partition(":")
    module = _import(module_name, home, where)
    names = [n for n, v in vars(module).items() if callable(v) and n[0] != "_"]
    if function_name not in vars(module):
        hint = near_match(function_name, names)
        what = f"{module_name} has no function {function_name!r}{hint}"
        raise SpecError([Problem(where, what)])
    function = vars(module)[function_name]
    if not callable(function):
        what = f"expected a function; {name} is {type(function).__name__}"
        raise SpecError([Problem(where, what)])
    if what := _why_foreign(name, function, home):
        raise SpecError([Problem(where, what)])
    found: Callable[..., Any] = function
    return found


def last_line_in(error: BaseException, folder: Path) -> str:
    """Word an error with the last line of the user's code that it went through.

    Example:
        >>> last_line_in(ValueError("no rows"), Path())
        'ValueError: no rows'
    """
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    places = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        said = f"{type(error).__name__}: {error.msg}"
        places.append((error.filename, error.lineno))
    for filename, line in reversed(places):
        if _is_own(Path(filename), folder):
            return f"{Path(filename).name}:{line}: {said}"
    return said


def _is_own(file: Path, folder: Path) -> bool:
    """Tell a file of the user's from one of a library installed below the folder."""
    if not file.is_absolute():  # <string>, <frozen importlib>
        return False
    own = file.resolve().is_relative_to(folder.resolve())
    return own and "site-packages" not in file.parts


def code_digest(model: str, home: Home) -> str:
    """Return the SHA-256 of the file that a model's code is in.

    Args:
        model: As a study file names it.
        home: Where the code is.

    Returns:
        Empty for a family of the package's own, and for code of an installed package.
    """
    name = model.removeprefix(f"{kind_of(model)}:")
    if ":" not in name:
        return ""
    module = name.partition(":")[0]
    file = None if _is_allowed(module, home) else _file_beside(module, home)
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest() if file else ""
    except OSError:  # whoever imports it says what is wrong with it
        return ""


def _is_allowed(module: str, home: Home) -> bool:
    return any(module == a or module.startswith(f"{a}.") for a in home.allowed)


def _file_beside(module: str, home: Home) -> Path | None:
    path = home.folder.absolute().joinpath(*module.split("."))
    try:
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if file.is_file():
                return file
    except OSError:  # a name that is too long, or a folder that may not be read
        return None
    return None


def _import(module: str, home: Home, where: str) -> ModuleType:
    file = None if _is_allowed(module, home) else _file_beside(module, home)
    folder = str(home.folder.absolute())
    if file is not None and folder not in sys.path:
        sys.path.insert(0, folder)
        # The folder may have been looked into before the file was written.
        importlib.invalidate_caches()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with without_notices():
            imported = importlib.import_module(module)
    except SystemExit as error:
        what = f"{module} cannot be imported: it exits when it is imported"
        raise SpecError([Problem(where, what)]) from error
    except Exception as error:
        said = last_line_in(error, home.folder)
        what = f"{module} cannot be imported: {said}"
        raise SpecError([Problem(where, what)]) from error
    origin = getattr(imported, "__file__", None)
    if file is not None and (
        origin is None or Path(origin).resolve() != file.resolve()
    ):
        what = (
            f"{file.name} has the name of another module, which Python takes "
            f"instead{f', {origin}' if origin else ''}; rename it"
        )
        raise SpecError([Problem(where, what)])
    return imported


def _why_foreign(name: str, function: object, home: Home) -> str | None:
    """Refuse what a module beside only imports, such as ``run`` of ``subprocess``."""
    while isinstance(function, partial):
        function = function.func
    module = getattr(function, "__module__", None) or "builtins"
    own = module.partition(".")[0] in sys.stdlib_module_names
    beside = not own and _file_beside(module, home) is not None
    if beside or _is_allowed(module, home):
        return None
    return (
        f"{name} is defined in {module}; expected a function that is defined beside "
        "the study file; write one there that calls it"
    )
