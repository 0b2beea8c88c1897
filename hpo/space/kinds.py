"""The kinds of hyperparameters: `Float`, `Int` and `Categorical`.

Each knows its values, draws one, tells whether it holds one, and refuses to be made
with bounds or choices that make no sense.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpo.errors import Problem, SpecError
from hpo.records import ParamValue
from hpo.space.values import (
    alike,
    closest,
    is_number,
    middle,
    same,
    spaced,
    steps,
    thin,
)

if TYPE_CHECKING:
    import numpy as np

WIDE_INT = 100
"""A grid needs ``points`` or ``step`` for an integer range with more values."""
MAX_CHOICES = 10_000
MAX_WHOLE = 2**53
"""The largest whole number that every library here takes for what it is."""

When = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Conditional:
    when: When | None = None
    repeat: str | None = None


@dataclass(frozen=True)
class Float(_Conditional):
    """A real number from ``low`` to ``high``, both included.

    Args:
        low: Least value.
        high: Greatest value.
        log: Search it on a logarithmic scale; ``low`` must be above 0.
        step: Only ``low``, ``low + step``, ... up to ``high``; not together with log.
        points: How many values a grid takes, spaced evenly on the scale.
        when: Active only if these hyperparameters have one of these values.
        repeat: Name of an integer hyperparameter; one value for each of its units.

    Raises:
        SpecError: A bound, step or number of points makes no sense.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    points: int | None = None

    def __post_init__(self) -> None:
        _check_range(self)

    @cached_property
    def values(self) -> tuple[float, ...] | None:
        """All values in order, or None if there is a continuum."""
        if self.step is not None:
            return tuple(float(v) for v in steps(self.low, self.high, self.step))
        return (float(self.low),) if self.low == self.high else None

    def grid(self) -> tuple[float, ...] | None:
        """Return the values a grid visits, or None if ``points`` is needed."""
        if self.points is None or self.values is not None:
            thinned: tuple[float, ...] | None = thin(self.values, self.points)
            return thinned
        return tuple(spaced(self.low, self.high, self.points, log=self.log, short=True))

    def draw(self, rng: np.random.Generator) -> float:
        if self.values is not None:
            return self.values[int(rng.integers(len(self.values)))]
        if self.log:
            drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
            return min(max(drawn, float(self.low)), float(self.high))
        return float(rng.uniform(self.low, self.high))

    def holds(self, value: Any) -> bool:
        if not is_number(value) or not self.low <= value <= self.high:
            return False
        return self.values is None or any(alike(value, v) for v in self.values)

    def nearest(self, value: Any) -> float:
        """Move a default into the range; the middle of it if there is none."""
        wanted = (
            float(value)
            if is_number(value)
            else middle(self.low, self.high, log=self.log)
        )
        wanted = min(max(wanted, float(self.low)), float(self.high))
        return closest(self.values, wanted) if self.values else wanted


@dataclass(frozen=True)
class Int(_Conditional):
    """A whole number from ``low`` to ``high``, both included; see `Float`."""

    low: int
    high: int
    log: bool = False
    step: int | None = None
    points: int | None = None

    def __post_init__(self) -> None:
        _check_range(self)

    @cached_property
    def values(self) -> range:
        """All values in order."""
        return range(self.low, self.high + 1, self.step or 1)

    def grid(self) -> tuple[int, ...] | None:
        if self.points is not None and not self.step:
            exact = spaced(self.low, self.high, self.points, log=self.log)
            return tuple(dict.fromkeys(round(value) for value in exact))
        wide = self.step is None and self.points is None and len(self.values) > WIDE_INT
        return None if wide else thin(tuple(self.values), self.points)

    def draw(self, rng: np.random.Generator) -> int:
        if not self.log:
            return self.values[int(rng.integers(len(self.values)))]
        # Each integer owns the interval of +-0.5 around it, as in Optuna.
        drawn = rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5))
        return min(max(round(math.exp(drawn)), self.low), self.high)

    def holds(self, value: Any) -> bool:
        return is_number(value) and value == int(value) and int(value) in self.values

    def nearest(self, value: Any) -> int:
        wanted = (
            float(value)
            if is_number(value)
            else middle(self.low, self.high, log=self.log)
        )
        # The nearest multiple of the step, the lower one of two that are equally near.
        index = math.ceil((wanted - self.low) / (self.step or 1) - 0.5)
        return self.values[min(max(index, 0), len(self.values) - 1)]


