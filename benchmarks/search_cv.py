"""`hpo.SearchCV` against scikit-learn's own GridSearchCV: same results, what price.

A grid of 12 params over an MLPClassifier on `sklearn.digits`, 5 folds, two processes of
joblib, refitting included; then the same with every round committed to SQLite. The two
sides take turns, and GridSearchCV runs twice in each round (A/A). Every column of
``cv_results_`` but the times must be equal to the last digit, or the benchmark fails.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import common

N_WORKERS, N_FOLDS = 2, 5
GRID: dict[str, list[Any]] = {
    "hidden_layer_sizes": [(16,), (32,), (64,)],
    "activation": ["relu", "tanh"],
    "learning_rate_init": [0.001, 0.01],
}
SIDES = {
    "theirs": "GridSearchCV, n_jobs=2",
    "again": "GridSearchCV, again (A/A)",
    "ours": "SearchCV, strategy grid, n_jobs=2",
    "stored": "SearchCV, the same with a store",
}


def make_search(side: str, folder: Path, options: argparse.Namespace) -> Any:
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.neural_network import MLPClassifier

    from hpo import SearchCV

    network = MLPClassifier(
        batch_size=32,
        max_iter=options.epochs,
        n_iter_no_change=options.epochs + 1,
        random_state=options.seed,
    )
    shared = {
        "n_jobs": N_WORKERS,
        "cv": StratifiedKFold(N_FOLDS, shuffle=True, random_state=options.seed),
        "return_train_score": True,
    }
    if side in ("theirs", "again"):
        return GridSearchCV(network, GRID, **shared)
    kept = {}
    if side == "stored":
        url = f"sqlite:///{folder / f'{time.monotonic_ns()}.db'}"
        kept = {"store": url, "name": "grid"}
    return SearchCV(network, GRID, strategy="grid", **shared, **kept)


def run(
    side: str, folder: Path, options: argparse.Namespace
) -> tuple[float, dict[str, Any]]:
    """Return the seconds of one fit and its results."""
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning

    X, y = load_digits(return_X_y=True)
    search = make_search(side, folder, options)
    with warnings.catch_warnings():
        # All epochs are run; scikit-learn hands filters to its workers.
        warnings.simplefilter("ignore", ConvergenceWarning)
        started = time.perf_counter()
        search.fit(X, y)
        return time.perf_counter() - started, search.cv_results_


def n_equal_columns(ours: dict[str, Any], theirs: dict[str, Any]) -> int:
    """Return how many columns were compared; raise if any value differs."""
    assert list(ours) == list(theirs), "not the same columns"
    columns = [column for column in theirs if "time" not in column]
    for column in columns:
        if list(ours[column]) != list(theirs[column]):
            raise SystemExit(f"column {column} differs")
    return len(columns)


def main() -> None:
    parser = common.parser(__doc__, rounds=6)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    report = common.Report(
        "search_cv",
        ("scikit-learn", "joblib", "numpy", "sqlalchemy"),
        f"{options.seed} for folds and networks",
    )
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    n_columns = 0
    with common.scratch(options.folder) as folder:
        report.head(folder)
        for side in SIDES:  # warms the workers, and imports what a store needs
            run(side, folder, argparse.Namespace(seed=options.seed, epochs=1))
        for index in range(options.rounds):
            found = {}
            start = index % len(SIDES)
            for side in [*list(SIDES)[start:], *list(SIDES)[:start]]:
                took, found[side] = run(side, folder, options)
                times[side].append(took)
            n_columns = n_equal_columns(found["ours"], found["theirs"])
            n_equal_columns(found["stored"], found["theirs"])
            print(f"  round {index + 1} of {options.rounds}", flush=True)
    rows = []
    for side, name in SIDES.items():
        ratio = common.ratios(times[side], times["theirs"])
        rows.append([name, common.summary(times[side]), common.summary(ratio, 3)])
    report.table(["12 params x 5 folds, and refit", "seconds", "ratio"], rows)
    report.text(
        f"All {n_columns} columns of cv_results_ but the times are equal to the last "
        f"digit, in every round and with the store too."
    )
    report.text(
        f"Medians of {options.rounds} rounds, with (least-greatest); a ratio is taken "
        f"within each round. {options.epochs} epochs. {watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
