"""Load a data set from what the study file names as its source.

It owns which sources there are. It never goes to the network and unpacks no pickle; a
function is run only where `hpo.user_code` finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpo.data.csv_file import read_csv
from hpo.data.parquet import read_parquet
from hpo.data.tables import to_dataset
from hpo.data.wish import Wish
from hpo.errors import DataError
from hpo.records import Dataset, Task
from hpo.user_code import Home, why_malformed

LATER = {
    ".arff": ".csv",
    ".feather": ".parquet",
    ".gz": ".csv",
    ".json": ".csv",
    ".npy": ".npz",
    ".tsv": ".csv",
    ".txt": ".csv",
    ".xls": ".csv",
    ".xlsx": ".csv",
    ".zip": ".csv",
}
"""Files that are not read, and what to save them as."""

EXPECTED = "expected a .csv, .parquet or .npz file, sklearn.<name> or module:function"


def load(
    source: str,
    *,
    options: Mapping[str, Any] | None = None,
    target: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    group: str | None = None,
    order: str | None = None,
    task: Task | None = None,
    home: Home | None = None,
) -> Dataset:
    """Load the data of a study.

    Cells of a table are missing if they are empty or one of `hpo.data.cells.MISSING`;
    rows with a missing target are left out. Columns of numbers (or of true and false,
    as 1 and 0) are numeric, columns of ISO dates become year, day of the year and hour,
    other columns of text are categorical.

    Args:
        source: Path of a ``.csv``, ``.parquet`` or ``.npz`` file, ``sklearn.<name>`` or
            ``module:function``.
        options: Parameters of a generator or a function.
        target: Column to predict, or several for a regression of several targets; the
            data sets of scikit-learn bring their own.
        features: Columns to learn from, in this order; None for all others.
        drop: Columns to leave out, which are then not looked at.
        group: Column whose rows must stay together when rows are split.
        order: Column of numbers or dates that the rows are sorted by.
        task: What the target is; None to infer it.
        home: Where relative paths start, and where functions may come from.

    Returns:
        All rows; what was decided on the way is in its ``notes``.

    Raises:
        DataError: The source, a column or the target cannot be used; the message gives
            place, expected, got and way out.
        SpecError: A function cannot be found.

    Example:
        >>> load("sklearn.iris", features=["petal length (cm)"]).X.shape
        (150, 1)
    """
    wish = Wish(
        source=source,
        options=dict(options or {}),
        targets=(target,) if isinstance(target, str) else tuple(target or ()),
        features=None if features is None else tuple(features),
        drop=tuple(drop),
        group=group,
        order=order,
        task=task,
        home=home or Home(),
    )
    suffix = "" if "://" in source else Path(source).suffix.lower()
    if suffix in _FILES:
        if options:
            raise DataError(f"data.source: a {suffix} file takes no parameters")
        return _FILES[suffix](wish)
    if source.startswith("sklearn."):
        return _load_sklearn(wish)
    if why_malformed(source) is None:
        from hpo.data.user_data import load_user

        return load_user(wish)
    raise DataError(f"data.source: {_why_unknown(source)}")


def _load_csv(wish: Wish) -> Dataset:
    exact = [*wish.targets, *filter(None, (wish.group, wish.order))]
    table = read_csv(wish.home.folder / wish.source, wish.source, exact)
    return to_dataset(table, wish)


def _load_parquet(wish: Wish) -> Dataset:
    table = read_parquet(wish.home.folder / wish.source, wish.source)
    return to_dataset(table, wish)


def _load_npz(wish: Wish) -> Dataset:
    from hpo.data.arrays import load_npz

    return load_npz(wish)


_FILES = {".csv": _load_csv, ".parquet": _load_parquet, ".npz": _load_npz}


def _load_sklearn(wish: Wish) -> Dataset:
    from hpo.data.generators import GENERATORS, load_generated, short_name
    from hpo.data.sklearn_sets import load_bundled

    generated = short_name(wish.source) in GENERATORS
    return load_generated(wish) if generated else load_bundled(wish)


def _why_unknown(source: str) -> str:
    from hpo.data.sklearn_sets import near_source

    if "://" in source:
        return f"{EXPECTED}; got a URL, {source!r}; download the file first"
    suffix = Path(source).suffix.lower()
    if suffix in LATER:
        way_out = f"save it as {LATER[suffix]}"
        return f"{EXPECTED}; {suffix}, in {source!r}, is not read; {way_out}"
    return f"{EXPECTED}; got {source!r}{near_source(source)}"
