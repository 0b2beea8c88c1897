"""Numbers and choices: which are the same, and which lie between two bounds.

Plain functions of plain values; nothing here knows a hyperparameter.
"""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hpo.records import ParamValue


def is_number(value: object) -> bool:
    """Tell whether a value is a finite number, and not true or false."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return False
    # A whole number too large for a float is a number all the same.
    return isinstance(value, int) or math.isfinite(float(value))


def same(a: object, b: object) -> bool:
    """Equal and of the same kind: 1 is 1.0, but 1 is not True."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def alike(a: Any, b: Any) -> bool:
    """Tell whether two values are the same choice, but for rounding."""
    if is_number(a) and is_number(b) and (isinstance(a, float) or isinstance(b, float)):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return same(a, b)


def among(value: object, values: Any) -> bool:
    """Tell whether a value is one of the values, in the sense of `same`."""
    if isinstance(values, range):
        return not isinstance(value, bool) and value in values
    return any(same(value, other) for other in values)


def distinct(values: list[ParamValue]) -> list[ParamValue]:
    """Return the values without those that are the `same` as an earlier one."""
    seen = {(value, isinstance(value, bool)): value for value in values}
    return list(seen.values())


def steps(low: float, high: float, step: float) -> list[Decimal]:
    """Count from low to high in decimal, so that 3 steps of 0.1 are 0.3."""
    start, width = Decimal(str(low)), Decimal(str(step))
    n_steps = int((Decimal(str(high)) - start) / width)
    return [start + index * width for index in range(n_steps + 1)]


def spaced(
    low: float, high: float, points: int, *, log: bool, short: bool = False
) -> list[float]:
    """Return so many values from low to high, evenly on their scale.

    With ``short``, those between are rounded to six digits, which is enough to read,
    unless the range is too narrow for that.
    """
    if low == high:
        return [float(low)]
    if points == 1:
        return [middle(low, high, log=log)]
    shares = [index / (points - 1) for index in range(1, points - 1)]
    if log:
        inner = [low * (high / low) ** share for share in shares]
    else:
        inner = [low + (high - low) * share for share in shares]
    exact = [float(low), *inner, float(high)]
    if not short:
        return exact
    rounded = [float(low), *(float(f"{v:.6g}") for v in inner), float(high)]
    return rounded if all(a < b for a, b in pairwise(rounded)) else exact


def thin(values: Any, points: int | None) -> Any:
    """Take ``points`` of the values, evenly from the first to the last."""
    if values is None or points is None or points >= len(values):
        return values
    if points == 1:
        return (values[(len(values) - 1) // 2],)
    return tuple(
        values[round(i * (len(values) - 1) / (points - 1))] for i in range(points)
    )


def middle(low: float, high: float, *, log: bool) -> float:
    """Return the middle of a range, the geometric one if log."""
    return math.sqrt(low * high) if log else (low + high) / 2


def closest(values: Any, wanted: Any) -> Any:
    """Return the value nearest to the wanted one, the lower of two equally near."""
    return min(values, key=lambda value: (abs(value - wanted), value))
