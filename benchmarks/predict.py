"""How long `hpo predict` takes for 100,000 rows of 20 columns.

Each command runs in a new process, beside the same on 10 rows: the difference is what
the rows cost, and the rest is starting Python, importing libraries and loading the
model. The table has 16 columns of numbers, three of texts and one of dates, with
missing cells; three classes, each with its probabilities.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import common

N_ROWS, N_TRAINED, N_FEW = 100_000, 1_000, 10
LIMIT_SECONDS = 5.0
FAMILIES = ("sklearn-mlp", "keras-mlp")

STUDY = """\
name: {family}
data: {{source: trained.csv, target: y}}
model: {family}
space: {{units: 32, hidden_layers: 2, epochs: 5}}
search: {{strategy: random, trials: 1}}
evaluation: {{folds: 2}}
"""


def write_tables(folder: Path, seed: int) -> None:
    """Write the rows to train on, and to predict as CSV and as Parquet."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(N_ROWS, 16))
    numbers[rng.random(numbers.shape) < 0.02] = np.nan
    frame = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(16)])
    for index in range(3):
        frame[f"text{index}"] = rng.choice(["red", "green", "blue", None], N_ROWS)
    days = pd.Timestamp("2015-01-01") + pd.to_timedelta(
        rng.integers(0, 9**6, N_ROWS), "m"
    )
    frame["day"] = days.strftime("%Y-%m-%dT%H:%M")
    frame["y"] = rng.choice(["rain", "snow", "sun"], N_ROWS)
    frame[:N_TRAINED].to_csv(folder / "trained.csv", index=False)
    new = frame.drop(columns="y")
    for size, rows in (("large", new), ("small", new[:N_FEW])):
        rows.to_csv(folder / f"{size}.csv", index=False)
        rows.to_parquet(folder / f"{size}.parquet")


def hpo(folder: Path, *words: str) -> float:
    """Run a command; return how many seconds it took."""
    started = time.perf_counter()
    done = subprocess.run(
        [str(Path(sys.executable).parent / "hpo"), *words],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return time.perf_counter() - started


def time_predictions(folder: Path, rounds: int, report: common.Report) -> None:
    """Time both models on both kinds of files; large and small take turns."""
    rows = []
    for family in FAMILIES:
        study = STUDY.format(family=family)
        (folder / f"{family}.yaml").write_text(study)
        hpo(folder, "run", f"{family}.yaml", "--tracking", "none")
        hpo(folder, "export", family, "--to", f"{family}-model", "--tracking", "none")
        for kind in ("csv", "parquet"):
            times: dict[str, list[float]] = {"large": [], "small": []}
            for _ in range(rounds):
                for size, taken in times.items():
                    words = ("predict", f"{family}-model", f"{size}.{kind}")
                    taken.append(hpo(folder, *words, "-o", "out.csv"))
            extra = [a - b for a, b in zip(times["large"], times["small"], strict=True)]
            cells = (times["large"], times["small"], extra)
            rows.append([f"{family}, {kind}", *map(common.summary, cells)])
    head = ["seconds, new process", f"{N_ROWS:,} x 20", f"{N_FEW} x 20", "for the rows"]
    report.table(head, rows)


def main() -> None:
    options = common.parser(__doc__, rounds=3).parse_args()
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    libraries = ("pandas", "pyarrow", "scikit-learn", "keras", "tensorflow")
    report = common.Report("predict", libraries, f"{options.seed}")
    with common.scratch(options.folder) as folder:
        report.head(folder)
        write_tables(folder, options.seed)
        time_predictions(folder, options.rounds, report)
    report.text(
        f"To reach: under {LIMIT_SECONDS:g} s besides imports. Medians of "
        f"{options.rounds} rounds, with (least-greatest). "
        f"{watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
