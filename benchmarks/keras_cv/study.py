"""A study of 24 trials from the command line, against loops of ``fit``.

Random over learning rate, L2, dropout and units of one depth; digits, 5 folds. Time
goes from the start of the command, or of the loop's processes, to their end: imports,
data, store and all. The folder is new each time, and so is JAX's cache of programs but
for the row that says otherwise. The loops train the very trials of the study.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import peers
import shared
from shared import common

WANTED = {"tensorflow": (20.0, 4.0), "jax": (30.0, 6.0)}
SPACE: dict[str, Any] = {
    "hidden_layers": 2,
    "units": {"int": [8, 64]},
    "learning_rate": {"float": [1e-4, 1e-2], "log": True},
    "l2": {"float": [1e-6, 1e-2], "log": True},
    "dropout": {"float": [0.05, 0.5]},
    "batch_size": 32,
}


def document(backend: str, options: Any) -> dict[str, Any]:
    search = {
        "strategy": "random",
        "trials": options.trials,
        "seed": options.seed,
        "defaults_first": False,
    }
    space = SPACE | {"epochs": options.epochs}
    return shared.study(space, search, backend=backend, jobs=shared.N_PROCESSES)


def proposals(options: Any) -> list[dict[str, Any]]:
    """Return the params of the study's trials, in order."""
    from hpo.search import make_strategy
    from hpo.spec import parse_study

    spec = parse_study(document("tensorflow", options), folder=Path.cwd())
    strategy = make_strategy("random", spec.space, seed=options.seed)
    return [dict(strategy.propose(n, []) or {}) for n in range(options.trials)]


def plain_loop(all_params: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Any]:
    folds = shared.digits(seed)
    runs = [peers.plain_trial(params, folds) for params in all_params]
    return {
        "seconds": sum(run[0] for run in runs),
        "scores": [statistics.mean(run[1]) for run in runs],
    }


def best_loop(all_params: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Any]:
    folds, loop = shared.digits(seed), peers.BestLoop()
    runs = [loop.trial(params, folds) for params in all_params]
    return {"scores": [statistics.mean(run[1]) for run in runs]}


def shares(
    all_params: Sequence[Mapping[str, Any]], n: int
) -> list[list[Mapping[str, Any]]]:
    """Deal trials to processes, those of one width to one process, evenly."""

    def units(params: Mapping[str, Any]) -> int:
        return int(params["units"])

    dealt: list[list[Mapping[str, Any]]] = [[] for _ in range(n)]
    alike = itertools.groupby(sorted(all_params, key=units), key=units)
    for group in sorted((list(same) for _, same in alike), key=len, reverse=True):
        min(dealt, key=len).extend(group)
    return dealt


class Sides:
    """What takes turns; keeps the mean score of each, to be compared.

    Args:
        options: Of the command line.
        folder: Takes a new folder for each study.
    """

    def __init__(self, options: Any, folder: Path) -> None:
        self._options, self._folder = options, folder
        self._params = proposals(options)
        self.scores: dict[str, float] = {}
        self.engines: dict[str, str] = {}

    def hpo(self, backend: str, label: str, again: str) -> dict[str, float]:
        """Run the study twice; the second time with what the user's cache holds."""
        home = self._folder / f"{time.monotonic_ns()}"
        given = document(backend, self._options)
        took, trials = shared.run_study(home / "new", given)
        again_took, _ = shared.run_study(home / "again", given)
        assert [dict(t.params) for t in trials] == self._params, "not the same trials"
        self.scores[label] = statistics.mean(t.score for t in trials)
        self.engines[backend] = ", ".join({f.engine for t in trials for f in t.folds})
        return {label: took, again: again_took}

    def plain(self) -> dict[str, float]:
        chosen = self._params[: self._options.plain_trials or None]
        started = time.perf_counter()
        got = shared.fresh(
            plain_loop,
            backend="tensorflow",
            all_params=chosen,
            seed=self._options.seed,
        )
        took = time.perf_counter() - started
        self.scores["plain loop"] = statistics.mean(got["scores"])
        # Starting up happens once, however many trials there are.
        missing = len(self._params) / len(chosen) - 1
        return {"plain loop": took + missing * got["seconds"]}

    def best(self, label: str) -> dict[str, float]:
        dealt = shares(self._params, shared.N_PROCESSES)
        each = [{"all_params": part, "seed": self._options.seed} for part in dealt]
        started = time.perf_counter()
        got = shared.together(best_loop, each, backend="tensorflow", pinned=True)
        took = time.perf_counter() - started
        scores = [score for part in got for score in part["scores"]]
        self.scores[label] = statistics.mean(scores)
        return {label: took}


def main() -> None:
    parser = shared.parser(__doc__)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=shared.EPOCHS)
    parser.add_argument(
        "--plain-trials",
        type=int,
        default=0,
        metavar="N",
        help="time the plain loop on the first N trials and scale; default: all",
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.trials, options.epochs = 1, 2, 2
        options.plain_trials = 1
    best = f"best loop x {shared.N_PROCESSES}"
    with common.scratch(options.folder) as folder:
        report, watch = shared.begin("study", options, folder)
        sides = Sides(options, folder)
        variants = {
            "hpo tensorflow": lambda: sides.hpo(
                "tensorflow", "tensorflow", "tensorflow, A/A"
            ),
            "hpo jax": lambda: sides.hpo("jax", "jax", "jax, filled cache"),
            best: lambda: sides.best(best),
            "plain loop": sides.plain,
        }
        times = shared.take_turns(variants, options.rounds)
    rows = []
    for name, seconds in times.rows.items():
        gains = [times.gain(name, peer) for peer in ("plain loop", best)]
        rows.append([name, *(shared.short(values) for values in (seconds, *gains))])
    report.table([f"{options.trials} trials", "seconds", "x plain", "x best"], rows)
    shared.show_missing(report, times)
    for backend, engine in sides.engines.items():
        report.text(f"hpo {backend}: {engine}.")
    for backend, (plain_goal, best_goal) in WANTED.items():
        first = shared.goal(
            f"hpo {backend} against the plain loop",
            times.gain(backend, "plain loop"),
            plain_goal,
        )
        gains = times.gain(backend, best)
        report.text(f"{first}; {shared.goal('the best loop', gains, best_goal)}.")
    scores = [f"{name} {score:.3f}" for name, score in sides.scores.items()]
    report.text(f"Mean accuracy of the trials: {', '.join(scores)}.")
    n = options.plain_trials
    words = f"{options.epochs} epochs, {shared.N_PROCESSES} processes."
    if 0 < n < options.trials:
        words += f" The plain loop was timed on the first {n} trials and scaled."
    shared.close(report, watch, options, words)


if __name__ == "__main__":
    main()
