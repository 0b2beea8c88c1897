"""How the values of a hyperparameter lie on an axis, and which hyperparameters varied.

Every value becomes a number: categories by their place, as plotly would take texts for
dates or numbers where they look like some.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hpo.records import ParamValue, Trial
from hpo.report.look import written
from hpo.space import Categorical, Hyperparameter, Space
from hpo.space.values import identity, is_number

MAX_CATEGORIES = 40
"""Choices of which all are on the axis, even those that no trial took."""

MAX_TICKS = 12
MAX_EXACT = 5
"""Different numbers of which each has a label of its own."""


@dataclass(frozen=True)
class Axis:
    """One hyperparameter that varied.

    Args:
        name: Of the hyperparameter, as the user wrote it.
        positions: Where each trial's value lies, in the order of the trials; the value
            itself, on a logarithmic axis its logarithm to base 10, and the place of a
            category. None where it was not active.
        low: Least position.
        high: Greatest position.
        ticks: Positions that have a label.
        labels: Their labels, not escaped.
        log: Positions are logarithms.
        categories: Positions are places of categories.
    """

    name: str
    positions: tuple[float | None, ...]
    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    log: bool = False
    categories: bool = False


def varying(
    trials: Sequence[Trial], space: Space | None, order: Sequence[str] = ()
) -> list[str]:
    """Return the hyperparameters that had more than one value.

    Args:
        trials: Which to look at.
        space: Gives the order; hyperparameters that it does not have come last.
        order: Names to put first, such as the most important ones.
    """
    seen: dict[str, set[Hashable]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            seen.setdefault(name, set()).add(identity(value))
    names = dict.fromkeys((*order, *(space.names if space else ()), *seen))
    return [name for name in names if len(seen.get(name, ())) > 1]


def make_axis(name: str, trials: Sequence[Trial], space: Space | None) -> Axis:
    """Return the axis of a hyperparameter that at least one of the trials has."""
    hyperparameter = space.hyperparameters.get(name) if space else None
    values = [trial.params[name] for trial in trials if name in trial.params]
    numeric = all(map(is_number, values))
    if isinstance(hyperparameter, Categorical) or not numeric:
        return _categories(name, trials, _choices(hyperparameter, values))
    return _numbers(name, trials, hyperparameter)


def _choices(
    hyperparameter: Hyperparameter | None, values: Sequence[ParamValue]
) -> list[ParamValue]:
    """Return the choices in the order of the space, ordered ones by size."""
    known: Sequence[ParamValue] = ()
    if isinstance(hyperparameter, Categorical):
        known = hyperparameter.choices
    distinct = {identity(value): value for value in (*known, *values)}
    if len(distinct) > MAX_CATEGORIES:
        taken = {identity(value) for value in values}
        distinct = {key: value for key, value in distinct.items() if key in taken}
    choices = list(distinct.values())
    if all(map(is_number, choices)):
        return sorted(choices, key=_size)
    return choices


def _size(value: Any) -> Any:
    return value


def _categories(
    name: str, trials: Sequence[Trial], choices: Sequence[ParamValue]
) -> Axis:
    place = {identity(choice): float(i) for i, choice in enumerate(choices)}
    every = math.ceil(len(choices) / MAX_TICKS)
    ticks = range(0, len(choices), every)
    return Axis(
        name,
        tuple(
            place[identity(trial.params[name])] if name in trial.params else None
            for trial in trials
        ),
        0.0,
        float(len(choices) - 1),
        tuple(map(float, ticks)),
        tuple(written(choices[tick], 20) for tick in ticks),
        categories=True,
    )


def _numbers(
    name: str, trials: Sequence[Trial], hyperparameter: Hyperparameter | None
) -> Axis:
    found: list[Any] = [trial.params.get(name) for trial in trials]
    given = [value for value in found if value is not None]
    wanted_log = bool(getattr(hyperparameter, "log", False))
    log = wanted_log and min(given) > 0
    positions = [
        None if value is None else math.log10(value) if log else float(value)
        for value in found
    ]
    inside = [position for position in positions if position is not None]
    low, high = min(inside), max(inside)
    whole = all(isinstance(value, int) for value in given)
    ticks = log_ticks(low, high) if log else even_ticks(low, high, whole=whole)
    widest = max(len(written(value)) for value in given)
    if len(set(given)) <= MAX_EXACT and _apart(set(inside), widest):
        ticks = sorted(set(zip(inside, given, strict=True)))
    return Axis(
        name,
        tuple(positions),
        low,
        high,
        tuple(tick for tick, _ in ticks),
        tuple(written(value) for _, value in ticks),
        log=log,
    )


def _apart(positions: Collection[float], widest: int) -> bool:
    """Tell whether labels of so many characters have room beside each other."""
    ordered = sorted(positions)
    room = (ordered[-1] - ordered[0]) * max(1 / 8, (widest + 2) / 40)
    return all(b - a >= room for a, b in pairwise(ordered))


def even_ticks(
    low: float, high: float, *, whole: bool, n: int = 5
) -> list[tuple[float, float]]:
    """Return about ``n`` round numbers from low to high, each as position and value."""
    if low == high:
        return [(low, low)]
    exact = (high - low) / n
    power = 10.0 ** math.floor(math.log10(exact))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= exact * 0.999)
    if whole:
        step = max(step, 1.0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Times a step such as 0.1 they would not be round.
    digits = max(0, 1 - math.floor(math.log10(step)))
    values = [round(place * step, digits) for place in range(first, last + 1)]
    return [(value, int(value) if whole else value) for value in values]


def log_ticks(low: float, high: float) -> list[tuple[float, float]]:
    """Return round numbers on a logarithmic axis, each as position and value.

    Args:
        low: Logarithm to base 10 of the least number.
        high: Of the greatest.
    """
    for multiples, every in (((1, 2, 3, 5), 1), ((1, 2, 5), 1), ((1, 3), 1), ((1,), 1)):
        ticks = _log_ticks(low, high, multiples, every)
        if len(ticks) <= 5:
            break
    else:
        ticks = _log_ticks(low, high, (1,), math.ceil((high - low) / 5))
    if len(ticks) < 2:
        values = sorted({float(f"{10**end:.3g}") for end in (low, high)})
        return [(math.log10(value), value) for value in values]
    return ticks


def _log_ticks(
    low: float, high: float, multiples: Sequence[int], every: int
) -> list[tuple[float, float]]:
    powers = range(math.floor(low), math.floor(high) + 1)
    values = [
        float(f"{m}e{power}")
        for power in powers
        for m in multiples
        if power % every == 0
    ]
    ticks = [(math.log10(value), value) for value in values]
    return [(at, value) for at, value in ticks if low - 0.01 <= at <= high + 0.01]
