"""The memory of the workers of a long Keras study, which must stay flat.

A study of 200 trials of random widths runs from the command line; the resident set size
of each of its workers is read all the while, as is their number: a worker that is
replaced is another process. Flat means that the last quarter of the run holds at most a
tenth more than the second, in which every library is imported and every program made.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import shared
from shared import common

LIMIT = 1.10
N_PARTS = 8
SPACE: dict[str, Any] = {
    "hidden_layers": {"int": [1, 3]},
    "units": {"int": [8, 128], "log": True},
    "learning_rate": {"float": [1e-4, 1e-2], "log": True},
    "dropout": {"float": [0.05, 0.5]},
}

Sample = tuple[float, dict[int, float]]
"""Seconds since the start, and MiB of each worker by its process number."""


def workers(process: Any) -> dict[int, float]:
    """Return the MiB that each worker of the command holds now."""
    import psutil

    held = {}
    for child in process.children(recursive=True):
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                held[child.pid] = child.memory_info().rss / 2**20
        except psutil.Error:
            continue  # it has ended since it was listed
    return held


def watch_study(folder: Path, document: dict[str, Any], every: float) -> list[Sample]:
    """Run a study to its end, and read the memory of its workers every so often."""
    import psutil

    started = time.perf_counter()
    command = shared.start_study(folder, document)
    process, samples = psutil.Process(command.pid), []
    while command.poll() is None:
        try:
            samples.append((time.perf_counter() - started, workers(process)))
        except psutil.NoSuchProcess:
            break
        time.sleep(every)
    _, errors = command.communicate()
    if command.returncode:
        raise shared.ChildError(errors)
    shared.stacked_trials(folder)
    return [sample for sample in samples if sample[1]]


def parts(samples: list[Sample]) -> list[list[Sample]]:
    """Cut a run into `N_PARTS` of equal time."""
    end = samples[-1][0]
    cut: list[list[Sample]] = [[] for _ in range(N_PARTS)]
    for sample in samples:
        cut[min(int(N_PARTS * sample[0] / end), N_PARTS - 1)].append(sample)
    return cut


def per_worker(samples: list[Sample]) -> list[float]:
    return [held for _, workers in samples for held in workers.values()]


def main() -> None:
    parser = shared.parser(__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--backend", default="tensorflow")
    options = parser.parse_args()
    every = 0.5
    if options.quick:
        options.rounds, options.trials, options.epochs, every = 1, 6, 1, 0.1
    search = {"strategy": "random", "trials": options.trials, "seed": options.seed}
    space = SPACE | {"epochs": options.epochs}
    document = shared.study(
        space, search, backend=options.backend, jobs=shared.N_PROCESSES
    )
    with common.scratch(options.folder) as folder:
        report, watch = shared.begin("memory", options, folder)
        runs = []
        for number in range(options.rounds):
            place = folder / f"{number}" / "new"
            runs.append(watch_study(place, document, every))
            print(f"  round {number + 1} of {options.rounds}", flush=True)
    cuts = [parts(run) for run in runs]
    rows = []
    for index in range(N_PARTS):
        middles, most, known = [], [], []
        for cut in cuts:
            held = per_worker(cut[index])
            if held:
                middles.append(statistics.median(held))
                most.append(max(held))
            known.append(
                len({pid for p in cut[: index + 1] for _, w in p for pid in w})
            )
        cells = [shared.short(middles), shared.short(most), common.summary(known, 0)]
        rows.append([f"{index + 1} of {N_PARTS}", *cells])
    head = ["part of the run", "MiB of a worker", "most", "workers so far"]
    report.table(head, rows)
    growth = []
    for cut in cuts:
        second = [s for part in cut[N_PARTS // 4 : N_PARTS // 2] for s in part]
        last = [s for part in cut[-N_PARTS // 4 :] for s in part]
        growth.append(max(per_worker(last)) / max(per_worker(second)))
    flat = "flat" if max(growth) <= LIMIT else "not flat"
    report.text(
        f"The most in the last quarter is {common.summary(growth)} times the most in "
        f"the second, to reach: at most {LIMIT}: {flat}. A run took "
        f"{shared.short([run[-1][0] for run in runs])} s."
    )
    shared.close(
        report,
        watch,
        options,
        f"{options.trials} trials x 5 folds x {options.epochs} epochs, "
        f"{options.backend}, {shared.N_PROCESSES} workers, read every {every} s.",
    )


if __name__ == "__main__":
    main()
