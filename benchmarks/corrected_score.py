"""What the corrected score costs, and how near to the truth it is.

Seconds are for 500 rows and 300 trials judged by accuracy. Bias and coverage are for
trials that are simulated, each right with a probability of its own, so that the true
score of the chosen one is known; and for networks of scikit-learn that are trained on
shuffled labels, of which nothing can be learnt.
"""

from __future__ import annotations

import statistics
import time
import warnings
from typing import Any

import common
import numpy as np

SIMULATED = [(40, 300), (100, 50), (100, 300), (500, 300)]
N_FOLDS, LIMIT_SECONDS = 5, 0.2
N_NOISE_ROWS, N_NOISE_TRIALS = 300, 200


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


def noise_row(n_seeds: int, seed: int, *, trained: bool) -> list[str]:
    """Return a row of the table of shuffled labels."""
    naive, corrected, covered = [], [], []
    for run in range(n_seeds):
        random = np.random.default_rng([seed, run])
        y = random.permutation(np.arange(N_NOISE_ROWS) % 2)
        majority = 0.5
        rows = make_rows(y, random)
        shape = N_NOISE_TRIALS, N_NOISE_ROWS
        codes = (
            trained_codes(rows, random) if trained else random.integers(2, size=shape)
        )
        trials = make_trials(rows, codes)
        found = correct(rows, trials, run)
        naive.append(best_of(trials).score - majority)
        corrected.append(found.score - majority)
        covered.append(float(found.low <= majority <= found.high))
    what = "networks trained on shuffled labels" if trained else "guesses"
    means = [f"{statistics.mean(values):+.3f}" for values in (naive, corrected)]
    within = "yes" if abs(statistics.mean(corrected)) <= 0.03 else "no"
    return [what, *means, within, f"{statistics.mean(covered):.2f}"]


def trained_codes(rows: Any, random: np.random.Generator) -> Any:
    """Return what networks of random settings predict of rows left out."""
    from sklearn.neural_network import MLPClassifier

    X = random.normal(size=(len(rows.y), 10))
    codes = np.zeros((N_NOISE_TRIALS, len(rows.y)), dtype=np.int64)
    for own in codes:
        settings = {
            "hidden_layer_sizes": (int(random.integers(2, 33)),),
            "learning_rate_init": 10 ** random.uniform(-4, -1),
            "alpha": 10 ** random.uniform(-6, 1),
            "max_iter": 20,
        }
        for fold, (train, scored) in enumerate(rows.folds):
            model = MLPClassifier(**settings, random_state=fold)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that 20 epochs are few
                own[scored] = model.fit(X[train], rows.y[train]).predict(X[scored])
    return codes


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
        "--trained-seeds", type=int, default=3, help="of trained networks; 0: none"
    )
    options = parser.parse_args()
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    report = common.Report(
        "corrected_score", ("numpy", "scikit-learn"), f"from {options.seed}"
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
    noise = [noise_row(options.noise_seeds, options.seed, trained=False)]
    if options.trained_seeds:
        noise.append(noise_row(options.trained_seeds, options.seed, trained=True))
    report.table(
        [
            f"{N_NOISE_ROWS} rows, {N_NOISE_TRIALS} trials of",
            "best score",
            "corrected score",
            "within 0.03",
            "intervals with the share",
        ],
        noise,
    )
    report.text(
        "Means of a score minus the share of either class, 0.5, over "
        f"{options.noise_seeds} seeds of guesses and {options.trained_seeds} of "
        "networks."
    )
    report.text(
        f"Median of {options.rounds} rounds, with (least-greatest). "
        f"{watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
