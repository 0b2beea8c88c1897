"""Guess what each column of a table is for: target, feature, or nothing at all.

It owns the guesses that a starter study is made of. Whatever it guesses is written down
for the user to change, and `hpo.data.load` has the last word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpo.data.cells import has_comma
from hpo.data.dates import read_dates
from hpo.data.glance import Column, Glance, texts
from hpo.data.target import MAX_CLASSES, MAX_INFERRED_CLASSES
from hpo.errors import DataError
from hpo.records import Task

TARGET_NAMES = (
    *("target", "label", "labels", "class", "classes", "y", "outcome", "response"),
    *("diagnosis", "species", "survived", "churn", "category"),
)
FREE_TEXT_WORDS = 4
FREE_TEXT_SHARE = 0.5
MIN_GROUPS = 8
"""With fewer, whole groups cannot make a test part and five folds."""

_ENTITY = re.compile(
    r"(^|[\W_])(patient|subject|person|participant|user|customer|client|account|"
    r"station|site|location|place|city|country|region|device|sensor|machine|vehicle|"
    r"driver|house|household|building|school|student|store|shop|session|group|animal|"
    r"plant|plot|player|team|family|hospital|clinic)([\W_]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Target:
    """The column to predict.

    Args:
        name: Of the column.
        why: Why it was taken; empty if the user named it.
        passed_over: Likelier columns that cannot be learned, each with the reason.
        others: More columns that could be predicted, likely ones first.
    """

    name: str
    why: str
    passed_over: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roles:
    """What the other columns are for.

    Args:
        drop: Columns that are no features, each with the reason.
        dates: Columns of dates.
        groups: Columns that seem to say which rows belong together.
    """

    drop: tuple[tuple[str, str], ...]
    dates: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.drop)


@dataclass(frozen=True)
class Answers:
    """What the cells of a target seem to be.

    Args:
        task: As `hpo.data.load` would infer it.
        n_rows: Rows that have a target.
        counts: Rows of each class by its label, most frequent first; empty for numbers.
        positive: Whether no number is below 0.
    """

    task: Task
    n_rows: int
    counts: tuple[tuple[str, int], ...] = ()
    positive: bool = False


def choose_target(table: Glance, given: str | None) -> Target:
    """Return the column to predict: the given one, or else a likely one.

    Raises:
        DataError: No column can be predicted.
    """
    ranked = _ranked(table)
    if given is not None:
        return Target(given.strip(), "")
    passed_over: list[tuple[str, str]] = []
    for at, (name, why) in enumerate(ranked):
        problem = why_hopeless(table[name])
        if problem is None:
            others = tuple(n for n, _ in ranked[at + 1 :] if _may_do(table[n]))
            return Target(name, why, tuple(passed_over), others)
        passed_over.append((name, problem))
    what = "; ".join(f"{name!r} {why}" for name, why in passed_over[:5])
    raise DataError(f"no column can be predicted: {what}; name one with --target")


def _may_do(column: Column) -> bool:
    """Tell whether a column could be predicted, without reading more of it."""
    return why_hopeless(column) is None if column.at_hand else column.kind == "number"


def _ranked(table: Glance) -> list[tuple[str, str]]:
    """Return every column with the reason to take it, the likeliest one first."""
    by_lower = {name.lower(): name for name in reversed(table.names)}
    named = [by_lower[name] for name in TARGET_NAMES if name in by_lower]
    named += [
        name
        for name in table.names
        if re.search(r"[_\s.](target|label|class|outcome)$", name.lower())
    ]
    last = [name for name in reversed(table.names) if name not in named]
    found = [(name, "by its name") for name in dict.fromkeys(named)]
    for name in last:
        why = "the last column" if name == table.names[-1] else "the last usable column"
        found.append((name, why))
    return found


def why_hopeless(column: Column) -> str | None:
    """Say why a column is no target, or None if it could be one."""
    if column.constant:
        return "is the same in every row"
    if column.kind in ("date", "unclear"):
        return "is a date"
    if column.infinite:
        return "has infinite numbers"
    if column.numbers_rows:
        return "numbers the rows"
    if column.kind == "mixed" and not _is_few(column):
        return "mixes numbers and texts"
    if column.kind == "text" and 2 * column.n_distinct > len(column.present):
        return "has a text of its own in nearly every row"
    if column.kind == "text" and column.n_distinct > MAX_CLASSES:
        return f"has more than {MAX_CLASSES} distinct texts"
    counts = answers_of(column).counts
    if counts and counts[-1][1] < 2:
        return f"has a class with a single row, {counts[-1][0]!r}"
    return None


def answers_of(column: Column) -> Answers:
    """Say what a target seems to be."""
    present = column.present
    is_number = column.kind == "number"
    if is_number and not (column.whole and _is_few(column)):
        positive = bool((present >= 0).all())
        return Answers("regression", len(present), positive=positive)
    counted = present.value_counts()
    counts = tuple((_label(k), int(n)) for k, n in counted.items())
    return Answers("classification", len(present), counts)


def _label(value: object) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()  # type: ignore[call-overload]


def _is_few(column: Column) -> bool:
    n_distinct = column.n_distinct
    if column.kind == "mixed" and any(has_comma(str(v)) for v in column.present):
        return False
    return n_distinct <= MAX_INFERRED_CLASSES and 2 * n_distinct <= len(column.present)


def give_roles(table: Glance, target: str) -> Roles:
    """Say what the columns besides the target are for."""
    columns = [column for column in table.columns if column.name != target]
    drop = [(c.name, why) for c in columns if (why := why_no_feature(c))]
    dates = [c.name for c in columns if c.kind == "date" and not c.constant]
    groups = [c.name for c in columns if _is_group(c)]
    if len(drop) == len(columns) and groups:
        # Rather an id as a feature than none at all.
        drop = [(name, why) for name, why in drop if name not in groups]
    return Roles(tuple(drop), tuple(dates), tuple(groups))


def why_no_feature(column: Column) -> str | None:
    """Say why a column must not be a feature, or None if it may be one."""
    if column.kind == "empty":
        return "every cell is missing"
    if column.constant:
        return "the same in every row"
    if column.name.startswith("Unnamed: ") and column.whole:
        return "an index without a name"
    if column.numbers_rows:
        return "numbers the rows"
    if column.infinite:
        return "has infinite numbers; mend them to use it"
    if column.kind == "mixed":
        return f"has odd cells, such as {_odd(column)}; mend them to use it"
    if column.kind == "unclear":
        return f"dates such as {column.example} read in two ways; 2024-01-31 would not"
    if column.kind == "text":
        return _why_no_category(column)
    if column.named_id and column.whole:
        return "an id"
    return None


def _odd(column: Column) -> str:
    """Return a cell that is neither a number nor a date, in quotes."""
    import pandas as pd

    cells = texts(column.present)
    dates = read_dates(cells)
    if dates is not None:
        odd = [cells[position] for position in dates.odd]
    else:
        numbers = pd.to_numeric(pd.Series(cells), errors="coerce")
        odd = [cell for cell, no in zip(cells, numbers.isna(), strict=True) if no]
    return repr(odd[0][:24]) if odd else "an infinite number"


def _why_no_category(column: Column) -> str | None:
    n_present = len(column.present)
    if column.named_id:
        return "an id"
    head = column.present.iloc[:200].astype(str)
    wordy = head.str.count(r"\s+").mean() + 1 >= FREE_TEXT_WORDS
    if column.n_distinct <= FREE_TEXT_SHARE * n_present:
        return None
    if wordy:
        return "free text"
    nearly = "" if column.n_distinct == n_present else "nearly "
    return f"a text of its own in {nearly}every row"


def _is_group(column: Column) -> bool:
    names_rows = column.named_id or _ENTITY.search(column.name) is not None
    return (
        names_rows
        and (column.kind == "text" or column.whole)
        and column.n_distinct >= MIN_GROUPS
        and 2 * column.n_distinct <= len(column.cells)
    )
