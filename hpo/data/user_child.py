"""Run one function of the user's that makes data, and answer with the data set.

It is the other end of `hpo.data.user_data`: the process that this one starts. It owns
what the function sees: the study's folder to import from, no input, and an output that
cannot get into the answer.
"""

from __future__ import annotations

import inspect
import os
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

from hpo.data.returned import dataset_of
from hpo.data.wish import Wish
from hpo.errors import DataError, HpoError, near_match
from hpo.records import Dataset
from hpo.user_code import find, last_line_in


def main() -> None:
    """Read a wish from standard input and write a data set or an error to the output.

    Both are pickled, for the process that started this one and for nobody else.
    """
    wish: Wish = pickle.load(sys.stdin.buffer)
    lifeline = os.dup(0)
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115, it stays open
        answer: Dataset | HpoError
        try:
            answer = make(wish)
        except HpoError as error:
            answer = error
        sys.stdout.flush()
        pickle.dump(answer, answers, protocol=5)


def _die_with(lifeline: int) -> None:
    """End this process as soon as the one that holds the other end has ended."""
    os.read(lifeline, 1)
    os._exit(1)


def make(wish: Wish) -> Dataset:
    """Call the function and turn what it returns into a data set.

    Raises:
        SpecError: There is no such function.
        DataError: It fails, or does not return data.
    """
    function = find(wish.source, wish.home, where="data.source")
    _check_options(function, wish)
    try:
        returned = function(**wish.options)
    except SystemExit as error:
        problem = f"{wish.source} exits ({error.code!r}) rather than return data"
        raise DataError(f"data.source: {problem}") from error
    except Exception as error:
        said = last_line_in(error, wish.home.folder)
        raise DataError(f"data.source: {wish.source} fails: {said}") from error
    return dataset_of(returned, wish)


def _check_options(function: Callable[..., Any], wish: Wish) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C: its call says what is wrong
        return
    try:
        signature.bind(**wish.options)
    except TypeError as error:
        names = [
            name
            for name, parameter in signature.parameters.items()
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        strange = next((name for name in wish.options if name not in names), "")
        hint = near_match(strange, names) if strange else ""
        has = f"its parameters are {', '.join(names)}" if names else "it takes none"
        raise DataError(
            f"data.source: {wish.source}: {error}{hint or f'; {has}'}"
        ) from error
