"""One hyperparameter of Keras Tuner's as one of a space: the same values, no others.

It reads such an object by the names of its class and attributes, so that Keras Tuner is
not imported. Conditions and names are `hpo.space.from_keras_tuner`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.records import ParamValue
from hpo.space.checks import MAX_CHOICES
from hpo.space.kinds import Categorical, Float, Hyperparameter, Int
from hpo.space.values import Steps, brief

KINDS = ("Fixed", "Boolean", "Choice", "Int", "Float")
LEVELS = 64
"""Values that stand for a range on the scale ``reverse_log``, which no space has."""
FEW = 32
"""A ``reverse_log`` range of so few whole numbers is all of them."""
UNORDERED = "its numbers are ordered here: a Bayesian search takes near ones for alike"


def as_hyperparameter(given: Any) -> Hyperparameter:
    """Turn one hyperparameter of Keras Tuner's into ours, without its conditions.

    A ``step`` of a logarithmic scale multiplies, so such a range becomes ordered
    choices, as does a stepped range of floats whose values are not exact decimals:
    Keras Tuner's third step of 0.1 is 0.30000000000000004, and so is ours. A range
    whose greatest value is no whole number of steps away ends at the last one that is.
    On the scale ``reverse_log``, dense near the greatest value, the choices are the
    middles of `LEVELS` equally likely parts of Keras Tuner's own scale.

    Raises:
        SpecError: It is of an unknown kind, or its values make no sense.
    """
    kind = kind_of(given)
    if kind == "Fixed":
        return Categorical((given.value,))
    if kind == "Boolean":
        return Categorical((False, True))
    if kind == "Choice":
        return Categorical(tuple(dict.fromkeys(given.values)))
    if given.sampling == "reverse_log" and given.step is None:
        return _reverse_log(given, whole=kind == "Int")
    if given.step is not None and given.sampling != "linear":
        return Categorical(_in_order(given, given.values, whole=kind == "Int"))
    log = given.sampling == "log"
    if kind == "Int":
        step = None if given.step in (None, 1) else int(given.step)
        return Int(given.min_value, given.max_value, log=log, step=step)
    if given.step is None:
        return Float(given.min_value, given.max_value, log=log)
    return _stepped(given)


def kind_of(given: Any) -> str:
    """Return which of `KINDS` an object is.

    Raises:
        SpecError: None of them.
    """
    names = [base.__name__ for base in type(given).__mro__]
    for name in names:
        if name in KINDS:
            return name
    expected = f"expected one of Keras Tuner's {', '.join(KINDS)}"
    raise SpecError([Problem("", f"{expected}; got {names[0]}")])


def ends(given: Hyperparameter, few: int = 8) -> Sequence[ParamValue]:
    """Return values that show most of what code may do with a hyperparameter.

    All of them if they are few or no numbers, else the least and the greatest.
    """
    if isinstance(given, Categorical):
        numbers = given.ordered and len(given.choices) > few
        return (given.choices[0], given.choices[-1]) if numbers else given.choices
    values = given.values
    if values is not None and len(values) <= few:
        return tuple(values)
    last = given.high if values is None else values[-1]
    return (given.low, last)


def _stepped(given: Any) -> Float | Categorical:
    low, step = float(given.min_value), float(given.step)
    n_values = int((given.max_value - low) // step) + 1
    if n_values > MAX_CHOICES:
        # Too many to list: the values of both agree but for the last digit.
        return Float(low, low + (n_values - 1) * step, step=step)
    own = tuple(float(value) for value in given.values)
    if tuple(Steps(own[0], own[-1], step)) == own:
        return Float(own[0], own[-1], step=step if n_values > 1 else None)
    return Categorical(own)


def _reverse_log(given: Any, *, whole: bool) -> Int | Categorical:
    low, high = given.min_value, given.max_value
    if whole and high - low < FEW:
        return Int(low, high)
    shares = ((level + 0.5) / LEVELS for level in range(LEVELS))
    values = [given.prob_to_value(share) for share in shares]
    return Categorical(_in_order(given, [*values, *_held(given)], whole=whole))


def _held(given: Any) -> list[float]:
    """Return the default if it is in the range, that trial 0 may have it."""
    within = given.min_value <= given.default <= given.max_value
    return [given.default] if within else []


def _in_order(given: Any, values: Any, *, whole: bool) -> tuple[float, ...]:
    typed = {int(value) if whole else float(value) for value in values}
    if len(typed) > MAX_CHOICES:
        what = f"makes more than {MAX_CHOICES} values; got {brief(given.step)}"
        raise SpecError([Problem("step", what)])
    return tuple(sorted(typed))
