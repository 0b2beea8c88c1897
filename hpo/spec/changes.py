"""What changed between two versions of a study document.

Whether a change is allowed is for `hpo.study` to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hpo.spec.plain import at

Change = tuple[str, Any, Any]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Compare two documents made by `hpo.spec.StudySpec.to_document`.

    Returns:
        Dotted path, old value and new value of each change; None where there is none.
        Hyperparameters in another order are a change of ``space``, whose values are
        then the lists of names: their order decides what a strategy proposes.

    Example:
        >>> differences({"search": {"trials": 10}}, {"search": {"trials": 20}})
        [('search.trials', 10, 20)]
    """
    changes = list(_differences(old, new, ""))
    before, after = old.get("space"), new.get("space")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        shared = set(before) & set(after)
        if [n for n in before if n in shared] != [n for n in after if n in shared]:
            changes.append(("space", list(before), list(after)))
    return changes


def _differences(old: Any, new: Any, where: str) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key), new.get(key), at(where, key))
    elif json.dumps(old) != json.dumps(new):  # tells 1, 1.0 and true apart
        yield where, old, new
