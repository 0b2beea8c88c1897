"""Plain values: what a study document is made of before it means anything.

Owns the limits on size, depth and numbers, dotted paths, and how a value is shown in a
message. It knows neither YAML nor the keys of a study file.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hpo.space.values import brief

MAX_DEPTH = 20
MAX_VALUES = 5_000
MAX_TEXT = 4_096
MAX_KEY = 200
MAX_NUMBER = 2**53
"""Whole numbers up to here are exact as floats, in JSON and in every database."""

_TURNING = "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


@dataclass(frozen=True)
class Mistake:
    """One mistake in a document.

    Args:
        where: Dotted path of the value; empty for the document as a whole.
        what: What is expected there, and what was got.
        line: Line in the file if it is not the one of ``where``.
    """

    where: str
    what: str
    line: int | None = None


def at(where: str, key: str | int) -> str:
    """Return the path of an entry of the mapping or list at ``where``."""
    if isinstance(key, int):
        return f"{where}[{key}]"
    return f"{where}.{key}" if where else key


def shown(value: object) -> str:
    """Word a value as the study file writes it, shortened to fit a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        keys = ", ".join(brief(key, 40).strip("'") for key in islice(value, 20))
        return f"a mapping of {keys}"[:70] if value else "{}"
    return brief(value)


def control_character(text: str) -> str | None:
    """Return the first control character or lone surrogate, as in ``U+0007``.

    Those that turn the direction of the text after them, or break its line, count too:
    a message that holds one would not read as it is written.
    """
    for character in text:
        if character in "\n\t":
            continue
        if (
            unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
            or character in _TURNING
        ):
            return f"U+{ord(character):04X}"
    return None


def why_no_key(key: str) -> str | None:
    """Say why a text can be no key, or None if it can."""
    if 0 < len(key) <= MAX_KEY and not control_character(key) and "\n" not in key:
        return None
    what = f"expected a key of 1 to {MAX_KEY} characters, none a control character"
    return f"{what}; got {shown(key)}"


def plain(document: object) -> tuple[Any, list[Mistake]]:
    """Copy a document into dicts, lists, texts, numbers, booleans and None.

    Returns:
        The copy, in which None stands for whatever was refused, and the mistakes.
    """
    copier = _Copier()
    return copier.copy(document, "", 1), copier.mistakes


class _Copier:
    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self._n_values = 0

    def copy(self, value: object, where: str, depth: int) -> Any:
        self._n_values += 1
        if self._n_values > MAX_VALUES:
            if self._n_values == MAX_VALUES + 1:
                what = f"expected at most {MAX_VALUES} values, aliases written out"
                self.mistakes.append(Mistake("", f"{what}; got more"))
            return None
        if isinstance(value, Mapping | list | tuple):
            if depth > MAX_DEPTH:
                what = f"expected at most {MAX_DEPTH} levels of nesting; got more"
                return self._refuse(where, what)
            if isinstance(value, Mapping):
                return self._mapping(value, where, depth)
            return [self.copy(v, at(where, i), depth + 1) for i, v in enumerate(value)]
        if wrong := _scalar_mistake(value):
            return self._refuse(where, wrong)
        return value

    def _mapping(
        self, value: Mapping[Any, Any], where: str, depth: int
    ) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        for key, entry in value.items():
            if not isinstance(key, str):
                what = f"expected text as a key; got {shown(key)}"
                self._refuse(at(where, shown(key)), what)
            elif wrong := why_no_key(key):
                self._refuse(at(where, "?"), wrong)
            else:
                copied[key] = self.copy(entry, at(where, key), depth + 1)
        return copied

    def _refuse(self, where: str, what: str) -> None:
        self.mistakes.append(Mistake(where, what))


def _scalar_mistake(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            return f"expected at most {MAX_TEXT} characters; got {len(value)}"
        found = control_character(value)
        return f"control characters are not allowed; got {found}" if found else None
    if isinstance(value, float) and not math.isfinite(value):
        return f"expected a finite number; got {value}"
    if isinstance(value, int | float):
        if isinstance(value, int) and abs(value) > MAX_NUMBER:
            return f"expected a whole number of at most {MAX_NUMBER} (2**53); got more"
        return None
    expected = "expected a number, text, true, false, null, list or mapping"
    return f"{expected}; got {type(value).__name__}"
