"""Spaces as scikit-learn's searches write them: lists and scipy distributions.

It owns the conversion there and back, by the methods that such objects have: neither
library is imported to read one. What the space itself cannot hold (an estimator among
the choices, a distribution that is no range) is kept beside it, under a code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.records import Params, ParamValue
from hpo.space.kinds import Categorical, Float, Hyperparameter, Int
from hpo.space.values import brief, identity

MAX_LABEL = 60
"""Letters of the code of a choice that is no plain value."""
LISTED = 1000
"""Values of a stepped range that are written out as a list at most."""
RANGES = ("uniform", "loguniform", "reciprocal", "randint")
"""Names of the distributions of scipy that are a range of a space."""


@dataclass(frozen=True)
class SklearnSpace:
    """Hyperparameters, and what stands behind their codes.

    Args:
        declared: Of plain values, by name in the order of scikit-learn's grids, which
            is alphabetical: what `Space` takes.
        objects: By name and by the identity of a code, what an estimator is given.
        distributions: What is drawn by ``rvs``, as it is no range; not in ``declared``.
    """

    declared: Mapping[str, Hyperparameter]
    objects: Mapping[str, Mapping[Any, Any]]
    distributions: Mapping[str, Any]

    def decode(self, params: Params) -> dict[str, Any]:
        """Return what an estimator is given for params of the space."""
        return {
            name: self.objects[name][identity(code)] if name in self.objects else code
            for name, code in params.items()
        }

    def plain(self) -> Mapping[str, Hyperparameter]:
        """Return what is declared if nothing stands behind it.

        Raises:
            SpecError: A choice is no plain value, or a distribution no range.
        """
        expected = "expected numbers, texts, true, false or None"
        problems = [
            Problem(name, f"{expected}; got {brief(held)}; hpo.SearchCV takes that")
            for name, objects in self.objects.items()
            for held in objects.values()
            if _plain(held) is _NONE
        ]
        problems += [refused(name, d) for name, d in self.distributions.items()]
        if problems:
            raise SpecError(problems)
        return self.declared


def from_sklearn(given: Mapping[str, Any]) -> SklearnSpace:
    """Read what scikit-learn calls ``param_grid`` or ``param_distributions``.

    Args:
        given: By name: a list of choices of any kind; a frozen distribution of scipy,
            of which ``uniform``, ``loguniform`` and ``randint`` become ranges;
            a `Float`, `Int` or `Categorical`; or a plain value, which is a constant.

    Raises:
        SpecError: With every mistake found.
    """
    declared: dict[str, Hyperparameter] = {}
    objects: dict[str, Mapping[Any, Any]] = {}
    distributions: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in sorted(given, key=str):
        value = given[name]
        try:
            if not isinstance(name, str):
                raise SpecError([Problem("", "expected a text as the name")])
            if isinstance(value, Float | Int | Categorical):
                declared[name] = value
            elif hasattr(value, "rvs"):
                found = _range(value)
                if found is None:
                    distributions[name] = value
                else:
                    declared[name] = found
            else:
                choices = _choices(value)
                codes = codes_of(choices)
                declared[name] = Categorical(codes)
                objects[name] = dict(zip(map(identity, codes), choices, strict=True))
        except SpecError as error:
            problems += [
                Problem(f"{name}.{problem.where}".rstrip("."), problem.what)
                for problem in error.problems
            ]
    if problems:
        raise SpecError(problems)
    return SklearnSpace(declared, objects, distributions)


def refused(name: str, distribution: Any) -> Problem:
    """Say that a distribution is no range, and the ways out."""
    return Problem(
        name,
        f"{distribution_words(distribution)} cannot be turned into a range, only "
        f"uniform, loguniform and randint can; give hpo.Float or hpo.Int, list the "
        f"values, or search with strategy 'random'",
    )


def distribution_words(distribution: Any) -> str:
    """Word a frozen distribution as it was written, as in ``norm(0, scale=2)``."""
    family = getattr(distribution, "dist", None)
    if family is None or not hasattr(family, "name"):
        return readable(distribution)
    given = [repr(a) for a in getattr(distribution, "args", ())]
    named = getattr(distribution, "kwds", {})
    given += [f"{key}={value!r}" for key, value in named.items()]
    return f"{family.name}({', '.join(given)})"


def readable(value: Any) -> str:
    """Return a text for any object that is the same in another process."""
    named = getattr(value, "__qualname__", None)
    if named is not None:
        return f"{getattr(value, '__module__', '')}.{named}"
    if hasattr(value, "rvs") and hasattr(value, "dist"):
        return distribution_words(value)
    return " ".join(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value)).split())


def _range(distribution: Any) -> Float | Int | None:
    """Return the range that a frozen distribution is uniform on, or None."""
    name = getattr(getattr(distribution, "dist", None), "name", None)
    if name not in RANGES:
        return None
    low, high = (float(bound) for bound in distribution.support())
    if not (math.isfinite(low) and math.isfinite(high)):
        what = f"{distribution_words(distribution)} has no values"
        raise SpecError([Problem("", what)])
    if name == "randint":
        return Int(int(low), int(high))
    if name == "uniform":
        return Float(low, high)
    # A shifted one is uniform on another scale than the logarithm.
    middle = float(distribution.ppf(0.5))
    plain = low > 0 and math.isclose(middle, math.sqrt(low) * math.sqrt(high))
    return Float(low, high, log=True) if plain else None


def _choices(given: Any) -> Sequence[Any]:
    if getattr(given, "ndim", None) == 1:
        return list(given)
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return given
    if given is None or isinstance(given, str | int | float | bool):
        return [given]
    what = "expected a list of choices, a range or a distribution"
    raise SpecError([Problem("", f"{what}; got {brief(given)}")])


def codes_of(choices: Sequence[Any]) -> tuple[ParamValue, ...]:
    """Return a plain value for each choice; two objects never share one."""
    plain = [_plain(choice) for choice in choices]
    taken = {value for value in plain if isinstance(value, str)}
    codes: list[ParamValue] = []
    for choice, value in zip(choices, plain, strict=True):
        if value is not _NONE:
            codes.append(value)
            continue
        label, count = _label(choice), 1
        unique = label
        while unique in taken:
            count += 1
            unique = f"{label} #{count}"
        taken.add(unique)
        codes.append(unique)
    return tuple(codes)


def _label(choice: Any) -> str:
    named = getattr(choice, "__qualname__", None)
    text = named if named is not None else readable(choice)
    return text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 3]}..."


_NONE: Any = object()
"""Stands for a choice that is no plain value."""


def _plain(choice: Any) -> Any:
    """Return a choice as a plain value, numpy's scalars too, or `_NONE`."""
    if getattr(choice, "ndim", None) == 0 and hasattr(choice, "item"):
        choice = choice.item()
    if isinstance(choice, float) and not math.isfinite(choice):
        return _NONE
    if choice is None or type(choice) in (str, int, float, bool):
        return choice
    return _NONE


