"""The process in which the space of a hypermodel is found: it imports user's code.

Run as a module it reads a request from standard input and writes the answer to what was
standard output, both pickled, for the process that started it and for nobody else.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

from hpo.errors import HpoError, Problem, SpecError
from hpo.garbage import rarely_looked_for
from hpo.models.builder_code import kind_of, one_line
from hpo.models.keras_tuner_code import HypermodelCode
from hpo.models.keras_tuner_probe import N_ROWS, try_out
from hpo.models.keras_tuner_space import RESERVED
from hpo.space.keras_tuner_exploration import Explorer
from hpo.space.keras_tuner_reading import KerasTunerSpace, read
from hpo.user_code import Home, last_line_in


def find_space(name: str, home: Home) -> tuple[KerasTunerSpace, tuple[str, ...]]:
    """Find the space of a hypermodel in this process.

    Args:
        name: ``keras_tuner:module:name``.
        home: Where the module may be found.

    Returns:
        What was found, with notes, and the arguments of training that its own ``fit``
        chooses itself.

    Raises:
        SpecError: It cannot be imported, fails for its default values, or its
            hyperparameters make no sense.
    """
    code = HypermodelCode(name, home)
    hypermodel = code.hypermodel
    import keras_tuner

    trial = _Trial(code)
    explorer = Explorer(
        trial.run, keras_tuner.HyperParameters, word=lambda error: _said(error, home)
    )
    try:
        hypermodel.declare_hyperparameters(explorer.known)
        explorer.explore()
    except HpoError:
        raise
    except Exception as error:
        what = f"{_said(error, home)} ({code.name}, with its default values)"
        raise SpecError([Problem("model", what)]) from error
    try:
        found = read(explorer.known.space, reserved=RESERVED)
    except SpecError as error:
        problems = [Problem("model", f"hyperparameter {p}") for p in error.problems]
        raise SpecError(problems) from error
    notes = (*found.notes, *explorer.notes, *trial.notes)
    return KerasTunerSpace(found.declared, found.defaults, notes), tuple(trial.refused)


class _Trial:
    """Builds a model, and tries out the ``fit`` that is the hypermodel's own.

    Attributes:
        notes: Why ``fit`` could not be tried out, once.
        refused: Arguments that it chooses itself.
    """

    def __init__(self, code: HypermodelCode) -> None:
        self._code = code
        self._has_fit = code.has_own_fit
        self.notes: list[str] = []
        self.refused: set[str] = set()

    def run(self, hp: Any) -> None:
        import keras

        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(0)
        model = self._code.build_with(hp)
        if kind_of(model) != "keras":
            expected = f"expected a keras.Model; got {type(model).__name__}"
            raise SpecError([Problem("model", f"{self._code.name}: {expected}")])
        if self._has_fit:
            self._try_fit(hp, model)

    def _try_fit(self, hp: Any, model: Any) -> None:
        x, y = _made_up(model)
        options = {
            "validation_data": (x, y),
            "epochs": 1,
            "batch_size": N_ROWS,
            "callbacks": [],
            "verbose": 0,
        }
        try:
            found = try_out(self._code.hypermodel, hp, model, x, y, options)
        except Exception as error:
            if not self.notes:
                self.notes.append(
                    "its fit could not be tried out on made-up rows "
                    f"({_said(error, self._code.home)}): what it asks hp for after "
                    "that line was not found"
                )
            return
        self.refused |= found


def _made_up(model: Any) -> tuple[Any, Any]:
    """Return rows and targets of the shapes that a model has, if it says so."""
    import numpy as np

    try:
        shape = tuple(size or 1 for size in model.input_shape[1:])
    except (AttributeError, TypeError, ValueError):
        shape = (1,)
    return np.zeros((N_ROWS, *shape), "float32"), np.zeros(N_ROWS, "int64")


def _said(error: Exception, home: Home) -> str:
    return one_line(last_line_in(error, home.folder))


def main() -> None:
    """Answer one request."""
    rarely_looked_for()
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what the user's code prints is no answer
        name, folder, allowed = pickle.load(sys.stdin.buffer)
        answer: Any
        try:
            answer = find_space(name, Home(Path(folder), allowed))
        except HpoError as error:
            answer = error
        sys.stdout.flush()
        pickle.dump(answer, answers)


if __name__ == "__main__":
    main()
