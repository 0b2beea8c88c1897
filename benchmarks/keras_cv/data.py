"""Larger data and convolutions: hpo's engine against ``fit``, which it may not trail.

20,000 x 20 rows of two classes with the dense network, in batches of 32 and of 128, and
a convolutional network of the user's own on the digits as images. Both sides have one
core in a process that lives on: ``fit`` is the plain loop, new is a network that the
process has no program for, and warm is the same once more.
"""

from __future__ import annotations

import statistics
from typing import Any

import peers
import shared
from shared import common

ROWS, LIMIT = 20_000, 1.05
DENSE = {"dense 32": 32, "dense 128": 128}
"""Cases by name, with their batch size."""
CONVOLUTION = "Conv2D 32"
FILTERS: dict[str, Any] = {
    "filters": 8,
    "drop": 0.2,
    "learning_rate": 1e-3,
    "batch_size": 32,
}


def case(
    name: str, rows: int, epochs: int, seed: int, n_folds: int
) -> tuple[dict[str, Any], list[shared.Fold]]:
    """Return the params and the folds of one case."""
    if name == CONVOLUTION:
        return FILTERS | {"epochs": epochs}, shared.images(seed)[:n_folds]
    params = shared.NETWORK | {"batch_size": DENSE[name], "epochs": epochs}
    return params, shared.synthetic(rows, seed)[:n_folds]


def hpo_case(name: str, **settings: int) -> dict[str, Any]:
    params, folds = case(name, **settings)
    seed = settings["seed"]
    built = name == CONVOLUTION
    family = shared.family("network:build" if built else "keras-mlp")
    other = {"filters": 5, "epochs": 1} if built else shared.OTHER
    shared.train(family, [(params | other, folds[0])], seed)
    step = family.group_limit
    seconds, scores, engine = [], [], ""
    for _ in range(3):
        took = 0.0
        for first in range(0, len(folds), step):
            part = [(params, fold) for fold in folds[first : first + step]]
            part_took, part_scores, engine = shared.train(family, part, seed)
            took += part_took
            scores += part_scores
        seconds.append(took)
    return {"seconds": seconds, "score": statistics.mean(scores), "engine": engine}


def plain_case(name: str, **settings: int) -> dict[str, Any]:
    params, folds = case(name, **settings)
    build = None
    if name == CONVOLUTION:
        import network  # which imports Keras

        build = network.convolutional
    peers.warm_up()
    runs = [peers.plain_trial(params, folds, build) for _ in range(2)]
    return {
        "seconds": [run[0] for run in runs],
        "score": statistics.mean(s for run in runs for s in run[1]),
    }


def variants(options: Any, notes: dict[str, str]) -> dict[str, Any]:
    def run(name: str, label: str, function: Any, states: Any, backend: str) -> Any:
        epochs = options.image_epochs if name == CONVOLUTION else options.epochs
        arguments = {
            "name": name,
            "rows": options.rows,
            "epochs": epochs,
            "seed": options.seed,
            "n_folds": options.folds,
        }
        (got,) = shared.together(function, [arguments], backend=backend, pinned=True)
        notes[f"{name}, {label}"] = f"{got.get('engine', 'fit')}; {got['score']:.4f}"
        return {
            f"{name}, {label}{state}": seconds
            for state, seconds in zip(states, got["seconds"], strict=True)
        }

    ours = (", new", ", warm", ", again")
    made: dict[str, Any] = {}
    for name in options.cases:
        for label, function, states, backend in (
            ("fit tensorflow", plain_case, ("", ", again"), "tensorflow"),
            ("fit jax", plain_case, ("", ", again"), "jax"),
            ("hpo tensorflow", hpo_case, ours, "tensorflow"),
            ("hpo jax", hpo_case, ours, "jax"),
        ):

            def variant(
                name: str = name,
                label: str = label,
                function: Any = function,
                states: Any = states,
                backend: str = backend,
            ) -> Any:
                return run(name, label, function, states, backend)

            made[f"{name}, {label}"] = variant
    return made


def main() -> None:
    parser = shared.parser(__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--epochs", type=int, default=4, help="of the dense networks")
    parser.add_argument("--image-epochs", type=int, default=10, help="of the others")
    options = parser.parse_args()
    options.cases, options.folds = [*DENSE, CONVOLUTION], shared.N_FOLDS
    if options.quick:
        options.rounds, options.rows = 1, 500
        options.epochs = options.image_epochs = 1
        options.cases, options.folds = options.cases[1:], 1
    notes: dict[str, str] = {}
    with common.scratch(options.folder) as folder:
        report, watch = shared.begin("data", options, folder)
        times = shared.take_turns(variants(options, notes), options.rounds)
    rows = []
    for row, seconds in times.rows.items():
        case_name = next(c for c in (*DENSE, CONVOLUTION) if row.startswith(c))
        backend = "jax" if "jax" in row else "tensorflow"
        share = times.gain(f"{case_name}, fit {backend}", row)
        cells = [shared.short(seconds), shared.short(share), ""]
        if share and "fit" not in row:
            cells[-1] = "yes" if statistics.median(share) <= LIMIT else "no"
        rows.append([row, *cells])
    report.table([f"{options.folds} folds", "seconds", "x fit", f"<= {LIMIT}"], rows)
    shared.show_missing(report, times)
    for row, note in notes.items():
        report.text(f"{row}: {note}.")
    shared.close(
        report,
        watch,
        options,
        f"Dense: {options.rows:,} x 20 rows, {options.epochs} epochs; Conv2D: "
        f"{options.image_epochs} epochs. x fit: seconds over those of fit on the same "
        f"backend, to reach: at most {LIMIT}; again: the row above once more (A/A). "
        "The last number of a note is the mean accuracy.",
    )


if __name__ == "__main__":
    main()
