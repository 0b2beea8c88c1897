"""How data errors and notes list names, cells and rows.

It owns wording only; it reads nothing and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MAX_LISTED = 20


def listed(names: Iterable[object], limit: int = MAX_LISTED) -> str:
    """Word names as ``a, b, ... (3 more)``."""
    every = [str(name) for name in names]
    more = len(every) - limit
    return ", ".join(every[:limit]) + (f", ... ({more} more)" if more > 0 else "")


def quoted(names: Iterable[object], limit: int = MAX_LISTED) -> str:
    """Word names as ``'a', 'b', ... (3 more)``."""
    return listed((repr(str(name)) for name in names), limit)


def to_drop(names: Iterable[str]) -> str:
    """Word what a study file must say to leave out columns: ``data.drop: [a, b]``."""
    plain = re.compile(r"[^\W\d]\w*")
    return f"data.drop: [{listed(n if plain.fullmatch(n) else repr(n) for n in names)}]"


def examples(
    positions: Sequence[int], texts: Sequence[str], lines: Sequence[int]
) -> str:
    """Word the cells at some positions as ``'a' (line 2), 'b' (line 7) and 3 more``."""
    shown = [f"{shortened(texts[i])!r} (line {lines[i]})" for i in positions[:3]]
    more = len(positions) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def shortened(text: str, limit: int = 40) -> str:
    """Cut a long text, so that one cell cannot fill the screen."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def count(number: int, noun: str) -> str:
    """Word a count as ``1 row`` or ``2 rows``."""
    return f"{number} {noun if number == 1 else noun + 's'}"
