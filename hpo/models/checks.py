"""Whether a space fits the vocabulary: of the two MLPs, and what every family shares.

It finds every mistake and words it with a way out. It changes nothing, and it never
lets a name pass that a family would ignore.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from hpo.errors import Problem, near_match
from hpo.models.effects import without_effect
from hpo.models.vocabulary import (
    ENTRIES,
    KERAS,
    PIPELINE,
    SKLEARN,
    Entry,
    names_of,
)
from hpo.records import ParamValue, Task
from hpo.space import Categorical, Float, Hyperparameter, Int, Space, constant


def problems(family: str, space: Space, task: Task | None) -> list[Problem]:
    """Return every mistake of ``space``; see `hpo.models.family.Family.problems`."""
    found = [
        Problem(name, what)
        for name, hyperparameter in space.declared.items()
        for what in _wrong(family, name, hyperparameter, space, task)
    ]
    return [*found, *_out_of_reach(space), *without_effect(family, space)]


def pipeline_problems(
    family: str,
    space: Space,
    task: Task | None,
    *,
    keeps: Collection[str] = (),
) -> list[Problem]:
    """Return every mistake in what surrounds the model of a family, and only there.

    Args:
        family: What messages call it.
        space: Whole; names that are not in `PIPELINE` are left to the family.
        task: None while it is not known.
        keeps: Names that the family keeps for its model; left to it as well.
    """
    found = [
        Problem(name, what)
        for name, hyperparameter in space.declared.items()
        if name in PIPELINE and name not in keeps
        for what in _wrong(family, name, hyperparameter, space, task)
    ]
    return found if "target_scale" in keeps else [*found, *_out_of_reach(space)]


def _wrong(
    family: str, name: str, given: Hyperparameter, space: Space, task: Task | None
) -> Iterator[str]:
    entry = ENTRIES.get(name) or _one_layer(name)
    if entry is None or not (name in PIPELINE or family in entry.families):
        yield _unknown(family, name)
        return
    if entry.task is not None and task not in (None, entry.task):
        why = "in classification the output follows from the classes"
        if name in PIPELINE:
            why = f"the task is {task}"
        yield f"is for {entry.task} only; {why}"
        return
    if entry.name != name:
        yield from _no_such_layer(name, space)
    if given.repeat is not None and (name, given.repeat) != ("units", "hidden_layers"):
        yield (
            "only units can have one value for each layer (`repeat: hidden_layers`); "
            f"got `repeat: {given.repeat}`"
        )
    yield from wrong_values(given, lambda value: entry.why_not(value, family))
    if isinstance(given, Float) and entry.kind == "int" and not _all_whole(given):
        yield "expected whole numbers; write {int: [low, high]}; got {float: ...}"


def _out_of_reach(space: Space) -> Iterator[Problem]:
    """Find standardised targets that no output of the network can ever equal."""
    scale = space.declared.get("target_scale")
    output = space.declared.get("output_activation")
    if not isinstance(scale, Categorical) or "standard" not in scale.choices:
        return
    if not isinstance(output, Categorical) or not constant(output):
        return
    (activation,) = output.choices
    if activation != "linear" and activation in ENTRIES["output_activation"].choices:
        what = (
            "standard gives targets on both sides of 0, and most are out of reach of "
            f"output_activation: {activation}; use minmax or none"
        )
        yield Problem("target_scale", what)


def wrong_values(
    given: Hyperparameter, why_not: Callable[[ParamValue], str | None]
) -> Iterator[str]:
    """Yield what ``why_not`` says of both ends of a range, or of every choice."""
    ends = given.choices if isinstance(given, Categorical) else (given.low, given.high)
    yield from dict.fromkeys(what for what in map(why_not, ends) if what is not None)


def _all_whole(given: Float) -> bool:
    if given.values is None:
        return False
    # Of equal steps all are whole if the first two are.
    return all(value.is_integer() for value in given.values[:2])


def _unknown(family: str, name: str) -> str:
    other = KERAS if family == SKLEARN else SKLEARN
    refusal = f"{family} has no hyperparameter {name!r}"
    if name in names_of(other):
        return f"{refusal}; {other} has it"
    return refusal + near_match(name, names_of(family))


def _one_layer(name: str) -> Entry | None:
    """Return `units` for ``units_0``, ``units_1``, ... of a space without `repeat`."""
    stem, _, index = name.rpartition("_")
    return ENTRIES["units"] if stem == "units" and index.isdecimal() else None


def _no_such_layer(name: str, space: Space) -> Iterator[str]:
    layers = space.declared.get("hidden_layers")
    most: object = ENTRIES["hidden_layers"].default
    if isinstance(layers, Int | Float):
        most = layers.high
    elif layers is not None:
        numbers = [v for v in layers.values or () if isinstance(v, int | float)]
        most = max(numbers, default=0)
    index = int(name.rpartition("_")[2])
    if isinstance(most, int | float) and index >= most:
        yield f"is the width of layer {index + 1}, and hidden_layers is at most {most}"
