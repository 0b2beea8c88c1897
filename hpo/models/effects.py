"""Whether the hyperparameters of a space can have an effect, given its optimizers.

Some belong to certain optimizers only. To search one that no network reads is a
mistake; a constant that none reads is harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from hpo.errors import Problem
from hpo.models.vocabulary import ENTRIES, LBFGS
from hpo.space import Categorical, Space, constant
from hpo.space.conditions import as_tuple


def without_effect(family: str, space: Space) -> Iterator[Problem]:
    """Find what is searched in vain, and patience where training cannot stop early."""
    usable = set(ENTRIES["optimizer"].choices_of(family))
    if not _optimizers(space) <= usable:
        return  # a wrong optimizer is told already, and what it would read is unknown
    for name, given in space.declared.items():
        entry = ENTRIES.get(name)
        if entry is None or not entry.optimizers or family not in entry.families:
            continue
        met = _met(space, name)
        if name == "patience":
            if LBFGS in met and given.values != (None,):
                yield Problem(name, _no_early_stop(met))
        elif met and not constant(given) and met.isdisjoint(entry.optimizers):
            readers = [o for o in entry.optimizers if o in usable]
            yield Problem(name, _searched_in_vain(met, readers))


def _no_early_stop(met: Collection[str]) -> str:
    others = sorted(set(met) - {LBFGS})
    way_out = f"add `when: {{optimizer: [{', '.join(others)}]}}` or " if others else ""
    return f"lbfgs cannot stop early; {way_out}remove it"


def _searched_in_vain(met: Collection[str], readers: Sequence[str]) -> str:
    named, verb, which = f"[{', '.join(readers)}]", "read", "one of them"
    if len(readers) == 1:
        named, verb, which = readers[0], "reads", readers[0]
    return (
        f"has no effect with optimizer {' or '.join(sorted(met))}; only "
        f"{', '.join(readers)} {verb} it: add {which} to the choices of optimizer, and "
        f"`when: {{optimizer: {named}}}` here, or remove it"
    )


def _optimizers(space: Space) -> set[object]:
    """Return every optimizer that a network of ``space`` may have."""
    given = space.declared.get("optimizer")
    default = ENTRIES["optimizer"].default
    if given is None:
        return {default}
    # A range is no choice of optimizers, and has too many values to look at.
    chosen: set[object] = {"?"}
    if isinstance(given, Categorical):
        chosen = set(given.choices)
    return chosen | {default} if given.when else chosen


def _met(space: Space, name: str) -> set[str]:
    """Return the optimizers with which ``name`` can be active, by its conditions."""
    met = {str(optimizer) for optimizer in _optimizers(space)}
    waiting, seen = [name], {name}
    while waiting:
        for parent, allowed in (space.declared[waiting.pop()].when or {}).items():
            if parent == "optimizer":
                met &= {str(value) for value in as_tuple(allowed)}
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return met
