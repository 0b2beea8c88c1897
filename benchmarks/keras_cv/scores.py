"""Whether networks trained in stacks score as those that Keras' own `fit` trains.

Each data set is cut into the same five folds for both. Weights, order of the rows and
dropout differ from seed to seed and between the two, so that no single score is equal;
their mean over the seeds has to be. Differences are taken seed by seed. ``--rounds`` is
the number of seeds, ``--quick`` takes three of two epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import peers
import shared
from shared import common

DATA = ("breast_cancer", "digits", "wine")
SEEDS = 20
SEEDS_AT_ONCE = 8
"""Seeds of one stack: 40 networks."""


def folds(name: str) -> list[shared.Fold]:
    """Return the folds of a data set of scikit-learn, the same for every seed."""
    from sklearn import datasets

    load = getattr(datasets, f"load_{name}")
    return shared.scaled_folds(*load(return_X_y=True), seed=0)


def of_stacks(data: str, params: dict[str, Any], seeds: list[int]) -> dict[str, Any]:
    """Return the mean score of each seed, and what trained the networks."""
    family, rows, scores = shared.family(), folds(data), []
    for start in range(0, len(seeds), SEEDS_AT_ONCE):
        some = seeds[start : start + SEEDS_AT_ONCE]
        networks = [
            ({**params, "random_state": 1000 * seed + number}, fold)
            for seed in some
            for number, fold in enumerate(rows)
        ]
        _, each, engine = shared.train(family, networks, 0)
        scores += _means(each, len(rows))
    return {"scores": scores, "engine": engine}


def of_fit(data: str, params: dict[str, Any], seeds: list[int]) -> list[float]:
    """Return the mean score of each seed by the plain loop."""
    import keras

    rows, scores = folds(data), []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        scores += _means(peers.plain_trial(params, rows)[1], len(rows))
    return scores


def _means(scores: Sequence[float], n_folds: int) -> list[float]:
    cut = [scores[i : i + n_folds] for i in range(0, len(scores), n_folds)]
    return [sum(some) / n_folds for some in cut]


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the mean of paired differences and half its 95 % interval.

    Source:
        Student, "The Probable Error of a Mean", Biometrika 6, 1908.
    """
    import numpy as np
    from scipy import stats

    n = len(differences)
    error = np.std(differences, ddof=1) / n**0.5
    return float(np.mean(differences)), float(stats.t.ppf(0.975, n - 1) * error)


def main() -> None:
    parser = shared.parser(__doc__)
    parser.set_defaults(rounds=SEEDS)
    parser.add_argument("--epochs", type=int, default=shared.EPOCHS)
    parser.add_argument("--backend", default="tensorflow")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.epochs = 3, 2
    params = {**shared.NETWORK, "epochs": options.epochs}
    seeds = [options.seed + index for index in range(options.rounds)]
    with common.scratch(options.folder) as folder:
        report, watch = shared.begin("scores", options, folder)
        rows, engine = [], ""
        for data in DATA:
            arguments = {"data": data, "params": params, "seeds": seeds}
            ours = shared.fresh(of_stacks, backend=options.backend, **arguments)
            theirs = shared.fresh(of_fit, backend=options.backend, **arguments)
            engine = ours["engine"]
            pairs = list(zip(ours["scores"], theirs, strict=True))
            mean, half = interval([a - b for a, b in pairs])
            stacked, by_fit = (
                sum(column) / len(pairs) for column in zip(*pairs, strict=True)
            )
            rows.append(
                [
                    data,
                    f"{by_fit:.4f}",
                    f"{stacked:.4f}",
                    f"{mean:+.4f}",
                    f"{mean - half:+.4f} to {mean + half:+.4f}",
                    "yes" if abs(mean) <= half else "NO",
                ]
            )
    head = [
        f"{len(seeds)} seeds, 5 folds x {options.epochs} epochs",
        *("fit", "stacked", "difference", "95 % interval", "holds 0"),
    ]
    report.table(head, rows)
    report.text(f"hpo: {engine}.")
    report.text(
        "Accuracies, mean over folds and seeds; differences are stacked minus fit, "
        f"seed by seed. {watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
