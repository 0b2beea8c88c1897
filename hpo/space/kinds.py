"""The kinds of hyperparameters: `Float`, `Int` and `Categorical`.

Each knows its values, draws one, tells whether it holds one, and refuses to be made
with bounds or choices that make no sense.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpo.errors import Problem, SpecError
from hpo.records import ParamValue
from hpo.space.checks import check_choices, check_range
from hpo.space.values import (
    Steps,
    alike,
    brief,
    closest,
    identity,
    is_number,
    middle,
    spaced,
    thin,
)

if TYPE_CHECKING:
    import numpy as np

WIDE_INT = 100
"""A grid needs ``points`` or ``step`` for an integer range with more values."""

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
        check_range(self, whole=False)

    @cached_property
    def values(self) -> Sequence[float] | None:
        """All values in order, or None if there is a continuum."""
        if self.low == self.high:
            return (float(self.low),)
        return self._steps

    @cached_property
    def _steps(self) -> Steps | None:
        return None if self.step is None else Steps(self.low, self.high, self.step)

    def grid(self) -> Sequence[float] | None:
        """Return the values a grid visits, or None if ``points`` is needed."""
        if self.points is None or self.values is not None:
            thinned: Sequence[float] | None = thin(self.values, self.points)
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
        if self.values is None:
            return True
        near = self._steps.near(value) if self._steps else self.values
        return any(alike(value, v) for v in near)

    def nearest(self, value: Any) -> float:
        """Move a default into the range; the middle of it if there is none."""
        wanted = (
            float(value)
            if is_number(value)
            else middle(self.low, self.high, log=self.log)
        )
        wanted = min(max(wanted, float(self.low)), float(self.high))
        if self.values is None:
            return wanted
        near = self._steps.near(wanted) if self._steps else self.values
        nearest: float = closest(near, wanted)
        return nearest


@dataclass(frozen=True)
class Int(_Conditional):
    """A whole number from ``low`` to ``high``, both included; see `Float`."""

    low: int
    high: int
    log: bool = False
    step: int | None = None
    points: int | None = None

    def __post_init__(self) -> None:
        check_range(self, whole=True)

    @cached_property
    def values(self) -> range:
        """All values in order."""
        return range(self.low, self.high + 1, self.step or 1)

    def grid(self) -> Sequence[int] | None:
        if self.points is not None and not self.step:
            exact = spaced(self.low, self.high, self.points, log=self.log)
            return tuple(dict.fromkeys(round(value) for value in exact))
        wide = self.step is None and self.points is None and len(self.values) > WIDE_INT
        thinned: Sequence[int] = thin(self.values, self.points)
        return None if wide else thinned

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
            what = f"expected a list of choices; got {brief(self.choices)}"
            raise SpecError([Problem("", what)])
        object.__setattr__(self, "choices", tuple(self.choices))
        check_choices(self.choices)

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
        try:
            return identity(value) in self._identities
        except TypeError:  # a list or a mapping, which is no choice
            return False

    @cached_property
    def _identities(self) -> Mapping[Hashable, ParamValue]:
        return {identity(choice): choice for choice in self.choices}

    def nearest(self, value: Any) -> ParamValue:
        if value is None:
            return self.choices[0]
        if self.holds(value) or not self.ordered or not is_number(value):
            held = self.holds(value)
            return self._identities[identity(value)] if held else self.choices[0]
        nearest: ParamValue = closest(self.choices, value)
        return nearest


Hyperparameter = Float | Int | Categorical


def describe(hyperparameter: Hyperparameter) -> str:
    """Word the values of a hyperparameter, as in ``0.0001 to 0.1 (log)``."""
    if isinstance(hyperparameter, Categorical):
        shown = [_word(choice) for choice in hyperparameter.choices[:8]]
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


def _word(choice: ParamValue) -> str:
    text = str(choice)
    return text if len(text) <= 40 and text.isprintable() else brief(choice, 40)


def constant(hyperparameter: Hyperparameter) -> bool:
    """Tell whether there is only one value."""
    return hyperparameter.values is not None and len(hyperparameter.values) == 1


def as_hyperparameter(given: object) -> Hyperparameter:
    """Take a list for choices, and any other plain value for a constant."""
    if isinstance(given, Float | Int | Categorical):
        return given
    # Arrays and numbers of numpy's are taken for what they hold.
    given = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(given, list | tuple | range):
        plain = (v.item() if hasattr(v, "item") else v for v in given)
        return Categorical(tuple(plain))
    return Categorical((given,))  # type: ignore[arg-type]
