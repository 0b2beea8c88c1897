"""Trying out the ``fit`` of a hypermodel on a few rows, without training.

It finds what such a ``fit`` asks the container of hyperparameters for, and which
arguments it chooses itself: both only show when it is called. ``model.fit`` does
nothing meanwhile; a loop of the user's own does run, on a few rows.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping
from typing import Any

N_ROWS = 8
"""Rows that a ``fit`` is tried out on."""

_TWICE = re.compile(r"multiple values for keyword argument '(\w+)'")


class Curves(dict[str, list[float]]):
    """The history of a training that did not happen: any curve, one epoch long."""

    def __missing__(self, name: str) -> list[float]:
        return [0.0]


class NoHistory:
    """What ``model.fit`` returns while it does nothing."""

    def __init__(self) -> None:
        self.history, self.epoch = Curves(), [0]
        self.params: dict[str, Any] = {}


def try_out(
    hypermodel: Any, hp: Any, model: Any, x: Any, y: Any, options: Mapping[str, Any]
) -> set[str]:
    """Call ``fit`` with a ``model.fit`` that does nothing.

    Args:
        hypermodel: Has the ``fit``.
        hp: The container that it asks; it is changed.
        model: A new one.
        x: A few rows.
        y: Their targets.
        options: What it would be given by name.

    Returns:
        Names of the options that it refuses, as it gives them to ``model.fit`` itself.

    Raises:
        Exception: What the user's ``fit`` raises otherwise.
    """
    object.__setattr__(model, "fit", lambda *_, **__: NoHistory())
    refused: set[str] = set()
    while True:
        given = accepted(hypermodel.fit, options, refused)
        try:
            hypermodel.fit(hp, model, x, y, **given)
        except TypeError as error:
            # Python says so before anything of `model.fit` has run.
            found = _TWICE.search(str(error))
            if found is None or found[1] not in given:
                raise
            refused.add(found[1])
        else:
            return refused


def accepted(
    fit: Any, options: Mapping[str, Any], refused: Collection[str]
) -> dict[str, Any]:
    """Leave out what a ``fit`` refuses, or has no place for in its signature."""
    parameters = inspect.signature(fit).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {
        name: value
        for name, value in options.items()
        if (takes_all or name in parameters) and name not in refused
    }
