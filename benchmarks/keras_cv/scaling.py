"""What a network costs in groups of 1 to 80, and on 500 to 100,000 rows.

A group holds folds of as many trials as it takes, each trial with a learning rate of
its own. Its program is there already: each group is trained once before it is timed.
Cost is given in milliseconds of one network and one epoch. ``fit`` is the plain loop's
training, without building and compiling, which each network needs besides.
"""

from __future__ import annotations

import csv
import statistics
import time
from pathlib import Path
from typing import Any

import peers
import shared
from shared import common

RESULTS = Path(__file__).parents[1] / "results"
SIZES = (1, 5, 10, 20, 40, 80)
ROWS = (500, 1_000, 5_000, 20_000, 100_000)
GROUP = 5
"""Networks of a group while the rows vary."""


def members(folds: list[shared.Fold], size: int, epochs: int) -> list[Any]:
    """Return so many networks: fold by fold, trial by trial."""
    n = len(folds)
    return [
        (
            shared.NETWORK
            | {"learning_rate": 1e-3 * 1.02 ** (index // n), "epochs": epochs},
            folds[index % n],
        )
        for index in range(size)
    ]


def hpo_sizes(sizes: list[int], epochs: int, seed: int) -> list[float]:
    """Return the ms of a network and epoch for each group size, on the digits."""
    folds = shared.digits(seed)
    return [warm_cost(folds, size, epochs, seed) for size in sizes]


def hpo_rows(rows: list[int], epochs: int, seed: int) -> list[float]:
    """Return the ms of a network and epoch for each number of rows."""
    return [warm_cost(shared.synthetic(n, seed), GROUP, epochs, seed) for n in rows]


def warm_cost(folds: list[shared.Fold], size: int, epochs: int, seed: int) -> float:
    family = shared.family()
    networks = members(folds, size, epochs)
    shared.train(family, members(folds, size, 1), seed)
    return 1000 * shared.train(family, networks, seed)[0] / (size * epochs)


def fit_sizes(sizes: list[int], epochs: int, seed: int) -> list[float]:
    return [fit_cost(shared.digits(seed), epochs)] * len(sizes)


def fit_rows(rows: list[int], epochs: int, seed: int) -> list[float]:
    return [fit_cost(shared.synthetic(n, seed), epochs) for n in rows]


def fit_cost(folds: list[shared.Fold], epochs: int) -> float:
    """Return the ms of an epoch of ``fit``, the first one left out."""
    import keras

    X, y, _, _ = folds[0]
    n_classes = len(set(y.tolist()))
    network = peers.dense(shared.NETWORK, X.shape[1:], n_classes)
    network.compile(
        optimizer=keras.optimizers.Adam(shared.NETWORK["learning_rate"]),
        loss=peers.loss(n_classes),
        metrics=["accuracy"],
    )
    settings = {"batch_size": shared.NETWORK["batch_size"], "verbose": 0}
    network.fit(X, y, epochs=1, **settings)
    started = time.perf_counter()
    network.fit(X, y, epochs=epochs, **settings)
    return 1000 * (time.perf_counter() - started) / epochs


def variants(options: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for label, function, key, epochs, backend in (
        ("size, tensorflow", hpo_sizes, "sizes", options.epochs, "tensorflow"),
        ("size, tensorflow, A/A", hpo_sizes, "sizes", options.epochs, "tensorflow"),
        ("size, jax", hpo_sizes, "sizes", options.epochs, "jax"),
        ("size, fit", fit_sizes, "sizes", options.epochs, "tensorflow"),
        ("rows, tensorflow", hpo_rows, "rows", options.row_epochs, "tensorflow"),
        ("rows, tensorflow, A/A", hpo_rows, "rows", options.row_epochs, "tensorflow"),
        ("rows, jax", hpo_rows, "rows", options.row_epochs, "jax"),
        ("rows, fit", fit_rows, "rows", options.row_epochs, "tensorflow"),
    ):

        def variant(
            label: str = label,
            function: Any = function,
            key: str = key,
            epochs: int = epochs,
            backend: str = backend,
        ) -> dict[str, float]:
            at = getattr(options, key)
            arguments = {key: at, "epochs": epochs, "seed": options.seed}
            (costs,) = shared.together(
                function, [arguments], backend=backend, pinned=True
            )
            return {f"{label}: {n}": c for n, c in zip(at, costs, strict=True)}

        made[label] = variant
    return made


def draw(points: dict[str, dict[str, dict[int, float]]], path: Path) -> None:
    """Draw the medians, and write them as CSV beside the picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    titles = {
        "size": ("networks in a group", "Digits"),
        "rows": ("rows of the data, of which 80 % train", f"Groups of {GROUP}"),
    }
    figure, pair = plt.subplots(1, 2, figsize=(9, 4))
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["axis", "row", "at", "ms of a network and epoch"])
        for axes, (axis, rows) in zip(pair, points.items(), strict=True):
            for name, costs in rows.items():
                style = "--" if name == "fit" else ":" if "A/A" in name else "-"
                at, values = list(costs), list(costs.values())
                axes.plot(at, values, style, marker=".", label=name, linewidth=1.2)
                writer.writerows([axis, name, n, f"{c:.4f}"] for n, c in costs.items())
            label, title = titles[axis]
            axes.set(xscale="log", yscale="log", xlabel=label)
            axes.set_ylabel("ms of a network and epoch")
            axes.set_title(title, fontsize=10)
            axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = shared.parser(__doc__)
    parser.add_argument("--epochs", type=int, default=10, help="on the digits")
    parser.add_argument("--row-epochs", type=int, default=2, help="while rows vary")
    options = parser.parse_args()
    options.sizes, options.rows = list(SIZES), list(ROWS)
    if options.quick:
        options.rounds, options.epochs, options.row_epochs = 1, 1, 1
        options.sizes, options.rows = [1, 5], [500]
    with common.scratch(options.folder) as folder:
        report, watch = shared.begin("scaling", options, folder)
        times = shared.take_turns(variants(options), options.rounds)
    names = ("tensorflow", "tensorflow, A/A", "jax", "fit")
    rows = []
    for axis, at in (("size", options.sizes), ("rows", options.rows)):
        for n in at:
            values = {m: times.rows.get(f"{axis}, {m}: {n}", []) for m in names}
            again = times.gain(
                f"{axis}, tensorflow, A/A: {n}", f"{axis}, tensorflow: {n}"
            )
            cells = [shared.short(values[m]) for m in ("tensorflow", "jax", "fit")]
            cells.insert(1, shared.middle(again))
            rows.append([f"{n:,} {'rows' if axis == 'rows' else 'networks'}", *cells])
    report.table(["ms", "tensorflow", "x A/A", "jax", "fit"], rows)
    shared.show_missing(report, times)
    points = {
        axis: {
            name: {n: statistics.median(times.rows[f"{axis}, {name}: {n}"]) for n in at}
            for name in names
            if f"{axis}, {name}: {at[0]}" in times.rows
        }
        for axis, at in (("size", options.sizes), ("rows", options.rows))
    }
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        draw(points, RESULTS / "keras_cv_scaling.png")
    shared.close(
        report,
        watch,
        options,
        f"ms of one network and one epoch, warm, each process on a core of its own; "
        f"groups on the digits, {options.epochs} epochs; rows in groups of {GROUP}, "
        f"{options.row_epochs} epochs. x A/A: TensorFlow's first over its second.",
    )


if __name__ == "__main__":
    main()
