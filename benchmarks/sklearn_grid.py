"""A whole grid study against scikit-learn's own GridSearchCV: same numbers, what price.

24 params, 5 folds, `sklearn.digits`, two processes, the same networks with the same
seeds and folds, the same scaler fitted on each fold. Ours is the whole study: created
in SQLite, run under its lease, each fold committed durably with its out-of-fold
predictions, its workers stopped at the end. Workers on both sides are warm, and neither
refits. Every score must be equal to the last digit, or the benchmark fails.
"""

from __future__ import annotations

import argparse
import time
import warnings
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import common

N_WORKERS, N_FOLDS = 2, 5
BATCH_SIZE = 32
GRID: dict[str, list[Any]] = {
    "units": [16, 32, 64],
    "activation": ["relu", "tanh"],
    "learning_rate": [0.001, 0.01],
    "l2": [0.0, 0.0001],
}


def prepare_ours(epochs: int, seed: int) -> Any:
    from hpo.spec import parse_study
    from hpo.study import prepare

    constants = {"batch_size": BATCH_SIZE, "epochs": epochs, "random_state": seed}
    document = {
        "name": "grid",
        "data": {"source": "sklearn.digits", "test_size": 0.0},
        "model": "sklearn-mlp",
        "space": {**GRID, **constants},
        "search": {"strategy": "grid", "seed": seed},
        "evaluation": {"folds": N_FOLDS, "metric": "accuracy"},
        "engine": {"jobs": N_WORKERS, "threads": 1},
    }
    return prepare(parse_study(document, folder=Path.cwd()))


def warm_engine(prepared: Any) -> Any:
    """Return the engine of the study after each worker has trained something."""
    from hpo.evaluation import Pair
    from hpo.study import local_engine

    engine = local_engine(prepared)
    cells = prepared.spec.space.grid
    wait([engine.submit((Pair(0, fold, cells[0]),)) for fold in range(N_FOLDS)])
    wait([engine.submit((Pair(0, fold, cells[0]),)) for fold in range(N_FOLDS)])
    return engine


def run_ours(folder: Path, prepared: Any) -> tuple[float, float, dict[str, Any]]:
    """Return seconds of the whole study, seconds to the last commit, and the scores."""
    from hpo.store import Store
    from hpo.study import StudyRun

    engine = warm_engine(prepared)
    store = Store(f"sqlite:///{folder / f'{time.monotonic_ns()}.db'}")
    commits = [0.0]
    started = time.perf_counter()
    outcome = StudyRun(
        prepared,
        store,
        make_engine=lambda: engine,
        observers=[lambda progress: commits.append(time.perf_counter())],
    ).execute()
    took = time.perf_counter() - started
    stored = store.trials("grid")
    store.close()
    assert outcome.state == "complete", outcome
    scores = {}
    for trial in stored:
        key = tuple(trial.params[name] for name in GRID)
        scores[repr(key)] = {
            **{f"split{f.fold}_test_score": f.score for f in trial.folds},
            **{f"split{f.fold}_train_score": f.train_score for f in trial.folds},
            "mean_test_score": trial.score,
            "std_test_score": trial.std,
            "mean_train_score": trial.train_score,
        }
    return took, commits[-1] - started, scores


def run_theirs(
    X: Any, y: Any, epochs: int, seed: int, grid: dict[str, list[Any]]
) -> tuple[float, dict[str, Any]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    # What hpo.models.sklearn_mlp sets: l2 is the coefficient in the mean loss per row,
    # and all epochs are run.
    network = MLPClassifier(
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        momentum=0.9,
        nesterovs_momentum=False,
        random_state=seed,
    )
    translated = {
        "net__hidden_layer_sizes": [(units,) for units in grid["units"]],
        "net__activation": grid["activation"],
        "net__learning_rate_init": grid["learning_rate"],
        "net__alpha": [2 * l2 * BATCH_SIZE for l2 in grid["l2"]],
    }
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("net", network)]),
        translated,
        n_jobs=N_WORKERS,
        cv=StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed),
        scoring="accuracy",
        return_train_score=True,
        refit=False,
    )
    with warnings.catch_warnings():
        # All epochs are run, as ours do; scikit-learn hands filters to its workers.
        warnings.simplefilter("ignore", ConvergenceWarning)
        started = time.perf_counter()
        search.fit(X, y)
        took = time.perf_counter() - started
    found = search.cv_results_
    scores = {}
    for index, params in enumerate(found["params"]):
        key = (
            params["net__hidden_layer_sizes"][0],
            params["net__activation"],
            params["net__learning_rate_init"],
            params["net__alpha"] / (2 * BATCH_SIZE),
        )
        scores[repr(key)] = {
            name: float(values[index])
            for name, values in found.items()
            if name.endswith("_score") and not name.startswith(("rank", "std_train"))
        }
    return took, scores


def greatest_difference(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    assert ours.keys() == theirs.keys(), "not the same grid"
    for key, scores in theirs.items():
        assert ours[key].keys() == scores.keys(), "not the same columns"
    return max(
        abs(value - ours[key][name])
        for key, scores in theirs.items()
        for name, value in scores.items()
    )


def measure(folder: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    seed, epochs = options.seed, options.epochs
    prepared = prepare_ours(epochs, seed)
    assert len(prepared.spec.space.grid) == 24
    warm = {name: values[:1] for name, values in GRID.items()}
    run_theirs(X, y, epochs, seed, warm)
    times: dict[str, list[float]] = {"whole": [], "last": [], "theirs": [], "again": []}
    differences = []
    for index in range(options.rounds):
        parts = ["ours", "theirs", "again"]
        for part in parts[index % 3 :] + parts[: index % 3]:
            if part == "ours":
                whole, last, ours = run_ours(folder, prepared)
                times["whole"].append(whole)
                times["last"].append(last)
            else:
                took, theirs = run_theirs(X, y, epochs, seed, GRID)
                times[part].append(took)
        differences.append(greatest_difference(ours, theirs))
        print(f"  round {index + 1} of {options.rounds}", flush=True)
    times["difference"] = differences
    return times


def main() -> None:
    parser = common.parser(__doc__, rounds=6)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    report = common.Report(
        "sklearn_grid",
        ("scikit-learn", "joblib", "numpy", "pebble", "sqlalchemy"),
        f"{options.seed} for folds and networks",
    )
    with common.scratch(options.folder) as folder:
        report.head(folder)
        times = measure(folder, options)
    names = {
        "theirs": "GridSearchCV, n_jobs=2",
        "again": "GridSearchCV, again (A/A)",
        "whole": "hpo, whole study and stopping its workers",
        "last": "hpo, to its last commit",
    }
    rows = []
    for key, name in names.items():
        ratio = common.ratios(times[key], times["theirs"])
        rows.append([name, common.summary(times[key]), common.summary(ratio, 3)])
    report.table(["24 params x 5 folds", "seconds", "ratio"], rows)
    worst = max(times["difference"])
    n_equal = 24 * (2 * N_FOLDS + 3)
    report.text(
        f"Greatest difference among {n_equal} scores (every split's test and train "
        f"score, their means, and the standard deviation of the test scores): {worst}."
    )
    report.text(
        f"Medians of {options.rounds} rounds, with (least-greatest); a ratio is taken "
        f"within each round. {options.epochs} epochs. {watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)
    if worst != 0.0:
        raise SystemExit(f"scores differ by up to {worst}")


if __name__ == "__main__":
    main()
