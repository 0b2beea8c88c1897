"""`hpo.optimize` in memory next to Optuna's in-memory loop, with the same sampler.

A no-op objective with six hyperparameters, called in this process. The searches take
turns of 25 trials, so that whatever slows the machine slows all of them; both Bayesian
ones are Optuna's TPE. The time of a trial is processor time, as a turn that waits for
the other is no part of it.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import common

TURN, STEPS = 25, (100, 500)
LIMIT = 1.5


class Turns:
    """Lets one search at a time run, a turn each, and clocks the turns."""

    def __init__(self, names: list[str]) -> None:
        self._names, self._at = names, 0
        self._changed = threading.Condition()
        self._over: set[str] = set()
        self.seconds: dict[str, list[float]] = {name: [] for name in names}
        self._began: dict[str, float] = {}
        self._n_calls = dict.fromkeys(names, 0)

    def objective(self, name: str) -> Callable[[Any], float]:
        """Return an objective that hands over after each turn."""

        def score(params: Any) -> float:
            if self._n_calls[name] % TURN == 0:
                self._hand_over(name)
            self._n_calls[name] += 1
            return common.smooth_score(params, 0)

        return score

    def _hand_over(self, name: str) -> None:
        if name in self._began:
            took = time.thread_time() - self._began[name]
            self.seconds[name].append(took / TURN)
            self._next()
        self._wait_for(name)
        self._began[name] = time.thread_time()

    def _next(self) -> None:
        with self._changed:
            self._at += 1
            while len(self._over) < len(self._names) and self._whose() in self._over:
                self._at += 1
            self._changed.notify_all()

    def _whose(self) -> str:
        return self._names[self._at % len(self._names)]

    def _wait_for(self, name: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._whose() == name)

    def end(self, name: str) -> None:
        self._over.add(name)
        self._next()


def search_hpo(turns: Turns, name: str, strategy: str, seed: int, trials: int) -> None:
    import hpo

    objective = turns.objective(name)
    space = common.make_space()
    hpo.optimize(objective, space, strategy=strategy, trials=trials, seed=seed)
    turns.end(name)


def search_optuna(
    turns: Turns, name: str, strategy: str, seed: int, trials: int
) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers: Any = optuna.samplers
    kinds = {"random": samplers.RandomSampler, "bayesian": samplers.TPESampler}
    score = turns.objective(name)

    def objective(trial: Any) -> float:
        params = common.suggest(trial)
        return score(params)

    study = optuna.create_study(
        direction="maximize", sampler=kinds[strategy](seed=seed)
    )
    study.optimize(objective, n_trials=trials)
    turns.end(name)


def race(strategy: str, seed: int, trials: int) -> dict[str, list[float]]:
    """Return seconds per trial of each turn, for each search."""
    searches = {
        "hpo": search_hpo,
        "hpo again (A/A)": search_hpo,
        "optuna": search_optuna,
    }
    turns = Turns(list(searches))
    threads = [
        threading.Thread(target=search, args=(turns, name, strategy, seed, trials))
        for name, search in searches.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return turns.seconds


def main() -> None:
    options = common.parser(__doc__, rounds=3).parse_args()
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    report = common.Report(
        "optimize_in_memory", ("optuna",), f"0 to {options.rounds - 1}"
    )
    with common.scratch(options.folder) as folder:
        report.head(folder)
    trials = max(STEPS) + 2 * TURN
    race("bayesian", 0, 3 * TURN)  # imports, and what is made once
    for strategy in ("random", "bayesian"):
        rounds = [race(strategy, seed, trials) for seed in range(options.rounds)]
        rows = []
        for step in STEPS:
            turn = step // TURN
            at = {
                name: [1000 * done[name][turn] for done in rounds] for name in rounds[0]
            }
            for name, values in at.items():
                ratios = [a / b for a, b in zip(values, at["optuna"], strict=True)]
                ratio = statistics.median(ratios)
                rows.append(
                    [
                        f"{name}, at trial {step}",
                        common.summary(values, 3),
                        common.summary(ratios, 2),
                        "" if name == "optuna" else "yes" if ratio <= LIMIT else "no",
                    ]
                )
        report.table([strategy, "ms per trial", "x optuna", f"at most {LIMIT}"], rows)
    report.text(
        f"Medians of {options.rounds} rounds, with (least-greatest); each is the mean "
        f"of the {TURN} trials around it. {watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
