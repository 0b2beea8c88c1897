"""Load a data set from what the study file names as its source.

It owns which sources there are and how a table becomes a `Dataset`. It never goes to
the network, runs no code of the user and changes no value: imputing, encoding and
scaling belong to each fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpo.data.cells import MISSING
from hpo.data.csv_file import SEPARATOR_NAMES, Table, read_table
from hpo.data.features import Feature, choose_features, describe, read_features
from hpo.data.sklearn_sets import load_bundled, near_source
from hpo.data.target import Target, read_target
from hpo.data.words import count, listed, shortened
from hpo.errors import DataError, near_match
from hpo.records import Dataset, Task

LATER = {".parquet", ".npz", ".npy", ".tsv", ".txt", ".xlsx", ".json", ".arff", ".gz"}


def load(
    source: str,
    *,
    target: str | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    task: Task | None = None,
    folder: Path = Path(),
) -> Dataset:
    """Load the data of a study.

    Cells of a CSV file are missing if they are empty or one of `MISSING`; rows whose
    target is missing are left out. Columns of numbers (or of true and false, as 1 and
    0) are numeric, columns of text are categorical.

    Args:
        source: ``sklearn.<name>`` or the path of a CSV file with a header.
        target: Column to predict; bundled data sets bring their own.
        features: Columns to learn from, in this order; None for all others.
        drop: Columns to leave out, which are then not looked at.
        task: What the target is; None to infer it.
        folder: Where a relative path starts.

    Returns:
        The whole table; what was decided on the way is in its ``notes``.

    Raises:
        DataError: The source, a column or the target cannot be used; the message gives
            place, expected, got and way out.

    Example:
        >>> load("sklearn.iris", features=["petal length (cm)"]).X.shape
        (150, 1)
    """
    if Path(source).suffix.lower() == ".csv" and "://" not in source:
        return _load_csv(source, _Wish(target, features, drop, task), folder)
    if source.startswith("sklearn."):
        if target not in (None, "target"):
            raise DataError(
                f"data.target: {source} brings its own target; remove {target!r}"
            )
        return load_bundled(source, features=features, drop=drop, task=task)
    raise DataError(f"data.source: {_why_unknown(source)}")


@dataclass(frozen=True)
class _Wish:
    """What the user asks of a file; fields as in `load`."""

    target: str | None
    features: Sequence[str] | None
    drop: Sequence[str]
    task: Task | None


def _why_unknown(source: str) -> str:
    known = "expected sklearn.<name> or the path of a .csv file"
    if "://" in source:
        return f"{known}; got a URL, {source!r}; download the file first"
    if ":" in source:
        return f"{known}; a Python function, {source!r}, is not supported yet"
    suffix = Path(source).suffix.lower()
    if suffix in LATER:
        return (
            f"{known}; {suffix}, in {source!r}, is not supported yet; save it as .csv"
        )
    return f"{known}; got {source!r}{near_source(source)}"


def _load_csv(source: str, wish: _Wish, folder: Path) -> Dataset:
    table = read_table(folder / source, source)
    target = _check_target(table, wish.target)
    chosen = choose_features(
        list(table.columns), target, wish.features, wish.drop, source
    )
    table, notes = _keep_labelled(table, target)
    place = f"{source}: target {target!r}"
    learned = read_target(place, table.columns[target], table.lines, wish.task)
    read = read_features(
        source, {name: table.columns[name] for name in chosen}, table.lines
    )
    if table.separator != ",":
        notes.insert(0, f"cells are separated by {SEPARATOR_NAMES[table.separator]}")
    if learned.note:
        notes.append(learned.note)
    return assemble(read, learned, target, notes)


def _check_target(table: Table, target: str | None) -> str:
    if target in table.columns:
        return str(target)
    names = list(table.columns)
    has = f"{table.place} has {listed(shortened(name) for name in names)}"
    if all(_is_number(name) for name in names):
        has += "; is its first line a row? It must be the names of the columns"
    if target is None:
        raise DataError(f"data.target: expected the column to predict; {has}")
    near = near_match(target, names)
    raise DataError(f"data.target: no column is named {target!r}{near}; {has}")


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _keep_labelled(table: Table, target: str) -> tuple[Table, list[str]]:
    """Leave out the rows whose target is missing, and say so."""
    labels = table.columns[target]
    keep = [i for i, label in enumerate(labels) if label not in MISSING]
    if len(keep) == len(labels):
        return table, []
    if not keep:
        problem = "the target is missing in every row; choose another column"
        raise DataError(f"{table.place}: target {target!r}: {problem}")
    left_out = next(i for i, label in enumerate(labels) if label in MISSING)
    note = (
        f"{count(len(labels) - len(keep), 'row')} left out because the target is "
        f"missing (first: line {table.lines[left_out]}, {labels[left_out]!r})"
    )
    columns = {name: [texts[i] for i in keep] for name, texts in table.columns.items()}
    lines = [table.lines[i] for i in keep]
    return Table(table.place, columns, lines, table.separator), [note]


def assemble(
    features: dict[str, Feature], target: Target, name: str, notes: Sequence[str]
) -> Dataset:
    """Put features and target together as a data set."""
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
        target=name,
        notes=(*notes, *describe(features)),
    )