@dataclass(frozen=True)
class Categorical(_Conditional):
    """One of some values. A list of numbers is ordered, any other list is not.

    Args:
        choices: Distinct numbers, texts, booleans or None.
        when: Active only if these hyperparameters have one of these values.
        repeat: Name of an integer hyperparameter; one value for each of its units.

    Raises:
        SpecError: No choice, a choice twice, or a choice that is no plain value.
    """

    choices: tuple[ParamValue, ...]

    def __post_init__(self) -> None:
        if isinstance(self.choices, str) or not isinstance(self.choices, Iterable):
            what = f"expected a list of choices; got {self.choices!r}"
            raise SpecError([Problem("", what)])
        object.__setattr__(self, "choices", tuple(self.choices))
        _check_choices(self.choices)

    @property
    def ordered(self) -> bool:
        return all(is_number(choice) for choice in self.choices)

    @property
    def values(self) -> tuple[ParamValue, ...]:
        return self.choices

    def grid(self) -> tuple[ParamValue, ...]:
        return self.choices

    def draw(self, rng: np.random.Generator) -> ParamValue:
        return self.choices[int(rng.integers(len(self.choices)))]

    def holds(self, value: Any) -> bool:
        return any(same(value, choice) for choice in self.choices)

    def nearest(self, value: Any) -> ParamValue:
        if value is None:
            return self.choices[0]
        if self.holds(value) or not self.ordered or not is_number(value):
            return next((c for c in self.choices if same(value, c)), self.choices[0])
        nearest: ParamValue = closest(self.choices, value)
        return nearest


Hyperparameter = Float | Int | Categorical


def describe(hyperparameter: Hyperparameter) -> str:
    """Word the values of a hyperparameter, as in ``0.0001 to 0.1 (log)``."""
    if isinstance(hyperparameter, Categorical):
        shown = [str(choice) for choice in hyperparameter.choices[:8]]
        more = len(hyperparameter.choices) - len(shown)
        return ", ".join(shown) + (f", ... ({more} more)" if more else "")
    text = f"{hyperparameter.low} to {hyperparameter.high}"
    if hyperparameter.low == hyperparameter.high:
        text = str(hyperparameter.low)
    if hyperparameter.log:
        text += " (log)"
    if hyperparameter.step is not None:
        text += f" in steps of {hyperparameter.step}"
    return text


def constant(hyperparameter: Hyperparameter) -> bool:
    """Tell whether there is only one value."""
    return hyperparameter.values is not None and len(hyperparameter.values) == 1


def as_hyperparameter(given: object) -> Hyperparameter:
    """Take a list for choices, and any other plain value for a constant."""
    if isinstance(given, Float | Int | Categorical):
        return given
    if isinstance(given, list | tuple):
        return Categorical(tuple(given))
    return Categorical((given,))  # type: ignore[arg-type]


def _check_range(hp: Float | Int) -> None:
    """Refuse a range that makes no sense, naming every mistake in it."""
    problems: list[Problem] = []
    whole = isinstance(hp, Int)
    kind = "a whole number" if whole else "a finite number"
    for name in ("low", "high", "step"):
        value = getattr(hp, name)
        optional = name == "step" and value is None
        if not optional and not (
            is_number(value) and (not whole or value == int(value))
        ):
            problems.append(Problem(name, f"expected {kind}; got {value!r}"))
    if not problems:
        problems = [Problem(*pair) for pair in _range_problems(hp)]
    if problems:
        raise SpecError(problems)
    if whole:
        for name in ("low", "high", "step"):
            if getattr(hp, name) is not None:
                object.__setattr__(hp, name, int(getattr(hp, name)))


def _range_problems(hp: Float | Int) -> Iterator[tuple[str, str]]:
    if isinstance(hp, Int) and max(abs(hp.low), abs(hp.high)) > MAX_WHOLE:
        got = f"got {hp.low} and {hp.high}"
        yield "", f"expected whole numbers up to 2**53 = {MAX_WHOLE}; {got}"
        return
    if hp.low > hp.high:
        yield "", f"low must not be above high; got {hp.low} and {hp.high}"
    if hp.log and hp.low <= 0:
        yield "", f"low must be above 0 because log is true; got {hp.low}"
    if hp.log and hp.step is not None:
        yield "step", "log and step exclude each other; remove one"
    if hp.step is not None and hp.step <= 0:
        yield "step", f"expected a number above 0; got {hp.step}"
    elif hp.step is not None and (hp.high - hp.low) / hp.step > 1e6:
        yield "step", f"makes over a million values; got {hp.step}"
    if hp.points is not None and not (
        isinstance(hp.points, int)
        and not isinstance(hp.points, bool)
        and 1 <= hp.points <= MAX_CHOICES
    ):
        yield (
            "points",
            f"expected a whole number from 1 to {MAX_CHOICES}; got {hp.points!r}",
        )


def _check_choices(choices: tuple[Any, ...]) -> None:
    problems: list[Problem] = []
    if not choices:
        problems.append(Problem("", "expected at least one choice; got an empty list"))
    if len(choices) > MAX_CHOICES:
        got = f"got {len(choices)}"
        problems.append(Problem("", f"expected at most {MAX_CHOICES} choices; {got}"))
        raise SpecError(problems)
    seen: set[tuple[object, bool]] = set()
    for index, choice in enumerate(choices):
        plain = choice is None or isinstance(choice, str | int | float | bool)
        if not plain or (isinstance(choice, float) and not math.isfinite(choice)):
            expected = "expected a number, a text, true, false or null"
            problems.append(Problem(f"[{index}]", f"{expected}; got {choice!r}"))
            continue
        key = (choice, isinstance(choice, bool))
        if key in seen:
            problems.append(Problem(f"[{index}]", f"{choice!r} is listed twice"))
        seen.add(key)
    if problems:
        raise SpecError(problems)
