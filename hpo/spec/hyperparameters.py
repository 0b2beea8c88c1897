"""The `space` section of a study file: hyperparameters as written, and back again.

A scalar is a constant, a list is choices, a mapping is a range. What makes a sensible
range or condition is decided by `hpo.space`; here is only how it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpo.errors import Problem, SpecError, near_match
from hpo.space import Categorical, Float, Hyperparameter, Int, Space
from hpo.spec.plain import Mistake, at, shown

MAX_HYPERPARAMETERS = 300

_KINDS = ("float", "int", "choices", "value")
_CONDITIONS = ("when", "repeat")
_RANGE_OPTIONS = ("log", "step", "points")

_TUNERS_NAME = re.compile(r"(hp\d*:)?[^\W\d][\w -]*(/[\w -]+)*")
"""Names that Keras Tuner's hyperparameters may have: of a scope, or doubled."""


def read_space(section: Any) -> tuple[Space | None, list[Mistake]]:
    """Build the space of a study file.

    Args:
        section: What stands under ``space``, as plain values.

    Returns:
        The space of all the hyperparameters that are sound, None if there is none, and
        every mistake of the others.
    """
    if not isinstance(section, Mapping):
        what = f"expected hyperparameters by name; got {shown(section)}"
        return None, [Mistake("space", what)]
    if not section:
        what = "expected at least one hyperparameter; got an empty space"
        return None, [Mistake("space", what)]
    if len(section) > MAX_HYPERPARAMETERS:
        return None, [_too_many(len(section))]
    sound: dict[str, Hyperparameter] = {}
    mistakes: list[Mistake] = []
    for name, entry in section.items():
        try:
            sound[name] = _read_hyperparameter(name, entry)
        except SpecError as error:
            mistakes += _under(f"space.{name}", error)
    _drop_dependents(sound, set(section) - set(sound))
    return _join(sound, mistakes)


def write_space(space: Space) -> dict[str, Any]:
    """Return the `space` section that `read_space` makes an equal space of."""
    return {name: _write_hyperparameter(hp) for name, hp in space.declared.items()}


def _join(
    sound: dict[str, Hyperparameter], mistakes: list[Mistake]
) -> tuple[Space | None, list[Mistake]]:
    """Make one space, leaving out hyperparameters that do not fit the others."""
    try:
        space = Space(**sound) if sound else None
    except SpecError as error:
        mistakes += _under("space", error)
        broken = {problem.where.split(".")[0] for problem in error.problems}
        _drop_dependents(sound, broken)
        try:
            space = Space(**sound) if sound else None
        except SpecError:
            space = None
    if space and len(space.names) > MAX_HYPERPARAMETERS:
        return None, [*mistakes, _too_many(len(space.names))]
    return space, mistakes


def _too_many(n_names: int) -> Mistake:
    what = f"expected at most {MAX_HYPERPARAMETERS} hyperparameters"
    return Mistake("space", f"{what}; got {n_names}")


def _drop_dependents(sound: dict[str, Hyperparameter], broken: set[str]) -> None:
    """Remove the broken and, in turn, what depends on it: its mistakes say nothing."""
    while broken:
        for name in broken:
            sound.pop(name, None)
        broken = {
            name
            for name, hp in sound.items()
            if broken & {*(hp.when or ()), *([hp.repeat] if hp.repeat else [])}
        }


def _under(prefix: str, error: SpecError) -> list[Mistake]:
    paths = ((f"{prefix}.{p.where}".rstrip("."), p.what) for p in error.problems)
    return [Mistake(where.replace(".[", "["), what) for where, what in paths]


def _read_hyperparameter(name: str, entry: Any) -> Hyperparameter:
    if not (name.isidentifier() or _TUNERS_NAME.fullmatch(name)) or len(name) > 100:
        what = "expected a name of letters, digits and _, not starting with a digit"
        raise SpecError([Problem("", f"{what}; got {shown(name)}")])
    if entry is None:
        what = "expected a value, a list or a range; got nothing"
        raise SpecError([Problem("", f"{what}; for no value write {{value: null}}")])
    if isinstance(entry, list):
        return Categorical(tuple(entry))
    if not isinstance(entry, Mapping):
        return Categorical((entry,))
    kind = _kind(entry)
    problems = _condition_problems(entry)
    options = {"when": _when(entry.get("when")), "repeat": entry.get("repeat")}
    if problems:
        options = {}
    try:
        hp = _read_kind(kind, entry, options)
    except SpecError as error:
        problems = [*error.problems, *problems]
    if problems:
        raise SpecError(problems)
    return hp


