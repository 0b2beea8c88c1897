"""The space of a hypermodel, found in a child process.

The user's code, Keras and TensorFlow are never imported here: see
`hpo.models.keras_tuner_child` for what that process does.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from hpo.errors import HpoError, Problem, SpecError
from hpo.models.keras_tuner_space import hypermodel_name
from hpo.records import ParamValue
from hpo.space import Space
from hpo.space.keras_tuner_reading import KerasTunerSpace
from hpo.user_code import Home, why_not_found

TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True)
class Discovered:
    """What a hypermodel asks for.

    Args:
        space: Its hyperparameters.
        defaults: Its own default of each.
        notes: What a user should know, a sentence each.
        refused: Arguments of training that its own ``fit`` chooses itself, such as
            ``epochs``.
    """

    space: Space
    defaults: Mapping[str, ParamValue]
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def discover(
    name: str, home: Home, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> Discovered:
    """Find the space of a hypermodel by calling it in a child process.

    It is called until every conditional scope was active once, then with other values
    of each hyperparameter: see `hpo.space.keras_tuner_exploration`. Nothing is trained.

    Args:
        name: ``keras_tuner:module:name``.
        home: Where the module may be found.
        timeout_seconds: How long that may take, imports included.

    Raises:
        SpecError: There is no such hypermodel, it may not be used, or it fails for its
            own default values.
    """
    own = hypermodel_name(name)
    if what := why_not_found(own, home):
        raise SpecError([Problem("model", what)])
    request = (name, str(home.folder.absolute()), home.allowed)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hpo.models.keras_tuner_child"],
            input=pickle.dumps(request),
            capture_output=True,
            timeout=timeout_seconds,
            env=home.environment
            | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        what = f"{own} took longer than {timeout_seconds:g} s to tell its space"
        raise SpecError([Problem("model", what)]) from None
    try:
        answer = pickle.loads(done.stdout)
    except (EOFError, pickle.UnpicklingError):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        last = said[-1] if said else "no message"
        what = f"{own} ended Python (exit code {done.returncode}): {last}"
        raise SpecError([Problem("model", what)]) from None
    if isinstance(answer, HpoError):
        raise answer
    found: KerasTunerSpace = answer[0]
    return _discovered(found, answer[1])


def _discovered(found: KerasTunerSpace, refused: tuple[str, ...]) -> Discovered:
    return Discovered(
        space=Space(**found.declared),
        defaults=found.defaults,
        notes=found.notes,
        refused=tuple(sorted(refused)),
    )
