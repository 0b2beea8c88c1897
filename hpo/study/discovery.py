"""The space of a study whose model brings its own: discovered, then as the file says.

A hypermodel's hyperparameters are found before the study is described or run. What the
file says of one of them replaces it, and settings of training are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hpo.errors import Problem, SpecError, near_match
from hpo.models.family import Family
from hpo.models.keras_tuner_discovery import Discovered, discover
from hpo.models.keras_tuner_family import KerasTunerFamily
from hpo.models.keras_tuner_space import OWN_NAMES
from hpo.space import Categorical, Float, Hyperparameter, Int, Space, describe
from hpo.space.conditions import as_tuple
from hpo.space.keras_tuner_conditions import values_of
from hpo.spec import StudySpec
from hpo.user_code import KERAS_TUNER, Home, kind_of


def with_discovered_space(
    spec: StudySpec, family: Family, home: Home
) -> tuple[StudySpec, Family, tuple[str, ...]]:
    """Complete a study whose model tells its own space; leave any other as it is.

    Args:
        spec: The study.
        family: Of its model.
        home: Where its code may be found.

    Returns:
        The study with its whole space, a family that knows the model's own defaults,
        and what a user should know, a sentence each.

    Raises:
        SpecError: The model cannot be called, or the file's space does not fit it.
    """
    if kind_of(spec.model) != KERAS_TUNER:
        return spec, family, ()
    found = discover(spec.model, home)
    space = merged(found, spec.space)
    if spec.search.strategy == "grid":
        try:
            _ = space.grid
        except SpecError as error:
            raise _in_space(error) from error
    completed = spec.model_copy(update={"space": space})
    return completed, KerasTunerFamily(spec.model, home, found.defaults), found.notes


def merged(found: Discovered, given: Space) -> Space:
    """Put what a file says over what was discovered.

    An entry of the file keeps the conditions that were discovered unless it has its
    own. A hyperparameter whose conditions can no longer be met is left out.

    Args:
        found: What the hypermodel asks for.
        given: What the file says; may be empty.

    Raises:
        SpecError: Names that are neither the hypermodel's nor settings of training,
            values of another type, or conditions that make no sense.
    """
    problems = list(_problems(found, given))
    if problems:
        raise SpecError(problems)
    declared: dict[str, Hyperparameter] = {}
    for name, own in found.space.declared.items():
        placed = _placed(own, given.declared.get(name))
        told = name in given.declared and given.declared[name].when is not None
        reached = placed if told else _reached(placed, declared)
        if reached is not None:
            declared[name] = reached
    for name, setting in given.declared.items():
        if name not in found.space.declared:
            declared[name] = setting
    if not declared:
        what = "asks for no hyperparameter, so there is nothing to search"
        raise SpecError([Problem("model", what)])
    try:
        return Space(**declared)
    except SpecError as error:
        raise _in_space(error) from error


def _problems(found: Discovered, given: Space) -> Iterator[Problem]:
    own = found.space.declared
    known = (*own, *OWN_NAMES)
    for name, hyperparameter in given.declared.items():
        where = f"space.{name}"
        if name not in known:
            what = f"the hypermodel asks for no hyperparameter {name!r}"
            yield Problem(where, what + near_match(name, known))
        elif name not in own and name in found.refused:
            what = f"the fit of the hypermodel chooses the {name} itself; remove this"
            yield Problem(where, what)
        elif name in own:
            if hyperparameter.repeat is not None:
                what = "the hypermodel asks for one value; remove `repeat`"
                yield Problem(where, what)
            if unlike := _why_unlike(own[name], hyperparameter):
                yield Problem(where, unlike)


def _why_unlike(own: Hyperparameter, given: Hyperparameter) -> str | None:
    """Say why a hypermodel cannot take the given values for its own, or None."""
    kind = _kind(own)
    values = given.choices if isinstance(given, Categorical) else (given.low,)
    like = all(_as(kind, value) is not None for value in values)
    if isinstance(given, Int):
        like = kind in (int, float)
    elif isinstance(given, Float):
        like = kind is float
    if like:
        return None
    words = {int: "whole numbers", float: "numbers", bool: "true or false"}
    expected = f"expected {words.get(kind, 'texts')}, as the hypermodel asks for"
    return f"{expected} {describe(own)}; got {describe(given)}"


def _kind(own: Hyperparameter) -> type:
    if isinstance(own, Categorical):
        return type(own.choices[0])
    return int if isinstance(own, Int) else float


def _as(kind: type, value: Any) -> Any:
    """Return a value with a type: 1 and 1.0 alike; None if it is of another."""
    if isinstance(value, bool) or kind is bool:
        return value if isinstance(value, bool) and kind is bool else None
    if kind is int:
        whole = isinstance(value, int | float) and value == int(value)
        return int(value) if whole else None
    if kind is float:
        return float(value) if isinstance(value, int | float) else None
    return value if isinstance(value, str) else None


def _placed(own: Hyperparameter, given: Hyperparameter | None) -> Hyperparameter:
    """Return the given values, typed as the hypermodel's own, with its conditions."""
    if given is None:
        return own
    kind = _kind(own)
    if isinstance(given, Categorical):
        given = replace(given, choices=tuple(_as(kind, v) for v in given.choices))
    elif isinstance(given, Int) and kind is float:
        low, high, step = float(given.low), float(given.high), given.step
        given = Float(
            low,
            high,
            log=given.log,
            step=None if given.log or low == high else float(step or 1),
            points=given.points,
            when=given.when,
        )
    return given if given.when is not None else replace(given, when=own.when)


def _reached(
    own: Hyperparameter, parents: Mapping[str, Hyperparameter]
) -> Hyperparameter | None:
    """Return it with the values that its parents still have; None if there are none."""
    when: dict[str, Any] = {}
    for parent, allowed in (own.when or {}).items():
        if parent not in parents:
            return None
        values = values_of(parents[parent], as_tuple(allowed))
        if not values:
            return None
        when[parent] = values[0] if len(values) == 1 else values
    return replace(own, when=when or None)


def _in_space(error: SpecError) -> SpecError:
    return SpecError([Problem(f"space.{p.where}", p.what) for p in error.problems])