def to_sklearn(declared: Mapping[str, Hyperparameter]) -> dict[str, Any]:
    """Write hyperparameters as lists and distributions of scipy.

    Raises:
        SpecError: Of every hyperparameter that these cannot express: one that is not
            always active, or whole numbers on a logarithmic scale.
    """
    made: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, hyperparameter in declared.items():
        if hyperparameter.when or hyperparameter.repeat:
            what = "scikit-learn knows no condition (when, repeat)"
            problems.append(Problem(name, f"{what}; give one space for each case"))
            continue
        written = _written(hyperparameter)
        if written is None:
            what = "scipy has no such distribution of whole numbers"
            problems.append(Problem(name, f"{what}; list the values instead"))
        made[name] = written
    if problems:
        raise SpecError(problems)
    return made


def _written(hyperparameter: Hyperparameter) -> Any:
    from scipy import stats

    values = hyperparameter.values
    if isinstance(hyperparameter, Categorical):
        return list(hyperparameter.choices)
    low, high = hyperparameter.low, hyperparameter.high
    if values is not None and len(values) == 1:
        return list(values)
    if isinstance(hyperparameter, Float) and values is None:
        if hyperparameter.log:
            return stats.loguniform(low, high)
        return stats.uniform(low, high - low)
    if hyperparameter.step is not None:
        return list(values or ()) if len(values or ()) <= LISTED else None
    return None if hyperparameter.log else stats.randint(int(low), int(high) + 1)
