"""Turn a table, wherever it comes from, into the data set that a study wishes for.

It owns what columns are used for: targets, features, the group, the order. It changes
no value: imputing, encoding and scaling belong to each fold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hpo.data.cells import MISSING, Column, read_column
from hpo.data.dates import read_dates
from hpo.data.features import Feature, choose_features, describe, read_features
from hpo.data.target import Target, read_target
from hpo.data.wish import Wish
from hpo.data.words import Rows, count, examples, listed, quoted, shortened
from hpo.errors import DataError, near_match
from hpo.records import Dataset

_PLAIN_WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})(\.0*)?", re.ASCII)


@dataclass(frozen=True)
class Table:
    """Columns of equal length under distinct names.

    Args:
        place: Where it comes from as the user wrote it, for messages.
        names: Of the columns, in order.
        read: Returns a column by its name; called for those that are used only.
        rows: How the user finds the rows again.
        notes: What was decided while reading.
    """

    place: str
    names: tuple[str, ...]
    read: Callable[[str], Column]
    rows: Rows
    notes: tuple[str, ...] = ()

    def take(self, positions: NDArray[np.intp], note: str) -> Table:
        """Return the rows at these positions, and why, as a table of their own."""
        return replace(
            self,
            read=lambda name: self.read(name).take(positions),
            rows=self.rows.take(positions),
            notes=(*self.notes, note),
        )


def to_dataset(table: Table, wish: Wish) -> Dataset:
    """Make the data set of a study from a table.

    Rows with a missing target are left out; with an order the rows are sorted by it.

    Args:
        table: Anything with columns.
        wish: What each of them is for.

    Raises:
        DataError: A column is unknown or cannot be what it is meant to be.
    """
    targets = _check_targets(table, wish.targets)
    _check_roles(table, wish, targets)
    chosen = choose_features(
        table.names,
        targets,
        wish.features,
        wish.drop,
        table.place,
        apart=tuple(filter(None, (wish.group, wish.order))),
    )
    table = _keep_labelled(table, targets)
    if len(table.rows) < 2:
        raise DataError(f"{table.place}: expected at least 2 rows with a target; got 1")
    table = _sorted(table, wish)
    groups = None if wish.group is None else _read_groups(table, wish.group)
    target = _read_targets(table, targets, wish)
    features, notes = read_features(
        table.place, {name: table.read(name) for name in chosen}, table.rows
    )
    every = (*table.notes, *([target.note] if target.note else []), *notes)
    dataset = assemble(features, target, targets, every)
    return replace(dataset, groups=groups)


def _check_targets(table: Table, targets: Sequence[str]) -> tuple[str, ...]:
    names = table.names
    has = f"{table.place} has {listed(shortened(name) for name in names)}"
    if all(map(_is_number, names)):
        has += "; is its first line a row? It must be the names of the columns"
    if not targets:
        raise DataError(f"data.target: expected the column to predict; {has}")
    problems = [
        f"data.target: no column is named {name!r}{near_match(name, names)}; {has}"
        for name in targets
        if name not in names
    ]
    if twice := {name for name in targets if list(targets).count(name) > 1}:
        problems.append(f"data.target: {quoted(sorted(twice))} named twice; remove one")
    if problems:
        raise DataError("\n".join(problems))
    return tuple(targets)


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _check_roles(table: Table, wish: Wish, targets: Sequence[str]) -> None:
    """Check the columns that are neither targets nor features."""
    problems = []
    for where, name in (("data.group", wish.group), ("data.order", wish.order)):
        if name is None:
            continue
        if name not in table.names:
            near = near_match(name, table.names) or f"; it has {listed(table.names)}"
            problems.append(f"{where}: {table.place} has no column {name!r}{near}")
        elif name in targets:
            problems.append(f"{where}: {name!r} is the target; name another column")
    if wish.group is not None and wish.group in (wish.features or ()):
        problems.append(
            f"data.features: {wish.group!r} is the group, which differs between the "
            "rows that are trained on and those that are scored; remove it here"
        )
    if problems:
        raise DataError("\n".join(problems))


def _keep_labelled(table: Table, targets: Sequence[str]) -> Table:
    """Leave out the rows with a missing target, and say so."""
    missing = np.zeros(len(table.rows), bool)
    for target in targets:
        column = table.read(target)
        if column.missing.all():
            problem = "the target is missing in every row; choose another column"
            raise DataError(f"{table.place}: target {target!r}: {problem}")
        missing |= column.missing
    if not missing.any():
        return table
    what = "the target" if len(targets) == 1 else "a target"
    if missing.all():
        problem = "a target is missing in every row; choose other columns"
        raise DataError(f"{table.place}: targets {quoted(targets)}: {problem}")
    first = int(missing.argmax())
    cells = [table.read(target).texts[first] for target in targets]
    cell = next(cell for cell in cells if cell in MISSING)
    note = (
        f"{count(int(missing.sum()), 'row')} left out because {what} is missing "
        f"(first: {table.rows.name(first)}, {cell!r})"
    )
    return table.take(np.flatnonzero(~missing), note)


def _sorted(table: Table, wish: Wish) -> Table:
    """Sort the rows by the order, if there is one; those of a tie stay as they are."""
    name = wish.order
    if name is None:
        return table
    keys = _read_order(table, name)
    if name not in (wish.features or ()):
        note = f"{name} gives the order of the rows and is no feature"
        table = replace(table, notes=(*table.notes, note))
    n_late = int((keys < np.maximum.accumulate(keys)).sum())
    if not n_late:
        return table
    late = f"{count(n_late, 'row')} {'was' if n_late == 1 else 'were'} out of order"
    return table.take(np.argsort(keys, kind="stable"), f"sorted by {name}: {late}")


def _read_order(table: Table, name: str) -> NDArray[np.float64] | NDArray[np.int64]:
    column = table.read(name)
    place = f"{table.place}: order {name!r}"
    expected = "expected numbers or ISO dates (2024-01-31)"
    if (missing := np.flatnonzero(column.missing)).size:
        raise DataError(f"{place}: {expected} in {_every_row(missing, table.rows)}")
    cells = read_column(column)
    if cells.kind == "number" and not cells.infinite:
        return cells.numbers
    dates = read_dates(column.texts) if cells.kind == "text" else None
    if dates is not None and not dates.odd:
        return dates.microseconds(column.texts)
    odd = dates.odd if dates is not None else cells.infinite or cells.odd
    odd = odd or list(range(len(column)))
    got = examples(odd, column.texts, table.rows)
    way_out = "mend those cells, or name another column"
    raise DataError(f"{place}: {expected}; got {got}; {way_out}")


def _every_row(missing: NDArray[np.intp], rows: Rows) -> str:
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return (
        f"every row; it is missing in {rows.name(int(missing[0]))}{more}; fill it in, "
        "leave those rows out, or name another column"
    )


def _read_groups(table: Table, name: str) -> NDArray[np.int64]:
    """Number the groups 0, 1, ... as they appear."""
    column = table.read(name)
    place = f"{table.place}: group {name!r}"
    if (missing := np.flatnonzero(column.missing)).size:
        raise DataError(f"{place}: expected one in {_every_row(missing, table.rows)}")
    labels = _group_labels(column)
    codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    if len(codes) < 2:
        raise DataError(
            f"{place}: every row is of the group {shortened(column.texts[0])!r}; rows "
            "are split by groups, so at least 2 are needed"
        )
    return np.array([codes[label] for label in labels], np.int64)


def _group_labels(column: Column) -> Sequence[object]:
    """Return what tells groups apart: 1 and 1.0 are one, unless texts like 01 occur."""
    texts = column.texts
    if all(map(_PLAIN_WHOLE.fullmatch, texts)):
        return [float(text) for text in texts]
    return texts


def _read_targets(table: Table, names: Sequence[str], wish: Wish) -> Target:
    places = {name: f"{table.place}: target {name!r}" for name in names}
    if len(names) == 1:
        (name,) = names
        return read_target(places[name], table.read(name), table.rows, wish.task)
    if wish.task == "classification":
        raise DataError(
            f"task: several targets, {quoted(names)}, make a regression; got "
            "'classification'; name one target"
        )
    read = [
        read_target(places[name], table.read(name), table.rows, "regression")
        for name in names
    ]
    note = "" if wish.task else "task: regression, because there are several targets"
    return Target(np.column_stack([t.y for t in read]), "regression", None, note)


def assemble(
    features: dict[str, Feature],
    target: Target,
    names: Sequence[str],
    notes: Sequence[str],
) -> Dataset:
    """Put features and targets together as a data set."""
    import pandas as pd

    X = pd.DataFrame(
        {
            column: pd.Series(f.values, dtype=np.float64 if f.numeric else object)
            for column, f in features.items()
        }
    )
    return Dataset(
        X=X,
        y=target.y,
        task=target.task,
        classes=target.classes,
        numeric=tuple(n for n, f in features.items() if f.numeric),
        categorical=tuple(n for n, f in features.items() if not f.numeric),
        targets=tuple(names),
        notes=(*notes, *describe(features)),
        dates={n: f.date for n, f in features.items() if f.date is not None},
    )
