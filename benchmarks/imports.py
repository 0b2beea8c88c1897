"""How long ``import hpo``, ``hpo --help`` and ``hpo list`` take, each in a new process.

The commands take turns; the first round, which may read from the disk, is not counted.
A bare ``python -c pass`` shows what Python itself costs, and runs twice as an A/A.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common

if TYPE_CHECKING:
    from hpo.records import FoldResult, Trial

LIMIT_SECONDS, N_FOLDS = 0.5, 5


def seconds(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def fill(folder: Path, n_studies: int, n_trials: int) -> None:
    """Make a store with small studies, as someone has after a week."""
    from hpo.records import Trial, judge
    from hpo.search import make_strategy
    from hpo.store import Changes, Store

    store = Store(f"sqlite:///{folder / 'hpo.db'}")
    runner = common.make_runner()
    for index in range(n_studies):
        name = f"study-{index}"
        common.create_study(store, name, N_FOLDS, 0)
        strategy = make_strategy("random", common.make_space(), seed=index)
        trials: list[Trial] = []
        for number in range(n_trials):
            params = strategy.propose(number, trials)
            assert params is not None
            trials.append(Trial(number, params))
        writer = store.own(name)
        results = _folds(runner, trials)
        by_trial: dict[int, dict[int, FoldResult]] = {t.number: {} for t in trials}
        for number, result in results:
            by_trial[number][result.fold] = result
        done = [judge(trial, by_trial[trial.number], N_FOLDS) for trial in trials]
        writer.commit(Changes(started=trials, folds=results, finished=done))
        writer.release()
    store.close()


def _folds(
    runner: Callable[[Any], Any], trials: list[Trial]
) -> list[tuple[int, FoldResult]]:
    from hpo.evaluation import Pair

    pairs = [Pair(t.number, fold, t.params) for t in trials for fold in range(N_FOLDS)]
    results: list[tuple[int, FoldResult]] = runner(pairs)
    return results


def _verdict(middle: float) -> str:
    return "yes" if middle < LIMIT_SECONDS else "no"


def main() -> None:
    options = common.parser(__doc__, rounds=11).parse_args()
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    hpo = str(Path(sys.executable).parent / "hpo")
    python = sys.executable
    commands = {
        "python -c pass": [python, "-c", "pass"],
        "python -c pass, again (A/A)": [python, "-c", "pass"],
        'python -c "import hpo"': [python, "-c", "import hpo"],
        "hpo --help": [hpo, "--help"],
        "hpo list (10 studies, 1000 trials)": [hpo, "list"],
    }
    report = common.Report("imports", ("typer", "rich", "sqlalchemy"), "none needed")
    with common.scratch(options.folder) as folder:
        report.head(folder)
        fill(folder, 10, 100)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for index in range(options.rounds + 1):
            for name, command in commands.items():
                took = seconds(command, folder)
                if index:
                    times[name].append(took)
    rows = [
        [name, common.summary(t, 3), _verdict(statistics.median(t))]
        for name, t in times.items()
    ]
    report.table(["new process", "seconds", f"under {LIMIT_SECONDS} s"], rows)
    report.text(
        f"Medians of {options.rounds} processes, with (least-greatest). "
        f"{watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
