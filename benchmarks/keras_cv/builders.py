"""What the networks of builders gain by being stacked, and from what size on they lose.

The folds of a trial are trained as hpo trains them: all at once, and one by one in a
program that they share. Both have one core in a process that lives on. Larger networks
than hpo stacks are stacked here all the same, to see what that would give.
"""

from __future__ import annotations

from typing import Any

import shared
from shared import common

BUILDER = "network:layered"
JAX_EPOCHS = 120
"""Enough to see what a stack saves; hpo stacks from 50,000 updates on there."""

CASES: dict[str, dict[str, Any]] = {
    "2 x 64": {},
    "2 x 64, dropout": {"drop": 0.2},
    "2 x 208": {"units": 208},
    "2 x 256": {"units": 256},
    "Conv2D": {"filters": 16},
}
"""Networks by name, with what sets them apart; 2 x 208 is about the largest stacked."""
JAX_CASES = ("2 x 64",)
UNUSUAL = ("2 x 256", "Conv2D")
"""Cases that hpo does not stack."""


def trials(case: str, together: bool, epochs: int, seed: int) -> dict[str, float]:
    """Train a trial thrice; return the seconds: of a new program, and of a warm one."""
    from hpo.models import traced_choice
    from hpo.models.traced_program import backend_module

    backend_module().STACKED_UPDATES = 0
    if case in UNUSUAL:
        traced_choice.STACKED_WEIGHTS = 10**9
        traced_choice.STACKED_LAYERS += ("Conv2D",)
    family, folds = shared.family(BUILDER), shared.digits(seed)
    params = shared.NETWORK | {"drop": 0.0, "epochs": epochs} | CASES[case]
    size = len(folds) if together else 1
    kind = " stacked" if together else " scan: a fold at a time"
    # Other networks have been trained before, as in a worker of a study.
    other = {"units": 24, "epochs": 1}
    train(family, params | other, folds, size, seed)
    seconds = {}
    for state in ("new", "warm", "again"):
        seconds[state], engine = train(family, params, folds, size, seed)
        if not engine.endswith(kind):
            raise RuntimeError(f"expected{kind}; got {engine}")
    return seconds


def train(
    family: Any, params: dict[str, Any], folds: list[shared.Fold], size: int, seed: int
) -> tuple[float, str]:
    """Train folds, so many at a time; return the seconds, and what trained them."""
    seconds, engine = 0.0, ""
    for first in range(0, len(folds), size):
        part = [(params, fold) for fold in folds[first : first + size]]
        took, _, engine = shared.train(family, part, seed + first)
        seconds += took
    return seconds, engine


def variants(options: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for backend, cases in (("tensorflow", CASES), ("jax", JAX_CASES)):
        epochs = options.epochs[backend]
        for case in cases:
            for label in ("one by one", "together"):

                def variant(
                    name: str = f"{backend}, {epochs} epochs, {case}",
                    backend: str = backend,
                    case: str = case,
                    label: str = label,
                ) -> dict[str, float]:
                    arguments = {
                        "case": case,
                        "together": label == "together",
                        "epochs": options.epochs[backend],
                        "seed": options.seed,
                    }
                    (got,) = shared.together(
                        trials, [arguments], backend=backend, pinned=True
                    )
                    return {f"{name}, {key}: {label}": s for key, s in got.items()}

                made[f"{backend}, {case}: {label}"] = variant
    return made


def main() -> None:
    parser = shared.parser(__doc__)
    options = parser.parse_args()
    options.epochs = {"tensorflow": shared.EPOCHS, "jax": JAX_EPOCHS}
    if options.quick:
        options.rounds, options.epochs = 1, dict.fromkeys(options.epochs, 2)
    with common.scratch(options.folder) as folder:
        report, watch = shared.begin("builders", options, folder)
        times = shared.take_turns(variants(options), options.rounds)
    rows = []
    for row, seconds in times.rows.items():
        name, label = row.split(": ")
        if label != "one by one":
            continue
        other = times.rows.get(f"{name}: together", [])
        gain = times.gain(f"{name}: together", row)
        _, _, case = name.rpartition(" epochs, ")
        is_unusual = name.startswith("jax") or case.rpartition(", ")[0] in UNUSUAL
        rows.append(
            [name + "*" * is_unusual, *map(shared.short, (seconds, other, gain))]
        )
    head = ["5 folds", "one by one", "together", "x"]
    report.table(head, rows)
    shared.show_missing(report, times)
    shared.close(
        report,
        watch,
        options,
        "Seconds of a trial on the digits, from building its networks to their scores; "
        "new: nothing is compiled for them; warm: all of it is; again: warm once more "
        "(A/A). x: how many times faster they are together. *: hpo trains these one by "
        "one; they were stacked for this table only.",
    )


if __name__ == "__main__":
    main()
