"""How the values of a study document are worded for a person.

It owns the wording of a hyperparameter, a value and a change; not where it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hpo.spec.changes import Change

Word = Callable[[object], str]
WIDTH = 80


def exactly(given: object) -> str:
    """Word a value as a study file writes it, with every digit that tells it apart."""
    if given is None or isinstance(given, bool):
        return {True: "true", False: "false", None: "null"}[given]
    if isinstance(given, Mapping):
        inner = ", ".join(f"{key}: {exactly(value)}" for key, value in given.items())
        return f"{{{inner}}}"
    if isinstance(given, list | tuple):
        return ", ".join(exactly(value) for value in given) or "none"
    return str(given)


def hyperparameter_words(given: Any, word: Word = exactly) -> str:
    """Word a hyperparameter of a document, as in ``16 to 256, log``."""
    if isinstance(given, list):
        return ", ".join(word(choice) for choice in given)
    if not isinstance(given, Mapping):
        return word(given)
    words = [values_words(given, word)]
    for key, inner in given.items():
        if key == "when":
            words.append(f"if {when_words(inner, word)}")
        elif key == "repeat":
            words.append(f"for each of {word(inner)}")
    return ", ".join(words)


def values_words(given: Any, word: Word = exactly) -> str:
    """Word the values of a hyperparameter without the conditions."""
    if not isinstance(given, Mapping):
        return hyperparameter_words(given, word)
    words = []
    for key, inner in given.items():
        if key in ("float", "int"):
            words.append(f"{word(inner[0])} to {word(inner[1])}")
        elif key in ("choices", "value"):
            words.append(hyperparameter_words(inner, word))
        elif key == "step":
            words.append(f"in steps of {word(inner)}")
        elif key == "points":
            words.append(f"{word(inner)} points in a grid")
        elif inner is True:
            words.append(key)
    return ", ".join(words)


def when_words(when: Mapping[str, Any], word: Word = exactly) -> str:
    """Word a condition, as in ``optimizer is sgd``."""
    return " and ".join(f"{name} is {_or(given, word)}" for name, given in when.items())


def _or(allowed: Any, word: Word) -> str:
    values = allowed if isinstance(allowed, list | tuple) else [allowed]
    return " or ".join(word(choice) for choice in values)


def changes_table(changes: Sequence[Change]) -> str:
    """Lay changes out: the key, what it was and what it is; at most 80 columns wide.

    What is too long for one line has three. Every line is indented by two spaces.
    """
    rows = [(path, *(_side(path, given) for given in pair)) for path, *pair in changes]
    rows = [("key", "was", "is"), *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    if 2 + sum(widths) + 4 <= WIDTH:
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    else:
        lines = [
            line
            for path, old, new in rows[1:]
            for line in (path, f"  was {old}", f"  is  {new}")
        ]
    return "\n".join(f"  {line}" for line in lines)


def _side(path: str, given: object) -> str:
    if given is None:
        return "not set"
    inside = path.startswith("space.")
    text = hyperparameter_words(given) if inside else exactly(given)
    # A long list differs from another where it can be seen, or in its length.
    more = f" ... ({len(given)} values)" if isinstance(given, list | tuple) else " ..."
    return text if len(text) <= WIDTH - 8 else text[: WIDTH - 8 - len(more)] + more
