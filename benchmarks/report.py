"""How long the report of a large study takes to make, and how large it is.

A study with rows, predictions and learning curves is put into a store; its report is
then made again and again, each time in a process of its own, as `hpo report` does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import common

N_FOLDS = 5
N_EPOCHS = 40
GOAL_SECONDS, GOAL_MB = 10, 8
MAKE = (
    "import sys, time; started = time.perf_counter();"
    "from pathlib import Path; from hpo.store import Store;"
    "from hpo.report.study_report import report_file;"
    "report_file(Store(sys.argv[1]), 's', sys.argv[2]);"
    "print(time.perf_counter() - started)"
)


@dataclass(frozen=True)
class Kind:
    """One kind of study.

    Args:
        name: In words.
        n_trials: Complete ones.
        n_rows: Rows that folds are made of.
        n_classes: 0 for a regression.
    """

    name: str
    n_trials: int
    n_rows: int
    n_classes: int


KINDS = (
    Kind("2 classes", 500, 500, 2),
    Kind("10 classes", 500, 1500, 10),
    Kind("100 classes", 500, 2000, 100),
    Kind("regression", 500, 5000, 0),
)


def fill(url: str, kind: Kind, seed: int) -> None:
    """Store a study of this kind with all that a real one leaves behind."""
    import numpy as np

    from hpo.records import StudyRows, Trial, judge
    from hpo.store import Changes, Store

    rng = np.random.default_rng(seed)
    places = np.array_split(rng.permutation(kind.n_rows), N_FOLDS)
    everything = np.arange(kind.n_rows)
    folds = tuple((np.setdiff1d(everything, place), place) for place in places)
    y: Any = rng.normal(size=kind.n_rows)
    if kind.n_classes:
        y = rng.integers(0, kind.n_classes, kind.n_rows)
    classes = tuple(f"class {c}" for c in range(kind.n_classes)) or None
    record = common.study_record("s", N_FOLDS, seed)
    task = "classification" if kind.n_classes else "regression"
    metric = "accuracy" if kind.n_classes else "r2"
    document = {**record.document, "evaluation": {"folds": N_FOLDS}, "select": "mean"}
    record = replace(
        record,
        task=task,
        metric=metric,
        family="sklearn-mlp",
        strategy="random",
        document=document,
    )
    store = Store(url)
    store.create(record, StudyRows(y, classes, ("target",), folds))
    writer = store.own("s")
    for first in range(0, kind.n_trials, 50):
        trials = []
        for number in range(first, min(first + 50, kind.n_trials)):
            params = draw_params(number, seed)
            results = {
                fold: make_fold(rng, params, fold, y[folds[fold][1]], kind, metric)
                for fold in range(N_FOLDS)
            }
            trials.append(judge(Trial(number, params), results, N_FOLDS))
        pairs = [(trial.number, fold) for trial in trials for fold in trial.folds]
        begun = [Trial(trial.number, trial.params) for trial in trials]
        writer.commit(Changes(started=begun, folds=pairs, finished=trials))
    writer.release()
    store.close()


def draw_params(number: int, seed: int) -> Any:
    from hpo.search import make_strategy

    return make_strategy("random", common.make_space(), seed=seed).propose(number, [])


def make_fold(rng: Any, params: Any, fold: int, y: Any, kind: Kind, metric: str) -> Any:
    """Return a fold whose predictions are right as often as its score says."""
    import numpy as np

    from hpo.records import FoldResult

    quality = min(max(common.smooth_score(params, fold), 0.05), 0.98)
    if kind.n_classes:
        right = rng.random(len(y)) < quality
        codes = np.where(right, y, rng.integers(0, kind.n_classes, len(y)))
        predictions = rng.random((len(y), kind.n_classes))
        predictions[np.arange(len(y)), codes] += 2
        predictions /= predictions.sum(axis=1, keepdims=True)
        score = float((codes == y).mean())
        predictions = predictions.astype(np.float32)
    else:
        predictions = y + rng.normal(scale=1.2 - quality, size=len(y))
        score = 1 - float(((y - predictions) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    epochs = np.arange(1, N_EPOCHS + 1)
    return FoldResult(
        fold,
        score=score,
        train_score=score,
        metrics={metric: score},
        train_metrics={metric: score},
        fit_seconds=1.0,
        n_epochs=N_EPOCHS,
        best_epoch=N_EPOCHS - 5,
        n_parameters=int(100 * params["units"]),
        curves={
            "loss": (1 / epochs).tolist(),
            "val_loss": (1.2 / epochs).tolist(),
        },
        predictions=predictions,
        engine="no-op",
    )


def make_report(url: str, file: Path) -> float:
    """Return the seconds that a new process takes for a report, imports included."""
    done = subprocess.run(
        [sys.executable, "-c", MAKE, url, str(file)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = common.parser(__doc__, rounds=3)
    parser.add_argument("--trials", type=int, help="of each study; default: 500")
    given: argparse.Namespace = parser.parse_args(arguments)
    common.wait_until_calm(given.calm, 1.0)
    watch = common.Watch()
    report = common.Report("report", ("plotly", "scikit-learn"), f"{given.seed}")
    rows = []
    with common.scratch(given.folder) as folder:
        report.head(folder)
        for kind in KINDS:
            kind = replace(kind, n_trials=given.trials or kind.n_trials)
            url = f"sqlite:///{folder / f'{time.monotonic_ns()}.db'}"
            fill(url, kind, given.seed)
            file = folder / "report.html"
            seconds = [make_report(url, file) for _ in range(given.rounds)]
            rows.append(
                [
                    f"{kind.name}, {kind.n_trials} x {N_FOLDS} folds",
                    f"{kind.n_rows:,}",
                    common.summary(seconds),
                    f"{file.stat().st_size / 1e6:.2f}",
                ]
            )
    report.table(["study", "rows", "seconds", "MB"], rows)
    report.text(
        f"Goals: under {GOAL_SECONDS} s and under {GOAL_MB} MB. Seconds are those of a "
        f"new process with its imports, median of {given.rounds} (least-greatest); "
        f"{watch.sentence()}."
    )
    report.write(given.markdown, given.section)


if __name__ == "__main__":
    main()
