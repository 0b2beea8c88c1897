"""Spaces as Keras Tuner writes them: `keras_tuner.HyperParameters`, there and back.

Reading one imports nothing. Only to make one, or to try out a function that asks for
hyperparameters, Keras Tuner itself is imported. `hpo.space.keras_tuner_reading` says
what becomes of names and conditions, `hpo.space.keras_tuner_kinds` of values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.records import ParamValue
from hpo.space.conditions import Condition
from hpo.space.keras_tuner_conditions import values_of
from hpo.space.keras_tuner_exploration import Explorer
from hpo.space.keras_tuner_reading import KerasTunerSpace, original_name, read
from hpo.space.kinds import Categorical, Float, Hyperparameter, Int
from hpo.space.values import brief, is_number


def from_keras_tuner(given: Any) -> KerasTunerSpace:
    """Read hyperparameters, or find those that a hypermodel asks for.

    Args:
        given: A ``keras_tuner.HyperParameters``; or a function ``build(hp)`` or a
            ``HyperModel``, whose ``build`` is then called, in this process, until
            every conditional scope was active once.

    Raises:
        SpecError: It is neither, or its hyperparameters make no sense.
    """
    if type(given).__name__ == "HyperParameters" and hasattr(given, "space"):
        return read(given.space)
    build = getattr(given, "build", given)
    if not callable(build) or isinstance(given, type):
        expected = "expected keras_tuner.HyperParameters, build(hp) or a HyperModel"
        raise SpecError([Problem("", f"{expected}; got {brief(given)}")])
    import keras_tuner

    explorer = Explorer(build, keras_tuner.HyperParameters)
    explorer.explore()
    found = read(explorer.known.space)
    return replace(found, notes=(*found.notes, *explorer.notes))


def to_keras_tuner(
    hyperparameters: Mapping[str, Hyperparameter],
    conditions: Mapping[str, Sequence[Condition]],
) -> Any:
    """Make a ``keras_tuner.HyperParameters`` with the same values and conditions.

    ``points`` are left out. Choices that are numbers of both kinds become floats.

    Args:
        hyperparameters: By name, parents first, repeats written out.
        conditions: Of each of them; all have to be met.

    Raises:
        SpecError: Choices of several types, or None: Keras Tuner has neither.
    """
    import keras_tuner

    entries = []
    problems: list[Problem] = []
    for name, given in hyperparameters.items():
        parents = [
            _parent(hyperparameters, condition.parent, condition.allowed)
            for condition in conditions[name]
        ]
        try:
            kind, config = _written(given)
        except SpecError as error:
            problems += [Problem(name, p.what) for p in error.problems]
            continue
        config |= {"name": original_name(name), "conditions": parents}
        entries.append({"class_name": kind, "config": config})
    if problems:
        raise SpecError(problems)
    made = keras_tuner.HyperParameters()
    # Not its conditional_scope(), which knows no parent of another scope.
    read_back = keras_tuner.HyperParameters.from_config(
        {"space": entries, "values": {}}
    )
    made.merge(read_back)
    return made


def _parent(
    hyperparameters: Mapping[str, Hyperparameter],
    name: str,
    allowed: Sequence[ParamValue],
) -> dict[str, Any]:
    values = list(values_of(hyperparameters[name], allowed))
    config = {"name": original_name(name), "values": values}
    return {"class_name": "Parent", "config": config}


def _written(given: Hyperparameter) -> tuple[str, dict[str, Any]]:
    if isinstance(given, Categorical):
        return _written_choices(list(given.choices))
    if isinstance(given, Float) and _ends_elsewhere(given):
        return "Choice", {"values": list(given.values or ())}
    options = {"min_value": given.low, "max_value": given.high, "step": given.step}
    sampling = "log" if given.log else "linear"
    kind = "Int" if isinstance(given, Int) else "Float"
    return kind, {**options, "sampling": sampling}


def _written_choices(choices: list[Any]) -> tuple[str, dict[str, Any]]:
    if all(map(is_number, choices)) and len({*map(type, choices)}) > 1:
        choices = [float(choice) for choice in choices]
    kinds = {type(choice) for choice in choices}
    if len(kinds) > 1 or kinds == {type(None)}:
        what = "Keras Tuner's choices are all texts, all numbers, or true and false"
        raise SpecError([Problem("", f"{what}; got {brief(choices)}")])
    if len(choices) == 1:
        return "Fixed", {"value": choices[0]}
    if kinds == {bool}:
        return "Boolean", {"default": choices[0]}
    return "Choice", {"values": choices}


def _ends_elsewhere(given: Float) -> bool:
    """Tell whether Keras Tuner would stop a step early, as floor division makes it."""
    if given.step is None or given.values is None:
        return False
    return len(given.values) != int((given.high - given.low) // given.step) + 1
