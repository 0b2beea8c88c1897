"""What makes a stored search the same: texts of its settings, a hash of its data.

The texts are the same in another process: no address of an object is in them, and long
arrays are there by their content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.space.from_sklearn import readable

HASH_LETTERS = 12


def text_of(value: Any) -> str:
    """Word a setting, of an estimator with all its parameters.

    Functions and classes are told apart by their names alone.
    """
    if hasattr(value, "get_params") and not isinstance(value, type):
        params = sorted(value.get_params(deep=False).items())
        inner = ", ".join(f"{name}={text_of(given)}" for name, given in params)
        return f"{type(value).__qualname__}({inner})"
    if isinstance(value, np.ndarray) and value.ndim:
        content = hashlib.sha256()
        _add_array(content, value)
        what = "x".join(map(str, value.shape))
        return f"array({what}, {content.hexdigest()[:HASH_LETTERS]})"
    if isinstance(value, Mapping):
        pairs = [f"{text_of(key)}: {text_of(given)}" for key, given in value.items()]
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, np.generic):
        return repr(value.item())
    return readable(value)


def fingerprint(
    X: Any, y: Any, fit_params: Mapping[str, Any], splits: Iterable[tuple[Any, Any]]
) -> str:
    """Return the SHA-256 of all that is trained on, in hexadecimal.

    Args:
        X: Features in any form that scikit-learn takes.
        y: Targets, or None.
        fit_params: What else `fit` was given, by name, such as weights and groups.
        splits: Rows of each fold to train on and to score.
    """
    content = hashlib.sha256(b"hpo search 1")
    _add(content, "X", X)
    _add(content, "y", y)
    for name, given in sorted(fit_params.items()):
        _add(content, name, given)
    for train, test in splits:
        _add(content, "train", np.asarray(train))
        _add(content, "test", np.asarray(test))
    return content.hexdigest()


def _add(content: hashlib._Hash, name: str, given: Any) -> None:
    _add_text(content, name)
    if given is None or isinstance(given, str | int | float | bool):
        _add_text(content, repr(given))
    elif hasattr(given, "tocoo"):
        coordinates = given.tocoo()
        _add_text(content, f"sparse {coordinates.shape}")
        for part in (*coordinates.coords, coordinates.data):
            _add_array(content, np.asarray(part))
    elif hasattr(given, "columns") and not callable(given.columns):
        for position, column in enumerate(given.columns):
            _add_text(content, str(column))
            _add_array(content, np.asarray(_column(given, position, column)))
    else:
        _add_array(content, np.asarray(given))


def _column(table: Any, position: int, name: Any) -> Any:
    # By place where there are places: names of columns need not be unique.
    return table.iloc[:, position] if hasattr(table, "iloc") else table[name]


def _add_array(content: hashlib._Hash, array: NDArray[Any]) -> None:
    _add_text(content, f"{array.dtype.str} {array.shape}")
    if array.dtype.kind in "biufcSUmM":
        content.update(np.ascontiguousarray(array).tobytes())
        return
    for value in array.ravel():
        _add_text(content, f"{type(value).__name__} {value}")


def _add_text(content: hashlib._Hash, text: str) -> None:
    encoded = text.encode("utf-8", "surrogatepass")
    content.update(len(encoded).to_bytes(8, "little"))
    content.update(encoded)
