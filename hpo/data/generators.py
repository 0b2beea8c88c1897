"""The data that scikit-learn generates from parameters, such as moons and blobs.

It owns which generators make examples to learn from, and checks their parameters. It
refuses sizes beyond reason, and never makes other data from the same study file.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hpo.data.array_roles import Roles
from hpo.data.arrays import from_arrays
from hpo.data.features import choose_features
from hpo.data.wish import Wish
from hpo.data.words import listed
from hpo.errors import DataError, near_match
from hpo.records import Dataset, Task

GENERATORS: dict[str, Task] = {
    "blobs": "classification",
    "circles": "classification",
    "classification": "classification",
    "friedman1": "regression",
    "friedman2": "regression",
    "friedman3": "regression",
    "gaussian_quantiles": "classification",
    "hastie_10_2": "classification",
    "moons": "classification",
    "regression": "regression",
    "s_curve": "regression",
    "sparse_uncorrelated": "regression",
    "swiss_roll": "regression",
}
"""What there is to predict: classes, or values (the place along a curve or roll)."""

MAX_ROWS = 1_000_000
MAX_COUNT = 10_000
MAX_VALUES = 100_000_000
MAX_SEED = 2**32 - 1

_OTHER_RESULTS = {"return_centers", "return_X_y", "coef"}
"""Parameters that ask for something else than examples and answers."""

_PRODUCTS = (
    ("n_samples", "n_features", 100, MAX_VALUES),
    ("n_classes", "n_clusters_per_class", 2, MAX_COUNT),
    ("n_features", "centers", 2, MAX_VALUES),
)
"""Parameters, the default of the first, and how much they may come to together."""

_TUPLES = {"n_samples", "center_box"}
_WHOLE = {"centers", "random_state"}
_INVALID = re.compile(r"The '(\w+)' parameter of \w+ must be (.*)\. Got (.*) instead\.")


def short_name(source: str) -> str:
    """Return ``moons`` for ``sklearn.moons`` and for ``sklearn.make_moons``."""
    return source.removeprefix("sklearn.").removeprefix("make_")


def load_generated(wish: Wish) -> Dataset:
    """Generate ``sklearn.<name>``; the options are the generator's own parameters.

    ``random_state`` is 0 unless they give another one. The columns are called x0, x1,
    ... and the target y, or y0, y1, ... for several targets.

    Raises:
        DataError: A parameter is unknown or has a wrong value, a column is unknown, or
            the data cannot have what is wished of it.
    """
    from sklearn import datasets

    place, name = wish.source, short_name(wish.source)
    task = refuse_other_wishes(wish, GENERATORS[name])
    make = getattr(datasets, f"make_{name}")
    options = _check_options(make, wish)
    X, y = _make(make, options, place)
    names = [f"x{index}" for index in range(X.shape[1])]
    chosen = choose_features(names, None, wish.features, wish.drop, place)
    if chosen != names:
        X = X[:, [names.index(column) for column in chosen]]
    if task == "classification":
        y = y.astype(np.int64)  # hastie_10_2 calls its classes -1.0 and 1.0
    return from_arrays(
        {"X": X, "y": y},
        Roles(("y",), ("X",)),
        Wish(place, task=task),
        labels={"X": chosen},
    )


def refuse_other_wishes(wish: Wish, own: Task) -> Task:
    """Refuse what a data set of scikit-learn's own cannot give, and return its task.

    Args:
        wish: What is asked for.
        own: What its target is.

    Raises:
        DataError: It asks for groups, an order or another task.
    """
    for key, column in (("group", wish.group), ("order", wish.order)):
        if column is not None:
            has = "groups" if key == "group" else "order of its rows"
            raise DataError(f"data.{key}: {wish.source} has no {has}; remove this key")
    if wish.targets not in ((), ("target",), ("y",)):
        raise DataError(
            f"data.target: {wish.source} brings its own target; remove "
            f"{listed(map(repr, wish.targets))}"
        )
    if wish.task not in (None, own):
        raise DataError(f"task: {wish.source} is a {own} data set; got {wish.task!r}")
    return own


def _check_options(make: Callable[..., Any], wish: Wish) -> dict[str, Any]:
    known = [n for n in inspect.signature(make).parameters if n not in _OTHER_RESULTS]
    place = f"data.source: {wish.source}"
    problems = []
    options: dict[str, Any] = {"random_state": 0}
    for name, value in wish.options.items():
        if name not in known:
            near = near_match(name, known) or f"; it has {listed(known)}"
            problems.append(f"{place} has no parameter {str(name)!r}{near}")
            continue
        options[name] = _plain(name, value)
        if what := _why_too_large(name, options[name]):
            problems.append(f"{place}: {what}")
    if problems:
        raise DataError("\n".join(problems))
    for first, second, default, most in _PRODUCTS:
        n = _total(options.get(first, default)) * _total(options.get(second, 1))
        if n > most:
            problem = f"{first} times {second} must be at most {most}; got {n}"
            raise DataError(f"{place}: {problem}")
    return options


def _plain(name: str, value: Any) -> Any:
    """Return what YAML means: a tuple for a list of sizes, 1000 for 1e3."""
    if name in _TUPLES and isinstance(value, list):
        return tuple(_plain(name, item) for item in value)
    counts = name.startswith("n_") or name in _WHOLE
    if counts and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _why_too_large(name: str, value: Any) -> str | None:
    if name == "random_state":
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if is_whole and 0 <= value <= MAX_SEED:
            return None
        return f"{name} must be a whole number from 0 to {MAX_SEED}; got {value!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{name} must be finite; got {value!r}"
    most = MAX_ROWS if name == "n_samples" else MAX_COUNT
    if isinstance(value, int | tuple) and _total(value) > most:
        return f"{name} must be at most {most}; got {_total(value)}"
    return None


def _total(value: Any) -> int:
    parts = value if isinstance(value, tuple) else (value,)
    return sum(part for part in parts if isinstance(part, int))


def _make(
    make: Callable[..., Any], options: Mapping[str, Any], place: str
) -> tuple[Any, Any]:
    try:
        with np.errstate(all="ignore"):
            X, y = make(**options)
    except MemoryError as error:
        what = "the data are too large for the memory; lower n_samples"
        raise DataError(f"data.source: {place}: {what}") from error
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        raise DataError(f"data.source: {place}: {_reworded(error)}") from error
    return np.asarray(X), np.asarray(y)


def _reworded(error: Exception) -> str:
    """Word a refusal of scikit-learn's as others are worded."""
    if match := _INVALID.fullmatch(str(error).strip()):
        name, expected, got = match.groups()
        return f"{name} must be {expected}; got {got}"
    said = " ".join(str(error).split()).rstrip(".")
    return f"scikit-learn refuses these parameters: {said}"
