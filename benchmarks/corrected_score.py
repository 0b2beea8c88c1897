"""What the corrected score costs, and how near to the truth it is.

Seconds are for 500 rows and 300 trials judged by accuracy. Bias and coverage are for
trials that are simulated, each right with a probability of its own, so that the true
score of the chosen one is known; for guesses; and for whole studies of networks trained
on shuffled labels, of which nothing can be learnt but which class is frequent.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np

SIMULATED = [(40, 300), (100, 50), (100, 300), (500, 300)]
N_FOLDS, LIMIT_SECONDS = 5, 0.2
N_NOISE_ROWS, N_NOISE_TRIALS = 300, 200
SPACE: dict[str, Any] = {
    "hidden_layers": {"int": [1, 2]},
    "units": {"int": [4, 64], "log": True},
    "learning_rate": {"float": [1e-4, 1e-1], "log": True},
    "l2": {"float": [1e-6, 1e-1], "log": True},
    "dropout": {"float": [0.0, 0.5]},
    "epochs": 20,
}


def make_rows(y: Any, random: np.random.Generator) -> Any:
    from sklearn.model_selection import StratifiedKFold

    from hpo.records import StudyRows

    seed = int(random.integers(2**31))
    splitter = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    folds = tuple(splitter.split(np.zeros((len(y), 1)), y))
    return StudyRows(y, (0, 1), ("target",), folds)


def make_trials(rows: Any, codes: Any) -> list[Any]:
    """Make complete trials of the class codes that each predicts, (n_trials, n)."""
    from hpo.records import FoldResult, Trial, judge

    trials = []
    for number, own in enumerate(codes):
        folds = {}
        for fold, (_, scored) in enumerate(rows.folds):
            given = own[scored]
            score = float(np.mean(given == rows.y[scored]))
            folds[fold] = FoldResult(fold, score=score, predictions=given)
        trials.append(judge(Trial(number, {}), folds, N_FOLDS))
    return trials


def correct(rows: Any, trials: list[Any], seed: int) -> Any:
    from hpo.analysis.corrected import corrected_score

    record = common.study_record("simulated", N_FOLDS, seed)
    found, why = corrected_score(
        record, trials, rows, lambda n: [trials[i] for i in n], rule="mean"
    )
    assert found is not None, why
    assert found.resampled == "rows"
    return found


def simulate(n_rows: int, accuracies: Any, random: np.random.Generator) -> Any:
    y = random.integers(2, size=n_rows)
    right = random.random((len(accuracies), n_rows)) < accuracies[:, None]
    rows = make_rows(y, random)
    return rows, make_trials(rows, np.where(right, y, 1 - y))


def best_of(trials: list[Any]) -> Any:
    return max(trials, key=lambda trial: (trial.score, -trial.number))


def simulated_row(n_rows: int, n_trials: int, n_runs: int, seed: int) -> list[str]:
    """Return a row of the table of simulated trials."""
    naive, corrected, covered = [], [], []
    for run in range(n_runs):
        random = np.random.default_rng([seed, n_rows, n_trials, run])
        accuracies = random.beta(9, 6, size=n_trials)
        rows, trials = simulate(n_rows, accuracies, random)
        best, found = best_of(trials), correct(rows, trials, run)
        truth = accuracies[best.number]
        naive.append(best.score - truth)
        corrected.append(found.score - truth)
        covered.append(float(found.low <= truth <= found.high))
    means = [f"{statistics.mean(values):+.3f}" for values in (naive, corrected)]
    return [f"{n_rows} x {n_trials}", *means, f"{statistics.mean(covered):.2f}"]


@dataclass(frozen=True)
class Noise:
    """What came of one search through labels of which nothing can be learnt.

    Args:
        share: Of the more frequent class.
        truth: How often the chosen trial would be right about other labels.
        best: Its score.
        corrected: Its corrected score, with ``low`` and ``high``.
    """

    share: float
    truth: float
    best: float
    corrected: Any


def guessed_row(n_seeds: int, seed: int) -> list[str]:
    """Return a row of the table of noise: guesses at classes of equal size."""
    found = []
    for run in range(n_seeds):
        random = np.random.default_rng([seed, run])
        y = random.permutation(np.arange(N_NOISE_ROWS) % 2)
        codes = random.integers(2, size=(N_NOISE_TRIALS, N_NOISE_ROWS))
        rows = make_rows(y, random)
        trials = make_trials(rows, codes)
        best = best_of(trials).score
        found.append(Noise(0.5, 0.5, best, correct(rows, trials, run)))
    return noise_row("guesses", found)


def trained_row(n_seeds: int, seed: int, folder: Path, *, even: bool) -> list[str]:
    """Return a row of the table of noise: studies of networks on shuffled labels."""
    found = [shuffled_study(run, seed, folder, even=even) for run in range(n_seeds)]
    what = "even" if even else "uneven"
    return noise_row(f"networks, {what} classes", found)


def shuffled_study(run: int, seed: int, folder: Path, *, even: bool) -> Noise:
    """Run a study on rows of breast_cancer whose labels are shuffled.

    Args:
        run: Which one it is.
        seed: Of all of them.
        folder: For the data and the store.
        even: Whether both classes have as many rows, or as they come.
    """
    from sklearn.datasets import load_breast_cancer

    import hpo

    random = np.random.default_rng([seed, run])
    X, y = load_breast_cancer(return_X_y=True)
    rows = random.permutation(len(y))[:N_NOISE_ROWS]
    labels = np.arange(N_NOISE_ROWS) % 2 if even else y[rows]
    shuffled = random.permutation(labels)
    name = f"noise {'even' if even else 'uneven'} {run}"
    file = folder / f"{name}.npz"
    np.savez(file, X=X[rows], y=shuffled)
    store = f"sqlite:///{folder / 'noise.db'}"
    study = hpo.run(
        {
            "name": name,
            "data": {"source": str(file), "test_size": 0},
            "task": "classification",
            "model": "keras-mlp",
            "space": SPACE,
            "search": {
                "strategy": "random",
                "trials": N_NOISE_TRIALS,
                "seed": seed + run,
            },
        },
        store=store,
        tracking="none",
    )
    result = study.result()
    assert len(study.trials) == N_NOISE_TRIALS
    assert result.corrected.resampled == "rows"
    shares = np.bincount(shuffled) / len(shuffled)
    truth = shares[predicted_codes(store, name, result.best.number)].mean()
    return Noise(float(max(shares)), float(truth), result.best.score, result.corrected)


def predicted_codes(url: str, name: str, number: int) -> Any:
    """Return the class that a trial gave each row when it was left out, (n,) codes."""
    from hpo.store import Store

    store = Store(url)
    (trial,) = store.trials(name, predictions=True, numbers=[number])
    store.close()
    return np.concatenate([fold.predictions.argmax(axis=1) for fold in trial.folds])


def noise_row(what: str, found: list[Noise]) -> list[str]:
    """Put together what came of several seeds."""

    def mean(values: Any) -> float:
        return statistics.mean(map(float, values))

    corrected = mean(one.corrected.score - one.share for one in found)
    covered = mean(
        one.corrected.low <= one.truth <= one.corrected.high for one in found
    )
    return [
        what,
        f"{mean(one.share for one in found):.3f}",
        f"{mean(one.best - one.share for one in found):+.3f}",
        f"{corrected:+.3f}",
        "yes" if abs(corrected) <= 0.03 else "no",
        f"{mean(one.truth - one.share for one in found):+.3f}",
        f"{mean(one.corrected.score - one.truth for one in found):+.3f}",
        f"{covered:.2f}",
    ]


def measure_seconds(rounds: int, seed: int) -> list[float]:
    random = np.random.default_rng(seed)
    rows, trials = simulate(500, random.beta(9, 6, size=300), random)
    times = []
    for index in range(rounds + 1):
        started = time.perf_counter()
        correct(rows, trials, seed)
        if index:
            times.append(time.perf_counter() - started)
    return times


def main() -> None:
    parser = common.parser(__doc__, rounds=11)
    parser.add_argument("--runs", type=int, default=150, help="simulated studies")
    parser.add_argument("--noise-seeds", type=int, default=20)
    parser.add_argument(
        "--trained-seeds", type=int, default=20, help="of trained networks; 0: none"
    )
    options = parser.parse_args()
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    report = common.Report(
        "corrected_score",
        ("numpy", "scikit-learn", "keras", "tensorflow"),
        f"from {options.seed}",
    )
    with common.scratch(options.folder) as folder:
        report.head(folder)
    times = measure_seconds(options.rounds, options.seed)
    verdict = "yes" if statistics.median(times) < LIMIT_SECONDS else "no"
    report.table(
        ["500 rows x 300 trials", "seconds", f"under {LIMIT_SECONDS} s"],
        [["accuracy, 1000 draws", common.summary(times, 3), verdict]],
    )
    report.table(
        ["rows x trials", "best score", "corrected score", "intervals with the truth"],
        [simulated_row(*size, options.runs, options.seed) for size in SIMULATED],
    )
    report.text(
        f"Means over {options.runs} simulated studies of a score minus the true score "
        "of the chosen trial; true scores are drawn from Beta(9, 6)."
    )
    noise = [guessed_row(options.noise_seeds, options.seed)]
    if options.trained_seeds:
        with common.scratch(options.folder) as folder:
            n, seed = options.trained_seeds, options.seed
            noise += [trained_row(n, seed, folder, even=e) for e in (True, False)]
    report.table(
        [
            f"{N_NOISE_ROWS} rows, {N_NOISE_TRIALS} trials of",
            "majority share",
            "best score",
            "corrected score",
            "within 0.03",
            "truth",
            "corrected - truth",
            "intervals with the truth",
        ],
        noise,
    )
    report.text(
        "Means of the share of the more frequent class, and of a score minus it, over "
        f"{options.noise_seeds} seeds of guesses and {options.trained_seeds} of trained"
        " networks: whole studies of keras-mlp, random search over depth, width, "
        "learning rate, L2 and dropout, on rows of breast_cancer with shuffled labels. "
        "Truth: how often the chosen trial would be right about labels of other rows, "
        "which do not depend on what it says: the mean share of the classes that it "
        "gave to rows that were left out."
    )
    report.text(
        f"Median of {options.rounds} rounds, with (least-greatest). "
        f"{watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
