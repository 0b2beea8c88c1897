"""One trial of 5 folds in a process that lives on, against loops of ``fit``.

New: the process has trained another network before, but has no program for this one.
Warm: the same trial once more. Time goes from the folds, scaled, to their scores. Each
row of each round has a new process; hpo's has one core, as a worker has.
"""

from __future__ import annotations

from typing import Any

import peers
import shared
from shared import common

NEW, WARM = 10.0, 12.0


def hpo_trial(epochs: int, seed: int) -> dict[str, Any]:
    """Train the trial three times: new, warm, and warm again."""
    family, folds = shared.family(), shared.digits(seed)
    other = shared.NETWORK | shared.OTHER
    shared.train(family, [(other, fold) for fold in folds], seed)
    params = shared.NETWORK | {"epochs": epochs}
    runs = [
        shared.train(family, [(params, fold) for fold in folds], seed) for _ in range(3)
    ]
    return {"seconds": [run[0] for run in runs], "engine": runs[0][2]}


def plain_trial(epochs: int, seed: int) -> list[float]:
    peers.warm_up()
    folds = shared.digits(seed)
    params = shared.NETWORK | {"epochs": epochs}
    return [peers.plain_trial(params, folds)[0] for _ in range(2)]


def best_trial(epochs: int, seed: int, part: int, parts: int) -> list[float]:
    """Train every so many folds, twice: with a new model, and with the compiled one."""
    peers.warm_up()
    folds = shared.digits(seed)[part::parts]
    params = shared.NETWORK | {"epochs": epochs}
    loop, seconds = peers.BestLoop(), []
    for turn in range(2):
        if turn == 0:
            shared.meet()
        seconds.append(loop.trial(params, folds)[0])
    return seconds


def variants(epochs: int, seed: int, engines: dict[str, str]) -> dict[str, Any]:
    settings = {"epochs": epochs, "seed": seed}

    def plain(backend: str, label: str) -> dict[str, float]:
        first, again = shared.fresh(plain_trial, backend=backend, **settings)
        return {label: first, f"{label}, A/A": again}

    def best(n: int, label: str) -> dict[str, float]:
        each = [{**settings, "part": part, "parts": n} for part in range(n)]
        both = shared.together(best_trial, each, backend="tensorflow", pinned=n > 1)
        new, warm = (max(times) for times in zip(*both, strict=True))
        return {f"{label}, new": new, f"{label}, warm": warm}

    def ours(backend: str) -> dict[str, float]:
        got = shared.fresh(hpo_trial, backend=backend, pinned=True, **settings)
        engines[backend] = got["engine"]
        names = ("new", "warm", "warm, A/A")
        return {
            f"hpo {backend}, {name}": seconds
            for name, seconds in zip(names, got["seconds"], strict=True)
        }

    n = shared.N_PROCESSES
    return {
        "plain loop": lambda: plain("tensorflow", "plain loop"),
        "plain loop, jax": lambda: plain("jax", "plain loop, jax"),
        "best loop": lambda: best(1, "best loop"),
        f"best loop x {n}": lambda: best(n, f"best loop x {n}"),
        "hpo tensorflow": lambda: ours("tensorflow"),
        "hpo jax": lambda: ours("jax"),
    }


def main() -> None:
    parser = shared.parser(__doc__)
    parser.add_argument("--epochs", type=int, default=shared.EPOCHS)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.epochs = 1, 2
    engines: dict[str, str] = {}
    with common.scratch(options.folder) as folder:
        report, watch = shared.begin("one", options, folder)
        chosen = variants(options.epochs, options.seed, engines)
        times = shared.take_turns(chosen, options.rounds)
    n = shared.N_PROCESSES
    rows = []
    for name, seconds in times.rows.items():
        state = "warm" if "warm" in name else "new"
        best = times.least(f"best loop, {state}", f"best loop x {n}, {state}")
        gains = [times.gain(name, peer) for peer in ("plain loop", best)]
        cells = [common.summary(seconds), shared.short(gains[0])]
        rows.append([name, *cells, shared.middle(gains[1])])
    head = [f"5 folds x {options.epochs} epochs", "seconds", "x plain loop", "x best"]
    report.table(head, rows)
    shared.show_missing(report, times)
    for backend, engine in engines.items():
        report.text(f"hpo {backend}: {engine}.")
    goals = [
        shared.goal("New", times.gain("hpo tensorflow, new", "plain loop"), NEW),
        shared.goal("warm", times.gain("hpo tensorflow, warm", "plain loop"), WARM),
    ]
    report.text("; ".join(goals) + " (TensorFlow against its plain loop).")
    shared.close(
        report,
        watch,
        options,
        f"Best: the faster of the best loop in one process and in {n}, of a core and a "
        "share of the folds each, in the same state as the row.",
    )


if __name__ == "__main__":
    main()
