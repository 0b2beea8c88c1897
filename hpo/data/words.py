"""How data errors and notes list names, cells and rows.

It owns wording only; it reads nothing and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_LISTED = 20


@dataclass(frozen=True)
class Rows:
    """How the user finds the rows of a table again.

    Args:
        numbers: Of each row, from 1, shape (n_rows,).
        word: What they count: ``line`` of a file of text, else ``row``.
    """

    numbers: NDArray[np.int64]
    word: str

    @classmethod
    def of_lines(cls, numbers: Sequence[int]) -> Rows:
        """Rows that start on these lines of a file."""
        return cls(np.asarray(numbers, np.int64), "line")

    @classmethod
    def counted(cls, n_rows: int) -> Rows:
        """Rows 1, 2, ... of what has no lines."""
        return cls(np.arange(1, n_rows + 1), "row")

    def __len__(self) -> int:
        return len(self.numbers)

    def name(self, position: int) -> str:
        """Word one row as ``line 7``."""
        return f"{self.word} {self.numbers[position]}"

    def take(self, positions: NDArray[np.intp]) -> Rows:
        """Return the rows at these positions."""
        return Rows(self.numbers[positions], self.word)


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


def examples(positions: Sequence[int], texts: Sequence[str], rows: Rows) -> str:
    """Word the cells at some positions as ``'a' (line 2), 'b' (line 7) and 3 more``."""
    shown = [f"{shortened(texts[i])!r} ({rows.name(i)})" for i in positions[:3]]
    more = len(positions) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def shortened(text: str, limit: int = 40) -> str:
    """Cut a long text, so that one cell cannot fill the screen."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def count(number: int, noun: str) -> str:
    """Word a count as ``1 row`` or ``2 rows``."""
    return f"{number} {noun if number == 1 else noun + 's'}"