def _kind(entry: Mapping[str, Any]) -> str:
    """Return which of the four kinds a mapping is, refusing what it may not have."""
    given = [kind for kind in _KINDS if kind in entry]
    known = (*_KINDS, *_CONDITIONS, *_RANGE_OPTIONS)
    problems = [
        Problem(key, f"unknown key {key!r}{near_match(key, known)}")
        for key in entry
        if key not in known
    ]
    if not given and not problems:
        got = ", ".join(entry) or "an empty mapping"
        problems.append(Problem("", f"expected one of {', '.join(_KINDS)}; got {got}"))
    if len(given) > 1:
        what = f"expected only one of {', '.join(_KINDS)}; got {' and '.join(given)}"
        problems.append(Problem("", what))
    elif given and given[0] in ("choices", "value"):
        problems += [
            Problem(key, f"is for float and int ranges; {given[0]} cannot have it")
            for key in _RANGE_OPTIONS
            if key in entry
        ]
    if problems:
        raise SpecError(problems)
    return given[0]


def _read_kind(
    kind: str, entry: Mapping[str, Any], options: Mapping[str, Any]
) -> Hyperparameter:
    given = entry[kind]
    if kind == "value":
        if isinstance(given, list | Mapping):
            what = f"expected a single value; got {shown(given)}"
            raise SpecError([Problem(kind, what)])
        return Categorical((given,), **options)
    if kind == "choices":
        if not isinstance(given, list):
            raise SpecError([Problem(kind, f"expected a list; got {shown(given)}")])
        return Categorical(tuple(given), **options)
    return _read_range(kind, entry, options)


def _read_range(
    kind: str, entry: Mapping[str, Any], options: Mapping[str, Any]
) -> Float | Int:
    given = entry[kind]
    if not isinstance(given, list) or len(given) != 2:
        what = f"expected [low, high]; got {shown(given)}"
        raise SpecError([Problem(kind, what)])
    log, points = entry.get("log", False), entry.get("points")
    problems = []
    if not isinstance(log, bool):
        problems.append(Problem("log", f"expected true or false; got {shown(log)}"))
    if isinstance(points, bool):
        what = f"expected a whole number; got {shown(points)}"
        problems.append(Problem("points", what))
    if problems:
        raise SpecError(problems)
    low, high = given
    step = entry.get("step")
    if kind == "int":
        return Int(low, high, log=log, step=step, points=points, **options)
    hp = Float(low, high, log=log, step=step, points=points, **options)
    # Only now: a message shows the bounds as they were written.
    step = None if step is None else float(step)
    return replace(hp, low=float(low), high=float(high), step=step)


def _condition_problems(entry: Mapping[str, Any]) -> list[Problem]:
    problems = []
    when, repeat = entry.get("when"), entry.get("repeat")
    if when is not None and not (isinstance(when, Mapping) and when):
        what = "expected a hyperparameter and its values, as in {optimizer: sgd}"
        problems.append(Problem("when", f"{what}; got {shown(when)}"))
    elif when is not None:
        problems += [
            Problem(at("when", name), f"expected a value or a list of values; {got}")
            for name, allowed in when.items()
            for got in [f"got {shown(allowed)}"]
            if any(isinstance(value, list | Mapping) for value in _as_tuple(allowed))
        ]
    if repeat is not None and not isinstance(repeat, str):
        what = f"expected the name of a hyperparameter; got {shown(repeat)}"
        problems.append(Problem("repeat", what))
    return problems


def _when(when: Any) -> dict[str, Any] | None:
    """Write one value as itself and several as a tuple, so that equals are equal."""
    if not isinstance(when, Mapping):
        return None
    allowed = {name: _as_tuple(values) for name, values in when.items()}
    return {n: vs[0] if len(vs) == 1 else vs for n, vs in allowed.items()}


def _as_tuple(allowed: object) -> tuple[Any, ...]:
    return tuple(allowed) if isinstance(allowed, list | tuple) else (allowed,)


def _write_hyperparameter(hp: Hyperparameter) -> Any:
    conditions: dict[str, Any] = {}
    if hp.when is not None:
        conditions["when"] = {
            name: list(values) if isinstance(values, list | tuple) else values
            for name, values in hp.when.items()
        }
    if hp.repeat is not None:
        conditions["repeat"] = hp.repeat
    if isinstance(hp, Categorical):
        if len(hp.choices) == 1 and (conditions or hp.choices[0] is None):
            return {"value": hp.choices[0], **conditions}
        if conditions:
            return {"choices": list(hp.choices), **conditions}
        return hp.choices[0] if len(hp.choices) == 1 else list(hp.choices)
    kind = "int" if isinstance(hp, Int) else "float"
    options = {name: getattr(hp, name) for name in _RANGE_OPTIONS}
    given = {
        name: value for name, value in options.items() if value not in (None, False)
    }
    return {kind: [hp.low, hp.high], **given, **conditions}
