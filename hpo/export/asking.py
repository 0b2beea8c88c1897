"""Ask a part of an exported model about new rows, and say which row it cannot take.

Numbers of any size can be in new rows. What overflows on the way is no answer: the
first row that has none is named.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo.data.new_rows import NewRows
from hpo.errors import ExportError
from hpo.models.builder_code import one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST, LARGEST_FLOAT32 = (float(np.finfo(f"f{n}").max) for n in (8, 4))
WAY_OUT = "mend that row, or leave it out"


def answers(
    part: Callable[[Any], Any],
    X: Any,
    rows: NewRows,
    what: str,
    limit: float = LARGEST,
) -> NDArray[Any]:
    """Return what a part of a model makes of rows, all of it finite numbers.

    Args:
        part: Takes rows and returns numbers, shape (n, ...).
        X: The rows as it takes them.
        rows: The same rows as the user gave them.
        what: Words for what it returns.
        limit: Size that its numbers may have.

    Raises:
        ExportError: It refuses some row, or returns another number for it.
    """
    with np.errstate(all="ignore"):
        try:
            made = np.asarray(part(X))
        except (ValueError, IndexError) as error:
            where = rows.name(_first_refused(part, X))
            said = one_line(str(error)).rstrip(".")
            raise ExportError(f"{where}: no {what}: {said}; {WAY_OUT}") from error
    if made.max(initial=0) <= limit and made.min(initial=0) >= -limit:
        return made
    each = made.reshape(len(made), -1)
    row, column = np.argwhere(~(np.abs(each) <= limit))[0]  # NaN is of no size
    raise ExportError(
        f"{rows.name(row)}: {what}: expected numbers up to {limit:.2g}; got "
        f"{each[row, column]:.2g}; a number of this row is too large: {WAY_OUT}"
    )


def _first_refused(part: Callable[[Any], Any], X: Any) -> int:
    """Return the first row that a part refuses, which refuses all of them together."""

    def refuses(n_rows: int) -> bool:
        try:
            part(X[:n_rows])
        except (ValueError, IndexError):
            return True
        return False

    return bisect_left(range(1, len(X)), True, key=refuses)
