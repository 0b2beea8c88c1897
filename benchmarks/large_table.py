"""A table of 100,000 x 100: how long to look at it, and how much to hold it.

Time: ``hpo check`` and ``hpo init`` on the table, each in a new process, beside the
same command on a table of 500 rows; the difference is what the rows cost, and the rest
is starting Python and importing libraries.

Memory: the proportional set size (each shared page counted once among those who share
it) of all workers together, with 1 and with 4 workers, less that of the same workers on
the table of 500 rows. All five folds are trained twice before it is read, so that every
worker has every fold prepared.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import common

N_ROWS, N_COLUMNS, N_FEW = 100_000, 100, 500
CHECK_LIMIT_SECONDS, INIT_LIMIT_SECONDS, MEMORY_LIMIT = 3.0, 2.0, 1.3

STUDY = """\
name: {name}
data: {{source: {source}, target: y}}
model: sklearn.naive_bayes.GaussianNB
space: {{var_smoothing: {{float: [1e-12, 1e-6], log: true}}}}
search: {{strategy: random, trials: 40}}
"""


def write_tables(folder: Path, seed: int) -> None:
    """Write tables of N_ROWS and of N_FEW rows as CSV and as Parquet, with studies."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        rng.normal(size=(N_ROWS, N_COLUMNS - 1)),
        columns=[f"x{i}" for i in range(N_COLUMNS - 1)],
    )
    frame["y"] = np.where(frame.x0 + frame.x1 > 0, "up", "down")
    for size, part in (("large", frame), ("small", frame[:N_FEW])):
        part.to_csv(folder / f"{size}.csv", index=False)
        part.to_parquet(folder / f"{size}.parquet")
        for kind in ("csv", "parquet"):
            name = f"{size}-{kind}"
            text = STUDY.format(name=name, source=f"{size}.{kind}")
            (folder / f"{name}.yaml").write_text(text)


def seconds(words: list[str], folder: Path) -> float:
    """Time one `hpo` command."""
    started = time.perf_counter()
    subprocess.run(
        [str(Path(sys.executable).parent / "hpo"), *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


def time_commands(folder: Path, rounds: int, report: common.Report) -> None:
    """Time `check` and `init` on both tables; they take turns."""
    commands = {
        f"hpo {command} ({kind})": (command, kind)
        for command in ("check", "init")
        for kind in ("csv", "parquet")
    }
    rows = []
    for label, (command, kind) in commands.items():
        times: dict[str, list[float]] = {"large": [], "small": []}
        for _ in range(rounds):
            for size in times:
                words = ["check", f"{size}-{kind}.yaml"]
                if command == "init":
                    words = ["init", "new.yaml", "--force", "--data"]
                    words.append(f"{size}.{kind}")
                times[size].append(seconds(words, folder))
        extra = [a - b for a, b in zip(times["large"], times["small"], strict=True)]
        rows.append(
            [
                label,
                common.summary(times["large"]),
                common.summary(times["small"]),
                common.summary(extra),
            ]
        )
    shape = f"{N_ROWS:,} x {N_COLUMNS}"
    few = f"{N_FEW} x {N_COLUMNS}"
    report.table(["seconds, new process", shape, few, "for the rows"], rows)


def workers_bytes(study: Path, n_workers: int, seed: int) -> int:
    """Return the proportional set size of the workers that trained a study's folds."""
    import psutil

    from hpo.evaluation import Pair
    from hpo.spec import read_study
    from hpo.study import local_engine, prepare

    spec = read_study(study, overrides={"engine.jobs": n_workers, "search.seed": seed})
    prepared = prepare(spec)
    engine = local_engine(prepared)
    try:
        for number in range(2 * n_workers):
            futures = [
                engine.submit((Pair(number, fold, {"var_smoothing": 1e-9}),))
                for fold in range(len(prepared.plan.folds))
            ]
            for future in futures:
                ((_, result),) = future.result()
                assert result.failure is None, result.error
        workers = [
            child
            for child in psutil.Process().children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]
        assert len(workers) == n_workers, workers
        return sum(worker.memory_full_info().pss for worker in workers)
    finally:
        engine.close()


def measure_memory(folder: Path, options: Any, report: common.Report) -> None:
    """Compare the memory of 4 workers with that of 1."""
    held: dict[int, list[float]] = {1: [], 4: []}
    libraries: dict[int, list[float]] = {1: [], 4: []}
    for _ in range(options.rounds):
        for n_workers in held:
            large, small = (
                workers_bytes(folder / f"{size}-parquet.yaml", n_workers, options.seed)
                / 2**20
                for size in ("large", "small")
            )
            held[n_workers].append(large - small)
            libraries[n_workers].append(small)
    rows = [
        [
            f"{n} worker{'s' if n > 1 else ''}",
            common.summary(held[n], 0),
            common.summary(libraries[n], 0),
        ]
        for n in held
    ]
    report.table(["MiB", "for the table", "libraries and the rest"], rows)
    ratio = common.ratios(held[4], held[1])
    table = 8 * N_ROWS * N_COLUMNS / 2**20
    report.text(
        f"4 workers hold {common.summary(ratio)} times what 1 worker holds for the "
        f"table, to reach: at most {MEMORY_LIMIT}. The table itself is {table:.0f} MiB "
        "of float64, and its five folds, prepared, five times that."
    )


def main() -> None:
    options = common.parser(__doc__, rounds=3).parse_args()
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    report = common.Report(
        "large_table", ("pandas", "pyarrow", "scikit-learn"), f"{options.seed}"
    )
    with common.scratch(options.folder) as folder:
        report.head(folder)
        write_tables(folder, options.seed)
        time_commands(folder, options.rounds, report)
        measure_memory(folder, options, report)
    report.text(
        f"To reach: check under {CHECK_LIMIT_SECONDS:g} s besides imports, init under "
        f"{INIT_LIMIT_SECONDS:g} s. Medians of {options.rounds} rounds, with "
        f"(least-greatest). {watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
