"""Read search spaces of Optuna's, and write them.

Optuna's distributions are told apart by their names, so reading one imports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.space.conditions import Condition
from hpo.space.kinds import Categorical, Float, Hyperparameter, Int

PLAIN = (str, int, float, bool, type(None))


def from_optuna(given: Any) -> dict[str, Hyperparameter]:
    """Return hyperparameters by name.

    Args:
        given: A mapping of names to distributions; or an Optuna study or trial, whose
            trials tell: a hyperparameter that not all of them have is searched always,
            as Optuna does not know what it depends on.

    Raises:
        SpecError: It is nothing of the kind, or one name has several distributions.
    """
    found: dict[str, Hyperparameter] = {}
    problems: list[Problem] = []
    for name, distribution in _pairs(given):
        try:
            read = _read(distribution)
        except SpecError as error:
            problems += [Problem(name, p.what) for p in error.problems]
            continue
        if name in found and found[name] != read:
            what = "has several distributions; give a mapping with the one you want"
            problems.append(Problem(name, what))
        found.setdefault(name, read)
    if problems:
        raise SpecError(list(dict.fromkeys(problems)))
    return found


def _pairs(given: Any) -> list[tuple[str, Any]]:
    if isinstance(given, Mapping):
        return list(given.items())
    trials = getattr(given, "trials", None)
    sources = [given] if trials is None else trials
    mappings = [getattr(source, "distributions", None) for source in sources]
    if not mappings or not all(isinstance(each, Mapping) for each in mappings):
        got = type(given).__name__
        what = "expected a mapping of names to Optuna distributions, or a study with "
        raise SpecError([Problem("", f"{what}trials; got {got}")])
    return [pair for mapping in mappings if mapping for pair in mapping.items()]


def _read(distribution: Any) -> Hyperparameter:
    kind = type(distribution).__name__
    if kind == "CategoricalDistribution":
        strange = [c for c in distribution.choices if not isinstance(c, PLAIN)]
        if strange:
            what = f"expected plain choices; got {type(strange[0]).__name__}"
            raise SpecError([Problem("", what)])
        return Categorical(tuple(distribution.choices))
    if kind == "FloatDistribution":
        return Float(
            distribution.low,
            distribution.high,
            log=distribution.log,
            step=distribution.step,
        )
    if kind == "IntDistribution":
        step = None if distribution.step == 1 else distribution.step
        return Int(distribution.low, distribution.high, log=distribution.log, step=step)
    raise SpecError([Problem("", f"expected an Optuna distribution; got {kind}")])


def to_optuna(
    hyperparameters: Mapping[str, Hyperparameter],
    conditions: Mapping[str, tuple[Condition, ...]],
) -> dict[str, Any]:
    """Return Optuna distributions by name.

    Args:
        hyperparameters: Of a space, repeated ones by each of their names.
        conditions: When each of them is active.

    Raises:
        SpecError: One has a condition: distributions cannot say that.
    """
    from optuna import distributions as d

    conditional = [name for name in hyperparameters if conditions[name]]
    if conditional:
        what = "is not always active, which Optuna's distributions cannot say"
        raise SpecError([Problem(name, what) for name in conditional])
    made: dict[str, Any] = {}
    for name, given in hyperparameters.items():
        if isinstance(given, Categorical):
            made[name] = d.CategoricalDistribution(list(given.choices))
        elif isinstance(given, Int):
            step = 1 if given.step is None else int(given.step)
            made[name] = d.IntDistribution(
                given.low, given.high, log=given.log, step=step
            )
        else:
            made[name] = d.FloatDistribution(
                given.low, given.high, log=given.log, step=given.step
            )
    return made
