"""Arguments of Python programs: what is taken for what, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.records import Params
from hpo.space import Space
from hpo.spec.fields import MAX_COUNT
from hpo.study import Prepared


def check_data(data: Any, groups: Any, split: str | None, *, wants_fold: bool) -> None:
    """Check what is said of data together.

    Args:
        data: (X, y), or None.
        groups: Of the rows, or None.
        split: How rows become folds; None for the usual way.
        wants_fold: Whether the objective takes one.

    Raises:
        SpecError: They do not go together.
    """
    if data is not None:
        _check_pair(data)
        if not wants_fold:
            what = "data is given, but the objective takes no fold; write "
            raise SpecError([Problem("objective", f"{what}f(params, fold)")])
    grouped = groups is not None
    if (split == "group" and not grouped) or (split not in (None, "group") and grouped):
        what = f"expected groups= and split='group' together; got split={split!r}"
        raise SpecError([Problem("split", what)])


def as_space(given: Space | Mapping[str, Any]) -> Space:
    """Return a space, or make one of a mapping.

    Raises:
        SpecError: It is neither, or makes no sense.
    """
    if isinstance(given, Space):
        return given
    if not isinstance(given, Mapping) or not all(isinstance(n, str) for n in given):
        what = f"expected a hpo.Space, or a mapping of names; got {given!r:.80}"
        raise SpecError([Problem("space", what)])
    return Space(**given)


def budget(trials: Any, timeout: object, patience: object) -> Any:
    """Return the number of trials; time and patience alone mean as many as they let."""
    if trials is None and (timeout is not None or patience is not None):
        return MAX_COUNT
    return plain(trials)


def _check_pair(data: Any) -> None:
    if not isinstance(data, tuple | list) or len(data) != 2 or data[1] is None:
        got = type(data).__name__
        n = f" of {len(data)}" if isinstance(data, tuple | list) else ""
        what = f"expected a pair (X, y) of features and targets; got a {got}{n}"
        raise SpecError([Problem("data", what)])


def enqueued(given: Any) -> Sequence[Params]:
    """Return a list of params.

    Raises:
        SpecError: It is no such list.
    """
    if isinstance(given, list | tuple) and all(isinstance(p, Mapping) for p in given):
        return given
    what = f"expected a list of params, each a mapping; got {given!r:.80}"
    raise SpecError([Problem("enqueue", what)])


def completed(prepared: Prepared, params: Params, index: int) -> Params:
    """Fill in what a person's own params leave out, and refuse what does not fit."""
    space = prepared.spec.space
    params = {name: plain(value) for name, value in params.items()}
    unknown = [name for name in params if name not in space.names]
    whole = space.defaults({**prepared.defaults, **params})
    what = f"no hyperparameter {unknown[0]!r}" if unknown else None
    kept = {name: params.get(name, value) for name, value in whole.items()}
    what = what or space.why_not({**kept, **params})
    if what:
        raise SpecError([Problem(f"enqueue[{index}]", what)])
    return kept


def plain(value: Any) -> Any:
    """Return a number of numpy's as one of Python's."""
    return value.item() if hasattr(value, "item") else value
