"""Choose the feature columns of a table and turn each one into numbers or categories.

It owns which columns are used and what kind each one is. It refuses columns that a
network cannot learn from (empty, infinite, half numbers, an id) rather than guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.data.cells import MISSING, Cells, Column, read_column
from hpo.data.dates import Dates, is_unclear, read_dates
from hpo.data.words import Rows, count, examples, listed, quoted, shortened, to_drop
from hpo.errors import DataError, near_match

MANY_CATEGORIES = 100
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
        n_texts: How many distinct texts there are; 0 for numbers.
        date: The column of dates that it is a part of; None if it is no such part.
    """

    values: NDArray[Any]
    numeric: bool
    n_missing: int
    constant: bool
    numbering: bool = False
    n_texts: int = 0
    date: str | None = None


def choose_features(
    names: Sequence[str],
    targets: Sequence[str] | None,
    features: Sequence[str] | None,
    drop: Sequence[str],
    place: str,
    *,
    apart: Sequence[str] = (),
) -> list[str]:
    """Return the feature columns: in the order of ``features``, or else of the file.

    Args:
        names: Of all columns.
        targets: Columns to predict, if they are among them.
        features: Columns to use; None for all others.
        drop: Columns not to use.
        place: The source, for messages.
        apart: Columns that are features only if they are named.

    Raises:
        DataError: A name is unknown, contradicts another one, or no feature is left;
            all mistakes are reported together.
    """
    targets = targets or ()
    problems = [
        f"{where}: {place} has no column {name!r}"
        f"{near_match(name, names) or f'; it has {listed(names)}'}"
        for where, given in (("data.features", features or ()), ("data.drop", drop))
        for name in given
        if name not in names
    ]
    chosen = list(dict.fromkeys(features or ()))
    for target in targets:
        if target in drop:
            problems.append(f"data.drop: {target!r} is the target; do not drop it")
        if target in chosen:
            problems.append(f"data.features: {target!r} is the target; remove it here")
    both = [name for name in chosen if name in drop]
    if both:
        problems.append(f"data.drop: {quoted(both)} chosen in data.features as well")
    if problems:
        raise DataError("\n".join(problems))
    if features is None:
        out = {*targets, *drop, *apart}
        chosen = [name for name in names if name not in out]
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
    place: str, columns: Mapping[str, Column], rows: Rows
) -> tuple[dict[str, Feature], list[str]]:
    """Read the chosen columns of a table; columns of dates become numbers.

    Args:
        place: The table, for messages.
        columns: By name, each of length n_rows.
        rows: How the user finds the rows.

    Returns:
        Features by name, and what was decided about dates.

    Raises:
        DataError: Some columns cannot be used; all of them are reported together.
    """
    read: dict[str, Feature] = {}
    problems: list[str] = []
    notes: list[str] = []
    for name, column in columns.items():
        cells = read_column(column)
        dates = _dates_in(cells, column)
        problem = _why_unfit(name, cells, column, rows, dates)
        if problem:
            problems.append(f"{place}: column {name!r}: {problem}")
        elif dates is not None:
            parts, note = _parts(name, dates, column)
            if taken := [part for part in parts if part in columns]:
                what = f"its part {taken[0]!r} has the name of another column"
                problems.append(f"{place}: column {name!r}: {what}; rename one")
            read |= parts
            notes.append(note)
        elif cells.kind == "text" and is_unclear(column.texts):
            notes.append(_why_unclear(name, column.texts[cells.odd[0]]))
        else:
            read[name] = _feature(name, cells, column)
    more = len(problems) - MAX_REPORTED
    if more > 0:
        problems[MAX_REPORTED:] = [f"{place}: {count(more, 'more column')} to mend"]
    if problems:
        raise DataError("\n".join(problems))
    if not read:
        raise DataError(f"{place}: no feature is left; {'; '.join(notes)}")
    return read, notes


def _dates_in(cells: Cells, column: Column) -> Dates | None:
    """Read the dates of a column of texts, if at least half of those are dates."""
    if cells.kind != "text" or column.category:
        return None
    return read_dates(column.texts)


def _parts(name: str, dates: Dates, column: Column) -> tuple[dict[str, Feature], str]:
    """Return the parts of dates that differ between rows, and a note about them."""
    parts: dict[str, Feature] = {}
    for part, values in dates.parts(column.texts).items():
        present = values[~np.isnan(values)]
        if (present != present[0]).any():
            n_missing = len(values) - len(present)
            feature = Feature(values, True, n_missing, False, date=name)
            parts[f"{name}_{part}"] = feature
    if not parts:
        return parts, f"{name}: left out, because it has the same date in every row"
    note = f"{name}: dates are read as {listed(parts)}"
    if dates.mixed_zones:
        note += "; its time zones differ: in UTC, and cells without a zone as UTC"
    return parts, note


def _why_unclear(name: str, example: str) -> str:
    return (
        f"{name}: left out, because dates such as {shortened(example)!r} are read in "
        "two ways; to learn from them, write ISO dates (2024-01-31)"
    )


def _why_unfit(
    name: str, cells: Cells, column: Column, rows: Rows, dates: Dates | None
) -> str | None:
    drop = f"drop the column ({to_drop([name])})"
    if cells.kind == "empty":
        return f"every cell is missing; {drop}"
    if cells.kind == "mixed":
        got = examples(cells.odd, column.texts, rows)
        return (
            f"most cells look like numbers, but these cannot be read as one: {got}; "
            "mend them (decimals take a point; leave a missing value empty), or "
            f"{drop}"
        )
    if cells.kind == "number" and cells.infinite:
        got = examples(cells.infinite, column.texts, rows)
        return f"expected finite numbers; got {got}; mend those cells, or {drop}"
    if dates is not None and dates.odd:
        got = examples(dates.odd, column.texts, rows)
        return (
            f"most cells are dates, but these are no ISO dates: {got}; mend them "
            f"(2024-01-31; leave a missing date empty), or {drop}"
        )
    if cells.kind != "text" or dates is not None:
        return None
    texts = column.texts
    if _is_id(cells, texts) and not is_unclear(texts):
        return (
            "every row has a text of its own, such as "
            f"{shortened(texts[cells.odd[0]])!r}: an id or free text; {drop}"
        )
    return None


def _is_id(cells: Cells, texts: Sequence[str]) -> bool:
    n_present = len(texts) - len(cells.missing)
    return len(set(texts) - MISSING) == n_present and 2 * n_present > len(texts)


def _feature(name: str, cells: Cells, column: Column) -> Feature:
    n_missing = len(cells.missing)
    if cells.kind == "text":
        values = np.array(column.texts, object)
        values[cells.missing] = None
        n_texts = len(set(column.texts) - MISSING)
        return Feature(values, False, n_missing, n_texts == 1, n_texts=n_texts)
    present = cells.numbers[~np.isnan(cells.numbers)] if n_missing else cells.numbers
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
    many = [
        f"{name} ({f.n_texts})"
        for name, f in features.items()
        if f.n_texts > MANY_CATEGORIES
    ]
    if many:
        rare = "in each fold the rare ones count as one"
        notes.append(f"many distinct texts, of which {rare}: {listed(many)}")
    ids = [name for name, feature in features.items() if feature.numbering]
    if ids:
        notes.append(f"seems to number the rows: {listed(ids)}; if so, {to_drop(ids)}")
    return notes
