"""Tell whether two data sets are the same, by one short text.

It owns what counts as the same: columns, kinds, values, rows and their order, groups,
targets and classes. Where and how the data were loaded, and the notes, do not count.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpo.records import Dataset

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 100_000


def fingerprint(dataset: Dataset) -> str:
    """Return the SHA-256 of the content of a data set, in hexadecimal.

    Numbers are hashed as little-endian float64 with one NaN and one zero, texts as
    UTF-8 after their length, so it does not depend on platform or versions.
    """
    content = hashlib.sha256(b"hpo data 1")
    _add_text(content, dataset.task)
    for name in dataset.targets:
        _add_text(content, name)
    _add_text(content, str(dataset.n_rows))
    if dataset.is_table:
        _add_columns(content, dataset)
    else:
        _add_text(content, f"array {dataset.feature_shape}")
        _add_numbers(content, np.asarray(dataset.X))
    if dataset.groups is not None:
        _add_text(content, "groups")
        content.update(np.ascontiguousarray(dataset.groups, "<i8").data)
    _add_text(content, "target")
    _add_target(content, dataset)
    return content.hexdigest()


def _add_columns(content: hashlib._Hash, dataset: Dataset) -> None:
    X: Any = dataset.X
    categorical = set(dataset.categorical)
    for position, name in enumerate(X.columns):
        column = X.iloc[:, position]
        _add_text(content, str(name))
        if name in categorical:
            _add_text(content, "categorical")
            _add_categories(content, column)
        else:
            _add_text(content, "numeric")
            _add_numbers(content, column.to_numpy(np.float64))


def _add_text(content: hashlib._Hash, text: str) -> None:
    encoded = text.encode("utf-8", "surrogatepass")
    content.update(len(encoded).to_bytes(8, "little"))
    content.update(encoded)


def _add_numbers(content: hashlib._Hash, values: NDArray[Any]) -> None:
    # Some rows at a time: all of an array at once would be held twice.
    for start in range(0, len(values), CHUNK_ROWS):
        part = np.ascontiguousarray(values[start : start + CHUNK_ROWS], "<f8")
        canonical = part + 0.0  # -0.0 becomes 0.0
        canonical[np.isnan(canonical)] = np.nan
        content.update(canonical.data)


def _add_categories(content: hashlib._Hash, column: pd.Series[Any]) -> None:
    """Add the distinct texts as they appear, then which of them each row has."""
    import pandas as pd

    codes, distinct = pd.factorize(column.to_numpy(object))
    _add_text(content, str(len(distinct)))
    for text in distinct:
        _add_text(content, str(text))
    content.update(codes.astype("<i8").tobytes())


def _add_target(content: hashlib._Hash, dataset: Dataset) -> None:
    if dataset.n_outputs > 1:
        _add_text(content, f"outputs {dataset.n_outputs}")
    if dataset.classes is None:
        _add_numbers(content, dataset.y)
        return
    for label in dataset.classes.tolist():
        _add_text(content, type(label).__name__)
        _add_text(content, str(label))
    content.update(dataset.y.astype("<i8").tobytes())
