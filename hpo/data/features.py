"""Choose the feature columns of a table and turn each one into numbers or categories.

It owns which columns are used and what kind each one is. It refuses columns that a
network cannot learn from (empty, infinite, half numbers, an id) rather than guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.data.cells import MISSING, Cells, read_cells
from hpo.data.words import count, examples, listed, quoted, shortened, to_drop
from hpo.errors import DataError, near_match

MAX_CATEGORIES = 100
MAX_REPORTED = 10


@dataclass(frozen=True)
class Feature:
    """One column that a network can learn from.

    Args:
        values: float64 with NaN, or text (object) with None; shape (n_rows,).
        numeric: Whether ``values`` are numbers.
        n_missing: How many values are missing.
        constant: Whether there is one distinct value only.
        numbering: Whether it seems to number the rows.
    """

    values: NDArray[Any]
    numeric: bool
    n_missing: int
    constant: bool
    numbering: bool


def choose_features(
    names: Sequence[str],
    target: str | None,
    features: Sequence[str] | None,
    drop: Sequence[str],
    place: str,
) -> list[str]:
    """Return the feature columns: in the order of ``features``, or else of the file.

    Raises:
        DataError: A name is unknown, contradicts another one, or no feature is left;
            all mistakes are reported together.
    """
    problems = [
        f"{where}: {place} has no column {name!r}"
        f"{near_match(name, names) or f'; it has {listed(names)}'}"
        for where, given in (("data.features", features or ()), ("data.drop", drop))
        for name in given
        if name not in names
    ]
    if target is not None and target in drop:
        problems.append(f"data.drop: {target!r} is the target; do not drop it")
    chosen = list(dict.fromkeys(features or ()))
    if target is not None and target in chosen:
        problems.append(f"data.features: {target!r} is the target; remove it here")
    both = [name for name in chosen if name in drop]
    if both:
        problems.append(f"data.drop: {quoted(both)} chosen in data.features as well")
    if problems:
        raise DataError("\n".join(problems))
    if features is None:
        chosen = [n for n in names if n != target and n not in drop]
    if not chosen:
        raise DataError(f"{place}: {_why_none(names, features)}")
    return chosen


def _why_none(names: Sequence[str], features: Sequence[str] | None) -> str:
    if features is not None:
        return "no feature is left; name at least one in data.features"
    if len(names) == 1:
        return (
            f"only one column was found, {shortened(names[0])!r}, and a study needs a "
            "target and a feature; cells are separated by commas, semicolons or tabs"
        )
    return "no feature is left; drop fewer columns"


def read_features(
    place: str, columns: dict[str, list[str]], lines: Sequence[int]
) -> dict[str, Feature]:
    """Read the chosen columns of a file.

    Args:
        place: The file, for messages.
        columns: Cells by name, each of length n_rows.
        lines: The line of each row.

    Raises:
        DataError: Some columns cannot be used; all of them are reported together.
    """
    read: dict[str, Feature] = {}
    problems: list[str] = []
    for name, texts in columns.items():
        cells = read_cells(texts)
        problem = _why_unfit(name, cells, texts, lines)
        if problem:
            problems.append(f"{place}: column {name!r}: {problem}")
        else:
            read[name] = _feature(name, cells, texts)
    more = len(problems) - MAX_REPORTED
    if more > 0:
        problems[MAX_REPORTED:] = [f"{place}: {count(more, 'more column')} to mend"]
    if problems:
        raise DataError("\n".join(problems))
    return read


def _why_unfit(
    name: str, cells: Cells, texts: Sequence[str], lines: Sequence[int]
) -> str | None:
    drop = f"drop the column ({to_drop([name])})"
    if cells.kind == "empty":
        return f"every cell is missing; {drop}"
    n_present = len(texts) - len(cells.missing)
    if cells.kind == "mixed":
        got = examples(cells.odd, texts, lines)
        return (
            f"most cells look like numbers, but these cannot be read as one: {got}; "
            "mend them (decimals take a point; leave a missing value empty), or "
            f"{drop}"
        )
    if cells.kind == "number" and cells.infinite:
        got = examples(cells.infinite, texts, lines)
        return f"expected finite numbers; got {got}; mend those cells, or {drop}"
    if cells.kind != "text":
        return None
    n_distinct = len(set(texts) - MISSING)
    if n_distinct == n_present and 2 * n_present > len(texts):
        return (
            "every row has a text of its own, such as "
            f"{shortened(texts[cells.odd[0]])!r}: an id, a date or free text; {drop}"
        )
    if n_distinct > MAX_CATEGORIES:
        return (
            f"expected at most {MAX_CATEGORIES} distinct texts; got {n_distinct}, "
            f"such as {shortened(texts[cells.odd[0]])!r}; merge rare ones, or {drop}"
        )
    return None


def _feature(name: str, cells: Cells, texts: Sequence[str]) -> Feature:
    n_missing = len(cells.missing)
    if cells.kind == "text":
        values = np.array(texts, object)
        values[cells.missing] = None
        return Feature(values, False, n_missing, len(set(texts) - MISSING) == 1, False)
    present = cells.numbers[~np.isnan(cells.numbers)]
    constant = bool((present == present[0]).all())
    numbering = cells.kind == "number" and numbers_rows(name, cells.numbers)
    return Feature(cells.numbers, True, n_missing, constant, numbering)


def numbers_rows(name: str, values: NDArray[np.float64]) -> bool:
    """Tell whether a column seems to number the rows: 0..n-1, 1..n, or called id."""
    if name.lower() == "id":
        return True
    first = values.min() if len(values) > 2 else np.nan
    if first not in (0.0, 1.0) or values.max() != first + len(values) - 1:
        return False
    return np.array_equal(np.sort(values), np.arange(len(values)) + first)


def describe(features: dict[str, Feature]) -> list[str]:
    """Return what the user should know about columns that are usable but strange."""
    notes = []
    missing = [f"{name} ({f.n_missing})" for name, f in features.items() if f.n_missing]
    if missing:
        notes.append(f"missing values: {listed(missing)}")
    constant = [name for name, feature in features.items() if feature.constant]
    if constant:
        notes.append(f"the same value in every row: {listed(constant)}")
    ids = [name for name, feature in features.items() if feature.numbering]
    if ids:
        notes.append(f"seems to number the rows: {listed(ids)}; if so, {to_drop(ids)}")
    return notes
